/*
 * What the command line asks for, in its order: LUA_INIT, -e -l -W, then the script or the recipe.
 * Messages go to standard error: a script's error with its traceback, as lua(1) has it; that of a
 * chunk given with -e in one line, and with its traceback under -W.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "porthole/text.h"
#include "shell.h"

/* Registry keys are addresses of our own. */
static const char traceback_key;

/* The message handler: no __tostring, and no Lua, since Ctrl-C cannot end what runs here. */
static int keep_traceback(lua_State *L)
{
	luaL_traceback(L, L, NULL, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
	return 1;
}

int call_kept(lua_State *L, int arguments, int results)
{
	int base = lua_gettop(L) - arguments, status;

	lua_pushcfunction(L, keep_traceback);
	lua_insert(L, base);
	status = lua_pcall(L, arguments, results, base);
	lua_remove(L, base);
	return status;
}

void traceback_push(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

void traceback_forget(lua_State *L)
{
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

/* (value) -> text   [-1, +1, e] */
static int l_text(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER &&
	    luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL)
		lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
	else
		luaL_tolstring(L, 1, NULL);
	return 1;
}

const char *error_text(lua_State *L)
{
	const char *type = luaL_typename(L, -1);

	lua_pushcfunction(L, l_text);
	lua_insert(L, -2);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_type(L, -1) != LUA_TSTRING) {
		lua_pop(L, 1);
		lua_pushfstring(L, "(error object is a %s value whose __tostring failed)", type);
	}
	return lua_tostring(L, -1);
}

/* Writes text from anywhere: only newlines and tabs may act on the terminal. */
static void write_safely(FILE *stream, const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		uint32_t code;
		size_t size = ph_text_decode(text + i, length - i, &code), escaped;
		/* One byte becomes 8 at most, one character has 4. */
		char room[32] = "";

		escaped = ph_text_escape(text + i, size, room);
		if (code == '\n' || code == '\t')
			fputc((int)code, stream);
		else
			fwrite(room, 1, escaped, stream);
		i += size;
	}
}

/* (error, traceback or nil): writes the message. */
static int l_report(lua_State *L)
{
	size_t length;
	const char *text;

	lua_settop(L, 2);
	lua_pushvalue(L, 1);
	error_text(L);
	fflush(stdout);
	fputs("porthole: ", stderr);
	text = lua_tolstring(L, -1, &length);
	write_safely(stderr, text, length);
	fputc('\n', stderr);
	text = lua_tolstring(L, 2, &length);
	if (text != NULL) {
		write_safely(stderr, text, length);
		fputc('\n', stderr);
	}
	return 0;
}

void report_error(struct shell *shell, bool traceback)
{
	lua_State *L = shell->L;

	lua_pushcfunction(L, l_report);
	lua_insert(L, -2);
	if (traceback)
		traceback_push(L);
	else
		lua_pushnil(L);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		fputs("porthole: not enough memory to say what went wrong\n", stderr);
		lua_pop(L, 1);
	}
}

/* Reports a failed call, or a chunk that does not compile. */
static bool check(struct shell *shell, int status, bool traceback)
{
	if (status == LUA_OK)
		return true;
	shell->status = STATUS_FAILED;
	interrupt_settle();
	interrupt_end_line();
	/* An interruption is no fault of the script's. */
	report_error(shell, traceback && !interrupt_raised());
	return false;
}

static bool run_chunk(struct shell *shell, int status, bool traceback)
{
	/* A syntax error comes without a call: no old traceback for it. */
	if (status != LUA_OK)
		return check(shell, status, false);
	return check(shell, call_kept(shell->L, 0, 0), traceback);
}

static bool run_text(struct shell *shell, const char *text, const char *name)
{
	return run_chunk(shell, luaL_loadbufferx(shell->L, text, strlen(text), name, "t"),
	                 shell->options.warnings);
}

static bool run_init(struct shell *shell)
{
	const char *name = "=LUA_INIT_5_4", *init = getenv(name + 1);

	if (init == NULL) {
		name = "=LUA_INIT";
		init = getenv(name + 1);
	}
	if (init == NULL)
		return true;
	if (*init == '@')
		return run_chunk(shell, luaL_loadfile(shell->L, init + 1), true);
	return run_text(shell, init, name);
}

/* (text): -l MOD, -l GLOBAL=MOD. */
static int l_library(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1), *equals = strchr(text, '=');

	lua_getglobal(L, "require");
	lua_pushstring(L, equals != NULL ? equals + 1 : text);
	lua_call(L, 1, 1);
	if (equals != NULL)
		lua_pushlstring(L, text, (size_t)(equals - text));
	else
		lua_pushstring(L, text);
	lua_insert(L, -2);
	lua_pushglobaltable(L);
	lua_insert(L, -3);
	lua_settable(L, -3);
	return 0;
}

static bool run_action(struct shell *shell, const struct action *action)
{
	lua_State *L = shell->L;

	if (action->kind == 'W') {
		lua_warning(L, "@on", 0);
		return true;
	}
	if (action->kind == 'e')
		return run_text(shell, action->text, "=(command line)");
	lua_pushcfunction(L, l_library);
	lua_pushstring(L, action->text);
	return check(shell, call_kept(L, 1, 0), shell->options.warnings);
}

/* Pushes the arguments after the script's name; returns their number. */
static int push_arguments(struct shell *shell)
{
	int count = shell->argc - shell->options.script - 1;

	luaL_checkstack(shell->L, count + 3, "too many arguments");
	for (int i = shell->options.script + 1; i < shell->argc; i++)
		lua_pushstring(shell->L, shell->argv[i]);
	return count;
}

static bool run_file(struct shell *shell)
{
	const char *file = NULL;
	int status, count = 0;

	if (shell->options.target == TARGET_FILE)
		file = shell->argv[shell->options.script];
	status = luaL_loadfile(shell->L, file);
	if (status != LUA_OK)
		return check(shell, status, false);
	if (shell->options.target != TARGET_NONE)
		count = push_arguments(shell);
	return check(shell, call_kept(shell->L, count, 0), true);
}

/* (name, word...) -> status. The library finds, checks and runs the recipe. */
static int l_recipe(lua_State *L)
{
	int count = lua_gettop(L) - 1;
	bool help = strcmp(lua_tostring(L, 1), "help") == 0;

	lua_createtable(L, count, 0);
	lua_insert(L, 2);
	for (int i = count; i > 0; i--)
		lua_rawseti(L, 2, i);
	lua_getglobal(L, "require");
	lua_pushstring(L, help ? "porthole.usage" : "porthole.recipe");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "main");
	lua_insert(L, 1);
	lua_settop(L, 3);
	lua_call(L, 2, 1);
	return 1;
}

static bool run_recipe(struct shell *shell)
{
	lua_State *L = shell->L;

	int count;

	lua_pushcfunction(L, l_recipe);
	lua_pushstring(L, shell->argv[shell->options.script]);
	count = push_arguments(shell);
	if (!check(shell, call_kept(L, count + 1, 1), shell->options.warnings)) {
		/* A recipe that broke could not do what was asked; 1 would say that it judged. */
		shell->status = STATUS_UNABLE;
		return false;
	}
	shell->status = (int)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return shell->status == STATUS_DONE;
}

/* The table `arg`: the script's name at 0, what follows above, what came before below. */
static void set_arg(struct shell *shell)
{
	lua_State *L = shell->L;
	int script = shell->options.target == TARGET_NONE ? 0 : shell->options.script;

	lua_createtable(L, shell->argc - script, script + 1);
	for (int i = 0; i < shell->argc; i++) {
		lua_pushstring(L, shell->argv[i]);
		lua_rawseti(L, -2, i - script);
	}
	lua_setglobal(L, "arg");
}

static bool run_target(struct shell *shell)
{
	switch (shell->options.target) {
	case TARGET_RECIPE:
		return run_recipe(shell);
	case TARGET_FILE:
	case TARGET_STDIN:
		return run_file(shell);
	case TARGET_NONE:
		break;
	}
	/* As lua(1): with nothing else to do, a script on standard input. */
	if (shell->options.interactive || shell->options.runs_chunk || shell->options.version ||
	    isatty(STDIN_FILENO))
		return true;
	return run_file(shell);
}

bool script_run(struct shell *shell)
{
	set_arg(shell);
	if (!shell->options.no_environment && !run_init(shell))
		return false;
	for (size_t i = 0; i < shell->options.action_count; i++)
		if (!run_action(shell, &shell->options.actions[i]))
			return false;
	return run_target(shell);
}
