local core = require "porthole.core"
local porthole = require "porthole"

describe("processes and endpoints", function()
    local real = core.sockets

    after_each(function()
        core.sockets = real
    end)

    --- Puts sockets that these processes hold in the place of the kernel's.
    local function world(list)
        local columns = {}
        local types = { lport = "port", rport = "port", processes = "list", v6only = "boolean", uid = "integer" }
        for i, name in ipairs { "netns", "proto", "state", "laddr", "lport", "rport", "iface", "v6only", "uid", "unit",
            "container", "processes" } do
            columns[i] = { name = name, type = types[name] or "name", help = "x" }
        end
        core.sockets = function()
            return core.rows({ name = "socket", columns = columns }, list, { "a reason" })
        end
    end

    local function socket(port, ...)
        return { netns = "n", proto = "tcp", state = "listen", laddr = "127.0.0.1", lport = port, rport = 0, uid = 0,
            processes = { ... } }
    end

    it("are found by the sockets that they hold, each once", function()
        local web, db = { pid = 9, name = "web", user = "root", unit = "w.service" }, { pid = 3, name = "db" }
        world { socket(80, web), socket(81, web, db), { proto = "tcp", state = "time-wait" } }
        local rows = porthole.processes()
        assert.equal(2, #rows)
        assert.equal("db", rows[1].name)
        assert.equal(1, rows[1].sockets)
        assert.equal(2, rows[2].sockets)
        assert.equal("w.service", rows[2].unit)
        assert.same({ "a reason" }, rows.partial)
        assert.equal(1, #porthole.processes { user = "root" })
    end)

    it("are filtered by their columns", function()
        world { socket(80, { pid = 9, name = "web" }), socket(81, { pid = 9, name = "web" }) }
        assert.equal(2, #porthole.endpoints { reach = "host" })
        assert.equal(81, porthole.endpoints { port = 81 }[1].port)
        assert.equal(0, #porthole.endpoints { reach = "lan" })
    end)

    it("refuse filters that are none", function()
        for _, name in ipairs { "processes", "endpoints" } do
            local ok, problem = pcall(function()
                porthole[name](7)
                return "the call above is no tail call, so that the error can name its line"
            end)
            assert.is_false(ok)
            assert.matches(name .. ": argument 1 %(filter%) must be a table, not number", problem)
            assert.matches("processes_spec.lua", problem)
        end
        assert.has_error(function()
            porthole.endpoints { prot = 80 }
        end)
    end)

    it("pass on why the kernel could not be asked", function()
        core.sockets = function()
            return nil, "not allowed", "EACCES"
        end
        assert.same({ nil, "not allowed", "EACCES" }, { porthole.endpoints() })
        assert.same({ nil, "not allowed", "EACCES" }, { porthole.processes() })
    end)
end)
