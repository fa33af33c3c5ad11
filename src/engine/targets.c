/*
 * Targets: what a user names -> addresses. The grammar is nmap's (nmap(1), "Target specification"),
 * read strictly: an IPv4 address has four decimal parts.
 */
#include "porthole/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/shown.h"

void ph_hosts_free(struct ph_hosts *hosts)
{
	free(hosts->items);
	*hosts = (struct ph_hosts){ 0 };
}

static void set_octets(uint64_t set[4], unsigned low, unsigned high)
{
	for (unsigned value = low; value <= high; value++)
		set[value / 64] |= UINT64_C(1) << (value % 64);
}

static bool has_octet(const uint64_t set[4], unsigned value)
{
	return set[value / 64] >> (value % 64) & 1;
}

static const char *read_octet(const char *at, const char *end, unsigned *value)
{
	const char *start = at;

	*value = 0;
	while (at < end && *at >= '0' && *at <= '9' && at - start < 3)
		*value = *value * 10 + (unsigned)(*at++ - '0');
	if (at == start || *value > 255 || (*start == '0' && at - start > 1))
		return NULL;
	return at;
}

/* One part of an address: "7", "1-3", "1,5-9", "-", "*". */
static bool read_octets(const char *at, const char *end, uint64_t set[4])
{
	unsigned low, high;

	if (end - at == 1 && *at == '*') {
		set_octets(set, 0, 255);
		return true;
	}
	for (;;) {
		low = 0;
		if (at < end && *at != '-' && (at = read_octet(at, end, &low)) == NULL)
			return false;
		high = low;
		if (at < end && *at == '-') {
			high = 255;
			at++;
			if (at < end && *at != ',' && (at = read_octet(at, end, &high)) == NULL)
				return false;
		} else if (at == end || *at == ',') {
			if (at[-1] < '0' || at[-1] > '9')
				return false;
		}
		if (low > high)
			return false;
		set_octets(set, low, high);
		if (at == end)
			return true;
		if (*at++ != ',' || at == end)
			return false;
	}
}

/* Octet ranges: four parts, none of them a plain address (which ph_prefix_parse has taken). */
static bool read_ranges(const char *text, size_t length, struct ph_pattern *pattern)
{
	const char *at = text, *end = text + length;

	for (size_t i = 0; i < length; i++)
		if (strchr("0123456789.,-*", text[i]) == NULL || text[i] == '\0')
			return false;
	for (int part = 0; part < 4; part++) {
		const char *dot = memchr(at, '.', (size_t)(end - at));
		const char *stop = part < 3 ? dot : end;

		if (stop == NULL || stop == at || !read_octets(at, stop, pattern->octets[part]))
			return false;
		at = stop + 1;
	}
	pattern->prefix.host.family = AF_INET;
	return true;
}

/* An IPv4 block is four sets as well: whole parts, one cut part, and free ones. */
static void octets_of_prefix(struct ph_pattern *pattern)
{
	const struct ph_host_prefix *prefix = &pattern->prefix;

	for (unsigned part = 0; part < 4; part++) {
		unsigned kept = prefix->bits > part * 8 ? prefix->bits - part * 8 : 0;
		unsigned mask = kept >= 8 ? 0 : 0xffu >> kept;
		unsigned value = prefix->host.address[part];

		set_octets(pattern->octets[part], value & ~mask, value | mask);
	}
}

/* Whether ranges of numbers are meant, so that a mistake in them is not asked of a resolver. */
static bool is_ranges(const char *text, size_t length)
{
	bool range = false;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0' || strchr("0123456789.,-*", text[i]) == NULL)
			return false;
		range = range || strchr(",-*", text[i]) != NULL;
	}
	return range;
}

/* 0; 1: may be a name; -EINVAL. */
static int parse_pattern(const char *text, size_t length, struct ph_pattern *pattern,
                         struct ph_error *error)
{
	int r;

	memset(pattern, 0, sizeof(*pattern));
	if (read_ranges(text, length, pattern))
		return 0;
	if (is_ranges(text, length))
		return ph_fail(error, -EINVAL,
		               "\"%s\" is no range of IPv4 addresses: write four parts, each a "
		               "number, a range or *, as in 192.0.2.1-3",
		               shown(text, length).text);
	memset(pattern, 0, sizeof(*pattern));
	r = ph_prefix_parse(text, length, &pattern->prefix, error);
	if (r == 0 && pattern->prefix.host.family == AF_INET)
		octets_of_prefix(pattern);
	if (r == 1 && memchr(text, '/', length) != NULL)
		return ph_fail(error, -EINVAL,
		               "\"%s\": a block begins with an address, not with a name",
		               shown(text, length).text);
	return r;
}

static bool pattern_has(const struct ph_pattern *pattern, const struct ph_host *host)
{
	if (host->family == AF_INET6 || pattern->prefix.host.family == AF_INET6)
		return ph_prefix_has(&pattern->prefix, host);
	for (unsigned part = 0; part < 4; part++)
		if (!has_octet(pattern->octets[part], host->address[part]))
			return false;
	return true;
}

/* The lowest address of a pattern. */
static struct ph_host first_host(const struct ph_pattern *pattern)
{
	struct ph_host host = pattern->prefix.host;

	if (host.family == AF_INET) {
		for (unsigned part = 0; part < 4; part++) {
			unsigned value = 0;

			while (!has_octet(pattern->octets[part], value))
				value++;
			host.address[part] = (uint8_t)value;
		}
		return host;
	}
	for (unsigned bit = pattern->prefix.bits; bit < 128; bit++)
		host.address[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return host;
}

/* The next address of a pattern; false: `host` was the last. */
static bool next_host(const struct ph_pattern *pattern, struct ph_host *host)
{
	bool inet = host->family == AF_INET;

	for (int part = inet ? 3 : 15; part >= 0; part--) {
		unsigned value = host->address[part];

		if (inet) {
			do {
				value++;
			} while (value < 256 && !has_octet(pattern->octets[part], value));
			host->address[part] = (uint8_t)value;
			if (value < 256)
				return true;
			host->address[part] = first_host(pattern).address[part];
			continue;
		}
		host->address[part]++;
		if (ph_prefix_has(&pattern->prefix, host) && host->address[part] != 0)
			return true;
		if (!ph_prefix_has(&pattern->prefix, host))
			return false;
	}
	return false;
}

static uint64_t hash_host(const struct ph_host *host)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ host->family ^ host->zone;

	for (size_t i = 0; i < sizeof(host->address); i++)
		hash = (hash ^ host->address[i]) * UINT64_C(1099511628211);
	return hash ^ hash >> 32;
}

/* The place of `host` in the index: taken by it, or free. */
static uint32_t *find_place(const struct ph_targets *targets, const struct ph_host *host)
{
	size_t at = hash_host(host) & (targets->index_size - 1);

	while (targets->index[at] != 0 &&
	       !ph_host_equal(&targets->items[targets->index[at] - 1].host, host))
		at = (at + 1) & (targets->index_size - 1);
	return &targets->index[at];
}

/* Keeps the index at most half full. */
static int grow_index(struct ph_targets *targets)
{
	size_t size = targets->index_size ? targets->index_size * 2 : 64;
	uint32_t *larger;

	if (targets->count * 2 < targets->index_size)
		return 0;
	larger = calloc(size, sizeof(*larger));
	if (larger == NULL)
		return -ENOMEM;
	free(targets->index);
	targets->index = larger;
	targets->index_size = size;
	for (size_t i = 0; i < targets->count; i++)
		*find_place(targets, &targets->items[i].host) = (uint32_t)i + 1;
	return 0;
}

static bool is_excluded(const struct ph_targets *targets, const struct ph_host *host)
{
	for (size_t i = 0; i < targets->excluded_count; i++)
		if (pattern_has(&targets->excluded[i], host))
			return true;
	return false;
}

static int add_host(struct ph_targets *targets, const struct ph_host *host, bool own,
                    struct ph_error *error)
{
	uint32_t *place;

	if (targets->count >= PH_TARGETS_MAX)
		return ph_fail(error, -E2BIG, "targets: more than %u addresses: name fewer",
		               PH_TARGETS_MAX);
	if (grow_index(targets) < 0 || ph_reserve(&targets->items, targets->count,
	                                          &targets->capacity, sizeof(*targets->items)) < 0)
		return ph_fail(error, -ENOMEM, "targets: out of memory");
	place = find_place(targets, host);
	if (*place != 0)
		return 0;
	*place = (uint32_t)targets->count + 1;
	targets->items[targets->count++] = (struct ph_target){
		.host = *host,
		.name = (uint32_t)targets->name_count - 1,
		.own = own,
	};
	return 0;
}

static int no_memory(struct ph_error *error)
{
	return ph_fail(error, -ENOMEM, "targets: out of memory");
}

/* Link-local addresses mean nothing without the link (RFC 4007). */
static int check_zone(const struct ph_host *host, struct ph_error *error)
{
	char text[PH_HOST_TEXT_BYTES];

	if (host->family != AF_INET6 || host->address[0] != 0xfe ||
	    (host->address[1] & 0xc0) != 0x80 || host->zone != 0)
		return 0;
	return ph_fail(error, -EINVAL, "%s needs its interface: write %s%%eth0",
	               ph_host_format(host, text), text);
}

static int add_pattern(struct ph_context *context, struct ph_targets *targets,
                       const struct ph_pattern *pattern, const struct ph_scope *scope,
                       struct ph_error *error)
{
	struct ph_host host = first_host(pattern), next = host;
	bool block = next_host(pattern, &next);
	char text[PH_HOST_TEXT_BYTES];
	int r;

	do {
		if (ph_cancelled(context))
			return ph_fail(error, -ECANCELED, "targets: cancelled");
		if (is_excluded(targets, &host))
			continue;
		r = check_zone(&host, error);
		if (r < 0)
			return r;
		if (block && ph_scope_judge(scope, &host) == PH_SCOPE_BROADCAST) {
			if (ph_reasons_add(&targets->partial,
			                   "%s is a broadcast address and was left out",
			                   ph_host_format(&host, text)) < 0)
				return no_memory(error);
			continue;
		}
		r = ph_scope_check(scope, &host, error);
		if (r == 0)
			r = add_host(targets, &host, ph_scope_judge(scope, &host) == PH_SCOPE_OWN,
			             error);
		if (r < 0)
			return r;
	} while (next_host(pattern, &host));
	return 0;
}

static int resolve_name(struct ph_context *context, const char *name,
                        const struct ph_target_rules *rules, struct ph_hosts *hosts,
                        struct ph_error *error)
{
	ph_resolve_fn *resolve = rules->resolve != NULL ? rules->resolve : ph_resolve;

	return resolve(context, name, rules->family ? rules->family : AF_INET, hosts, error);
}

/* Of a name's addresses those in scope: the user named the name, not what a server answers. */
static int add_name(struct ph_context *context, struct ph_targets *targets, const char *name,
                    const struct ph_target_rules *rules, struct ph_error *error)
{
	struct ph_hosts hosts = { 0 };
	char text[PH_HOST_TEXT_BYTES];
	size_t taken = 0;
	struct ph_error refusal = { 0 };
	int r;

	r = resolve_name(context, name, rules, &hosts, error);
	for (size_t i = 0; r == 0 && i < hosts.count; i++) {
		const struct ph_host *host = &hosts.items[i];

		if (is_excluded(targets, host)) {
			taken++;
		} else if (ph_scope_check(rules->scope, host, &refusal) == 0) {
			r = add_host(targets, host,
			             ph_scope_judge(rules->scope, host) == PH_SCOPE_OWN, error);
			taken++;
		} else if (ph_reasons_add(&targets->partial,
		                          "%s: its address %s is out of scope and was left out: "
		                          "--scope %s allows it",
		                          name, ph_host_format(host, text), text) < 0) {
			r = no_memory(error);
		}
	}
	if (r == 0 && taken == 0)
		r = ph_fail(error, -EACCES, "%s: %.160s", name, refusal.message);
	ph_hosts_free(&hosts);
	return r;
}

static int keep_name(struct ph_targets *targets, const char *text, size_t length)
{
	if (ph_reserve(&targets->names, targets->name_count, &targets->name_capacity,
	               sizeof(*targets->names)) < 0)
		return -ENOMEM;
	targets->names[targets->name_count] = strndup(text, length);
	if (targets->names[targets->name_count] == NULL)
		return -ENOMEM;
	targets->name_count++;
	return 0;
}

int ph_targets_add(struct ph_context *context, struct ph_targets *targets, const char *text,
                   size_t length, const struct ph_target_rules *rules, struct ph_error *error)
{
	struct ph_pattern pattern;
	int r;

	r = parse_pattern(text, length, &pattern, error);
	if (r < 0)
		return r;
	if (keep_name(targets, text, length) < 0)
		return no_memory(error);
	if (r == 1)
		return add_name(context, targets, targets->names[targets->name_count - 1], rules,
		                error);
	return add_pattern(context, targets, &pattern, rules->scope, error);
}

static int exclude_pattern(struct ph_targets *targets, const struct ph_pattern *pattern,
                           struct ph_error *error)
{
	if (ph_reserve(&targets->excluded, targets->excluded_count, &targets->excluded_capacity,
	               sizeof(*targets->excluded)) < 0)
		return no_memory(error);
	targets->excluded[targets->excluded_count++] = *pattern;
	return 0;
}

static int exclude_name(struct ph_context *context, struct ph_targets *targets, const char *text,
                        size_t length, const struct ph_target_rules *rules, struct ph_error *error)
{
	struct ph_hosts hosts = { 0 };
	char *name = strndup(text, length);
	int r;

	if (name == NULL)
		return no_memory(error);
	r = resolve_name(context, name, rules, &hosts, error);
	for (size_t i = 0; r == 0 && i < hosts.count; i++) {
		struct ph_pattern pattern = { 0 };
		bool inet = hosts.items[i].family == AF_INET;

		pattern.prefix = (struct ph_host_prefix){ hosts.items[i], inet ? 32 : 128 };
		if (inet)
			octets_of_prefix(&pattern);
		r = exclude_pattern(targets, &pattern, error);
	}
	ph_hosts_free(&hosts);
	free(name);
	return r;
}

/* A comma parts targets unless it stands inside of an address's ranges, before a digit alone. */
static size_t target_length(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		size_t end = i + 1;

		if (text[i] != ',')
			continue;
		while (end < length && text[end] != ',' && text[end] != '.' && text[end] != ':')
			end++;
		if (end < length && text[end] != ',')
			return i;
		/* "192.0.2.1,5-7": what follows has no dot, so it is no target of its own. */
		if (memchr("0123456789-", text[i + 1 < length ? i + 1 : i], 11) == NULL)
			return i;
	}
	return length;
}

int ph_targets_exclude(struct ph_context *context, struct ph_targets *targets, const char *text,
                       size_t length, const struct ph_target_rules *rules, struct ph_error *error)
{
	while (length > 0) {
		size_t count = target_length(text, length);
		struct ph_pattern pattern;
		int r = parse_pattern(text, count, &pattern, error);

		if (r == 0)
			r = exclude_pattern(targets, &pattern, error);
		else if (r == 1)
			r = exclude_name(context, targets, text, count, rules, error);
		if (r < 0)
			return r;
		count += count < length;
		text += count;
		length -= count;
	}
	return 0;
}

void ph_targets_free(struct ph_targets *targets)
{
	for (size_t i = 0; i < targets->name_count; i++)
		free(targets->names[i]);
	free(targets->names);
	free(targets->items);
	free(targets->excluded);
	free(targets->index);
	ph_reasons_free(&targets->partial);
	*targets = (struct ph_targets){ 0 };
}
