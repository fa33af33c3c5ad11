--- DNS over TCP: RFC 7766, a length before each message.
local dns = require "porthole.dnsversion"

return {
    id = "dnstcp", summary = "name service over TCP", transport = "tcp", ports = { 53, 853 },
    send = string.pack(">s2", dns.message),
    read = function(reply)
        local ok, message = pcall(string.unpack, ">s2", reply)
        return ok and dns.read(message) or nil
    end,
}
