--- Endpoints: one row for each open service.
-- Sockets of one network namespace, protocol and port that the same processes hold are one endpoint: 0.0.0.0 and [::],
-- an address and ::1, SO_REUSEPORT twins. A row is exactly its addresses times its processes: whatever process it names
-- holds at every one of its addresses.
-- @module porthole.endpoints

local core = require "porthole.core"
local reach = require "porthole.reach"

local M = {}

local function column(name, kind, weight, help)
    return { name = name, type = kind, weight = weight, help = help }
end

M.type = {
    name = "endpoint",
    columns = {
        column("proto", "name", 9, "transport protocol: tcp, udp, udplite, sctp, dccp"),
        column("port", "port", 10, "port number"),
        column("service", "name", 7, "the service's name by the registry of ports"),
        column("addresses", "list", 5, "what it listens on: a list of address, iface (bound to it) and v6only"),
        column("ipv4", "boolean", 0, "whether it takes IPv4"),
        column("ipv6", "boolean", 0, "whether it takes IPv6"),
        column("processes", "list", 8, "every process that holds it: a list of pid, name, exe, cmdline, user and fd"),
        column("unit", "name", 6, "the systemd unit that holds it"),
        column("container", "name", 0, "the container that holds it"),
        column("netns", "name", 0, "the network namespace that it is in"),
        column("reach", "name", 4, "how far its addresses go, whatever the firewall says: host, link, lan, internet"),
        column("why", "name", 0, "why the addresses go that far"),
        column("exposure", "list", 0, "who can really reach it, by zone; empty: nobody asked"),
    },
}

--- A listener of stream protocols; a datagram socket that is bound to a port and takes from anybody.
local function is_open(socket)
    if socket.proto == "udp" or socket.proto == "udplite" then
        return socket.state == "unconn" and (socket.lport or 0) ~= 0 and (socket.rport or 0) == 0
    end
    return socket.state == "listen"
end

--- What tells one address of an endpoint from another.
local function entry_key(socket)
    return ("%s|%s|%s"):format(socket.laddr or "", socket.iface or "", tostring(socket.v6only))
end

--- The part of a socket that endpoints are made from; plain, so that each field is asked for once.
local function taken(row)
    return {
        proto = row.proto, state = row.state, lport = row.lport, rport = row.rport,
        laddr = row.laddr, iface = row.iface, v6only = row.v6only, netns = row.netns, inode = row.inode,
        uid = row.uid, unit = row.unit, container = row.container, processes = row.processes or {},
    }
end

--- An MPTCP listener is a TCP one. The kernel shows its subflow as a TCP listener too, with the same inode or with
-- none: that one is left out.
local function without_subflows(sockets)
    local mptcp, kept = {}, {}
    local function place(socket)
        return ("%s|%s|%s"):format(socket.netns or "", tostring(socket.lport), entry_key(socket))
    end
    for _, socket in ipairs(sockets) do
        if socket.proto == "mptcp" then
            socket.proto = "tcp"
            mptcp[socket] = true
            mptcp[place(socket)] = socket
        end
    end
    for _, socket in ipairs(sockets) do
        local main = socket.proto == "tcp" and not mptcp[socket] and mptcp[place(socket)]
        local inode = socket.inode or 0
        if not main or (inode ~= 0 and inode ~= main.inode) then
            kept[#kept + 1] = socket
        end
    end
    return kept
end

--- Processes of a socket into a set by pid; a socket whose holders cannot be seen counts by its user.
local function add_holders(holders, socket)
    for _, process in ipairs(socket.processes) do
        if process.pid and not holders[process.pid] then
            holders[process.pid] = process
        end
    end
    if #socket.processes == 0 then
        holders["uid " .. tostring(socket.uid)] = false
    end
end

local function holders_key(holders)
    local keys = {}
    for key in pairs(holders) do
        keys[#keys + 1] = tostring(key)
    end
    table.sort(keys)
    return table.concat(keys, ",")
end

--- A table that makes its members with `new` when they are first asked for, and remembers their order.
local function member(list, key, new)
    local found = list[key]
    if not found then
        found = new()
        list[key] = found
        list[#list + 1] = found
    end
    return found
end

--- Sockets by namespace, protocol and port, and within it by address.
local function by_address(sockets)
    local ports = {}
    for _, socket in ipairs(sockets) do
        local key = ("%s|%s|%d"):format(socket.netns or "", socket.proto, socket.lport)
        local port = member(ports, key, function()
            return { proto = socket.proto, port = socket.lport, netns = socket.netns, entries = {} }
        end)
        local entry = member(port.entries, entry_key(socket), function()
            return {
                address = { address = socket.laddr, iface = socket.iface, v6only = socket.v6only },
                holders = {}, sockets = {},
            }
        end)
        add_holders(entry.holders, socket)
        table.insert(entry.sockets, socket)
    end
    return ports
end

--- Addresses of a port that the same processes hold, together.
local function by_holders(port)
    local groups = {}
    for _, entry in ipairs(port.entries) do
        local group = member(groups, holders_key(entry.holders), function()
            return { addresses = {}, holders = entry.holders, sockets = {} }
        end)
        table.insert(group.addresses, entry.address)
        table.move(entry.sockets, 1, #entry.sockets, #group.sockets + 1, group.sockets)
    end
    return groups
end

local function process_list(holders)
    local list = {}
    for _, process in pairs(holders) do
        if process then
            list[#list + 1] = process
        end
    end
    table.sort(list, function(a, b)
        return a.pid < b.pid
    end)
    return list
end

--- The unit (container) of a group: under socket activation PID 1 holds the socket as well, and says nothing.
local function placed(processes, sockets, key)
    local fallback
    for _, list in ipairs { processes, sockets } do
        for _, item in ipairs(list) do
            local value = item[key]
            if value and value ~= "init.scope" then
                return value
            end
            fallback = fallback or value
        end
    end
    return fallback
end

--- True when one is, else nil when one is not known, else false.
local function any(a, b)
    if a or b then
        return true
    elseif a == nil or b == nil then
        return nil
    end
    return false
end

--- Families, reach and the reason of all addresses together; the widest decides.
local function judge(addresses, own)
    local ipv4, ipv6, widest, why, unknown = false, false, nil, nil, nil
    for _, address in ipairs(addresses) do
        local takes4, takes6 = reach.families(address)
        ipv4, ipv6 = any(ipv4, takes4), any(ipv6, takes6)
        local far, sentence, not_known = reach.of(address, own)
        unknown = unknown or not_known and sentence
        if far and (not widest or reach.order[far] > reach.order[widest]) then
            widest, why = far, sentence
        elseif not widest then
            why = why or sentence
        end
    end
    if unknown and widest ~= "internet" then
        widest, why = nil, unknown
    end
    return ipv4, ipv6, widest, why
end

--- The registry's name; UDP-Lite has its own port numbers by UDP's names (RFC 3828).
local function service_name(port, proto)
    local service = core.services.lookup(port, proto)
    return service and service.name
end

local function address_before(a, b)
    local a6, b6 = a.address:find(":", 1, true) ~= nil, b.address:find(":", 1, true) ~= nil
    if a6 ~= b6 then
        return b6
    elseif a.address ~= b.address then
        return a.address < b.address
    end
    return (a.iface or "") < (b.iface or "")
end

local function endpoint(port, group, own)
    table.sort(group.addresses, address_before)
    local processes = process_list(group.holders)
    local ipv4, ipv6, far, why = judge(group.addresses, own)
    return {
        proto = port.proto, port = port.port, service = service_name(port.port, port.proto),
        addresses = group.addresses, ipv4 = ipv4, ipv6 = ipv6, processes = processes,
        unit = placed(processes, group.sockets, "unit"),
        container = placed(processes, group.sockets, "container"),
        netns = port.netns, reach = far, why = why, exposure = {},
    }
end

local protocols = { tcp = 1, udp = 2, udplite = 3, sctp = 4, dccp = 5 }

local function before(a, b)
    if a.netns ~= b.netns then
        return (a.netns or "") < (b.netns or "")
    elseif a.proto ~= b.proto then
        return (protocols[a.proto] or 9) < (protocols[b.proto] or 9)
    elseif a.port ~= b.port then
        return a.port < b.port
    elseif address_before(a.addresses[1], b.addresses[1]) or address_before(b.addresses[1], a.addresses[1]) then
        return address_before(a.addresses[1], b.addresses[1])
    end
    return (a.processes[1] and a.processes[1].pid or 0) < (b.processes[1] and b.processes[1].pid or 0)
end

--- Groups sockets into endpoints. Pure: nothing is asked of the host but the registry of services.
-- @tparam {table,...} sockets rows of sockets, or tables with their fields
-- @tparam {table,...} addresses the host's own: `iface family address broadcast`
-- @treturn {table,...} endpoints, by namespace, protocol, port and address
function M.group(sockets, addresses)
    local open, own, list = {}, reach.own(addresses), {}
    for i = 1, #sockets do
        local socket = sockets[i]
        if is_open(socket) then
            open[#open + 1] = taken(socket)
        end
    end
    for _, port in ipairs(by_address(without_subflows(open))) do
        for _, group in ipairs(by_holders(port)) do
            list[#list + 1] = endpoint(port, group, own)
        end
    end
    table.sort(list, before)
    return list
end

--- The open services of this host: one row for each.
-- @tparam[opt] table filter `netns`, and any column of the result as `where` takes it
-- @return rows
function M.endpoints(filter)
    if filter ~= nil and type(filter) ~= "table" then
        error("endpoints: argument 1 (filter) must be a table, not " .. type(filter), 2)
    end
    local rest, query = {}, {
        proto = { "tcp", "mptcp", "udp", "udplite", "sctp", "dccp" }, state = { "listen", "unconn" },
    }
    for key, value in pairs(filter or {}) do
        if key == "netns" then
            query.netns = value
        else
            rest[key] = value
        end
    end
    local sockets, message, code = core.sockets(query)
    if not sockets then
        return nil, message, code
    end
    local list = M.group(sockets, core.addresses() or {})
    local rows = core.rows(M.type, list, sockets.partial)
    return next(rest) and rows:where(rest) or rows
end

return M
