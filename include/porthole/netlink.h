/*
 * Netlink: one dump loop for every module that asks the kernel by messages. Sources: netlink(7),
 * linux/netlink.h; the messages themselves are built and walked with libmnl.
 */
#ifndef PORTHOLE_NETLINK_H
#define PORTHOLE_NETLINK_H

#include <linux/netlink.h>
#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

struct ph_netlink;

/*
 * How messages travel. The kernel's sockets are one transport, a recording for tests another. Each
 * function returns >= 0 or -errno. `receive` waits until a datagram came or the context was
 * cancelled (-ECANCELED), and gives it whole or not at all (-EMSGSIZE). `port` gives the port id
 * that the kernel writes into its answers; NULL: answers are told apart by their sequence alone.
 */
struct ph_transport {
	int (*open)(struct ph_context *context, int protocol); /* a handle >= 0 */
	int (*send)(struct ph_context *context, int handle, const void *bytes, size_t length);
	ssize_t (*receive)(struct ph_context *context, int handle, void *bytes, size_t size);
	void (*close)(struct ph_context *context, int handle);
	int (*port)(struct ph_context *context, int handle, uint32_t *port);
};

/* Opens a netlink socket of `protocol` (NETLINK_SOCK_DIAG, NETLINK_ROUTE, ...) in the network
 * namespace of this thread. */
int ph_netlink_open(struct ph_context *context, int protocol, struct ph_netlink **netlink,
                    struct ph_error *error);
void ph_netlink_close(struct ph_netlink *netlink);
/* Its port id, which is how it appears in a list of netlink sockets; 0: unknown. */
uint32_t ph_netlink_port(const struct ph_netlink *netlink);

/* Called for each message of a dump. 0 to go on, -errno to end the dump with it. */
typedef int ph_netlink_fn(const struct nlmsghdr *message, void *data);

struct ph_dump {
	ph_netlink_fn *each;
	void (*restart)(
		void *data); /* forget what came: the dump was interrupted and is asked again */
	void *data;
	const char *what; /* for messages: "TCP sockets" */
};

/*
 * Sends `request` (its flags, sequence and port are set here: NLM_F_REQUEST | NLM_F_DUMP) and hands
 * every message of the answer to `dump->each`. A dump that was interrupted by a change
 * (NLM_F_DUMP_INTR) or lost messages (ENOBUFS) is repeated, up to 8 times; an answer to another
 * request is passed over. Returns 0; 1 when the last repetition was still interrupted (what came is
 * kept: the caller says so as a partial reason); or -errno with `error` filled, with the kernel's
 * extended-ACK text where it sent one: -ENOENT, -EOPNOTSUPP, -EINVAL (the kernel does not know the
 * request), -EPERM, -EACCES, -EBADMSG (not netlink), -ETIMEDOUT (no answer for 10 s), -ECANCELED,
 * what `each` returned. The rest of a dump that `each` ended is read and thrown away; after
 * -ECANCELED, -ETIMEDOUT and -EBADMSG only ph_netlink_close() makes sense, since the old answer may
 * still be coming.
 */
int ph_netlink_dump(struct ph_context *context, struct ph_netlink *netlink,
                    struct nlmsghdr *request, const struct ph_dump *dump, struct ph_error *error);

/*
 * Sends one request and hands its answers to `each` (may be NULL) until the acknowledgement.
 * NLM_F_REQUEST | NLM_F_ACK are added to its flags; sequence and port are set here. 0, or -errno as
 * ph_netlink_dump() has it.
 */
int ph_netlink_ask(struct ph_context *context, struct ph_netlink *netlink, struct nlmsghdr *request,
                   ph_netlink_fn *each, void *data, struct ph_error *error);

#endif
