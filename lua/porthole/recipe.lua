--- Recipes: questions and acts that are written down, one a file. This module finds, checks and runs them.
-- They lie in the program's own folder and in `$XDG_CONFIG_HOME/porthole/recipes`; there one's own recipe takes the
-- place of the program's with the same name. A broken recipe is reported on standard error and skipped.
-- docs/recipes.md says how to write one.
-- @module porthole.recipe

local core = require "porthole.core"

--- Modules that the shortest way, a recipe without arguments, does without.
local function arguments()
    return require "porthole.arguments"
end

local function nearest()
    return require "porthole.nearest"
end

local M = {}

local SUCCESS, WRONG_USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130

-- Beside the library's folder as the kernel sees it, which a stock Lua finds through a link.
local OWN_RECIPES = (debug.getinfo(1, "S").source:match("^@(.*/porthole)/recipe%.lua$") or ".") .. "/../recipes"

local categories = { safe = true, probe = true, control = true }

local keys = {
    id = "string", summary = "string", description = "string", categories = "table", args = "table", run = "function",
    raw_args = "boolean", usage = "string",
}

local required = { "id", "summary", "description", "categories", "args", "run" }

--- To standard error, with whatever comes from outside made visible.
local function complain(...)
    io.stderr:write(core.text.escape(table.concat({ ... })), "\n")
end

--- Text of several lines, made visible line by line.
local function visible(text)
    return (text:gsub("[^\n]+", core.text.escape))
end

--- Where recipes are looked for, in this order.
local function folders()
    local config = core.paths.config()
    local own = OWN_RECIPES
    return config and { config .. "/recipes", own } or { own }
end

local function check_categories(list)
    if #list == 0 then
        return "categories is empty"
    end
    for _, name in ipairs(list) do
        if not categories[name] then
            return ("unknown category '%s'%s"):format(tostring(name),
                nearest().hint(tostring(name), nearest().keys(categories)))
        end
    end
end

--- What is wrong with what a recipe's file returned, or nil.
local function check(recipe, id)
    if type(recipe) ~= "table" then
        return "must return a table, not a " .. type(recipe)
    end
    for key, value in pairs(recipe) do
        if not keys[key] then
            return ("unknown key '%s'%s"):format(tostring(key), nearest().hint(tostring(key), nearest().keys(keys)))
        elseif type(value) ~= keys[key] then
            return ("%s must be a %s, not a %s"):format(key, keys[key], type(value))
        end
    end
    for _, key in ipairs(required) do
        if recipe[key] == nil then
            return key .. " is missing"
        end
    end
    if recipe.id ~= id then
        return ("id is '%s', but the file's name says '%s'"):format(recipe.id, id)
    end
    local problem = check_categories(recipe.categories)
    if not problem and next(recipe.args) ~= nil then
        problem = arguments().check(recipe.args)
    end
    return problem
end

--- Loads one file.
-- @treturn ?table the recipe, or nil and what is wrong
local function load_file(path, id)
    local chunk, problem = loadfile(path, "t")
    if not chunk then
        return nil, problem
    end
    local ok, recipe = pcall(chunk)
    if not ok then
        return nil, tostring(recipe)
    end
    problem = check(recipe, id)
    if problem then
        return nil, path .. ": " .. problem
    end
    return recipe
end

--- Only the user's folder has to be asked: the program's own is where this very file was loaded from.
local function trusted(path, folder)
    if folder == OWN_RECIPES then
        return true
    end
    local ok, reason = core.trusted(path)
    if ok then
        return true
    end
    return nil, ("%s: %s"):format(path, reason or "another user could have written it")
end

--- Looks without opening: nothing is known yet of who put there what.
local function exists(folder, file)
    for _, name in ipairs(core.directory(folder) or {}) do
        if name == file then
            return true
        end
    end
    return false
end

--- Finds and loads one recipe.
-- @tparam string id
-- @treturn ?table the recipe, or nil where there is none that works
-- @treturn {string,...} what is wrong with those that were skipped
function M.find(id)
    local problems = {}
    if not id:find("^%a[%w_-]*$") then
        return nil, problems
    end
    for _, folder in ipairs(folders()) do
        local file = id .. ".lua"
        local path = folder .. "/" .. file
        if exists(folder, file) then
            local ok, problem = trusted(path, folder)
            local recipe
            if ok then
                recipe, problem = load_file(path, id)
            end
            if recipe then
                return recipe, problems
            end
            problems[#problems + 1] = problem .. " (skipped)"
        end
    end
    return nil, problems
end

--- The ids of all files that look like recipes, sorted.
local function ids()
    local seen = {}
    for _, folder in ipairs(folders()) do
        for _, name in ipairs(core.directory(folder) or {}) do
            local id = name:match("^(%a[%w_-]*)%.lua$")
            if id then
                seen[id] = true
            end
        end
    end
    return nearest().keys(seen)
end

--- All recipes that work.
-- @treturn {table,...} sorted by id
-- @treturn {string,...} what is wrong with the others
function M.list()
    local recipes, problems = {}, {}
    for _, id in ipairs(ids()) do
        local recipe, skipped = M.find(id)
        recipes[#recipes + 1] = recipe
        table.move(skipped, 1, #skipped, #problems + 1, problems)
    end
    return recipes, problems
end

local EXIT_STATUS = [[
Exit status: 0 done; 1 findings, or an act that did not hold; 2 wrong usage; 3 could not be done or determined.]]

--- The text of `porthole NAME --help`.
-- @tparam string|table recipe its id, or the recipe
-- @treturn ?string nil where there is no such recipe
function M.help(recipe)
    if type(recipe) == "string" then
        recipe = M.find(recipe)
        if not recipe then
            return nil
        end
    end
    return table.concat({
        ("porthole %s: %s"):format(recipe.id, recipe.summary),
        "",
        ("Usage: porthole %s %s"):format(recipe.id, recipe.usage or arguments().synopsis(recipe.args)),
        "",
        (recipe.description:gsub("%s+$", "")),
        "",
        arguments().describe(recipe.args),
        "",
        EXIT_STATUS,
        "",
    }, "\n")
end

--- What a recipe's `run` gets first: the library's names, and how the result will be written.
local function new_context(id, format)
    local screen = format == "table" and require("porthole.screen").get() or { terminal = false, colour = false }
    local context = {
        format = format, terminal = screen.terminal, width = screen.width, colour = screen.colour,
    }
    --- Tells the user something that is no result.
    function context.note(text)
        complain("porthole ", id, ": ", text)
    end
    --- Ends the recipe: the user asked for something that makes no sense.
    function context.usage(text)
        error({ usage = text }, 0)
    end
    context.rows, context.write_file, context.clock = core.rows, core.writefile, core.clock
    context.escape = core.text.escape
    context.errors_shown = core.isatty(2)
    return setmetatable(context, { __index = require "porthole" })
end

local function is_rows(value)
    local ok, columns = pcall(function()
        return value.columns
    end)
    return type(value) == "userdata" and ok and columns ~= nil
end

--- Rows, or a report (rows and how to show them), or text.
-- @treturn ?table the report; or nil and what is wrong with it
local function as_report(result)
    if type(result) == "string" then
        return { text = result }
    elseif is_rows(result) then
        return { rows = result }
    elseif type(result) ~= "table" then
        return nil, "run() must return rows, a report or text, not a " .. type(result)
    elseif type(result.stream) == "function" then
        return result
    elseif result.rows ~= nil and not is_rows(result.rows) then
        return nil, "the report's rows are none, but a " .. type(result.rows)
    elseif result.rows == nil and type(result.text) ~= "string" then
        return nil, "run() returned a table that is no report: it has neither rows nor text"
    end
    return result
end

local function was_interrupted(problem)
    return type(problem) == "string" and problem:find("interrupted$") ~= nil
end

--- Runs a recipe.
-- @treturn ?table the report; or nil, a message, an exit status and a code
local function run(recipe, context, args)
    local ok, result, second, third = pcall(recipe.run, context, args)
    if not ok then
        if type(result) == "table" and result.usage then
            return nil, result.usage, WRONG_USAGE
        elseif was_interrupted(tostring(result)) then
            return nil, nil, INTERRUPTED
        end
        return nil, tostring(result), FAILED
    elseif result == nil and third == "ECANCELED" then
        return nil, nil, INTERRUPTED
    elseif result == nil then
        return nil, second and tostring(second) or "no result", FAILED, third
    end
    local report, problem = as_report(result)
    if not report then
        return nil, problem, FAILED
    end
    report.status = report.status or math.tointeger(second) or SUCCESS
    return report
end

local function host_name()
    local file = io.open("/proc/sys/kernel/hostname", "r")
    local name = file and file:read("l")
    if file then
        file:close()
    end
    return name
end

--- Breaks text between words so that no line is wider than the terminal.
local function wrapped(line, width)
    local lines, current = {}, ""
    for word in line:gmatch("%S+") do
        local longer = current == "" and word or current .. " " .. word
        if current ~= "" and core.text.width(longer) > width then
            lines[#lines + 1] = current
            longer = word
        end
        current = longer
    end
    lines[#lines + 1] = current
    return table.concat(lines, "\n")
end

local function table_text(report, context)
    local text = require("porthole.format.table").render(report.items or report.rows, {
        columns = report.columns, width = context.width, colour = context.colour,
    })
    local summary = report.summary
    if type(summary) == "function" then
        summary = summary()
    end
    if not summary then
        return text
    end
    summary = core.text.escape(summary)
    return text .. (context.width and wrapped(summary, context.width) or summary) .. "\n"
end

local formats = {}

function formats.json(rows, id)
    return require("porthole.format.json").object(rows, {
        recipe = id, version = core.version, host = host_name(), time = os.date("!%Y-%m-%dT%H:%M:%SZ"),
        partial = rows.partial or {},
    })
end

function formats.ndjson(rows)
    return require("porthole.format.json").lines(rows)
end

function formats.csv(rows)
    return require("porthole.format.csv").csv(rows)
end

function formats.tsv(rows)
    return require("porthole.format.csv").tsv(rows)
end

--- The result as text; or nil and why the format cannot show it.
local function rendered(report, id, context)
    if context.format == "table" then
        return report.text or table_text(report, context)
    elseif not report.rows then
        return nil, ("there is no --format %s of this, only its text"):format(context.format)
    end
    return formats[context.format](report.rows, id)
end

--- What could not be seen, for the formats that have no room for it.
local function note_partial(report, context)
    if context.format ~= "json" and report.rows then
        for _, reason in ipairs(report.rows.partial or {}) do
            context.note("note: " .. reason)
        end
    end
end

--- Writes text and sees that it arrives.
-- @treturn boolean true, or false, why not, and whether it is because the reader went away
local function write_out(file, text)
    local ok, problem, code = file:write(text)
    if ok then
        ok, problem, code = file:flush()
    end
    local BROKEN_PIPE = 32
    return ok and true or false, "standard output: " .. tostring(problem), code == BROKEN_PIPE
end

--- Writes a result to a file or to standard output.
-- @treturn boolean true, or false and why not; a reader that went away is none of our troubles
local function deliver(text, path)
    if path and path ~= "-" then
        local ok, problem = core.writefile(path, text)
        return ok and true or false, problem
    end
    local ok, problem, gone = write_out(io.stdout, text)
    return ok or gone, problem
end

--- Writes what a stream gives, each piece as soon as it is there.
-- @treturn ?boolean true at the stream's end, or when the reader went away; nil, a message and a code
local function pump(stream, file)
    while true do
        local text, problem, code = stream()
        if text == nil then
            return problem == nil or nil, problem, code
        end
        local ok, why, gone = write_out(file, text)
        if not ok then
            return gone or nil, why
        end
    end
end

--- Writes a result that comes in pieces.
-- @treturn integer the exit status
local function deliver_stream(report, context, path)
    local file = io.stdout
    if path and path ~= "-" then
        local opened, why = io.open(path, "w")
        if not opened then
            context.note(why)
            return FAILED
        end
        file = opened
    end
    local called, ok, message, code = pcall(pump, report.stream, file)
    if file ~= io.stdout then
        file:close()
    end
    if called and ok then
        return report.status
    end
    local problem = called and message or tostring(ok)
    if code == "ECANCELED" or was_interrupted(problem) then
        return report.interrupted or INTERRUPTED
    end
    context.note(problem)
    return FAILED
end

local function read_arguments(recipe, words)
    if #words == 0 and next(recipe.args) == nil then
        return { format = "table" }
    elseif recipe.raw_args then
        return arguments().common_only(words)
    end
    return arguments().parse(recipe.args, words)
end

local function refuse(id, problem)
    complain("porthole ", id, ": ", problem)
    complain("Try 'porthole ", id, " --help'.")
    return WRONG_USAGE
end

--- Runs a recipe with arguments that were read, and writes what it found.
local function execute(recipe, args)
    if args.output == "" then
        return refuse(recipe.id, "option '--output' needs the name of a file")
    end
    local context = new_context(recipe.id, args.format)
    if args.output and args.output ~= "-" then
        context.terminal, context.width, context.colour = false, nil, false
    end
    local report, problem, status = run(recipe, context, args)
    if status == WRONG_USAGE then
        return refuse(recipe.id, problem)
    elseif not report then
        if problem then
            context.note(problem)
        end
        return status
    end
    if report.stream then
        return deliver_stream(report, context, args.output)
    end
    local ok, text, unfit = pcall(rendered, report, recipe.id, context)
    if not ok then
        context.note(tostring(text))
        return FAILED
    elseif not text then
        return refuse(recipe.id, unfit)
    end
    note_partial(report, context)
    ok, problem = deliver(text, args.output)
    if not ok then
        context.note(problem)
        return FAILED
    end
    return report.status
end

--- `porthole help [NAME]`
local function help_main(words)
    local text, problem = require("porthole.help").text(words[1])
    if not text then
        complain("porthole help: ", problem)
        return WRONG_USAGE
    end
    local ok, why = deliver(text)
    if not ok then
        complain("porthole help: ", why)
    end
    return ok and SUCCESS or FAILED
end

--- `porthole NAME WORD...`; `porthole help [NAME]` as well.
-- @tparam string id
-- @tparam {string,...} words the command line behind the name
-- @treturn integer the exit status
function M.main(id, words)
    if id == "help" then
        return help_main(words)
    end
    local recipe, problems = M.find(id)
    for _, problem in ipairs(problems) do
        complain("porthole: ", problem)
    end
    if not recipe then
        local hint = #problems == 0 and nearest().hint(id, ids()) or ""
        complain("porthole: there is no recipe '", id, "'", hint, "; 'porthole help' lists them")
        return #problems == 0 and WRONG_USAGE or FAILED
    end
    local args, problem = read_arguments(recipe, words)
    if not args then
        return refuse(id, problem)
    elseif args.help then
        local ok, why = deliver(visible(M.help(recipe)))
        if not ok then
            complain("porthole ", id, ": ", why)
        end
        return ok and SUCCESS or FAILED
    end
    return execute(recipe, args)
end

--- Runs a recipe from Lua: `recipe("audit", {netns = "all"})`.
-- @tparam string id
-- @tparam[opt] table args values by name; for a recipe that reads its options itself: a list of words
-- @return rows, or its text, or the function that gives the next piece of it; nil, a message and a code where it failed
function M.call(id, args)
    if type(id) ~= "string" then
        error("recipe: argument 1 (name) must be a string, not " .. type(id), 2)
    elseif args ~= nil and type(args) ~= "table" then
        error("recipe: argument 2 (arguments) must be a table, not " .. type(args), 2)
    end
    local recipe, problems = M.find(id)
    if not recipe then
        error(("recipe: %s"):format(problems[1] or
            ("there is no recipe '%s'%s"):format(core.text.escape(id), nearest().hint(id, ids()))), 2)
    end
    local values = args or {}
    if not recipe.raw_args then
        local checked, problem = arguments().from_lua(recipe.args, values)
        values = checked or error(("recipe '%s': %s"):format(id, problem), 2)
    end
    local report, message, status, code = run(recipe, new_context(id, "rows"), values)
    if status == WRONG_USAGE then
        error(("recipe '%s': %s"):format(id, message), 2)
    elseif not report then
        return nil, message or "interrupted", status == INTERRUPTED and "EINTR" or code
    end
    return report.rows or report.text or report.stream
end

return M
