/* interfaces(): network devices with their addresses; addresses(): this host's own, as a list. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "binding/binding.h"
#include "binding/rows.h"
#include "porthole/links.h"
#include "porthole/namespaces.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define LINK      ((const struct ph_link *)item)
#define LINKS     ((const struct ph_links *)storage)

static void set_integer(struct cell *cell, uint64_t value)
{
	/* A counter that is larger than Lua's integers wraps in the kernel before. */
	cell->type = CELL_INTEGER;
	cell->as.integer = (int64_t)value;
}

GET(name)
{
	(void)storage;
	cell_set_text(cell, LINK->name);
}

GET(ifindex)
{
	(void)storage;
	set_integer(cell, LINK->ifindex);
}

GET(kind)
{
	(void)storage;
	cell_set_text(cell, *LINK->kind != '\0' ? LINK->kind : NULL);
}

/* IF_OPER_*, linux/if.h, as ip-link(8) writes them in lower case. */
static const char *const states[] = {
	"unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up", NULL,
};

GET(state)
{
	(void)storage;
	cell_set_text(cell, LINK->operstate < 7 ? states[LINK->operstate] : NULL);
}

static const struct {
	unsigned flag;
	const char *name;
} flags[] = {
	{ IFF_UP, "up" },
	{ IFF_BROADCAST, "broadcast" },
	{ IFF_DEBUG, "debug" },
	{ IFF_LOOPBACK, "loopback" },
	{ IFF_POINTOPOINT, "pointopoint" },
	{ IFF_NOTRAILERS, "notrailers" },
	{ IFF_RUNNING, "running" },
	{ IFF_NOARP, "noarp" },
	{ IFF_PROMISC, "promisc" },
	{ IFF_ALLMULTI, "allmulti" },
	{ IFF_MASTER, "master" },
	{ IFF_SLAVE, "slave" },
	{ IFF_MULTICAST, "multicast" },
	{ IFF_PORTSEL, "portsel" },
	{ IFF_AUTOMEDIA, "automedia" },
	{ IFF_DYNAMIC, "dynamic" },
};

GET(flags)
{
	(void)storage;
	(void)item;
	cell->type = CELL_OTHER;
}

static void push_flags(lua_State *L, const void *storage, const void *item)
{
	lua_Integer count = 0;

	(void)storage;
	lua_newtable(L);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if ((LINK->flags & flags[i].flag) == 0)
			continue;
		lua_pushstring(L, flags[i].name);
		lua_rawseti(L, -2, ++count);
	}
}

GET(up)
{
	(void)storage;
	cell->type = CELL_BOOLEAN;
	cell->as.boolean = (LINK->flags & IFF_UP) != 0;
}

GET(mtu)
{
	(void)storage;
	set_integer(cell, LINK->mtu);
}

/* "02:00:00:00:00:01"; up to 32 bytes, of InfiniBand 20. */
GET(mac)
{
	size_t length = LINK->mac_length < sizeof(LINK->mac) ? LINK->mac_length : sizeof(LINK->mac);

	(void)storage;
	for (size_t i = 0; i < length; i++)
		snprintf(cell->room + i * 3, 4, "%02x%s", LINK->mac[i], i + 1 < length ? ":" : "");
	cell_set_text(cell, length > 0 ? cell->room : NULL);
}

static void set_link_name(const struct ph_links *links, uint32_t ifindex, struct cell *cell)
{
	const struct ph_link *link = ifindex != 0 ? ph_links_find(links, ifindex) : NULL;

	cell_set_text(cell, link != NULL ? link->name : NULL);
}

GET(master)
{
	set_link_name(LINKS, LINK->master, cell);
}

GET(parent)
{
	set_link_name(LINKS, LINK->parent_elsewhere ? 0 : LINK->parent, cell);
}

GET(addresses)
{
	(void)storage;
	(void)item;
	cell->type = CELL_OTHER;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void set_address(lua_State *L, const char *key, uint8_t family, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(family, bytes, text, sizeof(text)) != NULL)
		set_text(L, key, text);
}

/* RT_SCOPE_*, rtnetlink(7). */
static const char *scope_name(uint8_t scope)
{
	switch (scope) {
	case 0:
		return "global";
	case 200:
		return "site";
	case 253:
		return "link";
	case 254:
		return "host";
	default:
		return "nowhere";
	}
}

/* Pushes {address, family, prefix, scope, peer, broadcast, label, iface, ifindex}. */
static void push_address(lua_State *L, const struct ph_links *links,
                         const struct ph_address *address)
{
	const struct ph_link *link = ph_links_find(links, address->ifindex);

	lua_createtable(L, 0, 8);
	set_address(L, "address", address->family, address->address);
	set_text(L, "family", address->family == AF_INET6 ? "inet6" : "inet");
	set_text(L, "scope", scope_name(address->scope));
	lua_pushinteger(L, address->prefix);
	lua_setfield(L, -2, "prefix");
	lua_pushinteger(L, address->ifindex);
	lua_setfield(L, -2, "ifindex");
	if (address->has_peer)
		set_address(L, "peer", address->family, address->peer);
	if (address->has_broadcast)
		set_address(L, "broadcast", address->family, address->broadcast);
	if (*address->label != '\0')
		set_text(L, "label", address->label);
	if (link != NULL)
		set_text(L, "iface", link->name);
}

/* Pushes a list of the addresses of a device; 0: of all. */
static void push_address_list(lua_State *L, const struct ph_links *links, uint32_t ifindex)
{
	lua_Integer count = 0;

	lua_newtable(L);
	for (size_t i = 0; i < links->address_count; i++) {
		if (ifindex != 0 && links->addresses[i].ifindex != ifindex)
			continue;
		push_address(L, links, &links->addresses[i]);
		lua_rawseti(L, -2, ++count);
	}
}

static void push_addresses(lua_State *L, const void *storage, const void *item)
{
	push_address_list(L, LINKS, LINK->ifindex);
}

GET(txqlen)
{
	(void)storage;
	set_integer(cell, LINK->txqlen);
}

/* ARPHRD_*, linux/if_arp.h. */
GET(type)
{
	(void)storage;
	set_integer(cell, LINK->type);
}

/* Of the hardware's resources, 0 means none. */
#define RESOURCE(name)                         \
	GET(name)                              \
	{                                      \
		(void)storage;                 \
		set_integer(cell, LINK->name); \
		if (LINK->name == 0)           \
			cell->type = CELL_NIL; \
	}

RESOURCE(interrupt)
RESOURCE(base_address)
RESOURCE(memory_start)
RESOURCE(memory_end)
RESOURCE(dma)

#define COUNTER(name)                                \
	GET(name)                                    \
	{                                            \
		(void)storage;                       \
		set_integer(cell, LINK->stats.name); \
		if (!LINK->has_stats)                \
			cell->type = CELL_NIL;       \
	}

COUNTER(rx_bytes)
COUNTER(rx_packets)
COUNTER(rx_errors)
COUNTER(rx_dropped)
COUNTER(rx_missed)
COUNTER(rx_fifo)
COUNTER(rx_frame)
COUNTER(rx_compressed)
COUNTER(multicast)
COUNTER(tx_bytes)
COUNTER(tx_packets)
COUNTER(tx_errors)
COUNTER(tx_dropped)
COUNTER(tx_fifo)
COUNTER(collisions)
COUNTER(tx_carrier)
COUNTER(tx_compressed)

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(name, NAME, "the device's name", .weight = 10),
	COLUMN(ifindex, INTEGER, "its number", .weight = 3),
	COLUMN(kind, NAME, "what it is, where it is no real device: bridge, veth, wireguard, ...",
	       .weight = 4),
	COLUMN(state, NAME, "operational state (RFC 2863)", .values = states, .weight = 9),
	COLUMN(up, BOOLEAN, "whether it is switched on"),
	COLUMN(flags, LIST, "its flags, as netdevice(7) has them", .push = push_flags),
	COLUMN(addresses, LIST,
	       "its addresses: a list of address, family, prefix, scope, peer, broadcast, label",
	       .push = push_addresses, .weight = 8),
	COLUMN(mac, NAME, "its hardware address", .weight = 5),
	COLUMN(mtu, INTEGER, "the largest packet that it carries", .unit = "bytes", .weight = 2),
	COLUMN(master, NAME, "the bridge or bond that it belongs to", .weight = 4),
	COLUMN(parent, NAME,
	       "the device that it is made on, or the other end of a veth; none where that "
	       "is in another namespace"),
	COLUMN(txqlen, INTEGER, "the longest queue of packets to send", .unit = "packets"),
	COLUMN(rx_bytes, INTEGER, "received", .unit = "bytes", .weight = 1),
	COLUMN(rx_packets, INTEGER, "received", .unit = "packets"),
	COLUMN(rx_errors, INTEGER, "received with errors", .unit = "packets"),
	COLUMN(rx_dropped, INTEGER, "received and dropped", .unit = "packets"),
	COLUMN(rx_missed, INTEGER, "missed for want of buffers", .unit = "packets"),
	COLUMN(rx_fifo, INTEGER, "lost to a full receive buffer", .unit = "packets"),
	COLUMN(rx_frame, INTEGER, "received with length, overrun, CRC or frame errors",
	       .unit = "packets"),
	COLUMN(rx_compressed, INTEGER, "received compressed", .unit = "packets"),
	COLUMN(multicast, INTEGER, "received by multicast", .unit = "packets"),
	COLUMN(tx_bytes, INTEGER, "sent", .unit = "bytes", .weight = 1),
	COLUMN(tx_packets, INTEGER, "sent", .unit = "packets"),
	COLUMN(tx_errors, INTEGER, "not sent for errors", .unit = "packets"),
	COLUMN(tx_dropped, INTEGER, "dropped before they were sent", .unit = "packets"),
	COLUMN(tx_fifo, INTEGER, "lost to an empty send buffer", .unit = "packets"),
	COLUMN(collisions, INTEGER, "collisions while sending"),
	COLUMN(tx_carrier, INTEGER, "not sent for want of a carrier", .unit = "packets"),
	COLUMN(tx_compressed, INTEGER, "sent compressed", .unit = "packets"),
	COLUMN(type, INTEGER, "its kind of hardware: ARPHRD_* of linux/if_arp.h"),
	COLUMN(interrupt, INTEGER, "the hardware's interrupt"),
	COLUMN(base_address, INTEGER, "the hardware's I/O port"),
	COLUMN(memory_start, INTEGER, "where the hardware's memory begins"),
	COLUMN(memory_end, INTEGER, "where the hardware's memory ends"),
	COLUMN(dma, INTEGER, "the hardware's DMA channel"),
};

static size_t count_links(const void *storage)
{
	return LINKS->link_count;
}

static const void *link_at(const void *storage, size_t index)
{
	return &LINKS->links[index];
}

static const char *link_reason(const void *storage, size_t nth)
{
	return nth < LINKS->partial.count ? LINKS->partial.items[nth] : NULL;
}

static void release_links(void *storage)
{
	ph_links_free(storage);
}

static const struct row_type link_type = {
	.name = "interface",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct ph_links),
	.count = count_links,
	.item = link_at,
	.reason = link_reason,
	.release = release_links,
};

/* interfaces([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_interfaces(lua_State *L)
{
	struct ph_context *context = check_context(L);
	struct filter *filter = NULL;
	struct ph_links *links;
	struct ph_error error;

	lua_settop(L, 1);
	if (!lua_isnil(L, 1))
		filter = filter_push(L, 1, &link_type, NULL);
	links = rows_push_storage(L, &link_type);
	if (ph_links_read(context, links, &error) < 0)
		return push_failure(L, &error);
	if (filter != NULL)
		rows_push_matching(L, filter);
	else
		rows_push_view(L);
	return 1;
}

struct visit {
	struct ph_context *context;
	struct ph_links *links;
	struct ph_error *error;
};

static int read_there(void *data)
{
	struct visit *visit = data;

	return ph_links_read(visit->context, visit->links, visit->error);
}

/* The links of a namespace as ph_namespace_open() takes it; NULL: of the own. 0 or -errno. */
static int read_in(struct ph_context *context, const char *which, struct ph_links *links,
                   struct ph_error *error)
{
	struct visit visit = { .context = context, .links = links, .error = error };
	struct ph_namespace where;
	int r;

	if (which == NULL)
		return ph_links_read(context, links, error);
	r = ph_namespace_open(context, which, &where, error);
	if (r == 0)
		r = ph_namespace_run(&where, read_there, &visit, error);
	ph_namespace_close(&where);
	return r;
}

/*
 * core.addresses([netns]) -> list of {address, family, prefix, scope, iface, ifindex, peer,
 * broadcast, label} | nil, message, code. `netns`: a name as a socket's `netns` has it, a process's
 * number or a path; without it the own.
 */
static int l_addresses(lua_State *L)
{
	struct ph_context *context = check_context(L);
	const char *which = luaL_optstring(L, 1, NULL);
	struct ph_links *links = rows_push_storage(L, &link_type);
	struct ph_error error;

	if (read_in(context, which, links, &error) < 0)
		return push_failure(L, &error);
	push_address_list(L, links, 0);
	return 1;
}

void open_links(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "interfaces", l_interfaces },
		{ "addresses", l_addresses },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
