--- What changed between two lists of endpoints: which opened, closed, or have other addresses or owners.
-- @module porthole.changes

local M = {}

local function column(name, kind, weight, help)
    return { name = name, type = kind, weight = weight, help = help }
end

M.type = {
    name = "change",
    columns = {
        column("time", "name", 9, "when it was seen, in UTC"),
        column("event", "name", 10, "opened, closed, or changed: another address or another owner"),
        column("proto", "name", 8, "transport protocol"),
        column("port", "port", 8, "port number"),
        column("service", "name", 5, "the service's name by the registry of ports"),
        column("addresses", "list", 6, "what it listens on now; of a closed one, what it did"),
        column("processes", "list", 7, "who holds it now; of a closed one, who did"),
        column("unit", "name", 4, "the systemd unit that holds it"),
        column("container", "name", 0, "the container that holds it"),
        column("netns", "name", 0, "the network namespace that it is in"),
        column("reach", "name", 3, "how far its addresses go"),
    },
}

--- Which service: what stays the same when its owner or its address changes.
local function place(endpoint)
    return ("%s|%s|%d"):format(endpoint.netns or "", endpoint.proto, endpoint.port)
end

--- All of it that is told of.
local function signature(endpoint)
    local parts = {}
    for _, entry in ipairs(endpoint.addresses) do
        parts[#parts + 1] = ("%s%%%s/%s"):format(entry.address, entry.iface or "", tostring(entry.v6only))
    end
    for _, process in ipairs(endpoint.processes or {}) do
        parts[#parts + 1] = tostring(process.pid)
    end
    return table.concat(parts, "|")
end

--- Endpoints by place, and of one place by signature, in order.
local function index(list)
    local places = {}
    for _, endpoint in ipairs(list) do
        local key = place(endpoint)
        local here = places[key]
        if not here then
            here = { order = {}, by = {} }
            places[key] = here
            places[#places + 1] = key
        end
        local mark = signature(endpoint)
        if not here.by[mark] then
            here.by[mark] = endpoint
            table.insert(here.order, mark)
        end
    end
    return places
end

local nothing = { order = {}, by = {} }

--- The endpoints of one side that the other has not.
local function only_in(one, other)
    local list = {}
    for _, mark in ipairs(one.order) do
        if not other.by[mark] then
            list[#list + 1] = one.by[mark]
        end
    end
    return list
end

local function add_changes(changes, before, after)
    local gone, come = only_in(before, after), only_in(after, before)
    for i = 1, math.max(#gone, #come) do
        local event = not gone[i] and "opened" or not come[i] and "closed" or "changed"
        changes[#changes + 1] = { event = event, endpoint = come[i] or gone[i] }
    end
end

--- Compares two lists.
-- @tparam {table,...} before endpoints, as `porthole.endpoints.list` gives them
-- @tparam {table,...} after
-- @treturn {table,...} of `event` and `endpoint`: closed ones first, in the order of the lists
function M.between(before, after)
    local changes, old, new = {}, index(before), index(after)
    for _, key in ipairs(old) do
        add_changes(changes, old[key], new[key] or nothing)
    end
    for _, key in ipairs(new) do
        if not old[key] then
            add_changes(changes, nothing, new[key])
        end
    end
    return changes
end

return M
