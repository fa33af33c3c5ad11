--- A value as text for people: Lua syntax where there is one, never a raw control character, bounded in size.
-- @module porthole.inspect

local core = require "porthole.core"

-- A script may replace the globals; the shell goes on with the real ones.
local debug, math, table = debug, math, table
local ipairs, next, pcall, rawget, rawlen, tostring, type = ipairs, next, pcall, rawget, rawlen, tostring, type

local M = {}

local MOST_BYTES = 10000 -- of one string
local MOST_ITEMS = 200 -- of one table
local MOST_DEPTH = 6

local reserved = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch("%a+") do
    reserved[word] = true
end

--- Whether a key can stand after a dot.
-- @treturn boolean
function M.is_name(key)
    return type(key) == "string" and key:find("^[%a_][%w_]*$") ~= nil and not reserved[key]
end

--- A string as Lua would read it back.
-- @tparam string text
-- @treturn string with its quotes
function M.quoted(text)
    local rest = ""
    if #text > MOST_BYTES then
        rest = (" .. (%d bytes more)"):format(#text - MOST_BYTES)
        text = text:sub(1, MOST_BYTES)
    end
    return '"' .. core.text.escape((text:gsub('[\\"]', "\\%0"))) .. '"' .. rest
end

--- tostring that cannot fail, and whose result cannot act on a terminal.
-- @treturn string
function M.tostring(value)
    local ok, text = pcall(tostring, value)
    if not ok then
        text = ("%s (its __tostring failed)"):format(type(value))
    end
    return core.text.escape(text)
end

local function has_text(value)
    local meta = debug.getmetatable(value)
    return type(meta) == "table" and (rawget(meta, "__tostring") ~= nil or rawget(meta, "__name") ~= nil)
end

local order_of_types = { number = 1, string = 2, boolean = 3 }

--- Numbers, then names in order, then the rest as it comes.
local function before(a, b)
    local x, y = order_of_types[type(a)] or 4, order_of_types[type(b)] or 4
    if x ~= y then
        return x < y
    end
    return x <= 2 and a < b
end

local function scalar(value)
    if type(value) == "string" then
        return M.quoted(value)
    end
    return M.tostring(value)
end

local function key_text(key)
    if M.is_name(key) then
        return key .. " = "
    end
    return "[" .. scalar(key) .. "] = "
end

--- The keys beyond the sequence, sorted; at most `most`, and how many there are besides.
local function other_keys(t, length, most)
    local keys, left = {}, 0
    for key in next, t do
        local in_sequence = math.type(key) == "integer" and key >= 1 and key <= length
        if not in_sequence then
            if #keys < most then
                keys[#keys + 1] = key
            else
                left = left + 1
            end
        end
    end
    table.sort(keys, before)
    return keys, left
end

local write

--- The items of a table, each as text.
local function items_of(t, state, depth)
    local items, length = {}, rawlen(t)
    for i = 1, math.min(length, MOST_ITEMS) do
        items[i] = write(rawget(t, i), state, depth + 1)
    end
    local keys, left = other_keys(t, length, MOST_ITEMS)
    for _, key in ipairs(keys) do
        items[#items + 1] = key_text(key) .. write(rawget(t, key), state, depth + 1)
    end
    left = left + math.max(length - MOST_ITEMS, 0)
    if left > 0 then
        items[#items + 1] = ("... %d more"):format(left)
    end
    return items
end

--- The items on as few lines as the width allows; one that has lines of its own stands alone.
local function filled(items, width)
    local lines, line = {}, nil
    for i, item in ipairs(items) do
        local text = i < #items and item .. "," or item
        local alone = item:find("\n", 1, true)
        if line and (alone or #line + #text + 1 > width) then
            lines[#lines + 1], line = line, nil
        end
        line = line and line .. " " .. text or text
        if alone then
            lines[#lines + 1], line = line, nil
        end
    end
    lines[#lines + 1] = line
    return lines
end

--- On one line where it fits.
local function joined(items, state, depth)
    local indent = ("  "):rep(depth + 1)
    local lines = filled(items, math.max(state.width - #indent, 20))
    if #lines == 0 then
        return "{}"
    elseif #lines == 1 and not lines[1]:find("\n", 1, true) and #lines[1] + #indent + 4 <= state.width then
        return "{ " .. lines[1] .. " }"
    end
    return "{\n" .. indent .. table.concat(lines, "\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

function write(value, state, depth)
    if type(value) ~= "table" or has_text(value) then
        return scalar(value)
    elseif state.open[value] then
        return "<" .. M.tostring(value) .. ", which holds this>"
    elseif depth >= MOST_DEPTH then
        return "{...}"
    end
    state.open[value] = true
    local items = items_of(value, state, depth)
    state.open[value] = nil
    return joined(items, state, depth)
end

--- @param value anything
-- @tparam[opt=80] integer width columns of the screen
-- @treturn string
function M.text(value, width)
    return write(value, { width = width or 80, open = {} }, 0)
end

return M
