/*
 * Policy rules and neighbours. Sources: rtnetlink(7), linux/fib_rules.h, linux/neighbour.h.
 */
#include <endian.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "engine/attribute.h"
#include "engine/rtnetlink.h"
#include "porthole/routes.h"

/* Of kernels newer than the headers that porthole is built with: linux/fib_rules.h of 6.16. */
enum {
	RULE_DSCP = 25,
	RULE_FLOWLABEL,
	RULE_FLOWLABEL_MASK,
	RULE_SPORT_MASK,
	RULE_DPORT_MASK,
	RULE_DSCP_MASK,
	RULE_BEYOND
};

static bool read_uids(const struct nlattr *attribute, struct ph_rule *rule)
{
	struct fib_rule_uid_range range;

	if (!attribute_struct(attribute, &range, sizeof(range), sizeof(range)))
		return false;
	rule->has_uids = true;
	rule->uid_first = range.start;
	rule->uid_last = range.end;
	return true;
}

static bool read_ports(const struct nlattr *attribute, uint16_t *first, uint16_t *last)
{
	struct fib_rule_port_range range;

	if (!attribute_struct(attribute, &range, sizeof(range), sizeof(range)))
		return false;
	*first = range.start;
	*last = range.end;
	return true;
}

static bool read_tunnel(const struct nlattr *attribute, struct ph_rule *rule)
{
	uint64_t id;

	if (!attribute_struct(attribute, &id, sizeof(id), sizeof(id)))
		return false;
	rule->tunnel = be64toh(id);
	return true;
}

static bool read_l3mdev(const struct nlattr *attribute, struct ph_rule *rule)
{
	uint8_t value;

	if (!attribute_u8(attribute, &value))
		return false;
	rule->l3mdev = value != 0;
	return true;
}

static bool read_u16(const struct nlattr *attribute, uint16_t *value)
{
	return mnl_attr_get_payload_len(attribute) == sizeof(*value) &&
	       attribute_struct(attribute, value, sizeof(*value), sizeof(*value));
}

static bool read_be32(const struct nlattr *attribute, uint32_t *value)
{
	if (!attribute_u32(attribute, value))
		return false;
	*value = be32toh(*value);
	return true;
}

/* What a packet must be like, as newer kernels can tell it. */
static bool take_newer_selector(const struct nlattr *attribute, struct ph_rule *rule)
{
	switch (mnl_attr_get_type(attribute)) {
	case RULE_DSCP:
		/* Sent alone before there were masks: all six bits count. */
		if (rule->dscp_mask == 0)
			rule->dscp_mask = 0x3f;
		return attribute_u8(attribute, &rule->dscp);
	case RULE_DSCP_MASK:
		return attribute_u8(attribute, &rule->dscp_mask);
	case RULE_FLOWLABEL:
		return read_be32(attribute, &rule->flowlabel);
	case RULE_FLOWLABEL_MASK:
		return read_be32(attribute, &rule->flowlabel_mask);
	case RULE_SPORT_MASK:
		return read_u16(attribute, &rule->sport_mask);
	case RULE_DPORT_MASK:
		return read_u16(attribute, &rule->dport_mask);
	default:
		rule->more |= mnl_attr_get_type(attribute) >= RULE_BEYOND;
		return true;
	}
}

/* What a packet must be like. */
static bool take_selector(const struct nlattr *attribute, struct ph_rule *rule)
{
	switch (mnl_attr_get_type(attribute)) {
	case FRA_DST:
		return attribute_address(attribute, rule->family, rule->destination);
	case FRA_SRC:
		return attribute_address(attribute, rule->family, rule->source);
	case FRA_IIFNAME:
		return attribute_name(attribute, rule->iif, sizeof(rule->iif));
	case FRA_OIFNAME:
		return attribute_name(attribute, rule->oif, sizeof(rule->oif));
	case FRA_FWMARK:
		return attribute_u32(attribute, &rule->mark);
	case FRA_FWMASK:
		return attribute_u32(attribute, &rule->mark_mask);
	case FRA_TUN_ID:
		return read_tunnel(attribute, rule);
	case FRA_UID_RANGE:
		return read_uids(attribute, rule);
	case FRA_IP_PROTO:
		return attribute_u8(attribute, &rule->ip_proto);
	case FRA_SPORT_RANGE:
		return read_ports(attribute, &rule->sport_first, &rule->sport_last);
	case FRA_DPORT_RANGE:
		return read_ports(attribute, &rule->dport_first, &rule->dport_last);
	case FRA_L3MDEV:
		return read_l3mdev(attribute, rule);
	default:
		return take_newer_selector(attribute, rule);
	}
}

static bool take_rule_attribute(const struct nlattr *attribute, void *data)
{
	struct ph_rule *rule = data;

	switch (mnl_attr_get_type(attribute)) {
	case FRA_TABLE:
		return attribute_u32(attribute, &rule->table);
	case FRA_PRIORITY:
		return attribute_u32(attribute, &rule->priority);
	case FRA_GOTO:
		return attribute_u32(attribute, &rule->target);
	case FRA_SUPPRESS_PREFIXLEN:
		return attribute_u32(attribute, &rule->suppress_prefix);
	case FRA_SUPPRESS_IFGROUP:
		return attribute_u32(attribute, &rule->suppress_group);
	case FRA_PROTOCOL:
		return attribute_u8(attribute, &rule->protocol);
	default:
		return take_selector(attribute, rule);
	}
}

static int add_rule(const struct nlmsghdr *message, void *data)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	struct ph_rules *rules = data;
	struct ph_rule rule = { .suppress_prefix = UINT32_MAX, .suppress_group = UINT32_MAX };

	if (message->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	if (address_bytes(header->family) == 0)
		return 0;
	rule.family = header->family;
	rule.prefix = header->dst_len;
	rule.source_prefix = header->src_len;
	rule.tos = header->tos;
	rule.table = header->table;
	rule.action = header->action;
	rule.flags = header->flags;
	if (rule.prefix > 8 * address_bytes(rule.family) ||
	    rule.source_prefix > 8 * address_bytes(rule.family) ||
	    !attributes_of(message, sizeof(*header), take_rule_attribute, &rule))
		return -EBADMSG;
	if (rule.more && ph_reasons_add(&rules->partial,
	                                "rule %u has conditions that this porthole does not know",
	                                rule.priority) < 0)
		return -ENOMEM;
	if (ph_reserve(&rules->items, rules->count, &rules->capacity, sizeof(*rules->items)) < 0)
		return -ENOMEM;
	rules->items[rules->count++] = rule;
	return 0;
}

static void forget_rules(void *data)
{
	struct ph_rules *rules = data;

	rules->count = 0;
}

int ph_rules_read(struct ph_context *context, struct ph_rules *rules, struct ph_error *error)
{
	struct ph_dump dump = { add_rule, forget_rules, rules, "routing rules" };
	int r;

	*rules = (struct ph_rules){ 0 };
	r = ph_rtnetlink_dump(context, RTM_GETRULE, sizeof(struct fib_rule_hdr), &dump,
	                      &rules->partial, error);
	/* A kernel without policy routing has no rules. */
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r;
}

void ph_rules_free(struct ph_rules *rules)
{
	free(rules->items);
	ph_reasons_free(&rules->partial);
	*rules = (struct ph_rules){ 0 };
}

/* Clock ticks (USER_HZ: 100 a second) in ms; what does not fit is the most that does. */
static uint32_t ticks_to_ms(uint32_t ticks)
{
	return ticks > UINT32_MAX / 10 ? UINT32_MAX : ticks * 10;
}

static bool read_ages(const struct nlattr *attribute, struct ph_neighbor *neighbor)
{
	struct nda_cacheinfo info;

	if (!attribute_struct(attribute, &info, sizeof(info), sizeof(info)))
		return false;
	neighbor->has_ages = true;
	neighbor->confirmed_ms = ticks_to_ms(info.ndm_confirmed);
	neighbor->used_ms = ticks_to_ms(info.ndm_used);
	neighbor->updated_ms = ticks_to_ms(info.ndm_updated);
	neighbor->references = info.ndm_refcnt;
	return true;
}

static bool read_lladdr(const struct nlattr *attribute, struct ph_neighbor *neighbor)
{
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length > sizeof(neighbor->lladdr))
		return false;
	memcpy(neighbor->lladdr, mnl_attr_get_payload(attribute), length);
	neighbor->lladdr_length = (uint8_t)length;
	return true;
}

static bool take_neighbor_attribute(const struct nlattr *attribute, void *data)
{
	struct ph_neighbor *neighbor = data;

	switch (mnl_attr_get_type(attribute)) {
	case NDA_DST:
		return attribute_address(attribute, neighbor->family, neighbor->address);
	case NDA_LLADDR:
		return read_lladdr(attribute, neighbor);
	case NDA_PROBES:
		return attribute_u32(attribute, &neighbor->probes);
	case NDA_PROTOCOL:
		return attribute_u8(attribute, &neighbor->protocol);
	case NDA_CACHEINFO:
		return read_ages(attribute, neighbor);
	default:
		return true;
	}
}

static int add_neighbor(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct ph_neighbors *neighbors = data;
	struct ph_neighbor neighbor = { 0 };

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	if (address_bytes(header->ndm_family) == 0)
		return 0;
	neighbor.family = header->ndm_family;
	neighbor.ifindex = (uint32_t)header->ndm_ifindex;
	neighbor.state = header->ndm_state;
	neighbor.flags = header->ndm_flags;
	neighbor.type = header->ndm_type;
	if (!attributes_of(message, sizeof(*header), take_neighbor_attribute, &neighbor))
		return -EBADMSG;
	if (ph_reserve(&neighbors->items, neighbors->count, &neighbors->capacity,
	               sizeof(*neighbors->items)) < 0)
		return -ENOMEM;
	neighbors->items[neighbors->count++] = neighbor;
	return 0;
}

static void forget_neighbors(void *data)
{
	struct ph_neighbors *neighbors = data;

	neighbors->count = 0;
}

int ph_neighbors_read(struct ph_context *context, struct ph_neighbors *neighbors,
                      struct ph_error *error)
{
	struct ph_dump dump = { add_neighbor, forget_neighbors, neighbors, "neighbours" };

	*neighbors = (struct ph_neighbors){ 0 };
	return ph_rtnetlink_dump(context, RTM_GETNEIGH, sizeof(struct ndmsg), &dump,
	                         &neighbors->partial, error);
}

void ph_neighbors_free(struct ph_neighbors *neighbors)
{
	free(neighbors->items);
	ph_reasons_free(&neighbors->partial);
	*neighbors = (struct ph_neighbors){ 0 };
}
