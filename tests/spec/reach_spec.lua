local reach = require "porthole.reach"

describe("reach", function()
    local own = reach.own {
        { iface = "lo", address = "127.0.0.1" }, { iface = "lo", address = "::1" },
        { iface = "eth0", address = "192.168.1.4", broadcast = "192.168.1.255" },
        { iface = "eth0", address = "fe80::1" },
        { iface = "eth1", address = "203.0.113.5" }, { iface = "dummy0" },
    }

    local function of(address, v6only, iface)
        return (reach.of({ address = address, v6only = v6only, iface = iface }, own))
    end

    it("tells each network by its edges", function()
        local expected = {
            ["127.0.0.1"] = "host", ["127.255.255.254"] = "host", ["126.255.255.255"] = "internet",
            ["128.0.0.1"] = "internet", ["10.0.0.1"] = "lan", ["11.0.0.1"] = "internet", ["172.15.0.1"] = "internet",
            ["172.16.0.1"] = "lan", ["172.31.255.254"] = "lan", ["172.32.0.1"] = "internet", ["192.168.0.1"] = "lan",
            ["192.167.0.1"] = "internet", ["100.63.0.1"] = "internet", ["100.64.0.1"] = "lan",
            ["100.127.0.1"] = "lan", ["100.128.0.1"] = "internet", ["169.254.9.9"] = "link",
            ["169.253.0.1"] = "internet", ["8.8.8.8"] = "internet", ["240.0.0.1"] = "internet",
            ["::1"] = "host", ["::2"] = "internet", ["fe80::1"] = "link", ["febf::1"] = "link",
            ["fec0::1"] = "internet", ["fc00::1"] = "lan", ["fdff::1"] = "lan", ["fe00::1"] = "internet",
            ["2001:db8::1"] = "internet", ["1::"] = "internet", ["::ffff:127.0.0.1"] = "host",
            ["::ffff:10.1.1.1"] = "lan", ["::ffff:8.8.8.8"] = "internet", ["fe80::1%eth0"] = "link",
        }
        for address, far in pairs(expected) do
            assert.equal(far, of(address), address)
        end
    end)

    it("tells nothing of addresses that belong to no host alone", function()
        for _, address in ipairs { "224.0.0.251", "239.255.255.255", "255.255.255.255", "192.168.1.255", "ff02::fb" } do
            local far, why, unknown = reach.of({ address = address }, own)
            assert.is_nil(far)
            assert.matches("belongs to no host alone", why)
            assert.is_nil(unknown)
        end
    end)

    it("follows a wildcard to the widest own address of the families that it takes", function()
        assert.equal("internet", of("0.0.0.0"))
        assert.equal("internet", of("::", false))
        assert.equal("link", of("::", true))
        assert.equal("internet", of("::ffff:0.0.0.0", false))
    end)

    it("follows a wildcard on the device that it is bound to", function()
        assert.equal("lan", of("0.0.0.0", nil, "eth0"))
        assert.equal("link", of("::", true, "eth0"))
        assert.equal("host", of("::", false, "lo"))
        assert.is_nil(of("0.0.0.0", nil, "dummy0"))
        assert.is_nil(of("::", true, "eth1"))
    end)

    it("leaves it open only where IPv4 would make a difference", function()
        assert.is_nil(of("::", nil))
        assert.equal("host", of("::", nil, "lo"))
        local far, why, unknown = reach.of({ address = "::" }, own)
        assert.is_nil(far)
        assert.matches("not known", why)
        assert.is_true(unknown)
    end)

    it("is not known of a wildcard where the own addresses are not", function()
        local far, why, unknown = reach.of({ address = "0.0.0.0" }, reach.own(nil))
        assert.is_nil(far)
        assert.matches("not known", why)
        assert.is_true(unknown)
        assert.equal("lan", (reach.of({ address = "10.0.0.1" }, reach.own(nil))))
    end)

    it("says which families an address takes", function()
        assert.same({ true, false }, { reach.families { address = "0.0.0.0" } })
        assert.same({ true, false }, { reach.families { address = "::ffff:0.0.0.0", v6only = false } })
        assert.same({ true, false }, { reach.families { address = "::ffff:127.0.0.1" } })
        assert.same({ true, true }, { reach.families { address = "::", v6only = false } })
        assert.same({ false, true }, { reach.families { address = "::", v6only = true } })
        assert.same({ false, true }, { reach.families { address = "::1", v6only = false } })
        assert.same({ nil, true }, { reach.families { address = "::" } })
    end)
end)
