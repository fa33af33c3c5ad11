/* The shell as a user has it: typed on a terminal, read from it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/terminal.h"

static void an_expression_shows_its_value_and_keeps_it(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "6*7\n", "_1 = 42\r\n");
	terminal_ask(t, "_ + 1\n", "_2 = 43\r\n");
	terminal_ask(t, "_1, 'a'\n", "_3 = 42\r\n_4 = \"a\"\r\n");
	terminal_ask(t, "x = 5\n", "");
	terminal_ask(t, "print(x, nil)\n", "5\tnil\r\n");
}

static void strings_and_tables_are_escaped_and_bounded(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "'a\\27[31m\\n\"'\n", "_1 = \"a\\x1b[31m\\n\\\"\"\r\n");
	terminal_ask(t, "{1, 2, x = {}, ['two words'] = true}\n",
	             "_2 = { 1, 2, [\"two words\"] = true, x = {} }\r\n");
	terminal_ask(t, "t = {} t.t = t\n", "");
	terminal_ask(t, "t\n", "which holds this>");
	terminal_ask(t, "big = {} for i = 1, 1e5 do big[i] = i end\n", "");
	terminal_ask(t, "big\n", "... 99800 more");
}

static void rows_are_a_table_that_fits(void **state)
{
	struct terminal *t = *state;
	static const char make[] = "rows = require('porthole.core').rows({name='thing', columns={"
				   "{name='id', type='integer', help='which', weight=9},"
				   "{name='text', type='name', help='what', weight=8}}},"
				   "{{id=1, text=('long '):rep(60)}})\n";
	const char *line;

	terminal_start_shell(t);
	terminal_ask(t, make, "");
	terminal_ask(t, "rows\n", "_1 = 1 row\r\n");
	line = memmem(t->screen, t->length, "ID", 2);
	assert_non_null(line);
	for (line = strchr(line, '\n') + 1; strncmp(line, "_1", 2) != 0;) {
		const char *end = strstr(line, "\r\n");

		/* The ellipsis takes three bytes for its one column. */
		assert_true(end - line <= t->columns + 2);
		line = end + 2;
	}
}

static void rows_are_a_table_that_fits_132_columns(void **state)
{
	struct terminal *t = *state;

	t->columns = 132;
	rows_are_a_table_that_fits(state);
	terminal_ask(t, "print(require('porthole.screen').get().width)\n", "132\r\n");
}

static void a_chunk_goes_on_until_it_is_whole(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "for i = 1, 2 do\n");
	terminal_expect(t, ">> ");
	terminal_type(t, "print('n' .. i)\n");
	terminal_expect(t, ">> ");
	terminal_ask(t, "end\n", "n1\r\nn2\r\n");
	terminal_type(t, "s = [[\n");
	terminal_expect(t, ">> ");
	terminal_ask(t, "x]] print(#s)\n", "1\r\n");
	/* Ctrl-D throws an unfinished chunk away, and only that. */
	terminal_type(t, "print(\n");
	terminal_expect(t, ">> ");
	terminal_type(t, "\004");
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "1\n", "_1 = 1\r\n");
}

static void ctrl_c_throws_the_line_away_and_loses_no_key(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "print('never')");
	terminal_expect(t, "never");
	terminal_type(t, "\003");
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "print('all keys')\n", "all keys\r\n");
	terminal_type(t, "for i = 1, 2 do\n");
	terminal_expect(t, ">> ");
	terminal_type(t, "\003");
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "1+1\n", "_1 = 2\r\n");
	/* Incremental search as well. */
	terminal_type(t, "\022");
	terminal_expect(t, "search");
	terminal_type(t, "\003");
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "print('again')\n", "again\r\n");
}

static void ctrl_c_twice_at_an_empty_prompt_says_how_to_leave(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "\003");
	terminal_expect(t, "porthole> ");
	terminal_type(t, "\003");
	terminal_expect(t, "Ctrl-D leaves");
	terminal_expect(t, "porthole> ");
	terminal_type(t, "\004");
	assert_int_equal(terminal_end(t), 0);
}

/* Types the code, which says "started" first, then Ctrl-C `presses` times. */
static void interrupt(struct terminal *t, const char *code, int presses)
{
	char line[512];

	snprintf(line, sizeof(line), "print('star' .. 'ted') %s\n", code);
	terminal_type(t, line);
	terminal_expect(t, "started\r\n");
	for (int i = 0; i < presses; i++) {
		/* Time for the one before to be answered. */
		usleep(200000);
		terminal_type(t, "\003");
	}
	terminal_expect(t, "interrupted");
	terminal_expect(t, "porthole> ");
	/* All of the next line arrives, and nothing of the interruption is left. */
	terminal_ask(t, "for i = 1, 10 do coroutine.wrap(print)('whole line', sleep(0)) end\n",
	             "whole line\ttrue\r\n");
}

static void ctrl_c_ends_whatever_runs(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	interrupt(t, "while true do end", 1);
	interrupt(t, "sleep(1000)", 1);
	interrupt(t, "coroutine.wrap(function() while true do end end)()", 1);
	interrupt(t,
	          "local co = coroutine.create(function() coroutine.wrap(function() while true do "
	          "end end)() "
	          "end) error(select(2, coroutine.resume(co)))",
	          1);
	interrupt(t,
	          "local t = setmetatable({}, {__index = function(t) return t.x end}) while true "
	          "do pcall("
	          "function() return t.x end) end",
	          2);
	interrupt(t, "table.sort({3, 2, 1, 5, 4}, function(a, b) while true do end end)", 1);
	interrupt(t, "while true do pcall(function() while true do end end) end", 2);
	interrupt(t, "while true do pcall(sleep, 1000) end", 2);
	interrupt(t, "coroutine.wrap(function() while true do pcall(sleep, 1000) end end)()", 2);
}

static void what_cleans_up_may_wait_after_one_ctrl_c(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(
		t,
		"local c <close> = setmetatable({}, {__close = function() print('cle' .. 'aned', "
		"sleep(0.2)) end}) print('wai' .. 'ting') sleep(1000)\n");
	terminal_expect(t, "waiting\r\n");
	terminal_type(t, "\003");
	terminal_expect(t, "cleaned\ttrue\r\n");
	terminal_expect(t, "interrupted");
	terminal_expect(t, "porthole> ");
}

static void the_fourth_ctrl_c_leaves(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "print('star' .. 'ted') ; ('a'):rep(40):find(('a*'):rep(25) .. 'b')\n");
	terminal_expect(t, "started\r\n");
	for (int i = 0; i < 4; i++) {
		usleep(200000);
		if (i == 3)
			terminal_expect(t, "One more Ctrl-C leaves");
		terminal_type(t, "\003");
	}
	assert_int_equal(terminal_end(t), 130);
}

static void leaving_gives_a_status(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "\004");
	assert_int_equal(terminal_end(t), 0);
	terminal_start_shell(t);
	terminal_type(t, "os.exit(3)\n");
	assert_int_equal(terminal_end(t), 3);
	terminal_start_shell(t);
	kill(t->pid, SIGTERM);
	assert_int_equal(terminal_end(t), 128 + SIGTERM);
}

static void whatever_ends_it_the_terminal_is_as_before(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGQUIT };
	struct terminal *t = *state;

	t->job = true;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid_t job;

		terminal_start_shell(t);
		job = tcgetpgrp(t->fd);
		assert_true(job > 0 && job != t->pid);
		kill(job, signals[i]);
		terminal_expect(t, "[ended, the terminal reads lines]");
		assert_int_equal(terminal_end(t), 128 + signals[i]);
	}
}

static void history_survives_sigkill_as_whole_chunks(void **state)
{
	struct terminal *t = *state;
	struct stat status;
	char path[512];

	terminal_start_shell(t);
	terminal_type(t, "for i = 1, 2 do\n");
	terminal_expect(t, ">> ");
	terminal_ask(t, "print('h' .. i) end\n", "h2\r\n");
	terminal_ask(t, "print('last')\n", "last\r\n");
	terminal_ask(t, "print('last')\n", "last\r\n");
	terminal_type(t, "print('go' .. 'ing') sleep(1000)\n");
	terminal_expect(t, "going\r\n");
	kill(t->pid, SIGKILL);
	assert_int_equal(terminal_end(t), 128 + SIGKILL);
	snprintf(path, sizeof(path), "%s/state/porthole/history", t->home);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	terminal_start_shell(t);
	terminal_type(t, "\020");
	terminal_expect(t, "sleep(1000)");
	/* The one before is there once; the one before that with its lines. */
	terminal_type(t, "\020\020\n");
	terminal_expect(t, "h1\r\nh2\r\n");
}

/* Opens the history file of the terminal's home. */
static FILE *open_history(const struct terminal *t, const char *mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/state", t->home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/state/porthole", t->home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/state/porthole/history", t->home);
	return fopen(path, mode);
}

static void a_long_history_is_cut_and_loses_its_repetitions(void **state)
{
	struct terminal *t = *state;
	size_t entries = 0, repeated = 0, firsts = 0;
	char line[256];
	FILE *file = open_history(t, "w");

	assert_non_null(file);
	fputs("no time\n#1\n#2\n\n", file);
	fwrite("#3\na\0b\n", 1, 8, file);
	for (int i = 0; i < 10100; i++)
		fprintf(file, "#%d\nprint('x%d')\n#%d\nprint('same')\n", i + 4, i, i + 4);
	fclose(file);
	terminal_start_shell(t);
	terminal_type(t, "\020");
	terminal_expect(t, "print('same')");
	terminal_type(t, "\020");
	terminal_expect(t, "x10099')");
	terminal_type(t, "\025print('one' .. ' more')\n");
	terminal_expect(t, "one more\r\n");
	file = open_history(t, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		entries += *line == '#';
		repeated += strcmp(line, "print('same')\n") == 0;
		firsts += strcmp(line, "print('x0')\n") == 0;
	}
	fclose(file);
	assert_int_equal(entries, 10001);
	assert_int_equal(repeated, 1);
	assert_int_equal(firsts, 0);
}

static void a_history_of_another_kind_is_left_alone(void **state)
{
	struct terminal *t = *state;
	char path[512], target[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/state", t->home);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/state/porthole", t->home);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(target, sizeof(target), "%s/target", t->home);
	file = fopen(target, "w");
	assert_non_null(file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/state/porthole/history", t->home);
	assert_int_equal(symlink(target, path), 0);
	terminal_start(t, NULL);
	terminal_expect(t, "history is not kept");
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "1+1\n", "_1 = 2\r\n");
	assert_int_equal(truncate(target, 0), 0);
}

static void tab_completes_without_running_anything(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "t = {alpha = 1, alpine = print, ['two words'] = 7, [1] = 2, [2.5] = 3}\n",
	             "");
	terminal_ask(t, "bad = setmetatable({}, {__index = function() print('r' .. 'un') end})\n",
	             "");
	terminal_ask(t,
	             "class = {method = print, field = 1} object = setmetatable({}, {__index = "
	             "class})\n",
	             "");
	terminal_type(t, "t.al\t\t\t");
	terminal_expect(t, "alpha   alpine");
	terminal_type(t, "\025pri\t'x')\n");
	terminal_expect(t, "\r\nx\r\n");
	terminal_type(t, "t['tw\t + 1\n");
	terminal_expect(t, "_1 = 8\r\n");
	terminal_type(t, "object:m\t'called')\n");
	terminal_expect(t, "called\r\n");
	terminal_type(t, "('x'):upp\t)\n");
	terminal_expect(t, "_2 = \"X\"\r\n");
	terminal_type(t, "t['\u65e5\u672c'] = 1 pri\t#'12345')\n");
	terminal_expect(t, "\r\n5\r\n");
	terminal_type(t, "bad.x\t\tbad.\t\t\025print('no' .. 'thing')\n");
	terminal_expect(t, "nothing\r\n");
	t->screen[t->length] = '\0';
	assert_null(strstr(t->screen, "run\r\n"));
}

static void tab_knows_rows_and_recipes(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(
		t,
		"rows = require('porthole.core').rows({name='thing', columns={{name='number', "
		"type='integer', help='how many'}, {name='name', type='name', help='of what'}}}, "
		"{{number=1, name='a'}, {number=2, name='b'}})\n",
		"");
	terminal_type(t, "rows:where{nu\t2}:map(function(r) return r.name end)\n");
	terminal_expect(t, "{ \"b\" }\r\n");
	terminal_type(t, "rows:select\"n\t\t\t");
	terminal_expect(t, "number  how many\r\n");
	terminal_type(t, "\025rows[1].nam\t\n");
	terminal_expect(t, "_2 = \"a\"\r\n");
	terminal_type(t, ":aud\t--hel\t\n");
	terminal_expect(t, "Usage: porthole audit");
}

static void tab_answers_in_a_table_of_a_million_keys(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "huge = {} for i = 1, 1e6 do huge['k' .. i] = i end\n", "");
	terminal_type(t, "huge.\t\t");
	terminal_expect(t, "stopped after 10000 names");
	terminal_type(t, "\025huge.none\t\t\025huge.k99\t\t");
	terminal_expect(t, "stopped after 50000 names");
}

static void an_error_is_one_line_with_the_name_that_was_meant(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(
		t, "prnt('x')\n",
		"error: attempt to call a nil value (global 'prnt'); did you mean 'print'?\r\n");
	terminal_ask(t, "tostrin\n", "nil  (did you mean 'tostring'?)\r\n");
	terminal_ask(t, "string.fromat('x')\n", "did you mean 'format'?\r\n");
	terminal_ask(t, "x = )\n", "error: unexpected symbol near ')'\r\n");
	terminal_ask(t, "\"abc\n", "error: unfinished string near");
	terminal_ask(t, "error()\n", "error: (error object is a nil value)\r\n");
	terminal_ask(t, "error(setmetatable({}, {__tostring = function() error 'no' end}))\n",
	             "whose __tostring failed)\r\n");
	terminal_ask(t, "audit\n", ":audit runs the recipe");
	terminal_ask(t, "audit --format json\n", ":audit --format json runs the recipe");
	terminal_ask(t, "function f()\nerror 'inside'\nend\n", "");
	terminal_ask(t, "f()\n", "error: inside  [line 2: error 'inside']\r\n");
	terminal_ask(t, ":traceback\n", "in function 'error'");
	terminal_ask(t, "error '\\27[31mred'\n", "error: \\x1b[31mred\r\n");
}

static void nothing_crashes_the_shell(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "local function f() return f() + 1 end f()\n", "stack overflow");
	terminal_ask(t, "local t = {} for i = 1, 250 do t = {t} end return t\n", "{...}");
	terminal_ask(t, "('x'):rep(1 << 40)\n", "resulting string too large");
	terminal_ask(t, "setmetatable({}, {__gc = function() error 'x' end}) collectgarbage()\n",
	             "warning");
	terminal_ask(t, "load = nil require = nil print = nil pcall = nil io = nil string = nil\n",
	             "");
	terminal_ask(t, "{1}\n", "_2 = { 1 }\r\n");
	terminal_ask(t, "_G = nil debug.sethook(function() end, 'c')\n", "");
	terminal_ask(t, "2\n", "_3 = 2\r\n");
}

/* The address sanitizer reserves more than any limit, but can refuse what is too large. */
#ifdef __SANITIZE_ADDRESS__
#define LIMIT_BYTES ((size_t)0)
#else
#define LIMIT_BYTES ((size_t)200 << 20)
#endif

static void a_shell_out_of_memory_goes_on(void **state)
{
	static const char *const limited[] = {
		"ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=64", NULL
	};
	struct terminal *t = *state;

	t->memory = LIMIT_BYTES;
	terminal_start(t, limited);
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "#('x'):rep(100 << 20)\n", "error: not enough memory\r\n");
	if (t->memory > 0) {
		terminal_ask(t, "t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\n",
		             "error: not enough memory\r\n");
		/* All of it is still held. */
		terminal_ask(t, "u = {} while true do u = {u} end\n", "not enough memory");
		terminal_ask(t, "print('still ' .. 'here')\n", "still here\r\n");
		terminal_ask(t, "t = nil u = nil collectgarbage() collectgarbage()\n", "");
	}
	terminal_ask(t, "#('x'):rep(5 << 20)\n", "_1 = 5242880\r\n");
}

static void pasted_lines_run_as_one(void **state)
{
	static const char *const xterm[] = { "TERM=xterm", NULL };
	struct terminal *t = *state;

	terminal_start(t, xterm);
	terminal_expect(t, "porthole> ");
	terminal_type(t, "\033[200~local a = 1\nlocal\tb = 2\nprint('sum', a + b)\033[201~\n");
	terminal_expect(t, "sum\t3\r\n");
}

static void a_script_reads_what_is_typed(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_type(t, "name = io.read()\n");
	terminal_expect(t, "\r\n");
	terminal_type(t, "a line\nname\n");
	terminal_expect(t, "_1 = \"a line\"\r\n");
}

static void a_new_width_is_seen(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &(struct winsize){ .ws_row = 24, .ws_col = 60 }),
	                 0);
	terminal_ask(t, "print(require('porthole.screen').get().width)\n", "60\r\n");
	terminal_type(t, "print('ty");
	terminal_expect(t, "print('ty");
	assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &(struct winsize){ .ws_row = 24, .ws_col = 100 }),
	                 0);
	usleep(100000);
	terminal_type(t, "ped')\n");
	terminal_expect(t, "typed\r\n");
}

static void after_a_stop_the_line_is_drawn_again(void **state)
{
	struct terminal *t = *state;

	t->job = true;
	terminal_start_shell(t);
	terminal_type(t, "print('kept')");
	terminal_expect(t, "kept");
	terminal_type(t, "\032");
	terminal_expect(t, "[stopped]");
	terminal_expect(t, "print('kept')");
	terminal_ask(t, "\n", "kept\r\n");
	terminal_type(t, "while true do end\n");
	usleep(200000);
	terminal_type(t, "\032");
	terminal_expect(t, "[stopped]");
	usleep(200000);
	terminal_type(t, "\003");
	terminal_expect(t, "interrupted");
	terminal_expect(t, "porthole> ");
	terminal_type(t, "\004");
	assert_int_equal(terminal_end(t), 0);
}

static void a_dumb_terminal_gets_no_escapes(void **state)
{
	struct terminal *t = *state;

	terminal_start_shell(t);
	terminal_ask(t, "{1, 'x'}\n", "_1 =");
	terminal_ask(t, "nothing.x\n", "error: ");
	assert_null(memchr(t->screen, 033, t->length));
}

static void no_color_means_none(void **state)
{
	static const char *const coloured[] = { "TERM=xterm", NULL };
	static const char *const plain[] = { "TERM=xterm", "NO_COLOR=1", NULL };
	struct terminal *t = *state;

	terminal_start(t, coloured);
	terminal_expect(t, "porthole> ");
	terminal_type(t, "nothing.x\n");
	terminal_expect(t, "\033[31merror: ");
	terminal_expect(t, "porthole> ");
	terminal_type(t, "\004");
	assert_int_equal(terminal_end(t), 0);
	terminal_start(t, plain);
	terminal_expect(t, "porthole> ");
	terminal_type(t, "nothing.x\n");
	terminal_expect(t, "error: ");
	terminal_expect(t, "porthole> ");
	assert_null(memmem(t->screen, t->length, "\033[31m", 5));
}

static void the_c_locale_works(void **state)
{
	static const char *const c[] = { "LC_ALL=C", NULL };
	struct terminal *t = *state;

	terminal_start(t, c);
	terminal_expect(t, "porthole> ");
	terminal_ask(t, "#'\\u{e9}'\n", "_1 = 2\r\n");
	terminal_ask(t, "string.format('%.1f', 0.5)\n", "\"0.5\"\r\n");
}

#define TERMINAL_TEST(name) cmocka_unit_test_setup_teardown(name, terminal_open, terminal_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TERMINAL_TEST(an_expression_shows_its_value_and_keeps_it),
		TERMINAL_TEST(strings_and_tables_are_escaped_and_bounded),
		TERMINAL_TEST(rows_are_a_table_that_fits),
		TERMINAL_TEST(rows_are_a_table_that_fits_132_columns),
		TERMINAL_TEST(a_chunk_goes_on_until_it_is_whole),
		TERMINAL_TEST(ctrl_c_throws_the_line_away_and_loses_no_key),
		TERMINAL_TEST(ctrl_c_twice_at_an_empty_prompt_says_how_to_leave),
		TERMINAL_TEST(ctrl_c_ends_whatever_runs),
		TERMINAL_TEST(what_cleans_up_may_wait_after_one_ctrl_c),
		TERMINAL_TEST(the_fourth_ctrl_c_leaves),
		TERMINAL_TEST(leaving_gives_a_status),
		TERMINAL_TEST(whatever_ends_it_the_terminal_is_as_before),
		TERMINAL_TEST(history_survives_sigkill_as_whole_chunks),
		TERMINAL_TEST(a_long_history_is_cut_and_loses_its_repetitions),
		TERMINAL_TEST(a_history_of_another_kind_is_left_alone),
		TERMINAL_TEST(tab_completes_without_running_anything),
		TERMINAL_TEST(tab_knows_rows_and_recipes),
		TERMINAL_TEST(tab_answers_in_a_table_of_a_million_keys),
		TERMINAL_TEST(an_error_is_one_line_with_the_name_that_was_meant),
		TERMINAL_TEST(nothing_crashes_the_shell),
		TERMINAL_TEST(a_shell_out_of_memory_goes_on),
		TERMINAL_TEST(pasted_lines_run_as_one),
		TERMINAL_TEST(a_script_reads_what_is_typed),
		TERMINAL_TEST(a_new_width_is_seen),
		TERMINAL_TEST(after_a_stop_the_line_is_drawn_again),
		TERMINAL_TEST(a_dumb_terminal_gets_no_escapes),
		TERMINAL_TEST(no_color_means_none),
		TERMINAL_TEST(the_c_locale_works),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("shell", tests, NULL, NULL);
}
