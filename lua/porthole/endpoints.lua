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
        column("processes", "list", 8, "who holds it: a list of pid, name, exe, cmdline, user and fd"),
        column("unit", "name", 6, "the systemd unit that holds it"),
        column("container", "name", 0, "the container that holds it"),
        column("netns", "name", 0, "the network namespace that it is in"),
        column("reach", "name", 4, "how far its addresses go, whatever the firewall says: host, link, lan, internet"),
        column("why", "name", 0, "why the addresses go that far"),
        column("exposure", "list", 0, "who can really reach it, by zone; empty: nobody asked"),
    },
}

--- The protocols that have ports to open, in the order in which they are listed.
local places = { tcp = 1, udp = 2, udplite = 3, sctp = 4, dccp = 5 }

--- Each address of an endpoint has these keys, in every format.
local address_meta = { __fields = { "address", "iface", "v6only" } }

--- A listener of stream protocols; a datagram socket that is bound to a port and takes from anybody.
local function is_open(row, proto)
    if proto == "udp" or proto == "udplite" then
        return row.state == "unconn" and (row.lport or 0) ~= 0 and (row.rport or 0) == 0
    end
    return row.state == "listen" and (places[proto] or proto == "mptcp")
end

--- What endpoints are made from: plain tables, so that each field of a socket is asked for once.
local function open_sockets(rows)
    local open, mptcp = {}, false
    for i = 1, #rows do
        local row = rows[i]
        local proto = row.proto
        if is_open(row, proto) then
            local address, iface, v6only = row.laddr or "", row.iface, row.v6only
            mptcp = mptcp or proto == "mptcp"
            open[#open + 1] = {
                row = row, proto = proto, port = row.lport, netns = row.netns or "",
                address = address, iface = iface, v6only = v6only,
                key = address .. "|" .. (iface or "") .. "|" .. tostring(v6only), -- one address of an endpoint
            }
        end
    end
    return open, mptcp
end

--- An MPTCP listener is a TCP one. The kernel shows its subflow as a TCP listener too, with the same inode or with
-- none: that one is left out.
local function without_subflows(sockets)
    local mptcp, kept = {}, {}
    local function place(socket)
        return table.concat({ socket.netns, socket.port, socket.key }, "|")
    end
    for _, socket in ipairs(sockets) do
        if socket.proto == "mptcp" then
            mptcp[place(socket)] = socket
        end
    end
    for _, socket in ipairs(sockets) do
        local main = socket.proto == "tcp" and mptcp[place(socket)]
        local inode = main and socket.row.inode or 0
        if not main or (inode ~= 0 and inode ~= main.row.inode) then
            kept[#kept + 1] = socket
        end
    end
    for _, socket in ipairs(kept) do
        socket.proto = socket.proto == "mptcp" and "tcp" or socket.proto
    end
    return kept
end

--- Processes of a socket into a set by pid; a socket whose holders cannot be seen counts by its user.
local function add_holders(holders, row)
    local processes = row.processes
    if not processes or #processes == 0 then
        holders["uid " .. tostring(row.uid)] = false
        return
    end
    for _, process in ipairs(processes) do
        local pid = process.pid
        if pid and not holders[pid] then
            holders[pid] = process
        end
    end
end

local function holders_key(holders)
    local first = next(holders)
    if next(holders, first) == nil then
        return tostring(first)
    end
    local keys = {}
    for key in pairs(holders) do
        keys[#keys + 1] = tostring(key)
    end
    table.sort(keys)
    return table.concat(keys, ",")
end

--- Sockets by namespace, protocol and port, and within it by address; each list in order of first appearance.
local function by_address(sockets)
    local ports, known = {}, {}
    for _, socket in ipairs(sockets) do
        local port_key = socket.netns .. "|" .. socket.proto .. "|" .. socket.port
        local port = known[port_key]
        if not port then
            port = { proto = socket.proto, port = socket.port, netns = socket.netns, entries = {}, known = {} }
            known[port_key] = port
            ports[#ports + 1] = port
        end
        local entry = port.known[socket.key]
        if not entry then
            entry = {
                address = setmetatable({
                    address = socket.address, iface = socket.iface, v6only = socket.v6only,
                }, address_meta),
                key = socket.key, holders = {}, rows = {},
            }
            port.known[socket.key] = entry
            port.entries[#port.entries + 1] = entry
        end
        add_holders(entry.holders, socket.row)
        entry.rows[#entry.rows + 1] = socket.row
    end
    return ports
end

local function address_before(a, b)
    local a6, b6 = a.address:find(":", 1, true) ~= nil, b.address:find(":", 1, true) ~= nil
    if a6 ~= b6 then
        return b6
    elseif a.address ~= b.address then
        return a.address < b.address
    elseif a.iface ~= b.iface then
        return (a.iface or "") < (b.iface or "")
    end
    return tostring(a.v6only) < tostring(b.v6only)
end

--- Addresses of a port that the same processes hold, together; by address.
local function by_holders(port)
    local groups, known = {}, {}
    table.sort(port.entries, function(a, b)
        return address_before(a.address, b.address)
    end)
    for _, entry in ipairs(port.entries) do
        local key = holders_key(entry.holders)
        local group = known[key]
        if not group then
            group = { entries = {}, holders = entry.holders, rows = {} }
            known[key] = group
            groups[#groups + 1] = group
        end
        table.insert(group.entries, entry)
        table.move(entry.rows, 1, #entry.rows, #group.rows + 1, group.rows)
    end
    return groups
end

--- By pid; nil where none can be seen.
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
    return #list > 0 and list or nil
end

--- The unit (container) of a group: under socket activation PID 1 holds the socket as well, and says nothing.
local function placed(processes, rows, key)
    local fallback
    for _, list in ipairs { processes or {}, rows } do
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

--- What is known of one address, which many ports share.
local function verdict(entry, own, known)
    local found = known[entry.key]
    if not found then
        local ipv4, ipv6 = reach.families(entry.address)
        local far, why, unknown = reach.of(entry.address, own)
        found = { ipv4 = ipv4, ipv6 = ipv6, far = far, why = why, unknown = unknown }
        known[entry.key] = found
    end
    return found
end

--- Families, reach and the reason of all addresses together; the widest decides.
local function judge(entries, own, known)
    local ipv4, ipv6, widest, why, unknown = false, false, nil, nil, nil
    for _, entry in ipairs(entries) do
        local one = verdict(entry, own, known)
        ipv4, ipv6 = any(ipv4, one.ipv4), any(ipv6, one.ipv6)
        unknown = unknown or one.unknown and one.why
        if one.far and (not widest or reach.order[one.far] > reach.order[widest]) then
            widest, why = one.far, one.why
        elseif not widest then
            why = why or one.why
        end
    end
    if unknown and widest ~= "internet" then
        widest, why = nil, unknown
    end
    return ipv4, ipv6, widest, why
end

local function service_name(port, proto)
    local service = core.services.lookup(port, proto)
    return service and service.name
end

local function endpoint(port, group, own, known)
    local processes, addresses = process_list(group.holders), {}
    local ipv4, ipv6, far, why = judge(group.entries, own, known)
    for i, entry in ipairs(group.entries) do
        addresses[i] = entry.address
    end
    return {
        proto = port.proto, port = port.port, service = service_name(port.port, port.proto),
        addresses = addresses, ipv4 = ipv4, ipv6 = ipv6, processes = processes,
        unit = placed(processes, group.rows, "unit"), container = placed(processes, group.rows, "container"),
        netns = port.netns ~= "" and port.netns or nil, reach = far, why = why, exposure = {},
    }
end

--- By namespace, protocol and port. Whole numbers are sorted: a comparing function would cost more than all else here.
local function sorted(ports)
    local names, rank, order, by_key = {}, {}, {}, {}
    for _, port in ipairs(ports) do
        if not rank[port.netns] then
            rank[port.netns] = 0
            names[#names + 1] = port.netns
        end
    end
    table.sort(names)
    for i, name in ipairs(names) do
        rank[name] = i
    end
    for i, port in ipairs(ports) do
        local key = (rank[port.netns] << 20 | places[port.proto] << 16) + port.port
        order[i], by_key[key] = key, port
    end
    table.sort(order)
    for i, key in ipairs(order) do
        order[i] = by_key[key]
    end
    return order
end

--- Groups sockets into endpoints. Pure: nothing is asked of the host but the registry of services.
-- @tparam {table,...} sockets rows of sockets, or tables with their fields
-- @tparam {table,...} addresses the host's own: `iface family address broadcast`
-- @treturn {table,...} endpoints, by namespace, protocol, port and address
function M.group(sockets, addresses)
    local own, known, list = reach.own(addresses), {}, {}
    local open, mptcp = open_sockets(sockets)
    if mptcp then
        open = without_subflows(open)
    end
    for _, port in ipairs(sorted(by_address(open))) do
        for _, group in ipairs(by_holders(port)) do
            list[#list + 1] = endpoint(port, group, own, known)
        end
    end
    return list
end

--- The open services of this host: one row for each.
-- @tparam[opt] table filter `netns`, and any column of the result as `where` takes it
-- @return rows
function M.endpoints(filter)
    if filter ~= nil and type(filter) ~= "table" then
        error("endpoints: argument 1 (filter) must be a table, not " .. type(filter), 2)
    end
    -- All protocols: one that is named, and that the kernel lacks, would be a reason for incomplete rows.
    local rest, query = {}, { family = { "inet", "inet6" }, state = { "listen", "unconn" } }
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
