/* neighbors(): the ARP and neighbour discovery tables. Names of numbers as ip-neighbour(8) has
 * them. */
#include <linux/rtnetlink.h>

#include "binding/facts.h"
#include "porthole/links.h"
#include "porthole/routes.h"

/* Neighbours, and the links that name their devices. */
struct neighbor_rows {
	struct ph_neighbors neighbors;
	struct ph_links links;
};

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define NEIGHBOR  ((const struct ph_neighbor *)item)
#define ROWS      ((const struct neighbor_rows *)storage)

static const struct number_name states[] = {
	{ NUD_NONE, "none" },           { NUD_INCOMPLETE, "incomplete" },
	{ NUD_REACHABLE, "reachable" }, { NUD_STALE, "stale" },
	{ NUD_DELAY, "delay" },         { NUD_PROBE, "probe" },
	{ NUD_FAILED, "failed" },       { NUD_NOARP, "noarp" },
	{ NUD_PERMANENT, "permanent" }, { 0, NULL },
};

static const struct number_name flags[] = {
	{ NTF_USE, "use" },
	{ NTF_SELF, "self" },
	{ NTF_MASTER, "master" },
	{ NTF_PROXY, "proxy" },
	{ NTF_EXT_LEARNED, "extern_learn" },
	{ NTF_OFFLOADED, "offload" },
	{ NTF_STICKY, "sticky" },
	{ NTF_ROUTER, "router" },
	{ 0, NULL },
};

GET(address)
{
	(void)storage;
	cell_set_ip(cell, NEIGHBOR->family, NEIGHBOR->address);
}

GET(lladdr)
{
	(void)storage;
	cell_set_lladdr(cell, NEIGHBOR->lladdr, NEIGHBOR->lladdr_length);
}

GET(iface)
{
	const struct ph_link *link = ph_links_find(&ROWS->links, NEIGHBOR->ifindex);

	cell_set_text(cell, link != NULL ? link->name : NULL);
}

GET(state)
{
	(void)storage;
	cell_set_number_name(cell, states, NEIGHBOR->state);
}

GET(family)
{
	(void)storage;
	cell_set_family(cell, NEIGHBOR->family);
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
	push_bit_names(L, flags, NEIGHBOR->flags);
}

GET(probes)
{
	(void)storage;
	cell_set_integer(cell, NEIGHBOR->probes);
}

#define AGE(name)                                       \
	GET(name)                                       \
	{                                               \
		(void)storage;                          \
		cell_set_integer(cell, NEIGHBOR->name); \
		if (!NEIGHBOR->has_ages)                \
			cell->type = CELL_NIL;          \
	}

AGE(confirmed_ms)
AGE(used_ms)
AGE(updated_ms)
AGE(references)

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(address, ADDRESS, "the neighbour's IP address", .weight = 10),
	COLUMN(lladdr, NAME, "its hardware address", .alias = "mac", .weight = 9),
	COLUMN(iface, NAME, "the device that it is reached on", .alias = "device", .weight = 8),
	COLUMN(state, NAME, "reachable, stale, delay, probe, failed, permanent, ...", .weight = 7),
	COLUMN(family, NAME, "inet or inet6", .values = ip_families),
	COLUMN(flags, LIST, "router, proxy, extern_learn, ...", .push = push_flags),
	COLUMN(confirmed_ms, INTEGER, "since it was last known to be reachable", .unit = "ms"),
	COLUMN(used_ms, INTEGER, "since it was last used", .unit = "ms"),
	COLUMN(updated_ms, INTEGER, "since its state changed", .unit = "ms"),
	COLUMN(references, INTEGER, "how many routes and packets use it"),
	COLUMN(probes, INTEGER, "how many requests wait for an answer"),
};

static size_t count_neighbors(const void *storage)
{
	return ROWS->neighbors.count;
}

static const void *neighbor_at(const void *storage, size_t index)
{
	return &ROWS->neighbors.items[index];
}

static const char *neighbor_reason(const void *storage, size_t nth)
{
	const struct ph_reasons *own = &ROWS->neighbors.partial, *links = &ROWS->links.partial;

	if (nth < own->count)
		return own->items[nth];
	nth -= own->count;
	return nth < links->count ? links->items[nth] : NULL;
}

static void release_neighbors(void *storage)
{
	struct neighbor_rows *rows = storage;

	ph_neighbors_free(&rows->neighbors);
	ph_links_free(&rows->links);
}

static const struct row_type neighbor_type = {
	.name = "neighbor",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct neighbor_rows),
	.count = count_neighbors,
	.item = neighbor_at,
	.reason = neighbor_reason,
	.release = release_neighbors,
};

static int read_neighbors(struct ph_context *context, void *storage, struct ph_error *error)
{
	struct neighbor_rows *rows = storage;
	int r = ph_neighbors_read(context, &rows->neighbors, error);

	return r < 0 ? r : ph_links_read(context, &rows->links, error);
}

/* neighbors([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_neighbors(lua_State *L)
{
	return push_facts(L, &neighbor_type, read_neighbors);
}

void open_neighbors(lua_State *L)
{
	lua_pushcfunction(L, l_neighbors);
	lua_setfield(L, -2, "neighbors");
}
