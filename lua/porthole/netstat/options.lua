--- The command line of netstat: getopt_long's bundles, permutation and abbreviations, and its messages.
-- @module porthole.netstat.options

local M = {}

-- Long name, what it means (a letter, or an address family), whether it takes a value; in netstat's own order, in which
-- its message lists ambiguous names.
local long = {
    { "ax25", family = "ax25" }, { "ip", family = "inet" }, { "ipx", family = "ipx" }, { "netrom", family = "netrom" },
    { "inet", family = "inet" }, { "inet6", family = "inet6" }, { "ddp", family = "ddp" }, { "unix", family = "unix" },
    { "tcpip", family = "inet" }, { "econet", family = "econet" }, { "x25", family = "x25" },
    { "rose", family = "rose" }, { "l2cap", family = "bluetooth" }, { "rfcomm", family = "bluetooth" },
    { "version", "V" }, { "interfaces", "i", optional = true }, { "help", "h" }, { "route", "r" },
    { "statistics", "s" }, { "masquerade", "M" }, { "protocol", "A", value = true }, { "tcp", "t" }, { "sctp", "S" },
    { "udp", "u" }, { "udplite", "U" }, { "raw", "w" }, { "listening", "l" }, { "all", "a" }, { "timers", "o" },
    { "continuous", "c" }, { "cache", "C" }, { "extend", "e" }, { "fib", "F" }, { "groups", "g" }, { "verbose", "v" },
    { "programs", "p" }, { "numeric", "n" }, { "numeric-hosts", "hosts" }, { "numeric-ports", "ports" },
    { "numeric-users", "users" }, { "symbolic", "N" }, { "context", "Z" }, { "wide", "W" },
}

local letters = "AFMCacdehilnNoprsStuUvVWwxg64Z"

local families = {
    inet = "inet", ip = "inet", tcpip = "inet", inet6 = "inet6", ax25 = "ax25", x25 = "x25", ipx = "ipx",
    netrom = "netrom", rose = "rose", econet = "econet", appletalk = "ddp", ddp = "ddp", unix = "unix",
    ["local"] = "unix", bluetooth = "bluetooth",
}

local function fail(text, usage)
    error({ netstat = text, usage_text = usage }, 0)
end

local function add_family(options, name)
    local family = families[name]
    if not family then
        fail(("Unknown address family `%s'.\n"):format(name))
    elseif family == "bluetooth" then
        fail("netstat: feature `AF BLUETOOTH' not supported.\n"
            .. "Please recompile `net-tools' with newer kernel source or full configuration.\n")
    elseif not options.family[family] then
        options.family[family] = true
        table.insert(options.families, family)
    end
end

local function find_long(name)
    local found = {}
    for _, option in ipairs(long) do
        if option[1] == name then
            return option
        elseif option[1]:sub(1, #name) == name then
            found[#found + 1] = option
        end
    end
    if #found == 0 then
        fail(("netstat: unrecognized option '--%s'\n"):format(name), true)
    elseif #found > 1 then
        local names = {}
        for i, option in ipairs(found) do
            names[i] = ("'--%s'"):format(option[1])
        end
        fail(("netstat: option '--%s' is ambiguous; possibilities: %s\n"):format(name, table.concat(names, " ")), true)
    end
    return found[1]
end

local function set(options, letter, value)
    if letter == "A" then
        for name in value:gmatch("[^,]+") do
            add_family(options, name)
        end
    elseif letter == "4" then
        add_family(options, "inet")
    elseif letter == "6" then
        add_family(options, "inet6")
    elseif letter == "x" then
        add_family(options, "unix")
    elseif letter == "I" then
        options.i, options.interface = 1, (value:gsub("^=", ""))
    elseif letter == "n" then
        options.hosts, options.ports, options.users, options.n = true, true, true, 1
    elseif #letter > 1 then
        options[letter] = true
    else
        options[letter] = (options[letter] or 0) + 1
        options.first = options.first or (letter == "V" or letter == "h") and letter
    end
end

local function read_long(options, word, take)
    local name, value = word:match("^%-%-([^=]*)=?(.*)$")
    local has_value = word:find("=", 1, true) ~= nil
    local option = find_long(name)
    if option.value then
        if not has_value then
            value = take() or fail(("netstat: option '--%s' requires an argument\n"):format(option[1]), true)
        end
    elseif has_value and not option.optional then
        fail(("netstat: option '--%s' doesn't allow an argument\n"):format(option[1]), true)
    end
    if option.family then
        add_family(options, option.family)
    elseif option.optional and has_value then
        set(options, "I", value)
    else
        set(options, option[2], value)
    end
end

local function read_short(options, word, take)
    local at = 2
    while at <= #word do
        local letter = word:sub(at, at)
        at = at + 1
        if letter == "A" or letter == "I" then
            local value = at <= #word and word:sub(at) or take()
            if not value then
                fail(("netstat: option requires an argument -- '%s'\n"):format(letter), true)
            end
            set(options, letter, value)
            return
        elseif not letters:find(letter, 1, true) or letter == "d" then
            fail(("netstat: invalid option -- '%s'\n"):format(letter), true)
        end
        set(options, letter)
    end
end

--- Reads the words. What is no option is passed over, as netstat does.
-- @treturn table counts by letter; `family` (a set), `families` (in order), `hosts`, `ports`, `users` (numeric)
function M.parse(words)
    local options, at = { family = {}, families = {} }, 1
    local function take()
        at = at + 1
        return words[at]
    end
    while at <= #words and not options.first do
        local word = words[at]
        if word == "--" then
            break
        elseif word:find("^%-%-") then
            read_long(options, word, take)
        elseif word:find("^%-.") then
            read_short(options, word, take)
        end
        at = at + 1
    end
    return options
end

return M
