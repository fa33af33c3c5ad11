--- AMQP 0-9-1: the protocol header is answered by Connection.Start, whose properties name product and version.
return {
    id = "amqp", summary = "message broker", transport = "tcp", ports = { 5672, 5671 }, send = "AMQP\0\0\9\1",
    read = function(reply)
        if #reply < 11 or reply:byte(1) ~= 1 or reply:sub(8, 11) ~= "\0\10\0\10" then
            return nil
        end
        local function property(name)
            local _, last = reply:find(string.char(#name) .. name .. "S", 1, true)
            return last and string.unpack(">s4", reply, last + 1)
        end
        return { product = property("product"), version = property("version"), info = property("platform"),
            confidence = "high" }
    end,
}
