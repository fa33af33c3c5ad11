--- DNS over UDP: RFC 1035; version.bind in class CHAOS: RFC 4892. The answer has the question's id and question.
local ID = 0x5048
local QUESTION = "\7version\4bind\0\0\16\0\3"

local function product_of(text)
    if not text then
        return nil
    elseif text:find("^unbound") then
        return "Unbound", text:match("(%d[%w.]*)")
    elseif text:find("^dnsmasq") then
        return "dnsmasq", text:match("(%d[%w.]*)")
    elseif text:find("PowerDNS", 1, true) then
        return "PowerDNS", text:match("(%d[%w.]*)")
    elseif text:find("^9%.%d+%.%d+") then
        return "BIND", text:match("^[%d.]+")
    end
end

return {
    id = "dns", summary = "name service", transport = "udp", ports = { 53 },
    send = string.pack(">I2I2I2I2I2I2", ID, 0x0100, 1, 0, 0, 0) .. QUESTION,
    read = function(reply)
        if #reply < 12 then
            return nil
        end
        local id, flags, questions, answers = string.unpack(">I2I2I2I2", reply)
        if id ~= ID or flags & 0x8000 == 0 or flags & 0x7800 ~= 0 then
            return nil
        elseif questions == 1 and reply:sub(13, 12 + #QUESTION):lower() ~= QUESTION then
            return nil
        end
        local text
        if answers >= 1 and questions == 1 then
            local name = reply:byte(13 + #QUESTION) or 0
            local at = 13 + #QUESTION + (name >= 0xc0 and 2 or #"\7version\4bind\0") + 10
            text = at <= #reply and string.unpack("s1", reply, at) or nil
        end
        local product, version = product_of(text)
        return { product = product, version = version, info = text, confidence = "high" }
    end,
}
