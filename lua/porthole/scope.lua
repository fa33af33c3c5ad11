--- What may be probed and connected to besides this host's own addresses: for a session in the shell, or a script.
-- `scope.add("192.0.2.0/24")`; a call's own `scope=` is added to it.
-- @module porthole.scope

local M = {}

local prefixes = {}

--- Allows more: a prefix, an address, or a list of them. What is none is an error of the call that uses it.
-- @tparam string|{string,...} what
function M.add(what)
    if type(what) ~= "table" then
        what = { what }
    end
    for _, prefix in ipairs(what) do
        if type(prefix) ~= "string" then
            error("scope.add: argument 1 must be a string or a list of strings, not " .. type(prefix), 2)
        end
        require("porthole.core").scope_check(prefix)
    end
    table.move(what, 1, #what, #prefixes + 1, prefixes)
end

--- Whether a text is an address or a block, as `--scope` takes it.
-- @tparam string prefix
-- @treturn boolean
function M.is_prefix(prefix)
    return (pcall(require("porthole.core").scope_check, prefix))
end

--- Allows this host's own addresses only, as at the start.
function M.clear()
    prefixes = {}
end

--- What has been added.
-- @treturn {string,...}
function M.list()
    return table.move(prefixes, 1, #prefixes, 1, {})
end

--- A call's own scope together with the session's.
-- @tparam ?string|{string,...} own
-- @treturn ?string|{string,...}
function M.with(own)
    if #prefixes == 0 then
        return own
    elseif type(own) == "string" then
        own = { own }
    elseif own ~= nil and type(own) ~= "table" then
        return own
    end
    return table.move(own or {}, 1, #(own or {}), #prefixes + 1, M.list())
end

return M
