--- The outputs that nmap's users and their programs read: normal, XML (by nmap's DTD) and grepable.
-- Open ports are always listed one by one, up to 25 of another state as well; more are summed up.
-- @module porthole.scanreport

local core = require "porthole.core"

local M = {}

local SHOWN = 25

--- A line on standard error that overwrites itself: how much is done, and how long the rest may take.
function M.progress()
    local start, last = core.clock(), 0
    return function(done, total)
        local now = core.clock()
        if now - last < 0.5 or done == 0 then
            return
        end
        last = now
        local left = (now - start) * (total - done) / done
        io.stderr:write(("\r%3d%% of %d ports, about %d s left \27[K"):format(done * 100 // total, total, left))
    end
end

--- Takes that line away.
function M.end_progress(ctx)
    if ctx.terminal then
        io.stderr:write("\r\27[K")
    end
end

--- Rows by host: {address, target, rows, states = {[state] = {count, by reason and protocol}}}.
local function by_host(rows)
    local hosts, found = {}, {}
    for _, row in ipairs(rows) do
        local address = row.address
        local host = found[address]
        if not host then
            host = { address = address, target = row.target, list = {}, counts = {}, fastest = math.huge }
            found[address], hosts[#hosts + 1] = host, host
        end
        local one = {
            port = row.port, proto = row.proto, state = row.state, reason = row.reason, service = row.service,
            rtt_us = row.rtt_us,
        }
        host.list[#host.list + 1] = one
        host.counts[one.state] = (host.counts[one.state] or 0) + 1
        host.fastest = math.min(host.fastest, one.rtt_us or math.huge)
    end
    return hosts
end

local function is_summed(host, one)
    return one.state ~= "open" and host.counts[one.state] > SHOWN
end

--- What is summed up: by state, then by protocol and reason, each with its ports.
local function sums_of(host)
    local states, order = {}, {}
    for _, one in ipairs(host.list) do
        if is_summed(host, one) then
            local sum = states[one.state]
            if not sum then
                sum = { state = one.state, count = 0, parts = {}, found = {} }
                states[one.state], order[#order + 1] = sum, sum
            end
            local key = one.proto .. " " .. one.reason
            local part = sum.found[key]
            if not part then
                part = { proto = one.proto, reason = one.reason, ports = {} }
                sum.found[key], sum.parts[#sum.parts + 1] = part, part
            end
            sum.count = sum.count + 1
            part.ports[#part.ports + 1] = one.port
        end
    end
    return order
end

local function listed(host, scan)
    local list = {}
    for _, one in ipairs(host.list) do
        local wanted = not scan.settings.open or one.state:find("^open")
        if wanted and not is_summed(host, one) then
            list[#list + 1] = one
        end
    end
    return list
end

--- Everything that an output is made of, made once.
local function hosts_of(scan)
    if not scan.hosts then
        scan.hosts = by_host(scan.rows)
        for _, host in ipairs(scan.hosts) do
            host.listed, host.sums = listed(host, scan), sums_of(host)
        end
    end
    return scan.hosts
end

--- "1-3,7"
local function ranges(ports)
    local parts, at = {}, 1
    while at <= #ports do
        local last = at
        while ports[last + 1] == ports[last] + 1 do
            last = last + 1
        end
        parts[#parts + 1] = last > at and ("%d-%d"):format(ports[at], ports[last]) or tostring(ports[at])
        at = last + 1
    end
    return table.concat(parts, ",")
end

local function shown_name(host)
    if host.target == host.address or not host.target:find("^[%w_.-]*%a[%w_.-]*$") then
        return host.address
    end
    return ("%s (%s)"):format(host.target, host.address)
end

local function command(scan)
    return core.text.escape("porthole scan " .. table.concat(scan.words, " "))
end

--- "Not shown: 65515 closed tcp ports (conn-refused)"
local function not_shown(host)
    local parts = {}
    for _, sum in ipairs(host.sums) do
        for _, part in ipairs(sum.parts) do
            parts[#parts + 1] = ("%d %s %s port%s (%s)"):format(#part.ports, sum.state, part.proto,
                #part.ports == 1 and "" or "s", part.reason)
        end
    end
    return #parts > 0 and "Not shown: " .. table.concat(parts, ", ") or nil
end

--- Columns as wide as their widest cell.
local function port_table(host, scan)
    local lines = { { "PORT", "STATE", "SERVICE", scan.settings.reason and "REASON" or nil } }
    for _, one in ipairs(host.listed) do
        lines[#lines + 1] = {
            ("%d/%s"):format(one.port, one.proto), one.state, one.service or "unknown",
            scan.settings.reason and one.reason or nil,
        }
    end
    local widths = { 0, 0, 0, 0 }
    for _, line in ipairs(lines) do
        for i, cell in ipairs(line) do
            widths[i] = math.max(widths[i], #cell)
        end
    end
    for i, line in ipairs(lines) do
        local cells = {}
        for j, cell in ipairs(line) do
            cells[j] = j < #line and cell .. (" "):rep(widths[j] - #cell) or cell
        end
        lines[i] = table.concat(cells, " ")
    end
    return lines
end

local function host_lines(host, scan, lines)
    lines[#lines + 1] = "porthole scan report for " .. core.text.escape(shown_name(host))
    lines[#lines + 1] = host.fastest < math.huge and ("Host is up (%.6fs latency)."):format(host.fastest / 1e6)
        or "Host is up: nothing answered."
    if #host.listed == 0 and #host.sums == 1 and #host.sums[1].parts == 1 then
        lines[#lines + 1] = ("All %d scanned ports on %s are in ignored states."):format(#host.list,
            core.text.escape(shown_name(host)))
    end
    lines[#lines + 1] = not_shown(host)
    if #host.listed > 0 then
        if #host.sums == 0 then
            lines[#lines + 1] = ""
        end
        table.move(port_table(host, scan), 1, #host.listed + 1, #lines + 1, lines)
    end
    lines[#lines + 1] = ""
end

--- nmap's normal output.
-- @treturn string
function M.normal(scan)
    local hosts = hosts_of(scan)
    local start = os.date("%Y-%m-%d %H:%M %Z", scan.started)
    local lines = { ("Starting porthole %s scan at %s"):format(core.version, start) }
    for _, host in ipairs(hosts) do
        host_lines(host, scan, lines)
    end
    lines[#lines + 1] = ("porthole done: %d IP address%s (%d host%s up) scanned in %.2f seconds"):format(#hosts,
        #hosts == 1 and "" or "es", #hosts, #hosts == 1 and "" or "s", scan.elapsed)
    return table.concat(lines, "\n") .. "\n"
end

--- nmap's grepable output.
-- @treturn string
function M.grepable(scan)
    local lines = { ("# porthole %s scan initiated %s as: %s"):format(core.version,
        os.date("%a %b %d %H:%M:%S %Y", scan.started), command(scan)) }
    for _, host in ipairs(hosts_of(scan)) do
        local name = host.target ~= host.address and host.target:find("^[%w_.-]*%a[%w_.-]*$") and host.target or ""
        local head = ("Host: %s (%s)"):format(host.address, name)
        lines[#lines + 1] = head .. "\tStatus: Up"
        local cells, sums = {}, {}
        for i, one in ipairs(host.listed) do
            cells[i] = ("%d/%s/%s//%s///"):format(one.port, one.state, one.proto,
                ((one.service or ""):gsub("/", "|")))
        end
        for i, sum in ipairs(host.sums) do
            sums[i] = ("%s (%d)"):format(sum.state, sum.count)
        end
        lines[#lines + 1] = table.concat({ head, #cells > 0 and "Ports: " .. table.concat(cells, ", ") or nil,
            #sums > 0 and "Ignored State: " .. table.concat(sums, ", ") or nil }, "\t")
        if #cells == 0 and #sums > 0 then
            lines[#lines] = head .. "\tIgnored State: " .. table.concat(sums, ", ")
        end
    end
    lines[#lines + 1] = ("# porthole done at %s -- %d IP addresses (%d hosts up) scanned in %.2f seconds"):format(
        os.date("%a %b %d %H:%M:%S %Y", scan.started + math.floor(scan.elapsed)), #hosts_of(scan), #hosts_of(scan),
        scan.elapsed)
    return table.concat(lines, "\n") .. "\n"
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&apos;" }

--- An attribute's value. What XML cannot have is made visible first.
local function quoted(value)
    return (core.text.escape(tostring(value)):gsub("[&<>\"']", entities))
end

--- <name key="value" ...>, attributes in the order that they are given in.
local function tag(name, attributes, closed)
    local parts = { "<" .. name }
    for _, pair in ipairs(attributes) do
        parts[#parts + 1] = ('%s="%s"'):format(pair[1], quoted(pair[2]))
    end
    return table.concat(parts, " ") .. (closed and "/>" or ">")
end

local function port_xml(one)
    local parts = {
        tag("port", { { "protocol", one.proto }, { "portid", one.port } }),
        tag("state", { { "state", one.state }, { "reason", one.reason }, { "reason_ttl", 0 } }, true),
    }
    if one.service then
        parts[#parts + 1] = tag("service", { { "name", one.service }, { "method", "table" }, { "conf", 3 } }, true)
    end
    parts[#parts + 1] = "</port>"
    return table.concat(parts)
end

local function host_xml(host, scan, lines)
    local finish = scan.started + math.ceil(scan.elapsed)
    lines[#lines + 1] = tag("host", { { "starttime", scan.started }, { "endtime", finish } })
    lines[#lines + 1] = tag("status", { { "state", "up" }, { "reason", "user-set" }, { "reason_ttl", 0 } }, true)
    lines[#lines + 1] = tag("address", { { "addr", host.address:gsub("%%.*", "") },
        { "addrtype", host.address:find(":", 1, true) and "ipv6" or "ipv4" } }, true)
    lines[#lines + 1] = "<hostnames>"
    if host.target ~= host.address and host.target:find("^[%w_.-]*%a[%w_.-]*$") then
        lines[#lines + 1] = tag("hostname", { { "name", host.target }, { "type", "user" } }, true)
    end
    lines[#lines + 1] = "</hostnames>"
    lines[#lines + 1] = "<ports>"
    for _, sum in ipairs(host.sums) do
        lines[#lines + 1] = tag("extraports", { { "state", sum.state }, { "count", sum.count } })
        for _, part in ipairs(sum.parts) do
            lines[#lines + 1] = tag("extrareasons", { { "reason", part.reason }, { "count", #part.ports },
                { "proto", part.proto }, { "ports", ranges(part.ports) } }, true)
        end
        lines[#lines + 1] = "</extraports>"
    end
    for _, one in ipairs(host.listed) do
        lines[#lines + 1] = port_xml(one)
    end
    lines[#lines + 1] = "</ports>"
    lines[#lines + 1] = "</host>"
end

--- Which ports were asked for, for each protocol.
local function scaninfo(scan, lines)
    local ports = { tcp = {}, udp = {} }
    local seen = { tcp = {}, udp = {} }
    for _, host in ipairs(hosts_of(scan)) do
        for _, one in ipairs(host.list) do
            if not seen[one.proto][one.port] then
                seen[one.proto][one.port] = true
                table.insert(ports[one.proto], one.port)
            end
        end
    end
    for _, proto in ipairs { "tcp", "udp" } do
        if #ports[proto] > 0 then
            table.sort(ports[proto])
            lines[#lines + 1] = tag("scaninfo", { { "type", proto == "tcp" and "connect" or "udp" },
                { "protocol", proto }, { "numservices", #ports[proto] }, { "services", ranges(ports[proto]) } }, true)
        end
    end
end

--- XML as nmap writes it, valid by its DTD.
-- @treturn string
function M.xml(scan)
    local finish = scan.started + math.ceil(scan.elapsed)
    local hosts = hosts_of(scan)
    local date = "%a %b %d %H:%M:%S %Y"
    local lines = {
        '<?xml version="1.0" encoding="UTF-8"?>', "<!DOCTYPE nmaprun>",
        tag("nmaprun", { { "scanner", "nmap" }, { "args", "porthole scan " .. table.concat(scan.words, " ") },
            { "start", scan.started }, { "startstr", os.date(date, scan.started) },
            { "version", "porthole " .. core.version }, { "xmloutputversion", "1.05" } }),
    }
    scaninfo(scan, lines)
    lines[#lines + 1] = tag("verbose", { { "level", scan.settings.verbose and 1 or 0 } }, true)
    lines[#lines + 1] = tag("debugging", { { "level", 0 } }, true)
    for _, host in ipairs(hosts) do
        host_xml(host, scan, lines)
    end
    lines[#lines + 1] = "<runstats>"
    lines[#lines + 1] = tag("finished", { { "time", finish }, { "timestr", os.date(date, finish) },
        { "summary", ("porthole done at %s; %d IP addresses (%d hosts up) scanned in %.2f seconds"):format(
            os.date(date, finish), #hosts, #hosts, scan.elapsed) },
        { "elapsed", ("%.2f"):format(scan.elapsed) }, { "exit", "success" } }, true)
    lines[#lines + 1] = tag("hosts", { { "up", #hosts }, { "down", 0 }, { "total", #hosts } }, true)
    lines[#lines + 1] = "</runstats>"
    lines[#lines + 1] = "</nmaprun>"
    return table.concat(lines, "\n") .. "\n"
end

return M
