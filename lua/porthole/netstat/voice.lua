--- What netstat itself says on standard error, in its own words.
-- @module porthole.netstat.voice

local core = require "porthole.core"

local M = {}

--- @tparam string text lines, which may hold what comes from outside
function M.say(text)
    io.stderr:write((text:gsub("[^\n]+", core.text.escape)))
end

--- @treturn integer the effective user
function M.euid()
    return core.resolve.euid()
end

return M
