/* Lua states whose memory fails on demand. */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding/binding.h"

/* Not counted by the allocations of C that are made to fail. */
void *__real_realloc(void *old, size_t size);

/* How many allocations Lua has left; 0: they do not end. */
static size_t lua_left;
static bool lua_failed;

static void *allocate(void *data, void *old, size_t old_size, size_t size)
{
	(void)data;
	if (size == 0) {
		free(old);
		return NULL;
	}
	/* Lua relies on it that making something smaller never fails. */
	if (lua_left > 0 && (old == NULL || size > old_size)) {
		if (lua_left == 1) {
			lua_failed = true;
			return NULL;
		}
		lua_left--;
	}
	return __real_realloc(old, size);
}

/* In protected mode: opens what a state needs. */
static int open_all(lua_State *L)
{
	struct ph_context *context = lua_touserdata(L, 1);

	luaL_openlibs(L);
	if (context != NULL)
		binding_set_context(L, context);
	luaL_requiref(L, "porthole.core", luaopen_porthole_core, 0);
	lua_setglobal(L, "core");
	if (luaL_dostring(L, "package.path = 'lua/?.lua;lua/?/init.lua'") != LUA_OK)
		lua_error(L);
	return 0;
}

lua_State *new_state(struct ph_context *context)
{
	lua_State *L = lua_newstate(allocate, NULL);

	assert_non_null(L);
	lua_pushcfunction(L, open_all);
	lua_pushlightuserdata(L, context);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	return L;
}

void run(lua_State *L, const char *chunk)
{
	lua_settop(L, 0);
	if (luaL_dostring(L, chunk) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_settop(L, 0);
}

void assert_raises(lua_State *L, const char *chunk, const char *text)
{
	const char *message;

	lua_settop(L, 0);
	assert_int_not_equal(luaL_dostring(L, chunk), LUA_OK);
	message = lua_tostring(L, -1);
	assert_non_null(message);
	if (strstr(message, text) == NULL)
		fail_msg("'%s' does not say '%s'", message, text);
	lua_settop(L, 0);
}

static bool is_memory_failure(lua_State *L, int status)
{
	const char *text = lua_tostring(L, -1);

	if (status == LUA_ERRMEM)
		return true;
	if (text == NULL)
		return false;
	if (status == LUA_OK)
		return strcmp(text, "ENOMEM") == 0;
	return strstr(text, "not enough memory") != NULL;
}

/* One run with a failing allocation; whether one failed. */
static bool run_failing(struct ph_context *context, const char *prepare, const char *chunk,
                        size_t nth, bool of_lua)
{
	lua_State *L = new_state(context);
	bool failed, usable;
	int status;

	run(L, prepare);
	assert_int_equal(luaL_loadstring(L, chunk), LUA_OK);
	lua_failed = false;
	lua_left = of_lua ? nth : 0;
	fail_allocation(of_lua ? 0 : nth);
	status = lua_pcall(L, 0, LUA_MULTRET, 0);
	failed = of_lua ? lua_failed : allocation_failed();
	lua_left = 0;
	fail_allocation(0);
	/* A failed allocation may also be one that can be done without. */
	if (status != LUA_OK && !(failed && is_memory_failure(L, status)))
		fail_msg("%s %zu: %s", of_lua ? "Lua's allocation" : "allocation", nth,
		         lua_tostring(L, -1));
	lua_settop(L, 0);
	usable = luaL_dostring(L, "collectgarbage() return #core.services.list()") == LUA_OK;
	if (!usable)
		fail_msg("afterwards: %s", lua_tostring(L, -1));
	lua_close(L);
	return failed;
}

void fail_each_allocation_of(struct ph_context *context, const char *prepare, const char *chunk)
{
	for (size_t nth = 1; run_failing(context, prepare, chunk, nth, true); nth++)
		continue;
	for (size_t nth = 1; run_failing(context, prepare, chunk, nth, false); nth++)
		continue;
}

int open_lua(void **state)
{
	*state = new_state(NULL);
	return 0;
}

int close_lua(void **state)
{
	lua_close(*state);
	return 0;
}
