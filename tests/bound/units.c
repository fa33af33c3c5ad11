/* The bindings of service managers (with the fake one), of processes and of porthole's own files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state.h"

/* A manager of three units: a service, the socket that starts it, and one that needs the service.
 */
#define FAKE                                                                              \
	"local function manager() return core.units.open{backend='fake', fake={"          \
	"  {id='web.service', names={'web.service', 'www.service'}, active='active',"     \
	"   sub='running', load='loaded', enabled='enabled', description='a web server'," \
	"   restart='always', triggered_by={'web.socket'}, required_by={'app.service'},"  \
	"   can_reload=true},"                                                            \
	"  {id='web.socket', active='active', triggers={'web.service'},"                  \
	"   listen={'[::]:80'}},"                                                         \
	"  {id='app.service', active='inactive', refuse_manual_stop=true}}} end "

static char folder[64];

static int open_folder(void **state)
{
	strcpy(folder, "/tmp/porthole-bound-XXXXXX");
	if (mkdtemp(folder) == NULL || setenv("XDG_STATE_HOME", folder, 1) < 0)
		return -1;
	return open_lua(state);
}

static int close_folder(void **state)
{
	char command[128];

	unsetenv("XDG_STATE_HOME");
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		return -1;
	return close_lua(state);
}

static void a_manager_tells_of_its_units(void **state)
{
	RUN(FAKE
	    "local m = assert(manager()) "
	    "assert(m:backend() == 'fake' and #assert(m:list()) == 3) "
	    "local u = assert(m:read('www.service')) "
	    "assert(u.id == 'web.service' and u.restart == 'always' and u.can_reload) "
	    "assert(u.triggered_by[1] == 'web.socket' and u.required_by[1] == 'app.service') "
	    "local missing, message, code = m:read('nothing.service') "
	    "assert(missing == nil and message:find('nothing') or missing.load == 'not-found') "
	    "m:close() m:close()");
	assert_raises(*state, FAKE "local m = manager() m:close() m:list()", "closed");
}

static void an_act_changes_what_the_manager_tells(void **state)
{
	RUN(FAKE "local m = assert(manager()) "
	         "assert(m:act('stop', 'web.service')) "
	         "assert(m:read('web.service').active == 'inactive') "
	         "assert(m:act('start', 'web.service')) "
	         "assert(m:read('web.service').active == 'active') "
	         "local ok, message, code = m:act('stop', 'app.service') "
	         "assert(ok == nil and #message > 0 and #code > 0)");
	assert_raises(*state, FAKE "manager():act('explode', 'web.service')", "explode");
	assert_raises(*state, "core.units.open{backend='fake', fake={7}}", "a list of tables");
	assert_raises(*state, "core.units.open{backend='fake', fake={{}}}", "needs id and active");
	RUN("local m, message, code = core.units.open{backend='upstart'} "
	    "assert(m == nil and message:find('systemd') and code == 'EINVAL')");
}

static void names_are_checked_before_anything_is_done(void **state)
{
	RUN("assert(core.units.name('systemd', 'apache2') == 'apache2.service') "
	    "assert(core.units.name('systemd', 'ssh.socket') == 'ssh.socket') "
	    "for _, bad in ipairs{'', '../../bin/sh', '-H', 'a;b', 'a b', 'x\\ny', 'a\\0b', "
	    "'\\27[31m', ('a'):rep(300), 'getty@', '/etc/passwd', 'a*'} do "
	    "  local name, message, code = core.units.name('systemd', bad) "
	    "  assert(name == nil and code == 'EINVAL', bad) "
	    "  assert(not message:find('[%c\\128-\\255]'), message) end");
}

static void a_process_is_known_by_number_and_start(void **state)
{
	lua_pushinteger(*state, getpid());
	lua_setglobal(*state, "self");
	RUN("local p = assert(core.process.read(self)) "
	    "assert(p.pid == self and p.started > 0 and p.ppid > 0 and #p.name > 0) "
	    "assert(p.uid == core.process.euid()) "
	    "local seen = false "
	    "for _, pid in ipairs(core.process.list()) do seen = seen or pid == self end "
	    "assert(seen) "
	    "local none, message, code = core.process.read(0x7ffffff0) "
	    "assert(none == nil and code == 'ESRCH', code)");
}

static void own_files_are_kept_below_the_state_folder(void **state)
{
	RUN("assert(core.state.save('closed-80', 'text\\0more')) "
	    "assert(core.state.load('closed-80') == 'text\\0more') "
	    "local found = false "
	    "for _, name in ipairs(core.state.list()) do found = found or name == 'closed-80' end "
	    "assert(found and core.state.drop('closed-80')) "
	    "local none, message, code = core.state.load('closed-80') "
	    "assert(none == nil and code == 'ENOENT', code)");
	assert_raises(*state, "core.state.save('../up', 'x')", "bad argument #1");
	assert_raises(*state, "core.state.load('a/b')", "bad argument #1");
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	fail_each_allocation_of(NULL, "",
	                        FAKE "local m, e, c = manager() if not m then return m, e, c end "
	                             "local l, e, c = m:list() if not l then return l, e, c end "
	                             "local u, e, c = m:read('web.service') "
	                             "if not u then return u, e, c end "
	                             "local d, e, c = m:act('stop', 'web.service') "
	                             "if not d then return d, e, c end "
	                             "m:close() return true");
	fail_each_allocation_of(NULL, "",
	                        "local p, e, c = core.process.read(core.process.self()) "
	                        "if not p then return p, e, c end "
	                        "local l, e, c = core.process.list() "
	                        "if not l then return l, e, c end return true");
	fail_each_allocation_of(NULL, "",
	                        "local s, e, c = core.state.save('a', 'b') "
	                        "if not s then return s, e, c end "
	                        "local t, e, c = core.state.load('a') "
	                        "if not t then return t, e, c end "
	                        "local l, e, c = core.state.list() "
	                        "if not l then return l, e, c end return true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manager_tells_of_its_units),
		cmocka_unit_test(an_act_changes_what_the_manager_tells),
		cmocka_unit_test(names_are_checked_before_anything_is_done),
		cmocka_unit_test(a_process_is_known_by_number_and_start),
		cmocka_unit_test(own_files_are_kept_below_the_state_folder),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("units", tests, open_folder, close_folder);
}
