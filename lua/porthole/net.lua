--- Connections for scripts: connect, listen, and probes and sleep that let others go on inside of parallel().
-- A failure of the world is nil, a message and a code ("ECONNREFUSED", "ETIMEDOUT", "EOF"); a caller's mistake raises.
-- @module porthole.net

local core = require "porthole.core"
local loop = require "porthole.loop"
local nearest = require "porthole.nearest"
local scope = require "porthole.scope"

local M = {}

local DEFAULT_TIMEOUT = 10
local LINE_LIMIT, TOTAL_LIMIT = 1 << 20, 32 << 20
local CHUNK = 65536

--- A connection, or a server that listens.
local Connection = { __name = "connection" }
Connection.__index = Connection

local function wrap(stream, options)
    local connection = setmetatable({
        stream = stream, timeout = options.timeout, datagram = options.udp, name = options.name,
        line_limit = options.line_limit or LINE_LIMIT, limit = options.limit or TOTAL_LIMIT,
    }, Connection)
    local task = loop.current()
    if task then
        task.open[connection] = true
    end
    return connection
end

local function bad(name, position, what, value, level)
    error(("%s: argument %s must be %s, not %s"):format(name, position, what, value == nil and "nil" or type(value)),
        (level or 1) + 2)
end

local function check_timeout(name, value)
    if value ~= nil and (type(value) ~= "number" or value ~= value or value <= 0) then
        error(("%s: timeout must be a number of seconds above 0"):format(name), 3)
    end
end

local option_types = {
    timeout = "number", tls = true, scope = true, udp = "boolean", limit = "number", line_limit = "number",
    family = "string",
}

local function check_options(name, options)
    if options ~= nil and type(options) ~= "table" then
        bad(name, "3 (options)", "a table", options, 2)
    end
    for key, value in pairs(options or {}) do
        local expected = option_types[key]
        if not expected then
            error(("%s: unknown option '%s'%s"):format(name, tostring(key),
                nearest.hint(tostring(key), nearest.keys(option_types))), 3)
        elseif expected ~= true and type(value) ~= expected then
            error(("%s: option '%s' must be a %s, not a %s"):format(name, key, expected, type(value)), 3)
        end
    end
    check_timeout(name, options and options.timeout)
    return options or {}
end

local function check_port(name, port, position)
    if math.type(port) ~= "integer" or port < 0 or port > 65535 then
        error(("%s: argument %d (port) must be a whole number from 0 to 65535"):format(name, position), 3)
    end
end

local function deadline_of(timeout)
    return timeout and core.clock() + timeout
end

--- Repeats a step until it is done, waiting as it asks for.
-- @tparam function step returns its result; false and "r" or "w" where it has to wait; or nil, message, code
local function complete(stream, deadline, doing, step, ...)
    while true do
        local result, second, third = step(stream, ...)
        if result ~= false then
            return result, second, third
        end
        local woken, problem, code = loop.wait(stream:fd(), second, deadline)
        if woken == nil then
            return nil, ("%s: %s"):format(doing, problem), code
        elseif not woken then
            return nil, ("%s: no answer in time"):format(doing), "ETIMEDOUT"
        end
    end
end

--- The addresses of a name; an address means itself.
-- @tparam string host
-- @tparam ?string family "inet" or "inet6"
-- @tparam ?number deadline
-- @treturn ?{string,...} or nil, a message and a code
function M.resolve(host, family, deadline)
    local numeric, problem, code = core.address(host)
    if numeric then
        return { host }
    elseif numeric == nil then
        return nil, problem, code
    end
    local lookup
    lookup, problem, code = core.lookup(host, family or "any")
    if not lookup then
        return nil, problem, code
    end
    local woken
    woken, problem, code = loop.wait(lookup:fd(), "r", deadline)
    if not woken then
        loop.forget(lookup:fd())
        lookup:close()
        if woken == false then
            problem, code = "no answer in time", "ETIMEDOUT"
        end
        return nil, ("%s: looking up the name: %s"):format(host, problem), code
    end
    loop.forget(lookup:fd())
    local addresses
    addresses, problem, code = lookup:result()
    lookup:close()
    return addresses, problem, code
end

--- Tries one address.
local function connect_one(address, port, options, deadline)
    local stream, problem, code = core.stream(address, port, { scope = options.scope, udp = options.udp })
    if not stream then
        return nil, problem, code
    end
    local ok
    ok, problem, code = complete(stream, deadline, ("connecting to %s port %d"):format(address, port), stream.connect)
    if not ok then
        loop.forget(stream:fd())
        stream:close()
        return nil, problem, code
    end
    return stream
end

--- Tries a name's addresses in turn; those out of scope are passed over.
local function connect_any(addresses, port, options)
    local timeout = options.timeout or DEFAULT_TIMEOUT
    local deadline = deadline_of(timeout)
    local problem, code, refusal
    for i, address in ipairs(addresses) do
        local left = math.max(0.01, deadline - core.clock()) / (#addresses - i + 1)
        local stream, why, name = connect_one(address, port, options, core.clock() + left)
        if stream then
            return stream
        elseif name == "EACCES" and why:find("--scope", 1, true) then
            refusal = refusal or why
        else
            problem, code = why, name
        end
    end
    if not problem then
        return nil, refusal or "no address", refusal and "EACCES" or "ENOENT"
    end
    return nil, problem, code
end

--- Connects to a host. Only this host's own addresses, and what `scope` names.
-- @tparam string host an address or a name
-- @tparam integer port
-- @tparam[opt] table options `timeout` seconds, for connecting and for each receive (10); `tls` true, or a table with
--   `name` and `alpn`; `scope` a prefix or a list of them; `udp`; `limit` and `line_limit` bytes
-- @return a connection; or nil, a message and a code
function M.connect(host, port, options)
    if type(host) ~= "string" then
        bad("connect", "1 (host)", "a string", host)
    end
    check_port("connect", port, 2)
    local given = check_options("connect", options)
    local settings = { timeout = given.timeout or DEFAULT_TIMEOUT, udp = given.udp, scope = scope.with(given.scope) }
    local addresses, problem, code = M.resolve(host, given.family, deadline_of(settings.timeout))
    local stream
    if addresses then
        stream, problem, code = connect_any(addresses, port, settings)
    end
    if not stream then
        return nil, problem, code
    end
    local connection = wrap(stream, {
        timeout = settings.timeout, udp = given.udp, name = host, limit = given.limit, line_limit = given.line_limit,
    })
    if given.tls then
        local ok
        ok, problem, code = connection:starttls(type(given.tls) == "table" and given.tls or nil)
        if not ok then
            connection:close()
            return nil, problem, code
        end
    end
    return connection
end

--- Listens for TCP connections. The port is not shared with another listener.
-- @tparam string address one of this host's
-- @tparam integer port 0: any that is free
-- @return a server, with `accept`; or nil, a message and a code
function M.listen(address, port)
    if type(address) ~= "string" then
        bad("listen", "1 (address)", "a string", address)
    end
    check_port("listen", port, 2)
    local addresses, problem, code = M.resolve(address == "*" and "0.0.0.0" or address)
    if not addresses then
        return nil, problem, code
    end
    local stream
    stream, problem, code = core.listen(addresses[1], port)
    if not stream then
        return nil, problem, code
    end
    return wrap(stream, {})
end

local function living(connection, name)
    if not connection.stream then
        return nil, name .. ": the connection is closed", "EBADF"
    end
    return connection.stream
end

--- Waits for a connection.
-- @return a connection; or nil, a message and a code
function Connection:accept()
    local server, problem, code = living(self, "accept")
    if not server then
        return nil, problem, code
    end
    local stream
    stream, problem, code = complete(server, deadline_of(self.timeout), "accepting", server.accept)
    if not stream then
        return nil, problem, code
    end
    return wrap(stream, { timeout = DEFAULT_TIMEOUT })
end

--- Sends all of the data, and returns when it is gone.
-- @tparam string data
-- @treturn ?boolean true; or nil, a message and a code
function Connection:send(data)
    if type(data) ~= "string" then
        bad("send", "1 (data)", "a string", data)
    end
    local stream, problem, code = living(self, "send")
    if not stream then
        return nil, problem, code
    end
    local first = 1
    repeat
        first, problem, code = complete(stream, deadline_of(self.timeout), "sending", stream.send, data, first)
        if not first then
            return nil, problem, code
        end
    until first > #data
    return complete(stream, deadline_of(self.timeout), "sending", stream.flush)
end

--- Receives more. How many bytes, 0 at the end; or nil, a message and a code.
local function fill(self, most, deadline)
    local got, problem, code = complete(self.stream, deadline, "receiving", self.stream.fill, most)
    if not self.stream then
        return nil, "receiving: the connection is closed", "EBADF"
    end
    return got, problem, code
end

local function receive_line(self, deadline, keep)
    local stream, from = self.stream, 0
    while true do
        local length = stream:find_line(from)
        if length then
            local line = stream:take(length)
            return keep and line or (line:gsub("\r?\n$", ""))
        end
        from = stream:buffered()
        if from >= self.line_limit then
            return nil, ("receiving: a line is longer than %d bytes"):format(self.line_limit), "EMSGSIZE"
        end
        local got, problem, code = fill(self, math.min(CHUNK, self.line_limit - from), deadline)
        if not got then
            return nil, problem, code
        elseif got == 0 and from == 0 then
            return nil, "receiving: the other end closed the connection", "EOF"
        elseif got == 0 then
            return stream:take()
        end
    end
end

local function receive_bytes(self, deadline, count)
    local stream = self.stream
    while stream:buffered() < count do
        local got, problem, code = fill(self, math.min(CHUNK, count - stream:buffered()), deadline)
        if not got then
            return nil, problem, code
        elseif got == 0 and stream:buffered() == 0 then
            return nil, "receiving: the other end closed the connection", "EOF"
        elseif got == 0 then
            break
        end
    end
    return stream:take(count)
end

local function receive_all(self, deadline)
    local stream = self.stream
    while true do
        local got, problem, code = fill(self, math.min(CHUNK, self.limit + 1 - stream:buffered()), deadline)
        if not got then
            return nil, problem, code, stream:take()
        elseif got == 0 then
            return stream:take()
        elseif stream:buffered() > self.limit then
            return nil, ("receiving: more than %d bytes"):format(self.limit), "EMSGSIZE", stream:take()
        end
    end
end

--- One datagram, whatever it has.
local function receive_datagram(self, deadline)
    local got, problem, code = fill(self, CHUNK, deadline)
    if not got then
        return nil, problem, code
    end
    return self.stream:take()
end

--- Receives. What came before a failure stays for the next call (of "a": is the fourth result).
-- @tparam[opt="l"] string|integer what a line without ("l") or with its end ("L"), all until the end ("a"), or a
--   number of bytes, fewer only at the end
-- @treturn ?string or nil, a message and a code: "EOF" at the end
function Connection:receive(what)
    what = what == nil and "l" or what
    local bytes = math.type(what) == "integer" and what >= 0
    if not bytes and what ~= "l" and what ~= "L" and what ~= "a" then
        error("receive: argument 1 must be 'l', 'L', 'a' or a number of bytes", 2)
    elseif bytes and what > self.limit then
        error(("receive: argument 1 must be at most the limit, %d bytes"):format(self.limit), 2)
    end
    local stream, problem, code = living(self, "receive")
    if not stream then
        return nil, problem, code
    end
    local deadline = deadline_of(self.timeout)
    if self.datagram then
        return receive_datagram(self, deadline)
    elseif bytes then
        return receive_bytes(self, deadline, what)
    elseif what == "a" then
        return receive_all(self, deadline)
    end
    return receive_line(self, deadline, what == "L")
end

--- Whatever is there, or the next that comes: one byte at least.
-- @tparam[opt] number seconds how long to wait; else the connection's time-out
-- @treturn ?string or nil, a message and a code
function Connection:some(seconds)
    local stream, problem, code = living(self, "some")
    if not stream then
        return nil, problem, code
    elseif stream:buffered() > 0 then
        return stream:take()
    end
    local got
    got, problem, code = fill(self, CHUNK, deadline_of(seconds or self.timeout))
    if not got then
        return nil, problem, code
    elseif got == 0 and not self.datagram then
        return nil, "receiving: the other end closed the connection", "EOF"
    end
    return self.stream:take()
end

--- How long to wait for each receive, and for accept. nil: for ever.
-- @tparam ?number seconds
function Connection:settimeout(seconds)
    check_timeout("settimeout", seconds)
    self.timeout = seconds
end

--- Goes on with TLS. The certificate is not verified; `tls()` shows it.
-- @tparam[opt] table options `name` of the server, `alpn`: protocols with commas
-- @treturn ?boolean true; or nil, a message and a code
function Connection:starttls(options)
    if options ~= nil and type(options) ~= "table" then
        bad("starttls", "1 (options)", "a table", options)
    end
    local stream, problem, code = living(self, "starttls")
    if not stream then
        return nil, problem, code
    end
    return complete(stream, deadline_of(self.timeout), "TLS handshake", stream.starttls,
        options and options.name or self.name, options and options.alpn)
end

--- What the TLS handshake showed: version, alpn, subject, names, not_after, self_signed.
-- @treturn ?table or nil, a message and a code
function Connection:tls()
    local stream, problem, code = living(self, "tls")
    if not stream then
        return nil, problem, code
    end
    return stream:tls()
end

--- The other end.
-- @treturn ?string its address, and its port as a second result; or nil, a message and a code
function Connection:peer()
    local stream, problem, code = living(self, "peer")
    if not stream then
        return nil, problem, code
    end
    return stream:peer()
end

--- This end.
-- @treturn ?string its address, and its port as a second result; or nil, a message and a code
function Connection:sock()
    local stream, problem, code = living(self, "sock")
    if not stream then
        return nil, problem, code
    end
    return stream:sock()
end

--- Closes; again is no error.
function Connection:close()
    if self.stream then
        loop.forget(self.stream:fd())
        self.stream:close()
        self.stream = nil
    end
end

Connection.__close = Connection.close

--- Which ports are open. Inside of parallel() the other tasks go on meanwhile.
-- @tparam string|{string,...} target names, addresses, blocks, octet ranges
-- @tparam[opt] string ports as nmap's -p; without, all of this host's, and elsewhere those that have a name
-- @tparam[opt] table options `timeout` seconds a try, `rate` packets a second, `retries`, `scope`, `family`, `exclude`
-- @return rows; or nil, a message and a code
function M.probe(target, ports, options)
    local settings = {}
    for key, value in pairs(options or {}) do
        settings[key] = value
    end
    settings.scope = scope.with(settings.scope)
    settings.payloads = settings.payloads or require "porthole.payloads"
    if not loop.current() then
        return core.probe(target, ports, settings)
    end
    settings.progress = nil
    local job, problem, code = core.probe_job(target, ports, settings)
    if not job then
        return nil, problem, code
    end
    local woken
    woken, problem, code = loop.wait(job:fd(), "r")
    loop.forget(job:fd())
    if not woken then
        job:close()
        return nil, "probe: " .. tostring(problem), code
    end
    return job:result()
end

--- Waits. Inside of parallel() the other tasks go on meanwhile.
-- @tparam number seconds
-- @treturn ?boolean true; or nil, a message and a code
function M.sleep(seconds)
    if not loop.current() or type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
        return core.sleep(seconds)
    end
    local woken, problem, code = loop.wait(-1, "r", core.clock() + seconds)
    if woken == nil then
        return nil, "sleep: " .. problem, code
    end
    return true
end

M.parallel = loop.parallel
M.is_failure = loop.is_failure

return M
