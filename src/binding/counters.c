/* counters(): what the protocols have counted. */
#include "porthole/counters.h"
#include "binding/facts.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define COUNTER   ((const struct ph_counter *)item)
#define COUNTERS  ((const struct ph_counters *)storage)

GET(protocol)
{
	(void)storage;
	cell_set_text(cell, *COUNTER->protocol != '\0' ? COUNTER->protocol : NULL);
}

GET(name)
{
	(void)storage;
	cell_set_text(cell, COUNTER->name);
}

GET(value)
{
	(void)storage;
	cell_set_integer(cell, COUNTER->value);
}

GET(source)
{
	(void)storage;
	cell_set_text(cell, ph_counter_source_name(COUNTER->source));
}

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(protocol, NAME, "whose counter it is: Ip, Icmp, Tcp, Udp, TcpExt, Ip6, Sctp, ...",
	       .alias = "proto", .weight = 9),
	COLUMN(name, NAME, "what it counts, as the kernel and RFC 4293 name it", .weight = 10),
	COLUMN(value, INTEGER,
	       "its value since the namespace was made; some are settings or states", .weight = 8),
	COLUMN(source, NAME, "the file below /proc/net that it stands in", .weight = 3),
};

static size_t count_counters(const void *storage)
{
	return COUNTERS->count;
}

static const void *counter_at(const void *storage, size_t index)
{
	return &COUNTERS->items[index];
}

static const char *counter_reason(const void *storage, size_t nth)
{
	return nth < COUNTERS->partial.count ? COUNTERS->partial.items[nth] : NULL;
}

static void release_counters(void *storage)
{
	ph_counters_free(storage);
}

static const struct row_type counter_type = {
	.name = "counter",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct ph_counters),
	.count = count_counters,
	.item = counter_at,
	.reason = counter_reason,
	.release = release_counters,
};

static int read_counters(struct ph_context *context, void *storage, struct ph_error *error)
{
	return ph_counters_read(context, storage, error);
}

/* counters([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_counters(lua_State *L)
{
	return push_facts(L, &counter_type, read_counters);
}

void open_counters(lua_State *L)
{
	lua_pushcfunction(L, l_counters);
	lua_setfield(L, -2, "counters");
}
