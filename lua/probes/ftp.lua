--- FTP: RFC 959; FEAT: RFC 2389; AUTH TLS: RFC 4217. A greeting counts only where FTP commands are answered.
local known = {
    { "%(vsFTPd (%d[%w.]*)%)", "vsftpd" }, { "ProFTPD (%d[%w.]*)", "ProFTPD" }, { "ProFTPD", "ProFTPD" },
    { "Pure%-FTPd", "Pure-FTPd" }, { "FileZilla Server (%d[%w.]*)", "FileZilla Server" },
}

return {
    id = "ftp", summary = "file transfer", transport = "tcp", ports = { 21, 990, 2121 }, hello = true,
    read = function(banner, talk)
        if not banner:find("^220[ -]") then
            return nil
        end
        local features = talk:ask("FEAT\r\n")
        local help = features and talk:ask("SYST\r\n")
        if not help or not (features:find("^211") or features:find("^5[03][0-9][ -]"))
            or not (help:find("^215") or help:find("^530")) then
            return nil
        end
        if not talk.tls and features:find("AUTH[^\r\n]*TLS") then
            local answer = talk:ask("AUTH TLS\r\n")
            if answer and answer:find("^234") then
                talk:starttls()
            end
        end
        for _, pair in ipairs(known) do
            if banner:find(pair[1]) then
                local version = banner:match(pair[1])
                return { product = pair[2], version = version:find("^%d") and version or nil, confidence = "high" }
            end
        end
        return { confidence = "high" }
    end,
}
