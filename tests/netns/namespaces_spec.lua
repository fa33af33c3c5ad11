-- The same port in three other network namespaces: a named one, one that only a process holds, and one that only a bind mount outside of
-- /run/netns holds. Asked from here they are three rows, told apart, each judged by the addresses of its own.

local json = require("porthole").json
local program = assert(os.getenv("PORTHOLE"))
local directory = assert(os.getenv("TMPDIR"))

local script = [[
set -e
mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/netns
touch "$1/mounted"
listen='import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET); s.bind((sys.argv[1], 7777)); s.listen(1)
time.sleep(8)'
ip netns add named
ip netns exec named python3 -c "$listen" 0.0.0.0 & first=$!
unshare -n python3 -c "$listen" 127.0.0.1 & second=$!
unshare -n sh -c 'ip link add e0 type veth peer name e1; ip addr add 203.0.113.9/24 dev e0; mount --bind /proc/self/ns/net "$0/mounted"' "$1"
nsenter --net="$1/mounted" python3 -c "$listen" :: & third=$!
sleep 1
"$2" audit --netns all --format ndjson 2>/dev/null
echo
"$2" audit --netns named --format ndjson 2>/dev/null
kill $first $second $third
umount "$1/mounted"
ip netns del named
]]

describe("network namespaces", function()
    it("are each seen once, whatever keeps them alive", function()
        if not os.execute("unshare -m true 2>/dev/null") then
            return pending("no mount namespace can be made here")
        end
        local path = directory .. "/namespaces.sh"
        local file <close> = assert(io.open(path, "w"))
        file:write(script)
        file:flush()
        local pipe = assert(io.popen(("unset LD_PRELOAD; unshare -m sh '%s' '%s' '%s'"):format(path, directory, program)))
        local all = {}
        for line in pipe:lines() do
            if line == "" then
                break
            end
            all[#all + 1] = assert(json.decode(line))
        end
        local one = assert(json.decode(pipe:read("l")))
        pipe:close()
        local rows, names = {}, {}
        for _, row in ipairs(all) do
            if row.port == 7777 then
                local address = row.addresses[1].address
                assert.is_nil(rows[address])
                rows[address] = row
                assert.is_nil(names[row.netns])
                names[row.netns] = true
                assert.are.equal(1, #row.processes)
            end
        end
        assert.are.equal("named", rows["0.0.0.0"].netns)
        assert.is_truthy(rows["127.0.0.1"].netns:find("^net:%[%d+%]$"))
        assert.are.equal("internet", rows["::"].reach)
        assert.are.equal("host", rows["127.0.0.1"].reach)
        assert.are.equal("named", one.netns)
    end)
end)
