/*
 * Packet, netlink, vsock and XDP sockets by sock_diag. Sources: linux/packet_diag.h,
 * netlink_diag.h, vm_sockets_diag.h, xdp_diag.h, and the kernel's files of these names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/sockets_reader.h"

/* How one family tells its own: the fixed part of a message, and what may follow it. */
struct teller {
	size_t header;
	void (*message)(const void *from, struct ph_socket *row);
	/* Where the attributes that all have stand in this family; -1: it has none. */
	int memory, uid, info;
	void (*about)(const void *info, struct ph_socket *row);
	size_t info_bytes;
};

static uint64_t cookie_of(const uint32_t cookie[2])
{
	return (uint64_t)cookie[1] << 32 | cookie[0];
}

static uint8_t known_state(uint8_t state)
{
	return state < PH_STATE_COUNT ? state : PH_STATE_NONE;
}

static void put_number(uint8_t *address, uint32_t number)
{
	uint32_t swapped = htonl(number);

	memcpy(address, &swapped, sizeof(swapped));
}

/* ------------------------------------------------------------ the families */

static void packet_message(const void *bytes, struct ph_socket *row)
{
	const struct packet_diag_msg *from = bytes;

	row->proto = PH_PACKET;
	row->family = AF_PACKET;
	row->type = from->pdiag_type;
	row->lport = from->pdiag_num;
	row->inode = from->pdiag_ino;
	row->cookie = cookie_of(from->pdiag_cookie);
}

static void packet_info(const void *bytes, struct ph_socket *row)
{
	const struct packet_diag_info *info = bytes;

	row->ifindex = info->pdi_index;
}

static void netlink_message(const void *bytes, struct ph_socket *row)
{
	const struct netlink_diag_msg *from = bytes;

	row->proto = PH_NETLINK;
	row->family = AF_NETLINK;
	row->type = from->ndiag_type;
	row->state = known_state(from->ndiag_state);
	row->lport = from->ndiag_protocol;
	put_number(row->laddr, from->ndiag_portid);
	put_number(row->raddr, from->ndiag_dst_portid);
	row->inode = from->ndiag_ino;
	row->cookie = cookie_of(from->ndiag_cookie);
}

static void vsock_message(const void *bytes, struct ph_socket *row)
{
	const struct vsock_diag_msg *from = bytes;

	row->proto = PH_VSOCK;
	row->family = AF_VSOCK;
	row->type = from->vdiag_type;
	row->state = known_state(from->vdiag_state);
	row->shutdown = from->vdiag_shutdown & 3;
	put_number(row->laddr, from->vdiag_src_cid);
	put_number(row->laddr + 4, from->vdiag_src_port);
	put_number(row->raddr, from->vdiag_dst_cid);
	put_number(row->raddr + 4, from->vdiag_dst_port);
	row->lport = from->vdiag_src_port <= UINT16_MAX ? (uint16_t)from->vdiag_src_port : 0;
	row->rport = from->vdiag_dst_port <= UINT16_MAX ? (uint16_t)from->vdiag_dst_port : 0;
	row->inode = from->vdiag_ino;
	row->cookie = cookie_of(from->vdiag_cookie);
}

static void xdp_message(const void *bytes, struct ph_socket *row)
{
	const struct xdp_diag_msg *from = bytes;

	row->proto = PH_XDP;
	row->family = AF_XDP;
	row->type = from->xdiag_type;
	row->inode = from->xdiag_ino;
	row->cookie = cookie_of(from->xdiag_cookie);
}

static void xdp_info(const void *bytes, struct ph_socket *row)
{
	const struct xdp_diag_info *info = bytes;

	row->ifindex = info->ifindex;
	row->lport = (uint16_t)info->queue_id;
}

static const struct teller packet_teller = {
	.header = sizeof(struct packet_diag_msg),
	.message = packet_message,
	.memory = PACKET_DIAG_MEMINFO,
	.uid = PACKET_DIAG_UID,
	.info = PACKET_DIAG_INFO,
	.about = packet_info,
	.info_bytes = sizeof(struct packet_diag_info),
};

static const struct teller netlink_teller = {
	.header = sizeof(struct netlink_diag_msg),
	.message = netlink_message,
	.memory = NETLINK_DIAG_MEMINFO,
	.uid = -1,
	.info = -1,
};

static const struct teller vsock_teller = {
	.header = sizeof(struct vsock_diag_msg),
	.message = vsock_message,
	.memory = -1,
	.uid = -1,
	.info = -1,
};

static const struct teller xdp_teller = {
	.header = sizeof(struct xdp_diag_msg),
	.message = xdp_message,
	.memory = XDP_DIAG_MEMINFO,
	.uid = XDP_DIAG_UID,
	.info = XDP_DIAG_INFO,
	.about = xdp_info,
	.info_bytes = sizeof(struct xdp_diag_info),
};

/* ------------------------------------------------------------ one message */

/* The queues of these families are what their memory accounts for. */
static int read_memory(struct ph_socket_reader *reader, struct ph_socket *row,
                       const struct ph_attribute *attribute)
{
	uint32_t mem[SK_MEMINFO_WMEM_ALLOC + 1];

	if (attribute->length >= sizeof(mem)) {
		memcpy(mem, attribute->bytes, sizeof(mem));
		row->recvq = mem[SK_MEMINFO_RMEM_ALLOC];
		row->sendq = mem[SK_MEMINFO_WMEM_ALLOC];
	}
	return ph_reader_memory(reader, row, attribute);
}

static int read_attribute(struct ph_socket_reader *reader, const struct teller *teller,
                          struct ph_socket *row, const struct ph_attribute *attribute)
{
	const void *bytes = attribute->bytes;
	size_t length = attribute->length;
	int type = attribute->type;

	if (type == teller->memory)
		return read_memory(reader, row, attribute);
	if (type == teller->uid && length >= sizeof(row->uid))
		memcpy(&row->uid, bytes, sizeof(row->uid));
	if (type == teller->info && length >= teller->info_bytes)
		teller->about(bytes, row);
	return 0;
}

static int read_message(const struct nlmsghdr *message, struct ph_socket_reader *reader,
                        const struct teller *teller)
{
	struct ph_attributes attributes;
	struct ph_attribute attribute;
	struct ph_socket *row;
	int r;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < teller->header)
		return -EBADMSG;
	row = ph_reader_row(reader);
	if (row == NULL)
		return -ENOMEM;
	row->uid = PH_UID_UNKNOWN;
	row->v6only = PH_UNKNOWN;
	row->reuseport = PH_UNKNOWN;
	teller->message(mnl_nlmsg_get_payload(message), row);
	attributes = ph_attributes_of(message, teller->header);
	while ((r = ph_attribute_next(&attributes, &attribute)) > 0) {
		r = read_attribute(reader, teller, row, &attribute);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : ph_reader_keep(reader, row);
}

static int each_packet(const struct nlmsghdr *message, void *data)
{
	return read_message(message, data, &packet_teller);
}

/* The socket that asks is none of the host's: it is gone when the answer is read. */
static bool is_ours(const struct nlmsghdr *message, const struct ph_socket_reader *reader)
{
	const struct netlink_diag_msg *from = mnl_nlmsg_get_payload(message);
	uint32_t port = ph_netlink_port(reader->netlink);

	return mnl_nlmsg_get_payload_len(message) >= sizeof(*from) && port != 0 &&
	       from->ndiag_protocol == NETLINK_SOCK_DIAG && from->ndiag_portid == port;
}

static int each_netlink(const struct nlmsghdr *message, void *data)
{
	if (is_ours(message, data))
		return 0;
	return read_message(message, data, &netlink_teller);
}

static int each_vsock(const struct nlmsghdr *message, void *data)
{
	return read_message(message, data, &vsock_teller);
}

static int each_xdp(const struct nlmsghdr *message, void *data)
{
	return read_message(message, data, &xdp_teller);
}

/* ------------------------------------------------------------ the requests */

/* Every request begins with family and protocol. */
static void *put_request(void *room, size_t bytes, uint8_t family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(room);
	struct sock_diag_req *wanted = mnl_nlmsg_put_extra_header(request, bytes);

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	wanted->sdiag_family = family;
	return wanted;
}

int ph_read_packet(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t room[32];
	struct packet_diag_req *wanted = put_request(room, sizeof(*wanted), AF_PACKET);

	(void)proto;
	wanted->pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO;
	return ph_reader_dump(reader, (void *)room, each_packet, "reading packet sockets");
}

int ph_read_netlink(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t room[32];
	struct netlink_diag_req *wanted = put_request(room, sizeof(*wanted), AF_NETLINK);

	(void)proto;
	wanted->sdiag_protocol = NDIAG_PROTO_ALL;
	wanted->ndiag_show = NDIAG_SHOW_MEMINFO;
	return ph_reader_dump(reader, (void *)room, each_netlink, "reading netlink sockets");
}

int ph_read_vsock(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t room[32];
	struct vsock_diag_req *wanted = put_request(room, sizeof(*wanted), AF_VSOCK);

	(void)proto;
	wanted->vdiag_states = reader->query->states != 0 ? reader->query->states : UINT32_MAX;
	return ph_reader_dump(reader, (void *)room, each_vsock, "reading vsock sockets");
}

int ph_read_xdp(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t room[32];
	struct xdp_diag_req *wanted = put_request(room, sizeof(*wanted), AF_XDP);

	(void)proto;
	wanted->xdiag_show = XDP_SHOW_INFO | XDP_SHOW_MEMINFO;
	return ph_reader_dump(reader, (void *)room, each_xdp, "reading XDP sockets");
}
