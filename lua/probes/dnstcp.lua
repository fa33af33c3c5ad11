--- DNS over TCP: RFC 7766, a length before each message.
local ID = 0x5048
local QUESTION = "\7version\4bind\0\0\16\0\3"
local MESSAGE = string.pack(">I2I2I2I2I2I2", ID, 0x0100, 1, 0, 0, 0) .. QUESTION

return {
    id = "dnstcp", summary = "name service over TCP", transport = "tcp", ports = { 53, 853 },
    send = string.pack(">s2", MESSAGE),
    read = function(reply)
        if #reply < 14 then
            return nil
        end
        local length, id, flags = string.unpack(">I2I2I2", reply)
        if length < 12 or id ~= ID or flags & 0xf800 ~= 0x8000 then
            return nil
        end
        local text = reply:match("\0\16\0\3....%z?[%g%s]?.?([%g ]+)$")
        local product = text and (text:find("^unbound") and "Unbound" or text:find("dnsmasq") and "dnsmasq"
            or text:find("^9%.%d+%.%d+") and "BIND") or nil
        return { service = "dns", product = product, version = product and text:match("%d[%d.]*"), info = text,
            confidence = "high" }
    end,
}
