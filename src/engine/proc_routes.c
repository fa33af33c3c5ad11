/*
 * The routing tables as route(8) sees them. Sources: proc(5); the kernel's fib_route_seq_show() in
 * net/ipv4/fib_trie.c and ipv6_route_native_seq_show() in net/ipv6/ip6_fib.c for the columns.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "engine/procnet.h"
#include "porthole/routes.h"

/* The bits of a mask that are set from its beginning on. */
static uint8_t mask_bits(const uint8_t mask[4])
{
	uint8_t bits = 0;

	while (bits < 32 && (mask[bits / 8] & 0x80 >> bits % 8))
		bits++;
	return bits;
}

static bool next_ipv4(struct span *line, uint8_t address[4])
{
	struct span field;

	return next_field(line, &field) && span_ipv4(field, address);
}

static bool next_ipv6(struct span *line, uint8_t address[16])
{
	struct span field;

	return next_field(line, &field) && span_ipv6(field, address);
}

static bool next_name(struct span *line, char name[16])
{
	struct span field;

	return next_field(line, &field) && span_name(field, name, 16);
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT */
static bool parse_ipv4(struct span line, struct ph_proc_route *route)
{
	route->family = AF_INET;
	if (!next_name(&line, route->device) || !next_ipv4(&line, route->destination) ||
	    !next_ipv4(&line, route->gateway) || !next_u32(&line, 16, &route->flags) ||
	    !next_u32(&line, 10, &route->references) || !next_u32(&line, 10, &route->used) ||
	    !next_u32(&line, 10, &route->metric) || !next_ipv4(&line, route->mask) ||
	    !next_u32(&line, 10, &route->mtu) || !next_u32(&line, 10, &route->window) ||
	    !next_u32(&line, 10, &route->irtt))
		return false;
	route->prefix = mask_bits(route->mask);
	return true;
}

static bool next_prefix(struct span *line, uint8_t *prefix)
{
	uint32_t value;

	if (!next_u32(line, 16, &value) || value > 128)
		return false;
	*prefix = (uint8_t)value;
	return true;
}

/* Destination, its prefix, source, its prefix, next hop, metric, references, use, flags, device */
static bool parse_ipv6(struct span line, struct ph_proc_route *route)
{
	route->family = AF_INET6;
	return next_ipv6(&line, route->destination) && next_prefix(&line, &route->prefix) &&
	       next_ipv6(&line, route->source) && next_prefix(&line, &route->source_prefix) &&
	       next_ipv6(&line, route->gateway) && next_u32(&line, 16, &route->metric) &&
	       next_u32(&line, 16, &route->references) && next_u32(&line, 16, &route->used) &&
	       next_u32(&line, 16, &route->flags) && next_name(&line, route->device);
}

static bool is_heading(struct span line)
{
	struct span field;

	return next_field(&line, &field) && span_is(field, "Iface");
}

int ph_proc_routes_parse(const char *text, size_t length, uint8_t family,
                         struct ph_proc_routes *routes)
{
	struct span rest = { text, length }, line;

	while (next_line(&rest, &line)) {
		struct ph_proc_route route = { 0 };

		if (family == AF_INET && is_heading(line))
			continue;
		if (!(family == AF_INET ? parse_ipv4 : parse_ipv6)(line, &route)) {
			if (ph_reasons_add(&routes->partial,
			                   "/proc/net/%s has a line that is no route",
			                   family == AF_INET ? "route" : "ipv6_route") < 0)
				return -ENOMEM;
			continue;
		}
		if (ph_reserve(&routes->items, routes->count, &routes->capacity,
		               sizeof(*routes->items)) < 0)
			return -ENOMEM;
		routes->items[routes->count++] = route;
	}
	return 0;
}

static int read_file(struct ph_context *context, const char *name, uint8_t family,
                     struct ph_proc_routes *routes, struct ph_error *error)
{
	size_t length;
	char *text;
	int r = ph_procnet_read(context, name, &text, &length, error);

	if (r <= 0)
		return r;
	r = ph_proc_routes_parse(text, length, family, routes);
	free(text);
	return r < 0 ? ph_fail(error, r, "reading /proc/net/%s: out of memory", name) : 0;
}

int ph_proc_routes_read(struct ph_context *context, struct ph_proc_routes *routes,
                        struct ph_error *error)
{
	int r;

	*routes = (struct ph_proc_routes){ 0 };
	r = read_file(context, "route", AF_INET, routes, error);
	if (r == 0)
		r = read_file(context, "ipv6_route", AF_INET6, routes, error);
	return r;
}

void ph_proc_routes_free(struct ph_proc_routes *routes)
{
	free(routes->items);
	ph_reasons_free(&routes->partial);
	*routes = (struct ph_proc_routes){ 0 };
}
