/* porthole: the program. Reads the command line, opens Lua, runs what is asked for, and ends. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "interrupt.h"
#include "shell.h"

static const char usage[] =
	"usage: porthole                       the shell; a script where standard input is no "
	"terminal\n"
	"       porthole NAME [OPTION...]      runs a recipe; porthole help lists them\n"
	"       porthole FILE.lua [ARG...]     runs a script; - reads it from standard input\n"
	"       porthole help [NAME]           explains\n"
	"\n"
	"  -e CHUNK       runs the chunk of Lua\n"
	"  -l MOD         requires MOD into a global; -l NAME=MOD into the global NAME\n"
	"  -i             the shell, after the script\n"
	"  -v, --version  which version this is\n"
	"  -E             ignores the environment (LUA_INIT, LUA_PATH, LUA_CPATH)\n"
	"  -W             Lua's warnings, and tracebacks with every error\n"
	"  -h, --help     this text\n"
	"  --             ends the options\n";

static void print_version(void)
{
	printf("porthole %s  %s\n", PH_VERSION, LUA_COPYRIGHT);
}

/* (shell): everything that may raise for memory. */
static int l_run(lua_State *L)
{
	struct shell *shell = lua_touserdata(L, 1);
	bool terminal = isatty(STDIN_FILENO), asked = shell->options.interactive;

	state_open(shell);
	interrupt_catch(L, &shell->context, shell->directory);
	state_open_library(shell);
	if (shell->options.version && !asked)
		print_version();
	if (!script_run(shell) && !asked)
		return 0;
	if (shell->options.target == TARGET_NONE && !shell->options.runs_chunk &&
	    !shell->options.version && terminal)
		asked = true;
	if (asked)
		repl_run(shell);
	return 0;
}

static int run_in_state(struct shell *shell)
{
	struct ph_error error;
	lua_State *L;

	if (ph_context_open(&shell->context, &error) < 0) {
		fprintf(stderr, "porthole: %s\n", error.message);
		return STATUS_UNABLE;
	}
	shell->L = L = luaL_newstate();
	if (L == NULL) {
		fputs("porthole: not enough memory to start Lua\n", stderr);
		ph_context_close(&shell->context);
		return STATUS_UNABLE;
	}
	shell->directory = paths_library();
	lua_pushcfunction(L, l_run);
	lua_pushlightuserdata(L, shell);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
		report_error(shell, false);
		shell->status = STATUS_UNABLE;
	}
	lua_close(L);
	ph_context_close(&shell->context);
	free(shell->directory);
	return shell->status;
}

/* What was printed has to have arrived; a script cannot know. */
static int flush_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		fprintf(stderr, "porthole: standard output: %s\n", strerror(errno));
	return status == STATUS_DONE ? STATUS_UNABLE : status;
}

static int run(struct shell *shell)
{
	const char *wrong = NULL;
	int r = options_parse(&shell->options, shell->argc, shell->argv, &wrong);

	if (r == -EINVAL) {
		fprintf(stderr,
		        "porthole: '%s' is no option, or lacks its text; porthole --help lists "
		        "them\n",
		        wrong);
		return STATUS_USAGE;
	}
	if (r < 0) {
		fputs("porthole: not enough memory\n", stderr);
		return STATUS_UNABLE;
	}
	if (getauxval(AT_SECURE) != 0 || getuid() != geteuid())
		shell->options.no_environment = true;
	if (shell->options.help)
		fputs(usage, stdout);
	else if (shell->options.print_version)
		print_version();
	else
		return run_in_state(shell);
	return STATUS_DONE;
}

/* A standard descriptor that is closed would be the next file that is opened. What stands in its
 * place fails when it is used. */
static void occupy_standard(void)
{
	static const int wrong_way[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong_way[fd]) != fd)
			return;
}

int main(int argc, char **argv)
{
	struct shell shell = { .argc = argc, .argv = argv };
	int status;

	occupy_standard();
	status = flush_output(run(&shell));

	options_free(&shell.options);
	/* 130 is a recipe's that ended so. */
	if (interrupt_raised() && (status == STATUS_FAILED || status == 130))
		interrupt_die();
	return status;
}
