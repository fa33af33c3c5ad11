--- MySQL and MariaDB: protocol 10's first packet (MySQL internals, "Protocol::HandshakeV10"). MariaDB puts "5.5.5-"
-- before its version, so that old replicas take it.
return {
    id = "mysql", summary = "MySQL, MariaDB", transport = "tcp", ports = { 3306 }, hello = true,
    read = function(banner)
        if #banner < 8 then
            return nil
        end
        local length, sequence, protocol = string.unpack("<I3BB", banner)
        if sequence > 1 or length + 4 ~= #banner then
            return nil
        elseif protocol == 255 then
            local message = banner:sub(8)
            local program = message:match("MariaDB") or message:match("MySQL")
            return program and { product = program, info = message:gsub("^#?[%w]*", ""), confidence = "high" } or nil
        elseif protocol ~= 10 then
            return nil
        end
        local text = string.unpack("z", banner, 6)
        local mariadb = text:find("MariaDB", 1, true) ~= nil
        local version = text:gsub("^5%.5%.5%-", ""):match("^%d[%d.]*")
        if not version then
            return nil
        end
        return { product = mariadb and "MariaDB" or "MySQL", version = version, info = text, confidence = "high" }
    end,
}
