/* Lua states for the tests of the bindings: what is asserted in C stands outside of Lua, since
 * cmocka's assertions jump. */
#ifndef TESTS_BOUND_STATE_H
#define TESTS_BOUND_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "support.h"

/*
 * A state with the standard libraries, the Lua library's path, and the global `core`; `context` as
 * core is to use it, NULL: one of its own. Its memory can be made to fail.
 */
lua_State *new_state(struct ph_context *context);

/* Runs the chunk; a test fails with the message when it raises. */
void run(lua_State *L, const char *chunk);
/* The same for the chunk of a group's fixture: `*state` is the lua_State. */
#define RUN(chunk) run(*state, chunk)

/* The chunk raises an error that contains `text`. */
void assert_raises(lua_State *L, const char *chunk, const char *text);

/*
 * Runs the chunk in new states, with Lua's 1st, 2nd, ... allocation and all after it failing, and
 * then with the 1st, 2nd, ... allocation of C: each time it either raises "not enough memory",
 * returns nil, message, "ENOMEM", or does its work; nothing leaks, and the state stays usable.
 * `prepare` runs before, with all memory.
 */
void fail_each_allocation_of(struct ph_context *context, const char *prepare, const char *chunk);

/* Fixture: a state in `*state`. */
int open_lua(void **state);
int close_lua(void **state);

#endif
