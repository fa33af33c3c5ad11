/* Links: this namespace's network interfaces and their addresses. Source: rtnetlink(7), RTM_GETLINK
 * and RTM_GETADDR. */
#ifndef PORTHOLE_LINKS_H
#define PORTHOLE_LINKS_H

#include <stdint.h>

#include "porthole/context.h"

struct ph_link {
	uint32_t ifindex, master, parent; /* parent: IFLA_LINK; 0: none */
	uint32_t flags; /* IFF_*, netdevice(7) */
	uint32_t mtu, type; /* type: ARPHRD_* */
	uint32_t txqlen;
	uint8_t operstate; /* IF_OPER_*, linux/if.h */
	uint8_t mac_length, mac[32];
	char name[16]; /* bytes */
	char kind[16]; /* "bridge", "veth", ...; empty: a real or simple device */
	bool has_stats;
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, rx_errors, tx_errors, rx_dropped,
		tx_dropped;
	uint64_t rx_over, tx_over; /* rx_over_errors/fifo as struct rtnl_link_stats64 has them */
};

struct ph_address {
	uint32_t ifindex;
	uint32_t flags; /* IFA_F_* */
	uint8_t family, prefix, scope; /* scope: RT_SCOPE_* */
	uint8_t address[16]; /* the own address (IFA_LOCAL where there is one) */
	uint8_t peer[16]; /* of a point-to-point link */
	uint8_t broadcast[16];
	bool has_peer, has_broadcast;
};

struct ph_links {
	struct ph_link *links; /* owned, as the kernel orders them */
	size_t link_count, link_capacity;
	struct ph_address *addresses; /* owned, as the kernel orders them */
	size_t address_count, address_capacity;
	struct ph_reasons partial;
};

/*
 * Reads interfaces and addresses of this thread's network namespace. ph_links_free() releases the
 * result, also after a failure. Returns 0, or -errno with `error` filled: -ENOMEM, -ECANCELED,
 * -EACCES.
 */
int ph_links_read(struct ph_context *context, struct ph_links *links, struct ph_error *error);
void ph_links_free(struct ph_links *links);

/* The link with this index, or NULL. Borrowed from `links`. */
const struct ph_link *ph_links_find(const struct ph_links *links, uint32_t ifindex);

#endif
