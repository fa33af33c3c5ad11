/*
 * Port specifications: nmap's -p grammar, as nmap(1) documents it and nmap answers it. An item is a
 * port, a range with either end left out, a service name, or items in brackets.
 */
#include "porthole/portspec.h"

#include <errno.h>
#include <string.h>

#include "engine/shown.h"

struct parser {
	const char *at, *end;
	const struct ph_services *services;
	struct ph_portspec *spec;
	unsigned protos; /* PH_PORTS_*, of the section */
	bool registered; /* in brackets: only ports that have a name */
	struct ph_error *error;
};

void ph_ports_add(struct ph_ports *ports, unsigned low, unsigned high)
{
	for (unsigned port = low; port <= high; port++)
		ports->words[port / 64] |= UINT64_C(1) << (port % 64);
}

bool ph_ports_has(const struct ph_ports *ports, unsigned port)
{
	return port < PH_PORT_COUNT && (ports->words[port / 64] >> (port % 64) & 1);
}

size_t ph_ports_count(const struct ph_ports *ports)
{
	size_t count = 0;

	for (size_t i = 0; i < PH_PORT_COUNT / 64; i++)
		count += (size_t)__builtin_popcountll(ports->words[i]);
	return count;
}

int ph_ports_next(const struct ph_ports *ports, unsigned from)
{
	while (from < PH_PORT_COUNT) {
		uint64_t word = ports->words[from / 64] >> (from % 64);

		if (word != 0)
			return (int)from + __builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return -1;
}

static int fail_item(struct parser *parser, const char *item, size_t length, const char *why)
{
	return ph_fail(parser->error, -EINVAL, "ports: \"%s\" %s", shown(item, length).text, why);
}

/* The section that an entry of the registry belongs to; 0: neither. */
static unsigned proto_of(const struct ph_service *service)
{
	if (strcmp(service->proto, "tcp") == 0)
		return PH_PORTS_TCP;
	return strcmp(service->proto, "udp") == 0 ? PH_PORTS_UDP : 0;
}

static void add_to(struct parser *parser, unsigned protos, unsigned low, unsigned high)
{
	if (protos & PH_PORTS_TCP)
		ph_ports_add(&parser->spec->tcp, low, high);
	if (protos & PH_PORTS_UDP)
		ph_ports_add(&parser->spec->udp, low, high);
}

/* The registered ports of a range: what brackets mean. */
static void add_registered(struct parser *parser, unsigned low, unsigned high)
{
	size_t count = parser->services != NULL ? ph_services_count(parser->services) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct ph_service *service = ph_services_at(parser->services, i);

		if (service->port >= low && service->port <= high)
			add_to(parser, proto_of(service) & parser->protos, service->port,
			       service->port);
	}
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether `name` fits the mask, in which * is any letters and ? any one. Linear: no recursion. */
static bool mask_fits(const char *mask, size_t length, const char *name)
{
	size_t m = 0, star = length;
	const char *retry = NULL;

	while (*name != '\0') {
		if (m < length && mask[m] == '*') {
			star = m++;
			retry = name;
		} else if (m < length && (mask[m] == '?' || lower(mask[m]) == lower(*name))) {
			m++;
			name++;
		} else if (retry != NULL) {
			m = star + 1;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (m < length && mask[m] == '*')
		m++;
	return m == length;
}

static bool service_fits(const struct ph_service *service, const char *mask, size_t length)
{
	if (mask_fits(mask, length, service->name))
		return true;
	for (const char *const *alias = service->aliases; *alias != NULL; alias++)
		if (mask_fits(mask, length, *alias))
			return true;
	return false;
}

/*
 * A name means the entries of the first source that knows it, so that the user's file can move it;
 * a mask means whatever fits, wherever it stands.
 */
static int add_named(struct parser *parser, const char *name, size_t length)
{
	bool mask = memchr(name, '*', length) != NULL || memchr(name, '?', length) != NULL;
	size_t count = parser->services != NULL ? ph_services_count(parser->services) : 0;
	int source[3] = { -1, -1, -1 };
	unsigned found = 0, other = 0;

	for (size_t i = 0; i < count; i++) {
		const struct ph_service *service = ph_services_at(parser->services, i);
		unsigned proto = proto_of(service);

		if (proto == 0 || !service_fits(service, name, length))
			continue;
		if (!(proto & parser->protos)) {
			other |= proto;
			continue;
		}
		if (source[proto] < 0)
			source[proto] = service->source;
		if (!mask && source[proto] != service->source)
			continue;
		add_to(parser, proto, service->port, service->port);
		found |= proto;
	}
	if (found)
		return 0;
	if (other)
		return fail_item(parser, name, length,
		                 other & PH_PORTS_UDP
		                         ? "is a UDP service only: write U: before it"
		                         : "is a TCP service only: write T: before it");
	return fail_item(parser, name, length, "is no service that the registry knows");
}

/* Reads a number of up to 65535 at `*text`. 0; -EINVAL: none there; -ERANGE. */
static int read_port(const char **text, const char *end, unsigned *port)
{
	const char *start = *text;

	*port = 0;
	for (; *text < end && **text >= '0' && **text <= '9'; (*text)++) {
		*port = *port * 10 + (unsigned)(**text - '0');
		if (*port >= PH_PORT_COUNT)
			return -ERANGE;
	}
	return *text > start ? 0 : -EINVAL;
}

static int add_range(struct parser *parser, const char *item, size_t length)
{
	const char *at = item, *end = item + length;
	unsigned low, high;
	int r;

	r = read_port(&at, end, &low);
	if (r == -ERANGE)
		return fail_item(parser, item, length, "is above 65535, the highest port");
	if (r < 0)
		low = 1;
	high = r < 0 ? PH_PORT_COUNT - 1 : low;
	if (at < end && *at == '-') {
		at++;
		r = read_port(&at, end, &high);
		if (r == -ERANGE)
			return fail_item(parser, item, length, "is above 65535, the highest port");
		if (r < 0)
			high = PH_PORT_COUNT - 1;
	}
	if (at < end)
		return fail_item(parser, item, length,
		                 "is neither a port nor a range such as 1-1024");
	if (low > high)
		return fail_item(parser, item, length, "is backwards: the lower port comes first");
	if (parser->registered)
		add_registered(parser, low, high);
	else
		add_to(parser, parser->protos, low, high);
	return 0;
}

static bool in_name(char c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("*?-_+./", c) != NULL);
}

/* Numbers and ranges have nothing but digits and hyphens; with a letter it is a name. */
static int add_item(struct parser *parser, const char *item, size_t length)
{
	bool name = false;

	for (size_t i = 0; i < length; i++) {
		if (!in_name(item[i]))
			return fail_item(parser, item, length,
			                 "is no port, range, or service name");
		name = name || ((item[i] < '0' || item[i] > '9') && item[i] != '-');
	}
	if (!name)
		return add_range(parser, item, length);
	return add_named(parser, item, length);
}

static void skip_spaces(struct parser *parser)
{
	while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t'))
		parser->at++;
}

/* "T:" and "U:" hold until the next one. 1: there was one. */
static int read_section(struct parser *parser)
{
	if (parser->end - parser->at < 2 || parser->at[1] != ':')
		return 0;
	switch (parser->at[0]) {
	case 'T':
		parser->protos = PH_PORTS_TCP;
		break;
	case 'U':
		parser->protos = PH_PORTS_UDP;
		break;
	case 'S':
	case 'P':
		return fail_item(parser, parser->at, 2,
		                 "is not probed here: only T: (TCP) and U: (UDP) are");
	default:
		return fail_item(parser, parser->at, 2,
		                 "is no protocol: write T: for TCP or U: for UDP");
	}
	parser->at += 2;
	return 1;
}

/* One item, with the brackets and the comma around it. */
static int read_item(struct parser *parser)
{
	const char *item;

	if (*parser->at == '[') {
		if (parser->registered)
			return fail_item(parser, parser->at, 1, "stands inside of brackets");
		parser->registered = true;
		parser->at++;
		skip_spaces(parser);
	}
	item = parser->at;
	while (parser->at < parser->end && memchr(",[] \t", *parser->at, 5) == NULL)
		parser->at++;
	if (parser->at == item)
		return fail_item(parser, item, (size_t)(parser->end - item),
		                 "begins with an empty item");
	if (add_item(parser, item, (size_t)(parser->at - item)) < 0)
		return -EINVAL;
	skip_spaces(parser);
	if (parser->at < parser->end && *parser->at == ']') {
		if (!parser->registered)
			return fail_item(parser, parser->at, 1, "closes no bracket");
		parser->registered = false;
		parser->at++;
		skip_spaces(parser);
	}
	if (parser->at < parser->end && *parser->at != ',')
		return fail_item(parser, parser->at, (size_t)(parser->end - parser->at),
		                 "comes without a comma before it");
	parser->at += parser->at < parser->end;
	return 0;
}

int ph_portspec_parse(const char *text, size_t length, unsigned plain,
                      const struct ph_services *services, struct ph_portspec *spec,
                      struct ph_error *error)
{
	struct parser parser = {
		.at = text,
		.end = text + length,
		.services = services,
		.spec = spec,
		.protos = plain,
		.error = error,
	};
	int r;

	memset(spec, 0, sizeof(*spec));
	for (;;) {
		skip_spaces(&parser);
		if (parser.at == parser.end)
			break;
		r = read_section(&parser);
		if (r == 0)
			r = read_item(&parser);
		if (r < 0)
			return r;
	}
	if (parser.registered)
		return fail_item(&parser, text, length, "has a bracket that is not closed");
	if (ph_ports_next(&spec->tcp, 0) < 0 && ph_ports_next(&spec->udp, 0) < 0)
		return fail_item(&parser, text, length, "names no port");
	return 0;
}
