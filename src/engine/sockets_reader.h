/*
 * What the files of the sockets module share: one reading of one namespace's sockets, and how a row
 * gets into the result. Not for other modules.
 */
#ifndef ENGINE_SOCKETS_READER_H
#define ENGINE_SOCKETS_READER_H

#include <linux/netlink.h>
#include <stdint.h>

#include "porthole/netlink.h"
#include "porthole/sockets.h"

/* The cookies that were taken, open addressing; 0 is an empty place. */
struct ph_cookies {
	uint64_t *places;
	size_t room; /* a power of two, or 0 */
	size_t count;
};

struct ph_socket_reader {
	struct ph_context *context;
	const struct ph_socket_query *query;
	struct ph_sockets *sockets;
	struct ph_error *error;
	struct ph_netlink *netlink; /* NULL: not opened, or refused */
	int refused; /* why sock_diag was not opened: -errno; 0: it was, or was not tried */
	int net; /* directory of /proc/net; -1: not opened yet */
	struct ph_cookies cookies;
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
                     const struct nlattr *attribute);
/* Dumps with `each`, and forgets what an interrupted dump gave. As ph_netlink_dump(). */
int ph_reader_dump(struct ph_socket_reader *reader, struct nlmsghdr *request, ph_netlink_fn *each,
                   const char *what);

/*
 * The next attribute of a message whose own header is `header` bytes long; NULL at first.
 * 1: `*attribute` is one; 0: that was the last; -EBADMSG: cut short.
 */
int ph_attribute_next(const struct nlmsghdr *message, size_t header,
                      const struct nlattr **attribute);

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
/* How many sockets of `name` (of /proc/net/protocols) this namespace has. 0, -ENOMEM, or -errno
 * where the file cannot be read, and the count is 0. */
int ph_count_protocol(struct ph_socket_reader *reader, const char *name, unsigned long *count);

#endif
