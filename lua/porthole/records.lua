--- What was closed and how to open it again, kept under the state directory so that `open PORT` knows it later.
-- One file for each plan that was applied: whatever ends half-way leaves what it had done.
-- @module porthole.records

local core = require "porthole.core"

local M = {}

local PREFIX = "closed-"

local verbs = { start = true, enable = true }

--- Whether what a file says can be acted upon; the folder and the file are ours, yet nothing is taken on trust.
local function is_sound(record)
    if type(record) ~= "table" or type(record.steps) ~= "table" or type(record.ports) ~= "table" then
        return false
    end
    for _, step in ipairs(record.steps) do
        if type(step) ~= "table" or not verbs[step.verb] or type(step.unit) ~= "string"
            or not core.units.name("systemd", step.unit)
            or (step.user ~= nil and math.type(step.user) ~= "integer") then
            return false
        end
    end
    for _, entry in ipairs(record.ports) do
        if type(entry) ~= "table" or math.type(entry.port) ~= "integer" then
            return false
        end
    end
    return true
end

--- Lets a plan write its undo steps down while it is applied.
function M.attach(plan)
    local name = ("%s%d-%d.json"):format(PREFIX, os.time(), core.process.self())
    function plan.save()
        local steps = {}
        for i, step in ipairs(plan.undo_steps) do
            steps[i] = { verb = step.verb, unit = step.unit, user = step.user, rank = step.rank, limit = step.limit }
        end
        return core.state.save(name, core.json.encode { time = os.time(), ports = plan.ports, steps = steps })
    end
    function plan.saved_drop()
        return core.state.drop(name)
    end
end

--- All records, the latest first.
function M.list()
    local names, message, code = core.state.list()
    if not names then
        return nil, message, code
    end
    local list = {}
    for _, name in ipairs(names) do
        local text = name:sub(1, #PREFIX) == PREFIX and core.state.load(name)
        local ok, record = pcall(core.json.decode, text or "")
        if ok and is_sound(record) then
            record.name = name
            list[#list + 1] = record
        end
    end
    table.sort(list, function(a, b)
        return a.name > b.name
    end)
    return list
end

local function has_port(record, port, proto)
    for _, entry in ipairs(record.ports) do
        if entry.port == port and (not proto or not entry.proto or entry.proto == proto) then
            return true
        end
    end
    return false
end

local function has_unit(record, id, user)
    for _, step in ipairs(record.steps) do
        if step.unit == id and step.user == user then
            return true
        end
    end
    return false
end

--- The latest record of a port, or of a unit; nil where there is none.
-- @tparam table what {port, proto} or {unit, user}
function M.find(what)
    local list, message, code = M.list()
    if not list then
        return nil, message, code
    end
    for _, record in ipairs(list) do
        if what.port and has_port(record, what.port, what.proto)
            or what.unit and has_unit(record, what.unit, what.user) then
            return record
        end
    end
    return nil
end

return M
