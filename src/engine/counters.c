/*
 * Counters. Sources: proc(5); the kernel's net/ipv4/proc.c, net/ipv6/proc.c and net/sctp/proc.c for
 * the formats.
 */
#include "porthole/counters.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/procnet.h"

static const char *const files[PH_COUNTER_SOURCES] = { "snmp", "netstat", "snmp6", "sctp/snmp" };

const char *ph_counter_source_name(unsigned source)
{
	return source < PH_COUNTER_SOURCES ? files[source] : NULL;
}

static bool parse_value(struct span field, struct ph_counter *counter)
{
	counter->negative = field.length > 0 && field.bytes[0] == '-';
	if (!counter->negative)
		return span_number(field, 10, UINT64_MAX, &counter->value);
	field.bytes++;
	field.length--;
	if (!span_number(field, 10, (uint64_t)INT64_MAX + 1, &counter->value))
		return false;
	counter->value = 0 - counter->value;
	return true;
}

static int add_counter(struct ph_counters *counters, const struct ph_counter *counter)
{
	if (ph_reserve(&counters->items, counters->count, &counters->capacity,
	               sizeof(*counters->items)) < 0)
		return -ENOMEM;
	counters->items[counters->count++] = *counter;
	return 0;
}

static int add_reason(struct ph_counters *counters, unsigned source)
{
	return ph_reasons_add(&counters->partial, "/proc/net/%s has a line that is no counter",
	                      files[source]);
}

/* "Tcp:" without its colon. */
static bool next_protocol(struct span *line, struct span *protocol)
{
	if (!next_field(line, protocol) || protocol->bytes[protocol->length - 1] != ':')
		return false;
	protocol->length--;
	return protocol->length > 0;
}

/* Whether both lines begin with the same "Tcp:". */
static bool same_protocol(struct span names, struct span values)
{
	struct span protocol, other;

	return next_protocol(&names, &protocol) && next_protocol(&values, &other) &&
	       protocol.length == other.length &&
	       memcmp(protocol.bytes, other.bytes, other.length) == 0;
}

/* Names and their values; a name without a value or the other way round is a reason. */
static int add_pairs(struct ph_counters *counters, uint8_t source, struct span names,
                     struct span values)
{
	struct ph_counter counter = { .source = source };
	struct span protocol, name, value;
	bool more;

	next_protocol(&values, &protocol);
	next_protocol(&names, &protocol);
	if (!span_name(protocol, counter.protocol, sizeof(counter.protocol)))
		return add_reason(counters, source);
	while ((more = next_field(&names, &name)) == next_field(&values, &value) && more) {
		int r = span_name(name, counter.name, sizeof(counter.name)) &&
		                        parse_value(value, &counter)
		                ? add_counter(counters, &counter)
		                : add_reason(counters, source);

		if (r < 0)
			return r;
	}
	return (name.length == 0) == (value.length == 0) ? 0 : add_reason(counters, source);
}

/* A line that does not go with the one before it may be the first of the next two. */
static int parse_pairs(struct span rest, uint8_t source, struct ph_counters *counters)
{
	struct span names = { 0 }, line;
	int r = 0;

	while (r == 0 && next_line(&rest, &line)) {
		bool pair = names.length > 0 && same_protocol(names, line);

		if (pair)
			r = add_pairs(counters, source, names, line);
		else if (names.length > 0)
			r = add_reason(counters, source);
		names = line;
		if (pair)
			names.length = 0;
	}
	return r == 0 && names.length > 0 ? add_reason(counters, source) : r;
}

/* How long the protocol at the beginning of such a name is: "Ip6" of "Ip6InReceives". */
static size_t protocol_length(struct span name)
{
	static const char *const protocols[] = {
		"Ip6", "Icmp6", "Udp6", "UdpLite6", "Tcp6", "Sctp"
	};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		size_t length = strlen(protocols[i]);

		if (name.length > length && memcmp(name.bytes, protocols[i], length) == 0)
			return length;
	}
	return 0;
}

static bool parse_single(struct span line, struct ph_counter *counter)
{
	struct span name, value;
	size_t length;

	if (!next_field(&line, &name) || !next_field(&line, &value) || !parse_value(value, counter))
		return false;
	length = protocol_length(name);
	memcpy(counter->protocol, name.bytes, length);
	name.bytes += length;
	name.length -= length;
	return span_name(name, counter->name, sizeof(counter->name));
}

static int parse_singles(struct span rest, uint8_t source, struct ph_counters *counters)
{
	struct span line;

	while (next_line(&rest, &line)) {
		struct ph_counter counter = { .source = source };
		int r = parse_single(line, &counter) ? add_counter(counters, &counter)
		                                     : add_reason(counters, source);

		if (r < 0)
			return r;
	}
	return 0;
}

int ph_counters_parse(const char *text, size_t length, enum ph_counter_source source,
                      struct ph_counters *counters)
{
	struct span whole = { text, length };

	if (source == PH_COUNTER_SNMP || source == PH_COUNTER_NETSTAT)
		return parse_pairs(whole, (uint8_t)source, counters);
	return parse_singles(whole, (uint8_t)source, counters);
}

static int read_file(struct ph_context *context, unsigned source, struct ph_counters *counters,
                     struct ph_error *error)
{
	size_t length;
	char *text;
	int r = ph_procnet_read(context, files[source], &text, &length, error);

	if (r <= 0)
		return r;
	r = ph_counters_parse(text, length, source, counters);
	free(text);
	return r < 0 ? ph_fail(error, r, "reading /proc/net/%s: out of memory", files[source]) : 0;
}

int ph_counters_read(struct ph_context *context, struct ph_counters *counters,
                     struct ph_error *error)
{
	int r = 0;

	*counters = (struct ph_counters){ 0 };
	for (unsigned source = 0; r == 0 && source < PH_COUNTER_SOURCES; source++)
		r = read_file(context, source, counters, error);
	return r;
}

void ph_counters_free(struct ph_counters *counters)
{
	free(counters->items);
	ph_reasons_free(&counters->partial);
	*counters = (struct ph_counters){ 0 };
}

const struct ph_counter *ph_counters_find(const struct ph_counters *counters, const char *protocol,
                                          const char *name)
{
	for (size_t i = 0; i < counters->count; i++)
		if (strcmp(counters->items[i].name, name) == 0 &&
		    strcmp(counters->items[i].protocol, protocol) == 0)
			return &counters->items[i];
	return NULL;
}
