--- Which ports are open, as a connection sees it, with the options and the output that nmap's users know.
local report = require "porthole.scanreport"

--- Options that take no value: what each sets.
local flags = {
    ["-sT"] = { tcp = true }, ["-sU"] = { udp = true }, ["-6"] = { family = "inet6" }, ["-4"] = { family = "inet" },
    ["-n"] = {}, ["-Pn"] = {}, ["-P0"] = {}, ["-r"] = {}, ["-F"] = { top = 100 },
    ["-v"] = { verbose = true }, ["-vv"] = { verbose = true, reason = true },
    ["-d"] = { verbose = true, reason = true }, ["--open"] = { open = true }, ["--reason"] = { reason = true },
    ["--noninteractive"] = {}, ["--no-stylesheet"] = {},
    ["--unprivileged"] = {},
}

--- nmap(1)'s timing templates, as far as they matter here.
local templates = {
    [0] = { rate = 1, retries = 5, timeout = 10 }, [1] = { rate = 5, retries = 5, timeout = 10 },
    [2] = { rate = 50, retries = 4, timeout = 5 }, [3] = {}, [4] = { timeout = 1.25 },
    [5] = { timeout = 0.3, retries = 1 },
}

local names = { paranoid = 0, sneaky = 1, polite = 2, normal = 3, aggressive = 4, insane = 5 }

local function whole(text, low, high)
    local value = text:find("^%d+$") and math.tointeger(tonumber(text))
    return value and value >= low and value <= high and value or nil
end

local units = { ms = 0.001, s = 1, m = 60, h = 3600, [""] = 1 }

--- Seconds, as nmap's users write them: "500ms", "2", "1m".
local function seconds(text)
    local number, unit = text:match("^(%d+%.?%d*)(%a*)$")
    local factor = units[unit]
    return number and factor and tonumber(number) > 0 and tonumber(number) * factor or nil
end

local function add(list, value)
    list[#list + 1] = value
end

--- Options with a value: each returns nothing, or what the value must be.
local valued = {
    ["-p"] = function(settings, text)
        settings.ports = text
    end,
    ["-T"] = function(settings, text)
        settings.template = whole(text, 0, 5) or names[text]
        return not settings.template and "a template from 0 to 5" or nil
    end,
    ["--top-ports"] = function(settings, text)
        settings.top = whole(text, 1, 65535)
        return not settings.top and "a whole number from 1 to 65535" or nil
    end,
    ["--exclude"] = function(settings, text)
        add(settings.exclude, text)
    end,
    ["--excludefile"] = function(settings, text)
        add(settings.exclude_files, text)
    end,
    ["-iL"] = function(settings, text)
        add(settings.lists, text)
    end,
    ["-oN"] = function(settings, text)
        settings.files.normal = text
    end,
    ["-oX"] = function(settings, text)
        settings.files.xml = text
    end,
    ["-oG"] = function(settings, text)
        settings.files.grepable = text
    end,
    ["-oA"] = function(settings, text)
        settings.files.normal, settings.files.xml = text .. ".nmap", text .. ".xml"
        settings.files.grepable = text .. ".gnmap"
    end,
    ["--scope"] = function(settings, text)
        add(settings.scope, text)
    end,
    ["--rate"] = function(settings, text)
        settings.rate = whole(text, 1, 1000000)
        return not settings.rate and "packets a second, from 1 to 1000000" or nil
    end,
    ["--retries"] = function(settings, text)
        settings.retries = whole(text, 0, 20)
        return not settings.retries and "a whole number from 0 to 20" or nil
    end,
    ["--timeout"] = function(settings, text)
        settings.timeout = seconds(text)
        return not settings.timeout and "a time such as 500ms or 2s" or nil
    end,
    ["--max-parallelism"] = function(settings, text)
        settings.window = whole(text, 1, 100000)
        return not settings.window and "a whole number from 1 to 100000" or nil
    end,
}
valued["--max-rate"], valued["--max-retries"] = valued["--rate"], valued["--retries"]
valued["--max-rtt-timeout"] = valued["--timeout"]

--- Options of nmap's whose value is read and not needed here: this engine adapts by itself.
local function ignore() end
for _, name in ipairs { "--min-rate", "--min-parallelism", "--min-rtt-timeout", "--initial-rtt-timeout",
    "--min-hostgroup", "--max-hostgroup", "--host-timeout", "--scan-delay", "--max-scan-delay", "--stats-every" } do
    valued[name] = ignore
end

local RAW = "sends raw packets, which porthole never does: use -sT (TCP connect) or -sU (UDP)"
local OTHER = "is another recipe here: use 'porthole identify'"
local HIDE = "hides a scan: porthole scans only what is yours"
local FIND = "asks only whether hosts are up: porthole probes the ports it is told; use -Pn -p PORTS"

--- Why an option of nmap's is not taken, and what to use.
local refused = {
    ["-sS"] = RAW, ["-sA"] = RAW, ["-sW"] = RAW, ["-sM"] = RAW, ["-sN"] = RAW, ["-sF"] = RAW, ["-sX"] = RAW,
    ["-sI"] = RAW, ["-sY"] = RAW, ["-sZ"] = RAW, ["-sO"] = RAW, ["-b"] = "bounces through another host's FTP server",
    ["-O"] = "guesses the system from raw packets, which porthole never sends: there is nothing instead",
    ["-A"] = "sends raw packets and runs scripts: use 'porthole identify' for what answers",
    ["-sV"] = OTHER, ["-sR"] = OTHER,
    ["-sC"] = "runs nmap's scripts: use 'porthole identify', or a script in Lua",
    ["--script"] = "runs nmap's scripts: use 'porthole identify', or a script in Lua",
    ["-sn"] = FIND, ["-sP"] = FIND, ["-sL"] = FIND, ["-PS"] = FIND, ["-PA"] = FIND, ["-PU"] = FIND, ["-PE"] = FIND,
    ["-PP"] = FIND, ["-PM"] = FIND, ["-PO"] = FIND, ["-PR"] = FIND, ["-PY"] = FIND,
    ["--traceroute"] = "sends raw packets: use traceroute(8)",
    ["-f"] = HIDE, ["-D"] = HIDE,
    ["-S"] = HIDE, ["-g"] = HIDE,
    ["--source-port"] = HIDE,
    ["--spoof-mac"] = HIDE,
    ["--data-length"] = HIDE,
    ["--proxies"] = HIDE,
    ["-iR"] = "takes random targets: porthole probes only what you name",
    ["-oS"] = "is no output that anybody needs: use -oN, -oX or -oG", ["-e"] = "chooses an interface: routes do that",
}

--- Names of options whose value may follow in the same word: the longest first.
local function attached(word)
    for _, name in ipairs { "-iL", "-oN", "-oX", "-oG", "-oA", "-p", "-T" } do
        if word:sub(1, #name) == name and #word > #name then
            return name, word:sub(#name + 1)
        end
    end
    local name, text = word:match("^(%-%-[%w-]+)=(.*)$")
    if name then
        return name, text
    end
end

local function refusal(word)
    local name = word:match("^%-%-[%w-]+") or word
    return refused[name] or (word:find("^%-%a%a") and not word:find("^%-%-") and refused[word:sub(1, 3)]) or
        (word:find("^%-[DSgef]") and refused[word:sub(1, 2)]) or nil
end

local function unknown(ctx, word)
    local nearest = require "porthole.nearest"
    local known = {}
    for name in pairs(flags) do
        known[#known + 1] = name
    end
    for name in pairs(valued) do
        known[#known + 1] = name
    end
    ctx.usage(("unknown option '%s'%s"):format(word, word:find("^%-%-") and nearest.hint(word, known) or ""))
end

--- One option. Returns the place of the last word that it took.
local function read_option(ctx, settings, words, at)
    local word = words[at]
    if flags[word] then
        for key, value in pairs(flags[word]) do
            settings[key] = value
        end
        return at
    end
    local why = refusal(word)
    if why then
        ctx.usage(("%s %s"):format(word, why))
    end
    local name, text = word, nil
    if not valued[word] then
        name, text = attached(word)
    end
    local set = name and valued[name]
    if not set then
        unknown(ctx, word)
    elseif not text then
        at = at + 1
        text = words[at] or ctx.usage(("option '%s' needs a value"):format(word))
    end
    local expected = set(settings, text)
    if expected then
        ctx.usage(("option '%s' must be %s, not '%s'"):format(name, expected, text))
    end
    return at
end

local function read_words(ctx, words)
    local settings = {
        targets = {}, exclude = {}, exclude_files = {}, lists = {}, scope = {}, files = {}, words = words,
    }
    local at, only_targets = 1, false
    while at <= #words do
        local word = words[at]
        if only_targets or word == "-" or not word:find("^%-") then
            add(settings.targets, word)
        elseif word == "--" then
            only_targets = true
        else
            at = read_option(ctx, settings, words, at)
        end
        at = at + 1
    end
    return settings
end

local LIST_BYTES = 16 << 20

--- A file of targets: words, "#" begins a comment.
local function read_list(ctx, path, into)
    local file, problem
    if path == "-" then
        file = io.stdin
    else
        file, problem = io.open(path, "r")
    end
    local text = file and file:read(LIST_BYTES + 1)
    if file and path ~= "-" then
        file:close()
    end
    if not file then
        ctx.usage(problem)
    elseif text and #text > LIST_BYTES then
        ctx.usage(path .. ": longer than 16 MiB")
    end
    for line in (text or ""):gmatch("[^\n]+") do
        for word in line:gsub("#.*", ""):gmatch("%S+") do
            add(into, word)
        end
    end
end

--- What is asked most often on real networks, as far as one may say without a survey: our own order.
local COMMON = {
    80, 443, 22, 21, 25, 23, 53, 110, 143, 3306, 3389, 445, 139, 8080, 993, 995, 587, 111, 135, 5432, 5900, 8443,
    6379, 27017, 1433, 1521, 389, 636, 2049, 1883, 8883, 5672, 11211, 9200, 2375, 2376, 6443, 10250, 2379, 5000,
    3000, 8000, 8008, 8081, 8888, 9000, 9090, 631, 548, 515, 873, 465, 514, 113, 79, 88, 179, 199, 427, 444, 513,
    512, 543, 544, 554, 646, 990, 992, 1080, 1194, 1723, 2000, 2121, 3128, 3690, 4369, 5060, 5061, 5222, 5269, 5353,
    5357, 5601, 5666, 5984, 6000, 6667, 7001, 7070, 8009, 8086, 8140, 8291, 9042, 9100, 9092, 9418, 9999, 10000,
    32768,
}

--- The first `count` ports: the common ones, then what the registry has, then the rest.
local function top_ports(ctx, count)
    local seen, list = {}, {}
    local function take(port)
        if #list < count and not seen[port] and port > 0 then
            seen[port] = true
            list[#list + 1] = port
        end
    end
    for _, port in ipairs(COMMON) do
        take(port)
    end
    if #list < count then
        for _, service in ipairs(ctx.services.list()) do
            take(service.port)
        end
    end
    for port = 1, 65535 do
        take(port)
    end
    return table.concat(list, ",")
end

local function plain_of(settings)
    if settings.udp then
        return settings.tcp and "both" or "udp"
    end
    return "tcp"
end

local function options_of(ctx, settings)
    local template = templates[settings.template or 3]
    local options = {
        plain = plain_of(settings), family = settings.family, scope = settings.scope, exclude = settings.exclude,
        window = settings.window,
    }
    for _, key in ipairs { "rate", "retries", "timeout" } do
        options[key] = settings[key] or template[key]
    end
    if ctx.terminal then
        options.progress = report.progress()
    end
    return options
end

--- The ports as probe() takes them. With both -sT and -sU a section decides alone, as with nmap.
local function ports_of(ctx, settings)
    if settings.ports then
        return settings.ports == "-" and "1-65535" or settings.ports
    end
    return settings.top and top_ports(ctx, settings.top) or nil
end

--- Writes the files that were asked for.
-- @treturn ?string what standard output has instead of the normal output: of "-oX -"
local function write_files(ctx, settings, scan)
    local instead
    for _, kind in ipairs { "normal", "xml", "grepable" } do
        local path = settings.files[kind]
        if path then
            local text = report[kind](scan)
            if path == "-" then
                instead = (instead or "") .. text
            else
                local ok, problem = ctx.write_file(path, text)
                if not ok then
                    return nil, problem
                end
            end
        end
    end
    return instead
end

local function check_options(ctx, settings)
    for _, path in ipairs(settings.lists) do
        read_list(ctx, path, settings.targets)
    end
    for _, path in ipairs(settings.exclude_files) do
        read_list(ctx, path, settings.exclude)
    end
    if #settings.targets == 0 then
        ctx.usage("a target is missing: an address, a name, a block; for this host: localhost")
    end
    for _, prefix in ipairs(settings.scope) do
        local ok = require("porthole.scope").is_prefix(prefix)
        if not ok then
            ctx.usage(("option '--scope' must be an address or a block such as 192.0.2.0/24, not '%s'"):format(prefix))
        end
    end
end

local function run(ctx, words)
    local settings = read_words(ctx, words)
    check_options(ctx, settings)
    local options = options_of(ctx, settings)
    local started = os.time()
    local clock = ctx.clock()
    local rows, problem, code = ctx.probe(settings.targets, ports_of(ctx, settings), options)
    report.end_progress(ctx)
    if not rows then
        if code == "EACCES" or code == "EINVAL" or code == "E2BIG" then
            ctx.usage(problem)
        end
        return nil, problem, code
    end
    local scan = {
        rows = rows, started = started, elapsed = ctx.clock() - clock, words = settings.words,
        settings = settings, colour = ctx.colour,
    }
    local instead, failure = write_files(ctx, settings, scan)
    if failure then
        return nil, failure
    end
    local shown = settings.open and rows:where { state = { "open", "open|filtered" } } or rows
    local cancelled = (rows.partial or {})[1] and rows.partial[1]:find("^cancelled")
    local text
    if ctx.format == "table" then
        text = instead or report.normal(scan)
    elseif instead then
        ctx.usage("either --format " .. ctx.format .. " or an output of nmap's goes to standard output, not both")
    end
    return { rows = shown, text = text, status = cancelled and 130 or 0 }
end

return {
    id = "scan",
    summary = "which ports are open, as a connection sees it",
    description = [[
Probes TCP ports by connecting, and UDP ports (-sU) by asking. This host's own addresses may be probed by anyone; any
other needs --scope, again and again for each block that you may probe. Without -p: all ports of this host; elsewhere
1 to 1024 and those that /etc/services names.

  TARGET                 an address, a name, a block (192.0.2.0/24), octet ranges (192.0.2.1-3)
  --scope CIDR           allows an address or a block that is not this host's
  -sT  -sU               TCP (the default), UDP
  -p PORTS               80, 1-1024, -100, 60000-, -, T:22,U:53, http*, [1-1024]
  -F  --top-ports N      the 100, or N, most common ports
  -6                     a name means its IPv6 addresses
  -n  -Pn  -r            taken for nmap's sake: addresses are not looked up, hosts not pinged
  -T 0..5                how fast: -T4 and -T5 wait less for answers, -T0 to -T2 send slowly
  --rate N  --retries N  --timeout TIME     most packets a second, more tries of silent ports, most to wait
  --exclude LIST  --excludefile FILE  -iL FILE
  -v  --open  --reason   more; only open ports; why a port is judged so
  -oN FILE  -oX FILE  -oG FILE  -oA NAME    nmap's outputs; "-" is standard output

nmap's other options are refused with a line on why and what to use.]],
    usage = "[OPTION...] TARGET...",
    categories = { "probe" },
    args = {},
    raw_args = true,
    run = run,
}
