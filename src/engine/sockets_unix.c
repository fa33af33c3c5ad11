/*
 * Unix sockets by sock_diag. Sources: sock_diag(7), unix(7), linux/unix_diag.h, the kernel's
 * net/unix/diag.c.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/sockets_reader.h"

/* st_dev as stat(2) packs it, of the kernel's own major << 20 | minor. */
static uint32_t stat_device(uint32_t kernel)
{
	uint32_t major = kernel >> 20, minor = kernel & 0xfffff;

	return (major & 0xfff) << 8 | (minor & 0xff) | (minor & 0xfff00) << 12;
}

static int read_vfs(struct ph_socket_detail *detail, const void *bytes, size_t length)
{
	struct unix_diag_vfs vfs;

	if (length < sizeof(vfs))
		return 0;
	memcpy(&vfs, bytes, sizeof(vfs));
	detail->unix_inode = vfs.udiag_vfs_ino;
	detail->unix_device = stat_device(vfs.udiag_vfs_dev);
	return 0;
}

/* A path comes with the NUL that ends it; an abstract name begins with one. */
static int read_name(struct ph_socket_reader *reader, struct ph_socket *row, const char *bytes,
                     size_t length)
{
	if (length > 1 && bytes[0] != '\0' && bytes[length - 1] == '\0')
		length--;
	return ph_reader_name(reader, row, bytes, length);
}

static int read_details(struct ph_socket_reader *reader, struct ph_socket *row,
                        const struct ph_attribute *attribute)
{
	const void *bytes = attribute->bytes;
	size_t length = attribute->length;
	struct ph_socket_detail *detail;

	if (!reader->query->details)
		return 0;
	detail = ph_reader_detail(reader, row);
	if (detail == NULL)
		return -ENOMEM;
	detail->has_unix = 1;
	if (attribute->type == UNIX_DIAG_VFS)
		return read_vfs(detail, bytes, length);
	if (length >= sizeof(detail->unix_peer))
		memcpy(&detail->unix_peer, bytes, sizeof(detail->unix_peer));
	return 0;
}

static int read_queues(struct ph_socket *row, const void *bytes, size_t length)
{
	struct unix_diag_rqlen queues;

	if (length < sizeof(queues))
		return 0;
	memcpy(&queues, bytes, sizeof(queues));
	row->recvq = queues.udiag_rqueue;
	row->sendq = queues.udiag_wqueue;
	return 0;
}

static int read_attribute(struct ph_socket_reader *reader, struct ph_socket *row,
                          const struct ph_attribute *attribute)
{
	const void *bytes = attribute->bytes;
	size_t length = attribute->length;

	switch (attribute->type) {
	case UNIX_DIAG_NAME:
		return read_name(reader, row, bytes, length);
	case UNIX_DIAG_VFS:
	case UNIX_DIAG_PEER:
		return read_details(reader, row, attribute);
	case UNIX_DIAG_RQLEN:
		return read_queues(row, bytes, length);
	case UNIX_DIAG_MEMINFO:
		return ph_reader_memory(reader, row, attribute);
	case UNIX_DIAG_SHUTDOWN:
		if (length >= 1)
			row->shutdown = *(const uint8_t *)bytes & 3;
		return 0;
	case UNIX_DIAG_UID:
		if (length >= sizeof(row->uid))
			memcpy(&row->uid, bytes, sizeof(row->uid));
		return 0;
	}
	return 0;
}

static int read_message(const struct unix_diag_msg *from, struct ph_socket *row)
{
	switch (from->udiag_type) {
	case SOCK_STREAM:
		row->proto = PH_UNIX_STREAM;
		break;
	case SOCK_DGRAM:
	case SOCK_RAW: /* which the kernel makes a SOCK_DGRAM */
		row->proto = PH_UNIX_DGRAM;
		break;
	case SOCK_SEQPACKET:
		row->proto = PH_UNIX_SEQPACKET;
		break;
	default:
		return -EBADMSG;
	}
	row->family = AF_UNIX;
	row->type = from->udiag_type;
	row->state = from->udiag_state < PH_STATE_COUNT ? from->udiag_state : PH_STATE_NONE;
	row->inode = from->udiag_ino;
	row->cookie = (uint64_t)from->udiag_cookie[1] << 32 | from->udiag_cookie[0];
	row->uid = PH_UID_UNKNOWN;
	row->v6only = PH_UNKNOWN;
	row->reuseport = PH_UNKNOWN;
	return 0;
}

static int each_unix(const struct nlmsghdr *message, void *data)
{
	struct ph_socket_reader *reader = data;
	const struct unix_diag_msg *from = mnl_nlmsg_get_payload(message);
	struct ph_attributes attributes;
	struct ph_attribute attribute;
	struct ph_socket *row;
	int r;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*from))
		return -EBADMSG;
	row = ph_reader_row(reader);
	if (row == NULL)
		return -ENOMEM;
	r = read_message(from, row);
	if (r < 0)
		return r;
	attributes = ph_attributes_of(message, sizeof(*from));
	while ((r = ph_attribute_next(&attributes, &attribute)) > 0) {
		r = read_attribute(reader, row, &attribute);
		if (r < 0)
			return r;
	}
	if (r == 0 && row->detail != 0 && row->state == PH_LISTEN)
		reader->sockets->details[row->detail - 1].unix_pending = row->recvq;
	return r < 0 ? r : ph_reader_keep(reader, row);
}

int ph_read_unix(struct ph_socket_reader *reader, uint8_t proto)
{
	uint32_t room[32];
	struct nlmsghdr *request = mnl_nlmsg_put_header(room);
	struct unix_diag_req *wanted;

	(void)proto;
	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	wanted->sdiag_family = AF_UNIX;
	wanted->udiag_states = reader->query->states != 0 ? reader->query->states : UINT32_MAX;
	wanted->udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
	if (reader->query->details)
		wanted->udiag_show |= UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_MEMINFO;
	return ph_reader_dump(reader, request, each_unix, "reading Unix sockets");
}
