#!/usr/bin/env porthole
-- Who listens as root? Teaches where() with a function, select() and sort() of rows.
-- Prints a table such as:
--
--     PROTO  PORT  SERVICE  PROCESSES  REACH
--     tcp      22  ssh      sshd/701   internet
--     tcp     631  ipp      cupsd/820  host
--
-- Without root's rights the processes of others are hidden; what is missing is said on standard error.

local function held_by_root(row)
    -- Nil where no process can be seen.
    for _, process in ipairs(row.processes or {}) do
        if process.user == "root" then
            return true
        end
    end
    return false
end

local all = endpoints()

all:where(held_by_root):sort("proto", "port"):select("proto,port,service,processes,reach"):print()

for _, reason in ipairs(all.partial) do
    io.stderr:write("note: ", reason, "\n")
end
