local changes = require "porthole.changes"

local function endpoint(port, address, ...)
    local processes = {}
    for i, pid in ipairs { ... } do
        processes[i] = { pid = pid, name = "p" .. pid }
    end
    return {
        proto = "tcp", port = port, netns = "net:[1]", addresses = { { address = address } }, processes = processes,
    }
end

local function told(before, after)
    local list = {}
    for i, change in ipairs(changes.between(before, after)) do
        local of = change.endpoint
        list[i] = ("%s %d %s %s"):format(change.event, of.port, of.addresses[1].address,
            of.processes[1] and of.processes[1].pid or "-")
    end
    return list
end

describe("changes between two lists of endpoints", function()
    local web, ssh = endpoint(80, "::", 7), endpoint(22, "0.0.0.0", 5)

    it("are none where nothing changed, whatever the order", function()
        assert.same({}, told({ web, ssh }, { ssh, endpoint(80, "::", 7) }))
        assert.same({}, told({}, {}))
    end)

    it("tell what opened and what closed", function()
        assert.same({ "opened 80 :: 7" }, told({ ssh }, { ssh, web }))
        assert.same({ "closed 22 0.0.0.0 5" }, told({ ssh, web }, { web }))
    end)

    it("tell of another owner and of another address", function()
        assert.same({ "changed 80 :: 8" }, told({ web }, { endpoint(80, "::", 8) }))
        assert.same({ "changed 80 127.0.0.1 7" }, told({ web }, { endpoint(80, "127.0.0.1", 7) }))
        assert.same({ "changed 80 :: -" }, told({ web }, { endpoint(80, "::") }))
    end)

    it("keep two services of one port apart", function()
        local other = endpoint(80, "127.0.0.1", 9)
        assert.same({ "opened 80 127.0.0.1 9" }, told({ web }, { web, other }))
        assert.same({ "closed 80 :: 7" }, told({ web, other }, { other }))
    end)
end)
