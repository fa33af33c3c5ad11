--- The Lua half of the shell: what a chunk is, how results look, what an error says.
-- src/shell/repl.c reads the lines, runs what `read` returns, and calls `show` or `explain`.
-- @module porthole.shell

local core = require "porthole.core"
local inspect = require "porthole.inspect"
local nearest = require "porthole.nearest"
local screen = require "porthole.screen"

-- A script may replace the globals; the shell goes on with the real ones.
local debug, io, math, string, table, utf8, _G = debug, io, math, string, table, utf8, _G
local error, ipairs, load, pairs, pcall, rawget, rawset = error, ipairs, load, pairs, pcall, rawget, rawset
local require, select, tonumber, tostring, type = require, select, tonumber, tostring, type

local M = {}

local MOST_RESULTS = 1000 -- that `_1`, `_2`, ... keep
local MOST_SOURCES = 200 -- chunks whose text an error can quote

local session = {
    chunk = 0, -- number of the chunk that was read last
    result = 0, -- number of the result that was printed last
    sources = {}, -- chunk's number -> its text
    tracebacks = false,
    told_local = false,
}

local function colour_of(name)
    local codes = { red = "31", dim = "2", bold = "1" }
    return screen.get().colour and "\27[" .. codes[name] .. "m" or ""
end

local function painted(text, name)
    local start = colour_of(name)
    return start ~= "" and start .. text .. "\27[0m" or text
end

local function say(text)
    io.stderr:write(text, "\n")
end

--- Whether a value is rows of ours.
local function is_rows(value)
    if type(value) ~= "userdata" then
        return false
    end
    local names = core.names(value, true)
    return names ~= nil and #names > 0
end

--- Commands

local commands = {}

--- The words of a line, as a simple shell splits them: quotes and backslashes, no expansion of anything.
-- @treturn ?{string,...} or nil and what is wrong
function M.words(line)
    local words, word, quote, i = {}, nil, nil, 1
    while i <= #line do
        local c = line:sub(i, i)
        if c == "\\" and quote ~= "'" and i < #line then
            i = i + 1
            word = (word or "") .. line:sub(i, i)
        elseif quote then
            if c == quote then
                quote = nil
            else
                word = word .. c
            end
        elseif c == "'" or c == '"' then
            quote, word = c, word or ""
        elseif c:find("%s") then
            words[#words + 1], word = word, nil
        else
            word = (word or "") .. c
        end
        i = i + 1
    end
    if quote then
        return nil, "the quote " .. quote .. " is not closed"
    end
    words[#words + 1] = word
    return words
end

function commands.traceback()
    local text = session.last_traceback()
    say(text and core.text.escape(text:gsub("\n", "\0")):gsub("\\x00", "\n") or "there was no error yet")
end

M.commands = { traceback = "where the last error came from" }

--- `:NAME WORD...`: a command of the shell, or a recipe as on the command line.
local function command(line)
    local words, problem = M.words(line)
    if not words then
        say(painted("error: ", "red") .. problem)
        return
    end
    local name = table.remove(words, 1)
    if not name then
        say("usage: :NAME [OPTION...], as in :audit or :netstat -tln; help() lists the recipes")
    elseif commands[name] then
        commands[name](words)
    elseif name == "help" then
        require("porthole.usage").main(name, words)
    else
        require("porthole.recipe").main(name, words)
    end
end

--- Whether the name is a recipe's.
local function is_recipe(name)
    local ok, found = pcall(function()
        return require("porthole.recipe").find(name)
    end)
    return ok and found ~= nil
end

--- "netstat -tln" looks like a command line: what to type instead, or nil.
local function command_hint(source)
    local line = source:match("^%s*(.-)%s*$")
    local name = line:match("^(%a[%w_-]*)$") or line:match("^(%a[%w_-]*)%s")
    if name and not line:find("\n", 1, true) and is_recipe(name) then
        return (":%s runs the recipe"):format(core.text.escape(line))
    end
end

--- Reading

--- Lua's message ends so where the chunk is not finished; a token of the user's own always comes in quotes.
local function is_unfinished(message)
    return message:find("near <eof>$") ~= nil
end

--- Lua shows a byte of a name that is not ASCII as its number: show the character.
local function with_characters(message, source)
    return (message:gsub("near '<\\(%d+)>'", function(byte)
        byte = tonumber(byte)
        local at = byte >= 0x80 and source:find(string.char(byte), 1, true)
        local character = at and source:match("^" .. utf8.charpattern, at)
        return character and ("near '%s' (names are ASCII letters, digits and _)"):format(character) or nil
    end))
end

local function help_function(expression)
    return function()
        local help = require("porthole").help
        if expression == "" then
            return help()
        end
        local fn = load("return " .. expression, "=shell:?", "t")
        local ok, value = pcall(fn or error)
        if ok and value ~= nil then
            return help(value)
        end
        return help(expression)
    end
end

--- Lines that are not Lua: `:NAME`, `x?`, `?`, `help`.
local function special(source)
    local line = source:match("^%s*:(.*)$")
    if line and not line:find("^:") then
        return function()
            command(line)
        end
    end
    if source:find("^%s*help%s*$") then
        return help_function("")
    end
    local expression = source:match("^%s*([%w_.:]*)%s*%?%s*$")
    if expression then
        return help_function((expression:gsub(":", ".")))
    end
end

local function remember(source)
    session.chunk = session.chunk + 1
    session.sources[session.chunk] = source
    session.sources[session.chunk - MOST_SOURCES] = nil
end

--- `local x = 1` alone: what it means at the prompt is said once.
local function is_only_local(source)
    return source:find("^%s*local%s") ~= nil and not source:find("[;\n]%s*%S")
end

--- Compiles a chunk: an expression, or statements.
-- @tparam string source
-- @treturn string "run" with the function to call, or "more" where lines are missing; a syntax error is raised
function M.read(source)
    local fn = special(source)
    session.source, session.bare = source, nil
    if fn then
        return "run", fn
    end
    local name = "=shell:" .. session.chunk + 1
    fn = load("return " .. source .. "\n", name, "t")
    session.bare = fn and source:match("^%s*([%a_][%w_]*)%s*$")
    local message
    if not fn then
        fn, message = load(source .. "\n", name, "t")
    end
    if not fn and is_unfinished(message) then
        return "more"
    end
    remember(source)
    if not fn then
        error(with_characters(message, source), 0)
    end
    session.hint_local = is_only_local(source) and not session.told_local
    return "run", fn
end

--- @tparam boolean more whether the chunk goes on
-- @treturn string
function M.prompt(more)
    local own = rawget(_G, more and "_PROMPT2" or "_PROMPT")
    if type(own) == "string" then
        return own
    end
    return more and "       >> " or "porthole> "
end

--- Showing

local function keep(value)
    session.result = session.result + 1
    rawset(_G, "_", value)
    rawset(_G, "_" .. session.result, value)
    rawset(_G, "_" .. session.result - MOST_RESULTS, nil)
    return "_" .. session.result
end

local function show_rows(rows, name)
    local size = screen.get()
    io.stdout:write(require("porthole.format.table").render(rows, {
        width = size.width, height = 40, colour = size.colour,
    }))
    local partial = rows.partial
    for _, reason in ipairs(partial or {}) do
        io.stdout:write(painted("note: " .. core.text.escape(reason), "dim"), "\n")
    end
    io.stdout:write(painted(("%s = %d row%s"):format(name, #rows, #rows == 1 and "" or "s"), "dim"), "\n")
end

--- One row: a column a line, those that are unknown left out.
local function show_row(row, name)
    local widest, width = 0, screen.get().width or 80
    for column in pairs(row) do
        widest = math.max(widest, #column)
    end
    local indent = "\n" .. (" "):rep(widest + 4)
    for column, value in pairs(row) do
        local text = type(value) == "string" and core.text.escape(value) or inspect.text(value, width - widest - 4)
        io.stdout:write("  ", column, (" "):rep(widest - #column + 2), (text:gsub("\n", indent)), "\n")
    end
    io.stdout:write(painted(name .. " = 1 row", "dim"), "\n")
end

local function show_value(value)
    if value == nil then
        io.stdout:write("nil\n")
        return
    end
    local name = keep(value)
    if is_rows(value) then
        return show_rows(value, name)
    elseif core.names(value) then
        return show_row(value, name)
    end
    local width = (screen.get().width or 80) - #name - 3
    io.stdout:write(painted(name .. " = ", "dim"), inspect.text(value, width), "\n")
end

local leaving = { exit = true, quit = true, bye = true, logout = true }

--- The names that a wrong one may have meant; not the results, `_1` and so on.
local function global_names()
    local names = {}
    for _, name in ipairs(nearest.keys(_G)) do
        if name:sub(1, 1) ~= "_" then
            names[#names + 1] = name
        end
    end
    return names
end

--- What was meant by a name that is nil, or nil.
local function name_hint(name)
    if leaving[name] then
        return "Ctrl-D leaves, or os.exit()"
    end
    -- One letter is one change away from every other.
    local meant = #name > 1 and nearest.find(name, global_names())
    if meant then
        return ("did you mean '%s'?"):format(meant)
    end
end

--- Prints the results of a chunk and keeps them: `_` is the last, `_1`, `_2`, ... are all.
function M.show(...)
    local count = select("#", ...)
    if session.hint_local then
        session.told_local, session.hint_local = true, nil
        say "note: a local lives for this chunk only; without 'local' the name stays"
    end
    if count == 1 and (...) == nil then
        local hint = command_hint(session.source) or session.bare and name_hint(session.bare)
        io.stdout:write("nil", hint and "  (" .. hint .. ")" or "", "\n")
        return
    end
    for i = 1, count do
        show_value((select(i, ...)))
    end
end

--- Errors

--- The error as text; whatever its __tostring does.
local function error_text(value)
    if type(value) == "string" or type(value) == "number" then
        return tostring(value)
    end
    local meta = debug.getmetatable(value)
    if type(meta) == "table" and rawget(meta, "__tostring") ~= nil then
        local ok, text = pcall(tostring, value)
        return ok and text or ("(error object is a %s value whose __tostring failed)"):format(type(value))
    end
    return ("(error object is a %s value)"):format(type(value))
end

--- Message without its place, and the place in words.
local function placed(message)
    local chunk, line, rest = message:match("^shell:(%d+):(%d+): (.*)$")
    chunk, line = tonumber(chunk), tonumber(line)
    local source = chunk and session.sources[chunk]
    if not source then
        return message:gsub("^shell:%?:%d+: ", ""), nil
    end
    if chunk == session.chunk and not source:find("\n", 1, true) then
        return rest, nil
    end
    local number = 0
    for text in (source .. "\n"):gmatch("(.-)\n") do
        number = number + 1
        if number == line then
            return rest, ("line %d: %s"):format(line, text:match("^%s*(.-)%s*$"))
        end
    end
    return rest, ("line %d"):format(line)
end

--- The nearest name of a table for a field or method that it lacks, from the text of the chunk.
local function field_hint(kind, name)
    local source, complete = session.source, require "porthole.shell.complete"
    local at = source and source:find((kind == "method" and ":" or "%.") .. "%s*" .. name .. "%f[^%w_]")
    if not at then
        return nil
    end
    local names = complete.names_of(source:sub(1, at - 1))
    local meant = names and nearest.find(name, names)
    return meant and ("did you mean '%s'?"):format(meant)
end

local function hint_for(message)
    local name = message:match("%(global '([%w_]+)'%)")
    if name then
        if session.source and session.source:find("^%s*" .. name) then
            local hint = command_hint(session.source)
            if hint then
                return hint
            end
        end
        return name_hint(name)
    end
    local kind, field = message:match("%((%a+) '([%w_]+)'%)")
    if kind == "field" or kind == "method" then
        return field_hint(kind, field)
    end
    if message:find(" near ", 1, true) and session.source then
        return command_hint(session.source)
    end
end

--- One line: the first, and why a module that was found was not loaded.
local function first_line(message)
    local line = message:match("^([^\n]*)")
    local refused = message:match("\n%s*(file '[^\n]* is not loaded: [^\n]*)")
    if refused then
        return line .. " " .. refused
    end
    return line ~= message and line:gsub(":$", "") or line
end

--- Says on standard error what is wrong, in one line; with the traceback where the user asked for tracebacks.
-- @param value the error
-- @tparam ?string traceback
function M.explain(value, traceback)
    local message, place = placed(error_text(value))
    local ok, hint = pcall(hint_for, message)
    local line = painted("error: ", "red") .. core.text.escape(first_line(message))
    if ok and hint then
        line = line .. "; " .. hint
    end
    if place then
        line = line .. "  [" .. core.text.escape(place) .. "]"
    end
    say(line)
    if session.tracebacks and traceback then
        commands.traceback()
    end
end

--- Completion is loaded at the first TAB.
function M.complete(...)
    return require("porthole.shell.complete").complete(...)
end

--- Begins a session.
-- @tparam boolean tracebacks whether errors come with one
-- @tparam function last_traceback returns it
function M.open(tracebacks, last_traceback)
    session.tracebacks, session.last_traceback = tracebacks, last_traceback
    warn "@on"
    io.stdout:write(("porthole %s, %s. help() explains; Ctrl-D leaves.\n"):format(core.version or "", _VERSION))
end

return M
