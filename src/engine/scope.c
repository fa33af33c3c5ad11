/*
 * Scope: what may be probed. The check stands before every packet, on the address that is really
 * used, so everything that two notations could hide (v4-mapped addresses, zones, odd IPv4 numbers)
 * is normalised or refused here.
 */
#include "porthole/scope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/shown.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Four numbers of 0 to 255 without leading zeros: 010 is 8 to some readers and 10 to others. */
static bool read_dotted_quad(const char *text, size_t length, uint8_t address[4])
{
	const char *at = text, *end = text + length;

	for (int part = 0; part < 4; part++) {
		const char *start = at;
		unsigned value = 0;

		while (at < end && is_digit(*at) && at - start < 3)
			value = value * 10 + (unsigned)(*at++ - '0');
		if (at == start || value > 255 || (*start == '0' && at - start > 1))
			return false;
		address[part] = (uint8_t)value;
		if (part < 3 && (at == end || *at++ != '.'))
			return false;
	}
	return at == end;
}

/*
 * Whether inet_aton(3), and with it every resolver, would take the text for an IPv4 address: its
 * last part begins like a number (WHATWG URL, "ends in a number").
 */
static bool ends_in_number(const char *text, size_t length)
{
	size_t start, i;

	if (length > 0 && text[length - 1] == '.')
		length--;
	for (start = length; start > 0 && text[start - 1] != '.'; start--)
		;
	if (start == length)
		return false;
	if (length - start >= 2 && text[start] == '0' && (text[start + 1] | 0x20) == 'x')
		return true;
	for (i = start; i < length; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

/* A name may have what RFC 1123 allows, and the underscore that many use. */
static int check_name(const char *text, size_t length, struct ph_error *error)
{
	if (length == 0)
		return ph_fail(error, -EINVAL, "an address or a name is empty");
	if (length > 253)
		return ph_fail(error, -EINVAL, "%s is longer than a name can be (253 letters)",
		               shown(text, length).text);
	for (size_t i = 0; i < length; i++)
		if (!is_letter(text[i]) && !is_digit(text[i]) && !strchr("-_.", text[i]))
			return ph_fail(error, -EINVAL, "\"%s\" is neither an address nor a name",
			               shown(text, length).text);
	if (text[0] == '-' || text[0] == '.')
		return ph_fail(error, -EINVAL, "\"%s\" is neither an address nor a name",
		               shown(text, length).text);
	return 1;
}

static bool is_link_local(const uint8_t address[16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/* v4-mapped addresses reach IPv4 hosts; a zone means something only on a link (RFC 4007, 6). */
static void normalise(struct ph_host *host)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (host->family == AF_INET6 && memcmp(host->address, mapped, 12) == 0) {
		host->family = AF_INET;
		memmove(host->address, host->address + 12, 4);
		memset(host->address + 4, 0, 12);
	}
	if (host->family == AF_INET || !is_link_local(host->address))
		host->zone = 0;
}

static int read_zone(const char *text, size_t length, uint32_t *zone, struct ph_error *error)
{
	char name[IF_NAMESIZE];
	unsigned long number;
	char *end;

	if (length == 0 || length >= sizeof(name))
		return ph_fail(error, -EINVAL, "\"%s\" is no interface, so no zone of an address",
		               shown(text, length).text);
	memcpy(name, text, length);
	name[length] = '\0';
	*zone = if_nametoindex(name);
	if (*zone != 0)
		return 0;
	number = strtoul(name, &end, 10);
	if (is_digit(name[0]) && *end == '\0' && number > 0 && number <= INT32_MAX) {
		*zone = (uint32_t)number;
		return 0;
	}
	return ph_fail(error, -EINVAL, "there is no interface \"%s\", the zone of the address",
	               shown(text, length).text);
}

static int parse_inet6(const char *text, size_t length, struct ph_host *host,
                       struct ph_error *error)
{
	const char *percent = memchr(text, '%', length);
	size_t count = percent != NULL ? (size_t)(percent - text) : length;
	char address[INET6_ADDRSTRLEN];

	if (count >= sizeof(address))
		return ph_fail(error, -EINVAL, "\"%s\" is no IPv6 address",
		               shown(text, length).text);
	memcpy(address, text, count);
	address[count] = '\0';
	if (strlen(address) != count || inet_pton(AF_INET6, address, host->address) != 1)
		return ph_fail(error, -EINVAL, "\"%s\" is no IPv6 address",
		               shown(text, length).text);
	host->family = AF_INET6;
	if (percent != NULL && read_zone(percent + 1, length - count - 1, &host->zone, error) < 0)
		return -EINVAL;
	normalise(host);
	return 0;
}

int ph_host_parse(const char *text, size_t length, struct ph_host *host, struct ph_error *error)
{
	*host = (struct ph_host){ 0 };
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']')
		return parse_inet6(text + 1, length - 2, host, error);
	if (memchr(text, ':', length) != NULL)
		return parse_inet6(text, length, host, error);
	if (read_dotted_quad(text, length, host->address)) {
		host->family = AF_INET;
		return 0;
	}
	*host = (struct ph_host){ 0 };
	if (ends_in_number(text, length))
		return ph_fail(error, -EINVAL,
		               "%s is not an IPv4 address: write four decimal numbers of 0 to 255, "
		               "without leading zeros, as in 127.0.0.1",
		               shown(text, length).text);
	return check_name(text, length, error);
}

const char *ph_host_format(const struct ph_host *host, char text[PH_HOST_TEXT_BYTES])
{
	char name[IF_NAMESIZE];
	size_t length;

	if (inet_ntop(host->family, host->address, text, PH_HOST_TEXT_BYTES) == NULL)
		return strcpy(text, "?");
	length = strlen(text);
	if (host->zone != 0 && if_indextoname(host->zone, name) != NULL)
		snprintf(text + length, PH_HOST_TEXT_BYTES - length, "%%%s",
		         shown(name, strlen(name)).text);
	else if (host->zone != 0)
		snprintf(text + length, PH_HOST_TEXT_BYTES - length, "%%%u", host->zone);
	return text;
}

socklen_t ph_host_sockaddr(const struct ph_host *host, uint16_t port,
                           struct sockaddr_storage *address)
{
	memset(address, 0, sizeof(*address));
	if (host->family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

		memcpy(&in.sin_addr, host->address, 4);
		memcpy(address, &in, sizeof(in));
		return sizeof(in);
	} else {
		struct sockaddr_in6 in6 = {
			.sin6_family = AF_INET6,
			.sin6_port = htons(port),
			.sin6_scope_id = host->zone,
		};

		memcpy(&in6.sin6_addr, host->address, 16);
		memcpy(address, &in6, sizeof(in6));
		return sizeof(in6);
	}
}

int ph_host_from(const struct sockaddr *address, struct ph_host *host, uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*host = (struct ph_host){ .family = (uint8_t)address->sa_family };
	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		memcpy(host->address, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		memcpy(host->address, &in6.sin6_addr, 16);
		host->zone = in6.sin6_scope_id;
		*port = ntohs(in6.sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	normalise(host);
	return 0;
}

bool ph_host_equal(const struct ph_host *a, const struct ph_host *b)
{
	return a->family == b->family && a->zone == b->zone &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Reads "/24" behind an address of `most` bits. */
static int read_bits(const char *text, size_t length, unsigned most, unsigned *bits)
{
	*bits = 0;
	if (length == 0 || length > 3 || (text[0] == '0' && length > 1))
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(text[i]))
			return -EINVAL;
		*bits = *bits * 10 + (unsigned)(text[i] - '0');
	}
	return *bits <= most ? 0 : -EINVAL;
}

int ph_prefix_parse(const char *text, size_t length, struct ph_host_prefix *prefix,
                    struct ph_error *error)
{
	const char *slash = memchr(text, '/', length);
	size_t count = slash != NULL ? (size_t)(slash - text) : length;
	bool mapped;
	unsigned bits, most;
	int r;

	r = ph_host_parse(text, count, &prefix->host, error);
	if (r != 0)
		return r;
	/* A v4-mapped block is written with the bits of an IPv6 address. */
	mapped = prefix->host.family == AF_INET && memchr(text, ':', count) != NULL;
	most = prefix->host.family == AF_INET && !mapped ? 32 : 128;
	bits = most;
	if (slash != NULL &&
	    (read_bits(slash + 1, length - count - 1, most, &bits) < 0 || (mapped && bits < 96)))
		return ph_fail(error, -EINVAL, "\"%s\" is no block: its length goes from %d to %u",
		               shown(text, length).text, mapped ? 96 : 0, most);
	prefix->bits = (uint8_t)(mapped ? bits - 96 : bits);
	return 0;
}

bool ph_prefix_has(const struct ph_host_prefix *prefix, const struct ph_host *host)
{
	unsigned bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (prefix->host.family != host->family ||
	    (prefix->host.zone != 0 && prefix->host.zone != host->zone))
		return false;
	if (memcmp(prefix->host.address, host->address, bytes) != 0)
		return false;
	return rest == 0 || (prefix->host.address[bytes] ^ host->address[bytes]) >> (8 - rest) == 0;
}

static int add_prefix(struct ph_prefixes *prefixes, const struct ph_host *host, uint8_t bits)
{
	if (ph_reserve(&prefixes->items, prefixes->count, &prefixes->capacity,
	               sizeof(*prefixes->items)) < 0)
		return -ENOMEM;
	prefixes->items[prefixes->count++] = (struct ph_host_prefix){ *host, bits };
	return 0;
}

/* The last address of the network, and the one that the interface was given. */
static int add_broadcast(struct ph_scope *scope, const struct ph_address *address)
{
	struct ph_host host = { .family = AF_INET };
	uint32_t value;

	if (address->has_broadcast) {
		memcpy(host.address, address->broadcast, 4);
		if (add_prefix(&scope->broadcast, &host, 32) < 0)
			return -ENOMEM;
	}
	/* Networks of one or two addresses have none (RFC 3021). */
	if (address->prefix > 30)
		return 0;
	memcpy(&value, address->address, 4);
	value = htonl(ntohl(value) |
	              (address->prefix ? UINT32_MAX >> address->prefix : UINT32_MAX));
	memcpy(host.address, &value, 4);
	return add_prefix(&scope->broadcast, &host, 32);
}

int ph_scope_add_links(struct ph_scope *scope, const struct ph_links *links)
{
	for (size_t i = 0; i < links->address_count; i++) {
		const struct ph_address *address = &links->addresses[i];
		bool inet = address->family == AF_INET;
		struct ph_host host = { .family = address->family, .zone = address->ifindex };

		if (!inet && address->family != AF_INET6)
			continue;
		memcpy(host.address, address->address, inet ? 4 : 16);
		normalise(&host);
		if (add_prefix(&scope->own, &host, inet ? 32 : 128) < 0 ||
		    (inet && add_broadcast(scope, address) < 0))
			return -ENOMEM;
	}
	return 0;
}

int ph_scope_allow(struct ph_scope *scope, const char *text, size_t length, struct ph_error *error)
{
	struct ph_host_prefix prefix;
	int r = ph_prefix_parse(text, length, &prefix, error);

	if (r == 1)
		return ph_fail(error, -EINVAL,
		               "--scope %s: a scope is an address or a block such as 192.0.2.0/24, "
		               "not a name",
		               shown(text, length).text);
	if (r < 0)
		return r;
	if (add_prefix(&scope->allowed, &prefix.host, prefix.bits) < 0)
		return ph_fail(error, -ENOMEM, "adding to the scope: out of memory");
	return 0;
}

static bool has_host(const struct ph_prefixes *prefixes, const struct ph_host *host)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (ph_prefix_has(&prefixes->items[i], host))
			return true;
	return false;
}

enum ph_scope_verdict ph_scope_judge(const struct ph_scope *scope, const struct ph_host *host)
{
	static const struct ph_host_prefix loopback4 = { { AF_INET, { 127 }, 0 }, 8 };
	static const struct ph_host_prefix loopback6 = { { AF_INET6, { [15] = 1 }, 0 }, 128 };
	static const struct ph_host_prefix multicast4 = { { AF_INET, { 224 }, 0 }, 4 };
	static const struct ph_host_prefix multicast6 = { { AF_INET6, { 0xff }, 0 }, 8 };
	static const struct ph_host_prefix broadcast = { { AF_INET, { 255, 255, 255, 255 }, 0 },
		                                         32 };
	static const uint8_t zero[16];

	if (memcmp(host->address, zero, sizeof(zero)) == 0)
		return PH_SCOPE_UNSPECIFIED;
	if (ph_prefix_has(&multicast4, host) || ph_prefix_has(&multicast6, host))
		return PH_SCOPE_MULTICAST;
	if (ph_prefix_has(&loopback4, host) || ph_prefix_has(&loopback6, host))
		return PH_SCOPE_OWN;
	/* An address of this host that is also a network's last one is still this host's. */
	if (has_host(&scope->own, host))
		return PH_SCOPE_OWN;
	if (ph_prefix_has(&broadcast, host) || has_host(&scope->broadcast, host))
		return PH_SCOPE_BROADCAST;
	return has_host(&scope->allowed, host) ? PH_SCOPE_ALLOWED : PH_SCOPE_OUTSIDE;
}

int ph_scope_check(const struct ph_scope *scope, const struct ph_host *host, struct ph_error *error)
{
	enum ph_scope_verdict verdict = ph_scope_judge(scope, host);
	char text[PH_HOST_TEXT_BYTES];

	if (verdict == PH_SCOPE_OWN || verdict == PH_SCOPE_ALLOWED)
		return 0;
	ph_host_format(host, text);
	switch (verdict) {
	case PH_SCOPE_UNSPECIFIED:
		return ph_fail(error, -EACCES,
		               "%s is no host's address and is never probed, with --scope or "
		               "without: write 127.0.0.1 or ::1 for this host",
		               text);
	case PH_SCOPE_MULTICAST:
		return ph_fail(error, -EACCES,
		               "%s is a multicast address, which is never probed, with --scope or "
		               "without",
		               text);
	case PH_SCOPE_BROADCAST:
		return ph_fail(error, -EACCES,
		               "%s is a broadcast address, which is never probed, with --scope or "
		               "without",
		               text);
	default:
		return ph_fail(error, -EACCES,
		               "%s is not this host's own address: nothing was sent; if you may "
		               "probe it, say so with --scope %s",
		               text, text);
	}
}

void ph_scope_free(struct ph_scope *scope)
{
	free(scope->own.items);
	free(scope->broadcast.items);
	free(scope->allowed.items);
	*scope = (struct ph_scope){ 0 };
}
