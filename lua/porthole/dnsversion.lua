--- The question version.bind in class CHAOS (RFC 4892), and what its answer says of the server.
-- @module porthole.dnsversion

local M = {}

local ID = 0x5048
local QUESTION = "\7version\4bind\0\0\16\0\3"
local HEADER_BYTES = 12

--- The message to send.
M.message = string.pack(">I2I2I2I2I2I2", ID, 0x0100, 1, 0, 0, 0) .. QUESTION

local function product_of(text)
    if text:find("^unbound") then
        return "Unbound", text:match("(%d[%w.]*)")
    elseif text:find("^dnsmasq") then
        return "dnsmasq", text:match("(%d[%w.]*)")
    elseif text:find("PowerDNS", 1, true) then
        return "PowerDNS", text:match("(%d[%w.]*)")
    elseif text:find("^9%.%d+%.%d+") then
        return "BIND", text:match("^[%d.]+")
    end
end

--- The first string of the first answer.
local function text_of(reply)
    local at = HEADER_BYTES + #QUESTION + 1
    local pointer = (reply:byte(at) or 0) >= 0xc0
    at = at + (pointer and 2 or #"\7version\4bind\0") + 10
    local ok, text = pcall(string.unpack, "s1", reply, at)
    return ok and text or nil
end

--- Reads the answer.
-- @tparam string reply
-- @treturn ?table as a probe's read() returns it; nil where it does not answer the question
function M.read(reply)
    if #reply < HEADER_BYTES then
        return nil
    end
    local id, flags, questions, answers = string.unpack(">I2I2I2I2", reply)
    if id ~= ID or flags & 0xf800 ~= 0x8000 then
        return nil
    elseif questions == 1 and reply:sub(HEADER_BYTES + 1, HEADER_BYTES + #QUESTION):lower() ~= QUESTION then
        return nil
    end
    local text = answers >= 1 and questions == 1 and text_of(reply) or nil
    local product, version
    if text then
        product, version = product_of(text)
    end
    return { service = "dns", product = product, version = version, info = text, confidence = "high" }
end

return M
