--- Who holds a port, down to what can be stopped: a unit of the system's or of a user's manager, a socket unit, a
-- container, or a bare process.
-- @module porthole.holders

local core = require "porthole.core"

local M = {}

local STREAMS = { "tcp", "mptcp", "sctp", "dccp" }
local DATAGRAMS = { "udp", "udplite" }

--- The name that a protocol has for users: an MPTCP listener is a TCP one, UDP-Lite is not UDP.
local function plain(proto)
    return proto == "mptcp" and "tcp" or proto
end

local function add(list, rows)
    for i = 1, #rows do
        local row = rows[i]
        local inode = row.inode or 0
        if (row.lport or 0) ~= 0 and (row.rport or 0) == 0 then
            list[#list + 1] = {
                proto = plain(row.proto), port = row.lport, address = row.laddr, state = row.state, inode = inode,
                cookie = row.cookie, uid = row.uid, row = row,
            }
        end
    end
end

--- Every socket that is open for others: listeners, and datagram sockets that take from anybody.
-- @tparam[opt] table ports a list of port numbers; nil: all
-- @treturn table a list of {proto, port, address, state, inode, cookie, uid}; its owners are read by `processes`
function M.listeners(ports)
    local list = {}
    for state, protos in pairs { listen = STREAMS, unconn = DATAGRAMS } do
        local rows, message, code = core.sockets { state = state, proto = protos, lport = ports }
        if not rows then
            return nil, message, code
        end
        add(list, rows)
    end
    table.sort(list, function(a, b)
        if a.port ~= b.port then
            return a.port < b.port
        elseif a.proto ~= b.proto then
            return a.proto < b.proto
        end
        return (a.address or "") < (b.address or "")
    end)
    return list
end

--- The processes that hold a listener.
function M.processes(listener)
    listener.processes = listener.processes or listener.row.processes or {}
    return listener.processes
end

--- Connections to ports of this host.
-- @tparam table ports a list of port numbers
function M.connections(ports)
    local list = {}
    if #ports == 0 then
        return list
    end
    local rows = core.sockets { state = "estab", proto = { "tcp", "mptcp" }, lport = ports }
    for i = 1, rows and #rows or 0 do
        local row = rows[i]
        list[i] = { port = row.lport, peer = row.raddr, peer_port = row.rport, row = row }
    end
    return list
end

--- The user whose own manager a control group belongs to.
local function user_of(cgroup)
    return math.tointeger(tonumber((cgroup or ""):match("/user@(%d+)%.service/")))
end

--- Programs that hold a port in the name of a container, and the command that shows which.
local publishers = {
    ["docker-proxy"] = "docker ps --filter publish=%d, then docker stop CONTAINER",
    ["rootlessport"] = "podman ps --filter publish=%d, then podman stop CONTAINER",
    ["conmon"] = "podman ps, then podman stop CONTAINER (port %d)",
    ["slirp4netns"] = "podman ps, then podman stop CONTAINER (port %d)",
    ["pasta"] = "podman ps, then podman stop CONTAINER (port %d)",
}

local engines = {
    docker = "docker stop %s", podman = "podman stop %s", nspawn = "machinectl poweroff %s", lxc = "lxc-stop -n %s",
    k8s = "kubectl delete the pod of container %s",
}

local function container_command(container)
    local engine, name = container:match("^(%w+):([%w_.-]+)$")
    return engines[engine or ""] and engines[engine]:format(#name == 64 and name:sub(1, 12) or name)
        or "the command of its container engine"
end

local function is_service(unit)
    return unit ~= nil and unit:find("%.service$") ~= nil
end

--- The unit in charge by the manager's own knowledge; none for the manager of a user, which is no service to stop.
local function second_opinion(managers, pid)
    local unit = managers:call(nil, "owner", pid)
    if managers:backend() == "systemd" then
        return is_service(unit) and not unit:find("^user@") and unit or nil
    end
    return unit
end

--- What holds: a table with `kind`
-- manager: PID 1 or a user's manager, for a socket unit (`user`); unit: `unit`, `user`; container and published:
-- `command` to be shown; process: nothing else is known to be in charge.
-- @tparam table managers
-- @tparam integer pid
-- @tparam integer port for the commands that are shown
function M.classify(managers, pid, port)
    local facts, message, code = core.process.read(pid)
    if not facts then
        return nil, message, code
    end
    local holder = { kind = "process", pid = pid, facts = facts, name = facts.name }
    local base = (facts.exe or facts.name or ""):match("[^/]*$")
    if pid == 1 and managers:backend() == "systemd" then
        holder.kind = "manager"
    elseif facts.name == "systemd" and (facts.cgroup or ""):find("/user@%d+%.service/init%.scope") then
        holder.kind, holder.user = "manager", user_of(facts.cgroup)
    elseif facts.container then
        holder.kind, holder.container = "container", facts.container
        holder.command = container_command(facts.container)
    elseif publishers[base] then
        holder.kind, holder.command = "published", publishers[base]:format(port)
    elseif is_service(facts.user_unit) then
        holder.kind, holder.unit, holder.user = "unit", facts.user_unit, user_of(facts.cgroup)
    elseif is_service(facts.unit) and managers:backend() == "systemd" then
        holder.kind, holder.unit = "unit", facts.unit
    else
        holder.unit = second_opinion(managers, pid)
        holder.kind = holder.unit and "unit" or "process"
    end
    return holder
end

local types = { Stream = "tcp", Datagram = "udp" }

--- What a socket unit listens on, from its Listen property.
-- @treturn table a list of {proto, port, address}; other kinds of sockets are left out
function M.listens(unit)
    local list = {}
    for _, entry in ipairs(unit.listen or {}) do
        local kind, address = entry:match("^(%w+) (.+)$")
        local host, port = (address or ""):match("^%[?([%x:.]*)[^%]]*%]?:(%d+)$")
        if types[kind or ""] and port then
            list[#list + 1] = { proto = types[kind], port = math.tointeger(tonumber(port)), address = host }
        end
    end
    return list
end

--- The active socket units that hold a listener.
-- @tparam table managers
-- @tparam ?integer user
-- @tparam table listener
-- @treturn table a list of units, as `read` gives them
function M.socket_units(managers, user, listener)
    local found = {}
    for _, listed in ipairs(managers:call(user, "list") or {}) do
        if listed.id:find("%.socket$") and listed.active == "active" then
            local unit = managers:call(user, "read", listed.id)
            for _, entry in ipairs(unit and M.listens(unit) or {}) do
                if entry.port == listener.port and entry.proto == listener.proto
                    and (entry.address == listener.address or entry.address == "") then
                    found[#found + 1] = unit
                    break
                end
            end
        end
    end
    return found
end

--- Processes that are "we": this one, its ancestors, and everybody in the same login session.
-- @treturn table a set of pids, and whether an sshd is among them
function M.own_session()
    local set, names = {}, {}
    local pid = core.process.self()
    local scope
    for _ = 1, 64 do
        local facts = core.process.read(pid)
        if not facts or pid <= 1 then
            break
        end
        set[pid], names[facts.name or ""] = true, true
        scope = scope or (facts.cgroup or ""):match("/(session%-%w+%.scope)")
        pid = facts.ppid
    end
    for _, other in ipairs(scope and core.process.list() or {}) do
        local facts = core.process.read(other)
        if facts and (facts.cgroup or ""):find("/" .. scope, 1, true) then
            set[other], names[facts.name or ""] = true, true
        end
    end
    local sshd = false
    for name in pairs(names) do
        sshd = sshd or name:find("^sshd") ~= nil
    end
    return set, sshd
end

return M
