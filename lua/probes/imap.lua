--- IMAP: RFC 9051; ID: RFC 2971.
return {
    id = "imap", summary = "mail boxes (IMAP)", transport = "tcp", ports = { 143, 993 }, hello = true,
    read = function(banner, talk)
        if not banner:find("^%* OK") and not banner:find("^%* PREAUTH") then
            return nil
        end
        local features = talk:ask("p1 CAPABILITY\r\n")
        if not features or not features:find("%* CAPABILITY ") or not features:find("p1 OK") then
            return nil
        end
        local product, version
        if features:find(" ID[ \r]") then
            local answer = talk:ask("p2 ID NIL\r\n") or ""
            product = answer:match('"name" "([^"]+)"')
            version = answer:match('"version" "([^"]+)"')
        end
        if not talk.tls and features:find(" STARTTLS") then
            local answer = talk:ask("p3 STARTTLS\r\n")
            if answer and answer:find("p3 OK") then
                talk:starttls()
            end
        end
        return {
            product = product or banner:match("Dovecot") or banner:match("Cyrus") or banner:match("Courier"),
            version = version, info = banner:match("^%* OK ([^\r\n]*)"), confidence = "high",
        }
    end,
}
