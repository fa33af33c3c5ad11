/*
 * The parts that lua/porthole/net.lua makes connections of: streams that never block, a poller,
 * look-ups in a thread. Where a step has to wait, it returns false and what for ("r", "w"); a
 * failure is nil, message, code.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "binding/binding.h"
#include "binding/options.h"
#include "binding/rows_internal.h"
#include "porthole/links.h"
#include "porthole/stream.h"
#include "porthole/targets.h"

#define STREAM_METATABLE "porthole.stream"
#define POLLER_METATABLE "porthole.poller"
#define LOOKUP_METATABLE "porthole.lookup"
#define SCOPE_METATABLE  "porthole.scope"

struct stream { /* closed: NULL */
	struct ph_stream *stream;
};

static struct ph_stream *check_stream(lua_State *L)
{
	const struct stream *stream = luaL_checkudata(L, 1, STREAM_METATABLE);

	luaL_argcheck(L, stream->stream != NULL, 1, "the connection is closed");
	return stream->stream;
}

static struct stream *push_stream(lua_State *L)
{
	struct stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);

	stream->stream = NULL;
	luaL_setmetatable(L, STREAM_METATABLE);
	return stream;
}

/* What a step came to: true, or false and what it waits for, or a failure. */
static int push_step(lua_State *L, struct ph_stream *stream, ssize_t result,
                     const struct ph_error *error)
{
	if (result >= 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if (result != -EAGAIN)
		return push_failure(L, error);
	lua_pushboolean(L, 0);
	lua_pushstring(L, ph_stream_wants(stream) & POLLOUT ? "w" : "r");
	return 2;
}

static int l_scope_gc(lua_State *L)
{
	ph_scope_free(luaL_checkudata(L, 1, SCOPE_METATABLE));
	return 0;
}

/* 0, or -errno: the address is not this host's, nor in option `scope`. */
static int check_scope(lua_State *L, int options, const struct ph_host *host,
                       struct ph_error *error)
{
	struct ph_scope *scope = lua_newuserdatauv(L, sizeof(*scope), 0);
	struct ph_links links;
	int r;

	*scope = (struct ph_scope){ 0 };
	luaL_setmetatable(L, SCOPE_METATABLE);
	options_scope(L, options, scope);
	r = ph_links_read(check_context(L), &links, error);
	if (r == 0 && ph_scope_add_links(scope, &links) < 0)
		r = ph_fail(error, -ENOMEM, "connecting: out of memory");
	ph_links_free(&links);
	return r == 0 ? ph_scope_check(scope, host, error) : r;
}

/* A numeric address. 0 or -EINVAL. */
static int read_host(lua_State *L, int index, struct ph_host *host, struct ph_error *error)
{
	size_t length;
	const char *text = luaL_checklstring(L, index, &length);
	int r = ph_host_parse(text, length, host, error);

	return r == 1 ? ph_fail(error, -EINVAL, "%.200s is a name, not an address", text) : r;
}

static uint16_t check_port(lua_State *L, int index)
{
	lua_Integer port = luaL_checkinteger(L, index);

	luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, index, "a port (0 to 65535) expected");
	return (uint16_t)port;
}

/* core.stream(address, port, {scope=, udp=}) -> stream | nil, message, code */
static int l_stream(lua_State *L)
{
	uint16_t port = check_port(L, 2);
	struct stream *stream;
	struct ph_error error;
	struct ph_host host;

	lua_settop(L, 3);
	if (read_host(L, 1, &host, &error) < 0 || check_scope(L, 3, &host, &error) < 0)
		return push_failure(L, &error);
	stream = push_stream(L);
	if (ph_stream_open(&host, port, options_boolean(L, 3, "udp"), &stream->stream, &error) < 0)
		return push_failure(L, &error);
	return 1;
}

/* core.scope_check(prefix): raises for what is no address and no block */
static int l_scope_check(lua_State *L)
{
	struct ph_host_prefix prefix;
	struct ph_error error = { 0 };
	size_t length;
	const char *text = luaL_checklstring(L, 1, &length);
	int r = ph_prefix_parse(text, length, &prefix, &error);

	luaL_argcheck(L, r != 1, 1, "an address or a block such as 192.0.2.0/24 expected");
	luaL_argcheck(L, r == 0, 1, error.message);
	return 0;
}

/* core.listen(address, port) -> stream | nil, message, code */
static int l_listen(lua_State *L)
{
	uint16_t port = check_port(L, 2);
	struct stream *stream;
	struct ph_error error;
	struct ph_host host;

	if (read_host(L, 1, &host, &error) < 0)
		return push_failure(L, &error);
	stream = push_stream(L);
	if (ph_stream_listen(&host, port, 1024, &stream->stream, &error) < 0)
		return push_failure(L, &error);
	return 1;
}

/* core.address(text) -> "inet"|"inet6", or false: may be a name; or nil, message, code */
static int l_address(lua_State *L)
{
	struct ph_error error;
	struct ph_host host;
	size_t length;
	const char *text = luaL_checklstring(L, 1, &length);
	int r = ph_host_parse(text, length, &host, &error);

	if (r < 0)
		return push_failure(L, &error);
	if (r == 1)
		lua_pushboolean(L, 0);
	else
		lua_pushstring(L, host.family == AF_INET ? "inet" : "inet6");
	return 1;
}

static int l_connect(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	struct ph_error error;

	return push_step(L, stream, ph_stream_connect(stream, &error), &error);
}

/* stream:accept() -> stream | false, "r" | nil, message, code */
static int l_accept(lua_State *L)
{
	struct ph_stream *server = check_stream(L);
	struct stream *stream = push_stream(L);
	struct ph_error error;
	int r = ph_stream_accept(server, &stream->stream, &error);

	return r == 0 ? 1 : push_step(L, server, r, &error);
}

/* stream:send(data, first) -> the next byte to send | false, "w" | nil, message, code */
static int l_send(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	size_t length;
	const char *data = luaL_checklstring(L, 2, &length);
	lua_Integer first = luaL_optinteger(L, 3, 1);
	struct ph_error error;
	ssize_t sent;

	luaL_argcheck(L, first >= 1 && (size_t)first <= length + 1, 3, "out of range");
	sent = ph_stream_send(stream, data + first - 1, length - (size_t)first + 1, &error);
	if (sent < 0)
		return push_step(L, stream, sent, &error);
	lua_pushinteger(L, first + sent);
	return 1;
}

static int l_flush(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	struct ph_error error;

	return push_step(L, stream, ph_stream_flush(stream, &error), &error);
}

/* stream:fill(most) -> how many bytes came, 0 at the end | false, "r"|"w" | nil, message, code */
static int l_fill(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	lua_Integer most = luaL_optinteger(L, 2, 65536);
	struct ph_error error;
	ssize_t got;

	luaL_argcheck(L, most > 0, 2, "out of range");
	got = ph_stream_receive(stream, (size_t)most, &error);
	if (got < 0)
		return push_step(L, stream, got, &error);
	lua_pushinteger(L, got);
	return 1;
}

/* stream:take(n) -> the first n bytes (or all there are), removed */
static int l_take(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	size_t length;
	const char *bytes = ph_stream_received(stream, &length);
	lua_Integer most = luaL_optinteger(L, 2, LUA_MAXINTEGER);

	if (most >= 0 && (size_t)most < length)
		length = (size_t)most;
	lua_pushlstring(L, bytes, length);
	ph_stream_drop(stream, length);
	return 1;
}

/* stream:find_line(from) -> the length of the first line with its newline, or nil */
static int l_find_line(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	size_t length;
	const char *bytes = ph_stream_received(stream, &length);
	lua_Integer from = luaL_optinteger(L, 2, 0);
	const char *newline = NULL;

	if (from >= 0 && (size_t)from < length)
		newline = memchr(bytes + from, '\n', length - (size_t)from);
	if (newline == NULL)
		return 0;
	lua_pushinteger(L, newline - bytes + 1);
	return 1;
}

/* stream:buffered() -> how many bytes are there */
static int l_buffered(lua_State *L)
{
	size_t length;

	(void)ph_stream_received(check_stream(L), &length);
	lua_pushinteger(L, (lua_Integer)length);
	return 1;
}

/* stream:starttls(name, alpn): a step */
static int l_starttls(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	const char *name = luaL_optstring(L, 2, NULL), *alpn = luaL_optstring(L, 3, NULL);
	struct ph_error error;

	return push_step(L, stream, ph_stream_starttls(stream, name, alpn, &error), &error);
}

static void set_text(lua_State *L, const char *key, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

/* Raises where memory is short; the caller frees `info`. Upvalue 1: the info. */
static int push_info(lua_State *L)
{
	const struct ph_tls_info *info = lua_touserdata(L, 1);

	lua_createtable(L, 0, 6);
	set_text(L, "version", info->version);
	set_text(L, "alpn", info->alpn);
	set_text(L, "subject", info->subject);
	if (info->subject == NULL)
		return 1;
	lua_pushboolean(L, info->self_signed);
	lua_setfield(L, -2, "self_signed");
	if (info->not_after != 0) {
		lua_pushinteger(L, info->not_after);
		lua_setfield(L, -2, "not_after");
	}
	lua_createtable(L, (int)info->name_count, 0);
	for (size_t i = 0; i < info->name_count; i++) {
		lua_pushstring(L, info->names[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "names");
	return 1;
}

/* stream:tls() -> {version, alpn, subject, names, not_after, self_signed} | nil, message, code */
static int l_tls(lua_State *L)
{
	struct ph_stream *stream = check_stream(L);
	struct ph_tls_info info;
	struct ph_error error;
	int r, status = LUA_OK;

	r = ph_stream_tls_info(stream, &info, &error);
	if (r == 0) {
		lua_pushcfunction(L, push_info);
		lua_pushlightuserdata(L, &info);
		status = lua_pcall(L, 1, 1, 0);
	}
	ph_tls_info_free(&info);
	if (status != LUA_OK)
		return lua_error(L);
	return r < 0 ? push_failure(L, &error) : 1;
}

static int push_end(lua_State *L, int r, const struct ph_host *host, uint16_t port,
                    const struct ph_error *error)
{
	char text[PH_HOST_TEXT_BYTES];

	if (r < 0)
		return push_failure(L, error);
	lua_pushstring(L, ph_host_format(host, text));
	lua_pushinteger(L, port);
	return 2;
}

static int l_peer(lua_State *L)
{
	struct ph_error error;
	struct ph_host host;
	uint16_t port;
	int r = ph_stream_peer(check_stream(L), &host, &port, &error);

	return push_end(L, r, &host, port, &error);
}

static int l_sock(lua_State *L)
{
	struct ph_error error;
	struct ph_host host;
	uint16_t port;
	int r = ph_stream_sock(check_stream(L), &host, &port, &error);

	return push_end(L, r, &host, port, &error);
}

static int l_fd(lua_State *L)
{
	lua_pushinteger(L, ph_stream_fd(check_stream(L)));
	return 1;
}

static int l_close(lua_State *L)
{
	struct stream *stream = luaL_checkudata(L, 1, STREAM_METATABLE);

	ph_stream_close(stream->stream);
	stream->stream = NULL;
	return 0;
}

/* A look-up in a thread of the engine's that one more thread waits for, so that Lua need not. */
struct lookup {
	struct ph_context context;
	struct ph_hosts hosts;
	struct ph_error error;
	pthread_t thread;
	char name[256];
	int family, result, done_fd;
	bool running;
};

static void *run_lookup(void *data)
{
	struct lookup *lookup = data;
	uint64_t one = 1;

	lookup->result = ph_resolve(&lookup->context, lookup->name, lookup->family, &lookup->hosts,
	                            &lookup->error);
	while (write(lookup->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static int l_lookup_close(lua_State *L)
{
	struct lookup *lookup = luaL_checkudata(L, 1, LOOKUP_METATABLE);

	if (lookup->running) {
		ph_cancel(&lookup->context);
		pthread_join(lookup->thread, NULL);
		lookup->running = false;
	}
	ph_context_close(&lookup->context);
	if (lookup->done_fd >= 0)
		close(lookup->done_fd);
	lookup->done_fd = -1;
	ph_hosts_free(&lookup->hosts);
	return 0;
}

static int start_lookup(struct lookup *lookup)
{
	sigset_t all, before;
	int r = ph_context_open(&lookup->context, &lookup->error);

	if (r < 0)
		return r;
	lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->done_fd < 0)
		return ph_fail(&lookup->error, -errno, "looking up a name: no descriptor");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&lookup->thread, NULL, run_lookup, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return ph_fail(&lookup->error, -r, "looking up a name: no thread");
	lookup->running = true;
	return 0;
}

/* core.lookup(name [, "inet"|"inet6"]) -> look-up | nil, message, code */
static int l_lookup(lua_State *L)
{
	static const char *const families[] = { "any", "inet", "inet6", NULL };
	static const int numbers[] = { AF_UNSPEC, AF_INET, AF_INET6 };
	size_t length;
	const char *name = luaL_checklstring(L, 1, &length);
	int family = numbers[luaL_checkoption(L, 2, "any", families)];
	struct lookup *lookup;

	luaL_argcheck(L, length < sizeof(lookup->name), 1, "too long for a name");
	lookup = lua_newuserdatauv(L, sizeof(*lookup), 0);
	*lookup =
		(struct lookup){ .context = { .cancel_fd = -1 }, .family = family, .done_fd = -1 };
	memcpy(lookup->name, name, length);
	luaL_setmetatable(L, LOOKUP_METATABLE);
	if (start_lookup(lookup) < 0)
		return push_failure(L, &lookup->error);
	return 1;
}

static int l_lookup_fd(lua_State *L)
{
	const struct lookup *lookup = luaL_checkudata(L, 1, LOOKUP_METATABLE);

	lua_pushinteger(L, lookup->done_fd);
	return 1;
}

/* lookup:result() -> list of addresses | nil, message, code; waits until it is there */
static int l_lookup_result(lua_State *L)
{
	struct lookup *lookup = luaL_checkudata(L, 1, LOOKUP_METATABLE);
	char text[PH_HOST_TEXT_BYTES];

	luaL_argcheck(L, lookup->running, 1, "the look-up is over");
	pthread_join(lookup->thread, NULL);
	lookup->running = false;
	if (lookup->result < 0)
		return push_failure(L, &lookup->error);
	lua_createtable(L, (int)lookup->hosts.count, 0);
	for (size_t i = 0; i < lookup->hosts.count; i++) {
		lua_pushstring(L, ph_host_format(&lookup->hosts.items[i], text));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

struct poller {
	int fd; /* epoll; -1: closed */
};

/* core.poller() -> poller | nil, message, code */
static int l_poller(lua_State *L)
{
	struct poller *poller = lua_newuserdatauv(L, sizeof(*poller), 0);
	struct ph_context *context = check_context(L);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
	struct ph_error error;

	poller->fd = -1;
	luaL_setmetatable(L, POLLER_METATABLE);
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller->fd < 0 ||
	    epoll_ctl(poller->fd, EPOLL_CTL_ADD, context->cancel_fd, &event) < 0) {
		ph_fail(&error, -errno, "waiting: %s", strerror(errno));
		return push_failure(L, &error);
	}
	return 1;
}

static uint32_t read_events(lua_State *L, int index)
{
	const char *text = luaL_checkstring(L, index);

	return (strchr(text, 'r') ? EPOLLIN | EPOLLRDHUP : 0) | (strchr(text, 'w') ? EPOLLOUT : 0);
}

/* poller:arm(fd, "r"|"w"|"rw"): reports it once */
static int l_arm(lua_State *L)
{
	const struct poller *poller = luaL_checkudata(L, 1, POLLER_METATABLE);
	int fd = (int)luaL_checkinteger(L, 2);
	struct epoll_event event = { .events = read_events(L, 3) | EPOLLONESHOT, .data.fd = fd };
	struct ph_error error;

	if (epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) < 0 &&
	    (errno != ENOENT || epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) < 0)) {
		ph_fail(&error, -errno, "waiting: %s", strerror(errno));
		return push_failure(L, &error);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* poller:disarm(fd) */
static int l_disarm(lua_State *L)
{
	const struct poller *poller = luaL_checkudata(L, 1, POLLER_METATABLE);

	(void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, (int)luaL_checkinteger(L, 2), NULL);
	return 0;
}

static int to_milliseconds(lua_State *L, int index)
{
	lua_Number seconds = luaL_optnumber(L, index, -1);

	if (!(seconds >= 0))
		return -1;
	return seconds > 1000000 ? 1000000000 : (int)(seconds * 1000 + 0.999);
}

/* poller:wait(seconds) -> list of descriptors | nil, message, code */
static int l_wait(lua_State *L)
{
	const struct poller *poller = luaL_checkudata(L, 1, POLLER_METATABLE);
	struct epoll_event events[256];
	struct ph_error error;
	int count = epoll_wait(poller->fd, events, 256, to_milliseconds(L, 2));

	if (ph_cancelled(check_context(L))) {
		ph_fail(&error, -ECANCELED, "interrupted");
		return push_failure(L, &error);
	}
	lua_createtable(L, count > 0 ? count : 0, 0);
	for (int i = 0; i < count; i++) {
		lua_pushinteger(L, events[i].data.fd);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int l_poller_close(lua_State *L)
{
	struct poller *poller = luaL_checkudata(L, 1, POLLER_METATABLE);

	if (poller->fd >= 0)
		close(poller->fd);
	poller->fd = -1;
	return 0;
}

/* core.wait(fd, "r"|"w", seconds) -> true, false: the time is over | nil, message, code */
static int l_wait_one(lua_State *L)
{
	struct pollfd events[2] = {
		{ .fd = (int)luaL_checkinteger(L, 1),
		  .events = read_events(L, 2) & EPOLLOUT ? POLLOUT : POLLIN },
		{ .fd = check_context(L)->cancel_fd, .events = POLLIN },
	};
	struct ph_error error;
	int count = poll(events, 2, to_milliseconds(L, 3));

	if (ph_cancelled(check_context(L))) {
		ph_fail(&error, -ECANCELED, "interrupted");
		return push_failure(L, &error);
	}
	lua_pushboolean(L, count > 0 || (count < 0 && errno == EINTR));
	return 1;
}

/* core.clock() -> seconds on a clock that nobody sets */
static int l_clock(lua_State *L)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
	return 1;
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

static const luaL_Reg stream_methods[] = {
	{ "connect", l_connect },
	{ "accept", l_accept },
	{ "send", l_send },
	{ "flush", l_flush },
	{ "fill", l_fill },
	{ "take", l_take },
	{ "find_line", l_find_line },
	{ "buffered", l_buffered },
	{ "starttls", l_starttls },
	{ "tls", l_tls },
	{ "peer", l_peer },
	{ "sock", l_sock },
	{ "fd", l_fd },
	{ "close", l_close },
	{ "__gc", l_close },
	{ "__close", l_close },
	{ NULL, NULL },
};

void open_stream(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "stream", l_stream }, { "listen", l_listen },           { "address", l_address },
		{ "lookup", l_lookup }, { "poller", l_poller },           { "wait", l_wait_one },
		{ "clock", l_clock },   { "scope_check", l_scope_check }, { NULL, NULL },
	};
	static const luaL_Reg pollers[] = {
		{ "arm", l_arm },           { "disarm", l_disarm },
		{ "wait", l_wait },         { "close", l_poller_close },
		{ "__gc", l_poller_close }, { NULL, NULL },
	};
	static const luaL_Reg lookups[] = {
		{ "fd", l_lookup_fd },
		{ "result", l_lookup_result },
		{ "close", l_lookup_close },
		{ "__gc", l_lookup_close },
		{ NULL, NULL },
	};
	static const luaL_Reg scopes[] = { { "__gc", l_scope_gc }, { NULL, NULL } };

	make_class(L, STREAM_METATABLE, stream_methods);
	make_class(L, POLLER_METATABLE, pollers);
	make_class(L, LOOKUP_METATABLE, lookups);
	make_class(L, SCOPE_METATABLE, scopes);
	luaL_setfuncs(L, functions, 0);
}
