-- luacheck(1): the Lua of the library, the recipes, the examples and the specs.
std = "lua54"
max_line_length = 120
include_files = { "lua", "examples", "tests/spec", ".luacheckrc" }

-- Scripts that porthole runs have the library's names as globals.
files["examples"] = {
    read_globals = {
        "sockets", "endpoints", "processes", "interfaces", "services", "json", "help", "recipe",
        "sleep",
    },
}

files["tests/spec"] = { std = "lua54+busted" }
