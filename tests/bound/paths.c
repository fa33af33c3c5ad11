/* Text, files and the terminal, and services by name and port. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

/* A folder of the test's own, which Lua knows as `folder`. */
static char folder[64];

static int open_folder(void **state)
{
	strcpy(folder, "/tmp/porthole-bound-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	open_lua(state);
	lua_pushstring(*state, folder);
	lua_setglobal(*state, "folder");
	run(*state, "function read(path) local f = assert(io.open(path, 'rb'))"
	            "  local text = f:read('a') f:close() return text end "
	            "function sh(command) assert(os.execute(command:gsub('%$F', folder))) end");
	return 0;
}

static int close_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		return -1;
	return close_lua(state);
}

static void text_is_escaped_measured_and_cut(void **state)
{
	RUN("local t = core.text "
	    "assert(t.escape('plain') == 'plain' and t.escape('') == '')"
	    "assert(not t.escape('\\27[31m\\r\\n\\xff'):find('[\\0-\\31\\128-\\255]'))"
	    "assert(t.width('abc') == 3 and t.width('\\u{65e5}\\u{672c}') == 4 and t.width('') == "
	    "0)"
	    "assert(t.json('a\"\\n\\xff'):find('^\".*\"$') and utf8.len(t.json('\\xff')))"
	    "local s, w = t.cut('abcdef', 4) assert(s == 'abc\\u{2026}' and w == 4)"
	    "s, w = t.cut('abcd', 4) assert(s == 'abcd' and w == 4)"
	    "s, w = t.cut('\\u{65e5}\\u{672c}\\u{8a9e}', 4) assert(s == '\\u{65e5}\\u{2026}' and w "
	    "== 3)"
	    "s, w = t.cut('abc', 0) assert(s == '' and w == 0)"
	    "s, w = t.cut('abc', 2, '...') assert(s == 'ab' and w == 2)"
	    "s, w = t.cut('', 0) assert(s == '' and w == 0)"
	    "local long = ('\\27'):rep(100000) assert(#t.escape(long) > #long)");
	assert_raises(*state, "core.text.cut('a', -1)", "counted from 0");
	assert_raises(*state, "core.text.escape()", "string expected");
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
	RUN("local path = folder .. '/new' "
	    "assert(core.writefile(path, 'one\\0two') == true and read(path) == 'one\\0two')"
	    "sh('chmod 640 $F/new') assert(core.writefile(path, 'three') and read(path) == 'three')"
	    "sh('test $(stat -c %a $F/new) = 640')"
	    "sh('ln -s new $F/link') assert(core.writefile(folder .. '/link', 'four'))"
	    "assert(read(path) == 'four') sh('test -L $F/link')"
	    "local big = ('x'):rep(300000) assert(core.writefile(path, big) and read(path) == big)"
	    "assert(core.writefile(path, '') and read(path) == '')"
	    "sh('test $(ls -A $F | wc -l) = 2')");
}

static void what_cannot_be_written_is_said(void **state)
{
	RUN("local ok, message, code = core.writefile(folder, 'x')"
	    "assert(ok == nil and code == 'EISDIR' and message:find(folder, 1, true))"
	    "ok, message, code = core.writefile(folder .. '/no/such', 'x')"
	    "assert(ok == nil and code == 'ENOENT')"
	    "ok, message, code = core.writefile('/dev/full', 'x')"
	    "assert(ok == nil and code == 'ENOSPC')"
	    "assert(core.writefile('/dev/null', 'x'))"
	    "ok, message, code = core.writefile(folder .. '/' .. ('x'):rep(5000), 'x')"
	    "assert(ok == nil and code == 'ENAMETOOLONG')");
	assert_raises(*state, "core.writefile('x')", "string expected");
	assert_raises(*state, "core.writefile(5, {})", "string expected");
}

static void devices_and_pipes_are_written_through(void **state)
{
	RUN("sh('mkfifo $F/pipe; cat $F/pipe > $F/copy & echo $! > $F/pid')"
	    "assert(core.writefile(folder .. '/pipe', 'through'))"
	    "sh('n=0; while kill -0 $(cat $F/pid) 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1;"
	    "  n=$((n+1)); done')"
	    "assert(read(folder .. '/copy') == 'through') sh('test -p $F/pipe')");
}

static void a_file_of_ours_is_trusted(void **state)
{
	RUN("sh('mkdir -p $F/own/sub; echo > $F/own/sub/x; chmod 755 $F $F/own $F/own/sub')"
	    "assert(core.trusted(folder .. '/own/sub/x') == true and core.trusted('/') == true)"
	    "assert(core.trusted(folder) == true)"
	    "local ok, reason = core.trusted(folder .. '/none')"
	    "assert(ok == nil and reason:find('none'))");
}

static void what_others_can_write_is_not_trusted(void **state)
{
	RUN("sh('mkdir -p $F/open/sub; echo > $F/open/sub/x; chmod 644 $F/open/sub/x')"
	    "local function check(mode, path) sh('chmod ' .. mode .. ' $F/' .. path)"
	    "  local ok, reason = core.trusted(folder .. '/open/sub/x')"
	    "  sh('chmod 755 $F/open $F/open/sub; chmod 644 $F/open/sub/x') return ok, reason end "
	    "assert(check(755, 'open'))"
	    "local ok, reason = check(777, 'open')"
	    "assert(ok == nil and reason:find('open can be written by every user'))"
	    "assert(not check(777, 'open/sub') and not check(666, 'open/sub/x'))"
	    /* In a sticky folder nobody else can replace what is ours. */
	    "assert(check(1777, 'open'))"
	    /* A link is as good as what it leads to. */
	    "sh('ln -sfn $F/open/sub/x $F/way') assert(core.trusted(folder .. '/way'))"
	    "sh('chmod 666 $F/open/sub/x') assert(not core.trusted(folder .. '/way'))");
}

static void what_belongs_to_others_is_not_trusted(void **state)
{
	if (geteuid() != 0) {
		print_message("not root: no file can be given away\n");
		skip();
	}
	RUN("sh('mkdir -p $F/theirs; echo > $F/theirs/x; chown 12345:12345 $F/theirs')"
	    "local ok, reason = core.trusted(folder .. '/theirs/x')"
	    "assert(ok == nil and reason:find('theirs belongs to another user'))"
	    "assert(not core.trusted(folder .. '/theirs/x', folder))"
	    "sh('chown 0:12345 $F/theirs; chmod 775 $F/theirs')"
	    "ok, reason = core.trusted(folder .. '/theirs/x')"
	    "assert(ok == nil and reason:find('can be written by a group'))"
	    "sh('chown 0:0 $F/theirs') assert(core.trusted(folder .. '/theirs/x'))");
}

static void the_users_own_folders_are_found(void **state)
{
	lua_State *L;

	setenv("XDG_CONFIG_HOME", folder, 1);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", folder, 1);
	RUN("assert(core.paths.config() == folder .. '/porthole')"
	    "assert(core.paths.state() == folder .. '/.local/state/porthole')");
	unsetenv("XDG_CONFIG_HOME");
	RUN("assert(core.paths.config() == folder .. '/.config/porthole')");
	RUN("sh('mkdir -p $F/.config/porthole; echo \"mine 4242/tcp\" > "
	    "$F/.config/porthole/services')");
	L = new_state(NULL);
	run(L, "local row = core.services.lookup(4242, 'tcp')"
	       "assert(row.name == 'mine' and row.source == 'user')"
	       "assert(core.services.lookup('mine').port == 4242)");
	lua_close(L);
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, 12345, 12345), 0);
		RUN("assert(core.paths.config() == nil and core.paths.state() == nil)");
		assert_int_equal(chown(folder, 0, 0), 0);
	}
	unsetenv("HOME");
	RUN("assert(core.paths.config() == nil)");
}

static void a_folder_is_listed(void **state)
{
	RUN("sh('mkdir $F/list; touch $F/list/a $F/list/.b')"
	    "local names = core.directory(folder .. '/list') assert(#names == 1 and names[1] == "
	    "'a')"
	    "local none, message, code = core.directory(folder .. '/nothing')"
	    "assert(none == nil and code == 'ENOENT' and message:find('nothing'))");
}

static void the_terminal_is_asked(void **state)
{
	RUN("assert(core.isatty(-1) == false and core.isatty(99999999999) == false)"
	    "local f = core.terminal_width() assert(f == nil or f > 0)");
	assert_raises(*state, "core.isatty('x')", "number expected");
}

static void services_are_found_both_ways(void **state)
{
	RUN("local s = core.services "
	    "assert(s.lookup(80).name == 'http' and s.lookup(80, 'tcp').proto == 'tcp')"
	    "assert(s.lookup('https').port == 443 and s.lookup('domain', 'udp').port == 53)"
	    "assert(s.lookup('no-such-service') == nil and s.lookup('http', 'nonsense') == nil)"
	    "assert(s.lookup('www').name == 'http')");
	assert_raises(*state, "core.services.lookup(65536)", "from 0 to 65535");
	assert_raises(*state, "core.services.lookup(-1)", "from 0 to 65535");
	assert_raises(*state, "core.services.lookup(80.5)", "integer");
	assert_raises(*state, "core.services.lookup()", "a port or a service's name");
	assert_raises(*state, "core.services.lookup({})", "a port or a service's name");
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	fail_each_allocation_of(
		NULL, "long = ('\\27'):rep(5000)",
		"core.text.escape(long) core.text.json(long) core.text.cut(long, 5)"
		"core.trusted('/nowhere') core.trusted('/etc/passwd') core.paths.config()"
		"local ok, message, code = core.writefile('/dev/full', 'x') assert(not ok)"
		"local names = core.directory('/etc') core.directory('/nowhere')");
	fail_each_allocation_of(NULL, "",
	                        "local row, message, code = core.services.lookup('http')"
	                        "if not row then return row, message, code end "
	                        "return row.name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped_measured_and_cut),
		cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
		cmocka_unit_test(what_cannot_be_written_is_said),
		cmocka_unit_test(devices_and_pipes_are_written_through),
		cmocka_unit_test(a_file_of_ours_is_trusted),
		cmocka_unit_test(what_others_can_write_is_not_trusted),
		cmocka_unit_test(what_belongs_to_others_is_not_trusted),
		cmocka_unit_test(the_users_own_folders_are_found),
		cmocka_unit_test(a_folder_is_listed),
		cmocka_unit_test(the_terminal_is_asked),
		cmocka_unit_test(services_are_found_both_ways),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("paths", tests, open_folder, close_folder);
}
