/*
 * The scan: every descriptor of every process, once, on several threads. Owners and namespaces are
 * both found by what /proc/PID/fd links to, so they share this walk. Source: proc(5).
 *
 * All that is read of a process goes through one descriptor of its /proc/PID directory. The kernel
 * binds that directory to the process, not to the number: when the process ends and the number is
 * given to another one, reads through it fail with ESRCH or ENOENT. So a name can never be joined
 * to another process's descriptors.
 */
#ifndef ENGINE_SCAN_H
#define ENGINE_SCAN_H

#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

#define PH_SCAN_WORKERS 8
/* Most bytes of a file in /proc that are looked at. */
#define PH_SCAN_TEXT_BYTES 65536

struct ph_scan_process {
	pid_t pid;
	int directory; /* O_PATH descriptor of /proc/PID while the process is visited, else -1 */
	uint32_t index; /* its place in the order of pids */
	bool marked; /* set by a visitor's `link` or `thread`: call `marked` */
	/* The scan's own. */
	int table;
	unsigned references;
	bool refused;
};

/* A link of a descriptor: /proc/PID/fd/17 -> socket:[4711]. */
struct ph_scan_link {
	int table; /* the open fd directory, in which `name` is the link */
	const char *name;
	const char *text; /* NUL-terminated; cut after 63 bytes */
	size_t length;
	int fd;
	pid_t thread; /* whose table it is: the process's pid, or that of another thread */
};

/*
 * What is done with what is found. Called from several threads at once; `worker` (below
 * PH_SCAN_WORKERS) tells them apart, so that each can have memory of its own. Each returns 0 to go
 * on or -errno to end the scan with it. `enter`, `thread` and `marked` may be NULL.
 */
struct ph_scan_visitor {
	/* Before the links of a process are read. */
	int (*enter)(void *data, unsigned worker, struct ph_scan_process *process);
	int (*link)(void *data, unsigned worker, struct ph_scan_process *process,
	            const struct ph_scan_link *link);
	/* Each thread but the first; `tasks` is the open task directory, `name` the thread's in it.
	 */
	int (*thread)(void *data, unsigned worker, struct ph_scan_process *process, int tasks,
	              const char *name);
	/* After all links of a process that is marked. `text` has room for PH_SCAN_TEXT_BYTES. */
	int (*marked)(void *data, unsigned worker, struct ph_scan_process *process, char *text);
	void *data;
};

struct ph_scan {
	struct ph_scan_process *processes; /* owned; by pid */
	size_t count, capacity;
	size_t hidden_processes; /* that have descriptors which could not be seen */
	bool all_processes; /* false: some may be missing from /proc */
	struct ph_reasons partial;
};

/*
 * Walks all processes below context->proc. ph_scan_free() releases the result, also after a
 * failure. A process that ends meanwhile is left out. Returns 0, or -errno with `error` filled:
 * -ENOENT (no /proc), -ENOMEM, -ECANCELED, -EMFILE, -ENFILE, what the visitor returned.
 */
int ph_scan_run(struct ph_context *context, const struct ph_scan_visitor *visitor,
                struct ph_scan *scan, struct ph_error *error);
void ph_scan_free(struct ph_scan *scan);

/*
 * Reads a file of the process's directory into `text`, at most PH_SCAN_TEXT_BYTES with the final
 * NUL; more is cut. Returns the length, or -errno.
 */
ssize_t ph_scan_text(int directory, const char *path, char *text);

/* The number in "socket:[NUMBER]" or "net:[NUMBER]", where `kind` is "socket:[" or "net:["; 0: it
 * is not of this form. */
uint64_t ph_scan_number(const char *text, size_t length, const char *kind);

/* Why processes may be missing from context->proc altogether: adds sentences to `partial`, and
 * clears `*all` for each. 0 or -ENOMEM. */
int ph_scan_blind(struct ph_context *context, bool *all, struct ph_reasons *partial);

#endif
