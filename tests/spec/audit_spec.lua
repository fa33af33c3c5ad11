local core = require "porthole.core"
local support = dofile "tests/spec/support.lua"

--- A world of fixed sockets, put in the place of the kernel's.
local WORLD = [[
local core = require "porthole.core"
local columns = {}
for i, name in ipairs { "netns", "proto", "state", "laddr", "lport", "rport", "v6only", "uid", "inode", "iface",
    "processes", "unit", "container" } do
    columns[i] = { name = name, type = "name", help = "x" }
end
for _, column in ipairs(columns) do
    column.type = ({ lport = "port", rport = "port", v6only = "boolean", uid = "integer", inode = "integer",
        processes = "list" })[column.name] or "name"
end
local function process(pid, name)
    return setmetatable({ pid = pid, name = name, exe = "/bin/x", user = "root", fd = 3 },
        { __fields = { "pid", "name", "exe", "cmdline", "user", "fd" } })
end
local function tcp(address, port, v6only, processes)
    return { netns = "self", proto = "tcp", state = "listen", laddr = address, lport = port, rport = 0, v6only = v6only,
        uid = 0, inode = 1, processes = processes or {} }
end
function core.sockets()
    return core.rows({ name = "socket", columns = columns }, {
        tcp("0.0.0.0", 80, nil, { process(7, "web\27[2J"), process(8, "web\27[2J") }),
        tcp("::", 80, true, { process(7, "web\27[2J"), process(8, "web\27[2J") }),
        tcp("::", 22, false),
        tcp("127.0.0.1", 5432, nil, { process(9, "db") }),
        { netns = "self", proto = "udp", state = "unconn", laddr = "224.0.0.251", lport = 5353, rport = 0, uid = 0,
            inode = 5, processes = { process(10, "mdns") } },
    }, { "some owners are hidden" })
end
function core.addresses()
    return { { iface = "lo", address = "127.0.0.1" }, { iface = "eth0", address = "192.168.1.5" },
        { iface = "eth0", address = "fe80::5" } }
end
core.services = { lookup = function(port)
    return ({ [80] = { name = "http" }, [22] = { name = "ssh" } })[port]
end }
]]

local function audit(...)
    return support.recipe({ "audit", ... }, "XDG_CONFIG_HOME=/nonexistent", WORLD)
end

local function is_root()
    return support.read("/proc/self/status"):match("\nUid:%s*%d+%s+(%d+)") == "0"
end

describe("audit", function()
    it("lists each service once, and counts what is open to whom", function()
        local status, out, err = audit()
        assert.equal(0, status)
        assert.equal([[
PORT      SERVICE  PROGRAM         UNIT  ADDRESSES      REACH
22/tcp    ssh      ?               -     [::] and IPv4  lan
80/tcp    http     web\x1b[2J (2)  -     0.0.0.0, [::]  lan
5432/tcp  -        db              -     127.0.0.1      host
5353/udp  -        mdns            -     224.0.0.251    ?
]], out:match("^.*\n(.-\n)$") and out:gsub("[^\n]*\n$", ""))
        assert.matches("\n4 ports open: 2 lan, 1 this host only, 1 of unknown reach; ", out)
        assert.matches(is_root() and "1 without a process that can be seen"
            or "the owner of 1 is hidden: run with sudo", out)
        assert.equal("porthole audit: note: some owners are hidden\n", err)
    end)

    it("keeps the contract in JSON", function()
        local status, out = audit("--format=json")
        assert.equal(0, status)
        local object = core.json.decode(out)
        assert.equal("audit", object.recipe)
        assert.same({ "some owners are hidden" }, object.partial)
        assert.equal(4, #object.rows)
        local row = object.rows[2]
        local keys = {}
        for key in out:match('{"proto".-\n'):gmatch('"([%l%d]+)":') do
            keys[#keys + 1] = key
        end
        assert.equal("proto port service addresses address iface v6only ipv4 ipv6 processes unit container netns reach "
            .. "why exposure", (table.concat(keys, " "):gsub(" pid name exe cmdline user fd", "")))
        assert.equal(80, row.port)
        assert.is_true(row.ipv4)
        assert.is_true(row.ipv6)
        assert.equal("lan", row.reach)
        assert.equal("web\27[2J", row.processes[1].name)
        assert.equal("self", row.netns)
        assert.same({}, row.exposure)
    end)

    it("says so when the names of services or the own addresses cannot be read", function()
        local status, out, err = support.recipe({ "audit", "--format=csv" }, "XDG_CONFIG_HOME=/nonexistent", WORLD .. [[
            function core.addresses() return nil, "no netlink", "EPERM" end
            core.services = { lookup = function() return nil, "cannot open it", "EACCES" end }]])
        assert.equal(0, status)
        assert.matches("note: names of services are unknown: cannot open it\n", err)
        assert.matches("note: this host's own addresses are unknown: no netlink\n", err)
        assert.equal(5, select(2, out:gsub("\n", "")))
    end)

    it("has the same rows in every format, harmless in each", function()
        for format, lines in pairs { table = 6, ndjson = 4, csv = 5, tsv = 5 } do
            local status, out = audit("--format", format)
            assert.equal(0, status)
            support.assert_harmless(out, "\n\t")
            assert.equal(lines, select(2, out:gsub("\n", "")), format)
        end
    end)
end)
