--- X11: X Window System Protocol, "Connection Setup".
return {
    id = "x11", summary = "X display", transport = "tcp", ports = { 6000, 6001 }, send = "l\0\11\0\0\0\0\0\0\0\0\0",
    read = function(reply)
        if #reply < 8 or reply:byte(1) > 2 then
            return nil
        end
        local _, reason, major, _, units = string.unpack("<BBI2I2I2", reply)
        if major ~= 11 or (reply:byte(1) == 0 and reason + 8 > #reply) or units == 0 then
            return nil
        end
        if reply:byte(1) ~= 1 or #reply < 40 then
            return { info = reply:byte(1) == 0 and reply:sub(9, 8 + reason) or nil, confidence = "high" }
        end
        local release = string.unpack("<I4", reply, 9)
        local length = string.unpack("<I2", reply, 25)
        return { product = reply:sub(41, 40 + length), version = ("%d.%d.%d"):format(release // 10000000,
            release // 100000 % 100, release // 1000 % 100), confidence = "high" }
    end,
}
