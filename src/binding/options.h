/* Tables of options, as probe() and connect() take them. */
#ifndef BINDING_OPTIONS_H
#define BINDING_OPTIONS_H

#include <lua.h>
#include <stdbool.h>

#include "porthole/scope.h"

/* Raises for a key that is not in `names` (NULL-terminated), naming the nearest. `index`: a table,
 * or nil. */
void options_check(lua_State *L, int index, const char *const *names);
/* Seconds -> microseconds; `otherwise` where it is not there. Raises unless above 0; more than
 * an hour is cut. */
unsigned options_seconds(lua_State *L, int index, const char *name, unsigned otherwise);
/* A whole number from `low` to `high`; `otherwise` where it is not there. */
lua_Integer options_integer(lua_State *L, int index, const char *name, lua_Integer low,
                            lua_Integer high, lua_Integer otherwise);
bool options_boolean(lua_State *L, int index, const char *name);
/* "inet" or "inet6" -> AF_*; 0 where it is not there. */
int options_family(lua_State *L, int index, const char *name);

/*
 * Adds the prefixes of option `scope` (a string or a list of strings) to `scope`, which something
 * on the stack must own. Raises for what is no prefix.
 */
void options_scope(lua_State *L, int index, struct ph_scope *scope);

#endif
