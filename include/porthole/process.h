/*
 * One process: who it is, where it belongs, and how to end exactly this one. Source: proc(5)
 * /proc/PID/{stat,status,cgroup}, pidfd_open(2).
 */
#ifndef PORTHOLE_PROCESS_H
#define PORTHOLE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

struct ph_process_facts {
	pid_t pid, ppid;
	uint32_t uid; /* effective */
	uint64_t started; /* clock ticks after boot: with the pid, its identity */
	char state; /* 'R', 'S', 'D', 'Z', ... */
	char name[64]; /* comm; bytes */
	char *exe; /* owned; bytes; NULL: not to be seen */
	char *cgroup; /* owned; the text of /proc/PID/cgroup; NULL: not to be seen */
};

/* 0, or -errno with `error` filled: -ESRCH (no such process), -EBADMSG, -ENOMEM. */
int ph_process_read(struct ph_context *context, pid_t pid, struct ph_process_facts *facts,
                    struct ph_error *error);
void ph_process_facts_free(struct ph_process_facts *facts);

/* Whether a descriptor of the process is this socket: 1, 0, or -errno (-EACCES: not to be seen). */
int ph_process_holds(struct ph_context *context, pid_t pid, uint32_t inode);

/* All processes that /proc shows, by pid; the caller frees `*pids`. 0 or -errno. */
int ph_process_list(struct ph_context *context, pid_t **pids, size_t *count,
                    struct ph_error *error);

struct ph_process_target {
	pid_t pid;
	uint64_t started; /* as ph_process_read() gave it */
	uint32_t inode; /* a socket that it must still hold; 0: not asked */
};

/*
 * Sends `signal` to exactly this process and waits until it ended, at most `limit_us`. The process
 * is held by a pidfd before it is compared, so that a number used again is never hit. 1: it ended;
 * 0: it did not end in time (the reason, such as its wait channel, is in `error`'s message);
 * -ESRCH: it is gone already, or another process has its number now (nothing was sent); -ESTALE:
 * it holds the socket no more (nothing was sent); -EPERM; -ECANCELED while waiting.
 */
int ph_process_end(struct ph_context *context, const struct ph_process_target *target, int signal,
                   uint64_t limit_us, struct ph_error *error);

#endif
