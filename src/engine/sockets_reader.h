/*
 * What the files of the sockets module share: one reading of one namespace's sockets, and how a row
 * gets into the result. Not for other modules.
 */
#ifndef ENGINE_SOCKETS_READER_H
#define ENGINE_SOCKETS_READER_H

#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>

#include "porthole/netlink.h"
#include "porthole/sockets.h"

/* The rows by what makes each one thing, open addressing: 1 + a row's index, 0 is an empty place.
 */
struct ph_known {
	uint32_t *places;
	size_t room; /* a power of two, or 0 */
	size_t count;
	unsigned shift; /* 64 - log2(room) */
};

/* One attribute of a message. */
struct ph_attribute {
	const void *bytes;
	uint16_t length, type;
};

/* The attributes of a message that are still to come. */
struct ph_attributes {
	const char *at, *end;
};

struct ph_socket_reader {
	struct ph_context *context;
	const struct ph_socket_query *query;
	struct ph_sockets *sockets;
	struct ph_error *error;
	struct ph_netlink *netlink; /* NULL: not opened, or refused */
	int refused; /* why sock_diag was not opened: -errno; 0: it was, or was not tried */
	int net; /* directory of /proc/net; -1: not opened yet */
	struct ph_known known;
	size_t first; /* row at which this reading began */
	size_t began, began_names, began_details; /* what the current dump adds starts here */
	const struct nlmsghdr *last_message; /* of the current dump; NULL: none yet */
	bool torn; /* a datagram ended where a change may hide a socket */
	bool out_of_memory; /* set where a callback cannot return it */
	bool served; /* some source could be read */
	uint16_t netns;
	uint8_t proto; /* of the rows that an inet dump gives */
};

/*
 * A zeroed row at the end of the result, to be filled and then kept or abandoned. NULL: out of
 * memory.
 */
struct ph_socket *ph_reader_row(struct ph_socket_reader *reader);
/* Keeps the row if the query wants it and its cookie is new. 0 or -ENOMEM. */
int ph_reader_keep(struct ph_socket_reader *reader, struct ph_socket *row);
/* The detail of `row`, made on the first call. NULL: out of memory. */
struct ph_socket_detail *ph_reader_detail(struct ph_socket_reader *reader, struct ph_socket *row);
/* Gives the row a name. 0 or -ENOMEM. */
int ph_reader_name(struct ph_socket_reader *reader, struct ph_socket *row, const void *bytes,
                   size_t length);
/* For `mem`: SK_MEMINFO_* as every family sends them. 0 or -ENOMEM. */
int ph_reader_memory(struct ph_socket_reader *reader, struct ph_socket *row,
                     const struct ph_attribute *attribute);
/* Dumps with `each`, and forgets what an interrupted dump gave. As ph_netlink_dump(). */
int ph_reader_dump(struct ph_socket_reader *reader, struct nlmsghdr *request, ph_netlink_fn *each,
                   const char *what);

/* Whether this failure of one source sends us to another. */
bool ph_reader_falls_back(int r);

/* The attributes of a message whose own header is `header` bytes long. */
static inline struct ph_attributes ph_attributes_of(const struct nlmsghdr *message, size_t header)
{
	const char *begin = (const char *)message + NLMSG_HDRLEN + NLMSG_ALIGN(header);
	const char *end = (const char *)message + message->nlmsg_len;

	return (struct ph_attributes){ .at = begin < end ? begin : end, .end = end };
}

/* 1: `*attribute` is the next one; 0: there is none; -EBADMSG: it is cut short. */
static inline int ph_attribute_next(struct ph_attributes *attributes,
                                    struct ph_attribute *attribute)
{
	size_t left = (size_t)(attributes->end - attributes->at), whole;
	struct nlattr header;

	if (left < sizeof(header))
		return 0;
	memcpy(&header, attributes->at, sizeof(header));
	if (header.nla_len < sizeof(header) || header.nla_len > left)
		return -EBADMSG;
	attribute->type = header.nla_type & NLA_TYPE_MASK;
	attribute->bytes = attributes->at + sizeof(header);
	attribute->length = (uint16_t)(header.nla_len - sizeof(header));
	whole = NLA_ALIGN(header.nla_len);
	attributes->at = whole < left ? attributes->at + whole : attributes->end;
	return 1;
}

/* sockets_filter.c: whether the query wants the row, its state included. */
bool ph_query_wants(const struct ph_socket_query *query, const struct ph_socket *row);
/*
 * The query as diag byte code, which selects at least all that ph_query_wants() wants of inet
 * sockets. Returns its length in bytes, 0 when there is nothing to select or it does not fit
 * `room`.
 */
size_t ph_query_bytecode(const struct ph_socket_query *query, void *code, size_t room);

/* The readers: 0; 1 where rows may be missing since it kept changing; -errno. */
int ph_read_inet(struct ph_socket_reader *reader, uint8_t proto);
int ph_read_unix(struct ph_socket_reader *reader, uint8_t proto);
int ph_read_packet(struct ph_socket_reader *reader, uint8_t proto);
int ph_read_netlink(struct ph_socket_reader *reader, uint8_t proto);
int ph_read_vsock(struct ph_socket_reader *reader, uint8_t proto);
int ph_read_xdp(struct ph_socket_reader *reader, uint8_t proto);

/* sockets_proc.c: opens /proc/net of this thread's namespace for the two below. 0 or -errno. */
int ph_open_proc(struct ph_socket_reader *reader);
/* The rows of /proc/net. -ENOENT: this kernel has no such file; 1: some lines were not understood.
 */
int ph_read_proc(struct ph_socket_reader *reader, uint8_t proto);
/* How many sockets of `name` (of /proc/net/protocols) this namespace has. 1; 0: the kernel does not
 * have the protocol; -ENOMEM, or -errno where the file cannot be read, and the count is 0. */
int ph_count_protocol(struct ph_socket_reader *reader, const char *name, unsigned long *count);

#endif
