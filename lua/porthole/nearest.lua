--- The name that was probably meant.
-- @module porthole.nearest

--- Edits (insert, delete, replace, swap two neighbours) between two names, `limit` + 1 where it is more.
local function distance(a, b, limit)
    if math.abs(#a - #b) > limit then
        return limit + 1
    end
    local before, last = {}, {}
    for j = 0, #b do
        last[j] = j
    end
    for i = 1, #a do
        local row = { [0] = i }
        for j = 1, #b do
            local cost = a:byte(i) == b:byte(j) and 0 or 1
            row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                row[j] = math.min(row[j], before[j - 2] + 1)
            end
        end
        before, last = last, row
    end
    return last[#b]
end

--- @tparam string name
-- @tparam {string,...} names
-- @treturn ?string one of `names`: at most one edit away for names up to 4 letters, two for longer ones
local function nearest(name, names)
    local limit = #name <= 4 and 1 or 2
    local best, best_distance = nil, limit + 1
    if #name > 64 then
        return nil
    end
    for _, candidate in ipairs(names) do
        local d = distance(name:lower(), candidate:lower(), limit)
        if d < best_distance then
            best, best_distance = candidate, d
        end
    end
    return best
end

local M = {}

M.find = nearest

--- " (did you mean 'x'?)", or nothing.
-- @tparam string name
-- @tparam {string,...} names
-- @tparam[opt=""] string prefix what stands before the name: "--"
-- @treturn string
function M.hint(name, names, prefix)
    local found = nearest(name, names)
    return found and (" (did you mean '%s%s'?)"):format(prefix or "", found) or ""
end

--- @tparam table t
-- @treturn {string,...} its string keys, sorted
function M.keys(t)
    local keys = {}
    for key in pairs(t) do
        if type(key) == "string" then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys)
    return keys
end

return M
