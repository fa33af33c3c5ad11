-- busted without its own command's `env lua`: the Lua that runs this file runs the specs.
require("busted.runner")({ standalone = false })
