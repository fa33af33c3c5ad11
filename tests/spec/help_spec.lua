local support = dofile "tests/spec/support.lua"
local help = require "porthole.help"
local porthole = require "porthole"

describe("help", function()
    it("lists the library and the recipes", function()
        local text = help.text()
        assert.matches("endpoints +Every open service", text)
        assert.matches("audit +open ports", text)
    end)

    it("explains each public name, by name and by itself", function()
        for name, value in pairs(porthole) do
            local text = help.text(name)
            assert.is_string(text, name)
            assert.equal(text, help.text(value))
        end
    end)

    it("explains rows by their columns and methods", function()
        local text = help.text(support.rows({ { name = "a", unit = "ms" } }, { {} }))
        assert.matches("a  name      a column of a test %(ms%)", text)
        assert.matches(":where", text)
    end)

    it("explains recipes", function()
        assert.matches("Usage: porthole audit", help.text("audit"))
    end)

    it("says what it does not know, with the nearest name", function()
        local text, problem = help.text("endpionts")
        assert.is_nil(text)
        assert.equal("there is no help on 'endpionts' (did you mean 'endpoints'?)", problem)
        assert.matches("no help on this number", select(2, help.text(7)))
    end)
end)
