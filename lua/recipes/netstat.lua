local options_of = require "porthole.netstat.options"
local voice = require "porthole.netstat.voice"

--- A part that is loaded when it is asked for.
local function part(name)
    return require("porthole.netstat." .. name)
end

local say = voice.say

local sockets_of = { { "t", "tcp" }, { "u", "udp" }, { "U", "udplite" }, { "w", "raw" } }

local unsupported = {
    { "ipx", "IPX" }, { "ax25", "AX25" }, { "x25", "X25" }, { "netrom", "NETROM" }, { "rose", "ROSE" },
}

--- Sets what one option means for others; what is shown is then in t, S, u, U, w and in the families.
local function settle(options)
    options.sctp = options.S
    local function any_protocol()
        return options.t or options.S or options.u or options.U or options.w
    end
    if (options.family.inet or options.family.inet6 or options.s) and not any_protocol() then
        options.t, options.S, options.u, options.U, options.w = 1, 1, 1, 1, 1
    end
    options.protocols = any_protocol() ~= nil
    options.inet, options.inet6 = options.family.inet, options.family.inet6
    if not options.inet and not options.inet6 then
        options.inet, options.inet6 = true, true
    end
    options.everything = not (options.protocols or options.g or options.family.unix or options.family.ipx
        or options.family.ax25 or options.family.x25 or options.family.netrom or options.family.rose)
end

--- Reads the sockets that the options ask for, as rows.
local function read_sockets(ctx, options)
    local protos, families = {}, {}
    for _, pair in ipairs(sockets_of) do
        if options.everything or options[pair[1]] then
            protos[#protos + 1] = pair[2]
        end
    end
    if #protos > 0 then
        families = { options.inet and "inet" or nil, options.inet6 and "inet6" or nil }
        if not options.inet then
            families = { "inet6" }
        end
    end
    if options.everything or options.family.unix then
        families[#families + 1] = "unix"
        for _, proto in ipairs { "unix-stream", "unix-dgram", "unix-seqpacket" } do
            protos[#protos + 1] = proto
        end
    end
    if #protos == 0 then
        return nil
    end
    return ctx.sockets { proc = true, proto = protos, family = families }
end

--- What this kernel does not have: a note each where it was asked for, and the exit status.
local function refusals(options)
    local status = 0
    if options.sctp or options.everything and options.v then
        -- Once for its endpoints, once for its associations.
        local files = options.a and 2 or 1
        say(("netstat: no support for `AF INET (sctp)' on this system.\n"):rep(files))
        status = options.sctp and 1 or 0
    end
    for _, pair in ipairs(unsupported) do
        if options.family[pair[1]] then
            say(("netstat: no support for `AF %s' on this system.\n"):format(pair[2]))
            status = 1
        elseif options.everything and options.v then
            say(("netstat: no support for `AF %s' on this system.\n"):format(pair[2]))
        end
    end
    return status
end

--- Whether a process that holds one of these sockets could be seen.
local function sees_any(rows)
    for _, row in ipairs(rows or {}) do
        if row.process then
            return true
        end
    end
    return false
end

local function warn_hidden(rows, options)
    local user = voice.euid()
    if not options.p or user == 0 then
        return
    elseif not sees_any(rows) then
        say(('(No info could be read for "-p": geteuid()=%d but you should be root.)\n'):format(user))
    else
        say("(Not all processes could be identified, non-owned process info\n"
            .. " will not be shown, you would have to be root to see it all.)\n")
    end
end

--- Sockets and groups, in netstat's order.
local function connections(ctx, options)
    local rows, problem, code = read_sockets(ctx, options)
    if not rows and problem then
        return nil, problem, code
    end
    local status = refusals(options)
    if ctx.format ~= "table" then
        if options.g then
            return { rows = ctx.groups() }
        end
        return { rows = rows and rows:where(function(row)
            return part("sockets").wanted(row, options)
        end), text = "", status = status }
    end
    local out = {}
    warn_hidden(rows, options)
    if options.everything or options.protocols then
        out[1] = part("sockets").inet_heading(options)
    end
    for _, pair in ipairs(sockets_of) do
        if options.everything or options[pair[1]] then
            part("sockets").inet(rows, pair[2], options, out)
        end
    end
    if options.g then
        part("groups").text(ctx.groups(), options, options, out)
    end
    if options.everything or options.family.unix then
        part("sockets").unix(rows, options, out)
    end
    return { text = table.concat(out), status = status }
end

local function interfaces(ctx, options)
    local rows, problem, code = ctx.interfaces()
    if not rows then
        return nil, problem, code
    end
    local text
    text, problem = part("interfaces").text(rows, options)
    if not text then
        return nil, problem, "ENODEV"
    end
    if options.interface then
        rows = rows:where { name = options.interface:gsub(":.*", "") }
    end
    return { rows = ctx.format ~= "table" and rows or nil, text = text }
end

local function routes(ctx, options)
    local rows, problem, code = ctx.proc_routes()
    if not rows then
        return nil, problem, code
    end
    local out, status = {}, 0
    for _, family in ipairs(#options.families > 0 and options.families or { "inet" }) do
        if family ~= "inet" and family ~= "inet6" then
            say(("No routing for address family `%s'.\n"):format(family))
            return { text = table.concat(out), status = 3 }
        elseif not part("routes").text(rows, family, options, out) then
            -- netstat stops where there is no table.
            status = 1
            break
        end
    end
    return { rows = ctx.format ~= "table" and rows or nil, text = table.concat(out), status = status }
end

local function statistics(ctx, options)
    local asked = table.concat(options.families, ",")
    if asked ~= "" and asked ~= "inet" and asked ~= "inet6" then
        local text = "netstat: No statistics support for specified address family: " .. asked .. "\n"
        return { text = text, status = 1 }
    end
    local rows, problem, code = ctx.counters()
    if not rows then
        return nil, problem, code
    end
    return {
        rows = ctx.format ~= "table" and rows or nil, text = part("statistics").text(rows, options, asked == "inet6"),
    }
end

--- The same again each second, until Ctrl-C.
local function repeated(ctx, options, show)
    local first = true
    return { stream = function()
        if not first then
            local ok, problem, code = ctx.sleep(1)
            if not ok then
                return nil, problem, code
            end
        end
        first = false
        local report, problem, code = show(ctx, options)
        if not report then
            return nil, problem, code
        end
        return report.text
    end }
end

local function chosen(options)
    if options.i then
        return interfaces
    elseif options.r then
        return routes
    elseif options.s then
        return statistics
    end
    return connections
end

local function run(ctx, words)
    local ok, options = pcall(options_of.parse, words)
    if not ok then
        if type(options) ~= "table" then
            error(options, 0)
        end
        say(options.netstat .. (options.usage_text and part("texts").usage .. part("texts").families or ""))
        return { text = "", status = options.usage_text and 3 or 1 }
    elseif options.first == "V" then
        return { text = part("texts").version }
    elseif options.first == "h" then
        say(part("texts").families)
        return { text = part("texts").usage }
    elseif options.Z then
        say("SELinux is not enabled on this machine.\n")
        return { text = "", status = 1 }
    elseif (options.i and 1 or 0) + (options.r and 1 or 0) + (options.s and 1 or 0) + (options.M and 1 or 0) > 1 then
        say(part("texts").usage .. part("texts").families)
        return { text = "", status = 3 }
    elseif options.M then
        say("netstat: no support for `ip_masquerade' on this system.\n")
        return { text = "", status = 1 }
    end
    settle(options)
    local show = chosen(options)
    if options.c and not options.s and ctx.format == "table" then
        return repeated(ctx, options, show)
    end
    return show(ctx, options)
end

return {
    id = "netstat",
    summary = "what netstat prints, by netstat's options",
    description = [[
Answers as netstat of net-tools 2.10 does, to the character. Standard output has the same
lines in the same order; notes go to standard error. What each option asks, and the Lua
that asks it:

  (none), -a, -l   sockets with a peer, all, or those that wait
                                       sockets()  sockets{state = "listen"}
  -t -u -U -w      TCP, UDP, UDP-Lite, raw   sockets{proto = "tcp"}
  -S               SCTP                sockets{proto = "sctp"}
  -x, --unix       Unix sockets        sockets{family = "unix"}
  -4 -6 -A FAMILY  only this family    sockets{family = "inet6"}
  -p               who holds it?       row.processes
  -e               whose is it?        row.user, row.inode
  -o               what does it wait for?   row.timer, row.probes
  -n, --numeric-hosts, --numeric-ports, --numeric-users
                   numbers, no names   row.laddr, row.lport, row.uid
  -N               names of hardware   interfaces()
  -W               addresses whole
  -i, -I DEVICE    what do the interfaces carry?   interfaces()  interfaces{name = "lan0"}
  -r, -F, -C       where do packets go?   routes()  proc_routes()
  -g               which multicast groups were joined?   groups()
  -s               what was counted?   counters()
  -M               masqueraded connections, which no kernel of today lists
  -c               again each second, until Ctrl-C
  -v               says what this system does not have
  -Z               SELinux contexts, where SELinux is enabled
  -V, -h           version; netstat's own usage

-I DEVICE, -IDEVICE, -I=DEVICE and --interfaces=DEVICE show the table of -i for one
interface, which net-tools refuses. The other formats have the rows themselves.
For judgement of what is open, see audit; for every socket, sockets().]],
    categories = { "safe" },
    args = {},
    raw_args = true,
    usage = "[-aceilnoprstuvwxCFIMNSUVWZ46] [-A FAMILY] [--NAME...]",
    run = run,
}
