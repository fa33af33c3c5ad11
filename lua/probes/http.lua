--- HTTP: RFC 9112. The Server field (RFC 9110, 10.2.4) names program and version; some APIs tell theirs at
-- /version.
local function request(talk, path)
    local lines = { "GET " .. path .. " HTTP/1.1", "Host: " .. (talk.name or "localhost"), "User-Agent: porthole",
        "Accept: */*", "Connection: close", "", "" }
    return table.concat(lines, "\r\n")
end

local function field(head, name)
    return head:match("\n" .. name .. ":[ \t]*([^\r\n]*)")
end

--- Answers of APIs: what their JSON has that no other's does.
local apis = {
    { '"ApiVersion"%s*:', '"Version"%s*:%s*"([^"]+)"', "Docker", "docker" },
    { '"etcdcluster"%s*:', '"etcdserver"%s*:%s*"([^"]+)"', "etcd", "etcd" },
    { '"gitVersion"%s*:', '"gitVersion"%s*:%s*"v?([^"]+)"', "Kubernetes", "kubernetes" },
    { '"cluster_uuid"%s*:', '"number"%s*:%s*"([^"]+)"', "Elasticsearch", "elasticsearch" },
}

local function api_of(text)
    for _, api in ipairs(apis) do
        if text:find(api[1]) then
            return { service = api[4], product = api[3], version = text:match(api[2]), confidence = "high" }
        end
    end
end

--- JSON at the root, or nothing there: it may be an API.
local function ask_api(reply, status, talk)
    if status ~= "404" and status ~= "403" and not reply:find('\r?\n\r?\n%s*{') then
        return nil
    end
    local found = api_of(reply)
    if found then
        return found
    end
    local net = require "porthole.net"
    local peer, port = talk.connection:peer()
    local again = peer and net.connect(peer, port, { timeout = 2, scope = peer, tls = talk.tls and {} or nil })
    if not again then
        return nil
    end
    again:send(request(talk, "/version"))
    local text = again:receive("a") or ""
    again:close()
    return api_of(text:sub(1, 16384))
end

--- What nginx, Apache and Go answer where they expect TLS.
local function is_plain_on_tls(reply)
    local text = reply:lower()
    return text:find("plain http request was sent to", 1, true) or text:find("speaking plain http to an ssl", 1, true)
        or text:find("http request to an https server", 1, true)
end

return {
    id = "http", summary = "web", transport = "tcp", ports = { 80, 443, 8080, 8000, 8443, 8888, 2375, 2379, 6443 },
    send = function(talk)
        return request(talk, "/")
    end,
    read = function(reply, talk)
        local status, rest = reply:match("^HTTP/1%.[01] (%d%d%d)([^\n]*\n)")
        if not status then
            return nil
        end
        if not talk.tls and is_plain_on_tls(reply) then
            return { wants_tls = true }
        end
        local head = "\n" .. (reply:match("^[^\n]*\n(.-)\r?\n\r?\n") or rest)
        local lower = head:gsub("\n[^:\n]*:", string.lower)
        local server = field(lower, "server")
        local title = reply:match("<[tT][iI][tT][lL][eE][^>]*>%s*([^<]-)%s*</")
        local api = ask_api(reply, status, talk)
        if api then
            return api
        end
        local product, version = (server or ""):match("^([^/%s]+)/v?(%d[^%s]*)")
        return {
            product = product or (server ~= "" and server or nil), version = version, confidence = "high",
            info = "status " .. status .. (title and title ~= "" and "; title: " .. title or ""), banner = reply,
        }
    end,
}
