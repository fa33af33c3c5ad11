-- `porthole audit` against a host that has sockets of every kind of bind (world.c), in every format: each (protocol,
-- address, port, pid) exactly once, with the facts that belong to it.

local json = require("porthole").json
local program = assert(os.getenv("PORTHOLE"))
local world_program = assert(os.getenv("TESTS_BUILD")) .. "/tests/netns/world"
local directory = assert(os.getenv("TMPDIR"))

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function output_of(command)
    local pipe = assert(io.popen(command, "r"))
    local text = pipe:read("a")
    local _, _, status = pipe:close()
    return text, status
end

--- Starts a world; its truth by key, and a function that ends it.
local function start_world(copies)
    local hold, truth_file = directory .. "/hold", directory .. "/truth"
    os.remove(hold)
    assert(os.execute("mkfifo " .. quoted(hold)))
    assert(os.execute(("%s %d > %s < %s &"):format(quoted(world_program), copies, quoted(truth_file), quoted(hold))))
    -- The world has opened its end, and with that the shell its output, once this returns.
    local writer = assert(io.open(hold, "w"))
    local truth, count, ready
    for _ = 1, 100 do
        truth, count, ready = {}, 0, false
        local file <close> = assert(io.open(truth_file, "r"))
        for line in file:lines() do
            if line == "ready" then
                ready = true
                break
            end
            local fact = json.decode(line)
            if not fact then
                break
            end
            truth[("%s %s %s %d %d %s"):format(fact.proto, fact.address, fact.iface or json.null, fact.port, fact.pid,
                tostring(fact.v6only))] = fact
            count = count + 1
        end
        if ready then
            break
        end
        os.execute("sleep 0.1")
    end
    assert(ready, "the world did not come up")
    return truth, count, function()
        writer:close()
    end
end

local keys = {
    "proto", "port", "service", "addresses", "ipv4", "ipv6", "processes", "unit", "container", "netns", "reach", "why",
    "exposure",
}

local readers = {}

function readers.json(text)
    local object = assert(json.decode(text))
    assert.are.equal("audit", object.recipe)
    assert.is_table(object.partial)
    return object.rows
end

function readers.ndjson(text)
    local rows = {}
    for line in text:gmatch("[^\n]+") do
        rows[#rows + 1] = assert(json.decode(line))
    end
    return rows
end

--- RFC 4180, one record a line.
local function csv_fields(line)
    local fields, at = {}, 1
    repeat
        local field, rest
        if line:sub(at, at) == '"' then
            local stop = at
            repeat
                stop = assert(line:find('"', stop + 1, true))
                local doubled = line:sub(stop + 1, stop + 1) == '"'
                stop = doubled and stop + 1 or stop
            until not doubled
            field, rest = line:sub(at + 1, stop - 1):gsub('""', '"'), stop + 1
        else
            field = line:match("^[^,]*", at)
            rest = at + #field
        end
        fields[#fields + 1] = field
        at = rest + 1
    until rest > #line
    return fields
end

local function tsv_fields(line)
    local fields = {}
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do
        fields[#fields + 1] = field
    end
    return fields
end

local function records(text, split)
    local rows, heading = {}, nil
    for line in text:gmatch("[^\n]+") do
        local fields = split(line)
        if heading then
            assert.are.equal(#heading, #fields, line)
            local row = {}
            for i, name in ipairs(heading) do
                local value = fields[i]
                if name == "addresses" or name == "processes" or name == "exposure" then
                    value = assert(json.decode(value), value)
                elseif name == "port" then
                    value = math.tointeger(value)
                elseif value == "true" or value == "false" then
                    value = value == "true"
                elseif value == "" then
                    value = json.null
                end
                row[name] = value
            end
            rows[#rows + 1] = row
        else
            heading = fields
            assert.are.same(keys, heading)
        end
    end
    return rows
end

function readers.csv(text)
    return records(text, csv_fields)
end

function readers.tsv(text)
    return records(text, tsv_fields)
end

local function no_raw_controls(text, format)
    local allowed = format == "tsv" and "[\n\t]" or "\n"
    local rest = text:gsub(allowed, "")
    assert.is_nil(rest:find("[%z\1-\31\127]"), format)
    assert.is_nil(rest:find("\xc2[\x80-\x9f]"), format)
    assert.is_truthy(utf8.len(text), format)
end

local function check(rows, truth, count, format)
    local seen, found = {}, 0
    for _, row in ipairs(rows) do
        for _, key in ipairs(keys) do
            assert.is_not_nil(row[key], format .. ": a row without " .. key)
        end
        for _, entry in ipairs(row.addresses) do
            for _, process in ipairs(row.processes) do
                local v6only = entry.v6only == json.null and json.null or entry.v6only
                local key = ("%s %s %s %d %d %s"):format(row.proto, entry.address, entry.iface, row.port, process.pid,
                    tostring(v6only))
                local fact = truth[key]
                assert.is_not_nil(fact, format .. ": not in the world: " .. key)
                assert.is_nil(seen[key], format .. ": twice: " .. key)
                seen[key] = row
                found = found + 1
                local user = fact.uid == 0 and "root" or json.null
                if os.getenv("USER_NAMES") ~= "no" and fact.uid == 0 then
                    assert.are.equal(user, process.user, key)
                end
            end
        end
    end
    for key in pairs(truth) do
        assert.is_not_nil(seen[key], format .. ": missing: " .. key)
    end
    assert.are.equal(count, found)
    return seen
end

local width = { host = 1, link = 2, lan = 3, internet = 4 }

--- ipv4, ipv6 and reach of a row are those of all its addresses together.
local function check_judgement(rows, seen, truth)
    local expected = {}
    for key, row in pairs(seen) do
        local all = expected[row] or { ipv4 = false, ipv6 = false }
        local fact = truth[key]
        all.ipv4, all.ipv6 = all.ipv4 or fact.ipv4, all.ipv6 or fact.ipv6
        if fact.reach ~= json.null and (not all.reach or width[fact.reach] > width[all.reach]) then
            all.reach = fact.reach
        end
        expected[row] = all
    end
    for _, row in ipairs(rows) do
        local all, name = expected[row], row.proto .. " " .. row.port .. " " .. row.addresses[1].address
        assert.are.equal(all.ipv4, row.ipv4, name)
        assert.are.equal(all.ipv6, row.ipv6, name)
        assert.are.equal(all.reach or json.null, row.reach, name)
    end
end

describe("porthole audit on a host with every kind of bind", function()
    local truth, count, stop

    setup(function()
        truth, count, stop = start_world(5)
    end)

    teardown(function()
        stop()
    end)

    for _, format in ipairs { "json", "ndjson", "csv", "tsv" } do
        it("has each holder of each address once as " .. format, function()
            local text, status = output_of(quoted(program) .. " audit --format " .. format)
            assert.are.equal(0, status)
            no_raw_controls(text, format)
            local rows = readers[format](text)
            check_judgement(rows, check(rows, truth, count, format), truth)
        end)
    end

    it("joins addresses that the same processes hold, and nothing else", function()
        local rows = readers.json(output_of(quoted(program) .. " audit --format json"))
        local of_kind = {}
        for _, row in ipairs(rows) do
            for _, entry in ipairs(row.addresses) do
                for _, process in ipairs(row.processes) do
                    local fact = truth[("%s %s %s %d %d %s"):format(row.proto, entry.address, entry.iface, row.port,
                        process.pid, tostring(entry.v6only))]
                    of_kind[fact.kind] = of_kind[fact.kind] or {}
                    of_kind[fact.kind][row] = true
                end
            end
        end
        for row in pairs(of_kind.pair) do
            assert.are.equal(2, #row.addresses)
        end
        for row in pairs(of_kind.fork) do
            assert.are.equal(2, #row.processes)
        end
        for row in pairs(of_kind.workers) do
            assert.are.equal(3, #row.processes)
        end
        for row in pairs(of_kind.twins) do
            assert.are.equal(1, #row.processes)
            assert.are.equal(1, #row.addresses)
        end
    end)

    it("gives every process each of its keys, in order", function()
        for _, format in ipairs { "json", "ndjson" } do
            local text = output_of(quoted(program) .. " audit --format " .. format)
            local count = 0
            for process in text:gmatch('"processes":%[(%b{})') do
                local rest = process:gsub('\\\\.', "")
                assert.is_truthy(rest:find('^{"pid":%d+,"name":.*,"exe":.*,"cmdline":.*,"user":.*,"fd":%d+}$'), process)
                count = count + 1
            end
            assert.is_true(count > 0)
        end
    end)

    it("shows hostile names on one line each in a table", function()
        local text, status = output_of(quoted(program) .. " audit")
        assert.are.equal(0, status)
        no_raw_controls(text, "table")
        assert.is_nil(text:find("\xe2\x80\xae", 1, true))
        assert.is_truthy(text:find("a\\x1b[31mred", 1, true))
        assert.is_truthy(text:find("two\\nlines", 1, true))
    end)
end)
