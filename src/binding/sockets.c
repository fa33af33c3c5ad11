/*
 * sockets{...}: what the kernel can select is asked of it; the rest is selected here, before any
 * Lua value is made. What a filter names of the owners is read only for what is left by then.
 */
#include "binding/sockets.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "binding/binding.h"
#include "binding/rows_internal.h"
#include "porthole/namespaces.h"

#define NAMESPACES_METATABLE "porthole.namespaces"

#define INET_PROTOS                                                                        \
	(1u << PH_TCP | 1u << PH_MPTCP | 1u << PH_UDP | 1u << PH_UDPLITE | 1u << PH_SCTP | \
	 1u << PH_DCCP | 1u << PH_RAW | 1u << PH_ICMP)

static bool is_text(const struct filter_value *value, const char *text)
{
	return text != NULL && value->as.text.length == strlen(text) &&
	       memcmp(value->as.text.bytes, text, value->as.text.length) == 0;
}

/* A bit for each of the first `count` names that the filter gives this column; 0: it does not name
 * it. */
static uint32_t name_bits(const struct filter *filter, const char *column,
                          const char *(*name)(unsigned n), unsigned count)
{
	size_t values;
	const struct filter_value *value = filter_values(filter, column, &values);
	uint32_t bits = 0;

	for (size_t i = 0; value != NULL && i < values; i++)
		for (unsigned n = 0; n < count; n++)
			if (is_text(&value[i], name(n)))
				bits |= 1u << n;
	return bits;
}

/* Which protocols a family has, in the order of their names in the column. */
static const struct family {
	const char *name;
	uint32_t protos, inet; /* `inet`: bit of ph_socket_query.families */
} families[] = {
	{ "inet", INET_PROTOS, 1 },
	{ "inet6", INET_PROTOS, 2 },
	{ "unix", 1u << PH_UNIX_STREAM | 1u << PH_UNIX_DGRAM | 1u << PH_UNIX_SEQPACKET, 0 },
	{ "packet", 1u << PH_PACKET, 0 },
	{ "netlink", 1u << PH_NETLINK, 0 },
	{ "vsock", 1u << PH_VSOCK, 0 },
	{ "xdp", 1u << PH_XDP, 0 },
};

/* Narrows the protocols to those of the families. False: nothing can match. */
static bool select_families(const struct filter *filter, struct ph_socket_query *query)
{
	size_t values;
	const struct filter_value *value = filter_values(filter, "family", &values);
	uint32_t protos = 0;

	if (value == NULL)
		return true;
	for (size_t i = 0; i < values; i++)
		for (size_t n = 0; n < sizeof(families) / sizeof(*families); n++)
			if (is_text(&value[i], families[n].name)) {
				protos |= families[n].protos;
				query->families |= families[n].inet;
			}
	query->protos = query->protos != 0 ? query->protos & protos : protos;
	return query->protos != 0;
}

/* Pushes the ranges of a column of ports. */
static const struct ph_range *push_ranges(lua_State *L, const struct filter *filter,
                                          const char *column, size_t *count)
{
	const struct filter_value *value = filter_values(filter, column, count);
	struct ph_range *ranges;

	if (value == NULL)
		return NULL;
	ranges = lua_newuserdatauv(L, *count * sizeof(*ranges) + 1, 0);
	for (size_t i = 0; i < *count; i++) {
		ranges[i].low = (uint16_t)value[i].as.range.low;
		ranges[i].high = (uint16_t)value[i].as.range.high;
	}
	return ranges;
}

static const struct ph_prefix *push_prefixes(lua_State *L, const struct filter *filter,
                                             const char *column, size_t *count)
{
	const struct filter_value *value = filter_values(filter, column, count);
	struct ph_prefix *prefixes;

	if (value == NULL)
		return NULL;
	prefixes = lua_newuserdatauv(L, *count * sizeof(*prefixes) + 1, 0);
	for (size_t i = 0; i < *count; i++) {
		prefixes[i].family = value[i].as.prefix.family;
		prefixes[i].length = value[i].as.prefix.length;
		memcpy(prefixes[i].address, value[i].as.prefix.bytes, 16);
	}
	return prefixes;
}

/* One device can be asked for by its index; of several, or one that is gone, all are read. */
static uint32_t select_iface(const struct filter *filter)
{
	size_t values;
	const struct filter_value *value = filter_values(filter, "iface", &values);

	if (value == NULL || values != 1 || strlen(value->as.text.bytes) != value->as.text.length)
		return 0;
	return if_nametoindex(value->as.text.bytes);
}

/* Pushes what the query refers to. False: no socket can match, none is asked for. */
static bool push_query(lua_State *L, const struct filter *filter, struct ph_socket_query *query)
{
	size_t values;

	query->protos = name_bits(filter, "proto", ph_proto_name, PH_PROTO_COUNT);
	query->states = name_bits(filter, "state", ph_state_name, PH_STATE_COUNT);
	if ((query->protos == 0 && filter_values(filter, "proto", &values) != NULL) ||
	    (query->states == 0 && filter_values(filter, "state", &values) != NULL))
		return false;
	query->lports = push_ranges(L, filter, "lport", &query->lport_count);
	query->rports = push_ranges(L, filter, "rport", &query->rport_count);
	query->laddrs = push_prefixes(L, filter, "laddr", &query->laddr_count);
	query->raddrs = push_prefixes(L, filter, "raddr", &query->raddr_count);
	query->ifindex = select_iface(filter);
	return select_families(filter, query);
}

/* Drops what the filter does not want, as far as that is known without the parts: owners are then
 * looked for, and counted as hidden, only of what was asked for. */
static void drop_unwanted(struct socket_rows *rows, const struct filter *filter)
{
	struct ph_sockets *sockets = &rows->sockets;
	size_t kept = 0;

	for (size_t i = 0; i < sockets->count; i++)
		if (filter_match(filter, rows, &sockets->items[i], 0))
			sockets->items[kept++] = sockets->items[i];
	sockets->count = kept;
}

static bool is_option(const char *name)
{
	return strcmp(name, "proc") == 0 || strcmp(name, "netns") == 0;
}

/* Reads option `proc`: /proc/net in its own order, as netstat reads it. */
static bool check_proc(lua_State *L)
{
	bool proc;

	lua_getfield(L, 1, "proc");
	luaL_argcheck(L, lua_isnil(L, -1) || lua_isboolean(L, -1), 1,
	              "option 'proc' takes true or false");
	proc = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return proc;
}

static int l_namespaces_gc(lua_State *L)
{
	ph_namespaces_free(luaL_checkudata(L, 1, NAMESPACES_METATABLE));
	return 0;
}

/* Adds the namespace that the value on top of the stack means, unless it is there. 0 or -errno. */
static int add_namespace(lua_State *L, struct ph_namespaces *namespaces, struct ph_error *error)
{
	struct ph_namespace *found;
	int r;

	luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1), 1,
	              "filter 'netns' takes \"all\", a name, a process's number, or a path");
	if (ph_reserve(&namespaces->items, namespaces->count, &namespaces->capacity,
	               sizeof(*namespaces->items)) < 0)
		return ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	found = &namespaces->items[namespaces->count];
	r = ph_namespace_open(check_context(L), luaL_tolstring(L, -1, NULL), found, error);
	lua_pop(L, 1);
	for (size_t i = 0; r == 0 && i < namespaces->count; i++)
		if (namespaces->items[i].inode == found->inode &&
		    namespaces->items[i].dev == found->dev)
			r = 1;
	if (r != 0) {
		ph_namespace_close(found);
		return r < 0 ? r : 0;
	}
	namespaces->count++;
	return 0;
}

static bool means_all(lua_State *L)
{
	return lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "all") == 0;
}

/*
 * Reads filter `netns` and pushes the namespaces: "all", a name, a number of a process, a path, or
 * a list of these; nil: NULL, the caller's own. 0 or -errno.
 */
static int push_namespaces(lua_State *L, struct ph_namespaces **namespaces, bool *all,
                           struct ph_error *error)
{
	int r = 0;

	*namespaces = NULL;
	*all = false;
	if (lua_getfield(L, 1, "netns") == LUA_TNIL)
		return 0;
	*namespaces = lua_newuserdatauv(L, sizeof(**namespaces), 0);
	**namespaces = (struct ph_namespaces){ 0 };
	luaL_setmetatable(L, NAMESPACES_METATABLE);
	lua_insert(L, -2);
	if (means_all(L)) {
		*all = true;
		return ph_namespaces_read(check_context(L), *namespaces, error);
	}
	if (!lua_istable(L, -1))
		return add_namespace(L, *namespaces, error);
	for (lua_Integer i = 1; r == 0 && i <= (lua_Integer)lua_rawlen(L, -1); i++) {
		lua_rawgeti(L, -1, i);
		r = add_namespace(L, *namespaces, error);
		lua_pop(L, 1);
	}
	return r;
}

/*
 * sockets([filter]) -> rows | nil, message, code   [-0, +1|+3, e]
 * A filter is as `where` takes it; without `netns` the caller's own namespace is asked. Option
 * `proc = true` reads /proc/net only.
 */
static int l_sockets(lua_State *L)
{
	struct ph_context *context = check_context(L);
	struct ph_socket_query query = { 0 };
	struct ph_namespaces *namespaces;
	struct socket_rows *rows;
	struct filter *filter;
	struct ph_error error;
	bool possible, all;

	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	filter = filter_push(L, 1, &socket_type, is_option);
	query.proc = check_proc(L);
	possible = push_query(L, filter, &query);
	if (push_namespaces(L, &namespaces, &all, &error) < 0)
		return push_failure(L, &error);
	/* Devices have other numbers in other namespaces. */
	if (namespaces != NULL)
		query.ifindex = 0;
	rows = rows_push_storage(L, &socket_type);
	rows->context = context;
	if (possible && socket_rows_read(rows, &query, namespaces, all, &error) < 0)
		return push_failure(L, &error);
	drop_unwanted(rows, filter);
	rows_account(L, rows->sockets.capacity * sizeof(*rows->sockets.items));
	rows_push_matching(L, filter);
	if (namespaces != NULL)
		ph_namespaces_free(namespaces);
	return 1;
}

void open_sockets(lua_State *L)
{
	luaL_newmetatable(L, NAMESPACES_METATABLE);
	lua_pushcfunction(L, l_namespaces_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_sockets);
	lua_setfield(L, -2, "sockets");
}
