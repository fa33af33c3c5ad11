--- SMB2: MS-SMB2, 2.2.3 and 2.2.4: NEGOTIATE. The wire does not say which program answers.
local function negotiate()
    local header = "\xfeSMB" .. string.pack("<I2I2I4I2I2I4I4I8I4I4I8", 64, 0, 0, 0, 1, 0, 0, 0x5048, 0, 0, 0)
        .. ("\0"):rep(16)
    local body = string.pack("<I2I2I2I2I4", 36, 3, 1, 0, 0) .. "portholeporthole" .. ("\0"):rep(8)
        .. string.pack("<I2I2I2", 0x0202, 0x0210, 0x0302)
    return string.pack(">I4", #header + #body) .. header .. body
end

return {
    id = "smb", summary = "Windows file sharing", transport = "tcp", ports = { 445 }, send = negotiate(),
    read = function(reply)
        if #reply < 4 + 64 + 8 or reply:sub(5, 8) ~= "\xfeSMB" or string.unpack("<I8", reply, 29) ~= 0x5048
            or string.unpack("<I4", reply, 21) & 1 ~= 1 then
            return nil
        end
        local dialect = string.unpack("<I2", reply, 73)
        return { info = ("SMB %d.%d.%d"):format(dialect >> 8, dialect >> 4 & 15, dialect & 15), confidence = "high" }
    end,
}
