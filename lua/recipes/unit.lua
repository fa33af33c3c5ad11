local confirm = require "porthole.confirm"
local units = require "porthole.unit"

local LOG_LINES = 5

local function joined(list)
    return #list > 0 and table.concat(list, ", ") or "none"
end

--- The state as text for people: bytes from outside are escaped by the caller.
local function status_text(unit, row)
    local lines = {
        ("%s - %s"):format(row.name, row.description or ""),
        ("  state    %s (%s)"):format(row.active, row.sub or "?"),
        ("  at boot  %s"):format(row.enabled or "unknown"),
        ("  ports    %s"):format(joined(row.ports)),
    }
    if row.main_pid then
        lines[#lines + 1] = ("  process  %d"):format(row.main_pid)
    end
    if #row.sockets > 0 then
        lines[#lines + 1] = ("  sockets  %s"):format(joined(row.sockets))
    end
    if row.restart and row.restart ~= "no" then
        lines[#lines + 1] = ("  restart  %s"):format(row.restart)
    end
    local log = unit:log(LOG_LINES)
    for i = 1, log and #log or 0 do
        lines[#lines + 1] = ("  log      %s: %s"):format(log[i].source or "?", log[i].message or "")
    end
    return confirm.visible(lines)
end

local function status(unit)
    local rows, message, code = unit:rows()
    if not rows then
        return confirm.failed("unit", message, code)
    end
    return { text = status_text(unit, rows[1]), rows = rows }
end

return {
    id = "unit",
    summary = "one service: its state, or start, stop, restart, reload, enable, disable it",
    description = [[
Shows a service's state, its ports and its last log lines, or acts on it. An act is
first shown as a plan, and applied when you agree (or with --yes). Whether it succeeded
is judged by the unit's state afterwards, not by what its manager answered.]],
    categories = { "control" },
    args = confirm.with {
        name = {
            type = "string", positional = 1, required = true, metavar = "NAME",
            help = "such as apache2, ssh.socket, getty@tty1",
        },
        act = {
            type = "choice", positional = 2, default = "status", metavar = "ACT",
            choices = { "status", "start", "stop", "restart", "reload", "enable", "disable" },
            help = "what to do",
        },
    },
    run = function(ctx, args)
        local name, problem = units.full_name(args.name, args.backend)
        if not name then
            ctx.usage(problem)
        end
        local unit = units.unit(args.name, confirm.options(args))
        if args.act == "status" then
            return status(unit)
        end
        local plan, message, code = unit[args.act](unit)
        if not plan then
            return confirm.failed("unit", message, code)
        end
        return confirm.run("unit", plan, args)
    end,
}
