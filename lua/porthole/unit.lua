--- Units: services, and the sockets, timers and paths that start them, of the system's manager or of a user's own.
-- @module porthole.unit

local core = require "porthole.core"
local holders = require "porthole.holders"
local managers = require "porthole.managers"
local plans = require "porthole.plan"

local M = {}

local function column(name, kind, weight, help)
    return { name = name, type = kind, weight = weight, help = help }
end

M.type = {
    name = "unit",
    columns = {
        column("name", "name", 10, "its full name; of an init script the script's name"),
        column("description", "name", 3, "what it is, in its own words"),
        column("load", "name", 0, "whether its file could be read: loaded, masked, error, bad-setting"),
        column("active", "name", 9, "active, inactive, failed, activating, deactivating, reloading; unknown"),
        column("sub", "name", 7, "the state within that: running, listening, dead"),
        column("enabled", "name", 6, "whether it starts at boot: enabled, disabled, static, generated, alias"),
        column("main_pid", "integer", 4, "number of its main process"),
        column("ports", "list", 8, "the ports that it holds open, such as 80/tcp"),
        column("sockets", "list", 5, "socket units that start it"),
        column("restart", "name", 2, "what of its ends makes the manager start it again: no, on-failure, always"),
    },
}

M.port_type = {
    name = "unit port",
    columns = {
        column("proto", "name", 9, "transport protocol"),
        column("port", "port", 10, "port number"),
        column("address", "address", 8, "the address that it is open at"),
        column("held_by", "name", 6, "the unit that holds it: the service, or a socket unit that starts it"),
        column("pid", "integer", 5, "the process that holds it"),
    },
}

M.log_type = {
    name = "log line",
    columns = {
        column("time", "time", 9, "when it was logged"),
        column("source", "name", 8, "who said it"),
        column("message", "name", 10, "what was said"),
    },
}

local Unit = {}
Unit.__index = Unit
Unit.__name = "porthole.unit"

--- What every open port's processes say of their units; read once for all units.
local function held_ports()
    local held = {}
    for _, listener in ipairs(holders.listeners() or {}) do
        for _, process in ipairs(holders.processes(listener)) do
            local unit = process.user_unit or process.unit
            if unit then
                held[unit] = held[unit] or {}
                table.insert(held[unit], { listener = listener, pid = process.pid })
            end
        end
    end
    return held
end

local function port_list(id, unit, held)
    local seen, list = {}, {}
    local function add(entry)
        local text = ("%d/%s"):format(entry.port, entry.proto)
        if not seen[text] then
            seen[text] = true
            list[#list + 1] = text
        end
    end
    for _, entry in ipairs(held[id] or {}) do
        add(entry.listener)
    end
    if unit.active == "active" then
        for _, entry in ipairs(holders.listens(unit)) do
            add(entry)
        end
    end
    return list
end

local function only_sockets(list)
    local sockets = {}
    for _, id in ipairs(list or {}) do
        if id:find("%.socket$") then
            sockets[#sockets + 1] = id
        end
    end
    return sockets
end

local function row_of(unit, held)
    return {
        name = unit.id, description = unit.description, load = unit.load, active = unit.active, sub = unit.sub,
        enabled = unit.enabled, main_pid = unit.main_pid, ports = port_list(unit.id, unit, held),
        sockets = only_sockets(unit.triggered_by), restart = unit.restart,
    }
end

local shown_kinds = { service = true, socket = true, timer = true, path = true }

local function is_shown(id, backend)
    return backend == "sysv" or shown_kinds[id:match("%.(%a+)$") or ""] or false
end

--- Which process belongs to which init script: there a process says nothing of its unit.
local function held_by_scripts(held, set)
    for _, listener in ipairs(holders.listeners() or {}) do
        for _, process in ipairs(holders.processes(listener)) do
            local script = set:call(nil, "owner", process.pid)
            if script then
                held[script] = held[script] or {}
                table.insert(held[script], { listener = listener, pid = process.pid })
            end
        end
    end
    return held
end

local function ports_by_unit(set, backend)
    if backend == "sysv" then
        return held_by_scripts({}, set)
    end
    return held_ports()
end

local option_names = { backend = true, user = true, interactive = true, manager = true }

--- Takes what is no column out of a filter.
local function split(filter)
    local options, rest = {}, {}
    for key, value in pairs(filter or {}) do
        if option_names[key] then
            options[key] = value
        else
            rest[key] = value
        end
    end
    return options, rest
end

--- The services, sockets, timers and paths that the manager has loaded; of init scripts all.
-- @tparam[opt] table filter any column, as `where` takes it; `user`, the number of the user whose own manager is
-- asked; `backend`
-- @return rows; or nil, a message and a code
function M.units(filter)
    if filter ~= nil and type(filter) ~= "table" then
        error("units: argument 1 (filter) must be a table, not " .. type(filter), 2)
    end
    local options, rest = split(filter)
    local set <close> = managers.new(options)
    local listed, message, code = set:call(options.user, "list")
    if not listed then
        return nil, message, code
    end
    local backend = set:backend()
    local held = ports_by_unit(set, backend)
    local list = {}
    for _, entry in ipairs(listed) do
        if is_shown(entry.id, backend) and entry.load ~= "not-found" then
            local unit = backend == "sysv" and entry or set:call(options.user, "read", entry.id)
            list[#list + 1] = row_of(unit or entry, held)
        end
    end
    table.sort(list, function(a, b)
        return a.name < b.name
    end)
    local partial = core.process.euid() ~= 0
        and { "the ports of other users' units are hidden; run with sudo to see them" } or {}
    local rows = core.rows(M.type, list, partial)
    return next(rest) and rows:where(rest) or rows
end

--- Reads the unit's facts.
function Unit:read(set)
    return set:call(self.options.user, "read", self.name)
end

--- Its state, as rows with this one alone.
-- @return rows; or nil, a message and a code
function Unit:rows()
    local set <close> = managers.new(self.options)
    local unit, message, code = self:read(set)
    if not unit then
        return nil, message, code
    end
    return core.rows(M.type, { row_of(unit, ports_by_unit(set, set:backend())) })
end

--- Its state: a row of `units`.
-- @return a row; or nil, a message and a code
function Unit:status()
    local rows, message, code = self:rows()
    if not rows then
        return nil, message, code
    end
    return rows[1]
end

local function add_port(list, seen, entry)
    local key = ("%s|%d|%s"):format(entry.proto, entry.port, entry.address or "")
    if not seen[key] then
        seen[key] = true
        list[#list + 1] = entry
    end
end

--- The ports that it holds open, those of socket units that start it included.
-- @return rows; or nil, a message and a code
function Unit:ports()
    local set <close> = managers.new(self.options)
    local unit, message, code = self:read(set)
    if not unit then
        return nil, message, code
    end
    local list, seen = {}, {}
    for _, entry in ipairs(ports_by_unit(set, set:backend())[unit.id] or {}) do
        local listener = entry.listener
        add_port(list, seen, {
            proto = listener.proto, port = listener.port, address = listener.address, held_by = unit.id,
            pid = entry.pid,
        })
    end
    local sockets = only_sockets(unit.triggered_by)
    sockets[#sockets + 1] = unit.id
    for _, id in ipairs(sockets) do
        local socket = set:call(self.options.user, "read", id)
        for _, entry in ipairs(socket and socket.active == "active" and holders.listens(socket) or {}) do
            add_port(list, seen, { proto = entry.proto, port = entry.port, address = entry.address, held_by = id })
        end
    end
    return core.rows(M.port_type, list)
end

--- The last lines that it logged.
-- @tparam[opt=10] integer count
-- @return rows; or nil, a message and a code
function Unit:log(count)
    local set <close> = managers.new(self.options)
    local unit, message, code = self:read(set)
    if not unit then
        return nil, message, code
    end
    local lines
    lines, message, code = set:call(self.options.user, "log", unit.id, count or 10)
    if not lines then
        return nil, message, code
    end
    local partial
    if #lines == 0 and core.process.euid() ~= 0 then
        partial = { "without root or the group systemd-journal the lines of other users' units are hidden" }
    end
    return core.rows(M.log_type, lines, partial)
end

local function is_running(unit)
    return unit.active == "active" or unit.active == "activating" or unit.active == "reloading"
end

--- Units that stop along with one, all the way; those that run.
local function dependents(set, user, unit, seen, list)
    for _, ids in ipairs { unit.required_by, unit.requisite_of, unit.bound_by, unit.consists_of,
        unit.propagates_stop_to } do
        for _, id in ipairs(ids) do
            local other = not seen[id] and set:call(user, "read", id)
            seen[id] = true
            if other and is_running(other) then
                list[#list + 1] = other
                dependents(set, user, other, seen, list)
            end
        end
    end
    return list
end

M.dependents = dependents

local function note_ports(fields, list)
    for _, port in ipairs(list) do
        fields.affects[#fields.affects + 1] = ("port %s closes"):format(port)
    end
end

--- What a stop also does: dependents, ports, and who would start it again.
local function stop_effects(self, set, unit, fields)
    local list = dependents(set, self.options.user, unit, { [unit.id] = true }, {})
    for _, other in ipairs(list) do
        fields.affects[#fields.affects + 1] = ("%s stops too: it needs what is stopped"):format(other.id)
        fields.undo_steps[#fields.undo_steps + 1] = {
            verb = "start", unit = other.id, user = self.options.user, rank = 5,
        }
    end
    note_ports(fields, port_list(unit.id, unit, ports_by_unit(set, set:backend())))
    for _, ids in ipairs { unit.triggered_by, unit.upheld_by } do
        for _, id in ipairs(ids) do
            local other = set:call(self.options.user, "read", id)
            if other and is_running(other) then
                fields.notes[#fields.notes + 1] =
                    ("%s is active and may start it again; `close PORT` stops both"):format(id)
            end
        end
    end
end

--- A plan with one step.
local function act(self, verb)
    local set = managers.new(self.options)
    local unit, message, code = self:read(set)
    if not unit then
        set:close()
        return nil, message, code
    end
    local step = plans.unit_step(verb, unit, self.options.user)
    if verb == "enable" or verb == "disable" then
        step.facts = nil
    end
    local fields = {
        title = ("%s %s"):format(verb, unit.id), steps = { step }, affects = {}, notes = {}, undo_steps = {},
        options = self.options, managers = set,
    }
    if verb == "stop" then
        stop_effects(self, set, unit, fields)
    end
    if verb == "start" and is_running(unit) then
        fields.notes[#fields.notes + 1] = ("%s is %s already"):format(unit.id, unit.active)
    elseif verb == "stop" and not is_running(unit) and unit.active ~= "unknown" then
        fields.notes[#fields.notes + 1] = ("%s is %s already"):format(unit.id, unit.active)
    end
    return plans.new(fields)
end

--- Each of these makes a plan, and does nothing yet.
for _, verb in ipairs { "start", "stop", "restart", "reload", "enable", "disable" } do
    Unit[verb] = function(self)
        return act(self, verb)
    end
end

function Unit:__tostring()
    return ("unit %s"):format(self.name)
end

--- The full name of a unit as its user wrote it; or nil and what is wrong with it.
-- @tparam string name
-- @tparam[opt] string backend
function M.full_name(name, backend)
    return core.units.name(backend or "systemd", name)
end

--- A unit by its name: `apache2`, `ssh.socket`, `getty@tty1`.
-- @tparam string name
-- @tparam[opt] table options `user`, the number of the user whose own manager has it; `backend`
function M.unit(name, options)
    if type(name) ~= "string" then
        error("unit: argument 1 (name) must be a string, not " .. type(name), 2)
    end
    options = options or {}
    local full, message = core.units.name(options.backend or "systemd", name)
    if not full then
        error("unit: " .. message, 2)
    end
    return setmetatable({ name = options.backend == "sysv" and full or name, options = options }, Unit)
end

return M
