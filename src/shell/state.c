/* The Lua state: the libraries, the engine's binding, and the names that are globals. */
#include <lauxlib.h>
#include <lualib.h>

#include "binding/binding.h"
#include "shell.h"

/* luaL_openlibs would take LUA_PATH as it is; paths_set() reads it afterwards, entry by entry. */
static void open_standard(lua_State *L)
{
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	luaL_openlibs(L);
}

static void open_core(struct shell *shell)
{
	lua_State *L = shell->L;

	binding_set_context(L, &shell->context);
	luaL_requiref(L, "porthole.core", luaopen_porthole_core, 0);
	lua_pop(L, 1);
}

void state_open(struct shell *shell)
{
	open_standard(shell->L);
	coroutine_open(shell->L);
	paths_set(shell);
	open_core(shell);
}

/* Copies the fields of the table on top whose names are words; "_VERSION" and its like stay. */
static void copy_to_globals(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_pushnil(L);
	while (lua_next(L, -3) != 0) {
		if (lua_type(L, -2) == LUA_TSTRING && *lua_tostring(L, -2) != '_') {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, -4);
		} else {
			lua_pop(L, 1);
		}
	}
	lua_pop(L, 1);
}

void state_open_library(struct shell *shell)
{
	lua_State *L = shell->L;

	if (shell->directory == NULL)
		luaL_error(
			L,
			"the Lua library is missing: neither lua/porthole beside the program nor "
			"../share/porthole/lua/porthole is there");
	lua_getglobal(L, "require");
	lua_pushliteral(L, "porthole");
	lua_call(L, 1, 1);
	luaL_checktype(L, -1, LUA_TTABLE);
	copy_to_globals(L);
	lua_pop(L, 1);
}
