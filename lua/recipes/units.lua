local confirm = require "porthole.confirm"
local units = require "porthole.unit"

return {
    id = "units",
    summary = "services and what starts them, with the ports that they hold",
    description = [[
Lists the services, sockets, timers and paths that the service manager has loaded (of a
system without systemd, the init scripts), with their state, whether they start at
boot, and the ports that they hold open.]],
    categories = { "safe" },
    args = {
        open = { type = "boolean", short = "o", help = "only those that hold a port open" },
        user = confirm.args.user,
        backend = confirm.args.backend,
    },
    run = function(_, args)
        local rows, message, code = units.units { user = args.user, backend = args.backend }
        if not rows then
            return nil, message, code
        end
        return args.open and rows:where(function(row)
            return #row.ports > 0
        end) or rows
    end,
}
