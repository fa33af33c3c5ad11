--- What standard output is: a terminal has a width and perhaps colours, a pipe or file has neither.
-- @module porthole.screen

local core = require "porthole.core"

local M = {}

local STDOUT = 1

--- @treturn table `terminal` (boolean), `width` (columns; nil: no terminal), `colour` (boolean)
function M.get()
    if not core.isatty(STDOUT) then
        return { terminal = false, colour = false }
    end
    local no_color, term = os.getenv("NO_COLOR"), os.getenv("TERM")
    return {
        terminal = true,
        width = core.terminal_width() or 80,
        colour = (no_color == nil or no_color == "") and term ~= nil and term ~= "dumb",
    }
end

return M
