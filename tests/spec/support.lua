--- What several specs need: hostile strings, rows of tables, temporary folders, and porthole as a program.
local core = require "porthole.core"

local M = {}

--- Each byte alone, each C1 control and bidi character, and what is no UTF-8.
function M.hostile_strings()
    local list = {
        "", " ", "=1+1", "+1", "-1", "@x", '"', '""', ",", "\t", "a\nb", "\r\n", "\\n", "a\0b", "\27[31mred\27[0m",
        "\27]0;title\7", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe3\x81", "日本語", "e\u{301}", "😀",
        "\u{2028}\u{2029}", "\u{feff}x", ("x"):rep(300), ("あ"):rep(200),
    }
    for byte = 0, 255 do
        list[#list + 1] = "a" .. string.char(byte) .. "b"
    end
    for code = 0x80, 0x9f do
        list[#list + 1] = "a" .. utf8.char(code) .. "b"
    end
    for _, code in ipairs {
        0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069,
    } do
        list[#list + 1] = "a" .. utf8.char(code) .. "b"
    end
    return list
end

--- A character that must not reach a terminal or a file as it is.
local function is_raw(code)
    return code < 0x20 or (code >= 0x7f and code <= 0x9f) or code == 0x61c or code == 0x200e or code == 0x200f
        or (code >= 0x2028 and code <= 0x202e) or (code >= 0x2066 and code <= 0x2069)
end

--- Fails unless `text` is UTF-8 without controls other than those in `allowed`.
function M.assert_harmless(text, allowed)
    assert(utf8.len(text), "not UTF-8")
    for _, code in utf8.codes(text) do
        local fine = not is_raw(code) or (code < 128 and allowed:find(string.char(code), 1, true))
        assert(fine, ("raw U+%04X"):format(code))
    end
end

--- Rows of tables; each column is a name, or {name=, type=, weight=}.
function M.rows(columns, list, partial)
    local described = {}
    for i, column in ipairs(columns) do
        local given = type(column) == "table" and column or { name = column }
        described[i] = {
            name = given.name, type = given.type or "name", unit = given.unit, weight = given.weight or 1,
            help = "a column of a test",
        }
    end
    return core.rows({ name = "thing", columns = described }, list, partial)
end

--- A new, empty folder that only this user can write.
function M.folder()
    local pipe <close> = assert(io.popen("mktemp -d", "r"))
    return pipe:read("l")
end

function M.write(path, text)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
end

function M.read(path)
    local file <close> = assert(io.open(path, "r"))
    return file:read("a")
end

function M.remove(folder)
    assert(folder:find("^/tmp/[%w._/-]+$") and not folder:find("..", 1, true))
    os.execute("rm -rf " .. folder)
end

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs Lua code in a stock interpreter of its own, with the library and `arg`.
-- @treturn integer status
-- @treturn string standard output
-- @treturn string standard error
function M.run(code, words, environment)
    local folder = M.folder()
    M.write(folder .. "/main.lua", code)
    local parts = { environment or "", "lua5.4", folder .. "/main.lua" }
    for _, word in ipairs(words or {}) do
        parts[#parts + 1] = quoted(word)
    end
    parts[#parts + 1] = (">%s/out 2>%s/err </dev/null"):format(folder, folder)
    local _, _, status = os.execute(table.concat(parts, " "))
    local out, err = M.read(folder .. "/out"), M.read(folder .. "/err")
    M.remove(folder)
    return status, out, err
end

--- `porthole NAME WORD...` in an interpreter of its own.
function M.recipe(words, environment, before)
    local code = (before or "") .. '\nlocal n = table.remove(arg, 1)\n'
        .. 'os.exit(require("porthole.recipe").main(n, arg), true)'
    return M.run(code, words, environment)
end

--- Records of CSV as RFC 4180 has them.
function M.parse_csv(text)
    local records, fields, at = {}, {}, 1
    while at <= #text do
        local field
        if text:sub(at, at) == '"' then
            local stop = at + 1
            while true do
                stop = assert(text:find('"', stop, true), "an open quote")
                if text:sub(stop + 1, stop + 1) ~= '"' then
                    break
                end
                stop = stop + 2
            end
            field, at = text:sub(at + 1, stop - 1):gsub('""', '"'), stop + 1
        else
            local stop = text:find("[,\n]", at)
            field, at = text:sub(at, stop - 1), stop
        end
        fields[#fields + 1] = field
        local mark = text:sub(at, at)
        assert(mark == "," or mark == "\n", "text behind a quote")
        at = at + 1
        if mark == "\n" then
            records[#records + 1], fields = fields, {}
        end
    end
    return records
end

return M
