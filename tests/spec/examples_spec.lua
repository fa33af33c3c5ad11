local support = dofile "tests/spec/support.lua"

--- Runs an example as the program does: with the library's names as globals.
local function run(name, before)
    return support.run((before or "") .. [[

        for key, value in pairs(require "porthole") do
            _G[key] = value
        end
        dofile(arg[1])]], { "examples/" .. name .. ".lua" })
end

local WORLD = [[
local core = require "porthole.core"
local columns = {}
local types = { lport = "port", rport = "port", uid = "integer", inode = "integer", v6only = "boolean",
    processes = "list" }
for i, name in ipairs { "netns", "proto", "state", "laddr", "lport", "rport", "v6only", "uid", "inode", "iface",
    "processes", "unit", "container" } do
    columns[i] = { name = name, type = types[name] or "name", help = "x" }
end
local function tcp(address, port, user)
    return { netns = "self", proto = "tcp", state = "listen", laddr = address, lport = port, rport = 0, uid = 0,
        inode = 1, processes = { { pid = 7, name = "web\27", user = user } } }
end
function core.sockets()
    return core.rows({ name = "socket", columns = columns },
        { tcp("127.0.0.1", 22, "root"), tcp("8.8.8.8", 5355, "ann"), tcp("10.0.0.1", 49999, "ann") }, { "a reason" })
end
function core.addresses()
    return {}
end
]]

describe("the example", function()
    it("open says what is open and to whom", function()
        local status, out, err = run("open", WORLD)
        assert.equal("", err)
        assert.equal(0, status)
        assert.matches("1 open to this host only\n"
            .. "PORT  PROTO  SERVICE  PROCESSES\n  22  tcp    ssh      web\\x1b/7\n", out)
        assert.matches("1 open to the internet\n[^\n]*\n5355  tcp", out)
        support.assert_harmless(out, "\n")
    end)

    it("root says who listens as root", function()
        local status, out, err = run("root", WORLD)
        assert.equal("note: a reason\n", err)
        assert.equal(0, status)
        assert.equal("PROTO  PORT  SERVICE  PROCESSES  REACH\ntcp      22  ssh      web\\x1b/7  host\n", out)
    end)

    it("unknown says which ports /etc/services does not know", function()
        local status, out, err = run("unknown", WORLD)
        assert.equal("", err)
        assert.equal(0, status)
        assert.matches("49999/tcp is not in /etc/services, nor in the IANA registry", out)
        assert.is_nil(out:find("22/tcp", 1, true))
    end)

    for _, name in ipairs { "open", "root", "unknown" } do
        it(name .. " works on this host, and says first what it teaches", function()
            local status, _, err = run(name)
            assert.equal(0, status)
            assert.is_nil(err:find("traceback", 1, true))
            assert.matches("^#!/usr/bin/env porthole\n%-%- [^\n]*Teaches", support.read("examples/" .. name .. ".lua"))
        end)
    end
end)
