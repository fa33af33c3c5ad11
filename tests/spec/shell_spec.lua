--- The program from outside: the options of lua(1), scripts, recipes by name, where code may come from, its status.
local support = require "support"

local PROGRAM = os.getenv("PORTHOLE") or "./porthole"

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs the program in a folder of its own.
-- @tparam {string,...} words
-- @tparam[opt] table given `input` (text; nil: nothing), `environment`, `files` (name -> text), `output` (a path)
-- @treturn integer status
-- @treturn string standard output
-- @treturn string standard error
local function run(words, given)
    given = given or {}
    local folder = support.folder()
    for name, text in pairs(given.files or {}) do
        support.write(folder .. "/" .. name, text)
    end
    support.write(folder .. "/in", given.input or "")
    local parts = { "cd", folder, "&&", "env -u LUA_PATH -u LUA_CPATH", given.environment or "", PROGRAM }
    for _, word in ipairs(words) do
        parts[#parts + 1] = quoted(word)
    end
    parts[#parts + 1] = ("<in >%s 2>err"):format(given.output or "out")
    local _, how, status = os.execute(table.concat(parts, " "))
    local out, err = given.output and "" or support.read(folder .. "/out"), support.read(folder .. "/err")
    support.remove(folder)
    return how == "exit" and status or 128 + status, out, err
end

local function check(words, given, status, out, err)
    local real_status, real_out, real_err = run(words, given)
    assert.are.equal(err or "", real_err)
    assert.are.equal(out, real_out)
    assert.are.equal(status, real_status)
end

describe("options", function()
    it("are those of lua(1), in their order", function()
        check({ "-e", "x = 1", "-ex = x + 1", "-e", "print(x)" }, nil, 0, "2\n")
        check({ "-l", "math", "-ls=string", "-l", "j=porthole.nearest", "-e", "print(s.rep('x', 2), type(j.find))" },
            nil, 0, "xx\tfunction\n")
        check({ "-W", "-e", "warn 'careful'" }, nil, 0, "", "Lua warning: careful\n")
        check({ "-e", "warn 'quiet'" }, nil, 0, "")
    end)
    it("give the version", function()
        local status, out = run { "-v" }
        assert.are.equal(0, status)
        assert.truthy(out:find("^porthole %d+%.%d+%.%d+  Lua 5%.4"))
        assert.are.equal(out, select(2, run { "--version" }))
    end)
    it("that are wrong give status 2 and one line", function()
        for _, words in ipairs { { "-x" }, { "-e" }, { "-l" }, { "-ix" }, { "--nothing" }, { "-e", "-i" } } do
            local status, out, err = run(words)
            assert.are.equal(2, status)
            assert.are.equal("", out)
            assert.truthy(err:find("^porthole: '[^\n]*\n$"))
        end
    end)
    it("end at --", function()
        check({ "--", "./a.lua", "-v" }, { files = { ["a.lua"] = "print(...)" } }, 0, "-v\n")
    end)
    it("print a usage", function()
        local status, out = run { "--help" }
        assert.are.equal(0, status)
        assert.truthy(out:find("^usage: porthole"))
        assert.are.equal(out, select(2, run { "-h" }))
    end)
end)

describe("a script", function()
    it("has arg with what came before and after its name", function()
        check({ "-e", "y = 2", "./a.lua", "one", "two" }, {
            files = { ["a.lua"] = "print(arg[0], arg[1], arg[2], arg[-1], arg[-3] ~= nil, y, #arg, ...)" },
        }, 0, "./a.lua\tone\ttwo\ty = 2\ttrue\t2\t2\tone\ttwo\n")
    end)
    it("may begin with #!", function()
        check({ "a.lua" }, { files = { ["a.lua"] = "#!/usr/bin/env porthole\nprint 'ran'" } }, 0, "ran\n")
    end)
    it("comes from standard input", function()
        check({ "-", "x" }, { input = "print('in', arg[0], ...)" }, 0, "in\t-\tx\n")
        check({}, { input = "print('in', #arg, ...)" }, 0, "in\t0\n")
        check({}, nil, 0, "")
    end)
    it("that fails gives its message, a traceback and status 1", function()
        local status, out, err = run({ "a.lua" }, { files = { ["a.lua"] = "print 'before'\nerror 'broken'" } })
        assert.are.equal(1, status)
        assert.are.equal("before\n", out)
        assert.truthy(err:find("^porthole: a%.lua:2: broken\nstack traceback:\n"))
    end)
    it("that is no Lua, or is not there, gives one line and status 1", function()
        for _, words in ipairs { { "./none.lua" }, { "a.lua" } } do
            local status, _, err = run(words, { files = { ["a.lua"] = "x = = 1" } })
            assert.are.equal(1, status)
            assert.truthy(err:find("^porthole: [^\n]*\n$"))
        end
    end)
    it("may raise anything", function()
        check({ "-e", "error()" }, nil, 1, "", "porthole: (error object is a nil value)\n")
        check({ "-e", "error({})" }, nil, 1, "", "porthole: (error object is a table value)\n")
        check({ "-e", "error(setmetatable({}, {__tostring = function() return 'own' end}))" }, nil, 1, "",
            "porthole: own\n")
        check({ "-e", "error(setmetatable({}, {__tostring = error}))" }, nil, 1, "",
            "porthole: (error object is a table value whose __tostring failed)\n")
        check({ "-e", "error('\\27[31m', 0)" }, nil, 1, "", "porthole: \\x1b[31m\n")
    end)
    it("gives its own status", function()
        check({ "-e", "os.exit(7)" }, nil, 7, "")
        check({ "-e", "os.exit(true, true)" }, nil, 0, "")
    end)
    it("whose output cannot be written does not end well", function()
        local status, _, err = run({ "-e", "print 'x'" }, { output = "/dev/full" })
        assert.are.equal(3, status)
        assert.truthy(err:find("standard output"))
    end)
    it("has the library's names as globals, and no metatable on _G", function()
        check({ "-e", "print(type(endpoints), type(help), type(sleep), getmetatable(_G))" }, nil, 0,
            "function\tfunction\tfunction\tnil\n")
    end)
end)

describe("the environment", function()
    it("is read: LUA_INIT, and LUA_INIT_5_4 before it", function()
        check({ "-e", "print(x)" }, { environment = "LUA_INIT='x = 1'" }, 0, "1\n")
        check({ "-e", "print(x)" }, { environment = "LUA_INIT='x = 1' LUA_INIT_5_4='x = 2'" }, 0, "2\n")
        check({ "-e", "print(x)" }, { environment = "LUA_INIT=@a.lua", files = { ["a.lua"] = "x = 3" } }, 0, "3\n")
    end)
    it("is ignored under -E", function()
        check({ "-E", "-e", "print(x, package.path:find('/none', 1, true))" },
            { environment = "LUA_INIT='x = 1' LUA_PATH='/none/?.lua;;'" }, 0, "nil\tnil\n")
    end)
    it("gives absolute places of modules, and the standard ones for ;;", function()
        local status, out = run({ "-e", "print(package.path)" }, { environment = "LUA_PATH='x/?.lua;/none/?.lua;;'" })
        assert.are.equal(0, status)
        assert.truthy(out:find("^/[^;]*/%?%.lua;/[^;]*/%?/init%.lua;/none/%?%.lua;/usr/"))
        assert.falsy(out:find("x/%?"))
        assert.falsy((";" .. out):find(";[^/]"))
    end)
end)

describe("code", function()
    it("never comes from the current directory", function()
        local status, _, err = run({ "-l", "here" }, { files = { ["here.lua"] = "print 'loaded'" } })
        assert.are.equal(1, status)
        assert.truthy(err:find("module 'here' not found"))
        status, _, err = run({ "here" }, { files = { here = "print 'loaded'" } })
        assert.are.equal(2, status)
        assert.truthy(err:find("no recipe 'here'"))
    end)
    it("never comes from where another user can write, and the reason is named", function()
        local folder = support.folder()
        support.write(folder .. "/open.lua", "return 'loaded'")
        local load = { "-e", "print(pcall(require, 'open'))" }
        local environment = { environment = ("LUA_PATH='%s/?.lua;;'"):format(folder) }
        local _, out = run(load, environment)
        assert.truthy(out:find("^true\tloaded"))
        os.execute("chmod 666 " .. folder .. "/open.lua")
        _, out = run(load, environment)
        assert.truthy(out:find("^false"))
        assert.truthy(out:find("open.lua' is not loaded: [^\n]*can be written by every user"))
        os.execute("chmod 644 " .. folder .. "/open.lua; chmod 777 " .. folder)
        _, out = run(load, environment)
        assert.truthy(out:find("is not loaded: [^\n]*can be written by every user"))
        support.remove(folder)
    end)
end)

describe("a recipe's name", function()
    it("runs the recipe with its words", function()
        local status, out = run { "audit", "--format", "json" }
        assert.are.equal(0, status)
        assert.truthy(out:find('"recipe"'))
    end)
    it("that is unknown gives the nearest one and status 2", function()
        local status, out, err = run { "audti" }
        assert.are.equal(2, status)
        assert.are.equal("", out)
        assert.truthy(err:find("did you mean 'audit'?", 1, true))
    end)
    it("is explained by help", function()
        local status, out = run { "help" }
        assert.are.equal(0, status)
        assert.truthy(out:find("\n  audit +%S"))
        assert.are.equal(select(2, run { "audit", "--help" }), select(2, run { "help", "audit" }))
        status = run { "help", "nothing-like-it" }
        assert.are.equal(2, status)
    end)
end)

describe("coroutines", function()
    it("behave as Lua's own", function()
        local code = [[
            local function text(...)
                local parts = table.pack(...)
                for i = 1, parts.n do parts[i] = tostring(parts[i]) end
                return table.concat(parts, " ")
            end
            local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) return c, "end" end)
            print(text(coroutine.resume(co, 1, 2)), text(coroutine.resume(co, "x")), text(coroutine.resume(co)))
            print(text(coroutine.resume(coroutine.running())))
            local w = coroutine.wrap(function() error("in wrap") end)
            print(text(pcall(w)))
            print(text(pcall(w)))
            w = coroutine.wrap(function() error({}) end)
            print(type(select(2, pcall(w))))
            local function closes(fail)
                return coroutine.create(function()
                    local x <close> = setmetatable({}, {
                        __close = function() if fail then error("closing", 0) end end,
                    })
                    coroutine.yield()
                end)
            end
            co = closes(false) coroutine.resume(co)
            print(text(coroutine.close(co)), coroutine.status(co))
            co = closes(true) coroutine.resume(co)
            print(text(coroutine.close(co)), coroutine.status(co))
            print(pcall(coroutine.resume, 1))
            print(pcall(coroutine.close, coroutine.running()))
            w = coroutine.wrap(function()
                local x <close> = setmetatable({}, {__close = function(_, e) error("closed after " .. e, 0) end})
                error("first", 0)
            end)
            print(pcall(w))
            local function deep(n) if n == 0 then return "bottom" end return coroutine.wrap(deep)(n - 1) end
            print(deep(150), (pcall(deep, 1000)))
            print(table.unpack({ coroutine.wrap(function(...) return select("#", ...), ... end)(nil, nil) }, 1, 3))
        ]]
        local folder = support.folder()
        support.write(folder .. "/co.lua", code)
        local pipe <close> = assert(io.popen("lua5.4 " .. folder .. "/co.lua 2>&1"))
        local expected = pipe:read("a")
        local status, out, err = run({ folder .. "/co.lua" })
        support.remove(folder)
        assert.are.equal("", err)
        assert.are.equal(expected, out)
        assert.are.equal(0, status)
    end)
end)

describe("an interruption", function()
    -- The shell that os.execute starts has SIGINT ignored around it: the signal comes after.
    local soon = "(sleep 0.3; kill -INT $PPID) >/dev/null 2>&1 &"
    it("ends a script by SIGINT, after what it closes", function()
        local code = "local c <close> = setmetatable({}, {__close = function() print('closed', sleep(0.1)) end}) "
            .. ("os.execute('%s') sleep(20)"):format(soon)
        local status, out, err = run { "-e", code }
        assert.are.equal("closed\ttrue\n", out)
        assert.truthy(err:find("^porthole: %(command line%):1: interrupted\n"))
        assert.are.equal(130, status)
    end)
    it("ends a recipe", function()
        local recipe = [[return { id = "slow", summary = "s", description = "d", categories = {"safe"}, args = {},
            run = function(ctx) os.execute('%s') ctx.sleep(20) end }]]
        local folder = support.folder()
        os.execute("mkdir -p " .. folder .. "/porthole/recipes")
        support.write(folder .. "/porthole/recipes/slow.lua", recipe:format(soon))
        local status = run({ "slow" }, { environment = "XDG_CONFIG_HOME=" .. folder })
        support.remove(folder)
        assert.are.equal(130, status)
    end)
    it("that was ignored from the start stays ignored", function()
        local status, out = run({ "-e", "os.execute('kill -INT $PPID') print('on')" },
            { environment = "sh -c 'trap \"\" INT; exec \"$0\" \"$@\"'" })
        assert.are.equal("on\n", out)
        assert.are.equal(0, status)
    end)
end)

describe("a reader that goes away", function()
    it("ends a script by SIGPIPE, quietly", function()
        local pipe <close> = assert(io.popen(PROGRAM .. " -e 'while true do print(1) end' 2>&1 | head -n 1"))
        assert.are.equal("1\n", pipe:read("a"))
    end)
end)

describe("the shell without a terminal", function()
    it("reads chunks, prints results, and ends at the end of the input", function()
        local status, out, err = run({ "-i" }, { input = "6*7\nfor i = 1, 2 do\nprint(i)\nend\nnope()\n",
            environment = "XDG_STATE_HOME=$PWD/state" })
        assert.are.equal(0, status)
        assert.truthy(out:find("_1 = 42\n"))
        assert.truthy(out:find("1\n2\n"))
        assert.truthy(err:find("error: attempt to call a nil value %(global 'nope'%)"))
    end)
    it("comes after a script, with its globals", function()
        local _, out = run({ "-i", "a.lua" }, { input = "x\n", files = { ["a.lua"] = "x = 'from the script'" },
            environment = "XDG_STATE_HOME=$PWD/state" })
        assert.truthy(out:find('_1 = "from the script"\n'))
    end)
    it("has tracebacks under -W", function()
        local _, _, err = run({ "-i", "-W" }, { input = "error 'x'\n", environment = "XDG_STATE_HOME=$PWD/state" })
        assert.truthy(err:find("stack traceback:\n"))
    end)
end)
