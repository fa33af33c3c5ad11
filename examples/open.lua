#!/usr/bin/env porthole
-- What is open on this host, and to whom? Teaches endpoints(), group(), and rows within rows.
-- Prints a table for each kind of caller, for example:
--
--     2 open to the internet
--     PORT  PROTO  SERVICE  PROCESSES
--       22  tcp    ssh      sshd/701
--      443  tcp    https    nginx/812, nginx/813
--
--     1 open to this host only
--     PORT  PROTO  SERVICE     PROCESSES
--     5432  tcp    postgresql  postgres/930

local whom = {
    internet = "the internet", lan = "the local network", link = "the neighbours on one link", host = "this host only",
}

for i, group in ipairs(endpoints():group("reach")) do
    if i > 1 then
        print()
    end
    print(("%d open to %s"):format(group.count, whom[group.reach] or "nobody that is known"))
    -- print() of rows makes visible whatever a hostile name could do to the terminal.
    group.rows:select("port,proto,service,processes"):print()
end
