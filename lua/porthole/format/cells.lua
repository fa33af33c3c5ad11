--- What a cell says: as JSON, and as plain text for formats with one record a line.
-- Values come from rows: nil (unknown), booleans, integers, numbers, strings of any bytes, lists, tables, rows.
-- @module porthole.format.cells

local core = require "porthole.core"

local M = {}

local quote = core.text.json
local MAX_DEPTH = 64

--- The keys that a record has in every case, in order, null where unknown: the `__fields` of its metatable.
local function fields_of(record)
    local meta = getmetatable(record)
    return type(meta) == "table" and meta.__fields or nil
end

--- The shortest text that reads back as the same number; JSON has no infinity and no NaN.
local function number_text(value)
    if math.type(value) == "integer" then
        return ("%d"):format(value)
    end
    if value ~= value or value == math.huge or value == -math.huge then
        return nil
    end
    for digits = 15, 17 do
        local text = ("%." .. digits .. "g"):format(value)
        if tonumber(text) == value then
            return (text:gsub("^%-?%d+$", "%0.0"))
        end
    end
end

local function sorted_keys(value)
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    return keys
end

local json

--- A key may become another's equal once its invalid bytes are replaced: no key comes twice.
local function object(value, depth)
    local parts, seen = {}, {}
    for _, key in ipairs(fields_of(value) or sorted_keys(value)) do
        local name = quote(tostring(key))
        local base, n = name, 1
        while seen[name] do
            n = n + 1
            name = base:gsub('"$', "#" .. n .. '"')
        end
        seen[name] = true
        parts[#parts + 1] = name .. ":" .. json(value[key], nil, depth + 1)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function array(value, depth)
    local parts = {}
    for i = 1, #value do
        parts[i] = json(value[i], nil, depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

--- Rows within a row, as group() makes them.
local function nested_rows(value, depth)
    local columns, parts = value.columns, {}
    for i = 1, #value do
        parts[i] = M.row_json(value[i], columns, depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

--- @tparam any value
-- @tparam[opt] string kind the column's type: "list" and "table" decide what an empty table is
-- @tparam[opt=0] integer depth
-- @treturn string JSON on one line, without a raw control character
function json(value, kind, depth)
    depth = depth or 0
    local what = type(value)
    if depth > MAX_DEPTH then
        error("a value is nested more than " .. MAX_DEPTH .. " deep", 0)
    elseif value == nil or value == core.json.null then
        return "null"
    elseif what == "boolean" then
        return tostring(value)
    elseif what == "number" then
        return number_text(value) or "null"
    elseif what == "string" then
        return quote(value)
    elseif what == "userdata" then
        local is_rows, columns = pcall(function()
            return value.columns
        end)
        return is_rows and columns and nested_rows(value, depth) or quote(tostring(value))
    elseif what ~= "table" then
        return quote(tostring(value))
    elseif kind == "list" or (kind ~= "table" and #value > 0) then
        return array(value, depth)
    end
    return object(value, depth)
end

--- One row as a JSON object: every column, in order.
-- @param row
-- @tparam {column,...} columns as rows.columns has them
-- @tparam[opt=0] integer depth
-- @treturn string
function M.row_json(row, columns, depth)
    local parts = {}
    for i, column in ipairs(columns) do
        local name = column.name
        parts[i] = quote(name) .. ":" .. json(row[name], column.type, depth or 0)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

--- A cell of CSV or TSV before quoting: unknown is empty, a list or table is JSON.
-- @param row
-- @tparam column column
-- @treturn string bytes, not yet escaped
function M.plain(row, column)
    local value = row[column.name]
    if value == nil then
        return ""
    elseif type(value) == "string" then
        return value
    elseif type(value) == "number" then
        return number_text(value) or ""
    end
    return json(value, column.type)
end

M.json = json

return M
