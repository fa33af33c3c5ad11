--- VNC: RFC 6143, 7.1. The version is answered by the list of security types.
return {
    id = "vnc", summary = "remote screen (RFB)", transport = "tcp", ports = { 5900, 5901 }, hello = true,
    read = function(banner, talk)
        local major, minor = banner:match("^RFB (%d%d%d)%.(%d%d%d)\n$")
        local answer = major and talk:ask(banner)
        if not answer or #answer < 2 then
            return nil
        end
        local count = answer:byte(1)
        if count ~= 0 and count ~= #answer - 1 then
            return nil
        end
        return { info = ("protocol %d.%d"):format(tonumber(major), tonumber(minor)), confidence = "high" }
    end,
}
