--- memcached: protocol.txt, "version".
return {
    id = "memcached", summary = "memcached", transport = "tcp", ports = { 11211 }, send = "version\r\n",
    read = function(reply)
        local version = reply:match("^VERSION (%d[%w.-]*)\r\n")
        return version and { product = "memcached", version = version, confidence = "high" } or nil
    end,
}
