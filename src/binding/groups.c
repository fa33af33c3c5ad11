/* groups(): multicast groups that this host has joined. */
#include "porthole/groups.h"

#include "binding/facts.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define GROUP     ((const struct ph_group *)item)
#define GROUPS    ((const struct ph_groups *)storage)

GET(iface)
{
	(void)storage;
	cell_set_text(cell, GROUP->device);
}

GET(ifindex)
{
	(void)storage;
	cell_set_integer(cell, GROUP->ifindex);
}

GET(family)
{
	(void)storage;
	cell_set_family(cell, GROUP->family);
}

GET(group)
{
	(void)storage;
	cell_set_ip(cell, GROUP->family, GROUP->address);
}

GET(users)
{
	(void)storage;
	cell_set_integer(cell, GROUP->users);
}

GET(version)
{
	(void)storage;
	cell_set_integer(cell, GROUP->version);
	if (GROUP->version == 0)
		cell->type = CELL_NIL;
}

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(iface, NAME, "the device that it was joined on", .alias = "device", .weight = 10),
	COLUMN(ifindex, INTEGER, "that device's number"),
	COLUMN(family, NAME, "inet (IGMP) or inet6 (MLD)", .values = ip_families, .weight = 5),
	COLUMN(group, ADDRESS, "the group's address", .alias = "address", .weight = 9),
	COLUMN(users, INTEGER, "how often it was joined: netstat's RefCnt", .alias = "refcnt",
	       .weight = 8),
	COLUMN(version, INTEGER, "the version of IGMP that is spoken on the device", .weight = 2),
};

static size_t count_groups(const void *storage)
{
	return GROUPS->count;
}

static const void *group_at(const void *storage, size_t index)
{
	return &GROUPS->items[index];
}

static const char *group_reason(const void *storage, size_t nth)
{
	return nth < GROUPS->partial.count ? GROUPS->partial.items[nth] : NULL;
}

static void release_groups(void *storage)
{
	ph_groups_free(storage);
}

static const struct row_type group_type = {
	.name = "group",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct ph_groups),
	.count = count_groups,
	.item = group_at,
	.reason = group_reason,
	.release = release_groups,
};

static int read_groups(struct ph_context *context, void *storage, struct ph_error *error)
{
	return ph_groups_read(context, storage, error);
}

/* groups([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_groups(lua_State *L)
{
	return push_facts(L, &group_type, read_groups);
}

void open_groups(lua_State *L)
{
	lua_pushcfunction(L, l_groups);
	lua_setfield(L, -2, "groups");
}
