--- POP3: RFC 1939; CAPA and STLS: RFC 2449, RFC 2595.
return {
    id = "pop3", summary = "mail boxes (POP3)", transport = "tcp", ports = { 110, 995 }, hello = true,
    read = function(banner, talk)
        if not banner:find("^%+OK") then
            return nil
        end
        local features = talk:ask("CAPA\r\n")
        if not features or not (features:find("^%+OK.*\r?\n%.\r?\n") or features:find("^%-ERR")) then
            return nil
        end
        local implementation = features:match("\nIMPLEMENTATION ([^\r\n]+)")
        if not talk.tls and features:find("\nSTLS") then
            local answer = talk:ask("STLS\r\n")
            if answer and answer:find("^%+OK") then
                talk:starttls()
            end
        end
        local product = (implementation or banner):match("Dovecot") or implementation
        return { product = product, info = banner:match("^%+OK ([^\r\n]*)"), confidence = "high" }
    end,
}
