-- `porthole watch` sees every listener that is open for two looks or longer, ends cleanly, and does not grow.

local json = require("porthole").json
local program = assert(os.getenv("PORTHOLE"))
local directory = assert(os.getenv("TMPDIR"))

-- 300 listeners, 100 at a time, each open for 1.2 s.
local listeners = [[
import socket, time
for turn in range(3):
    held = []
    for i in range(100):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 20000 + turn * 100 + i))
        s.listen(1)
        held.append(s)
    time.sleep(1.2)
    for s in held:
        s.close()
]]

local function output_of(command)
    local pipe = assert(io.popen(command, "r"))
    local text = pipe:read("a")
    local _, how, status = pipe:close()
    return text, status, how
end

describe("porthole watch", function()
    it("tells of each of 300 listeners when it opens and when it closes", function()
        local path = directory .. "/listeners.py"
        local file <close> = assert(io.open(path, "w"))
        file:write(listeners)
        file:flush()
        local text, status = output_of(("ip link set lo up; (sleep 1; python3 '%s') & '%s' watch --every 0.5 --for 8s "
            .. "--format ndjson"):format(path, program))
        assert.are.equal(0, status)
        local seen = { opened = {}, closed = {} }
        for line in text:gmatch("[^\n]+") do
            local change = assert(json.decode(line))
            assert.is_nil(seen[change.event][change.port], line)
            seen[change.event][change.port] = true
        end
        for port = 20000, 20299 do
            assert.is_true(seen.opened[port], "opened " .. port)
            assert.is_true(seen.closed[port], "closed " .. port)
        end
    end)

    it("ends with status 0 on Ctrl-C, and when its reader goes away", function()
        local _, status = output_of(("timeout --preserve-status -s INT 1 '%s' watch --every 0.1 2>/dev/null"):format(program))
        assert.are.equal(0, status)
        _, status = output_of(("'%s' watch --every 0.1 --for 3s | true"):format(program))
        assert.are.equal(0, status)
    end)

    it("does not grow", function()
        -- A sanitizer keeps what was freed for a while: only a little of it here.
        local sizes = output_of(("export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1; '%s' watch --every 0.05 --for 4s & P=$!; sleep 1; grep VmRSS /proc/$P/status; sleep 2; "
            .. "grep VmRSS /proc/$P/status; wait $P"):format(program))
        local early, late = sizes:match("(%d+) kB.-(%d+) kB")
        assert.is_true(tonumber(late) < tonumber(early) + 2048, sizes)
    end)

    it("refuses what makes no sense", function()
        for _, words in ipairs { "--every 0", "--every x", "--for 1y", "--format json" } do
            local _, status = output_of(("'%s' watch %s 2>&1"):format(program, words))
            assert.are.equal(2, status, words)
        end
    end)
end)
