--- MQTT 3.1.1: CONNECT, CONNACK; Mosquitto tells its version under $SYS/broker/version.
local function packet(kind, body)
    return string.char(kind, #body) .. body
end

local CONNECT = packet(0x10, string.pack(">s2BBI2s2", "MQTT", 4, 2, 30, ""))
local TOPIC = "$SYS/broker/version"
local SUBSCRIBE = packet(0x82, string.pack(">I2s2B", 1, TOPIC, 0))

return {
    id = "mqtt", summary = "message broker (MQTT)", transport = "tcp", ports = { 1883, 8883 }, send = CONNECT,
    read = function(reply, talk)
        if #reply ~= 4 or reply:sub(1, 2) ~= "\x20\2" or reply:byte(3) > 1 or reply:byte(4) > 5 then
            return nil
        elseif reply:byte(4) ~= 0 then
            return { info = "connection refused, code " .. reply:byte(4), confidence = "medium" }
        end
        local answer = talk:ask(SUBSCRIBE, 1) or ""
        local text = answer:match("%$SYS/broker/version([%g ]+)")
        local product, version = (text or ""):match("^(%a+) version (%d[%w.]*)")
        return { product = product and product:gsub("^%l", string.upper) or nil, version = version, info = text,
            confidence = "high" }
    end,
}
