/* A terminal of our own with ./porthole on it. Source: forkpty(3), termios(3). */
#include "terminal.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int terminal_open(void **state)
{
	struct terminal *t = calloc(1, sizeof(*t));
	const char *parent = getenv("TMPDIR");

	if (t == NULL)
		return -1;
	t->columns = 80;
	snprintf(t->home, sizeof(t->home), "%s/pty.XXXXXX", parent != NULL ? parent : "/tmp");
	*state = t;
	return mkdtemp(t->home) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

int terminal_close(void **state)
{
	struct terminal *t = *state;

	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
		close(t->fd);
	}
	nftw(t->home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

static void set_environment(const struct terminal *t, const char *const *variables)
{
	char path[512];

	setenv("HOME", t->home, 1);
	snprintf(path, sizeof(path), "%s/state", t->home);
	setenv("XDG_STATE_HOME", path, 1);
	setenv("INPUTRC", "/dev/null", 1);
	setenv("TERM", "dumb", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("NO_COLOR");
	unsetenv("LUA_INIT");
	for (; variables != NULL && *variables != NULL; variables++)
		putenv((char *)(uintptr_t)*variables);
}

static void run_program(const struct terminal *t)
{
	const char *program = getenv("PORTHOLE");

	if (t->memory > 0)
		setrlimit(RLIMIT_AS, &(struct rlimit){ t->memory, t->memory });
	if (program == NULL)
		program = "./porthole";
	execl(program, program, (char *)NULL);
	_exit(127);
}

/* As a shell with job control: a job of its own, that goes on in the foreground when it stops. Says
 * how it left the terminal. */
static void run_as_job(const struct terminal *t)
{
	struct termios left;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		run_program(t);
	}
	signal(SIGTTOU, SIG_IGN);
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
		tcsetpgrp(STDIN_FILENO, getpgrp());
		dprintf(STDOUT_FILENO, "[stopped]\r\n");
		tcsetpgrp(STDIN_FILENO, pid);
		kill(-pid, SIGCONT);
	}
	tcsetpgrp(STDIN_FILENO, getpgrp());
	if (tcgetattr(STDIN_FILENO, &left) == 0)
		dprintf(STDOUT_FILENO, "[ended, the terminal reads %s]\r\n",
		        (left.c_lflag & ICANON) && (left.c_lflag & ECHO) ? "lines" : "keys");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void terminal_start(struct terminal *t, const char *const *variables)
{
	struct winsize size = { .ws_row = 24, .ws_col = t->columns };

	t->length = t->seen = 0;
	t->pid = forkpty(&t->fd, NULL, NULL, &size);
	assert_true(t->pid >= 0);
	if (t->pid > 0)
		return;
	set_environment(t, variables);
	if (t->job)
		run_as_job(t);
	run_program(t);
}

void terminal_start_shell(struct terminal *t)
{
	terminal_start(t, NULL);
	terminal_expect(t, "porthole> ");
}

void terminal_type(struct terminal *t, const char *text)
{
	size_t length = strlen(text);

	assert_int_equal(write(t->fd, text, length), (ssize_t)length);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what came, waiting at most `wait_ms`. False: the other side is closed. */
static bool read_some(struct terminal *t, int wait_ms)
{
	struct pollfd event = { .fd = t->fd, .events = POLLIN };
	ssize_t got;

	if (poll(&event, 1, wait_ms) <= 0)
		return true;
	got = read(t->fd, t->screen + t->length, SCREEN_BYTES - 1 - t->length);
	if (got <= 0)
		return got < 0 && errno == EINTR;
	t->length += (size_t)got;
	assert_true(t->length < SCREEN_BYTES - 1);
	return true;
}

void terminal_expect(struct terminal *t, const char *text)
{
	int64_t end = now_ms() + PATIENCE_MS;
	bool open = true;

	while (now_ms() < end) {
		char *found = memmem(t->screen + t->seen, t->length - t->seen, text, strlen(text));

		if (found != NULL) {
			t->seen = (size_t)(found - t->screen) + strlen(text);
			return;
		}
		if (!open)
			break;
		open = read_some(t, 100);
	}
	t->screen[t->length] = '\0';
	fail_msg("\"%s\" did not appear; the screen since then:\n%s", text, t->screen + t->seen);
}

void terminal_ask(struct terminal *t, const char *line, const char *text)
{
	terminal_type(t, line);
	/* What the terminal echoes is no answer. */
	terminal_expect(t, "\r\n");
	terminal_expect(t, text);
	terminal_expect(t, "porthole> ");
}

int terminal_end(struct terminal *t)
{
	int64_t end = now_ms() + PATIENCE_MS;
	int status = 0;
	pid_t done;

	while ((done = waitpid(t->pid, &status, WNOHANG)) == 0 && now_ms() < end)
		if (!read_some(t, 20))
			usleep(10000);
	assert_int_equal(done, t->pid);
	t->pid = 0;
	close(t->fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
