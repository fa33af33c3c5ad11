/*
 * Routes. Sources: rtnetlink(7), linux/rtnetlink.h; the kernel's net/ipv4/fib_semantics.c and
 * net/ipv6/route.c for which attributes go together.
 */
#include "porthole/routes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "engine/attribute.h"
#include "engine/rtnetlink.h"

/* clock_t in rtnetlink's ages: USER_HZ, which is 100 on every architecture but Alpha. */
#define USER_HZ 100

/* A route while its attributes go by. */
struct reading {
	struct ph_routes *routes;
	struct ph_route *route;
	struct ph_nexthop single; /* RTA_OIF, RTA_GATEWAY, RTA_VIA */
	bool failed; /* an allocation */
};

static bool read_via(const struct nlattr *attribute, struct ph_nexthop *nexthop)
{
	struct rtvia via;
	size_t length = mnl_attr_get_payload_len(attribute);
	size_t bytes;

	if (length < sizeof(via))
		return false;
	memcpy(&via, mnl_attr_get_payload(attribute), sizeof(via));
	bytes = via.rtvia_family <= UINT8_MAX ? address_bytes((uint8_t)via.rtvia_family) : 0;
	if (bytes == 0 || length - sizeof(via) != bytes)
		return false;
	nexthop->gateway_family = (uint8_t)via.rtvia_family;
	memcpy(nexthop->gateway, (const char *)mnl_attr_get_payload(attribute) + sizeof(via),
	       bytes);
	return true;
}

static bool read_gateway(const struct nlattr *attribute, uint8_t family, struct ph_nexthop *nexthop)
{
	nexthop->gateway_family = family;
	return attribute_address(attribute, family, nexthop->gateway);
}

/* One way of a multipath route, and which family its RTA_GATEWAY has. */
struct way {
	struct ph_nexthop nexthop;
	uint8_t family;
};

static bool take_way_attribute(const struct nlattr *attribute, void *data)
{
	struct way *way = data;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_GATEWAY:
		return read_gateway(attribute, way->family, &way->nexthop);
	case RTA_VIA:
		return read_via(attribute, &way->nexthop);
	default:
		return true;
	}
}

static bool add_nexthop(struct reading *reading, const struct ph_nexthop *nexthop)
{
	struct ph_routes *routes = reading->routes;

	if (ph_reserve(&routes->nexthops, routes->nexthop_count, &routes->nexthop_capacity,
	               sizeof(*routes->nexthops)) < 0) {
		reading->failed = true;
		return false;
	}
	routes->nexthops[routes->nexthop_count++] = *nexthop;
	reading->route->nexthop_count++;
	return true;
}

/* RTA_MULTIPATH: struct rtnexthop, each followed by attributes of its own. */
static bool read_multipath(const struct nlattr *attribute, struct reading *reading)
{
	const char *at = mnl_attr_get_payload(attribute);
	size_t left = mnl_attr_get_payload_len(attribute);

	while (left > 0) {
		struct way way = { .family = reading->route->family };
		struct rtnexthop header;
		size_t length;

		if (left < sizeof(header))
			return false;
		memcpy(&header, at, sizeof(header));
		if (header.rtnh_len < sizeof(header) || header.rtnh_len > left)
			return false;
		way.nexthop.ifindex = (uint32_t)header.rtnh_ifindex;
		way.nexthop.weight = (uint16_t)(header.rtnh_hops + 1);
		way.nexthop.flags = header.rtnh_flags;
		if (!attributes_in(at + sizeof(header), header.rtnh_len - sizeof(header),
		                   take_way_attribute, &way) ||
		    !add_nexthop(reading, &way.nexthop))
			return false;
		length = RTNH_ALIGN(header.rtnh_len);
		at += length;
		left -= length < left ? length : left;
	}
	return true;
}

static bool take_metric(const struct nlattr *attribute, void *data)
{
	struct ph_route *route = data;

	switch (mnl_attr_get_type(attribute)) {
	case RTAX_LOCK:
		return attribute_u32(attribute, &route->lock);
	case RTAX_MTU:
		return attribute_u32(attribute, &route->mtu);
	case RTAX_WINDOW:
		return attribute_u32(attribute, &route->window);
	case RTAX_RTT:
		return attribute_u32(attribute, &route->rtt);
	case RTAX_RTTVAR:
		return attribute_u32(attribute, &route->rttvar);
	case RTAX_ADVMSS:
		return attribute_u32(attribute, &route->advmss);
	case RTAX_HOPLIMIT:
		return attribute_u32(attribute, &route->hoplimit);
	case RTAX_INITCWND:
		return attribute_u32(attribute, &route->initcwnd);
	case RTAX_INITRWND:
		return attribute_u32(attribute, &route->initrwnd);
	case RTAX_RTO_MIN:
		return attribute_u32(attribute, &route->rto_min_ms);
	default:
		return true;
	}
}

static bool read_expiry(const struct nlattr *attribute, struct ph_route *route)
{
	struct rta_cacheinfo info;

	if (!attribute_struct(attribute, &info, sizeof(info), sizeof(info)))
		return false;
	if (info.rta_expires > 0)
		route->expires_s = (uint32_t)info.rta_expires / USER_HZ;
	return true;
}

static bool take_way(const struct nlattr *attribute, struct reading *reading)
{
	switch (mnl_attr_get_type(attribute)) {
	case RTA_OIF:
		return attribute_u32(attribute, &reading->single.ifindex);
	case RTA_GATEWAY:
		return read_gateway(attribute, reading->route->family, &reading->single);
	case RTA_VIA:
		return read_via(attribute, &reading->single);
	case RTA_MULTIPATH:
		return read_multipath(attribute, reading);
	default:
		return true;
	}
}

static bool take_route_attribute(const struct nlattr *attribute, void *data)
{
	struct reading *reading = data;
	struct ph_route *route = reading->route;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		return attribute_address(attribute, route->family, route->destination);
	case RTA_SRC:
		return attribute_address(attribute, route->family, route->source);
	case RTA_PREFSRC:
		route->has_prefsrc = true;
		return attribute_address(attribute, route->family, route->prefsrc);
	case RTA_TABLE:
		return attribute_u32(attribute, &route->table);
	case RTA_PRIORITY:
		return attribute_u32(attribute, &route->priority);
	case RTA_NH_ID:
		return attribute_u32(attribute, &route->nexthop_id);
	case RTA_IIF:
		return attribute_u32(attribute, &route->iif);
	case RTA_PREF:
		return attribute_u8(attribute, &route->preference);
	case RTA_METRICS:
		return attributes_nested(attribute, take_metric, route);
	case RTA_CACHEINFO:
		return read_expiry(attribute, route);
	default:
		return take_way(attribute, reading);
	}
}

/* Fills the route from its message, its ways into `routes->nexthops`. 0, -EBADMSG or -ENOMEM. */
static int read_route(const struct nlmsghdr *message, const struct rtmsg *header,
                      struct reading *reading)
{
	struct ph_route *route = reading->route;
	size_t bits = 8 * address_bytes(header->rtm_family);

	*route = (struct ph_route){
		.family = header->rtm_family,
		.prefix = header->rtm_dst_len,
		.source_prefix = header->rtm_src_len,
		.tos = header->rtm_tos,
		.table = header->rtm_table,
		.protocol = header->rtm_protocol,
		.scope = header->rtm_scope,
		.type = header->rtm_type,
		.flags = header->rtm_flags,
		.expires_s = UINT32_MAX,
		.nexthop = reading->routes->nexthop_count,
	};
	reading->single.weight = 1;
	reading->single.flags = (uint8_t)header->rtm_flags;
	if (route->prefix > bits || route->source_prefix > bits ||
	    !attributes_of(message, sizeof(*header), take_route_attribute, reading))
		return reading->failed ? -ENOMEM : -EBADMSG;
	if (route->nexthop_count == 0 &&
	    (reading->single.ifindex != 0 || reading->single.gateway_family != 0) &&
	    !add_nexthop(reading, &reading->single))
		return -ENOMEM;
	return 0;
}

static int add_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct ph_routes *routes = data;
	struct ph_route route;
	struct reading reading = { .routes = routes, .route = &route };
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	if (address_bytes(header->rtm_family) == 0)
		return 0;
	r = read_route(message, header, &reading);
	if (r < 0)
		return r;
	if (ph_reserve(&routes->items, routes->count, &routes->capacity, sizeof(*routes->items)) <
	    0)
		return -ENOMEM;
	routes->items[routes->count++] = route;
	return 0;
}

static void forget_routes(void *data)
{
	struct ph_routes *routes = data;

	routes->count = 0;
	routes->nexthop_count = 0;
}

int ph_routes_read(struct ph_context *context, struct ph_routes *routes, struct ph_error *error)
{
	struct ph_dump dump = { add_route, forget_routes, routes, "routes" };

	*routes = (struct ph_routes){ 0 };
	return ph_rtnetlink_dump(context, RTM_GETROUTE, sizeof(struct rtmsg), &dump,
	                         &routes->partial, error);
}

void ph_routes_free(struct ph_routes *routes)
{
	free(routes->items);
	free(routes->nexthops);
	ph_reasons_free(&routes->partial);
	*routes = (struct ph_routes){ 0 };
}
