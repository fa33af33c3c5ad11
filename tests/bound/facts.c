/* routes(), rules(), neighbors(), proc_routes(), groups(), counters(), interfaces(): from
 * recordings. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "binding/binding.h"
#include "rtnetlink.h"

struct fixture {
	struct rtnetlink replay;
	struct ph_context context;
	const char *chunk;
	size_t used, limit; /* bytes that Lua has, and may have */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rtnetlink_load(&f->replay, "tests/data/rtnetlink/host.nl", &f->context);
	f->context.proc = "tests/data/procnet";
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rtnetlink_free(&f->replay);
	free(f);
	return 0;
}

/* Runs the chunk of the fixture, which is on the stack as light userdata, with `core` as its
 * argument. */
static int run_chunk(lua_State *L)
{
	struct fixture *f = lua_touserdata(L, 1);

	luaL_openlibs(L);
	binding_set_context(L, &f->context);
	luaL_requiref(L, "porthole.core", luaopen_porthole_core, 0);
	if (luaL_loadstring(L, f->chunk) != LUA_OK)
		return lua_error(L);
	lua_insert(L, -2);
	lua_call(L, 1, 0);
	return 0;
}

static int run_in(lua_State *L, struct fixture *f)
{
	int r;

	lua_pushcfunction(L, run_chunk);
	lua_pushlightuserdata(L, f);
	r = lua_pcall(L, 1, 0, 0);
	if (r != LUA_OK && r != LUA_ERRMEM)
		print_message("%s\n", lua_tostring(L, -1));
	lua_close(L);
	return r;
}

static void assert_runs(struct fixture *f, const char *chunk)
{
	f->chunk = chunk;
	assert_int_equal(run_in(luaL_newstate(), f), LUA_OK);
}

static void rows_have_their_columns(void **state)
{
	assert_runs(*state,
	            "local core = ... "
	            "local function only(rows) assert(#rows == 1, #rows); return rows[1] end "
	            "local r = only(core.routes{to='default', family='inet'}) "
	            "assert(r.gateway == '192.0.2.254' and r.iface == 'lan0' and r.metric == 100) "
	            "assert(r.mtu == 1300 and r.advmss == 1200 and r.window == 4096) "
	            "assert(r.table == 'main' and r.type == 'unicast' and r.expires == nil) "
	            "r = only(core.routes{destination='203.0.113.128'}) "
	            "assert(#r.nexthops == 2 and r.nexthops[2].iface == 'd0' and "
	            "r.nexthops[2].weight == 5) "
	            "assert(r.nexthops[2].flags[1] == 'onlink') "
	            "r = only(core.routes{table='100'}) "
	            "assert(r.prefsrc == '192.0.2.1' and r.protocol == 'static' and r.to == "
	            "'10.7.0.0/16') "
	            "r = only(core.routes{type='blackhole'}) "
	            "assert(r.gateway == nil and r.iface == nil and #r.nexthops == 0) "
	            "r = only(core.rules{priority=1000}) "
	            "assert(r.from == '192.0.2.0/24' and r.iif == 'lan0' and r.mark == 16) "
	            "r = only(core.rules{priority=1001}) "
	            "assert(r.uids == '1000-2000' and r.dport == '80-90' and r.sport == '1024') "
	            "assert(r.ip_proto == 'tcp' and r.from == 'all' and r.table == '300') "
	            "r = only(core.rules{action='goto'}) "
	            "assert(r.target == 32766 and r.inverted and r.table == nil) "
	            "r = only(core.neighbors{address='2001:db8::fe'}) "
	            "assert(r.lladdr == '02:00:00:00:00:fe' and r.flags[1] == 'router') "
	            "r = only(core.groups{group='224.0.0.106'}) "
	            "assert(r.iface == 'br0' and r.users == 1 and r.version == 3) "
	            "r = only(core.counters{protocol='Tcp', name='MaxConn'}) "
	            "assert(r.value == -1 and r.source == 'snmp') "
	            "r = only(core.proc_routes{iface='lan0', metric=100}) "
	            "assert(r.mss == 1240 and r.flags == 3 and r.mask == '0.0.0.0') "
	            "r = only(core.proc_routes{metric=0xffffffff}) "
	            "assert(r.family == 'inet6' and r.mask == nil) "
	            "r = only(core.interfaces{name='lan0'}) "
	            "assert(r.type == 1 and r.mtu == 1500 and r.interrupt == nil) ");
}

/* Touches every column of some rows of each type. */
static const char everything[] =
	"local core = ... "
	"for _, name in ipairs{'routes', 'rules', 'neighbors', 'groups', 'counters', "
	"'proc_routes', 'interfaces'} do "
	"  local rows, message, code = core[name]() "
	"  assert(rows, message) "
	"  for i = 1, #rows, 7 do "
	"    for _, column in ipairs(rows.columns) do local value = rows[i][column.name] end "
	"  end "
	"  assert(#rows.partial == 0) "
	"end ";

static void every_column_can_be_read(void **state)
{
	assert_runs(*state, everything);
}

static void failures_are_returned_not_raised(void **state)
{
	struct fixture *f = *state;

	f->replay.open_result = -EACCES;
	ph_cancel(&f->context);
	assert_runs(f, "local core = ... "
	               "local rows, message, code = core.routes() "
	               "assert(rows == nil and code == 'EACCES' and message:find('netlink')) "
	               "rows, message, code = core.counters() "
	               "assert(rows == nil and code == 'ECANCELED') ");
}

static void unknown_filters_raise(void **state)
{
	assert_runs(*state, "local core = ... "
	                    "local ok, message = pcall(core.routes, {gatway='192.0.2.1'}) "
	                    "assert(not ok and message:find('gateway'), message) "
	                    "ok, message = pcall(core.groups, {family='ipx'}) "
	                    "assert(not ok) ");
}

static int attempt(void *data)
{
	return run_in(luaL_newstate(), data) == LUA_OK ? 0 : -ENOMEM;
}

static void failed_allocations_of_the_engine_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;

	f->chunk = everything;
	fail_each_allocation(attempt, f);
}

/* Lua's memory, up to a limit. */
static void *limited(void *data, void *old, size_t old_size, size_t size)
{
	struct fixture *f = data;
	void *larger;

	if (old == NULL)
		old_size = 0;
	if (size == 0) {
		f->used -= old_size;
		free(old);
		return NULL;
	}
	if (size > old_size && f->used + size - old_size > f->limit)
		return NULL;
	larger = realloc(old, size);
	if (larger != NULL)
		f->used += size - old_size;
	return larger;
}

static void lua_running_out_of_memory_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	int r = LUA_ERRMEM;

	f->chunk = everything;
	for (f->limit = 40000; r == LUA_ERRMEM; f->limit += 500) {
		lua_State *L = lua_newstate(limited, f);

		if (L != NULL)
			r = run_in(L, f);
		assert_int_equal(f->used, 0);
	}
	assert_int_equal(r, LUA_OK);
}

#define WITH_RECORDING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RECORDING(rows_have_their_columns),
		WITH_RECORDING(every_column_can_be_read),
		WITH_RECORDING(failures_are_returned_not_raised),
		WITH_RECORDING(unknown_filters_raise),
		WITH_RECORDING(failed_allocations_of_the_engine_leave_nothing_behind),
		WITH_RECORDING(lua_running_out_of_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
