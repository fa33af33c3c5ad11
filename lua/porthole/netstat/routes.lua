--- netstat's routing tables.
-- @module porthole.netstat.routes

local names = require "porthole.netstat.names"

local M = {}

local REJECT, NONEXTHOP = 0x200, 0x00200000

-- RTF_* of linux/route.h and linux/ipv6_route.h, in the order of their letters.
local letters = {
    { 0x2, "G" }, { 0x4, "H" }, { 0x8, "R" }, { 0x10, "D" }, { 0x20, "M" }, { 0x10000, "d" }, { 0x40000, "A" },
    { 0x1000000, "C" }, { NONEXTHOP, "n" },
}

local function flag_text(flags)
    local text = flags & REJECT ~= 0 and "!" or flags & 1 ~= 0 and "U" or ""
    for _, pair in ipairs(letters) do
        if flags & pair[1] ~= 0 then
            text = text .. pair[2]
        end
    end
    return text
end

local headings = {
    [0] = "Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n",
    "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n",
    "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt\n",
}

local cache_headings = {
    [0] = "Source          Destination     Gateway         Flags   MSS Window  irtt Iface\n",
    "Source          Destination     Gateway         Flags Metric Ref    Use Iface\n",
    "Source          Destination     Gateway         Flags Metric Ref    Use Iface    MSS   Window irtt"
        .. "  TOS HHRef HHUptod     SpecDst\n",
}

local lines = {
    [0] = function(r, to, via, mask, flags)
        return ("%-15s %-15s %-15s %-5s %5d %-5d %6d %s\n"):format(to, via, mask, flags, r.mtu, r.window, r.irtt,
            r.iface)
    end,
    function(r, to, via, mask, flags)
        return ("%-15s %-15s %-15s %-5s %-6d %-2d %7d %s\n"):format(to, via, mask, flags, r.metric, r.references,
            r.used, r.iface)
    end,
    function(r, to, via, mask, flags)
        return ("%-15s %-15s %-15s %-5s %-6d %-3d %6d %-6.6s   %-5d %-6d %d\n"):format(to, via, mask, flags, r.metric,
            r.references, r.used, r.iface, r.mtu, r.window, r.irtt)
    end,
}

local rejects = {
    [0] = function(_, to, mask, flags)
        return ("%-15s -               %-15s %-5s     - -          - -\n"):format(to, mask, flags)
    end,
    function(r, to, mask, flags)
        return ("%-15s -               %-15s %-5s %-6d -  %7d -\n"):format(to, mask, flags, r.metric, r.used)
    end,
    function(r, to, mask, flags)
        return ("%-15s -               %-15s %-5s %-6d -  %7d -        -     -      -\n"):format(to, mask, flags,
            r.metric, r.used)
    end,
}

local function level(options)
    return math.min(options.e or 0, 2)
end

--- Cut as netstat cuts it, unless -W.
local function fitted(text, options)
    return options.W and text or text:sub(1, 15)
end

local function inet(rows, options, out)
    local deep, found = level(options), false
    out[#out + 1] = "Kernel IP routing table\n" .. headings[deep]
    for _, r in ipairs(rows) do
        if r.family == "inet" then
            found = true
            local to = options.hosts and r.destination or names.destination(r.destination, r.mask)
            local via = options.hosts and r.gateway or names.host(r.gateway)
            local flags = flag_text(r.flags)
            to, via = fitted(to, options), fitted(via, options)
            out[#out + 1] = r.flags & REJECT ~= 0 and rejects[deep](r, to, r.mask, flags)
                or lines[deep](r, to, via, r.mask, flags)
        end
    end
    return found
end

local HEADING6 = "Destination                    Next Hop                   Flag Met Ref  Use If\n"
local CACHED = 0x1000000

local function inet6(rows, options, out, cache)
    out[#out + 1] = ("Kernel IPv6 routing %s\n%s"):format(cache and "cache" or "table", HEADING6)
    for _, r in ipairs(rows) do
        if r.family == "inet6" and (r.flags & CACHED ~= 0) == cache then
            local host = options.hosts and function(address)
                return address
            end or names.host
            local metric = r.metric >= 0x80000000 and r.metric - 0x100000000 or r.metric
            out[#out + 1] = ("%-30s %-26s %-4s %-3d %-1d %6d %s\n"):format(
                ("%s/%d"):format(host(r.destination), r.prefix), host(r.gateway), flag_text(r.flags), metric,
                r.references, r.used, r.iface)
        end
    end
end

--- Adds the tables of one family.
-- @treturn boolean whether there was one
function M.text(rows, family, options, out)
    local fib, found = options.F or not options.C, true
    if family == "inet6" then
        if fib then
            inet6(rows, options, out, false)
        end
        if options.C then
            inet6(rows, options, out, true)
        end
        return true
    end
    if fib then
        found = inet(rows, options, out)
    end
    if found and options.C then
        out[#out + 1] = "Kernel IP routing cache\n" .. cache_headings[level(options)]
    end
    return found
end

return M
