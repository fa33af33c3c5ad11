local endpoints = require "porthole.endpoints"
local reach = require "porthole.reach"
local address_text = require("porthole.format.table").address_text

--- "nginx", "nginx (4)", "systemd, sshd"; "?" where none can be seen.
local function programs(row)
    local processes = row.processes or {}
    if #processes < 2 then
        return processes[1] and processes[1].name or "?"
    end
    local count, names = {}, {}
    for _, process in ipairs(processes) do
        local name = process.name or "?"
        if not count[name] then
            names[#names + 1] = name
        end
        count[name] = (count[name] or 0) + 1
    end
    for i, name in ipairs(names) do
        if count[name] > 1 then
            names[i] = ("%s (%d)"):format(name, count[name])
        end
    end
    return table.concat(names, ", ")
end

--- Says of a wildcard IPv6 socket what no address says: whether it takes IPv4.
local function addresses(row)
    local parts = {}
    for i, entry in ipairs(row.addresses) do
        local text = address_text(entry)
        if entry.address == "::" and entry.v6only == false then
            text = text .. " and IPv4"
        elseif entry.address == "::" and entry.v6only == nil then
            text = text .. " (IPv4?)"
        end
        parts[i] = text
    end
    return table.concat(parts, ", ")
end

local colours = { internet = "31", lan = "33", host = "32" }

local columns = {
    { heading = "PORT", weight = 10, type = "name", value = function(row)
        return row.port .. "/" .. row.proto
    end },
    { heading = "SERVICE", name = "service", weight = 7 },
    { heading = "PROGRAM", weight = 9, value = programs },
    { heading = "UNIT", name = "unit", weight = 5 },
    { heading = "ADDRESSES", weight = 6, value = addresses },
    { heading = "REACH", weight = 8, colour = function(row)
        return colours[row.reach]
    end, value = function(row)
        return row.reach or "?"
    end },
}

--- With --netns the table says which.
local everywhere = table.move(columns, 1, #columns, 2, { { heading = "NETNS", name = "netns", weight = 8 } })

local names = { internet = "internet", lan = "lan", link = "this link only", host = "this host only" }

--- How many ports go how far; a port of several endpoints goes as far as the widest of them.
local function counted(list)
    local ports, far, hidden = 0, {}, 0
    local widest = {}
    for _, row in ipairs(list) do
        local key = (row.netns or "") .. "/" .. row.proto .. "/" .. row.port
        local before = widest[key]
        ports = before and ports or ports + 1
        if not before or (reach.order[row.reach] or 0) > (reach.order[before] or 0) then
            widest[key] = row.reach or "?"
        end
        hidden = row.processes and hidden or hidden + 1
    end
    for _, kind in pairs(widest) do
        far[kind] = (far[kind] or 0) + 1
    end
    return ports, far, hidden
end

--- Whether this process is root's, by proc(5).
local function is_root()
    local file <close> = io.open("/proc/self/status", "r")
    local text = file and file:read("a") or ""
    return text:match("\nUid:%s*%d+%s+(%d+)") == "0"
end

local function hidden_text(hidden)
    if hidden == 0 then
        return ""
    elseif is_root() then
        return ("; %d without a process that can be seen from here"):format(hidden)
    end
    return ("; the owner of %d is hidden: run with sudo to see it"):format(hidden)
end

local function summary(list)
    local ports, far, hidden = counted(list)
    local parts = {}
    for _, kind in ipairs { "internet", "lan", "link", "host" } do
        if far[kind] then
            parts[#parts + 1] = ("%d %s"):format(far[kind], names[kind])
        end
    end
    if far["?"] then
        parts[#parts + 1] = ("%d of unknown reach"):format(far["?"])
    end
    return ("%d port%s open%s%s%s"):format(ports, ports == 1 and "" or "s", #parts > 0 and ": " or "",
        table.concat(parts, ", "), hidden_text(hidden))
end

return {
    id = "audit",
    summary = "open ports, who holds them, and how far they reach",
    description = [[
Lists every port that is open on this host: TCP listeners, and UDP sockets that are
bound to a port and take from anybody. Each row is one service, with all addresses
that the same processes hold. REACH is how far the widest of the addresses goes,
whatever a firewall says: "host" this host only, "link" its direct neighbours, "lan"
private networks, "internet" everybody; "?" where none of them holds or it is not known.
Without root the programs of other users are hidden; their ports are listed.]],
    categories = { "safe" },
    args = {
        netns = { type = "string", metavar = "NAME", help = "the network namespace to look at: a name, the number of a "
            .. "process, a path, or all" },
    },
    run = function(ctx, args)
        local list, partial, code = endpoints.list(args.netns)
        if not list then
            return nil, partial, code
        end
        return {
            rows = endpoints.rows(list, partial), items = list, columns = args.netns and everywhere or columns,
            summary = ctx.format == "table" and summary(list) or nil,
        }
    end,
}
