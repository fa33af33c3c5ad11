/*
 * Scope: which addresses may be probed or connected to. This host's own addresses and loopback are
 * free; every other needs a prefix that the user named. Also the one place that reads and writes IP
 * addresses as text: RFC 4291 and RFC 4007 (zones) for IPv6, four decimal numbers for IPv4.
 */
#ifndef PORTHOLE_SCOPE_H
#define PORTHOLE_SCOPE_H

#include <stdint.h>
#include <sys/socket.h>

#include "porthole/links.h"

/*
 * An address as it is used. Always normal: v4-mapped ones are AF_INET, and only link-local IPv6
 * addresses have a zone.
 */
struct ph_host {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t address[16]; /* network byte order; IPv4 in the first 4 bytes, the rest zero */
	uint32_t zone; /* interface index; 0: none */
};

#define PH_HOST_TEXT_BYTES 64 /* an IPv6 address, "%", an interface's name */

/*
 * Reads one address. Returns 0; 1 when the text is none but may be a name; or -EINVAL with `error`
 * filled: an IPv4 address that is not four decimal numbers (127.1, 0x7f.1, 010.0.0.1, 2130706433),
 * an unknown zone, characters that no name has.
 */
int ph_host_parse(const char *text, size_t length, struct ph_host *host, struct ph_error *error);
/* Writes the address with its zone, an interface's name where it has one; returns `text`. */
const char *ph_host_format(const struct ph_host *host, char text[PH_HOST_TEXT_BYTES]);
/* For the system calls. Returns the length that is in use. */
socklen_t ph_host_sockaddr(const struct ph_host *host, uint16_t port,
                           struct sockaddr_storage *address);
/* From the system calls; normalised. 0, or -EAFNOSUPPORT for another family. */
int ph_host_from(const struct sockaddr *address, struct ph_host *host, uint16_t *port);
bool ph_host_equal(const struct ph_host *a, const struct ph_host *b);

struct ph_host_prefix {
	struct ph_host host;
	uint8_t bits; /* 0 to 32, or to 128 */
};

/* Reads "192.0.2.0/24", or an address alone. 0; 1: may be a name; -EINVAL with `error` filled. */
int ph_prefix_parse(const char *text, size_t length, struct ph_host_prefix *prefix,
                    struct ph_error *error);
/* A zone in the prefix binds; a prefix without one fits every zone. */
bool ph_prefix_has(const struct ph_host_prefix *prefix, const struct ph_host *host);

struct ph_prefixes {
	struct ph_host_prefix *items; /* owned */
	size_t count, capacity;
};

/* Zeroed: loopback only. ph_scope_free() releases it. */
struct ph_scope {
	struct ph_prefixes own; /* addresses of this host */
	struct ph_prefixes broadcast; /* of its networks */
	struct ph_prefixes allowed; /* what the user named */
};

enum ph_scope_verdict {
	PH_SCOPE_OWN, /* this host's, loopback included */
	PH_SCOPE_ALLOWED,
	PH_SCOPE_OUTSIDE,
	/* Never, whatever is allowed: */
	PH_SCOPE_UNSPECIFIED, /* 0.0.0.0, :: */
	PH_SCOPE_MULTICAST,
	PH_SCOPE_BROADCAST
};

/* Adds the addresses of this host, and the broadcast addresses of its networks. 0 or -ENOMEM. */
int ph_scope_add_links(struct ph_scope *scope, const struct ph_links *links);
/* Allows a prefix, "192.0.2.0/24" or one address. 0, or -EINVAL or -ENOMEM with `error` filled. */
int ph_scope_allow(struct ph_scope *scope, const char *text, size_t length, struct ph_error *error);
enum ph_scope_verdict ph_scope_judge(const struct ph_scope *scope, const struct ph_host *host);
/* 0, or -EACCES with `error` filled: it names the address, and --scope where that would help. */
int ph_scope_check(const struct ph_scope *scope, const struct ph_host *host,
                   struct ph_error *error);
void ph_scope_free(struct ph_scope *scope);

#endif
