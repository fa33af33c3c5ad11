-- `porthole netstat` beside the real one in a namespace of the test's own (tests/run makes it), which world.c and this spec
-- furnish with sockets, devices, routes and groups of many kinds: the same sorted lines, notes and exit status.

local program = assert(os.getenv("PORTHOLE"))
local world_program = assert(os.getenv("TESTS_BUILD")) .. "/tests/netns/world"
local directory = assert(os.getenv("TMPDIR"))

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read(path)
    local file <close> = assert(io.open(path, "r"))
    return file:read("a")
end

--- Output, notes and exit status.
local function run(command)
    local out, err = directory .. "/netstat.out", directory .. "/netstat.err"
    local _, _, status = os.execute(("%s >%s 2>%s </dev/null"):format(command, quoted(out), quoted(err)))
    return read(out), read(err), status
end

--- Sorted lines; what a timer shows apart, in the lines' order.
local function lines_of(text)
    local lines, timers = {}, {}
    for line in text:gmatch("[^\n]+") do
        lines[#lines + 1] = line:gsub("%((%d+%.%d+)/", function(seconds)
            timers[line:gsub("%(%d+%.%d+/", "(")] = tonumber(seconds)
            return "(T/"
        end)
    end
    table.sort(lines)
    return lines, timers
end

local setup = [[
ip link add tap0 type veth peer name tap1
ip link set tap0 up promisc on
ip link set tap1 allmulticast on arp off
ip route add unreachable 203.0.113.0/28
ip route add blackhole 203.0.113.16/28 metric 7
ip route add unreachable 203.0.113.99/32
ip route add default via 192.0.2.254 dev lo onlink metric 100 mtu lock 1300 window 4096
ip -6 route add prohibit 2001:db8:9::/48
ip route add 169.254.0.0/16 dev lo
sleep 2
]]

-- Names are left out where a name server would have to be asked: the namespace has none.
local cases = {
    "-an", "-ln", "-n", "-tn", "-tan", "-tln", "-un", "-uan", "-uln", "-Uan", "-Uln", "-wan", "-wln", "-x", "-xa", "-xl",
    "-xan", "-xap", "-xlp", "-xe", "-xo", "-Sn", "-tun", "-tuan", "-ntlp", "-tanp", "-tulpn", "-ane", "-anee", "-ano",
    "-aneo", "-aneop", "-antpe", "-aWn", "-4n", "-6n", "-4an", "-6an", "-4ln", "-6ln", "-46an", "-n -A inet",
    "-A inet6 -an", "-A unix", "-A inet,unix -an", "--inet -an", "--inet6 -an", "--unix", "--protocol=inet6 -an",
    "-n -A ddp", "-A ipx", "-A foo", "--tcp --all --numeric", "--num", "--numeric-hosts -a", "--numeric-hosts -ae",
    "--numeric-hosts --numeric-users -ae", "-aNn", "-anv", "-lnv", "-i", "-ia", "-ie", "-iae", "-iee", "-in", "-iW", "-iv",
    "-rn", "-rne", "-rnee", "-rnC", "-rnF", "-rC6n", "-rCen", "-rCeen", "-r6n", "-rn6", "-rn6e", "-rn6ee", "-rW6n", "-r46n",
    "-rA unix", "-rvn", "-ron", "-gn", "-gn4", "-gn6", "-gn -A unix", "-gan", "-s", "-sn", "-st", "-su", "-sw", "-sU",
    "-sS", "-s6", "-st6", "-su6", "-sw6", "-stu", "-sx", "-s46", "-M", "-V", "-h", "-Z", "-i -r", "-q", "--foo",
    "--list -n", "-an extra words", "extra -an", "-A", "--protocol", "--all=3", "--stat", "--group -n", "--rou -n",
    "--inter", "--ext -an", "--wid -n", "--timers -an", "--prog -an", "-lnt -A unix", "-txn", "-nap --raw", "-anp4",
    "-rnW", "-gnW",
}

describe("netstat", function()
    local writer

    lazy_setup(function()
        if run("command -v netstat") == "" then
            return
        end
        local hold, truth = directory .. "/netstat.hold", directory .. "/netstat.truth"
        assert(os.execute("mkfifo " .. quoted(hold)))
        assert(os.execute(("%s 1 > %s < %s &"):format(quoted(world_program), quoted(truth), quoted(hold))))
        writer = assert(io.open(hold, "w"))
        for _ = 1, 100 do
            if read(truth):find("ready", 1, true) then
                break
            end
            os.execute("sleep 0.1")
        end
        run("sh -c " .. quoted(setup))
    end)

    lazy_teardown(function()
        if writer then
            writer:close()
        end
    end)

    for _, options in ipairs(cases) do
        it("answers " .. options .. " as netstat does", function()
            if not writer then
                pending("netstat is not installed")
                return
            end
            local expected, notes, status, got, said, ended
            -- What changes by itself between the two, as counters do, is asked for again.
            for _ = 1, 5 do
                expected, notes, status = run("netstat " .. options)
                got, said, ended = run(quoted(program) .. " netstat " .. options)
                if expected == got then
                    break
                end
            end
            local wanted, seconds = lines_of(expected)
            local lines, mine = lines_of(got)
            assert.same(wanted, lines)
            assert.equal(notes, said)
            assert.equal(status, ended)
            for line, left in pairs(seconds) do
                assert.is_true(math.abs(left - (mine[line] or left)) <= 1.5)
            end
        end)
    end

    it("shows one interface, which the other refuses", function()
        for _, options in ipairs { "-I lo", "-Ilo", "-I=lo", "--interfaces=lo" } do
            local out, _, status = run(quoted(program) .. " netstat " .. options)
            assert.equal(0, status)
            assert.matches("^Kernel Interface table\n[^\n]+\nlo  [^\n]+\n$", out)
        end
        local out, err, status = run(quoted(program) .. " netstat -I none")
        assert.equal("", out)
        assert.matches("Device not found", err)
        assert.equal(3, status)
    end)

    it("repeats each second with -c", function()
        local out = run("timeout -s INT 2.5 " .. quoted(program) .. " netstat -ctln")
        local _, count = out:gsub("Active Internet", "")
        assert.equal(3, count)
    end)

    it("has its rows in every format", function()
        for _, options in ipairs { "-tan", "-xa", "-i", "-r", "-g", "-s" } do
            for _, format in ipairs { "json", "ndjson", "csv", "tsv" } do
                local out, _, status = run(("%s netstat %s --format %s"):format(quoted(program), options, format))
                assert.equal(0, status)
                assert.is_true(#out > 20)
            end
        end
    end)
end)
