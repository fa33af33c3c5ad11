local endpoints = require "porthole.endpoints"

local own = {
    { iface = "lo", address = "127.0.0.1" }, { iface = "lo", address = "::1" },
    { iface = "eth0", address = "192.0.2.7" }, { iface = "eth0", address = "fe80::7" },
}

local function socket(fields, pids)
    local one = {
        proto = "tcp", state = "listen", laddr = "0.0.0.0", lport = 80, rport = 0, uid = 0, inode = 1, processes = {},
        netns = "self",
    }
    for key, value in pairs(fields) do
        one[key] = value
    end
    for i, pid in ipairs(pids or {}) do
        one.processes[i] = { pid = pid, name = "p" .. pid, fd = 3, unit = pid == 1 and "init.scope" or nil }
    end
    return one
end

local function group(sockets)
    return endpoints.group(sockets, own)
end

local function addresses(row)
    local list = {}
    for i, entry in ipairs(row.addresses) do
        list[i] = entry.address
    end
    return list
end

local function pids(row)
    local list = {}
    for i, process in ipairs(row.processes or {}) do
        list[i] = process.pid
    end
    return list
end

describe("endpoints", function()
    it("join both families of one program", function()
        local rows = group { socket({}, { 7 }), socket({ laddr = "::", v6only = true }, { 7 }) }
        assert.equal(1, #rows)
        assert.same({ "0.0.0.0", "::" }, addresses(rows[1]))
        assert.is_true(rows[1].ipv4)
        assert.is_true(rows[1].ipv6)
        assert.equal("internet", rows[1].reach)
        assert.same({}, rows[1].exposure)
    end)

    it("join twins with SO_REUSEPORT into one row with all their processes", function()
        local rows = group { socket({ inode = 1 }, { 7 }), socket({ inode = 2 }, { 8 }), socket({ inode = 3 }, { 7 }) }
        assert.equal(1, #rows)
        assert.same({ "0.0.0.0" }, addresses(rows[1]))
        assert.same({ 7, 8 }, pids(rows[1]))
    end)

    it("do not join addresses that different processes hold", function()
        local rows = group {
            socket({}, { 7, 8 }), socket({ laddr = "::", v6only = true }, { 7 }), socket({ laddr = "::1" }, { 7 }),
        }
        assert.equal(2, #rows)
        assert.same({ "0.0.0.0" }, addresses(rows[1]))
        assert.same({ "::", "::1" }, addresses(rows[2]))
    end)

    it("join sockets without a visible owner by their user", function()
        local rows = group {
            socket { uid = 0 }, socket { uid = 0, laddr = "::1" }, socket { uid = 5, laddr = "127.0.0.2" },
        }
        assert.equal(2, #rows)
        assert.is_nil(rows[1].processes)
    end)

    it("keep a hidden twin apart from addresses that have none", function()
        local rows = group {
            socket({ inode = 1 }, { 7 }), socket { inode = 2 }, socket({ inode = 3, laddr = "::1" }, { 7 }),
        }
        assert.equal(2, #rows)
    end)

    it("take UDP only where it takes from anybody", function()
        local rows = group {
            socket({ proto = "udp", state = "unconn", lport = 53 }, { 7 }),
            socket({ proto = "udp", state = "unconn", lport = 0 }, { 7 }),
            socket({ proto = "udp", state = "estab", lport = 54, rport = 9 }, { 7 }),
            socket({ proto = "udplite", state = "unconn", lport = 53 }, { 7 }),
            socket({ proto = "tcp", state = "unconn", lport = 55 }, { 7 }),
        }
        assert.equal(2, #rows)
        assert.equal("udp", rows[1].proto)
        assert.equal("udplite", rows[2].proto)
    end)

    it("show an MPTCP listener once, as TCP, with its owner", function()
        for _, inode in ipairs { 0, 9 } do
            local rows = endpoints.group({ socket { laddr = "127.0.0.1", inode = inode } }, own, {
                socket({ proto = "mptcp", laddr = "127.0.0.1", inode = 9 }, { 7 }),
                socket({ proto = "mptcp", laddr = "127.0.0.1", inode = 10 }, { 7 }),
            })
            assert.equal(1, #rows)
            assert.equal("tcp", rows[1].proto)
            assert.same({ 7 }, pids(rows[1]))
        end
    end)

    it("keep a TCP twin of an MPTCP listener that has an owner of its own", function()
        local rows = endpoints.group({ socket({ inode = 8 }, { 6 }) }, own,
            { socket({ proto = "mptcp", inode = 9 }, { 7 }) })
        assert.equal(1, #rows)
        assert.same({ 6, 7 }, pids(rows[1]))
    end)

    it("prefer the unit of the service to that of PID 1, which holds its socket too", function()
        local one = socket({}, { 1, 7 })
        one.processes[2].unit = "web.service"
        assert.equal("web.service", group { one }[1].unit)
        assert.equal("init.scope", group { socket({}, { 1 }) }[1].unit)
    end)

    it("keep namespaces and devices apart", function()
        local rows = group {
            socket({ netns = "a" }, { 7 }), socket({ netns = "b" }, { 7 }),
            socket({ netns = "b", iface = "lo" }, { 7 }),
        }
        assert.equal(2, #rows)
        assert.equal(2, #rows[2].addresses)
    end)

    it("let the widest address decide how far a row goes", function()
        local row = group { socket({ laddr = "127.0.0.1" }, { 7 }), socket({ laddr = "192.168.1.1" }, { 7 }) }[1]
        assert.equal("lan", row.reach)
        assert.matches("192.168.1.1", row.why)
        row = group { socket({ laddr = "224.0.0.251", proto = "udp", state = "unconn" }, { 7 }) }[1]
        assert.is_nil(row.reach)
        assert.matches("multicast", row.why)
    end)

    it("do not know how far a row goes of which one address is not known", function()
        assert.is_nil(group { socket({ laddr = "127.0.0.1" }, { 7 }), socket({ laddr = "::" }, { 7 }) }[1].reach)
        assert.equal("internet",
            group { socket({ laddr = "8.8.8.8" }, { 7 }), socket({ laddr = "::" }, { 7 }) }[1].reach)
    end)
end)

--- Every (namespace, protocol, address, port, holder) that sockets stand for, by the plainest means.
local function naive(sockets)
    local facts = {}
    for _, one in ipairs(sockets) do
        local at = table.concat({ one.netns, one.proto, one.laddr, one.iface or "", tostring(one.v6only),
            one.lport }, " ")
        facts[at .. " any"] = true
        for _, process in ipairs(one.processes) do
            facts[at .. " " .. process.pid] = true
        end
    end
    return facts
end

local function random_world(count, all_seen)
    local addresses4, addresses6 = { "0.0.0.0", "127.0.0.1", "10.0.0.1" }, { "::", "::1", "fe80::2", "::ffff:1.2.3.4" }
    local sockets = {}
    for i = 1, count do
        local six = math.random() < 0.5
        local holders = {}
        for pid = 1, 4 do
            if math.random() < 0.4 then
                holders[#holders + 1] = pid
            end
        end
        if all_seen and #holders == 0 then
            holders[1] = math.random(4)
        end
        local udp = math.random() < 0.3
        local v6only
        if six then
            v6only = math.random() < 0.5
        end
        sockets[i] = socket({
            proto = udp and "udp" or "tcp", state = udp and "unconn" or "listen", inode = i, uid = math.random(0, 1),
            laddr = six and addresses6[math.random(#addresses6)] or addresses4[math.random(#addresses4)],
            lport = math.random(80, 82), netns = math.random() < 0.8 and "self" or "other", v6only = v6only,
            iface = math.random() < 0.2 and "eth0" or nil,
        }, holders)
    end
    return sockets
end

describe("endpoints of any world", function()
    it("are its facts, each exactly once, and as few rows as that takes", function()
        math.randomseed(20240501)
        for round = 1, 300 do
            local all_seen = round % 2 == 0
            local sockets = random_world(round % 40, all_seen)
            local expected, found, rows_of = naive(sockets), {}, {}
            for _, row in ipairs(group(sockets)) do
                local holders = { "any", table.unpack(pids(row)) }
                for _, entry in ipairs(row.addresses) do
                    local at = table.concat({ row.netns, row.proto, entry.address, entry.iface or "",
                        tostring(entry.v6only), row.port }, " ")
                    for _, holder in ipairs(holders) do
                        local fact = at .. " " .. holder
                        assert.is_nil(found[fact], fact .. " comes twice")
                        assert.is_true(expected[fact], fact .. " is invented")
                        found[fact] = true
                    end
                end
                if row.processes then
                    local key = table.concat({ row.netns, row.proto, row.port, table.concat(pids(row), ",") }, " ")
                    assert.is_false(all_seen and rows_of[key] or false, "two rows of the same processes")
                    rows_of[key] = true
                end
            end
            assert.same(expected, found)
        end
    end)
end)
