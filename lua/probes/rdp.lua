--- RDP: MS-RDPBCGR, 2.2.1.1 and 2.2.1.2: X.224 connection request and confirm.
return {
    id = "rdp", summary = "remote desktop", transport = "tcp", ports = { 3389 },
    send = "\3\0\0\19\14\xe0\0\0\0\0\0\1\0\8\0\3\0\0\0",
    read = function(reply)
        if #reply < 11 or reply:sub(1, 2) ~= "\3\0" or string.unpack(">I2", reply, 3) ~= #reply then
            return nil
        end
        return reply:byte(6) == 0xd0 and { confidence = "high" } or nil
    end,
}
