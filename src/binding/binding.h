/* What every binding needs: the context, failures, and the list of libraries. */
#ifndef BINDING_BINDING_H
#define BINDING_BINDING_H

#include <lauxlib.h>
#include <lua.h>

#include "porthole/context.h"

/* The context of this Lua state: made by luaopen_porthole_core, or given by the program before it
 * opens core. Never NULL. */
struct ph_context *check_context(lua_State *L);

/* For the program: the context that core is to use; it outlives the state. Call before
 * luaopen_porthole_core. */
void binding_set_context(lua_State *L, struct ph_context *context);

/* Pushes nil, message, "ECONNREFUSED"; returns 3. Codes without a name are "E<number>". -ENOMEM
 * raises Lua's memory error. */
int push_failure(lua_State *L, const struct ph_error *error);

/* The registry of services, read once; it lives as long as the state. NULL with `error` filled. */
struct ph_services;
const struct ph_services *binding_services(lua_State *L, struct ph_error *error);

/* "ENOENT" for -ENOENT; NULL where it has no name. */
const char *error_name(int code);

/* Each fills fields of the core table on top of the stack. */
void open_sockets(lua_State *L);
void open_links(lua_State *L);
void open_routes(lua_State *L);
void open_groups(lua_State *L);
void open_counters(lua_State *L);
void open_services(lua_State *L);
void open_json(lua_State *L);
void open_text(lua_State *L);
void open_units(lua_State *L);
void open_state(lua_State *L);
void open_paths(lua_State *L);
void open_sleep(lua_State *L);
void open_probe(lua_State *L);
void open_stream(lua_State *L);
void open_resolve(lua_State *L);

int luaopen_porthole_core(lua_State *L);

#endif
