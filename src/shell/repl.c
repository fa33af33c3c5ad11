/*
 * The shell on a terminal: read a chunk, run it, print what it gave. Reading is C, since readline
 * is; what a chunk is, how results look and what an error says is Lua (porthole.shell). Every call
 * is protected: an error, also of memory, is reported and the prompt comes back.
 */
#include <lauxlib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "interrupt.h"
#include "line.h"
#include "reserve.h"
#include "shell.h"

static const char module_key;

void module_push(lua_State *L, const char *function)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key);
	lua_getfield(L, -1, function);
	lua_remove(L, -2);
}

static int l_last_traceback(lua_State *L)
{
	traceback_push(L);
	return 1;
}

/* (tracebacks): loads the Lua half, which prints the first screen. */
static int l_open(lua_State *L)
{
	lua_getglobal(L, "require");
	lua_pushliteral(L, "porthole.shell");
	lua_call(L, 1, 1);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
	lua_getfield(L, -1, "open");
	lua_pushvalue(L, 1);
	lua_pushcfunction(L, l_last_traceback);
	lua_call(L, 2, 0);
	return 0;
}

/* (continued) -> prompt */
static int l_prompt(lua_State *L)
{
	module_push(L, "prompt");
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

/* (source) -> "run" or "more", function */
static int l_read(lua_State *L)
{
	module_push(L, "read");
	lua_pushstring(L, lua_touserdata(L, 1));
	lua_call(L, 1, 2);
	return 2;
}

/* (...): prints results and keeps them. */
static int l_show(lua_State *L)
{
	module_push(L, "show");
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 0);
	return 0;
}

/* (error): says what is wrong. */
static int l_explain(lua_State *L)
{
	module_push(L, "explain");
	lua_insert(L, 1);
	traceback_push(L);
	lua_call(L, 2, 0);
	return 0;
}

/* Explains the error on top of the stack and pops it; plainly, where even that fails. */
static void explain(struct shell *shell)
{
	lua_State *L = shell->L;

	/* What was interrupted may not be let loose on the explanation. */
	interrupt_settle();
	fflush(stdout);
	interrupt_end_line();
	lua_pushvalue(L, -1);
	lua_pushcfunction(L, l_explain);
	lua_insert(L, -2);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
		lua_pop(L, 1);
		report_error(shell, false);
	} else {
		lua_pop(L, 1);
	}
}

/* The prompt in `room`. */
static const char *prompt(lua_State *L, bool more, char *room, size_t size)
{
	const char *text = NULL;

	lua_pushcfunction(L, l_prompt);
	lua_pushboolean(L, more);
	if (lua_pcall(L, 1, 1, 0) == LUA_OK)
		text = lua_tostring(L, -1);
	snprintf(room, size, "%s", text != NULL ? text : "> ");
	lua_pop(L, 1);
	return room;
}

/* Adds the line, which it frees, to the chunk. False: no memory; the chunk is as it was. */
static bool join(char **chunk, char *line)
{
	char *longer;

	if (*chunk == NULL) {
		*chunk = line;
		return true;
	}
	if (asprintf(&longer, "%s\n%s", *chunk, line) < 0)
		longer = NULL;
	free(line);
	if (longer == NULL)
		return false;
	free(*chunk);
	*chunk = longer;
	return true;
}

/* Compiles the chunk. True: more lines are needed; false: what shall run, or the error that it is
 * not Lua, is on the stack, and `*status` says which. */
static bool needs_more(struct shell *shell, char *chunk, int *status)
{
	lua_State *L = shell->L;

	lua_settop(L, 0);
	lua_pushcfunction(L, l_read);
	lua_pushlightuserdata(L, chunk);
	*status = lua_pcall(L, 1, 2, 0);
	if (*status != LUA_OK)
		return false;
	return strcmp(lua_tostring(L, 1), "more") == 0;
}

/* Reads lines until they make a chunk, which the caller frees. Its compiled form is on the stack.
 */
static enum line_outcome read_chunk(struct shell *shell, char **chunk, int *status)
{
	char room[256], *line;
	enum line_outcome outcome;

	*chunk = NULL;
	do {
		bool more = *chunk != NULL;

		interrupt_enter_prompt();
		complete_set_before(*chunk);
		outcome = line_read(prompt(shell->L, more, room, sizeof(room)), &line);
		if (interrupt_leave_prompt() && outcome == LINE_TEXT) {
			free(line);
			outcome = LINE_INTERRUPTED;
		}
		if (outcome == LINE_TEXT && !join(chunk, line))
			outcome = LINE_NO_MEMORY;
		if (outcome == LINE_END && more)
			/* As Ctrl-C: a chunk that was not finished does not run. */
			putchar('\n');
		if (more && (outcome == LINE_END || outcome == LINE_INTERRUPTED_EMPTY))
			outcome = LINE_INTERRUPTED;
		if (outcome != LINE_TEXT) {
			free(*chunk);
			*chunk = NULL;
			break;
		}
	} while (needs_more(shell, *chunk, status));
	complete_set_before(NULL);
	return outcome;
}

/* Runs what needs_more() left on the stack, and prints its results. */
static void run(struct shell *shell, int status)
{
	lua_State *L = shell->L;

	if (status == LUA_OK) {
		/* The word below the function. */
		lua_remove(L, 1);
		status = call_kept(L, 0, LUA_MULTRET);
	} else {
		traceback_forget(L);
	}
	/* Where the chunk itself caught the interruption, as recipes do. */
	if (status == LUA_OK)
		interrupt_end_line();
	if (status == LUA_OK && lua_checkstack(L, 1)) {
		lua_pushcfunction(L, l_show);
		lua_insert(L, 1);
		status = call_kept(L, lua_gettop(L) - 1, 0);
	}
	if (status == LUA_ERRMEM) {
		reserve_release();
		lua_gc(L, LUA_GCCOLLECT);
	}
	if (status != LUA_OK)
		explain(shell);
	lua_settop(L, 0);
}

/* A reader of our output that went away takes the shell with it. */
static bool output_works(struct shell *shell)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (isatty(STDOUT_FILENO)) {
		clearerr(stdout);
		return true;
	}
	shell->status = STATUS_UNABLE;
	return false;
}

static void loop(struct shell *shell)
{
	int presses = 0;

	while (output_works(shell)) {
		char *chunk;
		int status = LUA_OK;
		enum line_outcome outcome;

		reserve_take();
		outcome = read_chunk(shell, &chunk, &status);
		if (outcome == LINE_END)
			break;
		presses = outcome == LINE_INTERRUPTED_EMPTY ? presses + 1 : 0;
		if (presses == 2)
			fputs("Ctrl-D leaves, or os.exit().\n", stderr);
		if (outcome == LINE_NO_MEMORY)
			fputs("error: not enough memory for this line\n", stderr);
		if (outcome != LINE_TEXT)
			continue;
		history_keep(chunk);
		run(shell, status);
		free(chunk);
	}
}

/* SIG_IGN would stay with the programs that scripts start; a handler does not. */
static void ignore(int signal_number)
{
	(void)signal_number;
}

static void catch_pipe(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(SIGPIPE, &action, NULL);
}

void repl_run(struct shell *shell)
{
	lua_State *L = shell->L;

	setlocale(LC_CTYPE, "");
	/* Lines that were typed ahead stay for the prompt when a script reads one. */
	setvbuf(stdin, NULL, _IONBF, 0);
	catch_pipe();
	lua_settop(L, 0);
	lua_pushcfunction(L, l_open);
	lua_pushboolean(L, shell->options.warnings);
	if (call_kept(L, 1, 0) != LUA_OK) {
		report_error(shell, true);
		shell->status = STATUS_UNABLE;
		return;
	}
	interrupt_set_interactive();
	line_open(shell);
	shell->status = STATUS_DONE;
	loop(shell);
	interrupt_enter_prompt();
	if (isatty(STDIN_FILENO))
		putchar('\n');
}
