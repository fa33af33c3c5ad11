--- SNMP: the engine's id (RFC 3414, 4; RFC 3411, 5: SnmpEngineID begins with the maker's enterprise number).
local ID = 0x5048

local function ber(kind, ...)
    local body = table.concat({ ... })
    return string.char(kind, #body) .. body
end

local DISCOVERY = ber(0x30, ber(2, "\3"),
    ber(0x30, ber(2, string.pack(">I2", ID)), ber(2, "\0\xff\xe3"), ber(4, "\4"), ber(2, "\3")),
    ber(4, ber(0x30, ber(4, ""), ber(2, "\0"), ber(2, "\0"), ber(4, ""), ber(4, ""), ber(4, ""))),
    ber(0x30, ber(4, ""), ber(4, ""), ber(0xa0, ber(2, string.pack(">I2", ID)), ber(2, "\0"), ber(2, "\0"), ber(0x30))))

local DESCRIPTION = ber(0x30, ber(2, "\1"), ber(4, "public"), ber(0xa0, ber(2, string.pack(">I2", ID + 1)),
    ber(2, "\0"), ber(2, "\0"), ber(0x30, ber(0x30, ber(6, "\x2b\6\1\2\1\1\1\0"), ber(5)))))

local makers = { [8072] = "Net-SNMP", [9] = "Cisco", [2636] = "Juniper", [11] = "HP", [14988] = "MikroTik" }

return {
    id = "snmp", summary = "network management", transport = "udp", ports = { 161 }, send = DISCOVERY,
    read = function(reply, talk)
        -- A report whose message id is ours.
        local answers = reply:find("\2\2" .. string.pack(">I2", ID), 1, true) and reply:find("\xa8", 1, true)
        if reply:byte(1) ~= 0x30 or not answers then
            return nil
        end
        local engine = reply:match("\4[\5-\32](\x80....)")
        local enterprise = engine and string.unpack(">I4", engine) & 0x7fffffff
        local answer = talk:ask(DESCRIPTION, 1) or ""
        local ours = answer:find("\2\2" .. string.pack(">I2", ID + 1), 1, true)
        local _, last = answer:find("\x2b\6\1\2\1\1\1\0\4", 1, true)
        local ok, description = pcall(string.unpack, "s1", answer, (last or #answer) + 1)
        return {
            product = makers[enterprise], confidence = "high",
            info = ours and ok and description or (enterprise and "enterprise " .. enterprise),
        }
    end,
}
