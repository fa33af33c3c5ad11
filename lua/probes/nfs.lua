--- NFS: RFC 5531; the NULL procedure of program 100003, version 4 (RFC 8881) or, where it says so, others.
local XID = 0x50485050

return {
    id = "nfs", summary = "network file system", transport = "tcp", ports = { 2049 },
    send = string.pack(">I4I4I4I4I4I4I4I4I4I4I4", 0x80000000 | 40, XID, 0, 2, 100003, 4, 0, 0, 0, 0, 0),
    read = function(reply)
        if #reply < 28 then
            return nil
        end
        local _, xid, kind, state, _, _, accepted = string.unpack(">I4I4I4I4I4I4I4", reply)
        if xid ~= XID or kind ~= 1 or state ~= 0 then
            return nil
        elseif accepted == 0 then
            return { info = "version 4", confidence = "high" }
        elseif accepted == 2 and #reply >= 36 then
            local low, high = string.unpack(">I4I4", reply, 29)
            return { info = ("versions %d to %d"):format(low, high), confidence = "high" }
        end
    end,
}
