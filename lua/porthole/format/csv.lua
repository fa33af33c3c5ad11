--- Rows as CSV (RFC 4180) and as TSV: a heading, then one record a line, all of the same width.
-- Unknown is an empty field; a list or table is a field of JSON. Control characters are made visible (\n, \x1b), a line
-- break within a field as well, so that a line is always a record: lines end in "\n" alone.
-- @module porthole.format.csv

local cells = require "porthole.format.cells"
local escape = require("porthole.core").text.escape

local M = {}

local function visible(text)
    if text:find("[^\32-\126]") then
        return escape(text)
    end
    return text
end

local function csv_field(text)
    text = visible(text)
    if text:find('[,"]') or text:find("^ ") or text:find(" $") then
        return '"' .. text:gsub('"', '""') .. '"'
    end
    return text
end

local function records(rows, field, separator)
    local columns, lines, fields = rows.columns, {}, {}
    for i, column in ipairs(columns) do
        fields[i] = field(column.name)
    end
    lines[1] = table.concat(fields, separator)
    for i = 1, #rows do
        local row = rows[i]
        for j, column in ipairs(columns) do
            fields[j] = field(cells.plain(row, column))
        end
        lines[i + 1] = table.concat(fields, separator)
    end
    lines[#lines + 1] = ""
    return table.concat(lines, "\n")
end

--- @param rows
-- @treturn string
function M.csv(rows)
    return records(rows, csv_field, ",")
end

--- @param rows
-- @treturn string a tab stands only between fields
function M.tsv(rows)
    return records(rows, visible, "\t")
end

return M
