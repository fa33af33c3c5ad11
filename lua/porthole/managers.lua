--- Connections to service managers: the system's, and those of users. Each is opened when it is first needed, and
-- again after it was lost.
-- @module porthole.managers

local core = require "porthole.core"

local M = {}

local Managers = {}
Managers.__index = Managers

--- @tparam[opt] table options `backend` (systemd, sysv, fake), `interactive`; `manager`: one that is open already
function M.new(options)
    return setmetatable({ options = options or {}, open = {} }, Managers)
end

--- The manager of a user, or the system's.
-- @tparam ?integer user
-- @return the manager; or nil, a message and a code
function Managers:get(user)
    local key = user or "system"
    if self.options.manager then
        return self.options.manager
    end
    if not self.open[key] then
        local manager, message, code = core.units.open {
            backend = not user and self.options.backend or nil, user = user, interactive = self.options.interactive,
        }
        if not manager then
            return nil, message, code
        end
        self.open[key] = manager
    end
    return self.open[key]
end

--- Calls a method of the right manager; a connection that was lost is forgotten.
function Managers:call(user, method, ...)
    local manager, message, code = self:get(user)
    if not manager then
        return nil, message, code
    end
    local result, problem, name, more = manager[method](manager, ...)
    if name == "ECONNRESET" and not self.options.manager then
        manager:close()
        self.open[user or "system"] = nil
    end
    return result, problem, name, more
end

--- "systemd", "sysv" or "fake"; nil, a message and a code where there is none.
function Managers:backend()
    local manager, message, code = self:get()
    if not manager then
        return nil, message, code
    end
    return manager:backend()
end

function Managers:close()
    for key, manager in pairs(self.open) do
        manager:close()
        self.open[key] = nil
    end
end

Managers.__close = Managers.close

return M
