/*
 * Groups. Sources: proc(5); the kernel's igmp_mc_seq_show() in net/ipv4/igmp.c and
 * igmp6_mc_seq_show() in net/ipv6/mcast.c for the columns.
 */
#include "porthole/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "engine/procnet.h"

static int add_group(struct ph_groups *groups, const struct ph_group *group)
{
	if (ph_reserve(&groups->items, groups->count, &groups->capacity, sizeof(*groups->items)) <
	    0)
		return -ENOMEM;
	groups->items[groups->count++] = *group;
	return 0;
}

static int add_reason(struct ph_groups *groups, const char *file)
{
	return ph_reasons_add(&groups->partial, "/proc/net/%s has a line that is no group", file);
}

/* "V3": 3. */
static uint8_t querier_version(struct span field)
{
	return field.length == 2 && field.bytes[0] == 'V' && field.bytes[1] >= '1' &&
	                       field.bytes[1] <= '9'
	               ? (uint8_t)(field.bytes[1] - '0')
	               : 0;
}

/* "2\tlan0      :     1      V3": what the groups below it are of. A name of 10 bytes or more
 * touches the colon. */
static bool parse_device(struct span line, struct ph_group *device)
{
	struct span field;
	uint32_t count;

	device->version = 0;
	if (!next_u32(&line, 10, &device->ifindex) || !next_field(&line, &field))
		return false;
	if (field.bytes[field.length - 1] == ':') {
		field.length--;
		if (!span_name(field, device->device, sizeof(device->device)))
			return false;
	} else {
		struct span colon;

		if (!span_name(field, device->device, sizeof(device->device)) ||
		    !next_field(&line, &colon) || !span_is(colon, ":"))
			return false;
	}
	if (next_u32(&line, 10, &count) && next_field(&line, &field))
		device->version = querier_version(field);
	return true;
}

/* "\t\t\t\t010000E0     1 0:00000000\t\t0" */
static bool parse_igmp(struct span line, struct ph_group *group)
{
	struct span field;

	return next_field(&line, &field) && span_ipv4(field, group->address) &&
	       next_u32(&line, 10, &group->users);
}

static bool is_heading(struct span line)
{
	struct span field;

	return next_field(&line, &field) && span_is(field, "Idx");
}

/* Lines of groups are indented, below the line of their device. */
static int parse_igmp_text(struct span rest, struct ph_groups *groups)
{
	struct ph_group group = { .family = AF_INET };
	struct span line;
	bool known = false;

	while (next_line(&rest, &line)) {
		bool indented = line.length > 0 && (line.bytes[0] == '\t' || line.bytes[0] == ' ');
		int r = 0;

		if (is_heading(line))
			continue;
		if (!indented) {
			known = parse_device(line, &group);
			r = known ? 0 : add_reason(groups, "igmp");
		} else if (known && parse_igmp(line, &group)) {
			r = add_group(groups, &group);
		} else {
			r = add_reason(groups, "igmp");
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* "2    lan0            ff020000000000000000000000000001     1 0000000C 0" */
static bool parse_igmp6(struct span line, struct ph_group *group)
{
	struct span device, address;

	return next_u32(&line, 10, &group->ifindex) && next_field(&line, &device) &&
	       span_name(device, group->device, sizeof(group->device)) &&
	       next_field(&line, &address) && span_ipv6(address, group->address) &&
	       next_u32(&line, 10, &group->users) && next_u32(&line, 16, &group->flags);
}

static int parse_igmp6_text(struct span rest, struct ph_groups *groups)
{
	struct span line;

	while (next_line(&rest, &line)) {
		struct ph_group group = { .family = AF_INET6 };
		int r = parse_igmp6(line, &group) ? add_group(groups, &group)
		                                  : add_reason(groups, "igmp6");

		if (r < 0)
			return r;
	}
	return 0;
}

int ph_groups_parse(const char *text, size_t length, uint8_t family, struct ph_groups *groups)
{
	struct span whole = { text, length };

	return family == AF_INET ? parse_igmp_text(whole, groups) : parse_igmp6_text(whole, groups);
}

static int read_file(struct ph_context *context, const char *name, uint8_t family,
                     struct ph_groups *groups, struct ph_error *error)
{
	size_t length;
	char *text;
	int r = ph_procnet_read(context, name, &text, &length, error);

	if (r <= 0)
		return r;
	r = ph_groups_parse(text, length, family, groups);
	free(text);
	return r < 0 ? ph_fail(error, r, "reading /proc/net/%s: out of memory", name) : 0;
}

int ph_groups_read(struct ph_context *context, struct ph_groups *groups, struct ph_error *error)
{
	int r;

	*groups = (struct ph_groups){ 0 };
	r = read_file(context, "igmp", AF_INET, groups, error);
	if (r == 0)
		r = read_file(context, "igmp6", AF_INET6, groups, error);
	return r;
}

void ph_groups_free(struct ph_groups *groups)
{
	free(groups->items);
	ph_reasons_free(&groups->partial);
	*groups = (struct ph_groups){ 0 };
}
