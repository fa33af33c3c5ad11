--- LDAP: RFC 4511; the root DSE: RFC 4512, 5.1. OpenLDAP's has the object class OpenLDAProotDSE.
local function ber(kind, ...)
    local body = table.concat({ ... })
    return string.char(kind, #body) .. body
end

local REQUEST = ber(0x30, ber(2, "\7"), ber(0x63, ber(4, ""), ber(10, "\0"), ber(10, "\0"), ber(2, "\0"), ber(2, "\5"),
    ber(1, "\0"), ber(0x87, "objectClass"),
    ber(0x30, ber(4, "objectClass"), ber(4, "vendorName"), ber(4, "vendorVersion"))))

return {
    id = "ldap", summary = "directory", transport = "tcp", ports = { 389, 636 }, send = REQUEST,
    read = function(reply)
        if not reply:find("^\x30.-\2\1\7[\x64\x65]") or reply:find("^\x30.-\2\1\7\x63") then
            return nil
        end
        local name = reply:match("vendorName[^%g]+([%g][%g ]*)")
        local version = reply:match("vendorVersion[^%g]+([%g][%g ]*)")
        local openldap = reply:find("OpenLDAProotDSE", 1, true)
        return {
            product = openldap and "OpenLDAP" or name, version = not openldap and version or nil, confidence = "high",
        }
    end,
}
