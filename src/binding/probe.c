/*
 * probe(): which ports are open, as a connection sees it. The arguments become a request that owns
 * copies of all of them, so that it can run in a thread while Lua goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "binding/binding.h"
#include "binding/options.h"
#include "binding/rows_internal.h"
#include "porthole/links.h"
#include "porthole/probe.h"

#define JOB_METATABLE "porthole.probe-job"

struct words { /* owned copies */
	char **items;
	size_t count, capacity;
};

/* The storage of the rows, and what it takes to fill it. */
struct probe_rows {
	struct ph_probes probes;
	struct ph_targets targets;
	const struct ph_services *services; /* the state's */
	struct words wanted, excluded;
	struct ph_scope scope;
	struct ph_payload *payloads;
	size_t payload_count, payload_capacity;
	struct ph_portspec *ports; /* two: for other hosts, for this one */
	struct ph_probe_plan plan;
	int family;
};

#define ROWS      ((const struct probe_rows *)storage)
#define ITEM      ((const struct ph_probe *)item)
#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)

static const struct ph_target *target_of(const struct probe_rows *rows, const struct ph_probe *row)
{
	return &rows->targets.items[row->target];
}

GET(target)
{
	cell_set_text(cell, ROWS->targets.names[target_of(ROWS, ITEM)->name]);
}

GET(address)
{
	const struct ph_host *host = &target_of(ROWS, ITEM)->host;

	if (host->zone != 0) {
		cell_set_text(cell, ph_host_format(host, cell->room));
		return;
	}
	cell->type = CELL_ADDRESS;
	cell->as.address.family = host->family;
	memcpy(cell->as.address.bytes, host->address, sizeof(host->address));
}

static const char *const protos[] = { "tcp", "udp", NULL };
static const char *const states[] = { "open", "closed", "filtered", "open|filtered", NULL };

GET(proto)
{
	(void)storage;
	cell_set_text(cell, protos[ITEM->proto == PH_PROBE_UDP]);
}

static void set_integer(struct cell *cell, lua_Integer value)
{
	cell->type = CELL_INTEGER;
	cell->as.integer = value;
}

GET(port)
{
	(void)storage;
	set_integer(cell, ITEM->port);
}

GET(state)
{
	(void)storage;
	cell_set_text(cell, ph_probe_state_name(ITEM->state));
}

GET(reason)
{
	(void)storage;
	cell_set_text(cell, ph_probe_reason_name(ITEM->reason));
}

GET(rtt_us)
{
	(void)storage;
	set_integer(cell, ITEM->rtt_us);
	if (ITEM->rtt_us == 0)
		cell->type = CELL_NIL;
}

GET(service)
{
	const struct ph_service *service = ph_services_by_port(ROWS->services, ITEM->port,
	                                                       protos[ITEM->proto == PH_PROBE_UDP]);

	cell_set_text(cell, service != NULL ? service->name : NULL);
}

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(target, NAME, "what was asked for: a name, an address, a block", .weight = 3),
	COLUMN(address, ADDRESS, "the address that was probed", .weight = 9),
	COLUMN(proto, NAME, "tcp or udp", .values = protos, .weight = 8),
	COLUMN(port, PORT, "the port", .weight = 10),
	COLUMN(state, NAME,
	       "open, closed, filtered (no answer, or one that forbids), open|filtered",
	       .values = states, .weight = 10),
	COLUMN(reason, NAME, "what answered, as nmap names it: syn-ack, conn-refused, ...",
	       .weight = 7),
	COLUMN(rtt_us, INTEGER, "time until the answer; absent where there was none", .unit = "us",
	       .weight = 4),
	COLUMN(service, NAME, "what the port is registered for, which may not be what answers",
	       .weight = 6),
};

static void free_words(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct words){ 0 };
}

/* What only the run needs. */
static void release_request(struct probe_rows *rows)
{
	free_words(&rows->wanted);
	free_words(&rows->excluded);
	ph_scope_free(&rows->scope);
	for (size_t i = 0; i < rows->payload_count; i++)
		free((void *)rows->payloads[i].bytes);
	free(rows->payloads);
	free(rows->ports);
	rows->payloads = NULL;
	rows->payload_count = rows->payload_capacity = 0;
	rows->ports = NULL;
}

static void release_rows(void *storage)
{
	struct probe_rows *rows = storage;

	release_request(rows);
	ph_probes_free(&rows->probes);
	ph_targets_free(&rows->targets);
}

static size_t count_rows(const void *storage)
{
	return ROWS->probes.count;
}

static const void *row_at(const void *storage, size_t index)
{
	return &ROWS->probes.items[index];
}

static const char *row_reason(const void *storage, size_t nth)
{
	return nth < ROWS->probes.partial.count ? ROWS->probes.partial.items[nth] : NULL;
}

static const struct row_type probe_type = {
	.name = "probe",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct probe_rows),
	.count = count_rows,
	.item = row_at,
	.reason = row_reason,
	.release = release_rows,
};

/* Copies the string on top of the stack. */
static void add_word(lua_State *L, int index, struct words *words)
{
	size_t length;
	const char *text;

	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_argerror(L, index, "a string, or a list of strings expected");
	text = lua_tolstring(L, -1, &length);
	if (strlen(text) != length)
		luaL_argerror(L, index, "a string without a zero byte expected");
	if (ph_reserve(&words->items, words->count, &words->capacity, sizeof(*words->items)) < 0)
		raise_memory(L);
	words->items[words->count] = strdup(text);
	if (words->items[words->count] == NULL)
		raise_memory(L);
	words->count++;
}

/* The value on top of the stack: a string, or a list of them. */
static void add_words(lua_State *L, int index, struct words *words)
{
	if (!lua_istable(L, -1)) {
		add_word(L, index, words);
		return;
	}
	for (lua_Unsigned i = 1, count = lua_rawlen(L, -1); i <= count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i);
		add_word(L, index, words);
		lua_pop(L, 1);
	}
}

static int by_port(const void *a, const void *b)
{
	return ((const struct ph_payload *)a)->port - ((const struct ph_payload *)b)->port;
}

/* Option `payloads`: {[port] = bytes}. */
static void read_payloads(lua_State *L, int index, struct probe_rows *rows)
{
	if (lua_isnoneornil(L, index) || lua_getfield(L, index, "payloads") == LUA_TNIL)
		return;
	luaL_argcheck(L, lua_istable(L, -1), index, "option 'payloads' must be a table");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		size_t length;
		const char *bytes = lua_tolstring(L, -1, &length);
		lua_Integer port = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : -1;
		void *copy;

		luaL_argcheck(L, bytes != NULL && length <= 1400 && port >= 0 && port <= UINT16_MAX,
		              index, "option 'payloads' must have ports and short strings");
		if (ph_reserve(&rows->payloads, rows->payload_count, &rows->payload_capacity,
		               sizeof(*rows->payloads)) < 0)
			raise_memory(L);
		copy = malloc(length + 1);
		if (copy == NULL)
			raise_memory(L);
		/* cppcheck-suppress nullPointerRedundantCheck ; raising does not return */
		memcpy(copy, bytes, length);
		rows->payloads[rows->payload_count++] =
			(struct ph_payload){ (uint16_t)port, (uint16_t)length, copy };
	}
	lua_pop(L, 1);
	if (rows->payload_count > 0)
		qsort(rows->payloads, rows->payload_count, sizeof(*rows->payloads), by_port);
}

/* Without a list: everything on this host, elsewhere the ports that have a name here. */
static void default_ports(struct probe_rows *rows, unsigned protos_wanted)
{
	struct ph_portspec *other = &rows->ports[0], *own = &rows->ports[1];

	memset(rows->ports, 0, 2 * sizeof(*rows->ports));
	if (protos_wanted & PH_PORTS_TCP) {
		ph_ports_add(&own->tcp, 1, PH_PORT_COUNT - 1);
		ph_ports_add(&other->tcp, 1, 1024);
	}
	if (protos_wanted & PH_PORTS_UDP) {
		ph_ports_add(&own->udp, 1, PH_PORT_COUNT - 1);
		ph_ports_add(&other->udp, 1, 1024);
	}
	for (size_t i = 0; i < ph_services_count(rows->services); i++) {
		const struct ph_service *service = ph_services_at(rows->services, i);

		if (service->source == PH_SERVICE_IANA)
			continue;
		if (strcmp(service->proto, "tcp") == 0 && (protos_wanted & PH_PORTS_TCP))
			ph_ports_add(&other->tcp, service->port, service->port);
		if (strcmp(service->proto, "udp") == 0 && (protos_wanted & PH_PORTS_UDP))
			ph_ports_add(&other->udp, service->port, service->port);
	}
}

/* Option `plain`: what a port outside of a section means. */
static unsigned read_plain(lua_State *L, int index)
{
	static const char *const names[] = { "tcp", "udp", "both", NULL };
	unsigned result = PH_PORTS_TCP;

	if (!lua_isnoneornil(L, index) && lua_getfield(L, index, "plain") != LUA_TNIL)
		result = (unsigned)luaL_checkoption(L, -1, NULL, names) + 1;
	return result;
}

static int read_ports(lua_State *L, struct probe_rows *rows, struct ph_error *error)
{
	unsigned plain = read_plain(L, 3);
	size_t length;
	const char *text = luaL_optlstring(L, 2, NULL, &length);
	int r;

	rows->services = binding_services(L, error);
	if (rows->services == NULL)
		return error->code;
	rows->ports = calloc(2, sizeof(*rows->ports));
	if (rows->ports == NULL)
		return ph_fail(error, -ENOMEM, "probe: out of memory");
	if (text == NULL) {
		default_ports(rows, plain);
		return 0;
	}
	r = ph_portspec_parse(text, length, plain, rows->services, &rows->ports[0], error);
	rows->ports[1] = rows->ports[0];
	return r;
}

/* Reads the arguments into the storage on top of the stack. Raises for mistakes. 0 or -errno. */
static int read_request(lua_State *L, struct probe_rows *rows, struct ph_error *error)
{
	static const char *const names[] = { "timeout", "rate",    "retries",  "scope",
		                             "family",  "exclude", "payloads", "plain",
		                             "window",  "threads", "progress", NULL };
	int top = lua_gettop(L), r;

	options_check(L, 3, names);
	lua_pushvalue(L, 1);
	add_words(L, 1, &rows->wanted);
	luaL_argcheck(L, rows->wanted.count > 0, 1, "at least one target expected");
	if (!lua_isnoneornil(L, 3) && lua_getfield(L, 3, "exclude") != LUA_TNIL)
		add_words(L, 3, &rows->excluded);
	options_scope(L, 3, &rows->scope);
	read_payloads(L, 3, rows);
	rows->family = options_family(L, 3, "family");
	rows->plan.timeout_us = options_seconds(L, 3, "timeout", 0);
	rows->plan.retries = (unsigned)options_integer(L, 3, "retries", 0, 20, 2);
	rows->plan.rate = (unsigned)options_integer(L, 3, "rate", 1, 1000000, 0);
	rows->plan.window = (unsigned)options_integer(L, 3, "window", 1, 100000, 0);
	rows->plan.threads = (unsigned)options_integer(L, 3, "threads", 1, 64, 0);
	r = read_ports(L, rows, error);
	lua_settop(L, top);
	return r;
}

static int find_targets(struct ph_context *context, struct probe_rows *rows, struct ph_error *error)
{
	struct ph_target_rules rules = { .scope = &rows->scope, .family = rows->family };
	struct ph_links links;
	int r;

	r = ph_links_read(context, &links, error);
	if (r == 0 && ph_scope_add_links(&rows->scope, &links) < 0)
		r = ph_fail(error, -ENOMEM, "probe: out of memory");
	ph_links_free(&links);
	for (size_t i = 0; r == 0 && i < rows->excluded.count; i++)
		r = ph_targets_exclude(context, &rows->targets, rows->excluded.items[i],
		                       strlen(rows->excluded.items[i]), &rules, error);
	for (size_t i = 0; r == 0 && i < rows->wanted.count; i++)
		r = ph_targets_add(context, &rows->targets, rows->wanted.items[i],
		                   strlen(rows->wanted.items[i]), &rules, error);
	return r;
}

/* No Lua from here on: this may run in a thread. */
static int run_request(struct ph_context *context, struct probe_rows *rows, struct ph_error *error)
{
	int r = find_targets(context, rows, error);

	if (r < 0)
		return r;
	rows->plan.targets = rows->targets.items;
	rows->plan.target_count = rows->targets.count;
	rows->plan.ports = &rows->ports[0];
	rows->plan.own_ports = &rows->ports[1];
	rows->plan.payloads = rows->payloads;
	rows->plan.payload_count = rows->payload_count;
	r = ph_probe(context, &rows->plan, &rows->probes, error);
	if (r == 0 && ph_reasons_join(&rows->probes.partial, &rows->targets.partial) < 0)
		r = ph_fail(error, -ENOMEM, "probe: out of memory");
	return r;
}

/* Calls option `progress` in protected mode: an error must not pass through the engine. */
struct reporter {
	lua_State *L;
	struct ph_context *context;
	bool failed; /* the error is on top of the stack */
};

static void report(void *data, size_t done, size_t total)
{
	struct reporter *reporter = data;

	if (reporter->failed)
		return;
	lua_pushvalue(reporter->L, -1);
	lua_pushinteger(reporter->L, (lua_Integer)done);
	lua_pushinteger(reporter->L, (lua_Integer)total);
	reporter->failed = lua_pcall(reporter->L, 2, 0, 0) != LUA_OK;
	if (reporter->failed)
		ph_cancel(reporter->context);
}

/* Runs with the function `progress`, or nil, on top of the stack. */
static int run_reporting(lua_State *L, struct probe_rows *rows, struct ph_error *error)
{
	struct reporter reporter = { .L = L, .context = check_context(L) };
	int r;

	luaL_checkstack(L, 8, "probe");
	if (!lua_isnil(L, -1)) {
		rows->plan.progress = report;
		rows->plan.progress_data = &reporter;
	}
	r = run_request(reporter.context, rows, error);
	release_request(rows);
	if (reporter.failed) {
		ph_cancel_reset(reporter.context);
		lua_error(L);
	}
	/* Ctrl-C has done what it is for, and must not take away what is known. */
	if (r == 0 && rows->probes.cancelled) {
		ph_cancel_reset(reporter.context);
		lua_sethook(L, NULL, 0, 0);
	}
	return r;
}

/* probe(target [, ports [, options]]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_probe(lua_State *L)
{
	struct probe_rows *rows;
	struct ph_error error;
	int r;

	lua_settop(L, 3);
	rows = rows_push_storage(L, &probe_type);
	r = read_request(L, rows, &error);
	if (r < 0)
		return push_failure(L, &error);
	if (lua_isnil(L, 3))
		lua_pushnil(L);
	else if (lua_getfield(L, 3, "progress") != LUA_TNIL)
		luaL_argcheck(L, lua_isfunction(L, -1), 3, "option 'progress' must be a function");
	r = run_reporting(L, rows, &error);
	lua_settop(L, 4);
	if (r < 0)
		return push_failure(L, &error);
	rows_account(L, rows->probes.count * sizeof(*rows->probes.items));
	rows_push_view(L);
	return 1;
}

/* A probe that runs in a thread while Lua goes on. Its first user value is the storage. */
struct job {
	struct ph_context context; /* of its own: so it can be cancelled alone */
	struct probe_rows *rows;
	struct ph_error error;
	pthread_t thread;
	int done_fd; /* eventfd; -1: closed */
	int result;
	bool running;
};

static void *run_job(void *data)
{
	struct job *job = data;
	uint64_t one = 1;

	job->result = run_request(&job->context, job->rows, &job->error);
	while (write(job->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static void end_job(struct job *job)
{
	if (job->running) {
		ph_cancel(&job->context);
		pthread_join(job->thread, NULL);
		job->running = false;
	}
	ph_context_close(&job->context);
	if (job->done_fd >= 0)
		close(job->done_fd);
	job->done_fd = -1;
}

static int l_job_close(lua_State *L)
{
	end_job(luaL_checkudata(L, 1, JOB_METATABLE));
	return 0;
}

static int l_job_fd(lua_State *L)
{
	const struct job *job = luaL_checkudata(L, 1, JOB_METATABLE);

	lua_pushinteger(L, job->done_fd);
	return 1;
}

/* job:result() -> rows | nil, message, code; waits until it is there. */
static int l_job_result(lua_State *L)
{
	struct job *job = luaL_checkudata(L, 1, JOB_METATABLE);

	luaL_argcheck(L, job->running, 1, "the probe is over");
	pthread_join(job->thread, NULL);
	job->running = false;
	end_job(job);
	release_request(job->rows);
	if (job->result < 0)
		return push_failure(L, &job->error);
	lua_getiuservalue(L, 1, 1);
	rows_push_view(L);
	return 1;
}

static int start_job(lua_State *L, struct job *job)
{
	sigset_t all, before;
	int r;

	r = ph_context_open(&job->context, &job->error);
	if (r < 0)
		return r;
	job->context.proc = check_context(L)->proc;
	job->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->done_fd < 0)
		return ph_fail(&job->error, -errno, "probe: no descriptor: %s", strerror(errno));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&job->thread, NULL, run_job, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return ph_fail(&job->error, -r, "probe: no thread: %s", strerror(r));
	job->running = true;
	return 0;
}

/* core.probe_job(target [, ports [, options]]) -> job | nil, message, code: as probe(), in a
 * thread */
static int l_probe_job(lua_State *L)
{
	struct probe_rows *rows;
	struct ph_error error;
	struct job *job;

	lua_settop(L, 3);
	/* The storage first: finalizers run in reverse order, and the thread writes into it. */
	rows = rows_push_storage(L, &probe_type);
	job = lua_newuserdatauv(L, sizeof(*job), 1);
	*job = (struct job){ .context = { .cancel_fd = -1 }, .done_fd = -1, .rows = rows };
	luaL_setmetatable(L, JOB_METATABLE);
	if (read_request(L, rows, &error) < 0)
		return push_failure(L, &error);
	lua_pushvalue(L, 4);
	lua_setiuservalue(L, 5, 1);
	if (start_job(L, job) < 0)
		return push_failure(L, &job->error);
	return 1;
}

void open_probe(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "probe", l_probe },
		{ "probe_job", l_probe_job },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "fd", l_job_fd },      { "result", l_job_result }, { "close", l_job_close },
		{ "__gc", l_job_close }, { "__close", l_job_close }, { NULL, NULL },
	};

	luaL_newmetatable(L, JOB_METATABLE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
