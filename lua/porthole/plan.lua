--- Plans: what is going to be done to the host, as a value. A plan prints as text, is refused when what it was made
-- from has changed, does nothing before `:apply()`, and can be taken back by `:undo()`.
--
-- Its fields: `title`; `steps`, in order; `affects`, what else changes; `notes`; `cannot`, what it leaves alone and
-- why; `refused`, why it must not be applied as it is (`message`, `code`), or nil; after `:apply()` `outcomes`, a
-- sentence a step, and `undo_steps`.
-- @module porthole.plan

local core = require "porthole.core"
local managers = require "porthole.managers"

local M = {}

local Plan = {}
Plan.__index = Plan
Plan.__name = "porthole.plan"

local GRACE = 5 -- seconds beyond the unit's own limit
local DEFAULT_LIMIT = 95
local LOG_LINES = 5

--- How a unit is named to people: that of a user's manager with its user.
local function shown(step)
    return step.user and ("%s of user %d"):format(step.unit, step.user) or step.unit
end

--- What must be the same when a plan is applied as when it was made.
function M.facts(unit)
    return { active = unit.active, sub = unit.sub, invocation = unit.invocation, changed = unit.changed }
end

--- A step that acts on a unit.
-- @tparam string verb start, stop, restart, reload, enable or disable
-- @tparam table unit as a manager's `read` gives it
-- @tparam[opt] integer user whose manager has it
function M.unit_step(verb, unit, user)
    local limit = verb == "start" and unit.start_timeout or unit.stop_timeout
    if verb == "restart" then
        limit = (unit.start_timeout or 0) + (unit.stop_timeout or 0)
    end
    limit = limit and limit < 3600 and 2 * limit + GRACE or DEFAULT_LIMIT
    return {
        verb = verb, unit = unit.id, user = user, limit = limit, facts = M.facts(unit), description = unit.description,
        enabled = unit.enabled,
    }
end

--- What each kind of step says of itself before and does when applied: true; or nil, a message and a code. What takes
-- it back goes to `plan.undo_steps`.
local kinds = {}

local function unit_text(step)
    local state = step.facts and step.facts.active and ("; it is %s"):format(step.facts.active) or ""
    if step.verb == "enable" or step.verb == "disable" then
        state = step.enabled and ("; it is %s"):format(step.enabled) or ""
    end
    local about = step.description and step.description ~= step.unit and (" (%s)"):format(step.description) or ""
    return ("%s %s%s%s"):format(step.verb, shown(step), about, state)
end

--- The last lines that the unit logged, for an error.
local function log_text(plan, step)
    local lines = plan.managers:call(step.user, "log", step.unit, LOG_LINES)
    local parts = {}
    for _, line in ipairs(lines or {}) do
        parts[#parts + 1] = ("\n    %s: %s"):format(line.source or "?", line.message)
    end
    return #parts > 0 and ("\n  its last log lines:%s"):format(table.concat(parts)) or ""
end

local function state_text(outcome)
    local state = outcome.active or "in an unknown state"
    if outcome.sub and outcome.sub ~= outcome.active then
        state = ("%s (%s)"):format(state, outcome.sub)
    end
    if outcome.result and outcome.result ~= "success" then
        state = ("%s, result %s"):format(state, outcome.result)
    end
    return state
end

local moving = { activating = "starting", deactivating = "stopping", reloading = "reloading" }

--- Whether the unit is where the act should have brought it. The job's own word is no proof.
local function reached(verb, outcome)
    local active = outcome.active
    if active == nil or active == "unknown" then
        return outcome.job == "done"
    elseif verb == "stop" then
        return active == "inactive" or active == "failed"
    elseif verb == "reload" then
        return active == "active" and outcome.job == "done"
    end
    return active == "active" or (active == "inactive" and outcome.job == "done" and outcome.result == "success")
end

local function failure(plan, step, outcome)
    local still = moving[outcome.active or ""]
    local exit = outcome.exit_status and (" (exit status %d)"):format(outcome.exit_status) or ""
    local output = outcome.output
        and "\n  it wrote:\n    " .. outcome.output:gsub("%s+$", ""):gsub("\n", "\n    ") or ""
    if still then
        return nil, ("%s: still %s: it is %s, and the order to %s it goes on%s"):format(shown(step), still,
            state_text(outcome), step.verb, log_text(plan, step)), "EINPROGRESS"
    end
    return nil, ("%s: %s did not succeed (job: %s)%s; it is %s%s%s"):format(shown(step), step.verb, outcome.job or "?",
        exit, state_text(outcome), output, log_text(plan, step)), "EIO"
end

local opposite = { start = "stop", stop = "start", enable = "disable", disable = "enable" }

--- A step that takes this one back, as it is written to a record: with nothing of the moment in it.
local function remember_undo(plan, step, rank)
    plan.undo_steps[#plan.undo_steps + 1] = {
        verb = opposite[step.verb], unit = step.unit, user = step.user, rank = rank or step.undo_rank or 3,
        limit = step.limit,
    }
end

local function was_active(step)
    local active = step.facts and step.facts.active
    return active == "active" or active == "activating" or active == "reloading"
end

local SETTLE_LOOKS, SETTLE_SECONDS = 20, 0.1

--- An init script may answer before its daemon has written its pid file: its state is looked at for a while.
local function settles(plan, step, outcome)
    if outcome.exit_status ~= 0 or outcome.job ~= "done" then
        return false
    end
    for _ = 1, SETTLE_LOOKS do
        local unit = core.sleep(SETTLE_SECONDS) and plan.managers:call(step.user, "read", step.unit)
        if not unit then
            return false
        end
        outcome.active, outcome.sub = unit.active, unit.sub
        if reached(step.verb, outcome) then
            return true
        end
    end
    return false
end

local function run_job(plan, step)
    if step.verb == "stop" and was_active(step) or step.verb == "start" and step.facts and not was_active(step) then
        remember_undo(plan, step)
        plan:remember()
    end
    local outcome, message, code, partly = plan.managers:call(step.user, "act", step.verb, step.unit, step.limit)
    if not outcome then
        local still = partly and moving[partly.active or ""]
        if still and code == "ECANCELED" then
            message = ("%s: cancelled while waiting; it is still %s, and that goes on"):format(shown(step), still)
        end
        return nil, message, code
    elseif not reached(step.verb, outcome) and not settles(plan, step, outcome) then
        return failure(plan, step, outcome)
    end
    return true, ("%s: %s"):format(shown(step), state_text(outcome))
end

local function run_files(plan, step)
    local outcome, message, code = plan.managers:call(step.user, "act", step.verb, step.unit, step.limit)
    if not outcome then
        return nil, message, code
    end
    local unit = plan.managers:call(step.user, "read", step.unit)
    local now = unit and unit.enabled or "unknown"
    if now ~= step.enabled then
        remember_undo(plan, step, 0)
        plan:remember()
    end
    local changes = #outcome.changes > 0 and (" (%s)"):format(table.concat(outcome.changes, ", ")) or ""
    if now == step.enabled and #outcome.changes == 0 then
        changes = " (nothing to change)"
    end
    return true, ("%s: %s at boot%s"):format(shown(step), now, changes)
end

for _, verb in ipairs { "start", "stop", "restart", "reload" } do
    kinds[verb] = { text = unit_text, run = run_job }
end
kinds.enable = { text = unit_text, run = run_files }
kinds.disable = { text = unit_text, run = run_files }

local TERM_SECONDS, KILL_SECONDS = 10, 5

--- Ends one process that is known by number, start time and a socket that it holds.
local function finish(target, force)
    local ended, message, code = core.process.finish(target, "TERM", TERM_SECONDS)
    if ended == false and force then
        ended, message, code = core.process.finish(target, "KILL", KILL_SECONDS)
    end
    if ended then
        return true, ("process %d (%s): ended"):format(target.pid, target.name or "?")
    elseif code == "ESRCH" and message:find("ended already", 1, true) then
        return true, ("process %d (%s): it had ended already"):format(target.pid, target.name or "?")
    elseif ended == false then
        return nil, message .. (force and "" or "; --force sends SIGKILL"), "ETIMEDOUT"
    end
    return nil, message, code
end

kinds.signal = {
    text = function(step)
        return ("end process %d (%s) with SIGTERM%s"):format(step.pid, step.name or "?",
            step.force and ", then SIGKILL if it stays" or "")
    end,
    run = function(_, step)
        return finish(step, step.force)
    end,
}

--- What a unit that has stopped left behind: processes that still hold the sockets.
kinds.clear = {
    text = function(step)
        return ("end what %s leaves behind on the port, if anything (KillMode=%s)"):format(shown(step), step.kill_mode)
    end,
    run = function(plan, step)
        local unit = plan.managers:call(step.user, "read", step.unit)
        if unit and unit.active ~= "inactive" and unit.active ~= "failed" then
            return nil, ("%s is %s again: its processes are left alone"):format(shown(step), unit.active), "EBUSY"
        end
        local done = {}
        for _, target in ipairs(step.left(step)) do
            local ok, message, code = finish(target, step.force)
            if not ok then
                return nil, message, code
            end
            done[#done + 1] = message
        end
        return true, #done > 0 and table.concat(done, "; ") or ("%s: nothing is left"):format(shown(step))
    end,
}

--- Makes a plan. `fields` has title, steps, affects, notes, cannot, refused, options; and what a plan does around its
-- steps: `verify(plan)`, true or nil, message, code; `save(plan)` writes the undo steps down; `saved_drop()` forgets.
function M.new(fields)
    local plan = setmetatable(fields, Plan)
    for _, name in ipairs { "steps", "affects", "notes", "cannot", "outcomes", "undo_steps" } do
        plan[name] = plan[name] or {}
    end
    plan.options = plan.options or {}
    plan.managers = plan.managers or managers.new(plan.options)
    plan.state = "planned"
    return plan
end

function M.step_text(step)
    return kinds[step.verb].text(step)
end

local function add_section(lines, heading, items)
    if #items > 0 then
        lines[#lines + 1] = heading
        for _, item in ipairs(items) do
            lines[#lines + 1] = "  - " .. item
        end
    end
end

--- The plan as text of several lines, safe to print.
function Plan:text()
    local lines = { ("Plan: %s"):format(self.title) }
    for i, step in ipairs(self.steps) do
        lines[#lines + 1] = ("  %d. %s"):format(i, M.step_text(step))
    end
    if #self.steps == 0 then
        lines[#lines + 1] = "  nothing to do"
    end
    add_section(lines, "This also happens:", self.affects)
    add_section(lines, "Cannot be done:", self.cannot)
    add_section(lines, "Note:", self.notes)
    if self.refused then
        lines[#lines + 1] = "Refused: " .. self.refused.message
    end
    for i, line in ipairs(lines) do
        lines[i] = core.text.escape(line)
    end
    return table.concat(lines, "\n") .. "\n"
end

Plan.__tostring = Plan.text

local function changed(before, now)
    if before.invocation or now.invocation then
        return before.invocation ~= now.invocation or before.active ~= now.active or before.sub ~= now.sub
    end
    return before.changed ~= now.changed or before.active ~= now.active
end

--- Why the plan no longer fits the host; nil: it does.
function Plan:stale()
    for _, step in ipairs(self.steps) do
        if step.unit and step.facts then
            local unit, message = self.managers:call(step.user, "read", step.unit)
            if not unit then
                return ("%s cannot be read any more: %s"):format(shown(step), message)
            elseif changed(step.facts, unit) then
                return ("%s has changed since the plan was made: it was %s, it is %s; make a new plan"):format(
                    shown(step), step.facts.active or "?", unit.active or "?")
            end
        end
    end
    return self.still_true and self.still_true(self)
end

--- Writes down what takes the steps back, so that `open` can do it in another process.
function Plan:remember()
    if self.save then
        local ok, message = self.save(self)
        if not ok and not self.not_saved then
            self.not_saved = true
            self.notes[#self.notes + 1] = ("not written down, so that `open` by port will not know it: %s"):format(
                message or "?")
        end
    end
end

--- Who asked, for the journal: a claim where it comes from the environment.
local function asker()
    local file = io.open("/proc/self/loginuid", "r")
    local login = file and file:read("n")
    if file then
        file:close()
    end
    local who = ("uid %d"):format(core.process.euid())
    if login and login ~= 4294967295 then
        who = ("%s, login uid %d"):format(who, login)
    end
    local sudo = os.getenv("SUDO_USER")
    return sudo and sudo:find("^[%w_.-]+$") and ("%s, sudo by %s"):format(who, sudo) or who
end

local function record(step, ok, message)
    local first = (message or ""):match("^[^\n]*")
    core.units.record(core.text.escape(("%s: %s%s [asked by %s]"):format(M.step_text(step), ok and "" or "FAILED: ",
        first, asker())), step.unit)
end

--- Calls a function; where Ctrl-C ended it, `instead` says what is true now.
local function interruptible(instead, fn, ...)
    local done, ok, message, code = pcall(fn, ...)
    if done then
        return ok, message, code
    elseif not tostring(ok):find("interrupted", 1, true) then
        error(ok, 0)
    end
    return nil, instead(), "ECANCELED"
end

--- Ctrl-C ends the waiting, and not the order.
local function after_interrupt(plan, step)
    if not step.unit then
        return M.step_text(step) .. ": interrupted while waiting; whether it ended is not known"
    end
    local unit = plan.managers:call(step.user, "read", step.unit)
    if not unit then
        return ("%s: interrupted while waiting; its state is not known"):format(shown(step))
    end
    local still = moving[unit.active or ""]
    still = still and ("still %s, and that goes on: "):format(still) or ""
    return ("%s: interrupted while waiting; it is %s%s"):format(shown(step), still, state_text(unit))
end

--- Runs steps in order. true; or nil, a message and a code.
local function run(plan, steps)
    for _, step in ipairs(steps) do
        local ok, message, code = interruptible(function()
            return after_interrupt(plan, step)
        end, kinds[step.verb].run, plan, step)
        record(step, ok, message)
        plan.outcomes[#plan.outcomes + 1] = message
        if not ok then
            return nil, message, code
        end
    end
    return true
end

--- Applies the plan, and checks that it held.
-- @treturn boolean true; or nil, a message and a code. `outcomes` says what each step did, also after a failure.
function Plan:apply()
    if self.state ~= "planned" then
        return nil, ("this plan is %s already"):format(self.state), "EALREADY"
    elseif self.refused then
        return nil, self.refused.message, self.refused.code
    end
    local stale = self:stale()
    if stale then
        return nil, stale, "ESTALE"
    end
    self.state = "applied"
    local ok, message, code = run(self, self.steps)
    if ok and self.verify then
        ok, message, code = interruptible(function()
            return "interrupted before it was seen whether it holds"
        end, self.verify, self)
        if ok and type(message) == "string" then
            self.outcomes[#self.outcomes + 1] = message
        end
    end
    if not ok then
        return nil, message, code
    end
    return true
end

--- The undo steps in the order in which they have to be taken: files, sockets, what triggers, services, dependents.
function M.undo_order(steps)
    local order = {}
    for i, step in ipairs(steps) do
        order[i] = { step = step, at = i }
    end
    table.sort(order, function(a, b)
        if a.step.rank ~= b.step.rank then
            return a.step.rank < b.step.rank
        end
        return a.at < b.at
    end)
    for i, entry in ipairs(order) do
        order[i] = entry.step
    end
    return order
end

--- Takes back what was applied.
-- @treturn boolean true; or nil, a message and a code
function Plan:undo()
    if self.state ~= "applied" then
        return nil, "this plan is not applied: there is nothing to take back", "EINVAL"
    elseif #self.undo_steps == 0 then
        return nil, "what was done cannot be taken back", "EOPNOTSUPP"
    end
    self.state = "undone"
    local steps = M.undo_order(self.undo_steps)
    self.save = nil
    self.undo_steps = {}
    local ok, message, code = run(self, steps)
    if ok and self.saved_drop then
        self.saved_drop()
    end
    return ok, message, code
end

return M
