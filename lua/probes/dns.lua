--- DNS over UDP: RFC 1035. The answer has the question's id and question.
local dns = require "porthole.dnsversion"

return {
    id = "dns", summary = "name service", transport = "udp", ports = { 53 }, send = dns.message, read = dns.read,
}
