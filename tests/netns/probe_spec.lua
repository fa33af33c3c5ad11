-- probe, connect, listen and parallel, and the recipes scan, crosscheck and identify, against sockets of this namespace
-- and a host behind a wire, which counts what reaches it.

local porthole = require "porthole"
local net = require "porthole.net"
local program = assert(os.getenv("PORTHOLE"))
local directory = assert(os.getenv("TMPDIR"))

assert(os.execute("ip link set lo up"))

local function output_of(command)
    local pipe = assert(io.popen(command, "r"))
    local text = pipe:read("a")
    local _, _, status = pipe:close()
    return text, status
end

local function scan(words)
    return output_of(("'%s' scan %s 2>&1"):format(program, words))
end

local function server()
    local one = assert(porthole.listen("127.0.0.1", 0))
    local _, port = one:sock()
    return one, port
end

describe("probe", function()
    it("finds exactly the ports that listen", function()
        local one, port = server()
        for _ = 1, 3 do
            local rows = assert(porthole.probe("127.0.0.1"))
            assert.equals(65535, #rows)
            local open = rows:where { state = "open" }
            assert.equals(1, #open)
            assert.equals(port, open[1].port)
            assert.equals("syn-ack", open[1].reason)
            assert.equals(65534, #rows:where { state = "closed", reason = "conn-refused" })
        end
        one:close()
    end)

    it("answers a port's protocol and target once", function()
        local rows = assert(porthole.probe({ "127.0.0.1", "localhost", "::ffff:127.0.0.1" }, "80,T:80,U:53"))
        assert.equals(2, #rows)
        assert.equals("127.0.0.1", rows[1].target)
        assert.equals("udp", rows[2].proto)
        assert.equals("port-unreach", rows[2].reason)
        assert.equals("domain", rows[2].service)
    end)

    it("raises for a caller's mistake, and names it", function()
        assert.has_error(function()
            porthole.probe("127.0.0.1", "80", { retires = 1 })
        end)
        assert.has_error(function()
            porthole.probe("127.0.0.1", "80", { scope = "localhost" })
        end)
        assert.has_error(function()
            porthole.probe({}, "80")
        end)
    end)

    it("says what is wrong with ports and targets", function()
        for _, case in ipairs { { "127.0.0.1", "99999" }, { "127.1", "80" }, { "0x7f.1", "80" }, { "192.0.2.0/33", "80" } } do
            local rows, problem, code = porthole.probe(case[1], case[2])
            assert.is_nil(rows)
            assert.is_string(problem)
            assert.equals("EINVAL", code)
        end
    end)
end)

describe("scope", function()
    local outside = {
        "192.0.2.2", "192.0.2.0/30", "192.0.2.1-3", "::ffff:192.0.2.2", "[::ffff:192.0.2.2]", "2001:db8::2", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "ff02::1%lo", "192.0.2.*",
    }

    it("refuses what is not this host's, in every notation", function()
        for _, target in ipairs(outside) do
            local rows, problem, code = porthole.probe(target, "80")
            assert.is_nil(rows, target)
            assert.equals("EACCES", code, target)
            assert.is_truthy(problem:find("--scope", 1, true), target)
        end
    end)

    it("refuses a list whole, and with status 2 on the command line", function()
        local text, status = scan("127.0.0.1 192.0.2.2 -p 80")
        assert.equals(2, status)
        assert.is_truthy(text:find("192.0.2.2", 1, true))
        assert.is_truthy(text:find("--scope", 1, true))
    end)

    it("refuses connect as well", function()
        local connection, _, code = porthole.connect("192.0.2.2", 80)
        assert.is_nil(connection)
        assert.equals("EACCES", code)
    end)

    it("takes no bad scope", function()
        for _, scope in ipairs { "''", "word", "10.0.0.0/33" } do
            local _, status = scan("127.0.0.1 -p 80 --scope " .. scope)
            assert.equals(2, status, scope)
        end
    end)
end)

describe("connections", function()
    it("talk by lines, numbers of bytes, and until the end", function()
        local one, port = server()
        local connection = assert(porthole.connect("localhost", port, { timeout = 2 }))
        local other = assert(one:accept())
        assert(other:send("one\r\ntwo\nthree"))
        assert.equals("one", connection:receive())
        assert.equals("two\n", connection:receive("L"))
        assert.equals("th", connection:receive(2))
        other:close()
        assert.equals("ree", connection:receive("a"))
        local line, _, code = connection:receive()
        assert.is_nil(line)
        assert.equals("EOF", code)
        connection:close()
        connection:close()
        one:close()
    end)

    it("end in time and keep what came", function()
        local one, port = server()
        local connection <close> = assert(porthole.connect("127.0.0.1", port))
        local other <close> = assert(one:accept())
        other:send("half")
        connection:settimeout(0.1)
        local line, _, code = connection:receive()
        assert.is_nil(line)
        assert.equals("ETIMEDOUT", code)
        other:send(" line\n")
        assert.equals("half line", connection:receive())
        one:close()
    end)

    it("bound a line", function()
        local one, port = server()
        local connection <close> = assert(porthole.connect("127.0.0.1", port, { line_limit = 1000 }))
        local other <close> = assert(one:accept())
        other:send(("x"):rep(5000))
        local line, _, code = connection:receive()
        assert.is_nil(line)
        assert.equals("EMSGSIZE", code)
        one:close()
    end)

    it("tell why they failed", function()
        local one, port = server()
        assert.equals("EADDRINUSE", select(3, porthole.listen("127.0.0.1", port)))
        one:close()
        assert.equals("ECONNREFUSED", select(3, porthole.connect("127.0.0.1", port)))
        assert.equals("EINVAL", select(3, porthole.connect("127.1", port)))
    end)
end)

describe("parallel", function()
    it("connects 200 times to a server that answers nobody until all are there", function()
        local one, port = server()
        local numbers = {}
        for i = 1, 200 do
            numbers[i] = i
        end
        local results = porthole.parallel({ "server", "clients" }, function(who)
            if who == "clients" then
                return porthole.parallel(numbers, function(i)
                    local connection <close> = assert(porthole.connect("127.0.0.1", port))
                    if i == 7 then
                        error("seven")
                    end
                    return assert(connection:receive())
                end)
            end
            local connections = {}
            for i = 1, 200 do
                connections[i] = assert(one:accept())
            end
            for _, connection in ipairs(connections) do
                connection:send("hello\n")
                connection:close()
            end
            return #connections
        end)
        one:close()
        assert.equals(200, results[1])
        assert.equals("hello", results[2][1])
        assert.equals("hello", results[2][200])
        assert.is_true(net.is_failure(results[2][7]))
        assert.is_truthy(results[2].errors[7]:find("seven"))
        assert.is_nil(results[2].errors[8])
    end)

    it("keeps its limit and the list's order", function()
        local running, most = 0, 0
        local results = porthole.parallel({ 3, 1, 2 }, function(item)
            running = running + 1
            most = math.max(most, running)
            porthole.sleep(item / 50)
            running = running - 1
            return item * 2
        end, { limit = 2 })
        assert.same({ 6, 2, 4 }, { results[1], results[2], results[3] })
        assert.equals(2, most)
    end)

    it("probes without keeping others waiting", function()
        local results = porthole.parallel({ 1, 2, 3 }, function()
            return #assert(porthole.probe("127.0.0.1", "1-200"))
        end)
        assert.same({ 200, 200, 200 }, { results[1], results[2], results[3] })
    end)
end)

describe("porthole scan", function()
    it("writes nmap's outputs", function()
        local one, port = server()
        local text, status = scan(("localhost -p 1-60,%d --reason -oX %s/o.xml -oG -"):format(port, directory))
        one:close()
        assert.equals(0, status)
        assert.is_truthy(text:find(("Ports: %d/open/tcp"):format(port)))
        assert.is_truthy(text:find("Ignored State: closed (60)", 1, true))
        local file <close> = assert(io.open(directory .. "/o.xml"))
        local xml = file:read("a")
        assert.is_truthy(xml:find('<extraports state="closed" count="60">', 1, true))
        assert.is_truthy(xml:find(('portid="%d"><state state="open" reason="syn-ack"'):format(port), 1, true))
        assert.is_truthy(xml:find('<hostname name="localhost" type="user"/>', 1, true))
    end)

    it("lists up to 25 ports of a state, and sums up more", function()
        local few = scan("127.0.0.1 -p 1-25")
        assert.is_truthy(few:find("25/tcp closed", 1, true))
        local many = scan("127.0.0.1 -p 1-26")
        assert.is_truthy(many:find("Not shown: 26 closed tcp ports (conn-refused)", 1, true))
    end)

    it("refuses what it does not do, on one line each", function()
        for _, option in ipairs { "-sS", "-O", "-A", "-sV", "-sn", "-D x", "--script x", "-PE", "-PS80" } do
            local text, status = scan(option .. " 127.0.0.1")
            assert.equals(2, status, option)
            assert.is_truthy(text:find(option:match("^%-%-?%a+"):sub(1, 3), 1, true), option)
        end
    end)
end)

describe("porthole crosscheck", function()
    it("agrees with itself where nothing is in the way", function()
        local one, port = server()
        local text, status = output_of(("'%s' crosscheck -a 127.0.0.1 --format csv 2>&1"):format(program))
        one:close()
        assert.equals(0, status, text)
        assert.is_truthy(text:find(("127.0.0.1,tcp,%d,both"):format(port), 1, true), text)
    end)
end)

describe("porthole identify", function()
    --- Runs identify against a server that treats each connection as `serve` says.
    local function identified(serve)
        local one, port = server()
        local done = false
        local results = porthole.parallel({ "server", "client" }, function(who)
            if who == "client" then
                local rows = assert(porthole.probe("127.0.0.1", tostring(port)))
                local found = require("porthole.identify").identify(rows)
                done = true
                one:close()
                return found[1]
            end
            while not done do
                one:settimeout(1)
                local connection = one:accept()
                if connection then
                    pcall(serve, connection)
                    connection:close()
                end
            end
        end)
        assert.is_nil(results.errors[2], results.errors[2])
        return results[2]
    end

    it("names a web server by what it says, without its escapes", function()
        local row = identified(function(connection)
            connection:settimeout(2)
            local line = connection:receive()
            if line and line:find("^GET") then
                connection:send("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n<title>a\27[31mb</title>")
            end
        end)
        assert.equals("http", row.service)
        assert.equals("nginx", row.product)
        assert.equals("1.22.1", row.version)
        assert.is_nil(row.info:find("\27"))
    end)

    it("names nothing for a banner that nothing stands behind", function()
        local row = identified(function(connection)
            connection:send("SSH-2.0-OpenSSH_9.9\r\n")
            connection:settimeout(0.5)
            connection:receive()
        end)
        assert.is_nil(row.service)
        assert.is_nil(row.product)
        assert.equals("SSH-2.0-OpenSSH_9.9\\r\\n", row.banner)
    end)
end)
