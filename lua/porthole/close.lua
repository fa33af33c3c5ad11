--- Closing ports: from a port to everything that holds it or would open it again, as a plan.
-- @module porthole.close

local core = require "porthole.core"
local holders = require "porthole.holders"
local managers = require "porthole.managers"
local plans = require "porthole.plan"
local records = require "porthole.records"

local M = {}

--- In which order steps are taken, and taken back.
local STOP_RANK = { upholder = 1, trigger = 2, socket = 2, service = 3, instance = 4 }
local UNDO_RANK = { socket = 1, trigger = 2, service = 3, upholder = 4, dependent = 5 }

--- What nearly everything else needs: whoever stops one of these stops the host.
local vital = {
    ["basic.target"] = true, ["sysinit.target"] = true, ["multi-user.target"] = true, ["graphical.target"] = true,
    ["default.target"] = true, ["local-fs.target"] = true, ["dbus.service"] = true, ["dbus-broker.service"] = true,
    ["systemd-journald.service"] = true, ["systemd-logind.service"] = true,
}

--- Services through which this host is on the network at all.
local network = {
    ["systemd-networkd.service"] = true, ["NetworkManager.service"] = true, ["networking.service"] = true,
    ["dhcpcd.service"] = true, ["wpa_supplicant.service"] = true, ["wicked.service"] = true, ["connman.service"] = true,
}

local inetds = { inetd = true, xinetd = true, ["inetutils-inetd"] = true, ["openbsd-inetd"] = true }

local Builder = {}
Builder.__index = Builder

local function port_text(entry)
    return ("%d/%s"):format(entry.port, entry.proto)
end

local function unit_text(user, id)
    return user and ("%s of user %d"):format(id, user) or id
end

local function is_active(unit)
    return unit.active == "active" or unit.active == "activating" or unit.active == "reloading"
        or unit.active == "deactivating" or unit.active == "unknown"
end

local function add_once(list, text)
    for _, present in ipairs(list) do
        if present == text then
            return
        end
    end
    list[#list + 1] = text
end

function Builder:note(format, ...)
    add_once(self.notes, format:format(...))
end

function Builder:cannot_do(format, ...)
    add_once(self.cannot, format:format(...))
end

--- Remembers a unit that has to stop; its facts, or nil where it cannot be read.
function Builder:take(user, id, role)
    local key = unit_text(user, id)
    local present = self.units[key]
    if present then
        return present.unit, true
    end
    local unit, message = self.managers:call(user, "read", id)
    if not unit then
        self:cannot_do("%s: %s", key, message)
        return nil
    end
    key = unit_text(user, unit.id)
    if not self.units[key] then
        self.units[key] = { unit = unit, user = user, role = role, at = self.count }
        self.count = self.count + 1
    end
    return unit, false
end

--- Units that run one connection each of a socket unit with Accept=yes.
function Builder:instances(user, socket)
    local prefix = socket.id:gsub("%.socket$", "") .. "@"
    for _, listed in ipairs(self.managers:call(user, "list") or {}) do
        if listed.id:sub(1, #prefix) == prefix and listed.id:find("%.service$") and is_active(listed) then
            self:take(user, listed.id, "instance")
        end
    end
end

function Builder:add_socket(user, id)
    local unit, present = self:take(user, id, "socket")
    if not unit or present then
        return
    end
    if unit.accept then
        self:instances(user, unit)
        return
    end
    for _, service in ipairs(unit.triggers) do
        local started = self.managers:call(user, "read", service)
        if started and is_active(started) then
            self:add_service(user, service)
        end
    end
end

--- What would start a service again while it is stopped.
function Builder:add_triggers(user, unit)
    for _, id in ipairs(unit.triggered_by) do
        local trigger = self.managers:call(user, "read", id)
        if trigger and is_active(trigger) then
            if id:find("%.socket$") then
                self:add_socket(user, id)
            else
                self:take(user, id, "trigger")
            end
        end
    end
    for _, id in ipairs(unit.upheld_by) do
        local upholder = self.managers:call(user, "read", id)
        if upholder and is_active(upholder) then
            if id:find("%.service$") then
                self:take(user, id, "upholder")
                self:note("%s holds %s up, and has to stop as well", id, unit.id)
            else
                self:cannot_do("%s: %s holds it up and would start it again; porthole does not stop that", unit.id, id)
            end
        end
    end
end

function Builder:add_service(user, id)
    local unit, present = self:take(user, id, "service")
    if not unit or present then
        return
    end
    self:add_triggers(user, unit)
    if unit.refuse_manual_stop then
        self:cannot_do("%s may not be stopped by hand (RefuseManualStop)", unit_text(user, unit.id))
    end
    if network[unit.id] then
        self:note("%s configures this host's network: connections may be lost", unit.id)
    end
end

--- Who started a bare process may start it again.
function Builder:note_parent(facts)
    local parent = facts.ppid > 1 and core.process.read(facts.ppid)
    if parent and not self.pids[parent.pid] then
        self:note("its parent, process %d (%s), may start it again", parent.pid, parent.name or "?")
    end
end

function Builder:add_process(holder, listener)
    if self.pids[holder.pid] then
        return
    end
    local step = {
        verb = "signal", pid = holder.pid, started = holder.facts.started, inode = listener.inode, name = holder.name,
        force = self.options.force, ppid = holder.facts.ppid, facts_of = holder.facts,
    }
    self.pids[holder.pid] = step
    self.processes[#self.processes + 1] = step
end

function Builder:add_manager(holder, listener)
    local units = holders.socket_units(self.managers, holder.user, listener)
    for _, unit in ipairs(units) do
        self:add_socket(holder.user, unit.id)
    end
    if #units == 0 then
        self:cannot_do("%s is held by the service manager (process %d), but by no socket unit that it names",
            port_text(listener), holder.pid)
    end
end

function Builder:add_holder(holder, listener)
    if inetds[holder.name or ""] then
        self:note("%s serves all its ports from one process: all of them close; to close %s alone edit its " ..
            "configuration", holder.name, port_text(listener))
    end
    if holder.kind == "manager" then
        self:add_manager(holder, listener)
    elseif holder.kind == "unit" then
        self:add_service(holder.user, holder.unit)
    elseif holder.kind == "process" then
        self:add_process(holder, listener)
    else
        self:cannot_do("%s belongs to a container%s: %s", port_text(listener),
            holder.container and (" (%s)"):format(holder.container) or "", holder.command)
    end
end

--- A listener without a process to be seen.
function Builder:without_holder(listener)
    if core.process.euid() ~= 0 then
        self.hidden = true
        self:cannot_do("%s: who holds it cannot be seen by this user; run porthole with sudo", port_text(listener))
        return
    end
    self:cannot_do("%s: no process holds it: it is the kernel's own (as NFS's and WireGuard's are), or belongs to a " ..
        "process in another PID namespace", port_text(listener))
end

function Builder:add_listener(listener)
    local seen = 0
    for _, process in ipairs(holders.processes(listener)) do
        local holder = holders.classify(self.managers, process.pid, listener.port)
        if holder then
            seen = seen + 1
            self:add_holder(holder, listener)
        end
    end
    if seen == 0 then
        self:without_holder(listener)
    end
end

--- Everything that stops along with what is stopped.
function Builder:dependents(user, unit, seen)
    for _, list in ipairs { unit.required_by, unit.requisite_of, unit.bound_by, unit.consists_of,
        unit.propagates_stop_to } do
        for _, id in ipairs(list or {}) do
            local key = unit_text(user, id)
            local other = not seen[key] and self.managers:call(user, "read", id)
            seen[key] = true
            if other and is_active(other) and not self.units[key] then
                self.dependent_units[#self.dependent_units + 1] = { unit = other, user = user }
                self:dependents(user, other, seen)
            end
        end
    end
end

function Builder:look_at_dependents()
    local seen = {}
    for _, entry in ipairs(self:sorted()) do
        if vital[entry.unit.id] then
            self.vital = entry.unit.id
        end
        self:dependents(entry.user, entry.unit, seen)
    end
    for _, entry in ipairs(self.dependent_units) do
        self.affects[#self.affects + 1] = ("%s stops too: it needs what is stopped"):format(
            unit_text(entry.user, entry.unit.id))
        if vital[entry.unit.id] then
            self.vital = entry.unit.id
        end
    end
end

--- The units in the order in which they are stopped.
function Builder:sorted()
    local list = {}
    for _, entry in pairs(self.units) do
        list[#list + 1] = entry
    end
    table.sort(list, function(a, b)
        local x, y = STOP_RANK[a.role], STOP_RANK[b.role]
        if x ~= y then
            return x < y
        end
        return a.at < b.at
    end)
    return list
end

local leaves_children = { process = true, none = true, mixed = true }

function Builder:clear_step(entry)
    local inodes = self.inodes
    return {
        verb = "clear", unit = entry.unit.id, user = entry.user, kill_mode = entry.unit.kill_mode,
        force = self.options.force,
        left = function(step)
            local list = {}
            for _, listener in ipairs(holders.listeners(self.numbers) or {}) do
                for _, process in ipairs(inodes[listener.inode] and holders.processes(listener) or {}) do
                    local facts = core.process.read(process.pid)
                    if facts and (facts.unit == step.unit or facts.user_unit == step.unit) then
                        list[#list + 1] = {
                            pid = facts.pid, started = facts.started, inode = listener.inode, name = facts.name,
                        }
                    end
                end
            end
            return list
        end,
    }
end

local can_be_disabled = {
    enabled = true, ["enabled-runtime"] = true, alias = true, linked = true, indirect = false,
}

--- Whether it is there again after a boot; with `for_good` a step against it.
function Builder:at_boot(entry)
    local unit, text = entry.unit, unit_text(entry.user, entry.unit.id)
    if entry.role == "instance" then
        return
    end
    if can_be_disabled[unit.enabled or ""] then
        if self.options.for_good then
            local step = plans.unit_step("disable", unit, entry.user)
            step.facts = nil
            self.disable_steps[#self.disable_steps + 1] = step
        else
            self:note("%s is enabled and comes back at the next boot; --for-good also disables it", text)
        end
    elseif self.options.for_good and #unit.wanted_by + #unit.required_by > 0 then
        self:note("%s cannot be disabled (it is %s); what wants it starts it again: %s", text, unit.enabled or "?",
            table.concat(unit.wanted_by, ", "))
    end
end

function Builder:unit_steps()
    for _, entry in ipairs(self:sorted()) do
        local step = plans.unit_step("stop", entry.unit, entry.user)
        step.undo_rank = entry.role == "instance" and nil or UNDO_RANK[entry.role]
        self.steps[#self.steps + 1] = step
        if entry.role == "service" and leaves_children[entry.unit.kill_mode or ""] then
            self.steps[#self.steps + 1] = self:clear_step(entry)
        end
        if entry.unit.restart and entry.unit.restart ~= "no" and entry.role == "service" then
            self.restarts = true
        end
        self:at_boot(entry)
    end
end

function Builder:process_steps()
    for _, step in ipairs(self.processes) do
        if not self.pids[step.ppid] then
            self:note_parent(step.facts_of)
        end
        self.steps[#self.steps + 1] = step
    end
end

--- Whether a listener goes when the units stop, and is none of those that were asked for.
function Builder:goes_too(listener)
    if self.inodes[listener.inode] then
        return nil
    end
    for _, process in ipairs(holders.processes(listener)) do
        local unit = process.user_unit or process.unit
        for _, entry in pairs(self.units) do
            if unit == entry.unit.id and not entry.unit.id:find("%.socket$") then
                return entry
            end
        end
        if self.pids[process.pid] then
            return { unit = { id = ("process %d"):format(process.pid) } }
        end
    end
end

function Builder:other_ports()
    local asked, texts = {}, {}
    for _, listener in ipairs(self.found) do
        asked[port_text(listener)] = true
    end
    local function add(entry, id)
        local text = port_text(entry)
        if not asked[text] and not texts[text] then
            texts[text] = true
            self.going[#self.going + 1] = entry.port
            self.affects[#self.affects + 1] = ("port %s closes too (%s)"):format(text, id)
        end
    end
    for _, listener in ipairs(holders.listeners() or {}) do
        local entry = self:goes_too(listener)
        if entry then
            add(listener, unit_text(entry.user, entry.unit.id))
        end
    end
    for _, entry in ipairs(self:sorted()) do
        for _, listened in ipairs(holders.listens(entry.unit)) do
            add(listened, unit_text(entry.user, entry.unit.id))
        end
    end
end

local MOST_PEERS = 5

local function peer_text(connection)
    local peer = connection.peer or "?"
    return (peer:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(peer, connection.peer_port or 0)
end

function Builder:connected(connections)
    local by_port = {}
    for _, connection in ipairs(connections) do
        by_port[connection.port] = by_port[connection.port] or {}
        table.insert(by_port[connection.port], peer_text(connection))
    end
    for _, port in ipairs(self.going) do
        local peers = by_port[port]
        if peers then
            by_port[port] = nil
            local more = #peers > MOST_PEERS and (" and %d more"):format(#peers - MOST_PEERS) or ""
            self.affects[#self.affects + 1] = ("%d connected to port %d: %s%s"):format(#peers, port,
                table.concat(peers, ", ", 1, math.min(#peers, MOST_PEERS)), more)
        end
    end
end

--- Why these ports carry the session that porthole runs in; nil: they do not.
function Builder:carries_us(connections)
    local own, sshd = holders.own_session()
    local self_facts = core.process.read(core.process.self())
    for _, connection in ipairs(connections) do
        local processes = connection.row.processes or {}
        for _, process in ipairs(processes) do
            if own[process.pid] then
                return ("port %d carries the session in which porthole runs"):format(connection.port)
            end
        end
        if #processes == 0 and sshd and core.process.euid() ~= 0 then
            return ("port %d may carry the session in which porthole runs"):format(connection.port)
        end
    end
    for _, entry in pairs(self.units) do
        local unit = self_facts and (self_facts.user_unit or self_facts.unit)
        if unit == entry.unit.id then
            return ("porthole itself runs in %s"):format(unit)
        end
    end
    for pid in pairs(self.pids) do
        if own[pid] then
            return ("process %d is one that porthole was started from"):format(pid)
        end
    end
end

--- Another network namespace has what this one has not.
function Builder:elsewhere(entry)
    local ok, rows = pcall(core.sockets, {
        netns = "all", state = entry.proto == "udp" and "unconn" or "listen", lport = entry.port,
    })
    if ok and rows and #rows > 0 then
        self:cannot_do("%s is open in another network namespace (%s), not in this one: run porthole there",
            port_text(entry), tostring(rows[1].netns))
        return true
    end
end

--- Finds the sockets of the ports that were asked for.
function Builder:find()
    local list, message, code = holders.listeners(self.numbers)
    if not list then
        return nil, message, code
    end
    for _, entry in ipairs(self.ports) do
        local found = false
        for _, listener in ipairs(list) do
            if listener.port == entry.port and (not entry.proto or listener.proto == entry.proto) then
                found = true
                if not self.inodes[listener.inode] or listener.inode == 0 then
                    self.found[#self.found + 1] = listener
                    self.inodes[listener.inode] = true
                end
            end
        end
        if not found and not self:elsewhere { port = entry.port, proto = entry.proto or "tcp" } then
            self:note("nothing is open on port %d%s", entry.port, entry.proto and "/" .. entry.proto or "")
        end
    end
    return true
end

function Builder:refusal()
    if self.vital then
        return { message = ("it would stop %s, and so nearly everything on this host"):format(self.vital),
            code = "EPERM" }
    elseif #self.steps > 0 and not self.options.even_mine then
        local why = self:carries_us(holders.connections(self.going))
        if why then
            return { message = why .. "; --even-mine closes it all the same", code = "EDEADLK" }
        end
    elseif #self.steps == 0 and #self.cannot > 0 then
        return { message = self.cannot[1], code = self.hidden and "EACCES" or "EOPNOTSUPP" }
    end
end

local function titles(ports)
    local list = {}
    for i, entry in ipairs(ports) do
        list[i] = entry.proto and port_text(entry) or tostring(entry.port)
    end
    return table.concat(list, ", ")
end

--- Whether the listeners are those that the plan was made from.
local function still_true(plan)
    for _, listener in ipairs(holders.listeners(plan.numbers) or {}) do
        if plan.wanted(listener) and not plan.inodes[listener.inode] then
            return ("port %s is open anew since the plan was made; make a new plan"):format(port_text(listener))
        end
    end
end

--- Who holds a port after it should have been closed.
local function who(plan, listener)
    local names = {}
    for _, process in ipairs(holders.processes(listener)) do
        names[#names + 1] = ("%s (process %d%s)"):format(process.name or "?", process.pid,
            process.unit and ", " .. process.unit or "")
    end
    local text = #names > 0 and table.concat(names, ", ") or "somebody who cannot be seen"
    if plan.inodes[listener.inode] then
        return ("port %s is still open: %s holds the same socket"):format(port_text(listener), text)
    end
    return ("port %s came back: %s opened it anew"):format(port_text(listener), text)
end

local function open_again(plan)
    for _, listener in ipairs(holders.listeners(plan.numbers) or {}) do
        if plan.wanted(listener) then
            return who(plan, listener)
        end
    end
    return plan.reachable and plan.reachable()
end

local function units_running(plan)
    for _, step in ipairs(plan.steps) do
        if step.verb == "stop" then
            local unit = plan.managers:call(step.user, "read", step.unit)
            if unit and (unit.active == "active" or unit.active == "activating" or unit.active == "reloading") then
                return ("%s is %s again"):format(step.unit, unit.active)
            end
        end
    end
end

local SECOND_LOOK = 1 -- seconds: what comes back by itself was seen within half of one

local function verify(plan)
    for look = 1, 2 do
        local problem = open_again(plan) or units_running(plan)
        if problem then
            return nil, problem, "EEXIST"
        end
        if look == 1 then
            local ok, message, code = core.sleep(SECOND_LOOK)
            if not ok then
                return nil, message, code
            end
        end
    end
    return true, ("closed: nobody listens on %s, also after a second"):format(titles(plan.ports))
end

--- This host's own addresses, those of the loopback device among them; a link-local one only with its zone.
local function own_addresses()
    local list = {}
    local rows = core.addresses()
    for i = 1, rows and #rows or 0 do
        local address = rows[i].address
        if address and not address:find("^fe80:") then
            list[#list + 1] = address
        end
    end
    return list
end

local CONNECT_SECONDS = 1

--- Connections to each own address must be refused: the second witness, beside the table of sockets.
local function reachable(ports)
    local numbers = {}
    for _, entry in ipairs(ports) do
        if entry.proto ~= "udp" then
            numbers[#numbers + 1] = tostring(entry.port)
        end
    end
    return #numbers > 0 and function()
        local probe = require("porthole.net").probe
        for _, address in ipairs(own_addresses()) do
            local rows = probe(address, table.concat(numbers, ","), { timeout = CONNECT_SECONDS })
            for i = 1, rows and #rows or 0 do
                if rows[i].state == "open" then
                    return ("port %d still answers at %s, though no socket of this network namespace listens there")
                        :format(rows[i].port, address)
                end
            end
        end
    end or nil
end

function Builder:finish()
    self:look_at_dependents()
    self:unit_steps()
    self:process_steps()
    for _, step in ipairs(self.disable_steps) do
        self.steps[#self.steps + 1] = step
    end
    for _, listener in ipairs(self.found) do
        add_once(self.going, listener.port)
    end
    if #self.steps > 0 then
        self:other_ports()
        self:connected(holders.connections(self.going))
    end
    local plan = plans.new {
        title = "close " .. titles(self.ports), steps = self.steps, affects = self.affects, notes = self.notes,
        cannot = self.cannot, refused = self:refusal(), options = self.options, managers = self.managers,
        ports = self.ports, numbers = self.numbers, inodes = self.inodes, wanted = self.wanted,
        still_true = still_true, verify = verify, reachable = reachable(self.ports),
    }
    for _, entry in ipairs(self.dependent_units) do
        plan.undo_steps[#plan.undo_steps + 1] = {
            verb = "start", unit = entry.unit.id, user = entry.user, rank = UNDO_RANK.dependent,
        }
    end
    records.attach(plan)
    return plan
end

--- Makes the plan that closes ports.
-- @tparam {{port=integer,proto=?string},...} ports `proto` nil: whatever is open there
-- @tparam[opt] table options for_good, force, even_mine, backend, interactive, manager
-- @treturn table a plan; or nil, a message and a code
function M.plan(ports, options)
    local builder = setmetatable({
        ports = ports, options = options or {}, managers = managers.new(options), units = {}, count = 0, found = {},
        inodes = {}, pids = {}, processes = {}, steps = {}, disable_steps = {}, affects = {}, notes = {}, cannot = {},
        going = {}, dependent_units = {}, numbers = {},
    }, Builder)
    for i, entry in ipairs(ports) do
        builder.numbers[i] = entry.port
    end
    function builder.wanted(listener)
        for _, entry in ipairs(ports) do
            if listener.port == entry.port and (not entry.proto or entry.proto == listener.proto) then
                return true
            end
        end
        return false
    end
    local ok, message, code = builder.managers:backend()
    if ok then
        ok, message, code = builder:find()
    end
    if not ok then
        return nil, message, code
    end
    for _, listener in ipairs(builder.found) do
        builder:add_listener(listener)
    end
    return builder:finish()
end

--- Reads "80", "80/tcp", "53/udp".
-- @treturn ?table {port, proto}; or nil and what is wrong
function M.parse(text)
    local number, proto = text:match("^(%d+)/?(%a*)$")
    local port = number and #number <= 5 and math.tointeger(tonumber(number))
    if not port or port < 1 or port > 65535 then
        return nil, "a port is a number from 1 to 65535, with /tcp or /udp where one of them is meant"
    elseif text:sub(-1) == "/" or (proto ~= "" and proto ~= "tcp" and proto ~= "udp") then
        return nil, "the protocol of a port is tcp or udp"
    end
    return { port = port, proto = proto ~= "" and proto or nil }
end

--- `close_port(80)`, `close_port("80/tcp", {for_good = true})`: a plan.
function M.close_port(port, options)
    local entry, message = M.parse(tostring(port))
    if not entry then
        error("close_port: argument 1: " .. message, 2)
    end
    return M.plan({ entry }, options)
end

return M
