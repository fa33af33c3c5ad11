/* Owners: on recorded trees of /proc, made here, and on real processes. */
#include "porthole/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define NOBODY 65534

/* A tree like /proc, in a directory of its own. */
struct tree {
	char root[32];
	struct ph_context context;
	struct ph_owners owners;
	struct ph_error error;
};

static void path_in(const struct tree *tree, const char *path, char full[256])
{
	snprintf(full, 256, "%s/%s", tree->root, path);
}

static void put_directory(struct tree *tree, const char *path)
{
	char full[256];

	path_in(tree, path, full);
	for (char *slash = full + strlen(tree->root) + 1; (slash = strchr(slash, '/')) != NULL;
	     slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	mkdir(full, 0755);
}

static void put_parent(struct tree *tree, const char *path)
{
	char parent[256];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	put_directory(tree, parent);
}

static void put_bytes(struct tree *tree, const char *path, const char *bytes, size_t length)
{
	char full[256];
	int fd;

	put_parent(tree, path);
	path_in(tree, path, full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	close(fd);
}

static void put(struct tree *tree, const char *path, const char *text)
{
	put_bytes(tree, path, text, strlen(text));
}

static void put_link(struct tree *tree, const char *path, const char *target)
{
	char full[256];

	put_parent(tree, path);
	path_in(tree, path, full);
	assert_int_equal(symlink(target, full), 0);
}

/* A process that holds this socket by this descriptor. */
static void put_process(struct tree *tree, int pid, int fd, unsigned inode)
{
	char path[64], target[32];

	snprintf(path, sizeof(path), "%d/comm", pid);
	put(tree, path, "program\n");
	snprintf(path, sizeof(path), "%d/fd/%d", pid, fd);
	snprintf(target, sizeof(target), "socket:[%u]", inode);
	put_link(tree, path, target);
}

static int set_up(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree == NULL || ph_context_open(&tree->context, NULL) < 0)
		return -1;
	strcpy(tree->root, "/tmp/porthole.XXXXXX");
	if (mkdtemp(tree->root) == NULL || chmod(tree->root, 0755) < 0)
		return -1;
	tree->context.proc = tree->root;
	*state = tree;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *tree = *state;
	char command[64];
	int r;

	ph_owners_free(&tree->owners);
	ph_context_close(&tree->context);
	/* Only letters that mkdtemp() made. */
	snprintf(command, sizeof(command), "rm -rf %s", tree->root);
	r = system(command);
	free(tree);
	return r;
}

static void read_some(struct tree *tree, const uint32_t *inodes, size_t count)
{
	int r = ph_owners_read(&tree->context, inodes, count, &tree->owners, &tree->error);

	if (r < 0)
		print_message("%s\n", tree->error.message);
	assert_int_equal(r, 0);
}

static void read_all_of(struct tree *tree)
{
	read_some(tree, NULL, 0);
}

static const struct ph_process *holder_of(struct tree *tree, uint32_t inode, size_t nth)
{
	size_t count;
	const struct ph_holder *holders = ph_owners_find(&tree->owners, inode, &count);

	assert_true(nth < count);
	return &tree->owners.processes[holders[nth].process];
}

static size_t holders_of(struct tree *tree, uint32_t inode)
{
	size_t count;

	ph_owners_find(&tree->owners, inode, &count);
	return count;
}

static bool has_reason(const struct tree *tree, const char *part)
{
	for (size_t i = 0; i < tree->owners.partial.count; i++)
		if (strstr(tree->owners.partial.items[i], part) != NULL)
			return true;
	return false;
}

static void every_holder_of_what_was_asked_for_is_found(void **state)
{
	static const uint32_t asked[] = { 0, 11, 12, 11, 99 };
	struct tree *tree = *state;

	put_process(tree, 30, 5, 11);
	put_process(tree, 4, 7, 11);
	put_process(tree, 4, 6, 13);
	put_process(tree, 200, 3, 12);
	put_process(tree, 201, 3, 13);
	put(tree, "sys/kernel/x", "not a process");
	read_some(tree, asked, 5);
	assert_int_equal(tree->owners.process_count, 3);
	assert_int_equal(tree->owners.holder_count, 3);
	assert_int_equal(holder_of(tree, 11, 0)->pid, 4);
	assert_int_equal(holder_of(tree, 11, 1)->pid, 30);
	assert_int_equal(holder_of(tree, 12, 0)->pid, 200);
	assert_int_equal(holders_of(tree, 13), 0);
	assert_int_equal(holders_of(tree, 0), 0);
	assert_true(tree->owners.all_processes);
	assert_int_equal(tree->owners.hidden_processes, 0);
}

static void without_inodes_every_socket_is_asked_for(void **state)
{
	struct tree *tree = *state;
	size_t count;
	const struct ph_holder *holder;

	put_process(tree, 4, 17, 11);
	put_process(tree, 4, 6, 11);
	put_process(tree, 4, 9, 4294967295u);
	put_process(tree, 5, 6, 70000);
	read_all_of(tree);
	assert_int_equal(tree->owners.holder_count, 3);
	holder = ph_owners_find(&tree->owners, 11, &count);
	assert_int_equal(count, 1);
	assert_int_equal(holder->fd, 6);
	assert_int_equal(holders_of(tree, 4294967295u), 1);
	assert_int_equal(holders_of(tree, 70000), 1);
}

static void an_empty_list_asks_for_nothing(void **state)
{
	static const uint32_t none[1];
	struct tree *tree = *state;

	put_process(tree, 4, 6, 11);
	read_some(tree, none, 0);
	assert_int_equal(tree->owners.holder_count, 0);
	assert_int_equal(tree->owners.process_count, 0);
}

static void only_the_kernels_spelling_is_a_socket(void **state)
{
	static const char *const others[] = {
		"socket:[]",
		"socket:[0]",
		"socket:[12x]",
		"socket:[4294967296]",
		"socket:[99999999999999999999999]",
		"socket:[12",
		"/tmp/socket:[12]",
		"pipe:[12]",
		"net:[12]",
		"socket:[-1]",
		"socket:[12] (deleted)",
		"s",
	};
	struct tree *tree = *state;
	char path[32];

	put_process(tree, 4, 100, 12);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(path, sizeof(path), "4/fd/%zu", i);
		put_link(tree, path, others[i]);
	}
	put_link(tree, "4/fd/x1", "socket:[77]");
	read_all_of(tree);
	assert_int_equal(tree->owners.holder_count, 1);
	assert_int_equal(tree->owners.holders[0].fd, 100);
}

static void a_process_is_described_by_its_bytes(void **state)
{
	static const char cmdline[] = "/usr/bin/x\0-a\0two words\0\xff\0\0\0";
	struct tree *tree = *state;
	const struct ph_process *process;

	put_process(tree, 4, 3, 11);
	put(tree, "4/comm", "a) b\n(\x1b[2J\n");
	put_bytes(tree, "4/cmdline", cmdline, sizeof(cmdline) - 1);
	put(tree, "4/status",
	    "Name:\ta\\nUid:\t9\t9\nUmask:\t0022\nUid:\t1000\t33\t0\t0\nGid:\t5\n");
	put(tree, "4/cgroup", "0::/system.slice/apache2.service\n");
	put_link(tree, "4/exe", "/usr/bin/x\n (deleted)");
	put_link(tree, "4/ns/net", "net:[4026531840]");
	read_all_of(tree);
	process = holder_of(tree, 11, 0);
	assert_string_equal(process->name, "a) b\n(\x1b[2J");
	assert_string_equal(process->cmdline, "/usr/bin/x -a two words \xff");
	assert_string_equal(process->exe, "/usr/bin/x\n (deleted)");
	assert_int_equal(process->uid, 33);
	assert_true(process->netns == 4026531840u);
	assert_string_equal(process->unit, "apache2.service");
	assert_null(process->user_unit);
	assert_null(process->container);
}

static void what_is_not_to_be_seen_is_absent(void **state)
{
	struct tree *tree = *state;
	const struct ph_process *process;

	put_process(tree, 4, 3, 11);
	put(tree, "4/cmdline", "");
	put(tree, "4/status", "Name:\tx\n");
	read_all_of(tree);
	process = holder_of(tree, 11, 0);
	assert_null(process->cmdline);
	assert_null(process->exe);
	assert_null(process->unit);
	assert_int_equal(process->netns, 0);
	assert_int_equal(process->uid, UINT32_MAX);
}

static void long_texts_are_cut(void **state)
{
	struct tree *tree = *state;
	const struct ph_process *process;
	char *text = malloc(100000);

	memset(text, 'x', 99999);
	text[99999] = '\0';
	put_process(tree, 4, 3, 11);
	put(tree, "4/comm", text);
	put(tree, "4/cmdline", text);
	free(text);
	read_all_of(tree);
	process = holder_of(tree, 11, 0);
	assert_int_equal(strlen(process->name), 63);
	assert_int_equal(strlen(process->cmdline), 65535);
}

static void a_process_that_ended_meanwhile_is_left_out(void **state)
{
	struct tree *tree = *state;
	char path[256];

	put_process(tree, 4, 3, 11);
	put_process(tree, 5, 3, 11);
	path_in(tree, "5/comm", path);
	unlink(path);
	put_directory(tree, "6");
	read_all_of(tree);
	assert_int_equal(tree->owners.process_count, 1);
	assert_int_equal(tree->owners.holder_count, 1);
	assert_int_equal(tree->owners.partial.count, 0);
}

static void a_threads_own_table_is_read(void **state)
{
	struct tree *tree = *state;

	put_process(tree, 4, 3, 11);
	put_link(tree, "4/task/4/fd/3", "socket:[11]");
	put_link(tree, "4/task/9/fd/2", "socket:[11]");
	put_link(tree, "4/task/9/fd/8", "socket:[12]");
	/* The first thread has ended. */
	put(tree, "20/comm", "late\n");
	put_directory(tree, "20/fd");
	put_link(tree, "20/task/21/fd/8", "socket:[13]");
	read_all_of(tree);
	assert_int_equal(tree->owners.holder_count, 3);
	/* The process's own table goes first, whatever number a thread's has. */
	assert_int_equal(tree->owners.holders[0].fd, 3);
	assert_int_equal(tree->owners.holders[0].thread, 0);
	assert_int_equal(tree->owners.holders[1].thread, 9);
	assert_int_equal(holder_of(tree, 12, 0)->pid, 4);
	assert_string_equal(holder_of(tree, 13, 0)->name, "late");
}

static void threads_find_the_same_as_one(void **state)
{
	enum { LARGE = 4000, SMALL = 150 };
	struct tree *tree = *state;

	for (unsigned i = 0; i < LARGE; i++)
		put_process(tree, 50, (int)i, 1000 + i);
	for (int i = 0; i < SMALL; i++)
		put_process(tree, 100 + i, 3, 1000);
	for (unsigned threads = 1; threads <= 6; threads++) {
		tree->context.threads = threads;
		read_all_of(tree);
		assert_int_equal(tree->owners.process_count, SMALL + 1);
		assert_int_equal(tree->owners.holder_count, LARGE + SMALL);
		assert_int_equal(holders_of(tree, 1000), SMALL + 1);
		for (uint32_t i = 1; i < LARGE; i++) {
			assert_int_equal(holders_of(tree, 1000 + i), 1);
			assert_int_equal(holder_of(tree, 1000 + i, 0)->pid, 50);
		}
		for (size_t i = 1; i <= SMALL; i++)
			assert_int_equal(holder_of(tree, 1000, i)->pid, 99 + (int)i);
		ph_owners_free(&tree->owners);
	}
}

static void without_proc_there_is_an_error(void **state)
{
	struct tree *tree = *state;

	tree->context.proc = "/nowhere";
	assert_failure(ph_owners_read(&tree->context, NULL, 0, &tree->owners, &tree->error),
	               -ENOENT, tree->error, "/nowhere");
}

static void a_cancelled_context_ends_it(void **state)
{
	struct tree *tree = *state;

	put_process(tree, 4, 3, 11);
	ph_cancel(&tree->context);
	assert_failure(ph_owners_read(&tree->context, NULL, 0, &tree->owners, &tree->error),
	               -ECANCELED, tree->error, "reading the processes");
}

static void without_descriptors_there_is_an_error(void **state)
{
	struct tree *tree = *state;
	struct rlimit before, few;
	int r, free_fd = dup(0);

	put_process(tree, 4, 3, 11);
	close(free_fd);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	/* Enough for /proc and the process's directory, not for its descriptors'. */
	few.rlim_cur = (rlim_t)free_fd + 2;
	setrlimit(RLIMIT_NOFILE, &few);
	r = ph_owners_read(&tree->context, NULL, 0, &tree->owners, &tree->error);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_failure(r, -EMFILE, tree->error, "ulimit -n");
}

static void another_pid_namespace_is_a_reason(void **state)
{
	struct tree *tree = *state;
	char path[256];

	put_link(tree, "self/ns/pid", "pid:[4026531836]");
	read_all_of(tree);
	assert_true(tree->owners.all_processes);
	assert_int_equal(tree->owners.partial.count, 0);
	ph_owners_free(&tree->owners);
	path_in(tree, "self/ns/pid", path);
	unlink(path);
	put_link(tree, "self/ns/pid", "pid:[4026532000]");
	read_all_of(tree);
	assert_false(tree->owners.all_processes);
	assert_true(has_reason(tree, "PID namespace"));
}

static void hidepid_is_a_reason_where_it_is_in_effect(void **state)
{
	static const struct {
		const char *options;
		bool hides;
	} mounts[] = {
		{ "rw", false },
		{ "rw,hidepid=0", false },
		{ "rw,hidepid=noaccess,gid=4242", false },
		{ "rw,hidepid=2,gid=4242", true },
		{ "rw,hidepid=invisible,gid=4242", true },
		{ "rw,hidepid=4", true },
		{ "rw,hidepid=ptraceable", true },
		/* The one on top counts. */
		{ "rw,hidepid=4\n40 20 0:5 / /proc rw - proc proc rw", false },
	};
	struct tree *tree = *state;
	char text[512];

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		snprintf(text, sizeof(text),
		         "20 1 0:1 / / rw - ext4 x rw\nbroken\n"
		         "22 20 0:5 / /proc rw shared:5 - proc proc %s\n"
		         "23 20 0:6 / /other/proc rw - proc proc rw,hidepid=2,gid=4242\n",
		         mounts[i].options);
		put(tree, "self/mountinfo", text);
		read_all_of(tree);
		assert_int_equal(tree->owners.all_processes, !mounts[i].hides);
		assert_int_equal(has_reason(tree, "hidepid"), mounts[i].hides);
		ph_owners_free(&tree->owners);
	}
	/* A group that we are in sees all the same. */
	snprintf(text, sizeof(text), "22 20 0:5 / /proc rw - proc proc rw,hidepid=2,gid=%u\n",
	         (unsigned)getegid());
	put(tree, "self/mountinfo", text);
	read_all_of(tree);
	assert_true(tree->owners.all_processes);
}

static int read_and_free(void *data)
{
	static const uint32_t asked[] = { 11, 12 };
	struct tree *tree = data;
	int r = ph_owners_read(&tree->context, asked, 2, &tree->owners, &tree->error);

	ph_owners_free(&tree->owners);
	return r;
}

static void a_failed_allocation_is_an_error(void **state)
{
	struct tree *tree = *state;

	put_process(tree, 4, 3, 11);
	put_process(tree, 5, 3, 11);
	put(tree, "4/cmdline", "x");
	put(tree, "4/cgroup", "0::/user.slice/user@1000.service/app.slice/mine.service\n");
	put_link(tree, "4/exe", "/usr/bin/x");
	put(tree, "1/cgroup", "0::/init.scope\n");
	put_link(tree, "self/ns/pid", "pid:[4026532000]");
	put(tree, "self/mountinfo", "22 20 0:5 / /proc rw - proc proc rw,hidepid=4\n");
	tree->context.threads = 1;
	fail_each_allocation(read_and_free, tree);
}

/*
 * Runs `look` as an ordinary user and returns what it returned (0 to 100); as it is where this
 * already is one. -1: that user cannot be had here.
 */
static int as_ordinary_user(int (*look)(struct tree *tree), struct tree *tree)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return look(tree);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(127);
		_exit(look(tree));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

static void close_directory(struct tree *tree, const char *path)
{
	char full[256];

	put_directory(tree, path);
	path_in(tree, path, full);
	assert_int_equal(chmod(full, 0), 0);
}

static int count_hidden(struct tree *tree)
{
	int hidden;

	if (ph_owners_read(&tree->context, NULL, 0, &tree->owners, NULL) < 0)
		return 100;
	hidden = (int)tree->owners.hidden_processes;
	if (hidden > 0 && !has_reason(tree, "sudo"))
		hidden = 99;
	ph_owners_free(&tree->owners);
	return hidden;
}

static void processes_that_can_hide_descriptors_are_counted(void **state)
{
	struct tree *tree = *state;
	int hidden;

	put_process(tree, 3, 3, 11);
	close_directory(tree, "4/fd");
	put(tree, "4/stat", "4 (Z) 2097152) S 1 4 4 0 -1 4194560 0 0\n");
	/* A kernel thread, a zombie, and two that say nothing. */
	close_directory(tree, "5/fd");
	put(tree, "5/stat", "5 (kworker/0:0) I 2 0 0 0 -1 69238880 0 0\n");
	close_directory(tree, "6/fd");
	put(tree, "6/stat", "6 (x) Z 1 6 6 0 -1 4194560 0 0\n");
	close_directory(tree, "7/fd");
	close_directory(tree, "8/fd");
	put(tree, "8/stat", "8 (x");
	hidden = as_ordinary_user(count_hidden, tree);
	if (hidden < 0) {
		print_message("skipped: cannot become an ordinary user here\n");
		skip();
	}
	assert_int_equal(hidden, 3);
}

/* A process that lives until end_child(). */
struct child {
	pid_t pid;
	int ready, go; /* pipes: it says that it is ready; it ends when `go` is closed */
};

static struct child start_child(void (*be)(int ready, int go, void *data), void *data)
{
	struct child child;
	int ready[2], go[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child.pid = fork();
	if (child.pid == 0) {
		close(ready[0]);
		close(go[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		be(ready[1], go[0], data);
		_exit(0);
	}
	assert_true(child.pid > 0);
	close(ready[1]);
	close(go[0]);
	child.ready = ready[0];
	child.go = go[1];
	/* Ends also when the child ends without a word. */
	if (read(child.ready, &byte, 1) != 1)
		child.pid = -child.pid;
	return child;
}

static void end_child(struct child *child)
{
	close(child->go);
	close(child->ready);
	waitpid(child->pid > 0 ? child->pid : -child->pid, NULL, 0);
}

static void be_ready(int ready, int go)
{
	char byte = 0;

	if (write(ready, &byte, 1) == 1)
		while (read(go, &byte, 1) < 0 && errno == EINTR)
			;
}

static uint32_t inode_of(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return (uint32_t)status.st_ino;
}

static void hold(int ready, int go, void *data)
{
	(void)data;
	prctl(PR_SET_NAME, "\x1b[2J) \n(\xff");
	be_ready(ready, go);
}

static void a_socket_shared_by_fork_has_both_owners(void **state)
{
	struct tree *tree = *state;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), copy;
	struct child child;
	uint32_t inode = inode_of(fd);
	const struct ph_process *process;
	size_t count;

	copy = fcntl(fd, F_DUPFD, 200);
	child = start_child(hold, NULL);
	assert_true(child.pid > 0);
	tree->context.proc = "/proc";
	read_some(tree, &inode, 1);
	end_child(&child);
	close(copy);
	close(fd);
	assert_int_equal(ph_owners_find(&tree->owners, inode, &count)->fd, fd);
	assert_int_equal(count, 2);
	assert_int_equal(tree->owners.process_count, 2);
	process = holder_of(tree, inode, holder_of(tree, inode, 0)->pid == getpid() ? 1 : 0);
	assert_int_equal(process->pid, child.pid);
	assert_string_equal(process->name, "\x1b[2J) \n(\xff");
	assert_int_equal(process->uid, geteuid());
	assert_non_null(process->exe);
	assert_non_null(process->cmdline);
	assert_true(process->netns != 0);
}

struct plan {
	int ready, go;
	int inode_to; /* a pipe for the inode of the socket that the thread has */
	bool leader_ends;
};

static void *have_own_table(void *data)
{
	struct plan *plan = data;
	struct stat status = { 0 };
	int fd;

	if (!plan->leader_ends && unshare(CLONE_FILES) < 0)
		_exit(1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || fstat(fd, &status) < 0 ||
	    write(plan->inode_to, &status.st_ino, sizeof(status.st_ino)) < 0)
		_exit(1);
	be_ready(plan->ready, plan->go);
	_exit(0);
}

static void be_threads(int ready, int go, void *data)
{
	struct plan *plan = data;
	pthread_t thread;

	plan->ready = ready;
	plan->go = go;
	if (pthread_create(&thread, NULL, have_own_table, plan) != 0)
		_exit(1);
	/* Without its library's clean-up: only this thread ends, and is a zombie. */
	if (plan->leader_ends)
		syscall(SYS_exit, 0);
	pthread_join(thread, NULL);
}

static void find_in_thread(struct tree *tree, bool leader_ends)
{
	struct plan plan = { .leader_ends = leader_ends };
	struct child child;
	int inode_pipe[2];
	ino_t inode = 0;
	uint32_t asked;

	assert_int_equal(pipe(inode_pipe), 0);
	plan.inode_to = inode_pipe[1];
	child = start_child(be_threads, &plan);
	assert_true(child.pid > 0);
	assert_int_equal(read(inode_pipe[0], &inode, sizeof(inode)), sizeof(inode));
	close(inode_pipe[0]);
	close(inode_pipe[1]);
	asked = (uint32_t)inode;
	tree->context.proc = "/proc";
	read_some(tree, &asked, 1);
	end_child(&child);
	assert_int_equal(holders_of(tree, asked), 1);
	assert_int_equal(holder_of(tree, asked, 0)->pid, child.pid);
}

static void a_table_that_a_thread_unshared_is_found(void **state)
{
	find_in_thread(*state, false);
}

static void the_threads_of_a_dead_leader_are_found(void **state)
{
	find_in_thread(*state, true);
}

/* A socket that only root's process has: the ordinary one gives its copy up. */
static uint32_t hidden_inode;
static int hidden_fd;

static int find_hidden(struct tree *tree)
{
	int r = 0;

	close(hidden_fd);
	if (ph_owners_read(&tree->context, &hidden_inode, 1, &tree->owners, NULL) < 0)
		return 100;
	r += tree->owners.holder_count == 0 ? 1 : 0;
	r += tree->owners.hidden_processes > 0 ? 2 : 0;
	r += has_reason(tree, "sudo") ? 4 : 0;
	ph_owners_free(&tree->owners);
	return r;
}

static void an_ordinary_user_is_told_what_is_hidden(void **state)
{
	struct tree *tree = *state;
	int found;

	if (geteuid() != 0) {
		print_message("skipped: needs root for a process that others cannot see\n");
		skip();
	}
	hidden_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	hidden_inode = inode_of(hidden_fd);
	tree->context.proc = "/proc";
	found = as_ordinary_user(find_hidden, tree);
	close(hidden_fd);
	if (found < 0) {
		print_message("skipped: cannot become an ordinary user here\n");
		skip();
	}
	assert_int_equal(found, 7);
}

static void be_many(int ready, int go, void *data)
{
	char byte = 0;

	(void)data;
	if (write(ready, &byte, 1) != 1)
		return;
	fcntl(go, F_SETFL, O_NONBLOCK);
	/* At most 3,000: a bound, should nobody end it. */
	for (int i = 0; i < 3000 && read(go, &byte, 1) != 0; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void processes_that_come_and_go_do_no_harm(void **state)
{
	struct tree *tree = *state;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	uint32_t inode = inode_of(fd);
	struct child child = start_child(be_many, NULL);

	tree->context.proc = "/proc";
	for (int i = 0; i < 20; i++) {
		bool own = false;

		read_some(tree, &inode, 1);
		/* Each child of the child had it too, while it lived. */
		for (size_t j = 0; j < tree->owners.process_count; j++) {
			assert_int_not_equal(tree->owners.processes[j].name[0], '\0');
			own = own || tree->owners.processes[j].pid == getpid();
		}
		assert_true(own);
		ph_owners_free(&tree->owners);
	}
	end_child(&child);
	close(fd);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_holder_of_what_was_asked_for_is_found),
		TEST(without_inodes_every_socket_is_asked_for),
		TEST(an_empty_list_asks_for_nothing),
		TEST(only_the_kernels_spelling_is_a_socket),
		TEST(a_process_is_described_by_its_bytes),
		TEST(what_is_not_to_be_seen_is_absent),
		TEST(long_texts_are_cut),
		TEST(a_process_that_ended_meanwhile_is_left_out),
		TEST(a_threads_own_table_is_read),
		TEST(threads_find_the_same_as_one),
		TEST(without_proc_there_is_an_error),
		TEST(a_cancelled_context_ends_it),
		TEST(without_descriptors_there_is_an_error),
		TEST(another_pid_namespace_is_a_reason),
		TEST(hidepid_is_a_reason_where_it_is_in_effect),
		TEST(a_failed_allocation_is_an_error),
		TEST(processes_that_can_hide_descriptors_are_counted),
		TEST(a_socket_shared_by_fork_has_both_owners),
		TEST(a_table_that_a_thread_unshared_is_found),
		TEST(the_threads_of_a_dead_leader_are_found),
		TEST(an_ordinary_user_is_told_what_is_hidden),
		TEST(processes_that_come_and_go_do_no_harm),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
