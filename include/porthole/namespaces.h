/*
 * Namespaces: every network namespace of the host once, and running a query inside one. Sources:
 * network_namespaces(7), namespaces(7), ip-netns(8), proc(5), ioctl_nsfs(2).
 */
#ifndef PORTHOLE_NAMESPACES_H
#define PORTHOLE_NAMESPACES_H

#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

struct ph_namespace {
	/* Its identity while it lives: what stat(2) says of its nsfs file. Another namespace may
	 * get the number after its end; an open `fd` keeps it alive. */
	uint64_t inode, dev;
	/* Owned; bytes; unlike any other name in a ph_namespaces: its name in /run/netns, else the
	 * container, else the unit of the first process in it, else "net:[inode]". */
	char *name;
	int fd; /* to enter it by; owned, close-on-exec; -1: it could not be opened */
	pid_t pid; /* the lowest in it; 0: none was seen */
	bool own; /* the one that the calling thread is in */
};

struct ph_namespaces {
	struct ph_namespace *items; /* owned; the own one first, then by inode */
	size_t count, capacity;
	struct ph_reasons partial;
};

/*
 * The namespace that the calling thread is in, without a walk over processes: `name` is its name in
 * /run/netns, else "net:[inode]". ph_namespace_close() releases it, also after a failure. Returns
 * 0, or -errno with `error` filled: -ENOENT (no /proc), -ENOMEM, -EMFILE.
 */
int ph_namespace_own(struct ph_context *context, struct ph_namespace *own, struct ph_error *error);

/*
 * The namespace that a user means: a name in /run/netns, the number of a process, or the path
 * (it has a slash) of an nsfs file such as /proc/1/ns/net. `own` is set when it is the calling
 * thread's; `name` is as ph_namespaces_read() would have it, but without what only its other
 * processes tell. ph_namespace_close() releases it, also after a failure. Returns 0, or -errno with
 * `error` filled: -ENOENT (no such name or file), -ESRCH (no such process), -EACCES, -EINVAL (the
 * file is no network namespace), -ENOMEM, -EMFILE.
 */
int ph_namespace_open(struct ph_context *context, const char *which, struct ph_namespace *found,
                      struct ph_error *error);
void ph_namespace_close(struct ph_namespace *found);

/*
 * Every network namespace that can be found: the own one, those in /run/netns, of each process and
 * thread, bind-mounted anywhere in the mount namespace of some process, or held open as a
 * descriptor. What could not be looked at is a reason in `namespaces->partial`.
 * ph_namespaces_free() releases the result, also after a failure. Returns 0, or -errno with `error`
 * filled: -ENOENT (no /proc), -ENOMEM, -ECANCELED, -EMFILE.
 */
int ph_namespaces_read(struct ph_context *context, struct ph_namespaces *namespaces,
                       struct ph_error *error);
void ph_namespaces_free(struct ph_namespaces *namespaces);

/*
 * Adds the namespaces that only a socket's descriptor keeps alive: `known` are the inodes of the
 * sockets that the namespaces' dumps have shown; every other socket that a process holds is asked
 * for its namespace (pidfd_getfd(2) and the ioctl SIOCGSKNS, which need CAP_SYS_PTRACE and
 * CAP_NET_ADMIN; where they are refused, that is a reason). The new ones are at the end: dump them
 * too. Returns the number of them, or -errno with `error` filled, as ph_namespaces_read().
 */
int ph_namespaces_add_held(struct ph_context *context, struct ph_namespaces *namespaces,
                           const uint32_t *known, size_t count, struct ph_error *error);

/*
 * Runs `function` inside a namespace and returns what it returned. It runs on a thread of its own,
 * so that the caller's never leaves its namespace, and there it ends whatever happens: sockets that
 * it opens belong to the other namespace, and context->proc "/thread-self/net" is its view of
 * /proc/net ("/net" would be the process's). All signals are blocked on that thread. In the own
 * namespace it is a plain call. -errno with `error` filled when it was not called at all: -EPERM
 * (this user may not enter), -EBADF (`fd` is -1), -EAGAIN (no thread); `function` fills its own
 * error, through `data`.
 */
int ph_namespace_run(const struct ph_namespace *where, int (*function)(void *data), void *data,
                     struct ph_error *error);

#endif
