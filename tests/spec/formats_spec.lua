local core = require "porthole.core"
local csv = require "porthole.format.csv"
local json = require "porthole.format.json"
local table_format = require "porthole.format.table"
local support = dofile "tests/spec/support.lua"

local columns = {
    { name = "name" }, { name = "n", type = "integer" }, { name = "on", type = "boolean" },
    { name = "x", type = "number" }, { name = "list", type = "list" }, { name = "map", type = "table" },
}

local function hostile_rows()
    local list = {}
    for i, text in ipairs(support.hostile_strings()) do
        -- The decoder takes no NUL in a key.
        list[i] = { name = text, n = i, list = { text, text }, map = { [text:gsub("%z", "0")] = text } }
    end
    return support.rows(columns, list, { "a reason" }), list
end

--- What a JSON string becomes of bytes that are no UTF-8.
local function same_text(bytes, decoded)
    if utf8.len(bytes) then
        return bytes == decoded
    end
    return decoded:find("\u{fffd}", 1, true) ~= nil
end

describe("JSON", function()
    it("keeps whatever a name holds, without a raw control character", function()
        local rows, list = hostile_rows()
        local text = json.object(rows, { recipe = "r", version = "1", host = "h\27", time = "t", partial = { "\n" } })
        support.assert_harmless(text, "\n")
        local decoded = core.json.decode(text)
        assert.equal(#list, #decoded.rows)
        assert.equal("h\27", decoded.host)
        assert.same({ "\n" }, decoded.partial)
        for i, row in ipairs(decoded.rows) do
            assert.is_true(same_text(list[i].name, row.name), list[i].name)
            assert.equal(i, row.n)
        end
    end)

    it("is read by another program to the same text", function()
        local rows, list = hostile_rows()
        local folder = support.folder()
        support.write(folder .. "/x.json", json.array(rows))
        local check = "import json,sys; rows=json.load(open(sys.argv[1],encoding='utf-8'));"
            .. "print(len(rows), sorted(rows[0])==['list','map','n','name','on','x'])"
        local pipe <close> = io.popen(("command -v python3 >/dev/null && python3 -c \"%s\" %s/x.json"):format(check,
            folder))
        local answer = pipe:read("l")
        support.remove(folder)
        if not answer then
            pending("python3 is not there")
        end
        assert.equal(#list .. " True", answer)
    end)

    it("has every column in order, null where it is unknown", function()
        local rows = support.rows(columns, { {}, { on = false, x = 0.5, n = 1, name = "", list = {}, map = {} } })
        assert.equal('[{"name":null,"n":null,"on":null,"x":null,"list":null,"map":null},'
            .. '{"name":"","n":1,"on":false,"x":0.5,"list":[],"map":{}}]', json.array(rows))
    end)

    it("has exact integers, and numbers that read back the same", function()
        local list = {}
        for _, n in ipairs { math.maxinteger, math.mininteger, 2 ^ 53, 0.1, 1e300, -0.0, 3.0, 1 / 0, 0 / 0 } do
            list[#list + 1] = { map = { n } }
        end
        local text = json.array(support.rows({ { name = "map", type = "table" } }, list))
        local read = {}
        for number in text:gmatch('"1":([^}]*)') do
            read[#read + 1] = number == "null" and number or tonumber(number)
        end
        assert.same({ math.maxinteger, math.mininteger, 2 ^ 53, 0.1, 1e300, 0.0, 3.0, "null", "null" }, read)
        assert.matches('"1":9223372036854775807}', text)
        assert.matches('"1":%-9223372036854775808}', text)
    end)

    it("has no key twice, even where two become the same", function()
        local rows = support.rows({ { name = "map", type = "table" } }, { { map = { ["a\xff"] = 1, ["a\xfe"] = 2 } } })
        local keys = {}
        for key in json.array(rows):gmatch('"([^"]*)":%d') do
            assert.is_nil(keys[key])
            keys[key] = true
        end
    end)

    it("has every key that a record says it has, and nothing else", function()
        local process = setmetatable({ pid = 7, name = "a", unit = "u" }, { __fields = { "pid", "name", "exe" } })
        local rows = support.rows({ { name = "list", type = "list" } }, { { list = { process, { b = 1, a = 2 } } } })
        assert.equal('[{"list":[{"pid":7,"name":"a","exe":null},{"a":2,"b":1}]}]', json.array(rows))
    end)

    it("refuses what is nested without end", function()
        local loop = {}
        loop[1] = loop
        assert.has_error(function()
            json.array(support.rows({ { name = "list", type = "list" } }, { { list = loop } }))
        end)
    end)

    it("has one row a line as NDJSON", function()
        local rows, list = hostile_rows()
        local text, count = json.lines(rows), 0
        support.assert_harmless(text, "\n")
        for line in text:gmatch("([^\n]*)\n") do
            count = count + 1
            assert.equal(count, core.json.decode(line).n)
        end
        assert.equal(#list, count)
        assert.equal("", json.lines(support.rows(columns, {})))
    end)
end)

describe("CSV", function()
    it("has one record a line, all of the same width, whatever a name holds", function()
        local rows, list = hostile_rows()
        local text = csv.csv(rows)
        support.assert_harmless(text, "\n")
        assert.equal(#list + 1, select(2, text:gsub("\n", "")))
        local records = support.parse_csv(text)
        assert.equal(#list + 1, #records)
        for i, record in ipairs(records) do
            assert.equal(#columns, #record)
            if i > 1 and not list[i - 1].name:find("[^\32-\126]") then
                assert.equal(list[i - 1].name, record[1])
            end
        end
    end)

    it("leaves unknown fields empty and writes lists as JSON", function()
        local rows = support.rows(columns, { { name = 'a "b"', list = { 1, "x" }, on = true }, { name = "=1+1" } })
        assert.equal('name,n,on,x,list,map\n"a ""b""",,true,,"[1,""x""]",\n=1+1,,,,,\n', csv.csv(rows))
    end)
end)

describe("TSV", function()
    it("has tabs between fields only", function()
        local rows, list = hostile_rows()
        local text, count = csv.tsv(rows), 0
        support.assert_harmless(text, "\n\t")
        for line in text:gmatch("([^\n]*)\n") do
            count = count + 1
            assert.equal(#columns - 1, select(2, line:gsub("\t", "")))
        end
        assert.equal(#list + 1, count)
    end)
end)

describe("a table", function()
    local function lines_of(text)
        local lines = {}
        for line in text:gmatch("([^\n]*)\n") do
            lines[#lines + 1] = line
        end
        return lines
    end

    it("lets nothing through that could move the cursor", function()
        local rows, list = hostile_rows()
        for _, width in ipairs { 0, 20, 80 } do
            local text = table_format.render(rows, { width = width > 0 and width or nil })
            support.assert_harmless(text, "\n")
            assert.is_true(#lines_of(text) >= #list + 1)
        end
    end)

    it("is never wider than the terminal", function()
        local rows = hostile_rows()
        for width = 1, 140, 3 do
            for _, line in ipairs(lines_of(table_format.render(rows, { width = width }))) do
                assert.is_true(core.text.width(line) <= width, ("%d: %s"):format(width, line))
            end
        end
    end)

    it("aligns numbers to the right, and counts East Asian characters as two", function()
        local rows = support.rows({ { name = "name" }, { name = "n", type = "integer" }, { name = "z" } },
            { { name = "日本", n = 7, z = "a" }, { name = "abcdef", n = 1234, z = "b" } })
        assert.same({
            "NAME       N  Z",
            "日本       7  a",
            "abcdef  1234  b",
        }, lines_of(table_format.render(rows)))
    end)

    it("keeps the weightiest columns and names the rest", function()
        local rows = support.rows({ { name = "low", weight = 1 }, { name = "high", weight = 9 },
            { name = "never", weight = 0 } }, { { low = ("l"):rep(30), high = ("h"):rep(16), never = "n" } })
        local lines = lines_of(table_format.render(rows, { width = 20 }))
        assert.same({ "HIGH", ("h"):rep(16), "+1 column: low" }, lines)
        assert.equal("LOW" .. (" "):rep(29) .. "HIGH", lines_of(table_format.render(rows))[1])
    end)

    it("cuts long texts, never numbers", function()
        local rows = support.rows({ { name = "t", weight = 5 }, { name = "n", type = "integer", weight = 9 } },
            { { t = ("t"):rep(50), n = 1234567890123 } })
        local lines = lines_of(table_format.render(rows, { width = 30 }))
        assert.matches("1234567890123$", lines[2])
        assert.is_truthy(lines[2]:find("…", 1, true) or lines[2]:find("...", 1, true))
    end)

    it("leaves out the middle of a long one when asked", function()
        local list = {}
        for i = 1, 100 do
            list[i] = { n = i }
        end
        local rows = support.rows({ { name = "n", type = "integer" } }, list)
        local lines = lines_of(table_format.render(rows, { height = 5 }))
        assert.equal(7, #lines)
        assert.matches(" 95 more rows ", lines[5])
        assert.equal("100", lines[7])
        assert.equal(101, #lines_of(table_format.render(rows)))
    end)

    it("has a heading with units when there is no row", function()
        local rows = support.rows({ { name = "recvq", type = "integer", unit = "bytes" } }, {})
        assert.equal("RECVQ(bytes)\n", table_format.render(rows))
    end)

    it("has colours only where it is told so", function()
        local rows = support.rows({ { name = "n" } }, { { n = "x" } })
        assert.equal("N\nx\n", table_format.render(rows))
        assert.equal("\27[1mN\27[0m\nx\n", table_format.render(rows, { colour = true }))
    end)

    it("says what a cell is: yes, no, unknown, addresses, processes", function()
        local rows = support.rows({ { name = "on", type = "boolean" }, { name = "addresses", type = "list" },
            { name = "processes", type = "list" }, { name = "nothing" } }, { {
            on = false, addresses = { { address = "::" }, { address = "10.0.0.1", iface = "lo" } },
            processes = { { name = "a", pid = 7 } },
        } })
        assert.equal("no  [::], 10.0.0.1%lo  a/7        -", lines_of(table_format.render(rows))[2])
    end)
end)
