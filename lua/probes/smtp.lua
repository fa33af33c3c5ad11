--- SMTP: RFC 5321; STARTTLS: RFC 3207. A greeting counts only where EHLO is answered.
local function product_of(greeting)
    local exim = greeting:match("Exim (%d[%w.]*)")
    if exim then
        return "Exim", exim
    elseif greeting:find("Postfix", 1, true) then
        return "Postfix", greeting:match("Postfix %(?(%d[%w.]*)")
    elseif greeting:find("Sendmail", 1, true) then
        return "Sendmail", greeting:match("Sendmail (%d[%w.]*)")
    elseif greeting:find("OpenSMTPD", 1, true) then
        return "OpenSMTPD"
    end
end

return {
    id = "smtp", summary = "mail transfer", transport = "tcp", ports = { 25, 465, 587 }, hello = true,
    read = function(banner, talk)
        if not banner:find("^220[ -]") then
            return nil
        end
        local features = talk:ask("EHLO localhost\r\n")
        if not features or not features:find("^250[ -]") then
            return nil
        end
        if not talk.tls and features:find("\n250[ -]STARTTLS") then
            local answer = talk:ask("STARTTLS\r\n")
            if answer and answer:find("^220") then
                talk:starttls()
            end
        end
        local product, version = product_of(banner)
        return { product = product, version = version, info = banner:match("^220[ -](%S+)"), confidence = "high" }
    end,
}
