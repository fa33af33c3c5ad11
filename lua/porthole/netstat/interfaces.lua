--- netstat's tables of interfaces: the short one, and with -e the long one of ifconfig.
-- @module porthole.netstat.interfaces

local M = {}

local bits = {
    up = 0x1, broadcast = 0x2, debug = 0x4, loopback = 0x8, pointopoint = 0x10, notrailers = 0x20, running = 0x40,
    noarp = 0x80, promisc = 0x100, allmulti = 0x200, master = 0x400, slave = 0x800, multicast = 0x1000,
    portsel = 0x2000, automedia = 0x4000, dynamic = 0x8000,
}

local letters = {
    { "allmulti", "A" }, { "broadcast", "B" }, { "debug", "D" }, { "loopback", "L" }, { "multicast", "M" },
    { "dynamic", "d" }, { "promisc", "P" }, { "notrailers", "N" }, { "noarp", "O" }, { "pointopoint", "P" },
    { "slave", "s" }, { "master", "m" }, { "running", "R" }, { "up", "U" },
}

local words = {
    "up", "broadcast", "debug", "loopback", "pointopoint", "notrailers", "running", "noarp", "promisc", "allmulti",
    "slave", "master", "multicast", "dynamic",
}

-- ARPHRD_* of linux/if_arp.h: netstat's word for it, and what it is.
local hardware = {
    [1] = { "ether", "Ethernet" }, [512] = { "ppp", "Point-to-Point Protocol" }, [768] = { "tunnel", "IPIP Tunnel" },
    [772] = { "loop", "Local Loopback" }, [776] = { "sit", "IPv6-in-IPv4" },
}

local function flag_set(link)
    local set, value = {}, 0
    for _, name in ipairs(link.flags) do
        set[name] = true
        value = value | (bits[name] or 0)
    end
    return set, value
end

local function flag_letters(link)
    local set, parts = flag_set(link), {}
    for _, pair in ipairs(letters) do
        parts[#parts + 1] = set[pair[1]] and pair[2] or nil
    end
    return #parts > 0 and table.concat(parts) or "[NO FLAGS]"
end

--- "eth2" before "eth10".
local function before(a, b)
    local i = 1
    while i <= #a.name and i <= #b.name do
        local x, y = a.name:match("^%d+", i), b.name:match("^%d+", i)
        if x and y and tonumber(x) ~= tonumber(y) then
            return tonumber(x) < tonumber(y)
        elseif a.name:byte(i) ~= b.name:byte(i) then
            return a.name:byte(i) < b.name:byte(i)
        end
        i = i + 1
    end
    return #a.name < #b.name
end

--- The devices, and each label of an address that is a name of its own ("lan0:1").
local function listed(links, options)
    local list = {}
    for _, link in ipairs(links) do
        local seen = { [link.name] = true }
        list[#list + 1] = { name = link.name, link = link, up = link.up }
        for _, address in ipairs(link.addresses) do
            local label = address.label
            if label and not seen[label] then
                seen[label] = true
                list[#list + 1] = { name = label, link = link, up = link.up, alias = true }
            end
        end
    end
    table.sort(list, before)
    local wanted = {}
    for _, entry in ipairs(list) do
        if options.interface and entry.name == options.interface
            or not options.interface and (options.a or entry.up) then
            wanted[#wanted + 1] = entry
        end
    end
    return wanted
end

local function short(entry)
    local link = entry.link
    local head = ("%-15.15s %5d "):format(entry.name, link.mtu)
    if entry.alias or not link.rx_packets then
        return head .. ("%-56s%s\n"):format("     - no statistics available -", flag_letters(link))
    end
    return head .. ("%8d %6d %6d %-6d %8d %6d %6d %6d %s\n"):format(link.rx_packets, link.rx_errors,
        link.rx_dropped + link.rx_missed, link.rx_fifo, link.tx_packets, link.tx_errors, link.tx_dropped, link.tx_fifo,
        flag_letters(link))
end

local units = { { 1 << 50, "PiB" }, { 1 << 40, "TiB" }, { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" } }

--- Bytes with a decimal, cut and not rounded.
local function human(bytes)
    for _, unit in ipairs(units) do
        if bytes > unit[1] then
            local tenths = bytes > math.maxinteger // 10 and bytes // (unit[1] // 10) or bytes * 10 // unit[1]
            return ("%d.%d %s"):format(tenths // 10, tenths % 10, unit[2])
        end
    end
    return ("%d.0 B"):format(bytes)
end

local function mask_text(prefix)
    local mask = prefix == 0 and 0 or 0xffffffff << (32 - prefix) & 0xffffffff
    return ("%d.%d.%d.%d"):format(mask >> 24, mask >> 16 & 255, mask >> 8 & 255, mask & 255)
end

local scopes = { global = "0x0<global>", host = "0x10<host>", link = "0x20<link>", site = "0x40<site>" }

local function inet_line(entry, set)
    for _, address in ipairs(entry.link.addresses) do
        if address.family == "inet" and (address.label or entry.link.name) == entry.name then
            local line = ("        inet %s  netmask %s"):format(address.address, mask_text(address.prefix))
            if set.broadcast then
                line = line .. "  broadcast " .. (address.broadcast or "0.0.0.0")
            end
            if set.pointopoint then
                line = line .. "  destination " .. (address.peer or address.address)
            end
            return line .. "\n"
        end
    end
    return ""
end

local function hardware_line(link)
    local kind = hardware[link.type]
    local text = kind and ("        " .. kind[1]) or "        unspec"
    if not kind then
        local bytes = {}
        for byte in (link.mac or ""):gmatch("%x%x") do
            bytes[#bytes + 1] = byte:upper()
        end
        for i = #bytes + 1, 16 do
            bytes[i] = "00"
        end
        text = text .. " " .. table.concat(bytes, "-")
    elseif kind[1] == "ether" then
        text = text .. " " .. (link.mac or "00:00:00:00:00:00")
    end
    return ("%s  txqueuelen %d  (%s)\n"):format(text, link.txqlen, kind and kind[2] or "UNSPEC")
end

local function traffic(link)
    local received = ("        RX packets %d  bytes %d (%s)\n        RX errors %d  dropped %d  overruns %d  frame %d\n")
        :format(link.rx_packets, link.rx_bytes, human(link.rx_bytes), link.rx_errors,
            link.rx_dropped + link.rx_missed, link.rx_fifo, link.rx_frame)
    local sent = ("        TX packets %d  bytes %d (%s)\n"
        .. "        TX errors %d  dropped %d overruns %d  carrier %d  collisions %d\n")
        :format(link.tx_packets, link.tx_bytes, human(link.tx_bytes), link.tx_errors, link.tx_dropped, link.tx_fifo,
            link.tx_carrier, link.collisions)
    return received .. sent
end

--- The hardware's resources, where there are any.
local function device_line(link)
    if not (link.interrupt or link.memory_start or link.dma or link.base_address) then
        return ""
    end
    local parts = { "        device " }
    parts[#parts + 1] = link.interrupt and ("interrupt %d  "):format(link.interrupt) or nil
    parts[#parts + 1] = link.base_address and ("base 0x%x  "):format(link.base_address) or nil
    parts[#parts + 1] = link.memory_start
        and ("memory 0x%x-%x  "):format(link.memory_start, link.memory_end or 0) or nil
    parts[#parts + 1] = link.dma and ("  dma 0x%x"):format(link.dma) or nil
    return table.concat(parts) .. "\n"
end

local function extended(entry)
    local link, set, value = entry.link, flag_set(entry.link)
    local names = {}
    for _, word in ipairs(words) do
        names[#names + 1] = set[word] and word:upper() or nil
    end
    local parts = { ("%s: flags=%d<%s>  mtu %d\n"):format(entry.name, value, table.concat(names, ","), link.mtu) }
    parts[#parts + 1] = inet_line(entry, set)
    for _, address in ipairs(entry.alias and {} or link.addresses) do
        if address.family == "inet6" then
            parts[#parts + 1] = ("        inet6 %s  prefixlen %d  scopeid %s\n"):format(address.address, address.prefix,
                scopes[address.scope] or "0x0<global>")
        end
    end
    parts[#parts + 1] = hardware_line(link)
    if not entry.alias and link.rx_packets then
        parts[#parts + 1] = traffic(link)
    end
    parts[#parts + 1] = device_line(link)
    parts[#parts + 1] = "\n"
    return table.concat(parts)
end

--- @treturn ?string the table; nil and a message where the interface that was asked for is not there
function M.text(links, options)
    local list = listed(links, options)
    if options.interface and #list == 0 then
        return nil, options.interface .. ": error fetching interface information: Device not found"
    end
    local parts = { "Kernel Interface table\n" }
    if not options.e then
        parts[2] = "Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
    end
    for _, entry in ipairs(list) do
        parts[#parts + 1] = (options.e and extended or short)(entry)
    end
    return table.concat(parts)
end

return M
