--- Rows as a table for people, never wider than the terminal.
-- Columns with the greatest weight stay when there is no room for all; a cell that is too long is cut with an ellipsis;
-- the others are summed up below the table. What a cell holds is bytes: it is escaped here.
-- @module porthole.format.table

local text = require("porthole.core").text

local M = {}

local GAP_TEXT = "  "
local GAP = #GAP_TEXT
local SMALLEST = 12 -- columns on the screen that a text keeps when it is cut

local right_aligned = { integer = true, number = true, port = true }
local never_cut = { integer = true, number = true, port = true, time = true, boolean = true }

--- In a UTF-8 locale the ellipsis is one character.
local function ellipsis()
    local locale = os.getenv("LC_ALL") or ""
    if locale == "" then
        locale = os.getenv("LC_CTYPE") or ""
    end
    if locale == "" then
        locale = os.getenv("LANG") or ""
    end
    return locale:lower():find("utf%-?8") and "…" or "..."
end

--- `0.0.0.0`, `[::]`, with the device that the socket is bound to: `0.0.0.0%eth0`; of a device itself: `10.0.0.1/8`.
local function address_text(entry)
    if entry.prefix then
        return ("%s/%d"):format(entry.address, entry.prefix)
    end
    local address, iface = entry.address or "?", entry.iface and "%" .. entry.iface or ""
    if address:find(":", 1, true) then
        return "[" .. address .. iface .. "]"
    end
    return address .. iface
end

local function process_text(process)
    return ("%s/%s"):format(process.name or "?", process.pid or "?")
end

local item_text = { addresses = address_text, processes = process_text }

local value_text

local function list_text(list, column)
    local parts = {}
    local one = item_text[column.name]
    for i = 1, #list do
        local item = list[i]
        parts[i] = one and type(item) == "table" and one(item) or value_text(item, {})
    end
    return table.concat(parts, ", ")
end

local function table_text(value)
    local parts = {}
    for key, item in pairs(value) do
        parts[#parts + 1] = tostring(key) .. "=" .. value_text(item, {})
    end
    table.sort(parts)
    return table.concat(parts, " ")
end

--- The bytes of a cell, before they are escaped.
function value_text(value, column)
    if value == nil then
        return "-"
    elseif type(value) == "string" then
        return value
    elseif type(value) == "boolean" then
        return value and "yes" or "no"
    elseif column.type == "time" and math.type(value) == "integer" then
        return os.date("%Y-%m-%d %H:%M:%S", value // 1000000)
    elseif type(value) == "table" then
        if column.type == "list" or #value > 0 then
            return list_text(value, column)
        end
        return table_text(value)
    elseif type(value) == "userdata" then
        return ("%d rows"):format(#value)
    elseif type(value) == "number" and math.type(value) == "float" then
        return ("%.6g"):format(value)
    end
    return tostring(value)
end

--- Escaped, and its width on the screen.
local function measured(bytes)
    if not bytes:find("[^\32-\126]") then
        return bytes, #bytes
    end
    local escaped = text.escape(bytes)
    return escaped, text.width(escaped)
end

local spaces = setmetatable({}, { __index = function(list, width)
    list[width] = (" "):rep(width)
    return list[width]
end })

--- Text of at most `width` columns, and the width that it has.
local function fitted(cell, cell_width, width, dots)
    if cell_width <= width then
        return cell, cell_width
    end
    return text.cut(cell, width, text.width(dots) < width and dots or "")
end

--- The columns of a view that a table shows unless it is told which.
local function default_columns(rows)
    local shown = {}
    for _, column in ipairs(rows.columns) do
        if (column.weight or 1) > 0 then
            shown[#shown + 1] = column
        end
    end
    return #shown > 0 and shown or rows.columns
end

local function named_column(rows, name)
    for _, column in ipairs(rows.columns) do
        if column.name == name or column.alias == name then
            return column
        end
    end
    error(("unknown column '%s'"):format(name), 0)
end

--- Names become the rows' own columns.
local function resolved(rows, wanted)
    if not wanted then
        return default_columns(rows)
    end
    local columns = {}
    for i, column in ipairs(wanted) do
        columns[i] = type(column) == "string" and named_column(rows, column) or column
    end
    return columns
end

local function heading_of(column)
    if column.heading then
        return column.heading
    end
    return column.name:upper() .. (column.unit and "(" .. column.unit .. ")" or "")
end

--- What was measured once: names, addresses and words come again and again. Bounded by the number of cells of a table.
local function new_measures()
    return setmetatable({}, { __index = function(known, bytes)
        local cell, width = measured(bytes)
        local measure = { cell, width, width == #cell }
        known[bytes] = measure
        return measure
    end })
end

--- The columns with the text and the width of all their cells, row by row. `plain`: a byte of a column is a column.
local function filled(rows, indices, columns)
    local all, measures = {}, new_measures()
    for place, column in ipairs(columns) do
        local heading, width = measured(heading_of(column))
        all[place] = {
            column = column, name = column.name, value = column.value, place = place, weight = column.weight or 1,
            heading = heading, heading_width = width, width = width, cells = {}, widths = {}, plain = true,
            right = column.align == "right" or right_aligned[column.type],
        }
    end
    for i, index in ipairs(indices) do
        local row = rows[index]
        for _, one in ipairs(all) do
            local value
            if one.value then
                value = one.value(row)
            else
                value = row[one.name]
            end
            local measure = measures[type(value) == "string" and value or value_text(value, one.column)]
            local width = measure[2]
            one.cells[i], one.widths[i] = measure[1], width
            if width > one.width then
                one.width = width
            end
            one.plain = one.plain and measure[3]
        end
    end
    for _, one in ipairs(all) do
        one.widest = one.width
        one.least = never_cut[one.column.type] and one.width
            or math.min(one.width, math.max(one.heading_width, SMALLEST))
    end
    return all
end

--- Shares `room` among those that want more than they have: whoever wants little gets all of it.
local function share(shown, room)
    local order = table.move(shown, 1, #shown, 1, {})
    table.sort(order, function(a, b)
        local x, y = a.width - a.least, b.width - b.least
        if x ~= y then
            return x < y
        end
        return a.place < b.place
    end)
    for i, column in ipairs(order) do
        local part = math.min(column.width - column.least, room // (#order - i + 1))
        column.width = column.least + part
        room = room - part
    end
end

--- Drops the lightest columns and narrows the rest until they fit.
local function fit(all, width)
    local order, shown, used = table.move(all, 1, #all, 1, {}), {}, -GAP
    table.sort(order, function(a, b)
        if a.weight ~= b.weight then
            return a.weight > b.weight
        end
        return a.place < b.place
    end)
    for _, column in ipairs(order) do
        if #shown == 0 then
            column.least = math.min(column.least, width)
        end
        if used + GAP + column.least > width then
            break
        end
        used = used + GAP + column.least
        shown[#shown + 1] = column
    end
    share(shown, width - used)
    table.sort(shown, function(a, b)
        return a.place < b.place
    end)
    return shown
end

--- A cell in the width of its column; the last one of a line gets no space behind it.
local function padded(one, cell, cell_width, colour, is_last, dots)
    local width = one.width
    if cell_width > width then
        cell, cell_width = fitted(cell, cell_width, width, dots)
    end
    if colour then
        cell = "\27[" .. colour .. "m" .. cell .. "\27[0m"
    end
    if cell_width == width or (is_last and not one.right) then
        return cell
    end
    local space = spaces[width - cell_width]
    return one.right and space .. cell or cell .. space
end

local function heading_line(shown, colour, dots)
    local parts = {}
    for i, one in ipairs(shown) do
        parts[i] = padded(one, one.heading, one.heading_width, colour and "1" or nil, i == #shown, dots)
    end
    return table.concat(parts, GAP_TEXT)
end

--- The rows that are shown: all, or as many of the first and the last as `height` allows.
local function chosen_indices(count, height)
    local indices = {}
    if not height or count <= height then
        for i = 1, count do
            indices[i] = i
        end
        return indices
    end
    local first = (height + 1) // 2
    for i = 1, first do
        indices[i] = i
    end
    for i = count - (height - first) + 1, count do
        indices[#indices + 1] = i
    end
    return indices, first
end

--- "+5 columns: uid, inode, ..." for what the table has no room for.
local function rest_line(all, shown, width, dots)
    local is_shown, names = {}, {}
    for _, column in ipairs(shown) do
        is_shown[column] = true
    end
    for _, column in ipairs(all) do
        if not is_shown[column] then
            names[#names + 1] = column.heading:lower()
        end
    end
    if #names == 0 then
        return nil
    end
    local line = ("+%d column%s: %s"):format(#names, #names == 1 and "" or "s", table.concat(names, ", "))
    return (fitted(line, text.width(line), width, dots))
end

--- A format of string.format for whole lines, where no cell is cut or painted and bytes are columns; else nil.
local function line_format(shown, colour)
    local parts = {}
    for i, one in ipairs(shown) do
        -- string.format takes widths of two digits.
        if not one.plain or one.widest > one.width or one.width > 99 or (colour and one.column.colour) then
            return nil
        end
        local left = i == #shown and "%s" or ("%%-%ds"):format(one.width)
        parts[i] = one.right and ("%%%ds"):format(one.width) or left
    end
    return table.concat(parts, GAP_TEXT)
end

local function plain_lines(lines, shown, count, format)
    local cells, columns = {}, #shown
    for i = 1, count do
        for j = 1, columns do
            cells[j] = shown[j].cells[i]
        end
        lines[#lines + 1] = format:format(table.unpack(cells, 1, columns))
    end
end

local function body_lines(lines, rows, shown, indices, options, dots)
    local count, parts = #shown, {}
    local format = not options.cut_after and line_format(shown, options.colour)
    if format then
        return plain_lines(lines, shown, #indices, format)
    end
    for i, index in ipairs(indices) do
        for j, one in ipairs(shown) do
            local paint = options.colour and one.column.colour
            parts[j] = padded(one, one.cells[i], one.widths[i], paint and paint(rows[index]) or nil, j == count, dots)
        end
        lines[#lines + 1] = table.concat(parts, GAP_TEXT)
        if i == options.cut_after then
            local line = ("%s %d more rows %s"):format(dots, #rows - #indices, dots)
            lines[#lines + 1] = (fitted(line, text.width(line), options.width or math.huge, dots))
        end
    end
end

--- Renders rows as a table that ends in a newline.
-- @param rows or a plain list of what the functions of `columns` take
-- @tparam[opt] table options `columns`: names, or tables of `name`, `heading`, `value` (a function of the row), `type`,
--   `align`, `weight`, `colour` (a function of the row); `width`: of the terminal, nil where there is none; `height`:
--   the most rows to show, cut in the middle; `colour`: true for SGR sequences
-- @treturn string
function M.render(rows, options)
    options = options or {}
    local dots, width = ellipsis(), options.width
    local indices, cut_after = chosen_indices(#rows, options.height)
    local all = filled(rows, indices, resolved(rows, options.columns))
    local shown = width and fit(all, width) or all
    local lines = { heading_line(shown, options.colour, dots) }
    body_lines(lines, rows, shown, indices, { colour = options.colour, width = width, cut_after = cut_after }, dots)
    lines[#lines + 1] = width and rest_line(all, shown, width, dots)
    lines[#lines + 1] = ""
    return table.concat(lines, "\n")
end

M.address_text = address_text

return M
