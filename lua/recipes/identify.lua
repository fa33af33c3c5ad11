--- What answers on the open ports: protocol, program, version, certificate.
local function run(ctx, args)
    local options = { scope = args.scope, exclude = args.exclude, family = args.inet6 and "inet6" or nil,
        plain = args.udp and (args.tcp and "both" or "udp") or "tcp" }
    for _, prefix in ipairs(args.scope) do
        if not require("porthole.scope").is_prefix(prefix) then
            ctx.usage(("option '--scope' must be an address or a block such as 192.0.2.0/24, not '%s'"):format(prefix))
        end
    end
    local rows, problem, code = ctx.probe(args.target, args.ports, options)
    if not rows then
        if code == "EACCES" or code == "EINVAL" or code == "E2BIG" then
            ctx.usage(problem)
        end
        return nil, problem, code
    end
    local found = require("porthole.identify").identify(rows, { scope = require("porthole.scope").with(args.scope) })
    return {
        rows = found,
        columns = { "port", "proto", "address", "service", "product", "version", "info", {
            heading = "TLS", weight = 3, value = function(row)
                local tls = row.tls
                return tls and tls.version .. (tls.self_signed and " (self-signed)" or "") or "-"
            end,
        } },
    }
end

return {
    id = "identify",
    summary = "what answers on the open ports: protocol, program, version",
    description = [[
Probes like 'porthole scan', then talks to every open port in each protocol that it knows (lua/probes, a file each; your
own in ~/.config/porthole/probes), plain and inside of TLS. Names only what an answer proves; certificates are shown,
not verified. Other hosts than this one need --scope.]],
    categories = { "probe" },
    args = {
        target = { type = "string", positional = true, repeatable = true, required = true,
            help = "an address, a name, a block; localhost" },
        ports = { type = "string", short = "p", help = "as for scan: 1-1024,U:53,http*" },
        udp = { type = "boolean", short = "u", help = "UDP: plain ports mean UDP" },
        tcp = { type = "boolean", short = "t", help = "with --udp: TCP as well" },
        inet6 = { type = "boolean", short = "6", help = "a name means its IPv6 addresses" },
        scope = { type = "string", repeatable = true, default = {}, metavar = "CIDR", help = "may be probed too" },
        exclude = { type = "string", repeatable = true, default = {}, help = "leave out" },
    },
    run = run,
}
