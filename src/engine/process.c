/*
 * One process. A number alone is no identity: a process is known by its number and its start time
 * (proc(5), field 22 of stat), and signalled through a pidfd that was opened before both were
 * compared.
 */
#include "porthole/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_FILE_BYTES (64u << 10)

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Everything behind the name, which is in parentheses and may contain any byte, ')' included. */
static int parse_stat(char *text, struct ph_process_facts *facts)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long started;
	size_t length;
	int ppid;

	if (open == NULL || close == NULL || close < open)
		return -EBADMSG;
	length = (size_t)(close - open - 1);
	if (length >= sizeof(facts->name))
		length = sizeof(facts->name) - 1;
	memcpy(facts->name, open + 1, length);
	facts->name[length] = '\0';
	if (sscanf(close + 1,
	           " %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
	           "%llu",
	           &facts->state, &ppid, &started) != 3)
		return -EBADMSG;
	facts->ppid = ppid;
	facts->started = started;
	return 0;
}

static int read_stat(struct ph_context *context, pid_t pid, struct ph_process_facts *facts)
{
	char path[64], *text;
	int r;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	r = ph_read_below(context->proc, path, MOST_FILE_BYTES, &text, NULL, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = parse_stat(text, facts);
	free(text);
	return r;
}

static int read_uid(struct ph_context *context, pid_t pid, struct ph_process_facts *facts)
{
	unsigned effective;
	char path[64], *text, *line;
	int r;

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	r = ph_read_below(context->proc, path, MOST_FILE_BYTES, &text, NULL, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	line = strstr(text, "\nUid:");
	if (line == NULL || sscanf(line, "\nUid: %*u %u", &effective) != 1)
		r = -EBADMSG;
	else
		facts->uid = effective;
	free(text);
	return r;
}

static char *read_exe(struct ph_context *context, pid_t pid, int *r)
{
	char path[256], target[4096];
	ssize_t length;
	char *exe;

	*r = 0;
	snprintf(path, sizeof(path), "%s/%d/exe", context->proc, (int)pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return NULL;
	target[length] = '\0';
	exe = strdup(target);
	if (exe == NULL)
		*r = -ENOMEM;
	return exe;
}

int ph_process_read(struct ph_context *context, pid_t pid, struct ph_process_facts *facts,
                    struct ph_error *error)
{
	char path[64];
	int r;

	*facts = (struct ph_process_facts){ .pid = pid };
	r = read_stat(context, pid, facts);
	if (r == 0)
		r = read_uid(context, pid, facts);
	if (r == 0)
		facts->exe = read_exe(context, pid, &r);
	if (r == 0) {
		snprintf(path, sizeof(path), "%d/cgroup", (int)pid);
		r = ph_read_below(context->proc, path, MOST_FILE_BYTES, &facts->cgroup, NULL, NULL);
		if (r == -EACCES || r == -EPERM || r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return ph_fail(error, r, "process %d: %s", (int)pid, strerror(-r));
	return 0;
}

void ph_process_facts_free(struct ph_process_facts *facts)
{
	free(facts->exe);
	free(facts->cgroup);
	*facts = (struct ph_process_facts){ 0 };
}

int ph_process_holds(struct ph_context *context, pid_t pid, uint32_t inode)
{
	char path[256], wanted[32], target[64];
	struct dirent *entry;
	int found = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/%d/fd", context->proc, (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	directory = opendir(path);
	if (directory == NULL)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!found && (entry = readdir(directory)) != NULL) {
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (length < 0)
			continue;
		target[length] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	closedir(directory);
	return found;
}

static int by_pid(const void *left, const void *right)
{
	const pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

	return (a > b) - (a < b);
}

int ph_process_list(struct ph_context *context, pid_t **pids, size_t *count, struct ph_error *error)
{
	DIR *directory = opendir(context->proc);
	struct dirent *entry;
	size_t capacity = 0;

	*pids = NULL;
	*count = 0;
	if (directory == NULL)
		return ph_fail(error, -errno, "opening %s: %s", context->proc, strerror(errno));
	while ((entry = readdir(directory)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (ph_reserve(pids, *count, &capacity, sizeof(**pids)) < 0) {
			closedir(directory);
			free(*pids);
			*pids = NULL;
			return ph_fail(error, -ENOMEM, "listing processes: out of memory");
		}
		(*pids)[(*count)++] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(directory);
	if (*count > 1)
		qsort(*pids, *count, sizeof(**pids), by_pid);
	return 0;
}

/* Whether the pidfd's process is the one that was meant. */
static int compare(struct ph_context *context, const struct ph_process_target *target,
                   struct ph_error *error)
{
	struct ph_process_facts facts = { 0 };
	int r = read_stat(context, target->pid, &facts);

	if (r < 0)
		return ph_fail(error, r, "process %d: %s", (int)target->pid,
		               r == -ESRCH ? "it has ended already" : strerror(-r));
	if (facts.started != target->started)
		return ph_fail(error, -ESRCH,
		               "process %d has ended, and another one has its number now: nothing "
		               "was sent",
		               (int)target->pid);
	if (target->inode == 0)
		return 0;
	r = ph_process_holds(context, target->pid, target->inode);
	if (r == 0)
		return ph_fail(error, -ESTALE,
		               "process %d does not hold the socket any more: nothing was sent",
		               (int)target->pid);
	if (r < 0)
		return ph_fail(error, r, "process %d: its descriptors cannot be read: %s",
		               (int)target->pid, strerror(-r));
	return 0;
}

/* Says where it hangs: "did not end" alone helps nobody. */
static void explain(struct ph_context *context, pid_t pid, struct ph_error *error)
{
	char path[64], channel[65] = "", *text = NULL;
	struct ph_process_facts facts = { 0 };

	snprintf(path, sizeof(path), "%d/wchan", (int)pid);
	if (ph_read_below(context->proc, path, 4096, &text, NULL, NULL) == 0)
		for (size_t i = 0; i < 64 && (isalnum((unsigned char)text[i]) || text[i] == '_');
		     i++)
			channel[i] = text[i];
	free(text);
	if (read_stat(context, pid, &facts) < 0)
		facts.state = '?';
	ph_fail(error, -ETIMEDOUT, "process %d did not end (state %c%s%s)", (int)pid, facts.state,
	        channel[0] != '\0' && channel[0] != '0' ? ", waiting in " : "",
	        channel[0] != '0' ? channel : "");
}

/* 1: ended; 0: the limit passed; -ECANCELED. */
static int wait_for_end(struct ph_context *context, int pidfd, uint64_t limit_us)
{
	uint64_t end = now_us() + limit_us;

	for (;;) {
		struct pollfd events[2] = { { .fd = pidfd, .events = POLLIN },
			                    { .fd = context->cancel_fd, .events = POLLIN } };
		uint64_t now = now_us();
		uint64_t left_ms = now < end ? (end - now + 999) / 1000 : 0;
		int r = poll(events, 2, left_ms > 60000 ? 60000 : (int)left_ms);

		if (events[0].revents & POLLIN)
			return 1;
		if (ph_cancelled(context))
			return -ECANCELED;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (now_us() >= end)
			return 0;
	}
}

static int end_it(struct ph_context *context, int pidfd, const struct ph_process_target *target,
                  int number, uint64_t limit_us, struct ph_error *error)
{
	int r = compare(context, target, error);

	if (r < 0)
		return r;
	if (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0) {
		r = -errno;
		return ph_fail(error, r, "process %d: %s", (int)target->pid,
		               r == -EPERM ? "it belongs to another user; run porthole with sudo"
		                           : strerror(-r));
	}
	r = wait_for_end(context, pidfd, limit_us);
	if (r == 0)
		explain(context, target->pid, error);
	else if (r < 0)
		ph_fail(error, r, "process %d was told to end, and has not ended yet",
		        (int)target->pid);
	return r;
}

int ph_process_end(struct ph_context *context, const struct ph_process_target *target, int number,
                   uint64_t limit_us, struct ph_error *error)
{
	struct pollfd ended;
	int pidfd, r;

	if (target->pid <= 1)
		return ph_fail(error, -EINVAL, "process %d is never signalled", (int)target->pid);
	pidfd = (int)syscall(SYS_pidfd_open, target->pid, 0);
	if (pidfd < 0)
		return ph_fail(error, -errno, "process %d: %s", (int)target->pid,
		               errno == ESRCH ? "it has ended already"
		               : errno == ENOSYS
		                       ? "this kernel lacks pidfd_open, so it is not signalled"
		                       : strerror(errno));
	/* A zombie takes signals in silence: see first whether it has ended. */
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&ended, 1, 0) == 1)
		r = ph_fail(error, -ESRCH, "process %d: it has ended already", (int)target->pid);
	else
		r = end_it(context, pidfd, target, number, limit_us, error);
	close(pidfd);
	return r;
}
