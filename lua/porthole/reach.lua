--- How far an address goes, whatever the firewall says.
-- `host` 127.0.0.0/8 and ::1 · `link` 169.254.0.0/16 and fe80::/10 · `lan` 10/8, 172.16/12, 192.168/16, 100.64/10 and
-- fc00::/7 · `internet` every other unicast address. A wildcard goes as far as the widest of the host's own addresses
-- of the families that it takes, on the device that the socket is bound to.
-- @module porthole.reach

local M = {}

--- From the narrowest to the widest.
M.order = { host = 1, link = 2, lan = 3, internet = 4 }

local order = M.order

local about = {
    host = "%s is a loopback address: only this host itself reaches it",
    link = "%s is a link-local address: only the neighbours on the same link reach it",
    lan = "%s is a private address: the local network reaches it",
    internet = "%s is a public address: whoever has a route to it reaches it",
}

--- The IPv4 address as four numbers, or nil.
local function ipv4_bytes(text)
    local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
    if a then
        return tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    end
end

local function ipv4_kind(a, b, c, d)
    if a == 127 then
        return "host"
    elseif a == 0 and b == 0 and c == 0 and d == 0 then
        return "wildcard"
    elseif a == 255 and b == 255 and c == 255 and d == 255 then
        return "broadcast"
    elseif a >= 224 and a <= 239 then
        return "multicast"
    elseif a == 169 and b == 254 then
        return "link"
    elseif a == 10 or (a == 172 and b >= 16 and b <= 31) or (a == 192 and b == 168)
        or (a == 100 and b >= 64 and b <= 127) then
        return "lan"
    end
    return "internet"
end

local function ipv6_kind(text)
    if text == "::" then
        return "wildcard"
    elseif text == "::1" then
        return "host"
    end
    local first = tonumber(text:match("^(%x+):") or "0", 16)
    if first >= 0xff00 then
        return "multicast"
    elseif first & 0xffc0 == 0xfe80 then
        return "link"
    elseif first & 0xfe00 == 0xfc00 then
        return "lan"
    end
    return "internet"
end

--- What an address is: a reach, or `wildcard`, `multicast`, `broadcast`; and which family it takes.
-- A v4-mapped IPv6 address (`::ffff:192.0.2.1`) takes IPv4 only.
-- @tparam string text
-- @treturn ?string kind; nil where it is no address
-- @treturn ?string "inet" or "inet6"
function M.kind(text)
    text = text:match("^[^%%]*")
    local a, b, c, d = ipv4_bytes(text:match("^::ffff:(.*)$") or text)
    if a then
        return ipv4_kind(a, b, c, d), "inet"
    elseif text:find(":", 1, true) then
        return ipv6_kind(text:lower()), "inet6"
    end
end

--- The host's own addresses, sorted out once for many questions.
-- @tparam ?{table,...} list of `iface family address broadcast`; nil: they cannot be seen
-- @treturn table for `of`
function M.own(list)
    local own = { entries = {}, broadcasts = {}, unknown = list == nil }
    list = list or {}
    for i = 1, #list do
        local entry = list[i]
        local kind, family = M.kind(entry.address or "")
        if order[kind] then
            table.insert(own.entries, { iface = entry.iface, family = family, address = entry.address, reach = kind })
        end
        if entry.broadcast then
            own.broadcasts[entry.broadcast] = true
        end
    end
    return own
end

--- The widest own address of these families on a device, or nil.
local function widest(own, families, iface)
    local best
    for _, entry in ipairs(own.entries) do
        if families[entry.family] and (not iface or iface == entry.iface)
            and (not best or order[entry.reach] > order[best.reach]) then
            best = entry
        end
    end
    return best
end

local function wildcard(own, families, iface)
    local place = iface and "every address of " .. iface or "every address of this host"
    local best = widest(own, families, iface)
    if own.unknown then
        return nil, ("it takes %s, but what those are is not known"):format(place), true
    elseif not best then
        return nil, ("it takes %s, which has none that it could take"):format(place)
    end
    local sentence = about[best.reach]:format(best.address)
    return best.reach, ("it takes %s, and %s"):format(place, sentence)
end

--- Which families an address takes: true, false, or nil (unknown).
-- @tparam table entry `address v6only`
-- @treturn ?boolean IPv4
-- @treturn ?boolean IPv6
function M.families(entry)
    local kind, family = M.kind(entry.address)
    if not kind then
        return nil, nil
    elseif family == "inet" then
        return true, false
    elseif kind ~= "wildcard" or entry.v6only == true then
        return false, true
    elseif entry.v6only == false then
        return true, true
    end
    return nil, true
end

--- A wildcard of which it is not known whether it takes IPv4: an answer only where that makes no difference.
local function uncertain(own, iface)
    local narrow, why = wildcard(own, { inet6 = true }, iface)
    local wide = wildcard(own, { inet = true, inet6 = true }, iface)
    if narrow == wide then
        return narrow, why
    end
    return nil, "it is not known whether it takes IPv4 as well", true
end

local not_unicast = {
    multicast = "%s is a multicast address: it belongs to no host alone",
    broadcast = "%s is a broadcast address: it belongs to no host alone",
}

--- How far one address of a socket goes.
-- @tparam table entry `address iface v6only`
-- @tparam table own as `own()` made it
-- @treturn ?string reach; nil: none, or not known
-- @treturn string a sentence that says why
-- @treturn ?boolean true where it is not known
function M.of(entry, own)
    local kind = M.kind(entry.address)
    if kind == "wildcard" then
        local ipv4, ipv6 = M.families(entry)
        if ipv4 == nil then
            return uncertain(own, entry.iface)
        end
        return wildcard(own, { inet = ipv4, inet6 = ipv6 }, entry.iface)
    elseif order[kind] and kind ~= "host" and own.broadcasts[entry.address] then
        kind = "broadcast"
    end
    if not_unicast[kind] then
        return nil, not_unicast[kind]:format(entry.address)
    elseif kind then
        return kind, about[kind]:format(entry.address)
    end
    return nil, "its address is not known", true
end

return M
