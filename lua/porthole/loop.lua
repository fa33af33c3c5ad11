--- The scheduler behind `parallel`: coroutines that wait for descriptors, on one poller.
-- @module porthole.loop

local core = require "porthole.core"

local M = {}

--- Which task a coroutine is; none outside of parallel().
local tasks = setmetatable({}, { __mode = "k" })

local DEFAULT_LIMIT = 512

local INTERRUPTED = { nil, "interrupted", "ECANCELED" }

local Loop = {}
Loop.__index = Loop

local function new_loop()
    return setmetatable({ poller = assert(core.poller()), ready = {}, waiters = {}, by_fd = {} }, Loop)
end

--- The task that runs now, or nil.
function M.current()
    return tasks[coroutine.running()]
end

function Loop:push(task, result)
    task.result = result
    self.ready[#self.ready + 1] = task
end

--- What the waiters of a descriptor wait for, together.
local function events_of(waiters)
    local read, write = "", ""
    for task in pairs(waiters) do
        read = task.events:find("r") and "r" or read
        write = task.events:find("w") and "w" or write
    end
    return read .. write
end

function Loop:stop_waiting(task)
    local waiters = self.by_fd[task.fd]
    self.waiters[task] = nil
    if waiters then
        waiters[task] = nil
        if next(waiters) == nil then
            self.by_fd[task.fd] = nil
        end
    end
    task.fd, task.deadline = nil, nil
end

--- Lets the running task wait; other tasks go on.
-- @treturn ?boolean true; false when the time is over; or nil, a message and a code
function Loop:wait(task, fd, events, deadline)
    if self.cancelled then
        return table.unpack(INTERRUPTED, 1, 3)
    end
    task.fd, task.events, task.deadline = fd, events, deadline
    local waiters = self.by_fd[fd] or {}
    waiters[task] = true
    self.by_fd[fd], self.waiters[task] = waiters, true
    if fd >= 0 then
        local ok, problem, code = self.poller:arm(fd, events_of(waiters))
        if not ok then
            self:stop_waiting(task)
            return nil, problem, code
        end
    end
    coroutine.yield()
    return table.unpack(task.result, 1, 3)
end

--- Wakes whoever waits for a descriptor that is about to be closed.
function Loop:forget(fd)
    local woken = {}
    for task in pairs(self.by_fd[fd] or {}) do
        woken[#woken + 1] = task
    end
    for _, task in ipairs(woken) do
        self:stop_waiting(task)
        self:push(task, { nil, "the connection is closed", "EBADF" })
    end
    self.poller:disarm(fd)
end

local Failure = { __name = "failure", __tostring = function(failure)
    return failure.error
end }

--- Whether a result of parallel() is an error.
function M.is_failure(value)
    return getmetatable(value) == Failure
end

local function start_next(self, group)
    while group.running < group.limit and group.next <= group.count and not self.cancelled do
        local i = group.next
        group.next, group.running = i + 1, group.running + 1
        local task = { loop = self, group = group, index = i, open = setmetatable({}, { __mode = "k" }) }
        task.co = coroutine.create(group.fn)
        task.result = { group.list[i], i }
        tasks[task.co] = task
        self.ready[#self.ready + 1] = task
    end
end

local function finish(self, task, ok, value)
    local group = task.group
    group.running = group.running - 1
    if ok then
        group.results[task.index] = value == nil and false or value
    else
        coroutine.close(task.co)
        for connection in pairs(task.open) do
            connection:close()
        end
        local message = type(value) == "string" and value or tostring(value)
        group.results[task.index] = setmetatable({ error = message, value = value }, Failure)
        group.results.errors[task.index] = message
    end
    start_next(self, group)
    if group.running == 0 and group.parent then
        self:push(group.parent, { true })
    end
end

function Loop:run_ready()
    local ready = self.ready
    self.ready = {}
    for _, task in ipairs(ready) do
        local ok, value = coroutine.resume(task.co, table.unpack(task.result, 1, 2))
        if coroutine.status(task.co) == "dead" then
            finish(self, task, ok, value)
        end
    end
end

--- Seconds until the first deadline; nil: there is none.
local function next_deadline(self)
    local first
    for task in pairs(self.waiters) do
        if task.deadline and (not first or task.deadline < first) then
            first = task.deadline
        end
    end
    return first and math.max(0, first - core.clock())
end

local function wake_all(self, result)
    local woken = {}
    for task in pairs(self.waiters) do
        woken[#woken + 1] = task
    end
    for _, task in ipairs(woken) do
        self:stop_waiting(task)
        self:push(task, result)
    end
end

local function wake_descriptors(self, fds)
    for _, fd in ipairs(fds) do
        local woken = {}
        for task in pairs(self.by_fd[fd] or {}) do
            woken[#woken + 1] = task
        end
        for _, task in ipairs(woken) do
            self:stop_waiting(task)
            self:push(task, { true })
        end
    end
end

local function wake_late(self)
    local now, late = core.clock(), {}
    for task in pairs(self.waiters) do
        if task.deadline and task.deadline <= now then
            late[#late + 1] = task
        end
    end
    for _, task in ipairs(late) do
        self:stop_waiting(task)
        self:push(task, { false })
    end
end

function Loop:poll()
    local fds = self.poller:wait(next_deadline(self))
    if not fds then
        self.cancelled = true
        wake_all(self, INTERRUPTED)
        return
    end
    wake_descriptors(self, fds)
    wake_late(self)
end

function Loop:run(group)
    while group.running > 0 do
        self:run_ready()
        if group.running > 0 and #self.ready == 0 then
            self:poll()
        end
    end
end

--- Runs a function for each item of a list, in coroutines: whatever waits lets the others go on.
-- @tparam table list
-- @tparam function fn called with an item and its index
-- @tparam[opt] table options `limit`: how many run at once
-- @treturn table the first results in the list's order (false for nil); an item that raised has a failure instead, a
--   table with `error`, and `errors[i]` has its message
function M.parallel(list, fn, options)
    if type(list) ~= "table" then
        error("parallel: argument 1 (list) must be a table, not " .. type(list), 2)
    elseif type(fn) ~= "function" then
        error("parallel: argument 2 (function) must be a function, not " .. type(fn), 2)
    end
    for key in pairs(options or {}) do
        if key ~= "limit" then
            error(("parallel: unknown option '%s'"):format(tostring(key)), 2)
        end
    end
    local limit = options and options.limit or DEFAULT_LIMIT
    if math.type(limit) ~= "integer" or limit < 1 then
        error("parallel: option 'limit' must be a whole number from 1", 2)
    end
    local parent = M.current()
    local loop = parent and parent.loop or new_loop()
    local group = {
        list = list, fn = fn, limit = limit, count = #list, next = 1, running = 0, parent = parent,
        results = { errors = {} },
    }
    start_next(loop, group)
    if group.running == 0 then
        return group.results
    elseif parent then
        coroutine.yield()
    else
        loop:run(group)
        loop.poller:close()
    end
    if loop.cancelled then
        error("interrupted", 0)
    end
    return group.results
end

--- Waits for a descriptor: inside of parallel() the other tasks go on meanwhile.
-- @tparam integer fd -1: for nothing, until the deadline
-- @tparam string events "r" or "w"
-- @tparam[opt] number deadline as core.clock() has it
-- @treturn ?boolean true; false when the time is over; or nil, a message and a code
function M.wait(fd, events, deadline)
    local task = M.current()
    if task then
        return task.loop:wait(task, fd, events, deadline)
    end
    return core.wait(fd, events, deadline and math.max(0, deadline - core.clock()))
end

--- sleep() asks here first when it is called in a coroutine.
core.on_sleep(function(seconds)
    local task = M.current()
    if not task then
        return
    end
    local woken, problem, code = task.loop:wait(task, -1, "r", core.clock() + seconds)
    if woken == nil then
        return nil, "sleep: " .. problem, code
    end
    return true
end)

--- Before a descriptor is closed.
function M.forget(fd)
    local task = M.current()
    if task then
        task.loop:forget(fd)
    end
end

return M
