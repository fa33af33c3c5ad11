/*
 * Groups: multicast groups that this namespace has joined, by device. Sources: proc(5)
 * /proc/net/igmp and /proc/net/igmp6; RFC 3376 (IGMPv3), RFC 3810 (MLDv2).
 */
#ifndef PORTHOLE_GROUPS_H
#define PORTHOLE_GROUPS_H

#include <stdint.h>

#include "porthole/context.h"

struct ph_group {
	uint32_t ifindex;
	uint32_t users; /* how often it was joined: netstat's RefCnt */
	uint32_t flags; /* IPv6: MAF_* of net/if_inet6.h, 4 timer running, 8 loaded, ...; IPv4: 0 */
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t version; /* IPv4: of IGMP as the device's querier speaks it, 1 to 3; 0: unknown */
	uint8_t address[16]; /* network byte order; IPv4 in the first 4 bytes */
	char device[16]; /* bytes */
};

struct ph_groups {
	struct ph_group *items; /* owned: IPv4, then IPv6, as the kernel orders them */
	size_t count, capacity;
	struct ph_reasons partial; /* lines that could not be understood */
};

/*
 * Reads the groups of this thread's network namespace; a missing file has none. ph_groups_free()
 * releases the result, also after a failure. Returns 0, or -errno with `error` filled: -ENOMEM,
 * -ECANCELED, -EACCES, -EFBIG (a file over 64 MiB).
 */
int ph_groups_read(struct ph_context *context, struct ph_groups *groups, struct ph_error *error);
void ph_groups_free(struct ph_groups *groups);

/* Adds the groups of one such text, igmp's for AF_INET and igmp6's for AF_INET6. 0 or -ENOMEM. */
int ph_groups_parse(const char *text, size_t length, uint8_t family, struct ph_groups *groups);

#endif
