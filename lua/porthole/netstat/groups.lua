--- netstat's table of multicast groups.
-- @module porthole.netstat.groups

local names = require "porthole.netstat.names"

local M = {}

--- Adds the table; `families` is the set that is asked for.
function M.text(rows, options, families, out)
    out[#out + 1] = "IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n"
        .. "--------------- ------ ---------------------\n"
    for _, family in ipairs { "inet", "inet6" } do
        for _, row in ipairs(rows) do
            if row.family == family and families[family] then
                out[#out + 1] = ("%-15s %-6d %s\n"):format(row.iface, row.users,
                    options.hosts and row.group or names.host(row.group))
            end
        end
    end
end

return M
