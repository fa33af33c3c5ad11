--- `porthole help [NAME]`: what there is, and what one of it does.
-- @module porthole.usage

local core = require "porthole.core"
local nearest = require "porthole.nearest"
local recipe = require "porthole.recipe"

local M = {}

local SUCCESS, WRONG_USAGE = 0, 2

--- What comes from a recipe's file is shown, never obeyed; its lines stay lines.
local function write(text)
    for line in (text .. "\n"):gmatch("([^\n]*)\n") do
        io.stdout:write(core.text.escape(line), "\n")
    end
end

local function list()
    local recipes, problems = recipe.list()
    local lines, width = { "porthole NAME [OPTION...] runs one of these; porthole NAME --help explains it." }, 0
    for _, one in ipairs(recipes) do
        width = math.max(width, #one.id)
    end
    for _, one in ipairs(recipes) do
        lines[#lines + 1] = ("  %-" .. width .. "s  %s"):format(one.id, one.summary)
    end
    lines[#lines + 1] = "porthole without a name is the shell: help() there explains every name."
    write(table.concat(lines, "\n"))
    for _, problem in ipairs(problems) do
        io.stderr:write(core.text.escape("porthole: " .. problem), "\n")
    end
    return SUCCESS
end

--- The text on a name of the library, or nil.
local function library_text(name)
    local ok, help = pcall(require, "porthole.help")
    return ok and type(help.text) == "function" and help.text(name) or nil
end

--- The whole reference as Markdown, from the same texts: docs/reference.md.
local function markdown()
    local help = require "porthole.help"
    local parts = { "# Reference", "`make docs` writes this from the texts of `help()`.", "## In Lua" }
    local function add(name, text)
        parts[#parts + 1] = ("### %s"):format(name)
        parts[#parts + 1] = "```text\n" .. text:gsub("\n+$", "") .. "\n```"
    end
    for _, name in ipairs(nearest.keys(require "porthole")) do
        local text = help.text(name)
        if text then
            add(name, text)
        end
    end
    parts[#parts + 1] = "## Recipes"
    for _, one in ipairs((recipe.list())) do
        add(one.id, recipe.help(one))
    end
    write(table.concat(parts, "\n\n"))
    return SUCCESS
end

--- @tparam string _ "help"
-- @tparam {string,...} words the command line behind it
-- @treturn integer the exit status
function M.main(_, words)
    local name = words[1]
    if name == nil or name == "--help" or name == "-h" then
        return list()
    elseif name == "--markdown" then
        return markdown()
    end
    local text = recipe.help(name) or library_text(name)
    if text then
        write((text:gsub("\n+$", "")))
        return SUCCESS
    end
    local names = nearest.keys(require "porthole")
    for _, one in ipairs((recipe.list())) do
        names[#names + 1] = one.id
    end
    io.stderr:write(core.text.escape(("porthole help: there is nothing called '%s'%s"):format(name,
        nearest.hint(name, names))), "\n")
    return WRONG_USAGE
end

return M
