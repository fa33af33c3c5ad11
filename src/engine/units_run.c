/*
 * Running an init script. Its output goes to a memory file, not to a pipe: a daemon that it leaves
 * behind keeps the descriptor, and reading until end of file would wait for the daemon.
 * Sources: LSB "Init Script Actions", memfd_create(2), pidfd_open(2).
 */
#include "units_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_OUTPUT (64 << 10)

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* In the child: only what is async-signal-safe. */
static void become(const char *const *arguments, int output)
{
	static const char *const environment[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/", "TERM=dumb",
		/* Else scripts on a systemd host would hand the order to systemctl. */
		"SYSTEMCTL_SKIP_REDIRECT=1", NULL
	};
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
	    chdir("/") < 0)
		_exit(126);
	syscall(SYS_close_range, 3, ~0u, 0);
	execve(arguments[0], (char *const *)arguments, (char *const *)environment);
	_exit(127);
}

/* Its status is left for waitpid(). */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

/*
 * Waits for the child's end. A kernel (or a valgrind) without pidfd_open(2) is asked again and
 * again. 0, -ETIMEDOUT or -ECANCELED.
 */
static int wait_child(struct ph_context *context, pid_t pid, int pidfd, uint64_t end)
{
	const int longest_ms = pidfd < 0 ? 20 : 60000;

	for (;;) {
		struct pollfd events[2] = { { .fd = pidfd, .events = POLLIN },
			                    { .fd = context->cancel_fd, .events = POLLIN } };
		uint64_t now = now_us();
		uint64_t left_ms = end > now ? (end - now + 999) / 1000 : 0;

		if (has_ended(pid))
			return 0;
		if (ph_cancelled(context))
			return -ECANCELED;
		if (left_ms == 0)
			return -ETIMEDOUT;
		if (left_ms > (uint64_t)longest_ms)
			left_ms = (uint64_t)longest_ms;
		if (poll(events, 2, (int)left_ms) < 0 && errno != EINTR)
			return -errno;
	}
}

#define END_US 2000000

/* Ends the group: asked first, then forced. Nobody can cancel that. */
static void end_group(pid_t pid, int pidfd)
{
	struct ph_context unhurried = { .cancel_fd = -1 };

	kill(-pid, SIGTERM);
	if (wait_child(&unhurried, pid, pidfd, now_us() + END_US) < 0)
		kill(-pid, SIGKILL);
}

static int collect(int memory, char **output)
{
	off_t length = lseek(memory, 0, SEEK_END);
	off_t from = length > MOST_OUTPUT ? length - MOST_OUTPUT : 0;
	ssize_t got;

	/* What a daemon left behind goes on writing must not grow for ever. */
	fcntl(memory, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE);
	if (length <= 0)
		return 0;
	*output = malloc((size_t)(length - from) + 1);
	if (*output == NULL)
		return -ENOMEM;
	got = pread(memory, *output, (size_t)(length - from), from);
	(*output)[got > 0 ? got : 0] = '\0';
	return 0;
}

static int watch(struct ph_context *context, pid_t pid, uint64_t limit_us, int *status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int word, r;

	r = wait_child(context, pid, pidfd, now_us() + limit_us);
	if (r < 0)
		end_group(pid, pidfd);
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &word, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*status = WIFEXITED(word) ? WEXITSTATUS(word) : 128 + WTERMSIG(word);
	return r;
}

int run_program(struct ph_context *context, const char *const *arguments, uint64_t limit_us,
                int *status, char **output, struct ph_error *error)
{
	int memory, r;
	pid_t pid;

	*output = NULL;
	*status = -1;
	if (access(arguments[0], X_OK) < 0)
		return ph_fail(error, -errno, "running %s: %s", arguments[0], strerror(errno));
	memory = memfd_create("porthole-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return ph_fail(error, -errno, "running %s: %s", arguments[0], strerror(errno));
	pid = fork();
	if (pid == 0)
		become(arguments, memory);
	if (pid < 0) {
		r = -errno;
		goto out;
	}
	setpgid(pid, pid); /* also here: whoever comes first, the group is there */
	r = watch(context, pid, limit_us, status);
	if (collect(memory, output) < 0 && r == 0)
		r = -ENOMEM;
out:
	close(memory);
	if (r == -ETIMEDOUT)
		return ph_fail(error, r, "running %s: it did not end in time, and was ended",
		               arguments[0]);
	if (r == -ECANCELED)
		return ph_fail(error, r, "running %s: cancelled, it was ended", arguments[0]);
	return r < 0 ? ph_fail(error, r, "running %s: %s", arguments[0], strerror(-r)) : 0;
}

static bool has_start_link(struct ph_context *context, char level, const char *script)
{
	struct dirent *entry;
	bool found = false;
	DIR *directory;
	char path[256];

	snprintf(path, sizeof(path), "%s/rc%c.d", context->etc, level);
	directory = opendir(path);
	if (directory == NULL)
		return false;
	while (!found && (entry = readdir(directory)) != NULL)
		found = entry->d_name[0] == 'S' && strlen(entry->d_name) > 3 &&
		        strcmp(entry->d_name + 3, script) == 0;
	closedir(directory);
	return found;
}

bool run_script_enabled(struct ph_context *context, const char *script)
{
	for (int level = '2'; level <= '5'; level++)
		if (has_start_link(context, (char)level, script))
			return true;
	return false;
}
