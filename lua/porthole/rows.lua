--- The methods of rows that are Lua: see docs/design/structure.md for those that are C.
-- Each is called as a method (`rows:map(fn)`) and gets the rows as its first argument.
-- @module porthole.rows

local core = require "porthole.core"

local M = {}

local function wrong(method, number, name, expected, value)
    error(("rows:%s: argument %d (%s) must be %s, not %s"):format(method, number, name, expected,
        value == nil and "nil" or type(value)), 3)
end

--- The columns by name and by alias.
local function by_name(rows)
    local known = {}
    for _, column in ipairs(rows.columns) do
        if column.alias then
            known[column.alias] = column
        end
    end
    for _, column in ipairs(rows.columns) do
        known[column.name] = column
    end
    return known
end

local function find_column(rows, method, number, name)
    if type(name) ~= "string" then
        error(("rows:%s: argument %d (column) must be a string, not %s"):format(method, number, type(name)), 3)
    end
    local known = by_name(rows)
    if not known[name] then
        local nearest = require "porthole.nearest"
        error(("rows:%s: unknown column '%s'%s"):format(method, core.text.escape(name),
            nearest.hint(name, nearest.keys(known))), 3)
    end
    return known[name]
end

--- The rows for which a function answers true.
-- `rows:where{...}` with a table of columns is C and never gets here.
-- @param self rows
-- @tparam function accept called with each row
-- @return rows
function M.where(self, accept)
    if type(accept) ~= "function" then
        wrong("where", 1, "filter", "a table of columns or a function", accept)
    end
    local kept = {}
    for i = 1, #self do
        if accept(self[i]) then
            kept[#kept + 1] = i
        end
    end
    return core.pick(self, kept)
end

--- What tells one group from another: lists and tables by what is in them.
local function group_key(value, column)
    if type(value) == "table" then
        return require("porthole.format.cells").json(value, column.type)
    end
    return value
end

--- Rows of `column`, `count` and `rows`, one for each value, in order of first appearance.
-- @param self rows
-- @tparam string name of the column
-- @return rows
function M.group(self, name)
    local column = find_column(self, "group", 1, name)
    local unknown, order, members = {}, {}, {}
    for i = 1, #self do
        local value = self[i][name]
        local key = group_key(value, column)
        if key == nil then
            key = unknown
        end
        if not members[key] then
            members[key] = {}
            order[#order + 1] = { key = key, value = value }
        end
        table.insert(members[key], i)
    end
    local list = {}
    for i, group in ipairs(order) do
        local rows = core.pick(self, members[group.key])
        list[i] = { [name] = group.value, count = #rows, rows = rows }
    end
    return core.rows({
        name = "group",
        columns = {
            { name = name, type = column.type, unit = column.unit, help = column.help, weight = 3 },
            { name = "count", type = "integer", help = "how many rows have this value", weight = 2 },
            { name = "rows", type = "table", help = "the rows that have this value", weight = 1 },
        },
    }, list, self.partial)
end

--- How many rows there are, or how many of them a filter keeps.
-- @param self rows
-- @tparam[opt] table|function filter as where() takes it
-- @treturn integer
function M.count(self, filter)
    if filter == nil then
        return #self
    elseif type(filter) ~= "table" and type(filter) ~= "function" then
        wrong("count", 1, "filter", "a table of columns or a function", filter)
    end
    return #self:where(filter)
end

--- The first row, or nil; with a number: rows of the first so many.
-- @param self rows
-- @tparam[opt] integer n
-- @return a row, nil, or rows
function M.first(self, n)
    if n == nil then
        return self[1]
    end
    local many = math.tointeger(n)
    if not many or many < 0 then
        wrong("first", 1, "n", "a whole number from 0", n)
    end
    local indices = {}
    for i = 1, math.min(many, #self) do
        indices[i] = i
    end
    return core.pick(self, indices)
end

--- What a function makes of each row, as a plain list; nil is left out.
-- @param self rows
-- @tparam function fn called with each row
-- @treturn table
function M.map(self, fn)
    if type(fn) ~= "function" then
        wrong("map", 1, "fn", "a function", fn)
    end
    local list = {}
    for i = 1, #self do
        local value = fn(self[i])
        if value ~= nil then
            list[#list + 1] = value
        end
    end
    return list
end

--- A JSON array of objects; each has every column, null where it is unknown.
-- @param self rows
-- @treturn string
function M.json(self)
    return require("porthole.format.json").array(self)
end

--- CSV (RFC 4180) with a heading.
-- @param self rows
-- @treturn string
function M.csv(self)
    return require("porthole.format.csv").csv(self)
end

local print_options = { columns = "table", width = "number", height = "number", all = "boolean", colour = "boolean" }

local function check_print_options(options)
    if type(options) ~= "table" then
        wrong("print", 1, "options", "a table", options)
    end
    for key, value in pairs(options) do
        if not print_options[key] then
            local nearest = require "porthole.nearest"
            error(("rows:print: unknown option '%s'%s"):format(tostring(key),
                nearest.hint(tostring(key), nearest.keys(print_options))), 3)
        elseif type(value) ~= print_options[key] then
            error(("rows:print: option %s must be a %s, not %s"):format(key, print_options[key], type(value)), 3)
        end
    end
end

--- Prints a table: as wide as the terminal, or with all there is where there is none.
-- @param self rows
-- @tparam[opt] table options `columns` (names), `width`, `height` (the most rows: the middle is left out),
--   `all` (no cutting at all), `colour`
function M.print(self, options)
    options = options or {}
    check_print_options(options)
    for i, name in ipairs(options.columns or {}) do
        find_column(self, "print", i, name)
    end
    local screen = require("porthole.screen").get()
    local colour = options.colour
    if colour == nil then
        colour = screen.colour
    end
    io.stdout:write(require("porthole.format.table").render(self, {
        columns = options.columns,
        width = not options.all and (options.width or screen.width) or nil,
        height = not options.all and options.height or nil,
        colour = colour,
    }))
end

return M
