--- NTP: RFC 5905; the originate time stamp of the answer is the transmit time stamp of the question. The program's own
-- version: mode 6, read variables (RFC 9327).
local STAMP = "porthole"

return {
    id = "ntp", summary = "time service", transport = "udp", ports = { 123 },
    send = "\xe3" .. ("\0"):rep(39) .. STAMP,
    read = function(reply, talk)
        if #reply < 48 or reply:byte(1) & 7 ~= 4 or reply:sub(25, 32) ~= STAMP then
            return nil
        end
        local answer = talk:ask("\x16\2\x50\x48\0\0\0\0\0\0\0\0", 1) or ""
        local text = answer:sub(2, 4) == "\x82\x50\x48" and answer:match('version="([^"]*)"') or nil
        local product, version = (text or ""):match("^ntpd (ntpsec)%-(%d[%w.]*)")
        if not product then
            product, version = (text or ""):match("^(%a+) (%d[%w.]*)")
        end
        return {
            product = product == "ntpsec" and "NTPsec" or product, version = version, confidence = "high",
            info = ("stratum %d"):format(reply:byte(2)) .. (text and "; " .. text or ""),
        }
    end,
}
