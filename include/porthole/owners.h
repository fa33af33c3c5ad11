/*
 * Owners: which processes hold a socket. Source: proc(5), the links in /proc/PID/fd and, for
 * threads that have unshared their descriptor table, /proc/PID/task/TID/fd; units and containers
 * from /proc/PID/cgroup (cgroups(7), systemd.unit(5)).
 */
#ifndef PORTHOLE_OWNERS_H
#define PORTHOLE_OWNERS_H

#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

struct ph_process {
	pid_t pid;
	uint32_t uid; /* effective, from /proc/PID/status */
	uint64_t netns; /* inode of its network namespace; 0: not to be seen */
	char name[64]; /* comm, as the kernel has it; bytes */
	char *exe; /* owned; bytes; NULL: not to be seen, or none */
	char *cmdline; /* owned; arguments joined by spaces; bytes; NULL: none (a kernel thread, a
	                  zombie) */
	char *unit; /* owned; systemd unit as its control group has it: "apache2.service"; NULL:
	               none */
	char *user_unit; /* owned; the unit inside user@UID.service; NULL: none */
	char *container; /* owned; "docker:64hex", "podman:...", "nspawn:NAME", "lxc:NAME",
	                    "k8s:64hex"; NULL: none */
};

struct ph_holder { /* this process holds that socket */
	uint32_t inode;
	uint32_t process; /* index into ph_owners.processes */
	int fd; /* the lowest, where it has several */
	/* The thread in whose own table it is, where the process's has it not; else 0. */
	pid_t thread;
};

struct ph_owners {
	/* Owned; by pid; only those that hold something that was asked for. */
	struct ph_process *processes;
	size_t process_count;
	struct ph_holder *holders; /* owned; by inode, then process; no (inode, process) twice */
	size_t holder_count;
	size_t hidden_processes; /* whose descriptors this user may not see */
	bool all_processes; /* false: hidepid or another PID namespace hides some entirely */
	struct ph_reasons partial;
};

/*
 * Finds the holders of `inodes` (NULL: of every socket). 0 is no inode and is passed over.
 * ph_owners_free() releases the result, also after a failure. A process that vanishes while it is
 * read is left out. Returns 0, or -errno with `error` filled: -ENOENT (no /proc), -ENOMEM,
 * -ECANCELED.
 */
int ph_owners_read(struct ph_context *context, const uint32_t *inodes, size_t count,
                   struct ph_owners *owners, struct ph_error *error);
void ph_owners_free(struct ph_owners *owners);

/* The holders of one socket, `*count` of them, by pid; NULL and 0: none seen. Borrowed from
 * `owners`. */
const struct ph_holder *ph_owners_find(const struct ph_owners *owners, uint32_t inode,
                                       size_t *count);

/* What a control-group path (the text of /proc/PID/cgroup) says. Each result is owned by the
 * caller, NULL where nothing is said. */
struct ph_placement {
	char *unit, *user_unit, *container;
};
/* `own` is the text of /proc/1/cgroup, whose path is stripped, or NULL. 0 or -ENOMEM. */
int ph_placement_parse(const char *cgroup, const char *own, struct ph_placement *placement);
void ph_placement_free(struct ph_placement *placement);

#endif
