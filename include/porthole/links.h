/* Links: this namespace's network interfaces and their addresses. Source: rtnetlink(7), RTM_GETLINK
 * and RTM_GETADDR. */
#ifndef PORTHOLE_LINKS_H
#define PORTHOLE_LINKS_H

#include <stdint.h>

#include "porthole/context.h"

/*
 * Counted since the device was made: struct rtnl_link_stats64 (linux/if_link.h). /proc/net/dev and
 * with it netstat -i show these: drop is rx_dropped + rx_missed, fifo ("OVR") rx_fifo and tx_fifo,
 * frame rx_frame, colls collisions, carrier tx_carrier.
 */
struct ph_link_stats {
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, rx_missed, rx_fifo;
	uint64_t rx_frame; /* length, overrun, CRC and frame errors together */
	uint64_t rx_over, rx_compressed, multicast;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped, tx_fifo, collisions;
	uint64_t tx_carrier; /* carrier, aborted, window and heartbeat errors together */
	uint64_t tx_compressed;
};

struct ph_link {
	uint32_t ifindex, master, parent; /* parent: IFLA_LINK; 0: none */
	bool parent_elsewhere; /* `parent` is an index of another namespace, as of a veth's peer */
	uint32_t flags; /* IFF_*, netdevice(7) */
	uint32_t mtu, type; /* type: ARPHRD_* */
	uint32_t txqlen;
	uint8_t operstate; /* IF_OPER_*, linux/if.h */
	uint8_t mac_length, mac[32];
	char name[16]; /* bytes */
	char kind[16]; /* "bridge", "veth", ...; empty: a real or simple device */
	bool has_stats;
	struct ph_link_stats stats;
	/* The hardware's resources, as ifconfig prints them; 0: none. */
	uint64_t memory_start, memory_end, base_address;
	uint16_t interrupt;
	uint8_t dma, port;
};

struct ph_address {
	uint32_t ifindex;
	uint32_t flags; /* IFA_F_* */
	uint8_t family, prefix, scope; /* scope: RT_SCOPE_* */
	uint8_t address[16]; /* the own address (IFA_LOCAL where there is one) */
	uint8_t peer[16]; /* of a point-to-point link */
	uint8_t broadcast[16];
	bool has_peer, has_broadcast;
	char label[16]; /* IPv4: the device's name, maybe with ":1"; bytes; empty: none */
	uint32_t valid_s, preferred_s; /* seconds that are left; UINT32_MAX: for ever */
};

struct ph_links {
	struct ph_link *links; /* owned, as the kernel orders them */
	size_t link_count, link_capacity;
	bool unordered; /* they do not ascend by ifindex, as newer kernels have them */
	struct ph_address *addresses; /* owned, as the kernel orders them */
	size_t address_count, address_capacity;
	struct ph_reasons partial;
};

/*
 * Reads interfaces and addresses of this thread's network namespace: by rtnetlink, or where that is
 * refused, by ioctls and /proc/net with less of them and a reason in `links->partial` (rx_dropped
 * then has rx_missed in it). ph_links_free() releases the result, also after a failure. Returns 0,
 * or -errno with `error` filled: -ENOMEM, -ECANCELED, -EACCES, -EBADMSG (an answer that
 * rtnetlink(7) does not allow).
 */
int ph_links_read(struct ph_context *context, struct ph_links *links, struct ph_error *error);
void ph_links_free(struct ph_links *links);

/* The link with this index, or NULL. Borrowed from `links`. */
const struct ph_link *ph_links_find(const struct ph_links *links, uint32_t ifindex);

#endif
