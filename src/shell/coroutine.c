/*
 * coroutine.resume, coroutine.wrap and coroutine.close as Lua has them, that also note which
 * coroutine runs: a hook belongs to one lua_State, so Ctrl-C has to know where to set it. Behaviour
 * per the manual of Lua 5.4, section 6.2.
 */
#include <lauxlib.h>
#include <lua.h>

#include "interrupt.h"
#include "shell.h"

static lua_State *check_coroutine(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);

	luaL_argexpected(L, co != NULL, 1, "thread");
	return co;
}

/* Neither running nor dead: it can be resumed. */
static bool is_suspended(lua_State *L, lua_State *co)
{
	lua_Debug record;

	if (L == co)
		return false;
	if (lua_status(co) == LUA_YIELD)
		return true;
	return lua_status(co) == LUA_OK && lua_getstack(co, 0, &record) == 0 && lua_gettop(co) > 0;
}

static const char *why_not(lua_State *L, lua_State *co)
{
	lua_Debug record;

	if (L == co || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &record) != 0))
		return "cannot resume non-suspended coroutine";
	return "cannot resume dead coroutine";
}

/* Resumes `co` with the topmost `arguments` of L. Returns the number of results, which are on L, or
 * -1 with the error on L. */
static int resume(lua_State *L, lua_State *co, int arguments)
{
	lua_State *before;
	int status, results;

	if (!is_suspended(L, co)) {
		lua_pushstring(L, why_not(L, co));
		return -1;
	}
	if (!lua_checkstack(co, arguments)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, arguments);
	before = interrupt_switch(co);
	status = lua_resume(co, L, arguments, &results);
	interrupt_switch(before);
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_xmove(co, L, 1);
		return -1;
	}
	if (!lua_checkstack(L, results + 1)) {
		lua_pop(co, results);
		lua_pushliteral(L, "too many results to resume");
		return -1;
	}
	lua_xmove(co, L, results);
	return results;
}

/* coroutine.resume(co, ...) -> true, ... | false, error   [-n, +m, m] */
static int l_resume(lua_State *L)
{
	lua_State *co = check_coroutine(L);
	int results = resume(L, co, lua_gettop(L) - 1);

	lua_pushboolean(L, results >= 0);
	if (results < 0)
		results = 1;
	lua_insert(L, -(results + 1));
	return results + 1;
}

/* Closes what the coroutine had to be closed. Its status, with the error on `co` where it failed.
 */
static int close_coroutine(lua_State *co)
{
	lua_State *before = interrupt_switch(co);
	int status = lua_resetthread(co);

	interrupt_switch(before);
	return status;
}

/* The function of coroutine.wrap: the coroutine is its upvalue; errors propagate.   [-n, +m, e] */
static int l_wrapped(lua_State *L)
{
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	int results = resume(L, co, lua_gettop(L));

	if (results >= 0)
		return results;
	if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
		/* It died of the error: what it had to close may fail in its turn. */
		if (close_coroutine(co) != LUA_OK)
			lua_xmove(co, L, 1);
	}
	if (lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

/* coroutine.wrap(f) -> function   [-1, +1, m] */
static int l_wrap(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, l_wrapped, 1);
	return 1;
}

/* coroutine.close(co) -> true | false, error   [-1, +1|+2, e] */
static int l_close(lua_State *L)
{
	lua_State *co = check_coroutine(L);
	lua_Debug record;

	if (L == co)
		return luaL_error(L, "cannot close a running coroutine");
	if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &record) != 0)
		return luaL_error(L, "cannot close a normal coroutine");
	if (close_coroutine(co) == LUA_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

void coroutine_open(lua_State *L)
{
	const luaL_Reg functions[] = {
		{ "resume", l_resume },
		{ "wrap", l_wrap },
		{ "close", l_close },
		{ NULL, NULL },
	};

	lua_getglobal(L, "coroutine");
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
}
