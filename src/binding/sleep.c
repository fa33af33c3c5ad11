/* sleep: a wait that Ctrl-C ends. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>

#include "binding/binding.h"

#define SCHEDULER "porthole.sleep"
#define LONGEST_S 1e9 /* some thirty years; keeps the arithmetic within 64 bits */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the time, or until the context is cancelled. 0, -ECANCELED, or another -errno. */
static int wait_until(struct ph_context *context, int64_t end_ms, struct ph_error *error)
{
	struct pollfd event = { .fd = context->cancel_fd, .events = POLLIN };

	for (;;) {
		int64_t left = end_ms - now_ms();
		int step = left > 60000 ? 60000 : (int)left;

		if (ph_cancelled(context))
			return ph_fail(error, -ECANCELED, "sleep: interrupted");
		if (left <= 0)
			return 0;
		if (poll(&event, 1, step) < 0 && errno != EINTR)
			return ph_fail(error, -errno, "sleep: cannot wait");
	}
}

/* Waits here, unless a scheduler has waited and left results above the argument. */
static int finish_sleep(lua_State *L, int status, lua_KContext unused)
{
	struct ph_context *context = check_context(L);
	lua_Number seconds = lua_tonumber(L, 1);
	struct ph_error error;

	(void)status;
	(void)unused;
	if (lua_gettop(L) > 1)
		return lua_gettop(L) - 1;
	if (seconds > LONGEST_S)
		seconds = LONGEST_S;
	/* Rounded up: never shorter than asked for. */
	if (wait_until(context, now_ms() + (int64_t)(seconds * 1000 + 0.999), &error) < 0)
		return push_failure(L, &error);
	lua_pushboolean(L, 1);
	return 1;
}

/* sleep(seconds) -> true | nil, message, "ECANCELED"   [-1, +1|+3, e] */
static int l_sleep(lua_State *L)
{
	lua_Number seconds = luaL_checknumber(L, 1);

	luaL_argcheck(L, !isnan(seconds) && seconds >= 0, 1, "seconds, not below 0, expected");
	lua_settop(L, 1);
	if (lua_isyieldable(L) && lua_getfield(L, LUA_REGISTRYINDEX, SCHEDULER) == LUA_TFUNCTION) {
		lua_pushvalue(L, 1);
		lua_callk(L, 1, LUA_MULTRET, 0, finish_sleep);
	} else {
		lua_settop(L, 1);
	}
	return finish_sleep(L, LUA_OK, 0);
}

/* core.on_sleep(fn): who waits instead in a coroutine; fn(seconds) returns nothing where it does
 * not. */
static int l_on_sleep(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, SCHEDULER);
	return 0;
}

void open_sleep(lua_State *L)
{
	lua_pushcfunction(L, l_sleep);
	lua_setfield(L, -2, "sleep");
	lua_pushcfunction(L, l_on_sleep);
	lua_setfield(L, -2, "on_sleep");
}
