/* proc_routes(): the routing tables as route(8) and netstat -r see them, with their flags as
 * numbers. */
#include <string.h>
#include <sys/socket.h>

#include "binding/facts.h"
#include "porthole/routes.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define ROUTE     ((const struct ph_proc_route *)item)
#define ROUTES    ((const struct ph_proc_routes *)storage)

GET(family)
{
	(void)storage;
	cell_set_family(cell, ROUTE->family);
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

GET(mask)
{
	uint8_t bytes[16] = { 0 };

	(void)storage;
	memcpy(bytes, ROUTE->mask, sizeof(ROUTE->mask));
	cell_set_ip(cell, ROUTE->family == AF_INET ? AF_INET : 0, bytes);
}

GET(gateway)
{
	(void)storage;
	cell_set_ip(cell, ROUTE->family, ROUTE->gateway);
}

GET(source)
{
	(void)storage;
	cell_set_ip(cell, ROUTE->family == AF_INET6 ? AF_INET6 : 0, ROUTE->source);
}

GET(source_prefix)
{
	(void)storage;
	cell_set_integer(cell, ROUTE->source_prefix);
	if (ROUTE->family == AF_INET)
		cell->type = CELL_NIL;
}

GET(iface)
{
	(void)storage;
	cell_set_text(cell, ROUTE->device);
}

#define NUMBER(name)                                 \
	GET(name)                                    \
	{                                            \
		(void)storage;                       \
		cell_set_integer(cell, ROUTE->name); \
	}

NUMBER(flags)
NUMBER(metric)
NUMBER(references)
NUMBER(used)

#define IPV4_NUMBER(name)                            \
	GET(name)                                    \
	{                                            \
		(void)storage;                       \
		cell_set_integer(cell, ROUTE->name); \
		if (ROUTE->family != AF_INET)        \
			cell->type = CELL_NIL;       \
	}

IPV4_NUMBER(mtu)
IPV4_NUMBER(window)
IPV4_NUMBER(irtt)

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(family, NAME, "inet (/proc/net/route) or inet6 (/proc/net/ipv6_route)",
	       .values = ip_families),
	COLUMN(destination, ADDRESS, "where it leads to", .weight = 10),
	COLUMN(prefix, INTEGER, "how much of the destination counts", .unit = "bits", .weight = 10),
	COLUMN(mask, ADDRESS, "IPv4: the prefix as a mask: netstat's Genmask"),
	COLUMN(gateway, ADDRESS, "the next host on the way; all zeroes: none", .weight = 9),
	COLUMN(flags, INTEGER, "RTF_* of linux/route.h and linux/ipv6_route.h", .weight = 5),
	COLUMN(metric, INTEGER, "its priority: the lowest is taken", .weight = 7),
	COLUMN(references, INTEGER, "netstat's Ref", .alias = "ref", .weight = 4),
	COLUMN(used, INTEGER, "netstat's Use", .alias = "use", .weight = 4),
	COLUMN(iface, NAME, "the device; *: none", .alias = "device", .weight = 8),
	COLUMN(mtu, INTEGER, "IPv4: netstat's MSS, which is the segment size and 40",
	       .alias = "mss", .unit = "bytes"),
	COLUMN(window, INTEGER, "IPv4: the largest TCP window that is told", .unit = "bytes"),
	COLUMN(irtt, INTEGER, "IPv4: the first round-trip time", .unit = "ms"),
	COLUMN(source, ADDRESS, "IPv6: only for packets from here"),
	COLUMN(source_prefix, INTEGER, "IPv6: how much of the source counts", .unit = "bits"),
};

static size_t count_routes(const void *storage)
{
	return ROUTES->count;
}

static const void *route_at(const void *storage, size_t index)
{
	return &ROUTES->items[index];
}

static const char *route_reason(const void *storage, size_t nth)
{
	return nth < ROUTES->partial.count ? ROUTES->partial.items[nth] : NULL;
}

static void release_routes(void *storage)
{
	ph_proc_routes_free(storage);
}

static const struct row_type proc_route_type = {
	.name = "proc_route",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct ph_proc_routes),
	.count = count_routes,
	.item = route_at,
	.reason = route_reason,
	.release = release_routes,
};

static int read_routes(struct ph_context *context, void *storage, struct ph_error *error)
{
	return ph_proc_routes_read(context, storage, error);
}

/* proc_routes([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_proc_routes(lua_State *L)
{
	return push_facts(L, &proc_route_type, read_routes);
}

void open_proc_routes(lua_State *L)
{
	lua_pushcfunction(L, l_proc_routes);
	lua_setfield(L, -2, "proc_routes");
}
