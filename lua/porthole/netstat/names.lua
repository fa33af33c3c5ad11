--- Names of hosts, networks, services and protocols as netstat prints them. What was found once is kept for the run.
-- @module porthole.netstat.names

local resolve = require("porthole.core").resolve

local M = {}

local function kept(find)
    local known = {}
    return function(key, more)
        local index = more and key .. "/" .. more or key
        local name = known[index]
        if name == nil then
            name = find(key, more)
            known[index] = name
        end
        return name
    end
end

--- The host's name, or its address; the unspecified one as getnameinfo's callers see it.
M.host = kept(function(address)
    if address == "0.0.0.0" then
        return address
    elseif address == "::" then
        return "[::]"
    end
    return resolve.host(address) or address
end)

--- A route's destination: "default", a network's or a host's name, or its address.
M.destination = kept(function(address, mask)
    if address == "0.0.0.0" then
        return mask == "0.0.0.0" and "default" or "0.0.0.0"
    elseif mask == "255.255.255.255" then
        return resolve.host(address) or address
    end
    return resolve.network(address) or address
end)

M.service = kept(function(port, protocol)
    if port == 0 then
        return "*"
    end
    return resolve.service(port, protocol) or tostring(port)
end)

M.protocol = kept(function(number)
    if number == 0 then
        return "*"
    end
    return resolve.protocol(number) or tostring(number)
end)

return M
