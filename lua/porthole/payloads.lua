--- What a UDP port is sent so that its service answers: the smallest request of each protocol, from its RFC.
-- @module porthole.payloads

local function dns(name_and_type, flags)
    return "\x50\x48" .. (flags or "\x01\x00") .. "\0\1\0\0\0\0\0\0" .. name_and_type
end

--- RFC 1035: the name servers of the root.
local DNS = dns("\0\0\2\0\1")

--- RFC 6762 with RFC 6763, 9: which services are there.
local MDNS = dns("\9_services\7_dns-sd\4_udp\5local\0\0\12\0\1", "\0\0")

--- RFC 1002, 4.2.17: node status of "*".
local NETBIOS = "\x50\x48\0\0\0\1\0\0\0\0\0\0\32CK" .. ("A"):rep(30) .. "\0\0\x21\0\1"

--- RFC 5905: version 4, mode 3 (client); the transmit time stamp comes back as the originate one.
local NTP = "\xe3" .. ("\0"):rep(39) .. "porthole"

--- RFC 3416: GetRequest of sysDescr.0, version 2c, community "public".
local SNMP = "\x30\x29\2\1\1\4\6public\xa0\x1c\2\4\x50\x48\x50\x48\2\1\0\2\1\0\x30\x0e"
    .. "\x30\x0c\6\8\x2b\6\1\2\1\1\1\0\5\0"

--- RFC 5531 with RFC 1833: NULL procedure of program 100000, version 2.
local RPC = "\x50\x48\x50\x48\0\0\0\0\0\0\0\2\0\1\x86\xa0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

--- RFC 3261, 11.
local SIP = "OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/UDP nm;branch=z9hG4bK5048;rport\r\nFrom: <sip:nm@nm>;tag=5048\r\n"
    .. "To: <sip:nm@nm>\r\nCall-ID: 5048\r\nCSeq: 42 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

--- UPnP Device Architecture 2.0, 1.3.2.
local SSDP = "M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n"
    .. "\r\n"

--- RFC 7252, 12.8 and RFC 6690: GET /.well-known/core.
local COAP = "\x40\1\x50\x48\xbb.well-known\4core"

--- RFC 7296, 1.2: IKE_SA_INIT's header alone, which is answered by INVALID_SYNTAX.
local IKE = "porthole" .. ("\0"):rep(8) .. "\x21\x20\x22\x08\0\0\0\0\0\0\0\x1c"

--- RFC 5389: a STUN binding request.
local STUN = "\0\1\0\0\x21\x12\xa4\x42portholeport"

--- RFC 1350: a read request for a file that is hardly there.
local TFTP = "\0\1porthole-probe\0octet\0"

--- RFC 868, 867, 864, 862, 863 answer to any datagram.
local ANY = "\r\n"

--- memcached's UDP frame and "version".
local MEMCACHED = "\x50\x48\0\0\0\1\0\0version\r\n"

return {
    [7] = ANY, [13] = ANY, [19] = ANY, [37] = ANY,
    [53] = DNS, [5353] = MDNS, [5355] = DNS,
    [69] = TFTP, [111] = RPC, [123] = NTP, [137] = NETBIOS, [161] = SNMP,
    [500] = IKE, [1900] = SSDP, [3478] = STUN, [5060] = SIP, [5683] = COAP, [11211] = MEMCACHED,
}
