-- interfaces(), routes(), rules(), neighbors(), groups(), counters(), proc_routes() against ip, netstat, nstat and /proc
-- in a network namespace of the test's own (tests/run makes it) that has devices, addresses and routes of many kinds.

local porthole = require "porthole"
local json = porthole.json

local function output_of(command)
    -- The judges run without the sanitizer that this Lua may have been given.
    local pipe = assert(io.popen("unset LD_PRELOAD; " .. command, "r"))
    local text = pipe:read("a")
    pipe:close()
    return text
end

local function lines_of(command)
    local lines = {}
    for line in output_of(command):gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return lines
end

-- The pause is for duplicate address detection: no route goes through an address before its end.
local setup = [[
set -e
ip link set lo up
ip link add lan0 type veth peer name lan1
ip link add br0 type bridge
ip link set lan1 master br0
ip link add far0 mtu 1400 type veth peer name far1
for device in lan0 lan1 br0 far0 far1; do ip link set $device up; done
ip addr add 192.0.2.1/24 broadcast 192.0.2.255 dev lan0
ip addr add 192.0.2.9/24 dev lan0 label lan0:1
ip addr add 198.51.100.1 peer 198.51.100.2/32 dev far0
ip addr add 2001:db8::1/64 dev lan0 nodad
ip addr add 2001:db8:1::1 peer 2001:db8:1::2/128 dev far0 nodad
sleep 2
ip route add default via 192.0.2.254 metric 100 mtu 1300 advmss 1200 window 4096
ip route add 203.0.113.128/25 nexthop via 192.0.2.253 weight 1 nexthop via 198.51.100.2 dev far0 weight 5 onlink
ip route add unreachable 203.0.113.0/28
ip route add blackhole 203.0.113.16/28 metric 7
ip route add 203.0.113.32/28 dev far0 src 192.0.2.1 table 100 proto static scope link
ip -6 route add default via 2001:db8::fe dev lan0 metric 512
ip -6 route add 2001:db8:7::/48 nexthop via 2001:db8::f1 dev lan0 nexthop via 2001:db8:1::2 dev far0
ip -6 route add prohibit 2001:db8:9::/48
ip rule add from 192.0.2.0/24 to 203.0.113.0/24 iif lan0 fwmark 0x10/0xff table 100 priority 1000
ip rule add not from 203.0.113.0/24 goto 32766 priority 900
ip -6 rule add from 2001:db8::/32 prohibit priority 1002
ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:fe dev lan0 nud permanent
ip -6 neigh add 2001:db8::fe lladdr 02:00:00:00:00:fe dev lan0 nud permanent
]]

local function sorted(list)
    table.sort(list)
    return list
end

describe("the rest of netstat's world", function()
    lazy_setup(function()
        local pipe = assert(io.popen("unset LD_PRELOAD; sh 2>&1", "w"))
        pipe:write(setup)
        assert(pipe:close(), "the namespace could not be furnished")
        -- Until the kernel's own multicast has come to rest.
        os.execute("sleep 1")
    end)

    it("has the interfaces of ip link and ip addr", function()
        local expected, got = {}, {}
        for _, link in ipairs(json.decode(output_of("ip -j addr"))) do
            local addresses = {}
            for _, address in ipairs(link.addr_info) do
                addresses[#addresses + 1] = ("%s/%d %s %s %s %s"):format(address["local"], address.prefixlen,
                    address.scope, address.address or "-", address.broadcast or "-", address.label or "-")
            end
            expected[#expected + 1] = ("%d %s mtu %d %s master %s: %s"):format(link.ifindex, link.ifname, link.mtu,
                link.address, link.master or "-", table.concat(sorted(addresses), ", "))
        end
        for _, link in ipairs(porthole.interfaces()) do
            local addresses = {}
            for _, address in ipairs(link.addresses) do
                addresses[#addresses + 1] = ("%s/%d %s %s %s %s"):format(address.address, address.prefix,
                    address.scope, address.peer or "-", address.broadcast or "-", address.label or "-")
            end
            got[#got + 1] = ("%d %s mtu %d %s master %s: %s"):format(link.ifindex, link.name, link.mtu, link.mac,
                link.master or "-", table.concat(sorted(addresses), ", "))
        end
        assert.same(sorted(expected), sorted(got))
    end)

    it("has the counters of /proc/net/dev for each interface", function()
        local before = {}
        for line in io.lines("/proc/net/dev") do
            local name, numbers = line:match("^%s*([^:%s]+):%s*(.*)$")
            if name then
                before[name] = numbers:gsub("%s+", " "):gsub(" $", "")
            end
        end
        local count = 0
        for _, i in ipairs(porthole.interfaces()) do
            local got = table.concat({ i.rx_bytes, i.rx_packets, i.rx_errors, i.rx_dropped + i.rx_missed, i.rx_fifo,
                i.rx_frame, i.rx_compressed, i.multicast, i.tx_bytes, i.tx_packets, i.tx_errors, i.tx_dropped, i.tx_fifo,
                i.collisions, i.tx_carrier, i.tx_compressed }, " ")
            assert.equal(before[i.name], got)
            count = count + 1
        end
        assert.equal(6, count)
    end)

    it("has the routes of ip route", function()
        local expected, got = {}, {}
        for _, family in ipairs { "-4", "-6" } do
            for _, route in ipairs(json.decode(output_of("ip -j " .. family .. " route show table all"))) do
                local way = route.nexthops and route.nexthops[1] or route
                expected[#expected + 1] = ("%s %s via %s dev %s metric %s table %s proto %s ways %d"):format(
                    route.type or "unicast", route.dst, way.gateway or way.via and way.via.host or "-", way.dev or "-",
                    route.metric or 0, route.table or "main", route.protocol or "boot",
                    route.nexthops and #route.nexthops or 1)
            end
        end
        for _, route in ipairs(porthole.routes()) do
            local to = route.to:gsub(route.family == "inet" and "/32$" or "/128$", "")
            got[#got + 1] = ("%s %s via %s dev %s metric %s table %s proto %s ways %d"):format(route.type, to,
                route.gateway or "-", route.iface or "-", route.metric, route.table, route.protocol,
                math.max(1, #route.nexthops))
        end
        assert.same(sorted(expected), sorted(got))
    end)

    it("has the rules of ip rule", function()
        local expected, got = {}, {}
        for _, family in ipairs { "-4", "-6" } do
            for _, rule in ipairs(json.decode(output_of("ip -j " .. family .. " rule"))) do
                local from = rule.srclen and ("%s/%d"):format(rule.src, rule.srclen) or rule.src
                expected[#expected + 1] = ("%d from %s iif %s %s"):format(rule.priority, from, rule.iif or "-",
                    rule.table or rule["goto"] or rule.action)
            end
        end
        for _, rule in ipairs(porthole.rules()) do
            got[#got + 1] = ("%d from %s iif %s %s"):format(rule.priority, rule.from, rule.iif or "-",
                rule.table or rule.target or rule.action)
        end
        assert.same(sorted(expected), sorted(got))
    end)

    it("has the neighbours of ip neigh", function()
        local expected, got = {}, {}
        for _, neighbor in ipairs(json.decode(output_of("ip -j neigh show nud permanent"))) do
            expected[#expected + 1] = ("%s %s %s"):format(neighbor.dst, neighbor.dev, neighbor.lladdr)
        end
        for _, neighbor in ipairs(porthole.neighbors { state = "permanent" }) do
            got[#got + 1] = ("%s %s %s"):format(neighbor.address, neighbor.iface, neighbor.lladdr)
        end
        assert.equal(2, #got)
        assert.same(sorted(expected), sorted(got))
    end)

    it("has what netstat -g prints", function()
        local got = {}
        for _, group in ipairs(porthole.groups()) do
            got[#got + 1] = ("%-15s %-6d %s"):format(group.iface, group.users, group.group)
        end
        local expected = lines_of("netstat -gn")
        table.move(expected, 4, #expected + 3, 1)
        assert.same(sorted(expected), sorted(got))
    end)

    it("has what netstat -rn prints", function()
        local got = {}
        for _, route in ipairs(porthole.proc_routes { family = "inet" }) do
            local letters = "U"
            letters = letters .. (route.flags & 0x2 ~= 0 and "G" or "") .. (route.flags & 0x4 ~= 0 and "H" or "")
            if route.flags & 0x200 == 0 then
                got[#got + 1] = ("%-15s %-15s %-15s %-6s%5d %-5d %6d %s"):format(route.destination, route.gateway,
                    route.mask, letters, route.mtu, route.window, route.irtt, route.iface)
            else
                got[#got + 1] = ("%-15s %-15s %-15s %-6s%5s %-5s %6s %s"):format(route.destination, "-", route.mask,
                    "!", "-", "-", "-", "-")
            end
        end
        local expected = lines_of("netstat -rn")
        table.move(expected, 3, #expected + 2, 1)
        assert.same(sorted(expected), sorted(got))
    end)

    it("has the IPv6 routes that netstat -r6n prints, with their references", function()
        local got = {}
        for _, route in ipairs(porthole.proc_routes { family = "inet6" }) do
            local metric = route.metric == 0xffffffff and -1 or route.metric
            got[#got + 1] = ("%s/%d %s %d %d %d %s"):format(route.destination, route.prefix, route.gateway, metric,
                route.ref, route.use, route.iface)
        end
        local expected = {}
        for _, line in ipairs(lines_of("netstat -r6nW")) do
            local to, gateway, metric, ref, use, device =
                line:match("^(%S+/%d+)%s+(%S+)%s+%S+%s+(%S+)%s+(%d+)%s+(%d+) (%S+)$")
            if to then
                expected[#expected + 1] = ("%s %s %d %d %d %s"):format(to, gateway, metric, ref, use, device)
            end
        end
        assert.is_true(#expected > 20)
        assert.same(sorted(expected), sorted(got))
    end)

    it("has every counter of nstat, between two of its readings", function()
        local command = "NSTAT_HISTORY=/dev/null nstat -asz --json"
        local before = json.decode(output_of(command)).kernel
        local got, count = {}, 0
        for _, counter in ipairs(porthole.counters()) do
            got[(counter.protocol or "") .. counter.name] = counter.value
        end
        local after = json.decode(output_of(command)).kernel
        for name, low in pairs(before) do
            local value = assert(got[name], name)
            assert.is_true(value >= low and value <= after[name], name)
            count = count + 1
        end
        assert.is_true(count > 200)
    end)
end)
