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

--- Adds what endpoints are made from: plain tables, so that each field of a socket is asked for once.
-- @treturn boolean whether a TCP listener has no holder to be seen
local function add_open(open, rows)
    local ownerless = false
    for i = 1, #rows do
        local row = rows[i]
        local proto = row.proto
        if is_open(row, proto) then
            local address, iface, v6only = row.laddr or "", row.iface, row.v6only
            local processes = row.processes
            if processes and #processes == 0 then
                processes = nil
            end
            ownerless = ownerless or (not processes and proto == "tcp")
            open[#open + 1] = {
                row = row, proto = proto, port = row.lport, netns = row.netns or "", processes = processes,
                address = address, iface = iface, v6only = v6only,
                key = address .. "|" .. (iface or "") .. "|" .. tostring(v6only), -- one address of an endpoint
            }
        end
    end
    return ownerless
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
local function add_holders(holders, socket)
    if not socket.processes then
        holders["uid " .. tostring(socket.row.uid)] = false
        return
    end
    for _, process in ipairs(socket.processes) do
        local pid = process.pid
        if pid and not holders[pid] then
            holders[pid] = process
        end
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

--- The addresses of a port, each with all who hold it; by address.
local function by_address(port)
    local entries, known = {}, {}
    for _, socket in ipairs(port) do
        local entry = known[socket.key]
        if not entry then
            entry = {
                address = socket.address, iface = socket.iface, v6only = socket.v6only, key = socket.key,
                holders = {}, sockets = {},
            }
            known[socket.key] = entry
            entries[#entries + 1] = entry
        end
        add_holders(entry.holders, socket)
        table.insert(entry.sockets, socket)
    end
    table.sort(entries, address_before)
    return entries
end

--- Addresses of a port that the same processes hold, together: lists of addresses with their `processes` and `sockets`.
local function by_holders(port)
    if #port == 1 then
        return { { port[1], processes = port[1].processes, sockets = port } }
    end
    local groups, known = {}, {}
    for _, entry in ipairs(by_address(port)) do
        local key = holders_key(entry.holders)
        local group = known[key]
        if not group then
            group = { processes = process_list(entry.holders), sockets = {} }
            known[key] = group
            groups[#groups + 1] = group
        end
        group[#group + 1] = entry
        table.move(entry.sockets, 1, #entry.sockets, #group.sockets + 1, group.sockets)
    end
    return groups
end

--- The unit (container) of a group: under socket activation PID 1 holds the socket as well, and says nothing.
local function placed(group, key)
    local fallback
    if not group.processes then
        return group.sockets[1].row[key]
    end
    for _, process in ipairs(group.processes) do
        local value = process[key]
        if value and value ~= "init.scope" then
            return value
        end
        fallback = fallback or value
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
        local ipv4, ipv6 = reach.families(entry)
        local far, why, unknown = reach.of(entry, own)
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

--- The registry's name. A registry that cannot be read is a reason for incomplete rows.
local function service_name(port, proto, reasons)
    local service, problem = core.services.lookup(port, proto)
    if problem then
        reasons[1] = "names of services are unknown: " .. problem
    end
    return service and service.name
end

local function endpoint(group, own, known, reasons)
    local first, addresses = group.sockets[1], {}
    local ipv4, ipv6, far, why = judge(group, own, known)
    for i, entry in ipairs(group) do
        addresses[i] = setmetatable({
            address = entry.address, iface = entry.iface, v6only = entry.v6only,
        }, address_meta)
    end
    return {
        proto = first.proto, port = first.port, service = service_name(first.port, first.proto, reasons),
        addresses = addresses, ipv4 = ipv4, ipv6 = ipv6, processes = group.processes,
        unit = placed(group, "unit"), container = placed(group, "container"),
        netns = first.netns ~= "" and first.netns or nil, reach = far, why = why, exposure = {},
    }
end

--- Sockets by network namespace, protocol and port, in this order. Whole numbers are sorted: a comparing function would
-- cost more than all else here.
local function by_port(sockets)
    local namespaces, names, ports = {}, {}, {}
    for _, socket in ipairs(sockets) do
        local namespace = namespaces[socket.netns]
        if not namespace then
            namespace = { order = {} }
            namespaces[socket.netns] = namespace
            names[#names + 1] = socket.netns
        end
        local key = places[socket.proto] << 16 | socket.port
        local port = namespace[key]
        if not port then
            port = {}
            namespace[key] = port
            table.insert(namespace.order, key)
        end
        port[#port + 1] = socket
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local namespace = namespaces[name]
        table.sort(namespace.order)
        for _, key in ipairs(namespace.order) do
            ports[#ports + 1] = namespace[key]
        end
    end
    return ports
end

--- @tparam function addresses_of gives the addresses of a network namespace, by its name
local function grouped(open, addresses_of)
    local namespaces, list, reasons = {}, {}, {}
    for _, port in ipairs(by_port(open)) do
        local netns = port[1].netns
        local here = namespaces[netns]
        if not here then
            here = { own = reach.own(addresses_of(netns, reasons)), known = {} }
            namespaces[netns] = here
        end
        for _, group in ipairs(by_holders(port)) do
            list[#list + 1] = endpoint(group, here.own, here.known, reasons)
        end
    end
    return list, reasons
end

--- Groups sockets into endpoints. Pure: nothing is asked of the host but the registry of services.
-- @tparam {table,...} sockets rows of sockets, or tables with their fields
-- @tparam {table,...} addresses the host's own: `iface family address broadcast`
-- @tparam[opt] {table,...} mptcp those of MPTCP
-- @treturn {table,...} endpoints, by namespace, protocol, port and address
function M.group(sockets, addresses, mptcp)
    local open = {}
    add_open(open, sockets)
    if mptcp then
        add_open(open, mptcp)
        open = without_subflows(open)
    end
    return (grouped(open, function()
        return addresses
    end))
end

--- Protocols as /proc/net/protocols names them; a kernel without one has no sockets of it, which needs no word.
local optional_protocols = { udplite = "UDP-Lite", sctp = "SCTP", dccp = "DCCP" }

local function protocols()
    local file <close> = io.open("/proc/net/protocols", "r")
    local text, list = file and "\n" .. file:read("a"), { "tcp", "udp" }
    for proto, name in pairs(optional_protocols) do
        if not text or text:find("\n" .. name .. " ", 1, true) then
            list[#list + 1] = proto
        end
    end
    return list
end

--- Sockets that are open. MPTCP costs more than all other protocols together, and is asked for only where it can tell
-- something new: a listener of it is also seen as one of TCP, which has its owner unless the kernel keeps the inode.
-- @treturn ?{table,...} or nil, message, code
local function read_open(netns)
    local sockets, message, code = core.sockets {
        proto = protocols(), state = { "listen", "unconn" }, netns = netns,
    }
    if not sockets then
        return nil, message, code
    end
    local open = {}
    if add_open(open, sockets) then
        local mptcp = core.sockets { proto = "mptcp", state = "listen", netns = netns }
        if mptcp and #mptcp > 0 then
            add_open(open, mptcp)
            open = without_subflows(open)
        end
    end
    return open, sockets.partial
end

--- The open services of this host as a list of plain tables, which costs less than rows to look at.
-- @param[opt] netns as `sockets` takes it
-- @treturn ?{table,...} or nil, message, code
-- @treturn {string,...} why it is not complete
function M.list(netns)
    local open, partial, code = read_open(netns)
    if not open then
        return nil, partial, code
    end
    -- Without the option all are in the own namespace, which needs no look for its name.
    local own, problem
    if not netns then
        own, problem = core.addresses()
    end
    local list, missing = grouped(open, function(name, reasons)
        if not netns then
            return own
        end
        local addresses, why = core.addresses(name ~= "" and name or nil)
        if not addresses then
            reasons[#reasons + 1] = ("the own addresses of network namespace %s are unknown: %s"):format(name, why)
        end
        return addresses
    end)
    if problem then
        missing[#missing + 1] = "this host's own addresses are unknown: " .. problem
    end
    return list, table.move(missing, 1, #missing, #partial + 1, partial)
end

--- Rows of such a list.
-- @tparam {table,...} list
-- @tparam {string,...} partial
-- @return rows
function M.rows(list, partial)
    return core.rows(M.type, list, partial)
end

--- The open services of this host: one row for each.
-- @tparam[opt] table filter `netns`, and any column of the result as `where` takes it
-- @return rows
function M.endpoints(filter)
    if filter ~= nil and type(filter) ~= "table" then
        error("endpoints: argument 1 (filter) must be a table, not " .. type(filter), 2)
    end
    local rest = {}
    for key, value in pairs(filter or {}) do
        rest[key] = value
    end
    local netns = rest.netns
    rest.netns = nil
    local list, partial, code = M.list(netns)
    if not list then
        return nil, partial, code
    end
    local rows = M.rows(list, partial)
    return next(rest) and rows:where(rest) or rows
end

return M
