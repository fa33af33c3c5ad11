/* routes(): the routing tables. Names of numbers as ip-route(8) has them. */
#include "porthole/routes.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "binding/facts.h"
#include "porthole/links.h"

/* Routes, and the links that name their devices. */
struct route_rows {
	struct ph_routes routes;
	struct ph_links links;
};

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define ROUTE     ((const struct ph_route *)item)
#define ROWS      ((const struct route_rows *)storage)

static const struct number_name types[] = {
	{ RTN_UNSPEC, "unspec" },
	{ RTN_UNICAST, "unicast" },
	{ RTN_LOCAL, "local" },
	{ RTN_BROADCAST, "broadcast" },
	{ RTN_ANYCAST, "anycast" },
	{ RTN_MULTICAST, "multicast" },
	{ RTN_BLACKHOLE, "blackhole" },
	{ RTN_UNREACHABLE, "unreachable" },
	{ RTN_PROHIBIT, "prohibit" },
	{ RTN_THROW, "throw" },
	{ RTN_NAT, "nat" },
	{ 0, NULL },
};

static const struct number_name tables[] = {
	{ RT_TABLE_DEFAULT, "default" },
	{ RT_TABLE_MAIN, "main" },
	{ RT_TABLE_LOCAL, "local" },
	{ 0, NULL },
};

static const struct number_name protocols[] = {
	{ RTPROT_UNSPEC, "unspec" },
	{ RTPROT_REDIRECT, "redirect" },
	{ RTPROT_KERNEL, "kernel" },
	{ RTPROT_BOOT, "boot" },
	{ RTPROT_STATIC, "static" },
	{ RTPROT_RA, "ra" },
	{ RTPROT_DHCP, "dhcp" },
	{ RTPROT_KEEPALIVED, "keepalived" },
	{ RTPROT_BABEL, "babel" },
	{ RTPROT_ZEBRA, "zebra" },
	{ RTPROT_BIRD, "bird" },
	{ RTPROT_BGP, "bgp" },
	{ RTPROT_ISIS, "isis" },
	{ RTPROT_OSPF, "ospf" },
	{ RTPROT_RIP, "rip" },
	{ RTPROT_EIGRP, "eigrp" },
	{ 0, NULL },
};

static const struct number_name scopes[] = {
	{ RT_SCOPE_UNIVERSE, "global" }, { RT_SCOPE_SITE, "site" },       { RT_SCOPE_LINK, "link" },
	{ RT_SCOPE_HOST, "host" },       { RT_SCOPE_NOWHERE, "nowhere" }, { 0, NULL },
};

static const struct number_name flags[] = {
	{ RTNH_F_DEAD, "dead" },         { RTNH_F_PERVASIVE, "pervasive" },
	{ RTNH_F_ONLINK, "onlink" },     { RTNH_F_OFFLOAD, "offload" },
	{ RTNH_F_LINKDOWN, "linkdown" }, { RTNH_F_UNRESOLVED, "unresolved" },
	{ RTNH_F_TRAP, "trap" },         { RTM_F_NOTIFY, "notify" },
	{ RTM_F_CLONED, "cache" },       { 0, NULL },
};

static const struct ph_nexthop *first_way(const struct route_rows *rows,
                                          const struct ph_route *route)
{
	return route->nexthop_count > 0 ? &rows->routes.nexthops[route->nexthop] : NULL;
}

static const char *link_name(const struct route_rows *rows, uint32_t ifindex)
{
	const struct ph_link *link = ifindex != 0 ? ph_links_find(&rows->links, ifindex) : NULL;

	return link != NULL ? link->name : NULL;
}

/* A number that is nil while it is not set. */
static void set_if_set(struct cell *cell, uint32_t value)
{
	cell_set_integer(cell, value);
	if (value == 0)
		cell->type = CELL_NIL;
}

GET(family)
{
	(void)storage;
	cell_set_family(cell, ROUTE->family);
}

GET(type)
{
	(void)storage;
	cell_set_number_name(cell, types, ROUTE->type);
}

GET(to)
{
	(void)storage;
	cell_set_network(cell, ROUTE->family, ROUTE->destination, ROUTE->prefix, "default");
}

GET(destination)
{
	(void)storage;
	cell_set_ip(cell, ROUTE->family, ROUTE->destination);
}

GET(prefix)
{
	(void)storage;
	cell_set_integer(cell, ROUTE->prefix);
}

GET(gateway)
{
	const struct ph_nexthop *way = first_way(ROWS, ROUTE);

	if (way != NULL)
		cell_set_ip(cell, way->gateway_family, way->gateway);
	else
		cell->type = CELL_NIL;
}

GET(iface)
{
	const struct ph_nexthop *way = first_way(ROWS, ROUTE);

	cell_set_text(cell, way != NULL ? link_name(ROWS, way->ifindex) : NULL);
}

GET(metric)
{
	(void)storage;
	cell_set_integer(cell, ROUTE->priority);
}

GET(table)
{
	(void)storage;
	cell_set_number_name(cell, tables, ROUTE->table);
}

GET(protocol)
{
	(void)storage;
	cell_set_number_name(cell, protocols, ROUTE->protocol);
}

GET(scope)
{
	(void)storage;
	cell_set_number_name(cell, scopes, ROUTE->scope);
}

GET(prefsrc)
{
	(void)storage;
	cell_set_ip(cell, ROUTE->has_prefsrc ? ROUTE->family : 0, ROUTE->prefsrc);
}

GET(source)
{
	(void)storage;
	cell_set_ip(cell, ROUTE->source_prefix > 0 ? ROUTE->family : 0, ROUTE->source);
}

GET(source_prefix)
{
	(void)storage;
	set_if_set(cell, ROUTE->source_prefix);
}

GET(preference)
{
	/* RFC 4191: two bits, signed. */
	static const char *const names[] = { "medium", "high", NULL, "low" };

	(void)storage;
	cell_set_text(cell, ROUTE->preference < 4 ? names[ROUTE->preference] : NULL);
	if (ROUTE->family == AF_INET)
		cell->type = CELL_NIL;
}

GET(expires)
{
	(void)storage;
	cell_set_integer(cell, ROUTE->expires_s);
	if (ROUTE->expires_s == UINT32_MAX)
		cell->type = CELL_NIL;
}

GET(flags)
{
	(void)storage;
	(void)item;
	cell->type = CELL_OTHER;
}

static void push_flags(lua_State *L, const void *storage, const void *item)
{
	(void)storage;
	push_bit_names(L, flags, ROUTE->flags);
}

GET(nexthops)
{
	(void)storage;
	(void)item;
	cell->type = CELL_OTHER;
}

/* Pushes {gateway, iface, weight, flags}. */
static void push_way(lua_State *L, const struct route_rows *rows, const struct ph_nexthop *way)
{
	const char *name = link_name(rows, way->ifindex);
	struct cell cell;

	lua_createtable(L, 0, 4);
	cell_set_ip(&cell, way->gateway_family, way->gateway);
	cell_push(L, &cell);
	lua_setfield(L, -2, "gateway");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "iface");
	lua_pushinteger(L, way->weight);
	lua_setfield(L, -2, "weight");
	push_bit_names(L, flags, way->flags);
	lua_setfield(L, -2, "flags");
}

static void push_nexthops(lua_State *L, const void *storage, const void *item)
{
	lua_createtable(L, (int)ROUTE->nexthop_count, 0);
	for (size_t i = 0; i < ROUTE->nexthop_count; i++) {
		push_way(L, ROWS, &ROWS->routes.nexthops[ROUTE->nexthop + i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

#define METRIC(name)                           \
	GET(name)                              \
	{                                      \
		(void)storage;                 \
		set_if_set(cell, ROUTE->name); \
	}

METRIC(mtu)
METRIC(advmss)
METRIC(window)
METRIC(rtt)
METRIC(rttvar)
METRIC(hoplimit)
METRIC(initcwnd)
METRIC(initrwnd)
METRIC(rto_min_ms)
METRIC(tos)
METRIC(nexthop_id)

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(to, NAME, "where it leads to: an address and its prefix, or default", .weight = 10),
	COLUMN(destination, ADDRESS, "that address"),
	COLUMN(prefix, INTEGER, "how much of it counts", .unit = "bits"),
	COLUMN(gateway, ADDRESS, "the next host on the way, of several the first", .weight = 9),
	COLUMN(iface, NAME, "the device that packets leave on, of several the first",
	       .alias = "device", .weight = 9),
	COLUMN(metric, INTEGER, "its priority: of routes to one destination the lowest is taken",
	       .alias = "priority", .weight = 6),
	COLUMN(table, NAME, "the routing table: main, local, default or a number", .weight = 5),
	COLUMN(type, NAME, "unicast, local, broadcast, multicast, blackhole, unreachable, prohibit",
	       .weight = 7),
	COLUMN(protocol, NAME, "who made it: kernel, boot, static, ra, dhcp, ...", .alias = "proto",
	       .weight = 4),
	COLUMN(scope, NAME, "how far it leads: global, link, host", .weight = 3),
	COLUMN(prefsrc, ADDRESS, "the source address that packets get", .weight = 4),
	COLUMN(family, NAME, "inet or inet6", .values = ip_families),
	COLUMN(source, ADDRESS, "only for packets from here"),
	COLUMN(source_prefix, INTEGER, "how much of the source counts", .unit = "bits"),
	COLUMN(tos, INTEGER, "only for packets of this type of service"),
	COLUMN(nexthops, LIST, "every way: a list of gateway, iface, weight, flags",
	       .push = push_nexthops),
	COLUMN(flags, LIST, "onlink, dead, linkdown, offload, ...", .push = push_flags),
	COLUMN(nexthop_id, INTEGER, "the nexthop object that it uses"),
	COLUMN(preference, NAME, "of a router advertisement (RFC 4191): low, medium, high"),
	COLUMN(expires, INTEGER, "how long it still holds", .unit = "s"),
	COLUMN(mtu, INTEGER, "the largest packet on the way", .unit = "bytes"),
	COLUMN(advmss, INTEGER, "the TCP segment size that is told to the peer", .unit = "bytes"),
	COLUMN(window, INTEGER, "the largest TCP window that is told to the peer", .unit = "bytes"),
	COLUMN(rtt, INTEGER, "the first estimate of the round-trip time", .unit = "ms/8"),
	COLUMN(rttvar, INTEGER, "its first variance", .unit = "ms/4"),
	COLUMN(hoplimit, INTEGER, "the TTL or hop limit of packets"),
	COLUMN(initcwnd, INTEGER, "TCP's first congestion window", .unit = "segments"),
	COLUMN(initrwnd, INTEGER, "TCP's first receive window", .unit = "segments"),
	COLUMN(rto_min_ms, INTEGER, "TCP's shortest retransmission time", .unit = "ms"),
};

static size_t count_routes(const void *storage)
{
	return ROWS->routes.count;
}

static const void *route_at(const void *storage, size_t index)
{
	return &ROWS->routes.items[index];
}

static const char *route_reason(const void *storage, size_t nth)
{
	const struct ph_reasons *routes = &ROWS->routes.partial, *links = &ROWS->links.partial;

	if (nth < routes->count)
		return routes->items[nth];
	nth -= routes->count;
	return nth < links->count ? links->items[nth] : NULL;
}

static void release_routes(void *storage)
{
	struct route_rows *rows = storage;

	ph_routes_free(&rows->routes);
	ph_links_free(&rows->links);
}

static const struct row_type route_type = {
	.name = "route",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct route_rows),
	.count = count_routes,
	.item = route_at,
	.reason = route_reason,
	.release = release_routes,
};

static int read_routes(struct ph_context *context, void *storage, struct ph_error *error)
{
	struct route_rows *rows = storage;
	int r = ph_routes_read(context, &rows->routes, error);

	return r < 0 ? r : ph_links_read(context, &rows->links, error);
}

/* routes([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_routes(lua_State *L)
{
	return push_facts(L, &route_type, read_routes);
}

void open_routes(lua_State *L)
{
	lua_pushcfunction(L, l_routes);
	lua_setfield(L, -2, "routes");
	open_rules(L);
	open_neighbors(L);
	open_proc_routes(L);
}
