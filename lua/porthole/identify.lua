--- What answers on a port: connects, listens, asks in each protocol that lua/probes describes, and reads the answers.
-- A protocol counts only where its answer fits the question; everything else names nothing.
-- @module porthole.identify

local core = require "porthole.core"
local net = require "porthole.net"

local M = {}

local OWN_FOLDER = debug.getinfo(1, "S").source:match("^@(.*)/porthole/identify%.lua$") or "."

local HELLO_WAIT, ANSWER_WAIT, QUIET_WAIT = 1.5, 2.5, 0.2
local REPLY_LIMIT, BANNER_LIMIT = 16384, 512
local AT_ONCE, PORTS_AT_ONCE = 10, 32

local keys = {
    id = "string", summary = "string", transport = "string", ports = "table", hello = "boolean", send = true,
    read = "function",
}

--- What is wrong with what a probe's file returned, or nil.
local function check(probe, id)
    if type(probe) ~= "table" then
        return "must return a table, not a " .. type(probe)
    end
    for key, value in pairs(probe) do
        if not keys[key] then
            return ("unknown key '%s'"):format(tostring(key))
        elseif keys[key] ~= true and type(value) ~= keys[key] then
            return ("%s must be a %s, not a %s"):format(key, keys[key], type(value))
        end
    end
    for _, key in ipairs { "id", "summary", "transport", "ports", "read" } do
        if probe[key] == nil then
            return key .. " is missing"
        end
    end
    if probe.id ~= id then
        return ("id is '%s', but the file's name says '%s'"):format(probe.id, id)
    elseif probe.transport ~= "tcp" and probe.transport ~= "udp" then
        return "transport must be 'tcp' or 'udp'"
    elseif not probe.hello and type(probe.send) ~= "string" and type(probe.send) ~= "function" then
        return "send must be a string or a function, unless hello is true"
    end
end

local function load_probe(path, id)
    local chunk, problem = loadfile(path, "t")
    if not chunk then
        return nil, problem
    end
    local ok, probe = pcall(chunk)
    problem = not ok and tostring(probe) or check(probe, id)
    if problem then
        return nil, path .. ": " .. problem
    end
    return probe
end

local function folders()
    local config = core.paths.config()
    local own = OWN_FOLDER .. "/probes"
    return config and { config .. "/probes", own } or { own }
end

--- All probes that work; a user's own takes the place of the program's.
-- @treturn {table,...} by id
-- @treturn {string,...} what is wrong with the others
function M.probes()
    local list, problems, seen = {}, {}, {}
    for _, folder in ipairs(folders()) do
        for _, name in ipairs(core.directory(folder) or {}) do
            local id = name:match("^(%a[%w_-]*)%.lua$")
            local path = id and folder .. "/" .. name
            if id and not seen[id] then
                local ok, problem = true, nil
                if folder ~= OWN_FOLDER .. "/probes" then
                    ok, problem = core.trusted(path)
                    problem = not ok and path .. ": " .. (problem or "another user could have written it") or nil
                end
                local probe
                if ok then
                    probe, problem = load_probe(path, id)
                end
                seen[id], list[#list + 1] = probe ~= nil, probe
                problems[#problems + 1] = problem
            end
        end
    end
    table.sort(list, function(a, b)
        return a.id < b.id
    end)
    return list, problems
end

--- What a probe's read() gets besides the answer: the connection, to ask on.
local Talk = {}
Talk.__index = Talk

--- Receives until it is quiet, or enough.
function Talk:reply(wait)
    local parts, length = {}, 0
    local deadline = core.clock() + ANSWER_WAIT
    local data = self.connection:some(wait or ANSWER_WAIT)
    while data do
        parts[#parts + 1] = data
        length = length + #data
        if length >= REPLY_LIMIT or core.clock() > deadline or self.connection.datagram then
            break
        end
        data = self.connection:some(QUIET_WAIT)
    end
    return length > 0 and table.concat(parts):sub(1, REPLY_LIMIT) or nil
end

--- Sends, and receives the answer. An echo is no answer.
-- @treturn ?string
function Talk:ask(data, wait)
    if not self.connection:send(data) then
        return nil
    end
    local reply = self:reply(wait)
    if reply and data ~= "" and reply:sub(1, #data) == data:sub(1, #reply) then
        return nil
    end
    return reply
end

--- Goes on with TLS and keeps what it shows.
-- @treturn boolean
function Talk:starttls(alpn)
    local ok = self.connection:starttls { alpn = alpn, name = self.name }
    if ok then
        self.tls = self.connection:tls()
    end
    return ok ~= nil
end

local function open(port, tls)
    local connection = net.connect(port.address, port.port, {
        timeout = ANSWER_WAIT, scope = port.scope, udp = port.proto == "udp", limit = 1 << 20,
    })
    if not connection then
        return nil
    end
    local talk = setmetatable({ connection = connection, name = port.name, port = port.port }, Talk)
    if tls and not talk:starttls("http/1.1") then
        connection:close()
        return nil
    end
    return talk
end

--- Runs read() safely: an answer that trips it up proves nothing.
local function read_safely(probe, reply, talk)
    local ok, found = pcall(probe.read, reply, talk)
    if ok and type(found) == "table" then
        found.service = found.service or probe.id
        found.banner = found.banner or reply
        found.tls = talk.tls
        return found
    elseif not ok and tostring(found):find("interrupted") then
        error(found, 0)
    end
end

local function is_for(probe, port)
    for _, one in ipairs(probe.ports) do
        if one == port then
            return true
        end
    end
    return false
end

--- Those meant for the port first; the order is otherwise kept.
local function ordered(probes, port, wanted)
    local first, rest = {}, {}
    for _, probe in ipairs(probes) do
        if wanted(probe) then
            local list = is_for(probe, port) and first or rest
            list[#list + 1] = probe
        end
    end
    return table.move(rest, 1, #rest, #first + 1, first), #first
end

--- A server that speaks first. Each reader gets a connection of its own, since each may answer.
local function try_hello(probes, port, tls)
    local talk = open(port, tls)
    if not talk then
        return nil, nil, true
    end
    local banner = talk:reply(HELLO_WAIT)
    talk.connection:close()
    if not banner then
        return nil, nil, false, talk.tls
    end
    for _, probe in ipairs(ordered(probes, port.port, function(one)
        return one.hello and one.transport == "tcp"
    end)) do
        talk = open(port, tls)
        if talk then
            local again = talk:reply(HELLO_WAIT)
            local found = again and read_safely(probe, again, talk)
            talk.connection:close()
            if found then
                return found, banner, false, talk.tls
            end
        end
    end
    return nil, banner, false, talk and talk.tls
end

local function ask_one(probe, port, tls)
    local talk = open(port, tls)
    if not talk then
        return nil
    end
    local question = type(probe.send) == "function" and probe.send(talk) or probe.send
    local reply = question and talk:ask(question)
    local found = reply and read_safely(probe, reply, talk)
    talk.connection:close()
    return { found = found, reply = reply }
end

--- Servers that wait to be asked: some probes at once; the first in order that fits counts.
local function try_questions(probes, port, tls, transport)
    local list, meant = ordered(probes, port.port, function(one)
        return not one.hello and one.transport == transport
    end)
    local heard
    local at = 1
    while at <= #list do
        local count = at <= meant and 1 or AT_ONCE
        local some = table.move(list, at, math.min(#list, at + count - 1), 1, {})
        local results = net.parallel(some, function(probe)
            return ask_one(probe, port, tls)
        end, { limit = AT_ONCE })
        for i, result in ipairs(results) do
            if net.is_failure(result) and tostring(result):find("interrupted") then
                error(tostring(result), 0)
            elseif result and not net.is_failure(result) then
                if result.found and not result.found.wants_tls then
                    return result.found
                end
                heard = heard or result.reply
            end
            some[i] = nil
        end
        at = at + count
    end
    return nil, heard
end

local function identify_udp(probes, port)
    return try_questions(probes, port, false, "udp")
end

local TLS_FIRST = { [443] = true, [465] = true, [636] = true, [853] = true, [990] = true, [993] = true, [995] = true,
    [8443] = true, [8883] = true, [5671] = true, [6443] = true, [2376] = true, [10250] = true }

--- Inside of TLS: the same questions again.
local function identify_tls(probes, port)
    local found, banner, refused, tls = try_hello(probes, port, true)
    if refused then
        return nil
    end
    if not found then
        found = try_questions(probes, port, true, "tcp")
    end
    if found then
        found.tls = found.tls or tls
        return found
    end
    return { service = "tls", tls = tls, banner = banner, confidence = "high" }
end

local function identify_tcp(probes, port)
    local found, banner, refused
    if TLS_FIRST[port.port] then
        found = identify_tls(probes, port)
        if found then
            return found
        end
    end
    found, banner, refused = try_hello(probes, port, false)
    if found or refused then
        return found, banner
    end
    local heard
    if not banner then
        found, heard = try_questions(probes, port, false, "tcp")
    end
    if not found and not banner and not TLS_FIRST[port.port] then
        found = identify_tls(probes, port)
    end
    return found, banner or heard
end

M.columns = {
    { name = "target", type = "name", help = "what was asked for", weight = 2 },
    { name = "address", type = "address", help = "the address that was asked", weight = 9 },
    { name = "proto", type = "name", help = "tcp or udp", weight = 8 },
    { name = "port", type = "port", help = "the port", weight = 10 },
    { name = "state", type = "name", help = "open, or open|filtered for UDP that says nothing", weight = 6 },
    { name = "reason", type = "name", help = "what answered the probe", weight = 0 },
    { name = "rtt_us", type = "integer", unit = "us", help = "time until the answer", weight = 0 },
    { name = "service", type = "name", help = "the protocol that was found; absent where none is proved", weight = 10 },
    { name = "product", type = "name", help = "the program, as far as its answer proves it", weight = 9 },
    { name = "version", type = "name", help = "its version, as the program itself counts it", weight = 9 },
    { name = "info", type = "name", help = "what else it says", weight = 5 },
    { name = "confidence", type = "name", help = "high: the protocol proves it; medium: it says so", weight = 3 },
    { name = "banner", type = "name", help = "the beginning of what was read, made visible", weight = 0 },
    { name = "tls", type = "table", help = "version, alpn, subject, names, not_after, self_signed", weight = 2 },
}

--- Text from outside, short and visible.
local function visible(text, limit)
    if type(text) ~= "string" or text == "" then
        return nil
    end
    return core.text.escape(text:sub(1, limit or 128))
end

local function visible_tls(tls)
    if not tls then
        return nil
    end
    local names = tls.names
    for i, name in ipairs(names or {}) do
        names[i] = visible(name, 256)
    end
    return {
        version = tls.version, alpn = visible(tls.alpn), subject = visible(tls.subject, 512), names = names,
        not_after = tls.not_after and os.date("!%Y-%m-%dT%H:%M:%SZ", tls.not_after) or nil,
        self_signed = tls.self_signed,
    }
end

local function row_of(port, found, heard)
    found = found or {}
    return {
        target = port.target, address = port.address, proto = port.proto, port = port.port,
        state = found.service and "open" or port.state, reason = port.reason, rtt_us = port.rtt_us,
        service = found.service, product = visible(found.product), version = visible(found.version),
        info = visible(found.info, 256), confidence = found.service and (found.confidence or "medium") or nil,
        banner = visible(found.banner or heard, BANNER_LIMIT), tls = visible_tls(found.tls),
    }
end

--- Asks every open port of the rows of a probe.
-- @param rows of probe()
-- @tparam[opt] table options `scope`
-- @return rows
function M.identify(rows, options)
    local probes, problems = M.probes()
    local ports = {}
    for _, row in ipairs(rows) do
        if row.state == "open" or row.state == "open|filtered" then
            ports[#ports + 1] = {
                target = row.target, address = row.address, proto = row.proto, port = row.port, state = row.state,
                reason = row.reason, rtt_us = row.rtt_us, scope = options and options.scope,
                name = row.target:find("%a") and not row.target:find(":") and row.target or nil,
            }
        end
    end
    local results = net.parallel(ports, function(port)
        local found, heard
        if port.proto == "udp" then
            found, heard = identify_udp(probes, port)
        else
            found, heard = identify_tcp(probes, port)
        end
        return row_of(port, found, heard)
    end, { limit = PORTS_AT_ONCE })
    local list, partial = {}, {}
    for _, problem in ipairs(problems) do
        partial[#partial + 1] = problem .. " (skipped)"
    end
    for _, reason in ipairs(rows.partial or {}) do
        partial[#partial + 1] = reason
    end
    for i, result in ipairs(results) do
        if net.is_failure(result) then
            partial[#partial + 1] = ("%s port %d: %s"):format(ports[i].address, ports[i].port,
                visible(result.error, 200))
            result = row_of(ports[i])
        end
        list[#list + 1] = result
    end
    return core.rows({ name = "identified", columns = M.columns }, list, partial)
end

return M
