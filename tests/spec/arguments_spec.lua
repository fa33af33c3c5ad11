local arguments = require "porthole.arguments"

local specs = {
    all = { type = "boolean", short = "a" },
    color = { type = "boolean", default = true },
    count = { type = "integer", short = "c", min = 1, max = 9 },
    rate = { type = "number" },
    fail_on = { type = "choice", choices = { "lan", "internet" } },
    from = { type = "string", repeatable = true, short = "f" },
    tags = { type = "list" },
    every = { type = "duration", default = 1 },
    name = { type = "string", positional = 1 },
    rest = { type = "integer", positional = 2, repeatable = true },
}

local function parse(...)
    return arguments.parse(specs, { ... })
end

describe("a command line", function()
    it("has options with their values in either way", function()
        local values = parse("--count", "3", "--fail-on=lan", "--rate=0.5", "--tags=a,b", "--every=2m")
        assert.equal(3, values.count)
        assert.equal("lan", values.fail_on)
        assert.equal(0.5, values.rate)
        assert.same({ "a", "b" }, values.tags)
        assert.equal(120, values.every)
    end)

    it("has letters, in bundles, with a value behind", function()
        local values = parse("-ac3", "-fx", "-f", "y")
        assert.is_true(values.all)
        assert.equal(3, values.count)
        assert.same({ "x", "y" }, values.from)
    end)

    it("has defaults, and booleans that are taken back", function()
        local values = parse()
        assert.is_true(values.color)
        assert.is_nil(values.all)
        assert.equal(1, values.every)
        assert.equal("table", values.format)
        assert.is_false(parse("--no-color").color)
    end)

    it("has words in their order, and after -- whatever they look like", function()
        local values = parse("--", "-a", "1", "2")
        assert.equal("-a", values.name)
        assert.same({ 1, 2 }, values.rest)
        assert.equal("-", parse("-").name)
        assert.equal("--count", parse("--", "--count").name)
    end)

    it("asks for help in any company", function()
        assert.is_true(parse("--help").help)
        assert.is_true(parse("-h", "--count=2").help)
        assert.is_true(arguments.parse({ x = { type = "string", required = true } }, { "--help" }).help)
    end)

    for _, case in ipairs {
        { "unknown option '--cuont' (did you mean '--count'?)", "--cuont", "3" },
        { "unknown option '-z'", "-z" },
        { "unknown option '--name'", "--name", "x" },
        { "option '--count' needs a value", "--count" },
        { "option '--all' takes no value", "--all=yes" },
        { "option '--count' must be a whole number from 1 to 9, not '10'", "--count=10" },
        { "option '--count' must be a whole number from 1 to 9, not '0x3'", "--count=0x3" },
        { "option '--count' must be a whole number from 1 to 9, not '99999999999999999999'",
            "--count=99999999999999999999" },
        { "option '--rate' must be a number, not 'nan'", "--rate=nan" },
        { "option '--rate' must be a number, not '.'", "--rate=." },
        { "option '--fail-on' must be one of lan, internet (did you mean 'lan'?), not 'lna'", "--fail-on=lna" },
        { "option '--every' must be a time such as 500ms, 10s, 5m or 2h, not '5x'", "--every=5x" },
        { "REST must be a whole number, not 'x'", "a", "x" },
    } do
        it("is refused: " .. case[1], function()
            local values, problem = parse(table.unpack(case, 2))
            assert.is_nil(values)
            assert.equal(case[1], problem)
        end)
    end

    it("is refused where something is missing or left over", function()
        local _, problem = arguments.parse({ port = { type = "string", positional = true, required = true } }, {})
        assert.equal("PORT is missing", problem)
        _, problem = arguments.parse({}, { "x" })
        assert.equal("unexpected argument 'x'", problem)
    end)
end)

describe("a recipe with options of its own", function()
    it("leaves all but the common ones alone", function()
        local values = arguments.common_only {
            "-tulpn", "--format", "json", "--numeric", "--output=/x", "--", "--help",
        }
        assert.equal("json", values.format)
        assert.equal("/x", values.output)
        assert.is_nil(values.help)
        assert.same({ "-tulpn", "--numeric", "--", "--help" }, { table.unpack(values) })
    end)

    it("has a common option refused as ever", function()
        local values, problem = arguments.common_only { "--format=yaml" }
        assert.is_nil(values)
        assert.matches("must be one of table", problem)
    end)
end)

describe("arguments from Lua", function()
    it("are checked and completed", function()
        assert.equal(1, arguments.from_lua(specs, {}).every)
        assert.equal(3, arguments.from_lua(specs, { count = 3 }).count)
        assert.equal("unknown argument 'cuont' (did you mean 'count'?)",
            select(2, arguments.from_lua(specs, { cuont = 3 })))
        assert.equal("argument 'count' must be a number", select(2, arguments.from_lua(specs, { count = "3" })))
        assert.equal("argument 'count' must be a whole number", select(2, arguments.from_lua(specs, { count = 3.5 })))
        assert.equal("argument 'from' must be a list", select(2, arguments.from_lua(specs, { from = "x" })))
    end)
end)

describe("a declaration", function()
    for problem, spec in pairs {
        ["unknown key 'hepl' (did you mean 'help'?)"] = { type = "string", hepl = "x" },
        ["short must be a string, not a number"] = { type = "string", short = 1 },
        ["short must be one letter or digit"] = { type = "string", short = "ab" },
        ["a choice needs choices"] = { type = "choice" },
        ["default must be a number, not a string"] = { type = "integer", default = "1" },
        ["a boolean cannot be positional"] = { type = "boolean", positional = true },
        ["must be a table, not a string"] = "string",
    } do
        it("is refused: " .. problem, function()
            assert.equal("argument 'x': " .. problem, arguments.check { x = spec })
        end)
    end

    it("is refused with a type that there is not", function()
        assert.matches("type must be one of boolean, choice,.*%(did you mean 'string'%?%)",
            arguments.check { x = { type = "strnig" } })
    end)

    it("is refused with a name that every recipe has, or a letter that is taken", function()
        assert.matches("every recipe has it already", arguments.check { format = { type = "string" } })
        assert.matches("the same short letter",
            arguments.check { a = { type = "string", short = "x" }, b = { type = "string", short = "x" } })
    end)
end)
