--- netstat -s: the protocols' counters in words.
-- @module porthole.netstat.statistics

local sentences = require "porthole.netstat.sentences"

local M = {}

-- Which option a section needs; the others are always shown.
local needs = {
    Ip = "w", Icmp = "w", Tcp = "t", TcpExt = "t", Udp = "u", Ip6 = "w", Icmp6 = "w", Udp6 = "u", Sctp = "S",
}

-- Settings that netstat passes over.
local silent = {
    ["Ip.DefaultTTL"] = true, ["Tcp.RtoAlgorithm"] = true, ["Tcp.RtoMin"] = true, ["Tcp.RtoMax"] = true,
    ["Tcp.MaxConn"] = true,
}

--- Adds one counter. `state` is "", "in" or "out": within a histogram lines stand deeper.
local function add(counter, state, out)
    if silent[counter.protocol .. "." .. counter.name] then
        return state
    end
    local sentence = (sentences[counter.protocol] or {})[counter.name]
    local value = counter.value
    local kind = sentence and sentence.histogram or ""
    if not sentence then
        if value ~= 0 then
            local name = counter.source == "snmp6" and counter.protocol .. counter.name or counter.name
            out[#out + 1] = ("%s%s: %d\n"):format(state == "" and "    " or "        ", name, value)
        end
        return state
    end
    if kind ~= "" and kind ~= state then
        out[#out + 1] = ("%sICMP %sput histogram:\n"):format(state == "" and "    " or "        ", kind)
    end
    if value ~= 0 or sentence.always then
        out[#out + 1] = (kind == "" and "    " or "        ") .. sentence[1]:gsub("%%d", tostring(value)) .. "\n"
    end
    -- A line that is passed over changes no depth, unless it is of a histogram.
    return (value ~= 0 or sentence.always or kind ~= "") and kind or state
end

--- @param rows counters()
-- @tparam table wanted letters of the protocols
-- @tparam boolean six whether IPv6 is asked for
-- @treturn string
function M.text(rows, wanted, six)
    local out, section, source, state = {}, nil, nil, ""
    local function each(fits)
        for _, counter in ipairs(rows) do
            local protocol = counter.protocol
            if fits(counter) and (not needs[protocol] or wanted[needs[protocol]]) then
                if counter.source ~= source then
                    source, state = counter.source, ""
                end
                if protocol ~= section then
                    section = protocol
                    out[#out + 1] = protocol .. ":\n"
                end
                state = add(counter, state, out)
            end
        end
    end
    if six then
        each(function(counter)
            return counter.source == "snmp6"
        end)
        each(function(counter)
            return counter.source == "snmp" and counter.protocol == "Tcp"
        end)
    else
        each(function(counter)
            return counter.source == "snmp" or counter.source == "netstat"
        end)
        each(function(counter)
            return counter.source == "sctp/snmp"
        end)
    end
    return table.concat(out)
end

return M
