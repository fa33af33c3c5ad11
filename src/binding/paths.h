/* Where porthole's own files are, for the bindings. */
#ifndef BINDING_PATHS_H
#define BINDING_PATHS_H

#include <lua.h>
#include <stdbool.h>

/*
 * Pushes the path of `name` in the user's configuration ($XDG_CONFIG_HOME/porthole, or
 * ~/.config/porthole). False, and nothing pushed: there is none, or it is another user's home and
 * we are root.
 */
bool push_config_path(lua_State *L, const char *name);

#endif
