/*
 * The program. One struct holds what its parts share; it is made in main() and handed on. Lua
 * itself runs only inside protected calls: whatever a script does, the program answers.
 */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H

#include <lua.h>
#include <stdbool.h>

#include "options.h"
#include "porthole/context.h"

/* What the program ends with; docs/design: "Exit status". */
enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1, /* a script raised an error */
	STATUS_USAGE = 2, /* wrong usage */
	STATUS_UNABLE = 3 /* could not do what was asked */
};

struct shell {
	lua_State *L;
	struct ph_context context;
	struct options options;
	char **argv;
	int argc;
	char *directory; /* where porthole/init.lua lies, or NULL; owned */
	int status; /* of what ran */
	bool color; /* messages may have colours */
};

/* state.c: the Lua state. Both raise. */
void state_open(struct shell *shell);
/* Copies the public names of require "porthole" to globals. */
void state_open_library(struct shell *shell);

/* paths.c: where code may come from. */
/* The library beside the executable, or installed with it; NULL where there is none (or no memory).
 * The caller frees it. */
char *paths_library(void);
/* Sets package.path, package.cpath and the searchers. Raises. */
void paths_set(struct shell *shell);

/* script.c: what the command line asks for. */
/* Reports the error on top of the stack and pops it; with the traceback that traceback_keep() took
 * where `traceback`. Never raises. */
void report_error(struct shell *shell, bool traceback);
/* lua_pcall with the traceback kept. */
int call_kept(lua_State *L, int arguments, int results);
/* Pushes the last traceback, or nil. */
void traceback_push(lua_State *L);
void traceback_forget(lua_State *L);
/* The error on top of the stack as text, in its place. Runs __tostring protected; raises only for
 * memory. */
const char *error_text(lua_State *L);
/* Runs LUA_INIT, the actions and the target; false: one of them failed, with the status set. Raises
 * only for memory. */
bool script_run(struct shell *shell);

/* repl.c: reads, runs and prints until the end of input. Raises only for memory, at its start. */
void repl_run(struct shell *shell);
/* Pushes a function of the module porthole.shell. */
void module_push(lua_State *L, const char *function);

/* coroutine.c: coroutine.resume, wrap and close that know which coroutine runs. Raises. */
void coroutine_open(lua_State *L);

#endif
