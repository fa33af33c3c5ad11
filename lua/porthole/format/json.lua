--- Rows as JSON (RFC 8259): one object, or one row a line.
-- Always valid UTF-8 without a raw control character; 64-bit integers are exact; each row has every column.
-- @module porthole.format.json

local cells = require "porthole.format.cells"

local M = {}

local function row_lines(rows)
    local columns, lines = rows.columns, {}
    for i = 1, #rows do
        lines[i] = cells.row_json(rows[i], columns)
    end
    return lines
end

--- `[{...},{...}]`
-- @param rows
-- @treturn string
function M.array(rows)
    return "[" .. table.concat(row_lines(rows), ",") .. "]"
end

--- The object of `--format json`.
-- @param rows
-- @tparam table about `recipe`, `version`, `host`, `time`, `partial`
-- @treturn string
function M.object(rows, about)
    local head = {}
    for _, key in ipairs { "recipe", "version", "host", "time" } do
        head[#head + 1] = ('"%s": %s'):format(key, cells.json(about[key]))
    end
    local lines = row_lines(rows)
    local body = #lines > 0 and "\n" .. table.concat(lines, ",\n") .. "\n" or ""
    return ('{%s,\n"partial": %s,\n"rows": [%s]}\n'):format(table.concat(head, ", "),
        cells.json(about.partial, "list"), body)
end

--- `--format ndjson`: one row a line.
-- @param rows
-- @treturn string
function M.lines(rows)
    local lines = row_lines(rows)
    lines[#lines + 1] = ""
    return table.concat(lines, "\n")
end

return M
