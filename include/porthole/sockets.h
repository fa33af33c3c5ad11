/*
 * Sockets: what the kernel knows of each one. Sources: sock_diag(7), linux/inet_diag.h,
 * unix_diag.h, packet_diag.h, netlink_diag.h, vm_sockets_diag.h, xdp_diag.h; where sock_diag lacks
 * a family or is refused, proc(5) /proc/net.
 */
#ifndef PORTHOLE_SOCKETS_H
#define PORTHOLE_SOCKETS_H

#include <stdint.h>

#include "porthole/context.h"

/* In the order in which they are listed. */
enum ph_proto {
	PH_TCP,
	PH_MPTCP,
	PH_UDP,
	PH_UDPLITE,
	PH_SCTP,
	PH_DCCP,
	PH_RAW,
	PH_ICMP, /* ICMP: ping sockets, icmp(7) */
	PH_UNIX_STREAM,
	PH_UNIX_DGRAM,
	PH_UNIX_SEQPACKET,
	PH_PACKET,
	PH_NETLINK,
	PH_VSOCK,
	PH_XDP,
	PH_PROTO_COUNT
};

/* The kernel's own numbers (net/tcp_states.h), which other families use too. 0: a family without
 * states. */
enum ph_state {
	PH_STATE_NONE,
	PH_ESTAB,
	PH_SYN_SENT,
	PH_SYN_RECV,
	PH_FIN_WAIT_1,
	PH_FIN_WAIT_2,
	PH_TIME_WAIT,
	PH_UNCONN,
	PH_CLOSE_WAIT,
	PH_LAST_ACK,
	PH_LISTEN,
	PH_CLOSING,
	PH_NEW_SYN_RECV,
	PH_BOUND_INACTIVE,
	PH_STATE_COUNT
};

#define PH_UNKNOWN     (-1) /* of a yes-or-no fact */
#define PH_UID_UNKNOWN UINT32_MAX

/*
 * One socket. What is said of addresses and ports holds for the internet families; the others use
 * the same fields: vsock: laddr and raddr hold cid and port, 4 bytes each in network byte order
 * (all ones: any), lport and rport the port where it fits 16 bits. Netlink: lport is its protocol
 * (NETLINK_ROUTE, ...), laddr and raddr begin with the port ids, network byte order. Packet: lport
 * is its protocol (ETH_P_*). XDP: lport is its queue.
 */
struct ph_socket {
	uint64_t cookie; /* its identity while the host runs; 0: unknown (/proc/net) */
	uint64_t cgroup; /* id of the control group it was made in; 0: unknown */
	uint32_t inode; /* of its file; 0: none (TIME_WAIT, orphan, not yet accepted) */
	uint32_t uid; /* of the user who made it; PH_UID_UNKNOWN */
	/* Bytes; of a listener: the connections that wait, and the most that may wait. */
	uint32_t recvq, sendq;
	uint32_t ifindex; /* of the device it is bound to; 0: none, or unknown where cookie is 0 */
	uint32_t mark; /* 0 also where the reader lacks CAP_NET_ADMIN */
	uint32_t timer_ms; /* until `timer` expires */
	uint32_t detail; /* 1 + index into ph_sockets.details; 0: none was asked for or given */
	uint32_t name; /* offset of a Unix socket's path in ph_sockets.names */
	uint32_t references; /* as /proc/net counts them; 0: read by sock_diag, which does not */
	uint16_t name_length; /* bytes, a leading NUL of an abstract name included; 0: not bound */
	uint16_t netns; /* index into the namespaces that were asked; 0: the caller's own */
	uint16_t lport, rport; /* host byte order; raw sockets: lport is the IP protocol */
	uint8_t laddr[16], raddr[16]; /* network byte order; IPv4 in the first 4 bytes */
	uint8_t family; /* AF_INET, AF_INET6, AF_UNIX, AF_PACKET, AF_NETLINK, AF_VSOCK, AF_XDP */
	uint8_t proto; /* enum ph_proto */
	uint8_t state; /* enum ph_state */
	uint8_t type; /* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET */
	/* idiag_timer: 0 none, 1 retransmit, 2 keepalive, 3 TIME_WAIT, 4 zero window probe */
	uint8_t timer;
	uint8_t retransmits; /* since the last acknowledgement; probes for timers 2 and 4 */
	uint8_t probes; /* unanswered probes, only from /proc/net */
	uint8_t shutdown; /* bit 0 receive, bit 1 send */
	int8_t v6only; /* 0, 1, PH_UNKNOWN; only IPv6 sockets in LISTEN or UNCONN have it */
	/* 1: a TCP listener beside another on the same address, port and device, which both need
	 * SO_REUSEPORT; else PH_UNKNOWN, since the kernel does not tell. */
	int8_t reuseport;
};

/* Costly facts, only when ph_socket_query.details is set. Zero length or `has_` false: the kernel
 * sent none. */
struct ph_socket_detail {
	uint8_t has_mem, has_unix;
	uint16_t tcp_info_length;
	uint32_t mem[9]; /* SK_MEMINFO_*, linux/sock_diag.h: bytes, but [8] is a count of drops */
	/* struct tcp_info (linux/tcp.h) as the kernel sent it; it grows with the kernel. */
	_Alignas(8) uint8_t tcp_info[400];
	char congestion[16];
	uint32_t unix_peer; /* inode of the peer; 0: none */
	uint32_t unix_pending; /* connections waiting */
	uint32_t unix_device, unix_inode; /* of the path's file, major/minor as stat has them */
};

struct ph_sockets {
	struct ph_socket *items; /* owned */
	size_t count, capacity;
	struct ph_socket_detail *details; /* owned */
	size_t detail_count, detail_capacity;
	char *names; /* owned; Unix paths, not NUL-terminated */
	size_t names_length, names_capacity;
	struct ph_reasons partial;
};

struct ph_range { /* inclusive */
	uint16_t low, high;
};

struct ph_prefix {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t length; /* bits */
	uint8_t address[16];
};

/* What is asked of the kernel, which selects as much of it as it can; the rest is selected here.
 * Zero: everything. */
struct ph_socket_query {
	uint32_t protos; /* 1 << enum ph_proto; 0: all */
	uint32_t states; /* 1 << enum ph_state; 0: all but BOUND_INACTIVE */
	/* 1: AF_INET, 2: AF_INET6; 0: both. Other families follow from `protos`. */
	uint32_t families;
	const struct ph_range *lports, *rports, *ports; /* `ports`: either end */
	size_t lport_count, rport_count, port_count;
	const struct ph_prefix *laddrs, *raddrs;
	size_t laddr_count, raddr_count;
	uint32_t ifindex; /* bound to this device; 0: any */
	bool details;
	/* Read /proc/net only, in its order: what netstat sees, references and probes included. */
	bool proc;
};

/*
 * Adds the sockets of this thread's network namespace to `sockets` (zero it before the first call),
 * each once, in the order of enum ph_proto, with `netns` as their index. ph_sockets_free() releases
 * the result, also after a failure. What could not be read is a reason in `sockets->partial`, with
 * /proc/net's rows instead where sock_diag is refused or absent: cookie 0, v6only PH_UNKNOWN. A
 * family that this kernel does not have is nothing missing, unless it was asked for by name.
 *
 * The engine selects a superset: a prefix of IPv4 also matches mapped addresses (::ffff:0:0/96).
 * TCP knows no UNCONN: a socket that is bound and nothing else is BOUND_INACTIVE, known to
 * Linux 6.8 and later and given only when `states` names it (ss -a and netstat leave it out too).
 * NEW_SYN_RECV is given and taken as SYN_RECV.
 * An MPTCP listener is listed as PH_MPTCP and, with the same inode, as PH_TCP. Every association
 * of an SCTP socket is a row with that socket's cookie.
 *
 * Returns 0, or -errno with `error` filled: -ENOMEM, -ECANCELED, -EMFILE, -EBADMSG (netlink sent
 * what it never should), -EACCES (neither sock_diag nor /proc/net can be read).
 */
int ph_sockets_read(struct ph_context *context, const struct ph_socket_query *query, uint16_t netns,
                    struct ph_sockets *sockets, struct ph_error *error);
void ph_sockets_free(struct ph_sockets *sockets);

/* "tcp", "udp", "raw", ..., "unix-stream", "unix-dgram", "unix-seqpacket", ...; NULL beyond the
 * last. */
const char *ph_proto_name(unsigned proto);
/* As ss spells it, in lower case: "listen", "estab", "time-wait", "unconn"; NULL for none and
 * beyond the last. */
const char *ph_state_name(unsigned state);

#endif
