/*
 * Internet sockets by sock_diag. Sources: sock_diag(7), linux/inet_diag.h, the kernel's
 * net/ipv4/{inet,tcp,udp,raw}_diag.c, net/mptcp/mptcp_diag.c, net/sctp/diag.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/sockets_reader.h"

/* Numbers that older headers lack. */
#define PROTOCOL_MPTCP   262
#define REQUEST_PROTOCOL 3 /* INET_DIAG_REQ_PROTOCOL, Linux 5.9 */
#define ATTRIBUTE_CGROUP 21 /* INET_DIAG_CGROUP_ID, Linux 5.9 */
#define BYTECODE_BYTES   16384
#define TCP_STATE_CLOSE  7
#define ALL_STATES       ((1u << PH_STATE_COUNT) - 2)
/* The fewest chains that the kernel's table of UDP sockets has (UDP_HTABLE_SIZE_MIN). */
#define LEAST_UDP_CHAINS 256
/* How often sockets in chains that a datagram's end tore apart are read. */
#define TORN_READINGS 3

static const struct inet_protocol {
	uint16_t number;
	uint8_t type;
	const char *name;
} protocols[PH_PROTO_COUNT] = {
	[PH_TCP] = { IPPROTO_TCP, SOCK_STREAM, "TCP" },
	[PH_MPTCP] = { PROTOCOL_MPTCP, SOCK_STREAM, "MPTCP" },
	[PH_UDP] = { IPPROTO_UDP, SOCK_DGRAM, "UDP" },
	[PH_UDPLITE] = { IPPROTO_UDPLITE, SOCK_DGRAM, "UDP-Lite" },
	[PH_SCTP] = { IPPROTO_SCTP, SOCK_SEQPACKET, "SCTP" },
	[PH_DCCP] = { IPPROTO_DCCP, SOCK_DGRAM, "DCCP" },
	[PH_RAW] = { IPPROTO_RAW, SOCK_RAW, "raw" },
};

/* ------------------------------------------------------------ one message */

static void read_identity(const struct inet_diag_msg *from, struct ph_socket *row)
{
	size_t bytes = from->idiag_family == AF_INET ? 4 : 16;

	row->family = from->idiag_family;
	row->lport = ntohs(from->id.idiag_sport);
	row->rport = ntohs(from->id.idiag_dport);
	memcpy(row->laddr, from->id.idiag_src, bytes);
	memcpy(row->raddr, from->id.idiag_dst, bytes);
	row->ifindex = from->id.idiag_if;
	row->cookie = (uint64_t)from->id.idiag_cookie[1] << 32 | from->id.idiag_cookie[0];
}

static uint8_t state_of(const struct inet_diag_msg *from, uint8_t proto)
{
	if (from->idiag_state >= PH_STATE_COUNT)
		return PH_STATE_NONE;
	if (from->idiag_state == PH_NEW_SYN_RECV)
		return PH_SYN_RECV;
	/* The kernel shows a TCP socket in CLOSE only when asked for those that are bound. */
	if (proto == PH_TCP && from->idiag_state == TCP_STATE_CLOSE)
		return PH_BOUND_INACTIVE;
	return from->idiag_state;
}

static void read_message(const struct inet_diag_msg *from, uint8_t proto, struct ph_socket *row)
{
	read_identity(from, row);
	row->proto = proto;
	row->type = protocols[proto].type;
	row->state = state_of(from, proto);
	row->timer = from->idiag_timer;
	row->retransmits = from->idiag_retrans;
	row->timer_ms = from->idiag_expires;
	row->recvq = from->idiag_rqueue;
	row->sendq = from->idiag_wqueue;
	row->uid = from->idiag_uid;
	row->inode = from->idiag_inode;
	row->v6only = PH_UNKNOWN;
	row->reuseport = PH_UNKNOWN;
}

static int read_tcp_info(struct ph_socket_reader *reader, struct ph_socket *row, const void *bytes,
                         size_t length)
{
	struct ph_socket_detail *detail;

	/* MPTCP and SCTP send structures of their own here. */
	if (row->proto != PH_TCP)
		return 0;
	detail = ph_reader_detail(reader, row);
	if (detail == NULL)
		return -ENOMEM;
	if (length > sizeof(detail->tcp_info))
		length = sizeof(detail->tcp_info);
	memcpy(detail->tcp_info, bytes, length);
	detail->tcp_info_length = (uint16_t)length;
	return 0;
}

static int read_congestion(struct ph_socket_reader *reader, struct ph_socket *row,
                           const char *bytes, size_t length)
{
	struct ph_socket_detail *detail = ph_reader_detail(reader, row);

	if (detail == NULL)
		return -ENOMEM;
	if (length > sizeof(detail->congestion) - 1)
		length = sizeof(detail->congestion) - 1;
	memcpy(detail->congestion, bytes, length);
	detail->congestion[length] = '\0';
	return 0;
}

/* SCTP: an association has peers, and numbers its states in its own way (enum sctp_state). */
static void read_association(struct ph_socket *row)
{
	static const uint8_t states[] = {
		PH_UNCONN,     PH_SYN_SENT,   PH_SYN_SENT,   PH_ESTAB,
		PH_FIN_WAIT_1, PH_FIN_WAIT_1, PH_CLOSE_WAIT, PH_LAST_ACK
	};

	row->state = row->state < sizeof(states) ? states[row->state] : PH_STATE_NONE;
}

static int read_attribute(struct ph_socket_reader *reader, struct ph_socket *row,
                          const struct ph_attribute *attribute)
{
	const void *bytes = attribute->bytes;
	size_t length = attribute->length;

	switch (attribute->type) {
	case INET_DIAG_SHUTDOWN:
		if (length >= 1)
			row->shutdown = *(const uint8_t *)bytes & 3;
		return 0;
	case INET_DIAG_SKV6ONLY:
		if (length >= 1)
			row->v6only = *(const uint8_t *)bytes != 0;
		return 0;
	case INET_DIAG_MARK:
		if (length >= sizeof(row->mark))
			memcpy(&row->mark, bytes, sizeof(row->mark));
		return 0;
	case ATTRIBUTE_CGROUP:
		if (length >= sizeof(row->cgroup))
			memcpy(&row->cgroup, bytes, sizeof(row->cgroup));
		return 0;
	case INET_DIAG_SKMEMINFO:
		return ph_reader_memory(reader, row, attribute);
	case INET_DIAG_INFO:
		return read_tcp_info(reader, row, bytes, length);
	case INET_DIAG_CONG:
		return read_congestion(reader, row, bytes, length);
	case INET_DIAG_PEERS:
		if (row->proto == PH_SCTP)
			read_association(row);
		return 0;
	}
	return 0;
}

/*
 * A dump goes on at an index into a hash chain: when an earlier socket of that chain was closed in
 * the meantime, one is passed over, and the kernel does not say so. Such a chain surely continues
 * over two datagrams where a listener's port, or a UDP port modulo the least table size, does.
 */
static bool same_chain(const struct ph_socket *a, const struct ph_socket *b)
{
	if (a->proto != b->proto || a->family != b->family)
		return false;
	if (a->proto == PH_UDP || a->proto == PH_UDPLITE)
		return (a->lport - b->lport) % LEAST_UDP_CHAINS == 0;
	return a->state == PH_LISTEN && b->state == PH_LISTEN && a->lport == b->lport;
}

/* Whether a datagram ended within a chain before `row`. All datagrams lie in the same buffer, so
 * that a message which is not behind the last one begins a new datagram. */
static void note_torn_chain(struct ph_socket_reader *reader, const struct nlmsghdr *message,
                            const struct ph_socket *row)
{
	if (message <= reader->last_message && reader->sockets->count > reader->began &&
	    same_chain(row - 1, row))
		reader->torn = true;
	reader->last_message = message;
}

static int each_inet(const struct nlmsghdr *message, void *data)
{
	struct ph_socket_reader *reader = data;
	const struct inet_diag_msg *from = mnl_nlmsg_get_payload(message);
	struct ph_attributes attributes;
	struct ph_attribute attribute;
	struct ph_socket *row;
	int r;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY && message->nlmsg_type != TCPDIAG_GETSOCK)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*from))
		return -EBADMSG;
	if (from->idiag_family != AF_INET && from->idiag_family != AF_INET6)
		return -EBADMSG;
	row = ph_reader_row(reader);
	if (row == NULL)
		return -ENOMEM;
	read_message(from, reader->proto, row);
	note_torn_chain(reader, message, row);
	attributes = ph_attributes_of(message, sizeof(*from));
	while ((r = ph_attribute_next(&attributes, &attribute)) > 0) {
		r = read_attribute(reader, row, &attribute);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : ph_reader_keep(reader, row);
}

/* ------------------------------------------------------------ the request */

static uint32_t kernel_states(const struct ph_socket_query *query, uint8_t proto)
{
	uint32_t states = query->states;

	/* Walking the table of what is bound would cost a tenth of all. */
	if (states == 0)
		return ALL_STATES & ~(1u << PH_BOUND_INACTIVE);
	if (states & 1u << PH_NEW_SYN_RECV)
		states |= 1u << PH_SYN_RECV;
	/* SCTP's associations have numbers of their own, and are selected here. */
	if (proto == PH_SCTP && (states & ~(1u << PH_LISTEN)))
		return ALL_STATES;
	return states & ALL_STATES;
}

static uint8_t extensions(const struct ph_socket_query *query)
{
	if (!query->details)
		return 0;
	return 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1) |
	       1 << (INET_DIAG_SKMEMINFO - 1);
}

/*
 * The request of before Linux 3.3 takes no family, and thus gives TCP's both: the kernel then
 * walks its tables once instead of twice.
 */
static void put_both_families(struct nlmsghdr *request, const struct ph_socket_query *query)
{
	struct inet_diag_req *wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));

	request->nlmsg_type = TCPDIAG_GETSOCK;
	wanted->idiag_states = kernel_states(query, PH_TCP);
	wanted->idiag_ext = extensions(query);
}

static void put_family(struct nlmsghdr *request, const struct ph_socket_query *query, uint8_t proto,
                       uint8_t family)
{
	struct inet_diag_req_v2 *wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	uint32_t number = protocols[proto].number;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	wanted->sdiag_family = family;
	/* 8 bits are too few for MPTCP. A kernel that does not know the attribute finds no
	 * protocol 0. */
	wanted->sdiag_protocol = number <= UINT8_MAX ? (uint8_t)number : 0;
	wanted->idiag_states = kernel_states(query, proto);
	wanted->idiag_ext = extensions(query);
	if (number > UINT8_MAX)
		mnl_attr_put_u32(request, REQUEST_PROTOCOL, number);
}

static int dump_request(struct ph_socket_reader *reader, uint8_t family, const void *code,
                        size_t length)
{
	/* Aligned for the headers in it. */
	uint32_t room[(BYTECODE_BYTES + 256) / sizeof(uint32_t)];
	struct nlmsghdr *request = mnl_nlmsg_put_header(room);
	char what[64];

	snprintf(what, sizeof(what), "reading %s sockets", protocols[reader->proto].name);
	if (family == AF_UNSPEC)
		put_both_families(request, reader->query);
	else
		put_family(request, reader->query, reader->proto, family);
	if (length > 0)
		mnl_attr_put(request, INET_DIAG_REQ_BYTECODE, length, code);
	return ph_reader_dump(reader, request, each_inet, what);
}

static int dump_family(struct ph_socket_reader *reader, uint8_t family)
{
	uint32_t code[BYTECODE_BYTES / sizeof(uint32_t)];
	size_t length = ph_query_bytecode(reader->query, code, sizeof(code));
	int r = dump_request(reader, family, code, length);

	/* A kernel that lacks one of the conditions: all is selected here then. */
	if (r == -EINVAL && length > 0)
		r = dump_request(reader, family, code, 0);
	return r;
}

/* A chain that was torn apart is read again, and what appears then is added. */
static int read_family(struct ph_socket_reader *reader, uint8_t family)
{
	int r = 0, changing = 0;

	reader->torn = false;
	for (int reading = 0; reading < TORN_READINGS; reading++) {
		r = dump_family(reader, family);
		if (r < 0)
			return r;
		changing = r;
		if (!reader->torn)
			break;
	}
	return changing;
}

int ph_read_inet(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t families = reader->query->families != 0 ? reader->query->families : 3;
	int r4 = 0, r6 = 0;

	reader->proto = proto;
	if (proto == PH_TCP && families == 3) {
		r4 = read_family(reader, AF_UNSPEC);
		if (r4 >= 0 || !ph_reader_falls_back(r4))
			return r4;
	}
	r4 = families & 1 ? read_family(reader, AF_INET) : 0;
	if (r4 < 0)
		return r4;
	r6 = families & 2 ? read_family(reader, AF_INET6) : 0;
	return r6 < 0 ? r6 : r4 | r6;
}
