--- Processes that hold sockets, one row each.
-- @module porthole.processes

local core = require "porthole.core"

local M = {}

local function column(name, kind, weight, help)
    return { name = name, type = kind, weight = weight, help = help }
end

M.type = {
    name = "process",
    columns = {
        column("pid", "integer", 9, "process id"),
        column("name", "name", 10, "its name as the kernel has it (comm)"),
        column("exe", "name", 0, "the program's file"),
        column("cmdline", "name", 5, "its command line, arguments joined by spaces"),
        column("user", "name", 8, "the user that it runs as"),
        column("unit", "name", 7, "its systemd unit"),
        column("container", "name", 0, "its container"),
        column("sockets", "integer", 6, "how many sockets it holds"),
    },
}

local function collected(sockets)
    local list, by_pid = {}, {}
    for i = 1, #sockets do
        for _, process in ipairs(sockets[i].processes or {}) do
            local item = by_pid[process.pid]
            if not item then
                item = {
                    pid = process.pid, name = process.name, exe = process.exe, cmdline = process.cmdline,
                    user = process.user, unit = process.unit, container = process.container, sockets = 0,
                }
                by_pid[process.pid] = item
                list[#list + 1] = item
            end
            item.sockets = item.sockets + 1
        end
    end
    table.sort(list, function(a, b)
        return a.pid < b.pid
    end)
    return list
end

--- The processes that hold sockets.
-- @tparam[opt] table filter any column, as `where` takes it
-- @return rows
function M.processes(filter)
    if filter ~= nil and type(filter) ~= "table" then
        error("processes: argument 1 (filter) must be a table, not " .. type(filter), 2)
    end
    local sockets, message, code = core.sockets {}
    if not sockets then
        return nil, message, code
    end
    local rows = core.rows(M.type, collected(sockets), sockets.partial)
    return filter and rows:where(filter) or rows
end

return M
