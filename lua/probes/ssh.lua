--- SSH: RFC 4253, 4.2 (the identification line) and 7.1 (SSH_MSG_KEXINIT, which a mere banner does not send).
return {
    id = "ssh", summary = "Secure Shell", transport = "tcp", ports = { 22, 2222 }, hello = true,
    read = function(banner, talk)
        local protocol, software, comment = banner:match("^SSH%-([%d.]+)%-([^%s]+) ?([^\r\n]*)\r?\n")
        if not protocol then
            return nil
        end
        local packet = banner:match("^[^\n]*\n(.+)$")
        if not packet or #packet < 6 then
            packet = (packet or "") .. (talk:ask("SSH-2.0-porthole\r\n") or "")
        end
        if #packet < 6 or packet:byte(6) ~= 20 then
            return nil
        end
        local product, version = software:match("^([%a][%w]*)[_-]v?(%d[%w.]*)")
        return {
            product = product or software, version = version, confidence = "high",
            info = "protocol " .. protocol .. (comment ~= "" and "; " .. comment or ""),
            banner = banner:match("^[^\r\n]*"),
        }
    end,
}
