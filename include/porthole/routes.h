/*
 * Routes: this namespace's routing tables, policy rules and neighbours. Sources: rtnetlink(7),
 * RTM_GETROUTE, RTM_GETRULE and RTM_GETNEIGH; and the tables as route(8) has always seen them,
 * proc(5) /proc/net/route and ipv6_route.
 */
#ifndef PORTHOLE_ROUTES_H
#define PORTHOLE_ROUTES_H

#include <stdint.h>

#include "porthole/context.h"

/* One way of a route. */
struct ph_nexthop {
	uint32_t ifindex; /* 0: none */
	uint16_t weight; /* 1 and more */
	uint8_t flags; /* RTNH_F_*: onlink, dead, linkdown */
	/* AF_INET or AF_INET6, which may differ from the route's; 0: no gateway. */
	uint8_t gateway_family;
	uint8_t gateway[16];
};

struct ph_route {
	uint32_t table; /* RT_TABLE_*: 254 main, 255 local */
	uint32_t priority; /* what route(8) calls the metric */
	uint32_t flags; /* RTM_F_* and RTNH_F_* of rtm_flags */
	uint32_t nexthop_id; /* of a nexthop object; 0: none */
	uint32_t iif; /* of a multicast route; 0: none */
	size_t nexthop, nexthop_count; /* in ph_routes.nexthops; none: unreachable, ... */
	/* RTAX_*; 0: not set. mtu, advmss, window in bytes; rtt, rttvar as the kernel stores them:
	 * eighths and quarters of a ms; rto_min_ms. */
	uint32_t mtu, advmss, window, rtt, rttvar, hoplimit, initcwnd, initrwnd, rto_min_ms;
	uint32_t lock; /* 1 << RTAX_*: metrics that path discovery must not change */
	uint32_t expires_s; /* seconds that are left; UINT32_MAX: for ever */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t type; /* RTN_*: 1 unicast, 2 local, 6 blackhole, 7 unreachable, ... */
	uint8_t protocol; /* RTPROT_*: 2 kernel, 3 boot, 4 static, ... */
	uint8_t scope; /* RT_SCOPE_* */
	uint8_t tos;
	uint8_t preference; /* ICMPV6_ROUTER_PREF_*; 0 medium */
	uint8_t prefix, source_prefix; /* bits */
	bool has_prefsrc;
	uint8_t destination[16], source[16], prefsrc[16];
};

struct ph_routes {
	struct ph_route *items; /* owned, as the kernel orders them */
	size_t count, capacity;
	struct ph_nexthop *nexthops; /* owned */
	size_t nexthop_count, nexthop_capacity;
	struct ph_reasons partial;
};

/*
 * Reads all IPv4 and IPv6 routes of all tables. ph_routes_free() releases the result, also after a
 * failure. Returns 0, or -errno with `error` filled: -ENOMEM, -ECANCELED, -EACCES, -EBADMSG.
 */
int ph_routes_read(struct ph_context *context, struct ph_routes *routes, struct ph_error *error);
void ph_routes_free(struct ph_routes *routes);

struct ph_rule {
	uint32_t priority;
	uint32_t table; /* RT_TABLE_*; 0: the action needs none */
	uint32_t target; /* of FR_ACT_GOTO: the priority of the next rule */
	uint32_t flags; /* FIB_RULE_*: 2 invert ("not") */
	uint32_t mark, mark_mask; /* mask 0: any mark */
	uint32_t suppress_prefix; /* routes of at most this prefix are passed over; UINT32_MAX: none
	                           */
	uint32_t suppress_group; /* likewise of devices of this group; UINT32_MAX: none */
	uint32_t uid_first, uid_last; /* only if has_uids */
	uint64_t tunnel; /* tunnel id, host byte order; 0: any */
	uint16_t sport_first, sport_last, dport_first, dport_last; /* 0: any */
	uint16_t sport_mask, dport_mask; /* the bits that count; 0: all */
	uint32_t flowlabel, flowlabel_mask; /* IPv6, host byte order; mask 0: any */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t action; /* FR_ACT_*: 1 to table, 2 goto, 6 blackhole, 7 unreachable, 8 prohibit */
	uint8_t protocol; /* RTPROT_* of who made it; 0: unknown */
	uint8_t ip_proto; /* IPPROTO_*; 0: any */
	uint8_t tos;
	uint8_t dscp, dscp_mask; /* mask 0: any */
	uint8_t prefix, source_prefix; /* bits; 0: any */
	bool has_uids, l3mdev;
	/* It has more to it than is known here, and a reason says so: its other facts may mislead.
	 */
	bool more;
	uint8_t destination[16], source[16];
	char iif[16], oif[16]; /* bytes; empty: any */
};

struct ph_rules {
	struct ph_rule *items; /* owned, by family, then as the kernel asks them */
	size_t count, capacity;
	struct ph_reasons partial;
};

/* Like ph_routes_read(): the policy rules, ip-rule(8), of both families. */
int ph_rules_read(struct ph_context *context, struct ph_rules *rules, struct ph_error *error);
void ph_rules_free(struct ph_rules *rules);

struct ph_neighbor {
	uint32_t ifindex;
	uint16_t state; /* NUD_*: 2 reachable, 4 stale, 0x20 failed, 0x80 permanent, ... */
	uint8_t flags; /* NTF_*: 0x80 router, 8 proxy */
	uint8_t type; /* RTN_* */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t protocol; /* RTPROT_* of who made it; 0: unknown */
	uint8_t lladdr_length, lladdr[32]; /* length 0: not known */
	uint8_t address[16];
	bool has_ages;
	uint32_t confirmed_ms, used_ms, updated_ms; /* since then */
	uint32_t references, probes;
};

struct ph_neighbors {
	struct ph_neighbor *items; /* owned, as the kernel orders them */
	size_t count, capacity;
	struct ph_reasons partial;
};

/* Like ph_routes_read(): the ARP and neighbour discovery tables; proxied addresses are not in them.
 */
int ph_neighbors_read(struct ph_context *context, struct ph_neighbors *neighbors,
                      struct ph_error *error);
void ph_neighbors_free(struct ph_neighbors *neighbors);

/*
 * A line of /proc/net/route (IPv4: table main, the first way of each) or /proc/net/ipv6_route (all
 * tables, each way on a line), in the file's order: what route(8) and netstat -r print.
 */
struct ph_proc_route {
	uint32_t flags; /* RTF_*, linux/route.h and linux/ipv6_route.h */
	uint32_t references, used;
	uint32_t metric; /* IPv6 may have 0xffffffff, which netstat prints as -1 */
	uint32_t mtu, window, irtt; /* IPv4 only; mtu is netstat's MSS: advmss + 40 */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix, source_prefix; /* bits; of a mask with holes, which are in `mask` */
	uint8_t destination[16], source[16], gateway[16];
	uint8_t mask[4]; /* IPv4 only */
	char device[16]; /* bytes; "*": none */
};

struct ph_proc_routes {
	struct ph_proc_route *items; /* owned: IPv4, then IPv6 */
	size_t count, capacity;
	struct ph_reasons partial; /* lines that could not be understood */
};

/*
 * Reads both files below the context's proc; one that is missing has no lines (its family is not
 * there). Returns 0, or -errno with `error` filled: -ENOMEM, -ECANCELED, -EACCES, -EFBIG (over 64
 * MiB).
 */
int ph_proc_routes_read(struct ph_context *context, struct ph_proc_routes *routes,
                        struct ph_error *error);
void ph_proc_routes_free(struct ph_proc_routes *routes);

/* Adds the lines of one such text. 0 or -ENOMEM. */
int ph_proc_routes_parse(const char *text, size_t length, uint8_t family,
                         struct ph_proc_routes *routes);

#endif
