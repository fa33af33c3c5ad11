/*
 * Targets: names, addresses, blocks and octet ranges -> the addresses to probe, each once, in the
 * order in which they were named, and each in scope.
 */
#ifndef PORTHOLE_TARGETS_H
#define PORTHOLE_TARGETS_H

#include "porthole/scope.h"

/* Most addresses that one list may mean. */
#define PH_TARGETS_MAX (1u << 20)

struct ph_hosts {
	struct ph_host *items; /* owned */
	size_t count, capacity;
};

void ph_hosts_free(struct ph_hosts *hosts);

/*
 * Adds the addresses of a name to `hosts`. `family`: AF_INET, AF_INET6, or AF_UNSPEC for both.
 * Returns 0 with at least one, or -errno with `error` filled: -ENOENT (no such name, or no such
 * address of it), -EAGAIN (no answer now), -EIO, -ENOMEM, -ECANCELED.
 */
typedef int ph_resolve_fn(struct ph_context *context, const char *name, int family,
                          struct ph_hosts *hosts, struct ph_error *error);

/* Asks getaddrinfo(3), in a thread of its own, so that a cancelled context need not wait for it. */
int ph_resolve(struct ph_context *context, const char *name, int family, struct ph_hosts *hosts,
               struct ph_error *error);

/* A set of addresses that can be walked: four sets of octets, or an IPv6 prefix. */
struct ph_pattern {
	struct ph_host_prefix prefix; /* family of the pattern; the prefix of an IPv6 one */
	uint64_t octets[4][4]; /* IPv4: bit n of octets[i]: n is allowed there */
};

struct ph_target {
	struct ph_host host;
	uint32_t name; /* index into ph_targets.names: as the user named it */
	bool own; /* this host's own address */
};

/* Zeroed: none. ph_targets_free() releases it. */
struct ph_targets {
	struct ph_target *items; /* owned */
	size_t count, capacity;
	char **names; /* owned */
	size_t name_count, name_capacity;
	struct ph_pattern *excluded; /* owned */
	size_t excluded_count, excluded_capacity;
	uint32_t *index; /* owned: hash table of 1 + index into items */
	size_t index_size;
	struct ph_reasons partial; /* addresses that were left out, a sentence each */
};

struct ph_target_rules {
	const struct ph_scope *scope;
	int family; /* which of a name's addresses: AF_INET or AF_INET6 */
	ph_resolve_fn *resolve; /* NULL: ph_resolve */
};

/*
 * Leaves out what `text` (one target, or several with commas) means from everything that is added
 * later. Same errors as ph_targets_add(), without -EACCES.
 */
int ph_targets_exclude(struct ph_context *context, struct ph_targets *targets, const char *text,
                       size_t length, const struct ph_target_rules *rules, struct ph_error *error);

/*
 * Adds one target: "192.0.2.7", "192.0.2.0/24", "192.0.2.1-3", "192.0.*.1,9", "fe80::1%eth0",
 * "2001:db8::/120", "host.example". Of a name's addresses, those in scope are added and the others
 * named in `partial`; anything else that means one address out of scope is refused whole. A block's
 * broadcast addresses are left out. Returns 0, or -errno with `error` filled: -EINVAL, -EACCES (out
 * of scope), -E2BIG (more than PH_TARGETS_MAX), -ENOMEM, and what resolving a name answers.
 */
int ph_targets_add(struct ph_context *context, struct ph_targets *targets, const char *text,
                   size_t length, const struct ph_target_rules *rules, struct ph_error *error);
void ph_targets_free(struct ph_targets *targets);

#endif
