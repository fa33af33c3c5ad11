--- MongoDB: OP_MSG (MongoDB Wire Protocol) with buildInfo; the reply names the request that it answers.
local REQUEST = 0x50485048

local function command(name)
    local body = "\16" .. name .. "\0\1\0\0\0\2$db\0\6\0\0\0admin\0\0"
    local document = string.pack("<I4", #body + 4) .. body
    return string.pack("<I4I4I4I4I4B", 21 + #document, REQUEST, 0, 2013, 0, 0) .. document
end

return {
    id = "mongodb", summary = "MongoDB", transport = "tcp", ports = { 27017 }, send = command("buildInfo"),
    read = function(reply)
        if #reply < 21 then
            return nil
        end
        local _, _, answers, operation = string.unpack("<I4I4I4I4", reply)
        if answers ~= REQUEST or operation ~= 2013 then
            return nil
        end
        return { product = "MongoDB", version = reply:match("\2version\0....(%d[%w.-]*)\0"), confidence = "high" }
    end,
}
