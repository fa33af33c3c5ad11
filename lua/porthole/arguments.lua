--- The arguments of a recipe: their declaration, the command line and `--help`.
-- A declaration is a table by name; `fail_on` is `--fail-on` on the command line. docs/recipes.md has its keys.
-- @module porthole.arguments

local nearest = require "porthole.nearest"

local M = {}

M.FORMATS = { "table", "json", "ndjson", "csv", "tsv" }

--- What every recipe takes.
M.common = {
    help = { type = "boolean", help = "print this text" },
    format = { type = "choice", choices = M.FORMATS, default = "table", help = "how the result is written" },
    output = { type = "string", metavar = "FILE", help = "write the result to FILE, whole or not at all" },
}

local spec_keys = {
    type = "string", short = "string", default = true, help = "string", choices = "table", repeatable = "boolean",
    positional = true, required = "boolean", metavar = "string", min = "number", max = "number",
}

local function joined(list)
    return table.concat(list, ", ")
end

--- Each returns the value, or nil and what it must be.
local converters = {}

function converters.string(text)
    return text
end

function converters.integer(text, spec)
    local value = text:find("^[+-]?%d+$") and math.tointeger(tonumber((text:gsub("^%+", ""))))
    if value and value >= (spec.min or value) and value <= (spec.max or value) then
        return value
    end
    if spec.min and spec.max then
        return nil, ("a whole number from %d to %d"):format(spec.min, spec.max)
    end
    return nil, "a whole number" .. (spec.min and (" from %d"):format(spec.min) or "")
end

function converters.number(text, spec)
    local value = text:find("^[+-]?%d*%.?%d*$") and tonumber((text:gsub("^%+", "")))
    if value and value >= (spec.min or value) and value <= (spec.max or value) then
        return value
    end
    return nil, "a number"
end

function converters.choice(text, spec)
    for _, choice in ipairs(spec.choices) do
        if choice == text then
            return text
        end
    end
    return nil, "one of " .. joined(spec.choices) .. nearest.hint(text, spec.choices)
end

function converters.list(text, spec)
    local values = {}
    for part in (text .. ","):gmatch("([^,]*),") do
        if spec.choices then
            local value, expected = converters.choice(part, spec)
            if not value then
                return nil, "a list (with commas) of " .. expected:gsub("^one of ", "")
            end
        end
        values[#values + 1] = part
    end
    return values
end

local seconds = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

function converters.duration(text)
    local number, unit = text:match("^(%d+%.?%d*)(%a*)$")
    local factor = seconds[unit == "" and "s" or unit]
    if number and factor then
        return tonumber(number) * factor
    end
    return nil, "a time such as 500ms, 10s, 5m or 2h"
end

local lua_types = {
    string = "string", integer = "number", number = "number", boolean = "boolean", choice = "string", list = "table",
    duration = "number",
}

local function check_default(spec)
    local expected = spec.repeatable and "table" or lua_types[spec.type]
    if spec.default ~= nil and type(spec.default) ~= expected then
        return ("default must be a %s, not a %s"):format(expected, type(spec.default))
    end
end

--- What is wrong with one declaration, or nil.
local function check_spec(name, spec)
    if type(name) ~= "string" or not name:find("^%a[%w_]*$") then
        return "its name must be letters, digits and _"
    elseif M.common[name] then
        return "every recipe has it already"
    elseif type(spec) ~= "table" then
        return "must be a table, not a " .. type(spec)
    end
    for key, value in pairs(spec) do
        local expected = spec_keys[key]
        if not expected then
            return ("unknown key '%s'%s"):format(tostring(key), nearest.hint(tostring(key), nearest.keys(spec_keys)))
        elseif expected ~= true and type(value) ~= expected then
            return ("%s must be a %s, not a %s"):format(key, expected, type(value))
        end
    end
    if not lua_types[spec.type] then
        return ("type must be one of %s%s"):format(joined(nearest.keys(lua_types)),
            nearest.hint(tostring(spec.type), nearest.keys(lua_types)))
    elseif spec.short and not spec.short:find("^%w$") then
        return "short must be one letter or digit"
    elseif spec.type == "choice" and not spec.choices then
        return "a choice needs choices"
    elseif spec.positional and spec.type == "boolean" then
        return "a boolean cannot be positional"
    end
    return check_default(spec)
end

--- What is wrong with a recipe's declarations, or nil.
-- @tparam table specs
-- @treturn ?string
function M.check(specs)
    local shorts = {}
    for name, spec in pairs(specs) do
        local problem = check_spec(name, spec)
        if problem then
            return ("argument '%s': %s"):format(tostring(name), problem)
        end
        if spec.short and shorts[spec.short] then
            return ("arguments '%s' and '%s' have the same short letter"):format(name, shorts[spec.short])
        end
        shorts[spec.short or ""] = name
    end
end

--- Names of the arguments that stand without an option, in order.
local function positionals(specs)
    local names = {}
    for name, spec in pairs(specs) do
        if spec.positional then
            names[#names + 1] = name
        end
    end
    table.sort(names, function(a, b)
        local x, y = tonumber(specs[a].positional) or 1, tonumber(specs[b].positional) or 1
        if x ~= y then
            return x < y
        end
        return a < b
    end)
    return names
end

local function option_text(name)
    return "--" .. name:gsub("_", "-")
end

local Parser = {}
Parser.__index = Parser

--- Looks an option up by its long name or letter.
function Parser:find(name, is_short)
    if is_short then
        for key, spec in pairs(self.specs) do
            if spec.short == name then
                return key, spec
            end
        end
        if name == "h" then
            return "help", M.common.help
        end
        error({ usage = ("unknown option '-%s'"):format(name) }, 0)
    end
    local key = name:gsub("-", "_")
    local spec = self.specs[key] or M.common[key]
    if spec and not spec.positional then
        return key, spec
    end
    local names = {}
    for _, specs in ipairs { self.specs, M.common } do
        for known, one in pairs(specs) do
            names[#names + 1] = not one.positional and option_text(known):sub(3) or nil
        end
    end
    table.sort(names)
    error({ usage = ("unknown option '--%s'%s"):format(name, nearest.hint(name, names, "--")) }, 0)
end

--- Sets a value from text; `shown` is how the user wrote the argument.
function Parser:set(key, spec, text, shown)
    local value, expected = converters[spec.type](text, spec)
    if value == nil then
        error({ usage = ("%s must be %s, not '%s'"):format(shown, expected, text) }, 0)
    end
    if spec.repeatable then
        self.values[key] = self.values[key] or {}
        table.insert(self.values[key], value)
    else
        self.values[key] = value
    end
end

--- One option; its value follows in the same word (`text`) or is the next word.
function Parser:option(key, spec, text, shown)
    if spec.type == "boolean" then
        if text then
            error({ usage = ("option '%s' takes no value"):format(shown) }, 0)
        end
        self.values[key] = true
        return
    end
    if not text then
        self.at = self.at + 1
        text = self.words[self.at]
        if not text then
            error({ usage = ("option '%s' needs a value"):format(shown) }, 0)
        end
    end
    self:set(key, spec, text, "option '" .. shown .. "'")
end

function Parser:long(word)
    local name, text = word:match("^%-%-([^=]+)=(.*)$")
    name = name or word:sub(3)
    local negated = name:match("^no%-(.+)$")
    local spec = negated and self.specs[negated:gsub("-", "_")]
    if spec and spec.type == "boolean" and not text then
        self.values[negated:gsub("-", "_")] = false
        return
    end
    local key, found = self:find(name, false)
    self:option(key, found, text, "--" .. name)
end

--- `-abc` is `-a -b -c`, and `-p80` is `-p 80` where p takes a value.
function Parser:shorts(word)
    for i = 2, #word do
        local letter = word:sub(i, i)
        local key, spec = self:find(letter, true)
        if spec.type ~= "boolean" then
            self:option(key, spec, i < #word and word:sub(i + 1) or nil, "-" .. letter)
            return
        end
        self:option(key, spec, nil, "-" .. letter)
    end
end

function Parser:positional(word)
    local key = self.order[self.place]
    if not key then
        error({ usage = ("unexpected argument '%s'"):format(word) }, 0)
    end
    local spec = self.specs[key]
    if not spec.repeatable then
        self.place = self.place + 1
    end
    self:set(key, spec, word, spec.metavar or key:upper())
end

function Parser:run()
    local only_positionals = false
    while self.at < #self.words do
        self.at = self.at + 1
        local word = self.words[self.at]
        if only_positionals or word == "-" or not word:find("^%-") then
            self:positional(word)
        elseif word == "--" then
            only_positionals = true
        elseif word:find("^%-%-") then
            self:long(word)
        else
            self:shorts(word)
        end
    end
end

--- Sets defaults and asks for what is missing.
local function complete(specs, values)
    for name, spec in pairs(specs) do
        if values[name] == nil then
            values[name] = spec.default
        end
        if values[name] == nil and spec.required then
            error({ usage = spec.positional and (spec.metavar or name:upper()) .. " is missing"
                or ("option '%s' is missing"):format(option_text(name)) }, 0)
        end
    end
end

--- Runs `fn`; its usage errors become nil and a message.
local function guarded(fn)
    local ok, problem = pcall(fn)
    if ok then
        return true
    elseif type(problem) == "table" and problem.usage then
        return nil, problem.usage
    end
    error(problem, 0)
end

--- Reads a command line.
-- @tparam table specs the recipe's declarations
-- @tparam {string,...} words
-- @treturn table values by name, `format`, `output` and `help` among them; or nil and what is wrong
function M.parse(specs, words)
    local parser = setmetatable({
        specs = specs, words = words, at = 0, values = {}, order = positionals(specs), place = 1,
    }, Parser)
    local ok, problem = guarded(function()
        parser:run()
        if not parser.values.help then
            complete(specs, parser.values)
        end
    end)
    if not ok then
        return nil, problem
    end
    parser.values.format = parser.values.format or "table"
    return parser.values
end

--- For a recipe that reads its options itself: takes `--help`, `--format` and `--output` out of a command line.
-- @tparam {string,...} words
-- @treturn table the values of those, and in `[1]`, `[2]`, ... the words that are left; or nil and what is wrong
function M.common_only(words)
    local rest, at = { format = "table" }, 1
    while at <= #words do
        local word = words[at]
        if word == "--" then
            table.move(words, at, #words, #rest + 1, rest)
            break
        end
        local name, text = word:match("^%-%-(%a+)=?(.*)$")
        local spec = name and M.common[name]
        if not spec or (word ~= "--" .. name and word ~= "--" .. name .. "=" .. text) then
            rest[#rest + 1] = word
        else
            local one = { word }
            if spec.type ~= "boolean" and not word:find("=", 1, true) then
                at = at + 1
                one[2] = words[at]
            end
            local values, problem = M.parse({}, one)
            if not values then
                return nil, problem
            end
            rest[name] = values[name]
        end
        at = at + 1
    end
    return rest
end

local function check_value(spec, value)
    if spec.repeatable then
        if type(value) ~= "table" then
            return "a list"
        end
        return nil
    elseif type(value) ~= lua_types[spec.type] then
        return "a " .. lua_types[spec.type]
    elseif spec.type == "integer" and not math.tointeger(value) then
        return "a whole number"
    elseif spec.type == "choice" then
        return select(2, converters.choice(value, spec))
    end
end

--- Checks arguments that come from Lua, and sets the defaults.
-- @tparam table specs
-- @tparam table given values by name
-- @treturn table values by name; or nil and what is wrong
function M.from_lua(specs, given)
    local values = {}
    for name, value in pairs(given) do
        local spec = specs[name]
        if not spec then
            return nil, ("unknown argument '%s'%s"):format(tostring(name),
                nearest.hint(tostring(name), nearest.keys(specs)))
        end
        local expected = check_value(spec, value)
        if expected then
            return nil, ("argument '%s' must be %s"):format(name, expected)
        end
        values[name] = value
    end
    local ok, problem = guarded(function()
        complete(specs, values)
    end)
    if not ok then
        return nil, problem
    end
    return values
end

local function metavar(name, spec)
    if spec.metavar then
        return spec.metavar
    elseif spec.choices then
        return table.concat(spec.choices, "|")
    end
    return spec.positional and name:upper() or spec.type:upper()
end

local function help_line(name, spec)
    local left
    if spec.positional then
        left = metavar(name, spec)
    else
        left = (spec.short and "-" .. spec.short .. ", " or "    ") .. option_text(name)
            .. (spec.type ~= "boolean" and " " .. metavar(name, spec) or "")
    end
    local about = spec.help or ""
    if spec.default ~= nil and spec.type ~= "boolean" and type(spec.default) ~= "table" then
        about = ("%s (default: %s)"):format(about, tostring(spec.default))
    end
    if #left > 28 then
        return ("  %s\n%s%s"):format(left, (" "):rep(32), about)
    end
    return ("  %-28s  %s"):format(left, about)
end

--- The lines of `--help` that list the arguments.
-- @tparam table specs
-- @treturn string
function M.describe(specs)
    local lines, order = {}, positionals(specs)
    if #order > 0 then
        lines[1] = "Arguments:"
        for _, name in ipairs(order) do
            lines[#lines + 1] = help_line(name, specs[name])
        end
        lines[#lines + 1] = ""
    end
    lines[#lines + 1] = "Options:"
    for _, set in ipairs { specs, M.common } do
        for _, name in ipairs(nearest.keys(set)) do
            if not set[name].positional then
                lines[#lines + 1] = help_line(name, set[name])
            end
        end
    end
    return table.concat(lines, "\n")
end

--- "[OPTION...] PORT..."
-- @tparam table specs
-- @treturn string
function M.synopsis(specs)
    local parts = { "[OPTION...]" }
    for _, name in ipairs(positionals(specs)) do
        local spec = specs[name]
        local word = metavar(name, spec) .. (spec.repeatable and "..." or "")
        parts[#parts + 1] = spec.required and word or "[" .. word .. "]"
    end
    return table.concat(parts, " ")
end

return M
