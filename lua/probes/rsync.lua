--- rsync's daemon: it greets with its protocol, is greeted, and lists its modules.
return {
    id = "rsync", summary = "rsync daemon", transport = "tcp", ports = { 873 }, hello = true,
    read = function(banner, talk)
        local protocol = banner:match("^@RSYNCD: (%d+%.?%d*)[^\n]*\n")
        local answer = protocol and talk:ask("@RSYNCD: 30.0\n#list\n")
        if not answer or not answer:find("@RSYNCD: EXIT", 1, true) and not answer:find("@ERROR", 1, true) then
            return nil
        end
        return { product = "rsync", info = "protocol " .. protocol, confidence = "high" }
    end,
}
