--- netstat's tables of internet and Unix sockets.
-- @module porthole.netstat.sockets

local names = require "porthole.netstat.names"

local M = {}

local states = {
    estab = "ESTABLISHED", ["syn-sent"] = "SYN_SENT", ["syn-recv"] = "SYN_RECV", ["fin-wait-1"] = "FIN_WAIT1",
    ["fin-wait-2"] = "FIN_WAIT2", ["time-wait"] = "TIME_WAIT", unconn = "CLOSE", ["close-wait"] = "CLOSE_WAIT",
    ["last-ack"] = "LAST_ACK", listen = "LISTEN", closing = "CLOSING",
}

-- The kernel's own numbers, which netstat prints of raw sockets.
local raw_states = { estab = 1, unconn = 7 }

local shown = { tcp = "tcp", udp = "udp", udplite = "udpl", raw = "raw" }

local timers = { retransmit = "on", keepalive = "keepalive", ["time-wait"] = "timewait", probe = "probe" }

local PROGRAM_BYTES = 19
local COLON = 58

--- The first argument, less its folder; a title that the process gave itself is one argument.
local function title(process)
    local line = process.cmdline or ""
    local word = line:match("^%S*")
    if word:sub(1, 1) == "/" then
        return word:match("[^/]*$")
    end
    return word:sub(-1) == ":" and line or word
end

--- "PID/name" of the first process that holds the socket; what only a thread's own table holds, netstat does not see.
local function program(row)
    local first
    for _, process in ipairs(row.inode and row.processes or {}) do
        if not process.thread and (not first or process.pid < first.pid) then
            first = process
        end
    end
    return first and ("%d/%s"):format(first.pid, title(first)):sub(1, PROGRAM_BYTES) or "-"
end

local function timer_text(row)
    local timer = row.timer
    local probes = row.probes or 0
    if not timer then
        return ("off (0.00/0/%d)"):format(probes)
    end
    local label = timers[timer.name] or "unkn-0"
    if row.proto ~= "tcp" then
        label = "on1"
    end
    return ("%s (%2.2f/%d/%d)"):format(label, timer.expires_ms / 1000, timer.retransmits, probes)
end

--- What stands behind the state, by option.
local function extras(row, options)
    local parts = {}
    if options.e then
        local user = not options.users and row.user
        parts[1] = user and (" %-10s "):format(user) or (" %-10d "):format(row.uid or 0)
        parts[2] = ("%-10d"):format(row.inode or 0)
    end
    if options.p then
        parts[#parts + 1] = (" %-20s"):format(program(row))
    end
    if options.o then
        parts[#parts + 1] = " " .. timer_text(row)
    end
    return table.concat(parts)
end

--- A function of address, port and protocol that gives "address:port", cut to netstat's width.
local function endpoint_writer(options)
    local host = options.hosts and function(address)
        return address
    end or names.host
    local service = options.ports and function(port)
        return port == 0 and "*" or tostring(port)
    end or function(port, protocol)
        return protocol == "raw" and names.protocol(port) or names.service(port, protocol)
    end
    local WIDTH = 22
    return function(address, port, protocol)
        address, port = host(address), service(port, protocol)
        if address:byte() == COLON then
            address = address:gsub("^::ffff:(%d+%.)", "%1")
        end
        if not options.W and #address + #port > WIDTH then
            address = address:sub(1, WIDTH - #port)
        end
        return address .. ":" .. port
    end
end

local function has_peer(row, protocol)
    if protocol == "tcp" then
        return row.rport ~= 0
    end
    local address = row.raddr
    return address ~= "0.0.0.0" and address ~= "::"
end

local function state_text(row, protocol)
    if protocol == "raw" then
        return tostring(raw_states[row.state] or 0)
    elseif protocol ~= "tcp" and row.state == "unconn" then
        return ""
    end
    return states[row.state] or ""
end

--- Whether the options ask for this socket.
function M.wanted(row, options)
    if options.a then
        return true
    elseif row.family == "unix" then
        return (row.state == "listen") == (options.l ~= nil)
    end
    return has_peer(row, row.proto) == (options.l == nil)
end

local function which(options)
    return options.a and "(servers and established)" or options.l and "(only servers)" or "(w/o servers)"
end

--- The heading of the internet sockets.
function M.inet_heading(options)
    local parts = {
        "Active Internet connections ", which(options),
        "\nProto Recv-Q Send-Q Local Address           Foreign Address         State      ",
    }
    parts[#parts + 1] = options.e and " User       Inode     " or nil
    parts[#parts + 1] = options.p and " PID/Program name    " or nil
    parts[#parts + 1] = options.o and " Timer" or nil
    parts[#parts + 1] = "\n"
    return table.concat(parts)
end

--- Adds a line for each wanted socket of the protocol.
function M.inet(rows, protocol, options, out)
    local endpoint = endpoint_writer(options)
    local more = options.e or options.p or options.o
    local all, waiting = options.a, options.l ~= nil
    local service = protocol == "udplite" and "udp" or protocol
    local at, format = #out, string.format
    for i = 1, #rows do
        local row = rows[i]
        if row.proto == protocol and (all or has_peer(row, protocol) ~= waiting) then
            local name = row.family == "inet6" and shown[protocol] .. "6" or shown[protocol]
            local rport = protocol == "raw" and 0 or row.rport
            at = at + 1
            out[at] = format("%-5s %6d %6d %-23s %-23s %-11s%s\n", name, row.recvq, row.sendq,
                endpoint(row.laddr, row.lport, service), endpoint(row.raddr, rport, service),
                state_text(row, protocol), more and extras(row, options) or "")
        end
    end
end

--- What the socket layer calls its state: one without a file is on its way in or out.
local function unix_state(row)
    if row.state == "listen" then
        return "LISTENING"
    elseif row.state == "estab" then
        return row.inode and "CONNECTED" or "CONNECTING"
    end
    return row.inode and "" or "DISCONNECTING"
end

--- The table of Unix sockets. A path is shown to its first space.
function M.unix(rows, options, out)
    out[#out + 1] = ("Active UNIX domain sockets %s\n%s%s Path\n"):format(which(options),
        "Proto RefCnt Flags       Type       State         I-Node  ", options.p and " PID/Program name    " or "")
    for _, row in ipairs(rows) do
        if row.family == "unix" and M.wanted(row, options) then
            out[#out + 1] = ("%-5s %-6d %-11s %-10s %-13s %-8d%s %s\n"):format("unix", row.references or 0,
                row.state == "listen" and "[ ACC ]" or "[ ]", (row.type or ""):upper(), unix_state(row), row.inode or 0,
                options.p and (" %-20s"):format(program(row)) or "", (row.path or ""):match("^%S*"))
        end
    end
end

return M
