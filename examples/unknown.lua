#!/usr/bin/env porthole
-- Which open ports does /etc/services not know? Teaches services.lookup(), and asking more than one source.
-- Prints a line for each, for example:
--
--     5355/tcp is not in /etc/services; the IANA registry has it as "llmnr"
--     33060/tcp is not in /etc/services, nor in the IANA registry

for _, row in ipairs(endpoints()) do
    local service = services.lookup(row.port, row.proto)
    local port = ("%d/%s"):format(row.port, row.proto)
    if not service then
        print(port .. " is not in /etc/services, nor in the IANA registry")
    elseif service.source == "iana" then
        print(('%s is not in /etc/services; the IANA registry has it as "%s"'):format(port, service.name))
    end
end
