--- porthole: a window on a machine's ports.
-- `local porthole = require "porthole"` gives the names below as fields; the program of that name has them as globals.
-- Nothing is read from the host, and no part of the library is loaded, before it is used.
-- @module porthole

local core = require "porthole.core"

local M = {}

--- Facts that the C part reads. Those of them that this build has are set.
for _, name in ipairs {
    "sockets", "interfaces", "routes", "proc_routes", "rules", "neighbors", "groups", "counters", "services", "json",
    "sleep",
} do
    M[name] = core[name]
end

--- A function of a module that is loaded at the first call.
local function late(module, name)
    return function(...)
        return require(module)[name](...)
    end
end

--- One row for each open service: see `help(endpoints)`.
-- @function endpoints
M.endpoints = late("porthole.endpoints", "endpoints")

--- One row for each process that holds a socket.
-- @function processes
M.processes = late("porthole.processes", "processes")

--- One service or socket unit: `unit("apache2"):status()`, `:ports()`, `:log(10)`, and plans: `:stop()`, `:start()`.
-- @function unit
M.unit = late("porthole.unit", "unit")

--- One row for each unit that the service manager has loaded.
-- @function units
M.units = late("porthole.unit", "units")

--- The plan that closes a port.
-- @function close_port
M.close_port = late("porthole.close", "close_port")

--- Which ports of a host are open, as a connection sees it: see `help(probe)`.
-- @function probe
M.probe = late("porthole.net", "probe")

--- Connects to a port.
-- @function connect
M.connect = late("porthole.net", "connect")

--- Listens for connections.
-- @function listen
M.listen = late("porthole.net", "listen")

--- Runs a function for each item of a list, all at once.
-- @function parallel
M.parallel = late("porthole.net", "parallel")

--- What may be probed besides this host: `scope.add("192.0.2.0/24")`, `scope.list()`, `scope.clear()`.
M.scope = { add = late("porthole.scope", "add"), list = late("porthole.scope", "list"),
    clear = late("porthole.scope", "clear") }

--- Explains a name, a function, rows or a recipe.
-- @function help
M.help = late("porthole.help", "help")

--- Runs a recipe and returns its rows.
-- @function recipe
M.recipe = late("porthole.recipe", "call")

return M
