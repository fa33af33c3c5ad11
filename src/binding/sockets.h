/* What the files of the sockets' binding share. */
#ifndef BINDING_SOCKETS_H
#define BINDING_SOCKETS_H

#include "binding/rows.h"
#include "porthole/owners.h"
#include "porthole/sockets.h"

/* Parts of a socket that are read when somebody looks at them. */
enum {
	PART_OWNERS = 1, /* who holds it: /proc of every process */
	PART_USERS = 2, /* names of users: getpwuid_r(3) */
	PART_DETAILS = 4, /* a second dump, with what is costly */
	PART_IFACES = 8, /* names of network devices */
};

struct socket_user {
	uint32_t uid;
	char *name; /* owned; NULL: there is no such user */
};

struct socket_iface {
	uint32_t netns, ifindex;
	char name[16];
};

struct socket_detail { /* which detail a cookie has */
	uint64_t cookie;
	uint32_t netns, detail;
};

struct socket_rows {
	struct ph_context *context;
	struct ph_sockets sockets;
	struct ph_owners owners;
	struct ph_sockets detailed;
	struct socket_detail *details; /* by netns and cookie */
	size_t detail_count;
	struct socket_user *users; /* by uid */
	size_t user_count;
	struct socket_iface *ifaces; /* by netns and index */
	size_t iface_count, iface_capacity;
	struct ph_reasons reasons; /* what the parts could not see */
	char **netns; /* owned; name of each namespace that was asked */
	size_t netns_count;
	/* Details and devices were read together with the sockets: of other namespaces, where
	 * nobody goes twice. */
	bool complete;
};

/*
 * Reads the sockets of the namespaces, each with its details and devices; NULL: of the caller's own
 * alone. `all`: also of those that only a socket's descriptor keeps alive; a namespace that cannot
 * be entered is then a reason, and otherwise a failure. 0 or -errno.
 */
struct ph_namespaces;
int socket_rows_read(struct socket_rows *rows, const struct ph_socket_query *query,
                     struct ph_namespaces *namespaces, bool all, struct ph_error *error);

/* Adds the names of the devices of namespace `netns` that its sockets are bound to. The calling
 * thread is in that namespace. 0, -ENOMEM or -ECANCELED. */
int socket_rows_add_ifaces(struct socket_rows *rows, uint32_t netns);
/* Sorts details, so that a cookie finds its own. 0 or -ENOMEM. */
int socket_rows_index_details(struct socket_rows *rows, const struct ph_sockets *detailed);

/* struct row_type.load and .release of sockets. */
int socket_rows_load(void *storage, unsigned parts);
void socket_rows_release(void *storage);

/* Borrowed; NULL: unknown. */
const char *socket_user_name(const struct socket_rows *rows, uint32_t uid);
const char *socket_iface_name(const struct socket_rows *rows, const struct ph_socket *socket);
const struct ph_socket_detail *socket_detail(const struct socket_rows *rows,
                                             const struct ph_socket *socket);

/*
 * The nth process that holds the socket, by pid, but PID 1 last: under socket activation it holds
 * every socket of its services as well. NULL: beyond the last. `held` may be NULL.
 */
const struct ph_process *socket_holder(const struct socket_rows *rows,
                                       const struct ph_socket *socket, size_t nth,
                                       const struct ph_holder **held);

extern const struct row_type socket_type;

/* struct tcp_info as the kernel sent it, as a table by field name; and SK_MEMINFO_*. */
void push_tcp_info(lua_State *L, const uint8_t *bytes, size_t length);
void push_mem_info(lua_State *L, const uint32_t values[9]);

#endif
