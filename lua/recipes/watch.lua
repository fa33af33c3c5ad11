local changes = require "porthole.changes"
local endpoints = require "porthole.endpoints"
local address_text = require("porthole.format.table").address_text

local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }

--- Seconds of "10m", "1.5", "2h"; nil where it is none.
local function seconds(text)
    local number, unit = text:match("^(%d+%.?%d*)([smhd]?)$")
    return number and tonumber(number) * (UNITS[unit] or 1)
end

local function programs(endpoint)
    local names = {}
    for i, process in ipairs(endpoint.processes or {}) do
        names[i] = ("%s/%d"):format(process.name or "?", process.pid)
    end
    return #names > 0 and table.concat(names, ", ") or "?"
end

local function line_of(ctx, change)
    local endpoint, addresses = change.endpoint, {}
    for i, entry in ipairs(endpoint.addresses) do
        addresses[i] = address_text(entry)
    end
    return ctx.escape(("%s  %-7s  %-10s %-14s %s  %s"):format(os.date("%H:%M:%S"), change.event,
        endpoint.port .. "/" .. endpoint.proto, endpoint.service or "-", table.concat(addresses, ", "),
        programs(endpoint))) .. "\n"
end

local function rows_of(ctx, list)
    local now = os.date("!%Y-%m-%dT%H:%M:%SZ")
    for i, change in ipairs(list) do
        local row = { time = now, event = change.event }
        for _, column in ipairs(changes.type.columns) do
            row[column.name] = row[column.name] or change.endpoint[column.name]
        end
        list[i] = row
    end
    return ctx.rows(changes.type, list)
end

--- How changes are written in each format; `first` until something was.
local writers = {}

function writers.table(ctx, list)
    for i, change in ipairs(list) do
        list[i] = line_of(ctx, change)
    end
    return table.concat(list)
end

function writers.ndjson(ctx, list)
    return require("porthole.format.json").lines(rows_of(ctx, list))
end

local function separated(kind)
    return function(ctx, list, first)
        local text = require("porthole.format.csv")[kind](rows_of(ctx, list))
        return first and text or text:gsub("^[^\n]*\n", "", 1)
    end
end

writers.csv, writers.tsv = separated("csv"), separated("tsv")

--- The line at the bottom of a terminal, which the next output replaces.
local function status(ctx, text)
    if ctx.terminal and ctx.errors_shown then
        io.stderr:write("\r\27[K", text)
        io.stderr:flush()
    end
end

--- A function that gives the next changes as text, and nil when the time is over.
local function stream(ctx, every, duration)
    local before, problem, code = endpoints.list()
    local started, polls, seen, first = ctx.clock(), 0, 0, true
    local write = writers[ctx.format]
    return before and function()
        -- Whatever ends this look, Ctrl-C included, the status line goes with it.
        local line <close> = setmetatable({}, { __close = function()
            status(ctx, "")
        end })
        while line do
            status(ctx, ("%d open, %d changes; Ctrl-C ends"):format(#before, seen))
            polls = polls + 1
            local wake = started + polls * every
            if duration and wake > started + duration then
                return nil
            end
            local woken
            woken, problem, code = ctx.sleep(math.max(0, wake - ctx.clock()))
            local after
            if woken then
                after, problem, code = endpoints.list()
            end
            if not after then
                return nil, problem, code
            end
            local list = changes.between(before, after)
            before = after
            -- What the last look left behind is memory of C that Lua does not see.
            collectgarbage()
            if #list > 0 then
                seen = seen + #list
                local text = write(ctx, list, first)
                first = false
                return text
            end
        end
    end, problem, code
end

return {
    id = "watch",
    summary = "what opens and closes, live",
    description = [[
Prints a line for each service that opens, closes, or gets another address or another owner, with the time. It looks
once a second, or as --every says, and so sees whatever is open for longer than that. Ctrl-C ends it, and so does a
reader that goes away.]],
    categories = { "safe" },
    args = {
        every = { type = "string", default = "1s", help = "how often to look: 1s, 0.2, 1m", metavar = "TIME" },
        ["for"] = { type = "string", help = "how long to watch: 30s, 10m, 1h; else until Ctrl-C", metavar = "TIME" },
    },
    run = function(ctx, args)
        local every, duration = seconds(args.every), args["for"] and seconds(args["for"])
        if not every or every < 0.05 then
            ctx.usage("option '--every' takes a time of at least 0.05 s, such as 1s or 1m, not '" .. args.every .. "'")
        elseif args["for"] and not duration then
            ctx.usage("option '--for' takes a time such as 30s or 10m, not '" .. args["for"] .. "'")
        elseif not writers[ctx.format] then
            ctx.usage(("there is no --format %s of what has no end: use ndjson"):format(ctx.format))
        end
        local next_text, problem, code = stream(ctx, every, duration)
        if not next_text then
            return nil, problem, code
        end
        return { stream = next_text, status = 0, interrupted = 0 }
    end,
}
