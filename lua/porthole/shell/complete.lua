--- Completion: what may stand where the cursor is.
-- Nothing of the user's is ever run to find out: no function, no metamethod. Tables are read raw, `__index` is followed
-- where it is a table. Rows of the library tell their columns; what a function of the library returns is known.
-- @module porthole.shell.complete

local core = require "porthole.core"
local inspect = require "porthole.inspect"

-- A script may replace the globals; the shell goes on with the real ones.
local debug, math, package, table = debug, math, package, table
local ipairs, next, pairs, pcall, rawget, require = ipairs, next, pairs, pcall, rawget, require
local tonumber, type = tonumber, type

local M = {}

local MOST_KEYS = 50000 -- looked at for one answer: about 25 ms
local MOST_FITTING = 10000 -- candidates that are sorted: about 30 ms
local MOST_TABLES = 20 -- followed through `__index`

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch("%a+") do
    keywords[word] = true
end

--- Reading what was typed

local closing = { [")"] = "(", ["]"] = "[", ["}"] = "{" }

--- The end of a long bracket that opens at `at`: where it ends, what it holds; or nil where none opens there.
local function long_bracket(source, at)
    local level = source:match("^%[(=*)%[", at)
    if not level then
        return nil
    end
    local from = at + #level + 2
    local stop, last = source:find("]" .. level .. "]", from, true)
    return last or #source, source:sub(from, (stop or #source + 1) - 1), last == nil
end

--- A string in quotes that opens at `at`: where it ends, what it holds (as typed), and whether it is open.
local function quoted(source, at)
    local quote, i = source:sub(at, at), at + 1
    while i <= #source do
        local c = source:sub(i, i)
        if c == "\\" then
            i = i + 1
        elseif c == quote then
            return i, source:sub(at + 1, i - 1), false
        end
        i = i + 1
    end
    return #source, source:sub(at + 1), true
end

--- One token at `at`, which is no space.
-- @treturn {kind=string, text=string, from=integer, to=integer, open=boolean}
local function token_at(source, at)
    local function made(kind, to, text, open)
        return { kind = kind, from = at, to = to, text = text or source:sub(at, to), open = open }
    end
    if source:find("^%-%-", at) then
        local last, _, open = long_bracket(source, at + 2)
        if last then
            return made("comment", last, nil, open)
        end
        local stop = source:find("\n", at, true)
        return made("comment", stop or #source, nil, stop == nil)
    end
    local _, last = source:find("^[%a_][%w_]*", at)
    if last then
        return made(keywords[source:sub(at, last)] and "keyword" or "name", last)
    end
    _, last = source:find("^%.?%d[%w.]*", at)
    if last then
        return made("number", last)
    end
    local c = source:sub(at, at)
    if c == '"' or c == "'" then
        local to, text, open = quoted(source, at)
        local token = made("string", to, text, open)
        token.quote = c
        return token
    end
    local to, text, open = long_bracket(source, at)
    if to then
        return made("string", to, text, open)
    end
    _, last = source:find("^%.%.%.?", at)
    if not last then
        _, last = source:find("^::", at)
    end
    return made("sign", last or at)
end

--- All tokens of the text.
local function tokens_of(source)
    local tokens, at = {}, 1
    while true do
        at = source:find("%S", at)
        if not at then
            return tokens
        end
        local token = token_at(source, at)
        if token.kind ~= "comment" or token.open then
            tokens[#tokens + 1] = token
        end
        at = token.to + 1
    end
end

--- The index of the bracket that `tokens[at]`, a closing one, belongs to; nil: there is none.
local function opening_of(tokens, at)
    local stack = {}
    for i = at, 1, -1 do
        local text = tokens[i].kind == "sign" and tokens[i].text
        if text and closing[text] then
            stack[#stack + 1] = closing[text]
        elseif text == "(" or text == "[" or text == "{" then
            if table.remove(stack) ~= text then
                return nil
            elseif #stack == 0 then
                return i
            end
        end
    end
end

--- The index of the innermost bracket that is still open before `tokens[at]`; nil: there is none.
local function innermost(tokens, at)
    local i = at - 1
    while i >= 1 do
        local text = tokens[i].kind == "sign" and tokens[i].text
        if text and closing[text] then
            i = opening_of(tokens, i)
            if not i then
                return nil
            end
        elseif text == "(" or text == "[" or text == "{" then
            return i
        end
        i = i - 1
    end
end

--- Values, without running anything

--- Whether the value is rows (not one row).
local function is_rows(value)
    if type(value) ~= "userdata" then
        return false
    end
    local names = core.names(value, true)
    return names ~= nil and #names > 0
end

--- The tables that answer for a value: itself, then along `__index`.
local function tables_of(value)
    local tables, seen = {}, {}
    if type(value) ~= "table" then
        local meta = debug.getmetatable(value)
        value = type(meta) == "table" and rawget(meta, "__index") or nil
    end
    while type(value) == "table" and not seen[value] and #tables < MOST_TABLES do
        tables[#tables + 1], seen[value] = value, true
        local meta = debug.getmetatable(value)
        value = type(meta) == "table" and rawget(meta, "__index") or nil
    end
    return tables
end

local function raw_field(value, key)
    for _, t in ipairs(tables_of(value)) do
        local found = rawget(t, key)
        if found ~= nil then
            return found
        end
    end
end

--- Rows, or a type, such as a function of the library returns: only the columns count.
local samples = {}

local function sample_of(fn)
    if samples[fn] == nil then
        samples[fn] = require("porthole.help").sample(fn) or false
    end
    return samples[fn] or nil
end

--- Methods of rows that return rows of the same columns.
local same_rows = { where = true, sort = true, select = true }

--- What a call gives: `object` is what the method was taken from.
local function called(value, object, name)
    if object ~= nil and (is_rows(object) or (type(object) == "table" and rawget(object, "columns"))) then
        if same_rows[name] then
            return object
        elseif name == "first" then
            return { row = true, columns = object.columns }
        end
        return nil
    end
    if type(value) == "function" then
        return sample_of(value)
    end
end

local value_before

--- `a.b` and `a:b`, whose name is `tokens[at]`.
local function member(tokens, at)
    local object = value_before(tokens, at - 2)
    local name = tokens[at].text
    if object == nil then
        return nil, nil, name
    end
    return raw_field(object, name), object, name
end

--- `a[1]`, `a["b"]`, whose closing bracket is `tokens[at]`.
local function element(tokens, at)
    local open = opening_of(tokens, at)
    local key = open and at == open + 2 and tokens[open + 1]
    local object = open and value_before(tokens, open - 1)
    if not key or object == nil then
        return nil
    elseif key.kind == "number" and (is_rows(object) or (type(object) == "table" and rawget(object, "columns"))) then
        return { row = true, columns = object.columns }
    elseif key.kind == "number" then
        return raw_field(object, math.tointeger(tonumber(key.text)) or tonumber(key.text))
    elseif key.kind == "string" then
        return raw_field(object, key.text)
    end
end

local function is_sign(token, text)
    return token ~= nil and token.kind == "sign" and token.text == text
end

--- The value of the expression that ends with `tokens[at]`; nil where it is not known.
-- @treturn ?any value
-- @treturn ?any object what a member was taken from
-- @treturn ?string name of the member
function value_before(tokens, at)
    local token = tokens[at]
    if token == nil then
        return nil
    elseif token.kind == "name" then
        if is_sign(tokens[at - 1], ".") or is_sign(tokens[at - 1], ":") then
            return member(tokens, at)
        end
        return rawget(_G, token.text)
    elseif is_sign(token, "]") then
        return element(tokens, at)
    elseif token.kind == "string" or is_sign(token, ")") or is_sign(token, "}") then
        local open = token.kind == "string" and at or opening_of(tokens, at)
        local before = open and tokens[open - 1]
        if before and (before.kind == "name" or is_sign(before, ")") or is_sign(before, "]")) then
            return called(value_before(tokens, open - 1))
        elseif token.kind == "string" then
            return token.text
        elseif open and is_sign(token, ")") then
            return value_before(tokens, at - 1)
        end
    end
end

--- Candidates

--- What is collected for one answer.
local function new_answer(word)
    return { word = word, looked = 0, seen = {} }
end

local function add(answer, text, note, kind)
    if not answer.seen[text] then
        answer.seen[text] = true
        answer[#answer + 1] = { text, note, kind = kind }
    end
end

--- Whether a key begins with what was typed; keys that begin with an underscore are hidden until one is typed.
local function fits(key, word)
    if key:sub(1, #word) ~= word then
        return false
    end
    return word ~= "" or key:sub(1, 1) ~= "_"
end

--- Calls `use(key, value)` for each text key of the tables, up to the limits; then there is a remark.
local function each_key(answer, tables, use)
    for _, t in ipairs(tables) do
        for key, value in next, t do
            if answer.looked >= MOST_KEYS or #answer >= MOST_FITTING then
                answer.remark = ("stopped after %d names"):format(answer.looked)
                return
            end
            answer.looked = answer.looked + 1
            if type(key) == "string" then
                use(key, value)
            end
        end
    end
end

local function callable(value)
    return type(value) == "function"
end

--- What help says of a name of the library.
local function note_of(value)
    return require("porthole.help").summary(value)
end

local function by_text(a, b)
    return a[1] < b[1]
end

local function sorted(answer)
    table.sort(answer, by_text)
    answer.append = #answer == 1 and answer[1].kind or nil
    return answer
end

local function columns_of(object)
    if is_rows(object) then
        return object.columns
    end
    return type(object) == "table" and rawget(object, "columns") or nil
end

--- Columns of rows; `append` stands behind a single one.
local function complete_columns(answer, columns, append)
    for _, column in ipairs(columns) do
        for _, name in ipairs { column.name, column.alias } do
            if fits(name, answer.word) then
                local unit = column.unit and (" (%s)"):format(column.unit) or ""
                add(answer, name, (column.help or column.type or "") .. unit, append)
            end
        end
    end
    return sorted(answer)
end

local function complete_names(answer, names, notes, append)
    for _, name in ipairs(names) do
        if fits(name, answer.word) then
            add(answer, name, notes and notes[name], append)
        end
    end
end

--- Members of userdata of the library, or of what stands for it.
local function complete_library(answer, object, methods_only)
    if type(object) == "table" and object.row then
        return methods_only and answer or complete_columns(answer, object.columns)
    end
    local notes = {}
    if not is_rows(object) then
        for _, column in ipairs(columns_of(object) or {}) do
            notes[column.name] = column.help
        end
    end
    local names = core.names(object, methods_only)
    if not names then
        names = {}
        for name in pairs(require "porthole.rows") do
            names[#names + 1] = name
        end
        table.move({ "where", "select", "sort" }, 1, 3, #names + 1, names)
    end
    complete_names(answer, names, notes, methods_only and "(" or nil)
    return sorted(answer)
end

--- Keys that cannot stand after the dot, as `["two words"]`.
local function add_odd_keys(answer, odd)
    if #odd == 0 or (answer.word ~= "" and #answer > 0) then
        return
    end
    if #answer == 0 and #odd == 1 then
        answer.back = 1
    end
    for _, key in ipairs(odd) do
        add(answer, "[" .. inspect.quoted(key) .. "]")
    end
end

--- After `object.` and `object:`.
local function complete_members(answer, object, methods_only)
    if (type(object) == "table" and rawget(object, "columns")) or core.names(object) then
        return complete_library(answer, object, methods_only)
    end
    local odd = {}
    each_key(answer, tables_of(object), function(key, value)
        if fits(key, answer.word) and not key:find("^__") and (callable(value) or not methods_only) then
            if inspect.is_name(key) then
                add(answer, key, note_of(value), callable(value) and "(" or nil)
            elseif not methods_only and #key < 200 then
                odd[#odd + 1] = key
            end
        end
    end)
    add_odd_keys(answer, odd)
    return sorted(answer)
end

--- Globals, keywords, and the names that the chunk itself declares.
local function complete_globals(answer, tokens)
    each_key(answer, tables_of(_G), function(key, value)
        if fits(key, answer.word) and inspect.is_name(key) then
            add(answer, key, note_of(value), callable(value) and "(" or nil)
        end
    end)
    for word in pairs(keywords) do
        if answer.word ~= "" and fits(word, answer.word) then
            add(answer, word, nil, " ")
        end
    end
    for i = 1, #tokens - 1 do
        if tokens[i].kind == "name" and fits(tokens[i].text, answer.word) and
            not is_sign(tokens[i - 1], ".") and not is_sign(tokens[i - 1], ":") then
            add(answer, tokens[i].text)
        end
    end
    return sorted(answer)
end

--- Strings

--- The call whose argument is being typed: the index of the token before its bracket or string.
local function callee_of(tokens, at)
    local before = tokens[at - 1]
    if before and before.kind == "name" then
        return at - 1
    end
    local open = innermost(tokens, at)
    while open and is_sign(tokens[open], "{") and not (tokens[open - 1] and tokens[open - 1].kind == "name") do
        open = innermost(tokens, open)
    end
    if open and tokens[open - 1] and tokens[open - 1].kind == "name" then
        return open - 1
    end
end

--- Candidates are the rest of `name` from where the word begins; `typed` is what stands before it.
local function add_rests(answer, names, typed, notes, ending)
    for _, name in ipairs(names) do
        if name:sub(1, #typed + #answer.word) == typed .. answer.word and not name:find("%c") then
            add(answer, name:sub(#typed + 1) .. (ending or ""), notes and notes[name])
        end
    end
    return sorted(answer)
end

--- Names of modules: those that are loaded, and those whose files lie along the path.
local function modules(begun)
    local names, parent = {}, begun:match("^(.*%.)") or ""
    for _, t in ipairs { package.loaded, package.preload } do
        for name in next, t do
            if type(name) == "string" then
                names[#names + 1] = name
            end
        end
    end
    for folder, ending in (package.path .. ";" .. package.cpath):gmatch("([^;?]*)%?(%.%a+)") do
        for _, file in ipairs(core.directory(folder .. parent:gsub("%.", "/")) or {}) do
            local name = file:sub(-#ending) == ending and file:sub(1, -#ending - 1)
            if name and inspect.is_name(name) then
                names[#names + 1] = parent .. name
            end
        end
    end
    return names
end

--- Keys of `t["...`; `quote` is the one that was typed, nil in a long bracket.
local function complete_index(answer, object, typed, quote)
    local keys = {}
    each_key(answer, tables_of(object), function(key)
        if not key:find("[\"'\\]") then
            keys[#keys + 1] = key
        end
    end)
    return add_rests(answer, keys, typed, nil, quote and quote .. "]")
end

--- Names of a folder, folders with a slash.
local function complete_files(answer, typed)
    local whole = typed .. answer.word
    local folder = whole:match("^(.*/)") or ""
    local names = core.directory(folder == "" and "." or folder) or {}
    for i, name in ipairs(names) do
        names[i] = folder .. name
    end
    return add_rests(answer, names, typed)
end

local takes_files = { dofile = true, loadfile = true, open = true, lines = true, input = true, output = true }

--- Inside a string: columns in `select"`, modules in `require"`, keys in `t["`, files where a file is opened.
local function complete_string(answer, tokens, at, typed)
    if is_sign(tokens[at - 1], "[") then
        local object = value_before(tokens, at - 2)
        return object ~= nil and complete_index(answer, object, typed, tokens[at].quote) or answer
    end
    local callee = callee_of(tokens, at)
    local name = callee and tokens[callee].text
    local _, object = nil, nil
    if callee then
        _, object = value_before(tokens, callee)
    end
    local columns = object ~= nil and columns_of(object)
    if columns and (name == "select" or name == "sort" or name == "group" or name == "map") then
        return complete_columns(answer, columns)
    elseif name == "require" then
        return add_rests(answer, modules(typed .. answer.word), typed)
    elseif name == "recipe" then
        return add_rests(answer, M.recipes(), typed, M.recipe_notes)
    elseif takes_files[name] then
        return complete_files(answer, typed)
    end
    return answer
end

--- Tables of options

--- Where a key of a table may begin: after its bracket, a comma or a semicolon.
local function is_key_place(token)
    return is_sign(token, "{") or is_sign(token, ",") or is_sign(token, ";")
end

--- Columns in `where{`, `count{`, and in the filter of a function that returns rows; nil: another table.
local function complete_option(answer, tokens, at)
    local open = innermost(tokens, at)
    if not open or not is_sign(tokens[open], "{") or not is_key_place(tokens[at - 1]) then
        return nil
    end
    local callee = open - 1
    if is_sign(tokens[callee], "(") then
        callee = callee - 1
    end
    if not tokens[callee] or tokens[callee].kind ~= "name" then
        return nil
    end
    local value, object, name = value_before(tokens, callee)
    if object ~= nil and columns_of(object) then
        return (name == "where" or name == "count") and complete_columns(answer, columns_of(object), "=") or nil
    elseif type(value) == "function" then
        local sample = sample_of(value)
        return sample and complete_columns(answer, columns_of(sample) or {}, "=") or nil
    end
end

--- Recipes

--- The names of all recipes; M.recipe_notes has their summaries.
function M.recipes()
    local names, notes = {}, {}
    local ok, list = pcall(function()
        return (require("porthole.recipe").list())
    end)
    for _, one in ipairs(ok and list or {}) do
        names[#names + 1], notes[one.id] = one.id, one.summary
    end
    M.recipe_notes = notes
    return names
end

--- Options of a recipe, as `--long-name`.
local function options_of(id)
    local names, notes = { "--help", "--format", "--output" }, {}
    local ok, one = pcall(function()
        return (require("porthole.recipe").find(id))
    end)
    for name, spec in pairs(ok and one and one.args or {}) do
        if not spec.positional then
            local option = "--" .. name:gsub("_", "-")
            names[#names + 1], notes[option] = option, spec.help
        end
    end
    return names, notes
end

--- `:NAME` and its options.
local function complete_command(answer, line, start)
    local name = line:match("^%s*:([%w_-]*)$")
    if name then
        local names, notes = M.recipes(), M.recipe_notes
        for command, note in pairs(require("porthole.shell").commands) do
            names[#names + 1], notes[command] = command, note
        end
        add_rests(answer, names, name:sub(1, start - 1 - #line:match("^%s*:")), notes)
        answer.append = #answer == 1 and " " or nil
        return answer
    end
    local word = line:match("(%S*)$")
    local names, notes = options_of(line:match("^%s*:([%w_-]+)"))
    if word:sub(1, 1) == "-" then
        add_rests(answer, names, line:sub(#line - #word + 1, start - 1), notes)
        answer.append = #answer == 1 and " " or nil
    end
    return answer
end

--- The whole

--- What can be said of the expression at the end of a text: the names of its members, for hints.
-- @tparam string source
-- @treturn ?{string,...}
function M.names_of(source)
    local tokens = tokens_of(source)
    local object = value_before(tokens, #tokens)
    if object == nil then
        return nil
    end
    local names = {}
    for _, one in ipairs(complete_members(new_answer(""), object, false)) do
        names[#names + 1] = one[1]
    end
    return names
end

--- Candidates for the word that begins at `start` of `line` and ends at the cursor, its end.
-- @tparam string line what stands before the cursor
-- @tparam integer start
-- @tparam string before earlier lines of the same chunk
-- @treturn {{string,?string},...} text and description, sorted; `append` what stands behind a single one, `back` how
--   many bytes before the word it takes the place of, `remark` why there may be more
function M.complete(line, start, before)
    local answer = new_answer(line:sub(start))
    if before == "" and line:find("^%s*:") and not line:find("^%s*::") then
        return complete_command(answer, line, start)
    end
    local tokens = tokens_of(before .. "\n" .. line)
    local last = tokens[#tokens]
    if last and last.open then
        if last.kind == "comment" then
            return answer
        end
        return complete_string(answer, tokens, #tokens, last.text:sub(1, #last.text - #answer.word))
    end
    local at = #tokens + 1
    if answer.word ~= "" then
        at = #tokens
    end
    if is_sign(tokens[at - 1], ".") or is_sign(tokens[at - 1], ":") then
        local object = value_before(tokens, at - 2)
        return object ~= nil and complete_members(answer, object, tokens[at - 1].text == ":") or answer
    end
    return complete_option(answer, tokens, at) or complete_globals(answer, tokens)
end

return M
