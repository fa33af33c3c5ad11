--- Help on the library: on a name, a function, rows, or a recipe.
-- @module porthole.help

local core = require "porthole.core"
local nearest = require "porthole.nearest"

local M = {}

--- What a person reads of each public name. `columns`: how to get rows whose columns are listed.
local topics = {
    sockets = {
        call = "sockets{column = value, ...} -> rows",
        text = "Every socket of this host, one row each. Filters are columns; a list means any of its values.",
        examples = { 'sockets{state="listen", proto="tcp"}', 'sockets{port="1-1024"}:group("process")' },
        columns = function()
            return core.sockets { proto = "tcp", state = "listen", lport = 0 }
        end,
    },
    endpoints = {
        call = "endpoints([filter]) -> rows",
        text = "Every open service of this host, one row each: 0.0.0.0 and [::] of one program are one row.",
        examples = { "endpoints()", 'endpoints{reach="internet"}' },
        columns = function()
            return require("porthole.endpoints").type
        end,
    },
    processes = {
        call = "processes([filter]) -> rows",
        text = "Every process that holds a socket, one row each.",
        examples = { 'processes{user="root"}' },
        columns = function()
            return require("porthole.processes").type
        end,
    },
    interfaces = {
        call = "interfaces([filter]) -> rows",
        text = "The network interfaces of this host and their addresses.",
        examples = { "interfaces()" },
        columns = function()
            return core.interfaces()
        end,
    },
    routes = {
        call = "routes([filter]) -> rows",
        text = "The routing tables, IPv4 and IPv6, as `ip route show table all` lists them.",
        examples = { 'routes{table="main"}', 'routes{to="default"}' },
        columns = function()
            return core.routes()
        end,
    },
    rules = {
        call = "rules([filter]) -> rows",
        text = "The rules that choose a routing table, in the order in which the kernel asks them.",
        examples = { "rules()" },
        columns = function()
            return core.rules()
        end,
    },
    neighbors = {
        call = "neighbors([filter]) -> rows",
        text = "Which hardware address each neighbour has: the tables of ARP and neighbour discovery.",
        examples = { 'neighbors{state="reachable"}' },
        columns = function()
            return core.neighbors()
        end,
    },
    groups = {
        call = "groups([filter]) -> rows",
        text = "The multicast groups that this host has joined, on each device.",
        examples = { "groups()", 'groups{iface="eth0"}' },
        columns = function()
            return core.groups()
        end,
    },
    counters = {
        call = "counters([filter]) -> rows",
        text = "What the protocols have counted: packets, errors, connections, ...",
        examples = { 'counters{protocol="Tcp"}', 'counters{name="ListenDrops"}' },
        columns = function()
            return core.counters()
        end,
    },
    proc_routes = {
        call = "proc_routes([filter]) -> rows",
        text = "The routing tables as route and netstat -r see them, with their flags as numbers.",
        examples = { 'proc_routes{family="inet6"}' },
        columns = function()
            return core.proc_routes()
        end,
    },
    unit = {
        call = "unit(name[, {user=, backend=}]) -> unit",
        text = "One service: :status(), :ports(), :log(n); :start(), :stop() and the like make plans for :apply().",
        examples = { 'unit("ssh"):status()', 'print(unit("ssh"):stop())' },
    },
    units = {
        call = "units([filter]) -> rows",
        text = "Every unit that the service manager has loaded, or every init script, one row each.",
        examples = { 'units{active="active"}' },
        columns = function()
            return require("porthole.unit").type
        end,
    },
    close_port = {
        call = "close_port(port[, {for_good=, force=, even_mine=}]) -> plan",
        text = "The plan that closes a port: what stops, what else goes with it; nothing is done before :apply().",
        examples = { "print(close_port(80))" },
    },
    services = {
        call = 'services.lookup(port|name[, proto]), services.list()',
        text = "Which name goes with which port: by your own file, /etc/services, and the IANA registry.",
        examples = { "services.lookup(80)", 'services.lookup("domain", "udp")' },
    },
    json = {
        call = "json.encode(value) -> string, json.decode(string) -> value, json.null",
        text = "JSON for scripts; integers of 64 bits stay exact.",
        examples = { 'json.decode("[1, null]")' },
    },
    recipe = {
        call = "recipe(name[, arguments]) -> rows",
        text = "Runs a recipe, as `porthole NAME` does on the command line, and returns what it found.",
        examples = { 'recipe("audit")' },
    },
    probe = {
        call = "probe(target[, ports[, {timeout=, rate=, retries=, scope=, family=, exclude=}]]) -> rows",
        text = "Which ports are open, as a connection sees it. Hosts other than this one need scope=.",
        examples = { 'probe("localhost")', 'probe("192.0.2.1", "1-1024,U:53,http*", {scope="192.0.2.0/24"})' },
    },
    connect = {
        call = "connect(host, port[, {timeout=, tls=, scope=, udp=, limit=, line_limit=}]) -> connection",
        text = "Connects. A connection has send(data), receive('l'|'L'|'a'|n), settimeout(seconds), starttls(), tls(), "
            .. "peer(), sock() and close().",
        examples = { 'connect("localhost", 25):receive()' },
    },
    listen = {
        call = "listen(address, port) -> server",
        text = "Listens on one of this host's addresses; port 0 is any that is free. server:accept() waits for a "
            .. "connection.",
        examples = { 'listen("127.0.0.1", 8080)' },
    },
    parallel = {
        call = "parallel(list, fn[, {limit=}]) -> list",
        text = "Runs fn(item, index) for each item in coroutines: while one waits (connections, probe, sleep), the "
            .. "others go on. The results are in the list's order, false for nil; an item that raised has a table "
            .. "with `error`, and the list's errors[i] has its message.",
        examples = { 'parallel({22, 80}, function(port) return connect("localhost", port) end)' },
    },
    scope = {
        call = "scope.add(prefix|list), scope.list(), scope.clear()",
        text = "What may be probed and connected to besides this host's own addresses.",
        examples = { 'scope.add("192.0.2.0/24")' },
    },
    sleep = {
        call = "sleep(seconds)",
        text = "Waits; Ctrl-C ends the wait.",
        examples = { "sleep(0.5)" },
    },
    help = {
        call = "help([x])",
        text = "Explains x: a name, a function, rows, or the name of a recipe.",
        examples = { "help(sockets)", "help(endpoints())", 'help("audit")' },
    },
}

local methods = {
    "where{column = value}", "where(function(row) ... end)", 'select("a,b")', 'sort("column", "-other")',
    'group("column")', "count()", "first([n])", "map(fn)", "json()", "csv()", "print{columns=, width=, all=}",
}

--- Columns, one a line: name, type and what it says.
local function column_lines(lines, columns)
    local widest = 0
    for _, column in ipairs(columns) do
        widest = math.max(widest, #column.name)
    end
    for _, column in ipairs(columns) do
        local about = column.help or ""
        if column.unit then
            about = ("%s (%s)"):format(about, column.unit)
        end
        if column.alias then
            about = ("%s; also %s"):format(about, column.alias)
        end
        lines[#lines + 1] = ("  %s%s  %-8s  %s"):format(column.name, (" "):rep(widest - #column.name),
            column.type or "", about)
    end
end

local function method_lines(lines)
    lines[#lines + 1] = "Methods of rows:"
    lines[#lines + 1] = "  :" .. table.concat(methods, "\n  :")
end

local function topic_text(topic)
    local lines = { topic.call, "", topic.text, "", "For example:" }
    for _, example in ipairs(topic.examples) do
        lines[#lines + 1] = "  " .. example
    end
    local ok, rows = pcall(topic.columns or function() end)
    if ok and rows then
        lines[#lines + 1] = ""
        lines[#lines + 1] = "Columns:"
        column_lines(lines, rows.columns)
    end
    return lines
end

local function rows_text(rows)
    local lines = { tostring(rows), "", "Columns:" }
    column_lines(lines, rows.columns)
    lines[#lines + 1] = ""
    method_lines(lines)
    return lines
end

local function overview()
    local porthole = require "porthole"
    local lines = { "porthole: a window on a machine's ports", "", "In Lua:" }
    for _, name in ipairs(nearest.keys(topics)) do
        if porthole[name] then
            lines[#lines + 1] = ("  %-11s %s"):format(name, topics[name].text)
        end
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = "On the command line (porthole NAME):"
    local recipes, problems = require("porthole.recipe").list()
    for _, recipe in ipairs(recipes) do
        lines[#lines + 1] = ("  %-11s %s"):format(recipe.id, recipe.summary)
    end
    for _, problem in ipairs(problems) do
        lines[#lines + 1] = "  not usable: " .. problem
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = "More: help(NAME) here, porthole help NAME or porthole NAME --help in the command line."
    return lines
end

local names_by_value

--- The public name of a value of the library. A table's key is compared raw: no `__eq` of anybody's runs.
local function name_of(value)
    if not names_by_value then
        names_by_value = {}
        local porthole = require "porthole"
        for name in pairs(topics) do
            if porthole[name] ~= nil then
                names_by_value[porthole[name]] = name
            end
        end
    end
    return value ~= nil and names_by_value[value] or nil
end

--- What completion says of a name of the library.
-- @param value
-- @treturn ?string one sentence; nil: not of the library
function M.summary(value)
    local topic = topics[name_of(value)]
    return topic and topic.text
end

--- What a function of the library returns, without asking the host for more than that.
-- @param value
-- @treturn ?table rows, or a type, with their `columns`
function M.sample(value)
    local topic = topics[name_of(value)]
    local ok, rows = pcall(topic and topic.columns or function() end)
    return ok and rows or nil
end

local function named_lines(name)
    if topics[name] and require("porthole")[name] then
        return topic_text(topics[name])
    end
    local text = require("porthole.recipe").help(name)
    return text and { (text:gsub("\n$", "")) }
end

local function unknown(name)
    local names = nearest.keys(topics)
    for _, recipe in ipairs((require("porthole.recipe").list())) do
        names[#names + 1] = recipe.id
    end
    return ("there is no help on '%s'%s"):format(name, nearest.hint(name, names))
end

local function is_rows(value)
    local ok, columns = pcall(function()
        return value.columns
    end)
    return type(value) == "userdata" and ok and columns ~= nil
end

--- The text that `help` prints.
-- @param[opt] value a name, something of the library, rows, or nil for an overview
-- @treturn ?string several lines, safe for a terminal; nil where there is no help, with a message
function M.text(value)
    local lines
    if value == nil then
        lines = overview()
    elseif is_rows(value) then
        lines = rows_text(value)
    else
        local name = type(value) == "string" and value or name_of(value)
        if not name then
            return nil, ("there is no help on this %s; help() lists what there is"):format(type(value))
        end
        lines = named_lines(name)
        if not lines then
            return nil, unknown(name)
        end
    end
    lines[#lines + 1] = ""
    return (table.concat(lines, "\n"):gsub("[^\n]+", core.text.escape))
end

--- Prints help.
-- @param[opt] value as in `text`
function M.help(value)
    local text, problem = M.text(value)
    io.stdout:write(text or core.text.escape(problem) .. "\n")
end

return M
