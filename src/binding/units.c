/*
 * Units and processes for Lua: core.units and core.process. lua/porthole/unit.lua and plan.lua make
 * of them what users see. Each manager's userdata also owns the result of its last call, so that
 * nothing leaks when pushing it raises.
 */
#include "porthole/units.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding/binding.h"
#include "binding/rows_internal.h"
#include "porthole/owners.h"
#include "porthole/process.h"

#define MANAGER_METATABLE "porthole.manager"
#define PROCESS_METATABLE "porthole.process_facts"
#define MOST_LOG_LINES    10000

struct manager {
	struct ph_units *units; /* NULL: closed */
	struct ph_unit_list fake;
	/* The last results. */
	struct ph_unit unit;
	struct ph_unit_list list;
	struct ph_strings strings;
	struct ph_log log;
	struct ph_unit_outcome outcome;
};

static void forget_results(struct manager *manager)
{
	ph_unit_free(&manager->unit);
	ph_unit_list_free(&manager->list);
	ph_strings_free(&manager->strings);
	ph_log_free(&manager->log);
	ph_unit_outcome_free(&manager->outcome);
}

static struct manager *check_manager(lua_State *L)
{
	struct manager *manager = luaL_checkudata(L, 1, MANAGER_METATABLE);

	luaL_argcheck(L, manager->units != NULL, 1, "the manager is closed");
	forget_results(manager);
	return manager;
}

/* A unit's name as an argument: no byte may be lost. */
static const char *check_name(lua_State *L, int index)
{
	size_t length;
	const char *name = luaL_checklstring(L, index, &length);

	luaL_argcheck(L, strlen(name) == length, index, "a name cannot contain a NUL byte");
	return name;
}

static void set_text(lua_State *L, const char *field, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, field);
}

static void set_boolean(lua_State *L, const char *field, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, field);
}

static void set_strings(lua_State *L, const char *field, const struct ph_strings *strings)
{
	lua_createtable(L, (int)strings->count, 0);
	for (size_t i = 0; i < strings->count; i++) {
		lua_pushstring(L, strings->items[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, field);
}

/* Seconds; absent: unknown; math.huge: no limit. */
static void set_limit(lua_State *L, const char *field, uint64_t limit_us)
{
	if (limit_us == 0)
		return;
	lua_pushnumber(L, limit_us == UINT64_MAX ? HUGE_VAL : (lua_Number)limit_us / 1e6);
	lua_setfield(L, -2, field);
}

static void push_unit(lua_State *L, const struct ph_unit *unit)
{
	lua_createtable(L, 0, 32);
	set_text(L, "id", unit->id);
	set_text(L, "description", unit->description);
	set_text(L, "load", unit->load);
	set_text(L, "active", unit->active);
	set_text(L, "sub", unit->sub);
	set_text(L, "enabled", unit->enabled);
	set_text(L, "result", unit->result);
	set_text(L, "restart", unit->restart);
	set_text(L, "kill_mode", unit->kill_mode);
	set_text(L, "fragment", unit->fragment);
	set_text(L, "source", unit->source);
	set_text(L, "control_group", unit->control_group);
	set_text(L, "invocation", unit->invocation);
	set_strings(L, "names", &unit->names);
	set_strings(L, "triggered_by", &unit->triggered_by);
	set_strings(L, "triggers", &unit->triggers);
	set_strings(L, "required_by", &unit->required_by);
	set_strings(L, "requisite_of", &unit->requisite_of);
	set_strings(L, "bound_by", &unit->bound_by);
	set_strings(L, "consists_of", &unit->consists_of);
	set_strings(L, "propagates_stop_to", &unit->propagates_stop_to);
	set_strings(L, "wanted_by", &unit->wanted_by);
	set_strings(L, "upheld_by", &unit->upheld_by);
	set_strings(L, "listen", &unit->listen);
	if (unit->main_pid != 0)
		set_integer(L, "main_pid", unit->main_pid);
	if (unit->job != 0)
		set_integer(L, "job", unit->job);
	set_integer(L, "changed", (lua_Integer)unit->changed_us);
	set_boolean(L, "accept", unit->accept);
	set_boolean(L, "refuse_manual_start", unit->refuse_manual_start);
	set_boolean(L, "refuse_manual_stop", unit->refuse_manual_stop);
	set_boolean(L, "can_reload", unit->can_reload);
	set_limit(L, "stop_timeout", unit->stop_timeout_us);
	set_limit(L, "start_timeout", unit->start_timeout_us);
}

/* manager:list() -> list of {id, description, load, active, sub} | nil, message, code */
static int l_list(lua_State *L)
{
	struct manager *manager = check_manager(L);
	struct ph_error error;

	if (ph_units_list(manager->units, &manager->list, &error) < 0)
		return push_failure(L, &error);
	lua_createtable(L, (int)manager->list.count, 0);
	for (size_t i = 0; i < manager->list.count; i++) {
		push_unit(L, &manager->list.items[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* manager:read(name) -> table of what struct ph_unit has | nil, message, code */
static int l_read(lua_State *L)
{
	struct manager *manager = check_manager(L);
	const char *name = check_name(L, 2);
	struct ph_error error;

	if (ph_units_read(manager->units, name, &manager->unit, &error) < 0)
		return push_failure(L, &error);
	push_unit(L, &manager->unit);
	return 1;
}

/* manager:owner(pid) -> id of the unit in charge | nil [, message, code] */
static int l_owner(lua_State *L)
{
	struct manager *manager = check_manager(L);
	lua_Integer pid = luaL_checkinteger(L, 2);
	char id[PH_UNIT_NAME_BYTES];
	struct ph_error error;

	if (ph_units_owner(manager->units, (pid_t)pid, id, &error) < 0)
		return push_failure(L, &error);
	if (id[0] == '\0')
		lua_pushnil(L);
	else
		lua_pushstring(L, id);
	return 1;
}

/* manager:pids(id) -> list of integers | nil, message, code */
static int l_pids(lua_State *L)
{
	struct manager *manager = check_manager(L);
	const char *name = check_name(L, 2);
	struct ph_error error;

	if (ph_units_pids(manager->units, name, &manager->strings, &error) < 0)
		return push_failure(L, &error);
	lua_createtable(L, (int)manager->strings.count, 0);
	for (size_t i = 0; i < manager->strings.count; i++) {
		lua_pushinteger(L, strtol(manager->strings.items[i], NULL, 10));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* manager:log(id, count) -> list of {time, source, message}, oldest first | nil, message, code */
static int l_log(lua_State *L)
{
	struct manager *manager = check_manager(L);
	const char *name = check_name(L, 2);
	lua_Integer most = luaL_checkinteger(L, 3);
	struct ph_error error;

	luaL_argcheck(L, most >= 1 && most <= MOST_LOG_LINES, 3, "from 1 to 10000 lines");
	if (ph_units_log(manager->units, name, (size_t)most, &manager->log, &error) < 0)
		return push_failure(L, &error);
	lua_createtable(L, (int)manager->log.count, 0);
	for (size_t i = 0; i < manager->log.count; i++) {
		const struct ph_log_line *line = &manager->log.items[i];

		lua_createtable(L, 0, 3);
		if (line->time_us != 0)
			set_integer(L, "time", (lua_Integer)line->time_us);
		set_text(L, "source", line->source);
		lua_pushstring(L, line->message);
		lua_setfield(L, -2, "message");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static void push_outcome(lua_State *L, const struct ph_unit_outcome *outcome)
{
	lua_createtable(L, 0, 8);
	set_text(L, "job", outcome->job);
	set_text(L, "active", outcome->active);
	set_text(L, "sub", outcome->sub);
	set_text(L, "result", outcome->result);
	set_text(L, "output", outcome->output);
	if (outcome->exit_status >= 0)
		set_integer(L, "exit_status", outcome->exit_status);
	set_integer(L, "took_us", (lua_Integer)outcome->took_us);
	set_strings(L, "changes", &outcome->changes);
}

/*
 * manager:act(verb, id [, seconds]) -> outcome | nil, message, code, outcome
 * The outcome says how the order ended; the engine's ph_units_act() has the codes.
 */
static int l_act(lua_State *L)
{
	static const char *const verbs[] = { "start",  "stop",    "restart", "reload",
		                             "enable", "disable", NULL };
	struct manager *manager = check_manager(L);
	int act = luaL_checkoption(L, 2, NULL, verbs);
	const char *name = check_name(L, 3);
	lua_Number seconds = luaL_optnumber(L, 4, 0);
	struct ph_error error;
	int pushed;

	luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 4, "from 0 to 86400 seconds");
	if (ph_units_act(manager->units, (enum ph_unit_act)act, name, (uint64_t)(seconds * 1e6),
	                 &manager->outcome, &error) < 0) {
		pushed = push_failure(L, &error);
		push_outcome(L, &manager->outcome);
		return pushed + 1;
	}
	push_outcome(L, &manager->outcome);
	return 1;
}

/* manager:backend() -> "systemd", "sysv" or "fake" */
static int l_backend(lua_State *L)
{
	lua_pushstring(L, check_manager(L)->units->backend->name);
	return 1;
}

/* manager:close(): also __gc and __close */
static int l_close(lua_State *L)
{
	struct manager *manager = luaL_checkudata(L, 1, MANAGER_METATABLE);

	forget_results(manager);
	ph_units_close(manager->units);
	manager->units = NULL;
	ph_unit_list_free(&manager->fake);
	return 0;
}

static void field_text(lua_State *L, const char *field, char **text)
{
	if (lua_getfield(L, -1, field) == LUA_TSTRING) {
		*text = strdup(lua_tostring(L, -1));
		if (*text == NULL)
			raise_memory(L);
	}
	lua_pop(L, 1);
}

static bool field_boolean(lua_State *L, const char *field)
{
	bool value;

	lua_getfield(L, -1, field);
	value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static void field_strings(lua_State *L, const char *field, struct ph_strings *strings)
{
	if (lua_getfield(L, -1, field) == LUA_TTABLE) {
		lua_Integer count = luaL_len(L, -1);

		for (lua_Integer i = 1; i <= count; i++) {
			lua_rawgeti(L, -1, i);
			if (ph_strings_add(strings, luaL_checkstring(L, -1)) < 0)
				raise_memory(L);
			lua_pop(L, 1);
		}
	}
	lua_pop(L, 1);
}

/* One unit of the fake manager, from the table on top. */
static void read_fake(lua_State *L, struct ph_unit *unit)
{
	field_text(L, "id", &unit->id);
	field_text(L, "description", &unit->description);
	field_text(L, "load", &unit->load);
	field_text(L, "active", &unit->active);
	field_text(L, "sub", &unit->sub);
	field_text(L, "enabled", &unit->enabled);
	field_text(L, "restart", &unit->restart);
	field_text(L, "kill_mode", &unit->kill_mode);
	field_strings(L, "names", &unit->names);
	field_strings(L, "triggered_by", &unit->triggered_by);
	field_strings(L, "triggers", &unit->triggers);
	field_strings(L, "required_by", &unit->required_by);
	field_strings(L, "bound_by", &unit->bound_by);
	field_strings(L, "upheld_by", &unit->upheld_by);
	field_strings(L, "listen", &unit->listen);
	unit->can_reload = field_boolean(L, "can_reload");
	unit->refuse_manual_stop = field_boolean(L, "refuse_manual_stop");
	luaL_argcheck(L, unit->id != NULL && unit->active != NULL, 1,
	              "a fake unit needs id and active");
}

/* The fake manager's units, from the list on top. */
static void read_fakes(lua_State *L, struct manager *manager)
{
	lua_Integer count = luaL_len(L, -1);

	for (lua_Integer i = 1; i <= count; i++) {
		struct ph_unit_list *list = &manager->fake;

		if (ph_reserve(&list->items, list->count, &list->capacity, sizeof(*list->items)) <
		    0)
			raise_memory(L);
		list->items[list->count] = (struct ph_unit){ 0 };
		list->count++;
		lua_rawgeti(L, -1, i);
		luaL_argcheck(L, lua_istable(L, -1), 1, "fake: a list of tables");
		read_fake(L, &list->items[list->count - 1]);
		lua_pop(L, 1);
	}
}

/*
 * units.open{backend=, user=, interactive=, fake=} -> manager | nil, message, code
 * `user`: the number of the user whose own manager is meant.
 */
static int l_open(lua_State *L)
{
	struct ph_context *context = check_context(L);
	struct ph_units_options options = { 0 };
	struct manager *manager;
	struct ph_error error;

	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	manager = lua_newuserdatauv(L, sizeof(*manager), 1);
	*manager = (struct manager){ 0 };
	luaL_setmetatable(L, MANAGER_METATABLE);
	lua_getfield(L, 1, "backend");
	options.backend = luaL_optstring(L, -1, NULL);
	if (lua_getfield(L, 1, "user") != LUA_TNIL) {
		options.user = true;
		options.uid = (uid_t)luaL_checkinteger(L, -1);
	}
	if (lua_getfield(L, 1, "fake") == LUA_TTABLE) {
		read_fakes(L, manager);
		options.fake = &manager->fake;
	}
	lua_pushvalue(L, 1);
	options.interactive = field_boolean(L, "interactive");
	lua_settop(L, 3);
	if (ph_units_open(context, &options, &manager->units, &error) < 0)
		return push_failure(L, &error);
	manager->units->options.backend = NULL; /* its string is Lua's */
	lua_settop(L, 2);
	return 1;
}

/* units.name(backend, name) -> full name | nil, message, "EINVAL" */
static int l_name(lua_State *L)
{
	const char *backend = luaL_checkstring(L, 1);
	char full[PH_UNIT_NAME_BYTES];
	struct ph_error error;
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);

	if (ph_unit_name(backend, name, length, full, &error) < 0)
		return push_failure(L, &error);
	lua_pushstring(L, full);
	return 1;
}

/* units.record(message [, unit]): one line in the system's journal */
static int l_record(lua_State *L)
{
	const char *message = luaL_checkstring(L, 1);
	const char *unit = luaL_optstring(L, 2, NULL);

	ph_units_record(check_context(L), unit, message);
	return 0;
}

struct process {
	struct ph_process_facts facts;
	struct ph_placement placement;
	char *own;
	pid_t *pids;
};

static int l_process_gc(lua_State *L)
{
	struct process *process = luaL_checkudata(L, 1, PROCESS_METATABLE);

	ph_process_facts_free(&process->facts);
	ph_placement_free(&process->placement);
	free(process->own);
	free(process->pids);
	process->own = NULL;
	process->pids = NULL;
	return 0;
}

static struct process *push_process(lua_State *L)
{
	struct process *process = lua_newuserdatauv(L, sizeof(*process), 0);

	*process = (struct process){ 0 };
	luaL_setmetatable(L, PROCESS_METATABLE);
	return process;
}

/*
 * process.read(pid) -> {pid, ppid, uid, started, state, name, exe, cgroup, unit, user_unit,
 * container} | nil, message, code. `started` with `pid` is its identity.
 */
static int l_process_read(lua_State *L)
{
	struct ph_context *context = check_context(L);
	lua_Integer pid = luaL_checkinteger(L, 1);
	struct process *process = push_process(L);
	struct ph_error error;
	int r;

	r = ph_process_read(context, (pid_t)pid, &process->facts, &error);
	if (r < 0)
		return push_failure(L, &error);
	r = ph_read_below(context->proc, "1/cgroup", 65536, &process->own, NULL, NULL);
	if (r != -ENOMEM && process->facts.cgroup != NULL)
		r = ph_placement_parse(process->facts.cgroup, process->own, &process->placement);
	if (r == -ENOMEM)
		raise_memory(L);
	lua_createtable(L, 0, 11);
	set_integer(L, "pid", process->facts.pid);
	set_integer(L, "ppid", process->facts.ppid);
	set_integer(L, "uid", process->facts.uid);
	set_integer(L, "started", (lua_Integer)process->facts.started);
	lua_pushlstring(L, &process->facts.state, 1);
	lua_setfield(L, -2, "state");
	set_text(L, "name", process->facts.name);
	set_text(L, "exe", process->facts.exe);
	set_text(L, "cgroup", process->facts.cgroup);
	set_text(L, "unit", process->placement.unit);
	set_text(L, "user_unit", process->placement.user_unit);
	set_text(L, "container", process->placement.container);
	return 1;
}

/* process.list() -> list of pids | nil, message, code */
static int l_process_list(lua_State *L)
{
	struct process *process = push_process(L);
	struct ph_error error;
	size_t count;

	if (ph_process_list(check_context(L), &process->pids, &count, &error) < 0)
		return push_failure(L, &error);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushinteger(L, process->pids[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* process.euid() -> the effective user id */
static int l_process_euid(lua_State *L)
{
	lua_pushinteger(L, geteuid());
	return 1;
}

/* process.self() -> the own pid */
static int l_process_self(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

/*
 * process.finish({pid=, started=, inode=}, "TERM" or "KILL", seconds)
 * -> true | false, why it did not end in time | nil, message, code. ph_process_end() has the codes.
 */
static int l_process_finish(lua_State *L)
{
	static const char *const names[] = { "TERM", "KILL", NULL };
	static const int numbers[] = { SIGTERM, SIGKILL };
	struct ph_process_target target = { 0 };
	struct ph_error error = { 0 };
	lua_Number seconds;
	int which, r;

	luaL_checktype(L, 1, LUA_TTABLE);
	which = luaL_checkoption(L, 2, NULL, names);
	seconds = luaL_checknumber(L, 3);
	luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 3, "from 0 to 3600 seconds");
	lua_getfield(L, 1, "pid");
	target.pid = (pid_t)luaL_checkinteger(L, -1);
	lua_getfield(L, 1, "started");
	target.started = (uint64_t)luaL_checkinteger(L, -1);
	lua_getfield(L, 1, "inode");
	target.inode = (uint32_t)luaL_optinteger(L, -1, 0);
	r = ph_process_end(check_context(L), &target, numbers[which], (uint64_t)(seconds * 1e6),
	                   &error);
	if (r < 0)
		return push_failure(L, &error);
	lua_pushboolean(L, r);
	lua_pushstring(L, r ? NULL : error.message);
	return 2;
}

static void new_metatable(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__close");
	lua_pushliteral(L, "protected");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

void open_units(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "owner", l_owner }, { "list", l_list },       { "read", l_read },
		{ "pids", l_pids },   { "log", l_log },         { "act", l_act },
		{ "close", l_close }, { "backend", l_backend }, { NULL, NULL },
	};
	static const luaL_Reg none[] = { { NULL, NULL } };
	static const luaL_Reg units[] = {
		{ "open", l_open },
		{ "name", l_name },
		{ "record", l_record },
		{ NULL, NULL },
	};
	static const luaL_Reg process[] = {
		{ "read", l_process_read },     { "list", l_process_list },
		{ "euid", l_process_euid },     { "self", l_process_self },
		{ "finish", l_process_finish }, { NULL, NULL },
	};

	new_metatable(L, MANAGER_METATABLE, methods, l_close);
	new_metatable(L, PROCESS_METATABLE, none, l_process_gc);
	luaL_newlib(L, units);
	lua_setfield(L, -2, "units");
	luaL_newlib(L, process);
	lua_setfield(L, -2, "process");
}
