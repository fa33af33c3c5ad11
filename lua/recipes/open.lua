local close = require "porthole.close"
local confirm = require "porthole.confirm"
local open = require "porthole.open"
local units = require "porthole.unit"

--- A port where it begins with a digit and can be one; otherwise a unit's name.
local function read(ctx, word, backend)
    if word:find("^%d+$") or word:find("^%d+/") then
        local entry, problem = close.parse(word)
        if not entry then
            ctx.usage(problem)
        end
        return entry
    end
    local name, problem = units.full_name(word, backend)
    if not name then
        ctx.usage(problem)
    end
    return word
end

return {
    id = "open",
    summary = "start again what close stopped, and wait until the port listens",
    description = [[
By port it starts what `porthole close` stopped there, in the right order, and enables
again what --for-good disabled. By name it starts that service, with the socket units
that belong to it. It waits until the port listens. Without --yes it asks first.]],
    categories = { "control" },
    args = confirm.with {
        what = {
            type = "string", positional = 1, required = true, metavar = "NAME|PORT",
            help = "a service such as apache2, or a port that porthole closed",
        },
    },
    run = function(ctx, args)
        local what = read(ctx, args.what, args.backend)
        local plan, message, code = open.plan(what, confirm.options(args))
        if not plan then
            return confirm.failed("open", message, code)
        end
        return confirm.run("open", plan, args)
    end,
}
