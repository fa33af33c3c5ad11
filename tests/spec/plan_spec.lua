local core = require "porthole.core"
local close = require "porthole.close"
local plans = require "porthole.plan"
local units = require "porthole.unit"

describe("plans", function()
    local manager

    --- A manager in memory; what it does stays in it.
    local function world(...)
        manager = assert(core.units.open { backend = "fake", fake = { ... } })
        return { manager = manager }
    end

    local function web(more)
        local unit = {
            id = "web.service", active = "active", sub = "running", enabled = "enabled", names = { "www.service" },
        }
        for key, value in pairs(more or {}) do
            unit[key] = value
        end
        return unit
    end

    after_each(function()
        if manager then
            manager:close()
            manager = nil
        end
    end)

    it("do nothing before they are applied, and are taken back", function()
        local options = world(web())
        local plan = assert(units.unit("www", options):stop())
        assert.equal("active", manager:read("web").active)
        assert.truthy(tostring(plan):find("1. stop web.service", 1, true))
        assert.is_true(plan:apply())
        assert.equal("inactive", manager:read("web").active)
        assert.same({ nil, "this plan is applied already", "EALREADY" }, { plan:apply() })
        assert.is_true(plan:undo())
        assert.equal("active", manager:read("web").active)
        assert.equal("EINVAL", select(3, plan:undo()))
    end)

    it("are refused when the unit has changed since", function()
        local options = world(web())
        local plan = assert(units.unit("web", options):stop())
        assert(manager:act("restart", "web.service"))
        local ok, message, code = plan:apply()
        assert.is_nil(ok)
        assert.truthy(message:find("has changed since the plan was made", 1, true))
        assert.equal("ESTALE", code)
        assert.equal("active", manager:read("web").active)
    end)

    it("say what stops too, and start it again", function()
        local options = world(web { required_by = { "app.service" } },
            { id = "app.service", active = "active", sub = "running", required_by = { "web.service" } })
        local plan = assert(units.unit("web", options):stop())
        assert.truthy(plan.affects[1]:find("app.service stops too", 1, true))
        assert.is_true(plan:apply())
        assert(manager:act("stop", "app.service"))
        assert.is_true(plan:undo())
        assert.equal("active", manager:read("app").active)
    end)

    it("tell the truth of a unit that does not stop", function()
        local options = world(web { restart = "stuck" })
        local ok, message, code = assert(units.unit("web", options):stop()):apply()
        assert.is_nil(ok)
        assert.truthy(message:find("still stopping", 1, true))
        assert.equal("EINPROGRESS", code)
    end)

    it("cannot take back a restart", function()
        local options = world(web())
        local plan = assert(units.unit("web", options):restart())
        assert.is_true(plan:apply())
        assert.equal("EOPNOTSUPP", select(3, plan:undo()))
    end)

    it("print nothing raw", function()
        local plan = plans.new { title = "a\27[31mb", notes = { "c\rd\ne" }, managers = {} }
        assert.is_nil(tostring(plan):gsub("\n", ""):find("%c"))
    end)

    it("take back files, sockets, services and dependents in this order", function()
        local order = plans.undo_order {
            { unit = "app", rank = 5 }, { unit = "web", rank = 3 }, { unit = "sock", rank = 1 },
            { unit = "file", rank = 0 }, { unit = "web2", rank = 3 },
        }
        local names = {}
        for i, step in ipairs(order) do
            names[i] = step.unit
        end
        assert.same({ "file", "sock", "web", "web2", "app" }, names)
    end)
end)

describe("names", function()
    it("that no unit has raise", function()
        for _, name in ipairs { "", "../x", "/etc/passwd", "a;b", "x\ny", "x\\ny", "--host=x", ("a"):rep(300) } do
            assert.has_error(function()
                units.unit(name)
            end)
        end
        assert.has_error(function()
            units.unit(80)
        end)
    end)

    it("of units that are not there are a failure of the world", function()
        local manager <close> = assert(core.units.open { backend = "fake", fake = {} })
        local plan, _, code = units.unit("web", { manager = manager }):stop()
        assert.is_nil(plan)
        assert.equal("ENOENT", code)
    end)
end)

describe("ports to close", function()
    it("are numbers from 1 to 65535 with a protocol or none", function()
        assert.same({ port = 80 }, close.parse("80"))
        assert.same({ port = 53, proto = "udp" }, close.parse("53/udp"))
        for _, text in ipairs {
            "0", "70000", "80x", "80/", "80/sctp", "-1", "", "080000", "8 0", "80/tcp;x", "99999999999",
        } do
            assert.is_nil(close.parse(text), text)
        end
        assert.has_error(function()
            close.close_port("0")
        end)
    end)
end)
