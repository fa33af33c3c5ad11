--- Redis and its kin: RESP (redis.io, "Redis serialization protocol").
return {
    id = "redis", summary = "Redis, Valkey", transport = "tcp", ports = { 6379 }, send = "*1\r\n$4\r\nPING\r\n",
    read = function(reply, talk)
        if reply:find("^%-NOAUTH") or reply:find("^%-DENIED Redis") then
            return { product = "Redis", info = reply:match("^%-([^\r\n]*)"), confidence = "medium" }
        elseif reply ~= "+PONG\r\n" then
            return nil
        end
        local info = talk:ask("*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n") or ""
        local valkey = info:match("valkey_version:([%w.-]+)")
        local version = valkey or info:match("redis_version:([%w.-]+)")
        return {
            product = valkey and "Valkey" or "Redis", version = version, confidence = version and "high" or "medium",
            info = info:match("os:([^\r\n]+)"),
        }
    end,
}
