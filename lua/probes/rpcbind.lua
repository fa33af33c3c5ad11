--- rpcbind over TCP: RFC 5531 (record marking), RFC 1833. The answer has the question's xid.
local XID = 0x50485048

local function call(procedure)
    return string.pack(">I4I4I4I4I4I4I4I4I4I4", XID, 0, 2, 100000, 2, procedure, 0, 0, 0, 0)
end

return {
    id = "rpcbind", summary = "RPC port mapper", transport = "tcp", ports = { 111 },
    send = string.pack(">I4", 0x80000000 | 40) .. call(0),
    read = function(reply)
        if #reply < 28 then
            return nil
        end
        local _, xid, kind, state, _, _, accepted = string.unpack(">I4I4I4I4I4I4I4", reply)
        if xid ~= XID or kind ~= 1 or state ~= 0 or accepted ~= 0 then
            return nil
        end
        return { info = "portmapper version 2", confidence = "high" }
    end,
}
