local core = require "porthole.core"
local support = dofile "tests/spec/support.lua"

local GOOD = [[
local core = require "porthole.core"
local columns = { { name = "a", type = "name", help = "x", weight = 1 } }
return { id = "good", summary = "a good one", description = "Says what it is given.", categories = { "safe" },
    args = { word = { type = "string", positional = true, default = "hello", help = "what to say" },
        status = { type = "integer", short = "s" } },
    run = function(ctx, args)
        if args.word == "usage" then ctx.usage("not that word")
        elseif args.word == "world" then return nil, "the world says no", "EACCES"
        elseif args.word == "bug" then error("a bug\27[31m")
        elseif args.word == "list" then return { { a = 1 } }
        elseif args.word == "number" then return 7
        elseif args.word == "columns" then
            return { rows = core.rows({ name = "t", columns = columns }, {}), columns = { "none" } }
        elseif args.word == "text" then return { text = "only text\n" }
        elseif args.word == "stream" or args.word == "broken" or args.word == "wait" then
            local left = 3
            return { interrupted = args.status, stream = function()
                left = left - 1
                if left == 0 and args.word == "broken" then return nil, "it broke", "EIO" end
                if left == 0 and args.word == "wait" then return nil, "sleep: interrupted", "ECANCELED" end
                return left > 0 and left .. "\n" or nil
            end }
        elseif args.word == "report" then
            return { rows = core.rows({ name = "t", columns = columns }, { { a = "1" } }), summary = "1 row" }
        end
        return core.rows({ name = "t", columns = columns }, { { a = args.word } }, { "not all seen" }), args.status
    end }
]]

describe("recipes", function()
    local folder, config

    --- Runs `porthole ...` with the user's recipes in a folder of this test.
    local function run(...)
        return support.recipe({ ... }, "XDG_CONFIG_HOME=" .. config)
    end

    --- The same, of which only the status and standard error matter.
    local function failing(...)
        local status, _, err = run(...)
        return status, err
    end

    local function add(name, text)
        support.write(("%s/%s.lua"):format(folder, name), text)
    end

    before_each(function()
        config = support.folder()
        folder = config .. "/porthole/recipes"
        os.execute("mkdir -p " .. folder)
        add("good", GOOD)
    end)

    after_each(function()
        support.remove(config)
    end)

    it("run, and their rows are printed as a table, with what is missing on standard error", function()
        local status, out, err = run("good")
        assert.equal(0, status)
        assert.equal("A\nhello\n", out)
        assert.equal("porthole good: note: not all seen\n", err)
    end)

    it("may give a status and a summary", function()
        assert.equal(1, (run("good", "-s1")))
        local _, out = run("good", "report")
        assert.equal("A\n1\n1 row\n", out)
    end)

    it("write every format", function()
        local _, out, err = run("good", "--format=json", "\27x")
        support.assert_harmless(out, "\n")
        local object = core.json.decode(out)
        assert.same({ "not all seen" }, object.partial)
        assert.equal("good", object.recipe)
        assert.equal("\27x", object.rows[1].a)
        assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", object.time)
        assert.equal("", err)
        assert.equal('{"a":"hello"}\n', (select(2, run("good", "--format", "ndjson"))))
        assert.equal("a\nhello\n", (select(2, run("good", "--format", "csv"))))
        assert.equal("a\nhello\n", (select(2, run("good", "--format", "tsv"))))
    end)

    it("write to a file, whole or not at all", function()
        local path = config .. "/out.csv"
        local status, out = run("good", "--format=csv", "--output", path)
        assert.equal(0, status)
        assert.equal("", out)
        assert.equal("a\nhello\n", support.read(path))
        local err
        status, err = failing("good", "--output=" .. config .. "/none/x")
        assert.equal(3, status)
        assert.matches("No such file or directory", err)
        assert.equal(2, (run("good", "--output=")))
    end)

    it("end with 2 for wrong usage, 3 for failures, in one line each", function()
        local status, out, err = run("good", "usage")
        assert.equal(2, status)
        assert.equal("", out)
        assert.equal("porthole good: not that word\nTry 'porthole good --help'.\n", err)
        status, err = failing("good", "world")
        assert.equal(3, status)
        assert.equal("porthole good: the world says no\n", err)
        status, err = failing("good", "bug")
        assert.equal(3, status)
        assert.matches("a bug", err)
        support.assert_harmless(err, "\n")
        assert.equal(1, select(2, err:gsub("\n", "")))
        for word, problem in pairs {
            list = "neither rows nor text", number = "not a number", columns = "unknown column 'none'",
        } do
            status, err = failing("good", word)
            assert.equal(3, status)
            assert.matches(problem, err)
        end
        status, err = failing("good", "--wrod=x")
        assert.equal(2, status)
        assert.matches("unknown option '%-%-wrod'", err)
        status, err = failing("good", "text", "--format=json")
        assert.equal(2, status)
        assert.matches("no %-%-format json", err)
    end)

    it("may give their text piece by piece", function()
        local status, out, err = run("good", "stream")
        assert.equal(0, status)
        assert.equal("2\n1\n", out)
        assert.equal("", err)
        status, out, err = run("good", "broken")
        assert.equal(3, status)
        assert.equal("2\n1\n", out)
        assert.equal("porthole good: it broke\n", err)
        assert.equal(130, (run("good", "wait")))
        assert.equal(0, (run("good", "wait", "--status=0")))
        local path = config .. "/pieces"
        assert.equal(0, (run("good", "stream", "--output", path)))
        assert.equal("2\n1\n", support.read(path))
        assert.equal(3, (run("good", "stream", "--output", config .. "/none/x")))
    end)

    it("explain themselves", function()
        local status, out = run("good", "--help")
        assert.equal(0, status)
        assert.matches("Usage: porthole good %[OPTION%.%.%.%] %[WORD%]", out)
        assert.matches("%-s, %-%-status INTEGER", out)
        assert.matches("what to say %(default: hello%)", out)
        assert.equal(out, (select(2, run("help", "good"))))
    end)

    it("are listed, the broken ones with the reason", function()
        add("broken", "return {")
        local status, out = run("help")
        assert.equal(0, status)
        assert.matches("good +a good one", out)
        assert.matches("audit +", out)
        assert.matches("broken%.lua", out)
    end)

    for _, case in ipairs {
        { "must return a table, not a nil", "" },
        { "summary is missing", "return { id='bad', description='', categories={'safe'}, args={}, run=print }" },
        { "unknown key 'sumary' %(did you mean 'summary'%?%)", "return { id='bad', sumary='' }" },
        { "run must be a function, not a string",
            "return { id='bad', summary='', description='', categories={'safe'}, args={}, run='x' }" },
        { "unknown category 'sfae' %(did you mean 'safe'%?%)",
            "return { id='bad', summary='', description='', categories={'sfae'}, args={}, run=print }" },
        { "id is 'other', but the file's name says 'bad'",
            "return { id='other', summary='', description='', categories={'safe'}, args={}, run=print }" },
        { "argument 'x': type must be one of",
            "return { id='bad', summary='', description='', categories={'safe'}, args={x={type='y'}}, run=print }" },
        { "attempt to index a nil value", "local x; x.y = 1" },
        { "near", "return {" },
    } do
        it("that are broken are reported with their file: " .. case[1], function()
            add("bad", case[2])
            local status, out, err = run("bad")
            assert.equal(3, status)
            assert.equal("", out)
            assert.matches(case[1], err)
            assert.matches("bad%.lua", err)
            assert.equal(0, (run("good")))
        end)
    end

    it("of the user take the place of the program's, unless they are broken", function()
        add("audit", (GOOD:gsub('"good"', '"audit"')))
        local _, out = run("audit")
        assert.equal("A\nhello\n", out)
        add("audit", "return 1")
        local status, _, err = support.recipe({ "audit", "--help" }, "XDG_CONFIG_HOME=" .. config)
        assert.equal(0, status)
        assert.matches("audit%.lua: must return a table, not a number %(skipped%)", err)
    end)

    it("that another user can write are not loaded", function()
        os.execute("chmod 777 " .. folder)
        local status, out, err = run("good")
        assert.equal(3, status)
        assert.equal("", out)
        assert.matches("good%.lua", err)
        assert.matches("skipped", err)
    end)

    it("that another user can write are not even opened", function()
        os.execute(("chmod 777 %s && mkfifo %s/pipe.lua"):format(folder, folder))
        local status, err = failing("pipe")
        assert.equal(3, status)
        assert.matches("skipped", err)
    end)

    it("that do not exist are not found, whatever they are called", function()
        local status, err = failing("audti")
        assert.equal(2, status)
        assert.matches("did you mean 'audit'", err)
        for _, name in ipairs { "../good", "/etc/passwd", "", "-x", "good.lua", "a\27b" } do
            status, err = failing(name)
            assert.equal(2, status)
            support.assert_harmless(err, "\n")
        end
    end)

    it("end quietly when the reader goes away", function()
        local status, _, err = support.run(([[
            local _, _, status = os.execute("trap '' PIPE; { XDG_CONFIG_HOME=%s lua5.4 -e "
                .. "'os.exit(require(\"porthole.recipe\").main(\"good\", {(\"x\"):rep(1000000)}), true)'; "
                .. "echo $? >&2; } | true")]]):format(config))
        assert.equal(0, status)
        assert.is_nil(err:find("traceback", 1, true))
        assert.matches("\n0\n$", err)
    end)

    it("run from Lua and return their rows", function()
        local code = [[
            local porthole = require "porthole"
            local function try(...)
                local ok, result, message, code = pcall(porthole.recipe, ...)
                print(ok, type(result) == "userdata" and result[1].a or result, message, code)
            end
            try("good", { word = "x" })
            try("good", { word = "world" })
            try("good", { wrod = "x" })
            try("good", { word = "usage" })
            try("nothing")
            try(1)]]
        local _, out = support.run(code, {}, "XDG_CONFIG_HOME=" .. config)
        local lines = {}
        for line in out:gmatch("[^\n]+") do
            lines[#lines + 1] = line
        end
        assert.equal("true\tx\tnil\tnil", lines[1])
        assert.equal("true\tnil\tthe world says no\tEACCES", lines[2])
        assert.matches("^false.*recipe 'good': unknown argument 'wrod' %(did you mean 'word'%?%)", lines[3])
        assert.matches("^false.*not that word", lines[4])
        assert.matches("^false.*there is no recipe 'nothing'", lines[5])
        assert.matches("^false.*must be a string, not number", lines[6])
    end)
end)
