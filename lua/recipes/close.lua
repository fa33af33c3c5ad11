local close = require "porthole.close"
local confirm = require "porthole.confirm"

return {
    id = "close",
    summary = "close ports: stop what holds them, and see that they stay closed",
    description = [[
Finds every socket on the port, the units and processes that hold it, and what would
open it again: socket units, paths, timers, units that hold others up. It makes a plan
of all that, shows what else stops and who is connected, and applies it when you agree
(or with --yes). Afterwards it looks twice whether the port is really closed. A service
stays enabled, and is there again after a boot, unless --for-good is given.
`porthole open PORT` takes it back.]],
    categories = { "control" },
    args = confirm.with {
        port = {
            type = "string", positional = 1, repeatable = true, required = true, metavar = "PORT[/tcp|/udp]",
            help = "a port number; without protocol whatever is open there",
        },
        for_good = { type = "boolean", help = "also disable what starts it at boot" },
        force = { type = "boolean", help = "SIGKILL for a process that SIGTERM does not end" },
        even_mine = { type = "boolean", help = "even when it carries the session that porthole runs in" },
    },
    run = function(ctx, args)
        local ports = {}
        for i, text in ipairs(args.port) do
            local entry, problem = close.parse(text)
            if not entry then
                ctx.usage(problem)
            end
            ports[i] = entry
        end
        local plan, message, code = close.plan(ports, confirm.options(args))
        if not plan then
            return confirm.failed("close", message, code)
        end
        return confirm.run("close", plan, args)
    end,
}
