--- rpcbind over UDP: RFC 5531, RFC 1833. The answer has the question's xid.
local XID = 0x50485048

return {
    id = "rpcbindudp", summary = "RPC port mapper over UDP", transport = "udp", ports = { 111 },
    send = string.pack(">I4I4I4I4I4I4I4I4I4I4", XID, 0, 2, 100000, 2, 0, 0, 0, 0, 0),
    read = function(reply)
        if #reply < 24 then
            return nil
        end
        local xid, kind, state, _, _, accepted = string.unpack(">I4I4I4I4I4I4", reply)
        if xid ~= XID or kind ~= 1 or state ~= 0 or accepted ~= 0 then
            return nil
        end
        return { service = "rpcbind", info = "portmapper version 2", confidence = "high" }
    end,
}
