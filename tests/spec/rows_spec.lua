local core = require "porthole.core"
local support = dofile "tests/spec/support.lua"

describe("rows", function()
    local rows

    before_each(function()
        rows = support.rows({ { name = "name" }, { name = "n", type = "integer" }, { name = "tags", type = "list" } }, {
            { name = "a", n = 1, tags = { "x" } }, { name = "b", n = 2, tags = {} }, { name = "a", n = 3 },
        }, { "a reason" })
    end)

    it("are filtered by a function", function()
        local kept = rows:where(function(row)
            return row.n > 1
        end)
        assert.equal(2, #kept)
        assert.equal(2, kept[1].n)
        assert.same({ "a reason" }, kept.partial)
    end)

    it("are grouped in order of first appearance", function()
        local groups = rows:group("name")
        assert.equal(2, #groups)
        assert.equal("a", groups[1].name)
        assert.equal(2, groups[1].count)
        assert.equal(3, groups[1].rows[2].n)
        assert.equal("b", groups[2].name)
    end)

    it("are grouped by lists, and by what is unknown", function()
        local groups = rows:group("tags")
        assert.equal(3, #groups)
        assert.is_nil(groups[3].tags)
        assert.equal(1, groups[3].count)
    end)

    it("of groups are written as JSON and as a table", function()
        local text = rows:group("name"):json()
        assert.equal(3, core.json.decode(text)[1].rows[2].n)
    end)

    it("are counted", function()
        assert.equal(3, rows:count())
        assert.equal(1, rows:count(function(row)
            return row.name == "b"
        end))
        assert.equal(2, rows:count { name = "a" })
    end)

    it("give the first of them", function()
        assert.equal(1, rows:first().n)
        assert.equal(2, #rows:first(2))
        assert.equal(3, #rows:first(9))
        assert.equal(0, #rows:first(0))
        assert.is_nil(rows:where(function() end):first())
    end)

    it("are mapped to a plain list without holes", function()
        assert.same({ 1, 3 }, rows:map(function(row)
            return row.n ~= 2 and row.n or nil
        end))
    end)

    it("are written as JSON and CSV", function()
        assert.equal('{"name":"a","n":1,"tags":["x"]}', rows:first(1):json():sub(2, -2))
        assert.equal('name,n,tags\na,1,"[""x""]"\n', rows:first(1):csv())
    end)

    for _, case in ipairs {
        { "rows:map: argument 1 %(fn%) must be a function, not nil", function(r) r:map() end },
        { "rows:group: unknown column 'nmae' %(did you mean 'name'%?%)", function(r) r:group("nmae") end },
        { "rows:group: argument 1 %(column%) must be a string", function(r) r:group(1) end },
        { "rows:first: argument 1 %(n%) must be a whole number from 0", function(r) r:first(-1) end },
        { "rows:count: argument 1 %(filter%) must be a table of columns or a function", function(r) r:count(1) end },
        { "rows:print: unknown option 'widht' %(did you mean 'width'%?%)", function(r) r:print { widht = 1 } end },
        { "rows:print: option width must be a number, not string", function(r) r:print { width = "x" } end },
        { "rows:print: unknown column 'x'", function(r) r:print { columns = { "x" } } end },
    } do
        it("refuse: " .. case[1], function()
            local ok, problem = pcall(case[2], rows)
            assert.is_false(ok)
            assert.matches(case[1], problem)
            assert.matches("rows_spec.lua", problem)
        end)
    end

    it("are printed with all there is where there is no terminal", function()
        local status, out = support.run([[
            local core = require "porthole.core"
            core.rows({ name = "t", columns = { { name = "a", type = "name", help = "x", weight = 1 } } },
                { { a = ("x"):rep(300) } }):print()]])
        assert.equal(0, status)
        assert.equal("A\n" .. ("x"):rep(300) .. "\n", out)
    end)
end)
