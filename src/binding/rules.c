/* rules(): the policy rules that choose a routing table. Names of numbers as ip-rule(8) has them.
 */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>

#include "binding/facts.h"
#include "porthole/routes.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define RULE      ((const struct ph_rule *)item)
#define RULES     ((const struct ph_rules *)storage)

static const struct number_name actions[] = {
	{ FR_ACT_TO_TBL, "lookup" },
	{ FR_ACT_GOTO, "goto" },
	{ FR_ACT_NOP, "nop" },
	{ FR_ACT_BLACKHOLE, "blackhole" },
	{ FR_ACT_UNREACHABLE, "unreachable" },
	{ FR_ACT_PROHIBIT, "prohibit" },
	{ 0, NULL },
};

static const struct number_name tables[] = {
	{ RT_TABLE_DEFAULT, "default" },
	{ RT_TABLE_MAIN, "main" },
	{ RT_TABLE_LOCAL, "local" },
	{ 0, NULL },
};

static const struct number_name protocols[] = {
	{ IPPROTO_ICMP, "icmp" },       { IPPROTO_TCP, "tcp" },
	{ IPPROTO_UDP, "udp" },         { IPPROTO_DCCP, "dccp" },
	{ IPPROTO_ICMPV6, "icmpv6" },   { IPPROTO_SCTP, "sctp" },
	{ IPPROTO_UDPLITE, "udplite" }, { 0, NULL },
};

/* A number of which `none` says that there is none. */
static void set_unless(struct cell *cell, uint32_t value, uint32_t none)
{
	cell_set_integer(cell, value);
	if (value == none)
		cell->type = CELL_NIL;
}

GET(priority)
{
	(void)storage;
	cell_set_integer(cell, RULE->priority);
}

GET(family)
{
	(void)storage;
	cell_set_family(cell, RULE->family);
}

GET(inverted)
{
	(void)storage;
	cell_set_boolean(cell, (RULE->flags & FIB_RULE_INVERT) != 0);
}

GET(from)
{
	(void)storage;
	cell_set_network(cell, RULE->family, RULE->source, RULE->source_prefix, "all");
}

GET(to)
{
	(void)storage;
	cell_set_network(cell, RULE->family, RULE->destination, RULE->prefix, "all");
}

GET(source)
{
	(void)storage;
	cell_set_ip(cell, RULE->source_prefix > 0 ? RULE->family : 0, RULE->source);
}

GET(source_prefix)
{
	(void)storage;
	set_unless(cell, RULE->source_prefix, 0);
}

GET(destination)
{
	(void)storage;
	cell_set_ip(cell, RULE->prefix > 0 ? RULE->family : 0, RULE->destination);
}

GET(prefix)
{
	(void)storage;
	set_unless(cell, RULE->prefix, 0);
}

GET(iif)
{
	(void)storage;
	cell_set_text(cell, *RULE->iif != '\0' ? RULE->iif : NULL);
}

GET(oif)
{
	(void)storage;
	cell_set_text(cell, *RULE->oif != '\0' ? RULE->oif : NULL);
}

GET(mark)
{
	(void)storage;
	cell_set_integer(cell, RULE->mark);
	if (RULE->mark_mask == 0)
		cell->type = CELL_NIL;
}

GET(mark_mask)
{
	(void)storage;
	set_unless(cell, RULE->mark_mask, 0);
}

GET(tos)
{
	(void)storage;
	set_unless(cell, RULE->tos, 0);
}

GET(ip_proto)
{
	(void)storage;
	cell_set_number_name(cell, protocols, RULE->ip_proto);
	if (RULE->ip_proto == 0)
		cell->type = CELL_NIL;
}

/* "80", "80-90", or with the bits that count "80/0xfff0"; nil: any. */
static void set_ports(struct cell *cell, uint32_t first, uint32_t last, uint32_t mask)
{
	if (mask != 0 && mask != UINT16_MAX)
		snprintf(cell->room, sizeof(cell->room), "%u/0x%x", first, mask);
	else if (first == last)
		snprintf(cell->room, sizeof(cell->room), "%u", first);
	else
		snprintf(cell->room, sizeof(cell->room), "%u-%u", first, last);
	cell_set_text(cell, last == 0 ? NULL : cell->room);
}

GET(sport)
{
	(void)storage;
	set_ports(cell, RULE->sport_first, RULE->sport_last, RULE->sport_mask);
}

GET(dport)
{
	(void)storage;
	set_ports(cell, RULE->dport_first, RULE->dport_last, RULE->dport_mask);
}

/* "10", or with the bits that count "8/0x38". */
GET(dscp)
{
	(void)storage;
	snprintf(cell->room, sizeof(cell->room), RULE->dscp_mask == 0x3f ? "%u" : "%u/0x%x",
	         RULE->dscp, RULE->dscp_mask);
	cell_set_text(cell, RULE->dscp_mask == 0 ? NULL : cell->room);
}

GET(flowlabel)
{
	(void)storage;
	snprintf(cell->room, sizeof(cell->room), "0x%x/0x%x", RULE->flowlabel,
	         RULE->flowlabel_mask);
	cell_set_text(cell, RULE->flowlabel_mask == 0 ? NULL : cell->room);
}

GET(complete)
{
	(void)storage;
	cell_set_boolean(cell, !RULE->more);
}

GET(uids)
{
	(void)storage;
	snprintf(cell->room, sizeof(cell->room), "%u-%u", RULE->uid_first, RULE->uid_last);
	cell_set_text(cell, RULE->has_uids ? cell->room : NULL);
}

GET(action)
{
	(void)storage;
	cell_set_number_name(cell, actions, RULE->action);
}

GET(table)
{
	(void)storage;
	cell_set_number_name(cell, tables, RULE->table);
	if (RULE->table == 0)
		cell->type = CELL_NIL;
}

GET(target)
{
	(void)storage;
	cell_set_integer(cell, RULE->target);
	if (RULE->action != FR_ACT_GOTO)
		cell->type = CELL_NIL;
}

GET(suppress_prefix)
{
	(void)storage;
	set_unless(cell, RULE->suppress_prefix, UINT32_MAX);
}

GET(suppress_group)
{
	(void)storage;
	set_unless(cell, RULE->suppress_group, UINT32_MAX);
}

GET(l3mdev)
{
	(void)storage;
	cell_set_boolean(cell, RULE->l3mdev);
}

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(priority, INTEGER, "the order in which rules are asked: lowest first", .weight = 10),
	COLUMN(family, NAME, "inet or inet6", .values = ip_families, .weight = 5),
	COLUMN(inverted, BOOLEAN, "for packets that do not match (\"not\")", .weight = 1),
	COLUMN(from, NAME, "for packets from here: an address and its prefix, or all", .weight = 7),
	COLUMN(to, NAME, "for packets to there, likewise", .weight = 7),
	COLUMN(source, ADDRESS, "the address of from"),
	COLUMN(source_prefix, INTEGER, "how much of it counts", .unit = "bits"),
	COLUMN(destination, ADDRESS, "the address of to"),
	COLUMN(prefix, INTEGER, "how much of it counts", .unit = "bits"),
	COLUMN(iif, NAME, "for packets that came in on this device", .weight = 4),
	COLUMN(oif, NAME, "for packets of sockets that are bound to this device", .weight = 3),
	COLUMN(mark, INTEGER, "for packets with this mark", .alias = "fwmark", .weight = 3),
	COLUMN(mark_mask, INTEGER, "the bits of the mark that count"),
	COLUMN(tos, INTEGER, "for packets of this type of service"),
	COLUMN(ip_proto, NAME, "for packets of this protocol"),
	COLUMN(sport, NAME, "for packets from these ports"),
	COLUMN(dport, NAME, "for packets to these ports"),
	COLUMN(dscp, NAME, "for packets of this differentiated service (RFC 2474)"),
	COLUMN(flowlabel, NAME, "for IPv6 packets with this flow label, and the bits that count"),
	COLUMN(uids, NAME, "for packets of these users' sockets"),
	COLUMN(action, NAME, "lookup, goto, blackhole, unreachable, prohibit", .weight = 9),
	COLUMN(table, NAME, "the routing table to look up: main, local, default or a number",
	       .weight = 8),
	COLUMN(target, INTEGER, "of goto: the priority of the next rule"),
	COLUMN(suppress_prefix, INTEGER, "routes with at most this prefix are passed over",
	       .unit = "bits"),
	COLUMN(suppress_group, INTEGER, "routes by devices of this group are passed over"),
	COLUMN(complete, BOOLEAN,
	       "whether all of its conditions are known; if not, partial says so"),
	COLUMN(l3mdev, BOOLEAN, "looks up the table of the packet's VRF"),
};

static size_t count_rules(const void *storage)
{
	return RULES->count;
}

static const void *rule_at(const void *storage, size_t index)
{
	return &RULES->items[index];
}

static const char *rule_reason(const void *storage, size_t nth)
{
	return nth < RULES->partial.count ? RULES->partial.items[nth] : NULL;
}

static void release_rules(void *storage)
{
	ph_rules_free(storage);
}

static const struct row_type rule_type = {
	.name = "rule",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct ph_rules),
	.count = count_rules,
	.item = rule_at,
	.reason = rule_reason,
	.release = release_rules,
};

static int read_rules(struct ph_context *context, void *storage, struct ph_error *error)
{
	return ph_rules_read(context, storage, error);
}

/* rules([filter]) -> rows | nil, message, code   [-0, +1|+3, e] */
static int l_rules(lua_State *L)
{
	return push_facts(L, &rule_type, read_rules);
}

void open_rules(lua_State *L)
{
	lua_pushcfunction(L, l_rules);
	lua_setfield(L, -2, "rules");
}
