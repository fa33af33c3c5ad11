--- Two witnesses: what the socket table says should be open, and what a connection finds, on each own address.

local COLUMNS = {
    { name = "address", type = "address", help = "the own address that was probed", weight = 9 },
    { name = "proto", type = "name", help = "tcp or udp", weight = 8 },
    { name = "port", type = "port", help = "the port", weight = 10 },
    { name = "finding", type = "name", help = "both, not-reached, or no-socket", weight = 10 },
    { name = "state", type = "name", help = "what the probe found", weight = 6 },
    { name = "reason", type = "name", help = "what answered the probe", weight = 5 },
    { name = "process", type = "name", help = "who holds the socket, as far as it can be seen", weight = 7 },
    { name = "explained", type = "boolean", help = "whether the difference has an ordinary cause", weight = 6 },
    { name = "why", type = "name", help = "the cause, or what it could be, with the evidence", weight = 8 },
}

--- This host's addresses, loopback first, each once.
local function own_addresses(ctx)
    local list, seen = {}, {}
    local function take(address)
        if address and not seen[address] then
            seen[address] = true
            list[#list + 1] = address
        end
    end
    local interfaces, problem, code = ctx.interfaces()
    if not interfaces then
        return nil, problem, code
    end
    for _, one in ipairs(interfaces) do
        for _, entry in ipairs(one.addresses or {}) do
            local zoned = entry.address:find("^fe[89ab]") and entry.address .. "%" .. one.name
            if one.up ~= false and not entry.address:find("^127%.") or entry.address == "127.0.0.1" then
                take(zoned or entry.address)
            end
        end
    end
    return list
end

--- Whether a socket of the table takes what comes to this address.
local function takes(socket, address)
    local bound, inet6 = socket.laddr, address:find(":", 1, true) ~= nil
    if bound == "0.0.0.0" then
        return not inet6
    elseif bound == "::" then
        return inet6 or socket.v6only == false
    end
    return bound == address:gsub("%%.*", "") or bound == address or bound == "::ffff:" .. address
end

--- Sockets that should answer: key "proto port" -> list.
local function table_of(ctx)
    local found = {}
    for _, filter in ipairs { { state = "listen", proto = "tcp" }, { state = "unconn", proto = "udp" } } do
        local rows, problem, code = ctx.sockets(filter)
        if not rows then
            return nil, problem, code
        end
        for _, socket in ipairs(rows) do
            local key = socket.proto .. " " .. socket.lport
            found[key] = found[key] or {}
            table.insert(found[key], socket)
        end
    end
    return found
end

local function socket_at(sockets, proto, port, address)
    for _, socket in ipairs(sockets[proto .. " " .. port] or {}) do
        if takes(socket, address) then
            return socket
        end
    end
end

local FIREWALL = {
    ["admin-prohibited"] = true, ["host-unreach"] = true, ["net-unreach"] = true, ["port-unreach"] = true,
    ["net-prohibited"] = true, ["host-prohibited"] = true, ["proto-unreach"] = true,
}

--- Why a socket is there that the probe did not reach. Second result: whether that explains it.
local function why_unreached(socket, probe)
    if socket.proto == "tcp" and socket.sendq and socket.recvq and socket.recvq > socket.sendq then
        return ("its accept queue is full: %d connections wait, %d may"):format(socket.recvq, socket.sendq), true
    elseif socket.iface then
        return ("it is bound to the device %s, and own addresses are reached through lo"):format(socket.iface), true
    elseif socket.proto == "tcp" and FIREWALL[probe.reason] then
        return ("a firewall rejects it (%s)"):format(probe.reason), true
    elseif probe.state == "filtered" then
        return "nothing answers: a firewall drops it, or the program's queue is full", false
    end
    return "refused although a socket is there: a firewall resets it, or it was closed meanwhile", false
end

--- Who could answer where the table has no socket.
local function why_unlisted(ctx, probe)
    local rows = ctx.sockets { netns = "all", proto = probe.proto, port = probe.port }
    local spaces = {}
    for _, socket in ipairs(rows or {}) do
        if socket.lport == probe.port and (socket.state == "listen" or socket.state == "unconn") and socket.netns then
            spaces[#spaces + 1] = ("%s%s"):format(socket.netns, socket.process and " (" .. socket.process .. ")" or "")
        end
    end
    if #spaces > 0 then
        return "a socket of another network namespace has this port: " .. table.concat(spaces, ", ")
            .. "; a DNAT rule may lead there", true
    end
    return "no namespace that can be seen has such a socket: a DNAT rule to another host or port, a namespace that is "
        .. "hidden from this user, or a listener that the kernel was made to hide", false
end

local function judge(ctx, before, after, probe)
    local first = socket_at(before, probe.proto, probe.port, probe.address)
    local last = socket_at(after, probe.proto, probe.port, probe.address)
    local row = {
        address = probe.address, proto = probe.proto, port = probe.port, state = probe.state, reason = probe.reason,
        process = (last or first or {}).process, explained = true,
    }
    local reached = probe.state:find("^open") ~= nil
    if (first or last) and reached then
        row.finding = "both"
    elseif first and last then
        row.finding = "not-reached"
        row.why, row.explained = why_unreached(last, probe)
    elseif reached and not (probe.proto == "udp" and probe.state == "open|filtered") then
        row.finding = "no-socket"
        row.why, row.explained = why_unlisted(ctx, probe)
    else
        return nil
    end
    return row
end

--- Ports where a first look differs are asked again, so that what comes and goes is no finding.
local function again(ctx, rows)
    local ports = {}
    for _, row in ipairs(rows) do
        ports[#ports + 1] = (row.proto == "udp" and "U:" or "T:") .. row.port
    end
    return ctx.probe(rows[1].address, table.concat(ports, ","))
end

local function check_address(ctx, address, udp, list)
    local before, problem, code = table_of(ctx)
    local probes
    if before then
        probes, problem, code = ctx.probe(address, udp and "T:1-65535,U:1-65535" or "1-65535")
    end
    local after = probes and table_of(ctx)
    if not after then
        return nil, problem, code
    end
    local doubtful = {}
    for _, probe in ipairs(probes) do
        local key = probe.proto .. " " .. probe.port
        if probe.state ~= "closed" or before[key] or after[key] then
            local row = judge(ctx, before, after, probe)
            if row and row.finding ~= "both" then
                doubtful[#doubtful + 1] = row
            end
            list[#list + 1] = row and row.finding == "both" and row or nil
        end
    end
    if #doubtful == 0 then
        return true
    end
    local second = again(ctx, doubtful)
    local now = second and table_of(ctx)
    for _, probe in ipairs(now and second or {}) do
        list[#list + 1] = judge(ctx, before, now, probe)
    end
    return true
end

local function run(ctx, args)
    local addresses, problem, code = own_addresses(ctx)
    if not addresses then
        return nil, problem, code
    end
    local list, unexplained = {}, 0
    for _, address in ipairs(#args.address > 0 and args.address or addresses) do
        local ok
        ok, problem, code = check_address(ctx, address, args.udp, list)
        if not ok then
            return nil, problem, code
        end
    end
    for _, row in ipairs(list) do
        unexplained = unexplained + (row.explained and 0 or 1)
    end
    local rows = ctx.rows({ name = "finding", columns = COLUMNS }, list)
    local shown = args.all and rows or rows:where { finding = { "not-reached", "no-socket" } }
    return {
        rows = shown, status = unexplained > 0 and 1 or 0,
        summary = ("%d ports on %d addresses are open by both witnesses; %d differ, %d of them unexplained"):format(
            #rows:where { finding = "both" }, #(#args.address > 0 and args.address or addresses),
            #rows:where { finding = { "not-reached", "no-socket" } }, unexplained),
    }
end

return {
    id = "crosscheck",
    summary = "the socket table against connections, on each own address",
    description = [[
Asks two witnesses which ports are open: the kernel's socket table, and connections to each of this host's own
addresses. A difference is a finding: a socket that is not reached (a firewall, a full queue, a device that it is bound
to), or an answer from a port that has no socket (DNAT, another namespace, a hidden listener). Exit status 1 where one
is not explained.]],
    categories = { "probe" },
    args = {
        address = { type = "string", positional = true, repeatable = true, default = {},
            help = "only these own addresses" },
        udp = { type = "boolean", short = "u", help = "UDP as well" },
        all = { type = "boolean", short = "a", help = "also list what both witnesses say is open" },
    },
    run = run,
}
