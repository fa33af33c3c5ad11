--- Opening again what was closed: by port from the record that `close` wrote, by name always.
-- @module porthole.open

local core = require "porthole.core"
local holders = require "porthole.holders"
local managers = require "porthole.managers"
local plans = require "porthole.plan"
local records = require "porthole.records"

local M = {}

local WAIT_SECONDS, LOOK_SECONDS = 10, 0.2

local function port_text(entry)
    return entry.proto and ("%d/%s"):format(entry.port, entry.proto) or tostring(entry.port)
end

local function is_open(entry)
    for _, listener in ipairs(holders.listeners { entry.port } or {}) do
        if not entry.proto or listener.proto == entry.proto then
            return true
        end
    end
    return false
end

--- Waits until the condition holds. true; false when the time is over; or nil, a message and a code.
local function wait(condition)
    for _ = 1, WAIT_SECONDS / LOOK_SECONDS do
        if condition() then
            return true
        end
        local ok, message, code = core.sleep(LOOK_SECONDS)
        if not ok then
            return nil, message, code
        end
    end
    return condition()
end

--- Each port that was closed listens again.
local function ports_listen(plan)
    for _, entry in ipairs(plan.ports) do
        local ok, message, code = wait(function()
            return is_open(entry)
        end)
        if ok == nil then
            return nil, message, code
        elseif not ok then
            return nil, ("port %s is not open, %d seconds after the start"):format(port_text(entry), WAIT_SECONDS),
                "ETIMEDOUT"
        end
    end
    if plan.record then
        core.state.drop(plan.record)
    end
    return true, "open: " .. M.texts(plan.ports)
end

function M.texts(ports)
    local list = {}
    for i, entry in ipairs(ports) do
        list[i] = port_text(entry)
    end
    return table.concat(list, ", ")
end

--- Some port of the unit listens: what was closed is not known, so any will do.
local function some_port_listens(plan)
    local unit = require("porthole.unit").unit(plan.unit, plan.unit_options)
    local ports
    local ok, message, code = wait(function()
        local rows = unit:ports()
        ports = rows and #rows > 0 and rows
        return ports
    end)
    if ok == nil then
        return nil, message, code
    elseif not ok then
        return nil, ("%s runs, but %d seconds after its start it holds no port"):format(plan.unit, WAIT_SECONDS),
            "ETIMEDOUT"
    end
    local list = {}
    for i = 1, #ports do
        list[i] = ("%d/%s"):format(ports[i].port, ports[i].proto)
    end
    return true, "open: " .. table.concat(list, ", ")
end

--- The steps of a record, checked against what is there now.
local function steps_of(record, set)
    local steps = {}
    for _, kept in ipairs(plans.undo_order(record.steps)) do
        local unit, message, code = set:call(kept.user, "read", kept.unit)
        if not unit then
            return nil, message, code
        end
        local step = plans.unit_step(kept.verb, unit, kept.user)
        if kept.verb == "enable" then
            step.facts = nil
        end
        steps[#steps + 1] = step
    end
    return steps
end

local function by_record(record, options, set)
    local steps, message, code = steps_of(record, set)
    if not steps then
        return nil, message, code
    end
    return plans.new {
        title = ("open %s again"):format(M.texts(record.ports)), steps = steps, options = options, managers = set,
        ports = record.ports, record = record.name, verify = ports_listen,
        notes = { ("as `close` wrote it down on %s"):format(os.date("%Y-%m-%d %H:%M:%S", record.time)) },
    }
end

--- Socket units that start this one, are meant to run, and do not: they go first.
local function idle_sockets(unit, options, set)
    local list = {}
    for _, id in ipairs(unit.triggered_by) do
        local socket = id:find("%.socket$") and set:call(options.user, "read", id)
        if socket and socket.enabled == "enabled" and socket.active == "inactive" then
            list[#list + 1] = socket
        end
    end
    return list
end

local function by_unit(unit, options, set)
    local steps = {}
    for _, socket in ipairs(idle_sockets(unit, options, set)) do
        steps[#steps + 1] = plans.unit_step("start", socket, options.user)
    end
    steps[#steps + 1] = plans.unit_step("start", unit, options.user)
    return plans.new {
        title = "open " .. unit.id, steps = steps, options = options, managers = set, unit = unit.id,
        unit_options = options, verify = some_port_listens,
        notes = unit.active == "active" and { unit.id .. " is active already" } or {},
    }
end

--- The plan that opens a port again, or starts a unit.
-- @tparam string|table what a unit's name, or {port, proto}
-- @tparam[opt] table options user, backend, interactive, manager
-- @treturn table a plan; or nil, a message and a code
function M.plan(what, options)
    options = options or {}
    local set = managers.new(options)
    if type(what) == "table" then
        local record, message, code = records.find(what)
        if not record then
            return nil, message or ("porthole did not close port %s, so it does not know what to start; name the " ..
                "service: porthole open NAME"):format(port_text(what)), code or "ENOENT"
        end
        return by_record(record, options, set)
    end
    local unit, message, code = set:call(options.user, "read", what)
    if not unit then
        return nil, message, code
    end
    local record = records.find { unit = unit.id, user = options.user }
    if record and unit.active ~= "active" then
        return by_record(record, options, set)
    end
    return by_unit(unit, options, set)
end

return M
