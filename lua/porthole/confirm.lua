--- What the recipes that act have in common: the plan is shown, somebody agrees, it is applied, and the result has an
-- exit status.
-- @module porthole.confirm

local core = require "porthole.core"
local plans = require "porthole.plan"

local M = {}

local DONE, FAILED, NOT_CONFIRMED, UNABLE = 0, 1, 2, 3

--- Arguments that each of them has.
M.args = {
    dry_run = { type = "boolean", help = "only print the plan" },
    yes = { type = "boolean", short = "y", help = "apply the plan without asking" },
    user = { type = "integer", min = 0, max = 4294967294, metavar = "UID", help = "a unit of this user's own manager" },
    backend = {
        type = "choice", choices = { "systemd", "sysv" }, help = "who controls services; else what runs as PID 1",
    },
}

--- Adds the common arguments to a recipe's own.
function M.with(args)
    for name, spec in pairs(M.args) do
        args[name] = spec
    end
    return args
end

--- No privilege, no such thing, or not possible at all; otherwise the act was tried, and failed or did not hold.
local statuses = {
    EACCES = UNABLE, EPERM = UNABLE, ENOENT = UNABLE, EOPNOTSUPP = UNABLE, EDEADLK = NOT_CONFIRMED,
    EINVAL = NOT_CONFIRMED,
}

function M.status(code)
    return statuses[code or ""] or FAILED
end

local STDIN, STDERR = 0, 2

local step_type = {
    name = "step",
    columns = {
        { name = "step", type = "integer", weight = 9, help = "its place in the plan" },
        { name = "act", type = "name", weight = 10, help = "start, stop, enable, disable, signal, clear, ..." },
        { name = "unit", type = "name", weight = 8, help = "the unit that is acted upon" },
        { name = "pid", type = "integer", weight = 7, help = "the process that is acted upon" },
        { name = "text", type = "name", weight = 6, help = "the step in words" },
        { name = "result", type = "name", weight = 5, help = "what it did; none: it was not done" },
    },
}

local function step_rows(plan)
    local list = {}
    for i, step in ipairs(plan.steps) do
        list[i] = {
            step = i, act = step.verb, unit = step.unit, pid = step.pid, text = plans.step_text(step),
            result = plan.outcomes[i],
        }
    end
    return core.rows(step_type, list, plan.cannot)
end

local function visible(text)
    return (text:gsub("[^\n]+", core.text.escape))
end

--- Lines as one text that is safe to print.
function M.visible(lines)
    local list = {}
    for i, line in ipairs(lines) do
        list[i] = core.text.escape(line)
    end
    return table.concat(list, "\n") .. "\n"
end

--- Several lines to standard error.
local function tell(text)
    io.stderr:write(visible(text), "\n")
end

local function report(plan, text, status)
    return { text = visible(text), rows = step_rows(plan), status = status }
end

local function agreed(plan)
    io.stderr:write(plan:text(), "Apply this plan? [y/N] ")
    io.stderr:flush()
    local answer = io.stdin:read("l")
    return answer ~= nil and answer:lower():find("^%s*y") ~= nil
end

local function outcome_text(plan)
    return #plan.outcomes > 0 and table.concat(plan.outcomes, "\n") .. "\n" or ""
end

local function apply(plan, name)
    local ok, message, code = plan:apply()
    if ok then
        if #plan.cannot > 0 then
            tell(("porthole %s: %s"):format(name, table.concat(plan.cannot, "\n")))
        end
        return report(plan, outcome_text(plan), #plan.cannot > 0 and UNABLE or DONE)
    end
    tell(("porthole %s: %s"):format(name, message))
    if plan.outcomes[#plan.outcomes] == message then
        table.remove(plan.outcomes)
    end
    return report(plan, outcome_text(plan), code == "ESTALE" and FAILED or M.status(code))
end

--- Shows, asks and applies.
-- @tparam string name the recipe's, for messages
-- @tparam table plan
-- @tparam table args the recipe's arguments
-- @treturn table a report
function M.run(name, plan, args)
    if plan.refused then
        tell(("%sporthole %s: nothing was done: %s"):format(args.dry_run and "" or plan:text(), name,
            plan.refused.message))
        return report(plan, args.dry_run and plan:text() or "", M.status(plan.refused.code))
    elseif args.dry_run or (#plan.steps == 0 and #plan.cannot == 0) then
        return report(plan, plan:text(), DONE)
    elseif args.yes then
        return apply(plan, name)
    elseif not (core.isatty(STDIN) and core.isatty(STDERR)) then
        tell(("%sporthole %s: nothing was done: --yes applies this plan"):format(plan:text(), name))
        return report(plan, "", NOT_CONFIRMED)
    elseif not agreed(plan) then
        tell(("porthole %s: nothing was done"):format(name))
        return report(plan, "", NOT_CONFIRMED)
    end
    return apply(plan, name)
end

--- A plan that could not be made.
function M.failed(name, message, code)
    tell(("porthole %s: %s"):format(name, message))
    return { text = "", rows = core.rows(step_type, {}), status = M.status(code) }
end

--- The options of a plan, from a recipe's arguments.
function M.options(args)
    return {
        user = args.user, backend = args.backend, interactive = core.isatty(STDIN) and core.isatty(STDERR),
        for_good = args.for_good, force = args.force, even_mine = args.even_mine,
    }
end

return M
