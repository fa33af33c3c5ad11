--- PostgreSQL: protocol 3.0, SSLRequest and StartupMessage ("Message Formats"). It tells no version before login.
return {
    id = "postgresql", summary = "PostgreSQL", transport = "tcp", ports = { 5432 },
    send = string.pack(">I4I4", 8, 80877103),
    read = function(reply, talk)
        if reply ~= "S" and reply ~= "N" then
            return nil
        end
        if reply == "S" and not talk:starttls("postgresql") then
            return nil
        end
        local fields = "user\0porthole\0database\0porthole\0\0"
        local answer = talk:ask(string.pack(">I4I4", 8 + #fields, 196608) .. fields)
        local kind = answer and #answer >= 9 and answer:sub(1, 1)
        local length = kind and string.unpack(">I4", answer, 2)
        if kind == "R" and length >= 8 and length < 2000 or kind == "E" and answer:find("^....." .. "SF?[%u]") then
            return { product = "PostgreSQL", confidence = "high", info = answer:match("\0M([^%z]*)") }
        end
    end,
}
