/* Tables of options: each is checked, and a mistake names it. */
#include "binding/options.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "binding/binding.h"
#include "binding/rows_internal.h"

void options_check(lua_State *L, int index, const char *const *names)
{
	if (lua_isnoneornil(L, index))
		return;
	luaL_checktype(L, index, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
		const char *nearest = key != NULL ? nearest_name(key, names) : NULL;
		size_t i = 0;

		while (key != NULL && names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (key == NULL)
			luaL_argerror(L, index, "options have names");
		else if (names[i] == NULL && nearest != NULL)
			luaL_argerror(L, index,
			              lua_pushfstring(L, "unknown option '%s'; did you mean '%s'?",
			                              key, nearest));
		else if (names[i] == NULL)
			luaL_argerror(L, index, lua_pushfstring(L, "unknown option '%s'", key));
	}
}

/* Pushes the option; false and nothing pushed: it is not there. */
static bool push_option(lua_State *L, int index, const char *name)
{
	if (lua_isnoneornil(L, index))
		return false;
	if (lua_getfield(L, index, name) != LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

static void bad_option(lua_State *L, int index, const char *name, const char *expected)
{
	luaL_argerror(L, index, lua_pushfstring(L, "option '%s' must be %s", name, expected));
}

unsigned options_seconds(lua_State *L, int index, const char *name, unsigned otherwise)
{
	lua_Number seconds;
	int is_number;

	if (!push_option(L, index, name))
		return otherwise;
	seconds = lua_tonumberx(L, -1, &is_number);
	if (!is_number || !(seconds > 0))
		bad_option(L, index, name, "a number of seconds above 0");
	if (seconds > 3600)
		seconds = 3600;
	lua_pop(L, 1);
	return seconds * 1e6 < 1 ? 1 : (unsigned)(seconds * 1e6);
}

lua_Integer options_integer(lua_State *L, int index, const char *name, lua_Integer low,
                            lua_Integer high, lua_Integer otherwise)
{
	lua_Integer value;
	int is_integer;

	if (!push_option(L, index, name))
		return otherwise;
	value = lua_tointegerx(L, -1, &is_integer);
	if (!is_integer || value < low || value > high)
		bad_option(L, index, name,
		           lua_pushfstring(L, "a whole number from %I to %I", (LUAI_UACINT)low,
		                           (LUAI_UACINT)high));
	lua_pop(L, 1);
	return value;
}

bool options_boolean(lua_State *L, int index, const char *name)
{
	bool value = false;

	if (push_option(L, index, name)) {
		if (!lua_isboolean(L, -1))
			bad_option(L, index, name, "true or false");
		value = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	return value;
}

int options_family(lua_State *L, int index, const char *name)
{
	const char *value;
	int family = 0;

	if (!push_option(L, index, name))
		return 0;
	value = lua_tostring(L, -1);
	if (value != NULL && strcmp(value, "inet") == 0)
		family = AF_INET;
	else if (value != NULL && strcmp(value, "inet6") == 0)
		family = AF_INET6;
	else
		bad_option(L, index, name, "'inet' or 'inet6'");
	lua_pop(L, 1);
	return family;
}

static void allow(lua_State *L, int index, struct ph_scope *scope)
{
	struct ph_error error;
	size_t length;
	const char *text;

	if (lua_type(L, -1) != LUA_TSTRING)
		bad_option(L, index, "scope", "a string, or a list of strings");
	text = lua_tolstring(L, -1, &length);
	if (ph_scope_allow(scope, text, length, &error) < 0) {
		if (error.code == -ENOMEM)
			raise_memory(L);
		luaL_argerror(L, index, error.message);
	}
}

void options_scope(lua_State *L, int index, struct ph_scope *scope)
{
	if (!push_option(L, index, "scope"))
		return;
	if (!lua_istable(L, -1)) {
		allow(L, index, scope);
		lua_pop(L, 1);
		return;
	}
	for (lua_Unsigned i = 1, count = lua_rawlen(L, -1); i <= count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i);
		allow(L, index, scope);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}
