/*
 * Namespaces, on real ones: the tests run in user, mount, network and PID namespaces of their own,
 * as far as the machine lets them have these.
 */
#include "porthole/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define NOBODY        65534
#define NOT_AVAILABLE 77

struct fixture {
	char run[32]; /* with a directory netns */
	struct ph_context context;
	struct ph_namespaces all;
	struct ph_error error;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char netns[64];

	if (f == NULL || ph_context_open(&f->context, NULL) < 0)
		return -1;
	strcpy(f->run, "/tmp/porthole.XXXXXX");
	if (mkdtemp(f->run) == NULL)
		return -1;
	f->context.run = f->run;
	snprintf(netns, sizeof(netns), "%s/netns", f->run);
	*state = f;
	return mkdir(netns, 0755);
}

static void path_in(const struct fixture *f, const char *path, char full[128])
{
	snprintf(full, 128, "%s/%s", f->run, path);
}

static int tear_down(void **state)
{
	static const char *const mounts[] = { "netns/blue", "netns/alias", "a b" };
	struct fixture *f = *state;
	char path[128];

	ph_namespaces_free(&f->all);
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		path_in(f, mounts[i], path);
		umount2(path, MNT_DETACH);
		unlink(path);
	}
	path_in(f, "netns/plain", path);
	unlink(path);
	path_in(f, "netns", path);
	rmdir(path);
	rmdir(f->run);
	ph_context_close(&f->context);
	free(f);
	return 0;
}

static uint64_t own_inode(void)
{
	struct stat status;

	assert_int_equal(stat("/proc/thread-self/ns/net", &status), 0);
	return status.st_ino;
}

static void read_all(struct fixture *f)
{
	int r = ph_namespaces_read(&f->context, &f->all, &f->error);

	if (r < 0)
		print_message("%s\n", f->error.message);
	assert_int_equal(r, 0);
}

static struct ph_namespace *find(struct fixture *f, uint64_t inode)
{
	struct ph_namespace *found = NULL;

	for (size_t i = 0; i < f->all.count; i++) {
		if (f->all.items[i].inode != inode)
			continue;
		assert_null(found);
		found = &f->all.items[i];
	}
	return found;
}

/* What a child makes for the tests: it writes the inode of the namespace, and lives until the pipe
 * `go` is closed. */
struct child {
	pid_t pid;
	uint64_t inode;
	int go;
};

struct life {
	int ready, go;
};

static uint64_t inode_now(void)
{
	struct stat status;

	return stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

static void live(const struct life *life, uint64_t inode)
{
	char byte;

	if (write(life->ready, &inode, sizeof(inode)) == sizeof(inode))
		while (read(life->go, &byte, 1) < 0 && errno == EINTR)
			;
}

static struct child start_child(void (*be)(const struct life *life))
{
	struct child child = { 0 };
	int ready[2], go[2];

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child.pid = fork();
	if (child.pid == 0) {
		struct life life = { ready[1], go[0] };

		close(ready[0]);
		close(go[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		be(&life);
		_exit(0);
	}
	assert_true(child.pid > 0);
	close(ready[1]);
	close(go[0]);
	child.go = go[1];
	assert_int_equal(read(ready[0], &child.inode, sizeof(child.inode)), sizeof(child.inode));
	assert_true(child.inode != 0);
	close(ready[0]);
	return child;
}

static void end_child(struct child *child)
{
	close(child->go);
	waitpid(child->pid, NULL, 0);
}

static void be_in_new(const struct life *life)
{
	live(life, unshare(CLONE_NEWNET) == 0 ? inode_now() : 0);
}

/* The namespace that this socket belongs to has nothing else. */
static void be_with_socket(const struct life *life)
{
	uint64_t inode;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
	inode = inode_now();
	fd = socket(AF_INET, SOCK_STREAM, 0);
	live(life, fd >= 0 && unshare(CLONE_NEWNET) == 0 ? inode : 0);
}

static void be_with_mount(const struct life *life)
{
	uint64_t inode;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		_exit(1);
	inode = inode_now();
	if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0 || mkdir("/tmp/in side", 0755) < 0 ||
	    close(open("/tmp/in side/x", O_CREAT | O_WRONLY, 0600)) < 0 ||
	    mount("/proc/self/ns/net", "/tmp/in side/x", "none", MS_BIND, NULL) < 0)
		_exit(1);
	live(life, unshare(CLONE_NEWNET) == 0 ? inode : 0);
}

static void *thread_in_new(void *life)
{
	be_in_new(life);
	_exit(0);
}

static void be_with_thread(const struct life *life)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_in_new, (void *)life) != 0)
		_exit(1);
	pthread_join(thread, NULL);
}

static int tell_where(void *data)
{
	*(uint64_t *)data = inode_now();
	return 7;
}

static void assert_can_enter(struct fixture *f, const struct ph_namespace *where)
{
	uint64_t before = own_inode(), there = 0;
	int r = ph_namespace_run(where, tell_where, &there, &f->error);

	if (r < 0)
		print_message("%s\n", f->error.message);
	assert_int_equal(r, 7);
	assert_true(there == where->inode);
	assert_true(own_inode() == before);
}

static void the_own_one_is_first(void **state)
{
	struct fixture *f = *state;
	struct ph_namespace own;
	char name[32];

	read_all(f);
	assert_int_equal(ph_namespace_own(&f->context, &own, &f->error), 0);
	snprintf(name, sizeof(name), "net:[%llu]", (unsigned long long)own_inode());
	assert_string_equal(own.name, name);
	assert_true(own.own);
	assert_true(f->all.items[0].own);
	assert_string_equal(f->all.items[0].name, name);
	assert_true(f->all.items[0].inode == own.inode);
	assert_true(f->all.items[0].dev == own.dev);
	for (size_t i = 1; i < f->all.count; i++)
		assert_false(f->all.items[i].own);
	assert_can_enter(f, &own);
	ph_namespace_close(&own);
}

static void one_of_a_process_is_found_and_entered(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_in_new), other = start_child(be_in_new);
	struct ph_namespace *found;

	read_all(f);
	found = find(f, child.inode);
	assert_non_null(found);
	assert_int_equal(found->pid, child.pid);
	assert_can_enter(f, found);
	/* Both are in the same unit or container, if in any. */
	assert_string_not_equal(found->name, find(f, other.inode)->name);
	/* The later one has the other's pipe too. */
	end_child(&other);
	end_child(&child);
}

static void one_of_a_thread_is_found(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_with_thread);

	read_all(f);
	assert_non_null(find(f, child.inode));
	assert_can_enter(f, find(f, child.inode));
	end_child(&child);
}

/* Mounts a child's namespace on a new file, and ends the child. */
static uint64_t mount_new(struct fixture *f, const char *path)
{
	struct child child = start_child(be_in_new);
	char from[64], to[128];

	path_in(f, path, to);
	snprintf(from, sizeof(from), "/proc/%d/ns/net", child.pid);
	close(open(to, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(mount(from, to, "none", MS_BIND, NULL), 0);
	end_child(&child);
	return child.inode;
}

static void names_are_those_in_run_netns(void **state)
{
	struct fixture *f = *state;
	uint64_t inode = mount_new(f, "netns/blue");
	struct ph_namespace found;
	char from[128], path[128];

	/* A second name, later in the alphabet's order; and what is no namespace. */
	path_in(f, "netns/blue", from);
	path_in(f, "netns/alias", path);
	assert_int_equal(symlink(from, path), 0);
	path_in(f, "netns/plain", path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	read_all(f);
	assert_non_null(find(f, inode));
	assert_string_equal(find(f, inode)->name, "alias");
	assert_int_equal(find(f, inode)->pid, 0);
	assert_can_enter(f, find(f, inode));
	assert_int_equal(ph_namespace_open(&f->context, "blue", &found, &f->error), 0);
	assert_true(found.inode == inode);
	assert_false(found.own);
	assert_can_enter(f, &found);
	ph_namespace_close(&found);
	assert_int_equal(ph_namespace_open(&f->context, from, &found, &f->error), 0);
	assert_true(found.inode == inode);
	assert_string_equal(found.name, "alias");
	ph_namespace_close(&found);
	assert_failure(ph_namespace_open(&f->context, "plain", &found, &f->error), -EINVAL,
	               f->error, "plain");
	ph_namespace_close(&found);
}

static void one_that_only_a_mount_elsewhere_holds_is_found(void **state)
{
	struct fixture *f = *state;
	uint64_t inode = mount_new(f, "a b");
	struct ph_namespace found;
	char name[32];

	read_all(f);
	assert_non_null(find(f, inode));
	assert_can_enter(f, find(f, inode));
	snprintf(name, sizeof(name), "net:[%llu]", (unsigned long long)inode);
	assert_string_equal(find(f, inode)->name, name);
	/* What a listing calls it is a way to ask for it. */
	assert_int_equal(ph_namespace_open(&f->context, name, &found, &f->error), 0);
	assert_true(found.inode == inode);
	ph_namespace_close(&found);
}

static void one_that_a_mount_in_another_mount_namespace_holds_is_found(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_with_mount);

	read_all(f);
	assert_non_null(find(f, child.inode));
	assert_can_enter(f, find(f, child.inode));
	end_child(&child);
}

static void one_that_only_a_descriptor_holds_is_found(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_in_new);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", child.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	end_child(&child);
	read_all(f);
	close(fd);
	assert_non_null(find(f, child.inode));
	assert_can_enter(f, find(f, child.inode));
}

static void one_that_only_a_socket_holds_is_found_on_request(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_with_socket);
	size_t before;
	int added;

	read_all(f);
	assert_null(find(f, child.inode));
	before = f->all.count;
	added = ph_namespaces_add_held(&f->context, &f->all, NULL, 0, &f->error);
	end_child(&child);
	assert_true(added >= 0);
	assert_int_equal(f->all.count, before + (size_t)added);
	if (find(f, child.inode) == NULL) {
		assert_true(f->all.partial.count > 0);
		print_message("skipped: %s\n", f->all.partial.items[f->all.partial.count - 1]);
		skip();
	}
	assert_non_null(find(f, child.inode)->name);
	assert_can_enter(f, find(f, child.inode));
}

static void sockets_that_are_known_are_not_asked(void **state)
{
	struct fixture *f = *state;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct stat status;
	uint32_t known;
	size_t before;

	fstat(fd, &status);
	known = (uint32_t)status.st_ino;
	read_all(f);
	before = f->all.count;
	assert_true(ph_namespaces_add_held(&f->context, &f->all, &known, 1, &f->error) >= 0);
	assert_true(f->all.count >= before);
	close(fd);
}

static void a_process_is_a_way_to_say_it(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_in_new);
	struct ph_namespace found;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", child.pid);
	assert_int_equal(ph_namespace_open(&f->context, pid, &found, &f->error), 0);
	assert_true(found.inode == child.inode);
	assert_int_equal(found.pid, child.pid);
	assert_false(found.own);
	ph_namespace_close(&found);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(ph_namespace_open(&f->context, pid, &found, &f->error), 0);
	assert_true(found.own);
	ph_namespace_close(&found);
	end_child(&child);
}

static void what_is_no_namespace_is_an_error(void **state)
{
	static const struct {
		const char *which, *message;
		int code;
	} wrong[] = {
		{ "", "empty", -ENOENT },
		{ "nosuch", "nosuch", -ENOENT },
		{ "\x1b[2J", "special characters", -ENOENT },
		{ "4194305", "4194305", -ESRCH },
		{ "99999999999", "99999999999", -ENOENT },
		{ "/no/such", "/no/such", -ENOENT },
		{ "/proc/self/ns/mnt", "not the file of a network namespace", -EINVAL },
		{ "/proc/self/status", "not the file of a network namespace", -EINVAL },
		{ "/dev/null", "not the file of a network namespace", -EINVAL },
		{ "..", "..", -EINVAL },
	};
	struct fixture *f = *state;
	struct ph_namespace found;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_failure(ph_namespace_open(&f->context, wrong[i].which, &found, &f->error),
		               wrong[i].code, f->error, wrong[i].message);
		ph_namespace_close(&found);
	}
}

static void one_without_a_descriptor_is_not_entered(void **state)
{
	struct fixture *f = *state;
	struct ph_namespace none = { .fd = -1 };
	uint64_t there = 0;

	assert_failure(ph_namespace_run(&none, tell_where, &there, &f->error), -EBADF, f->error,
	               "could not be opened");
	assert_true(there == 0);
}

static void who_may_not_enter_is_told(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(be_in_new);
	struct ph_namespace found;
	char which[64];
	int status;
	pid_t pid;

	snprintf(which, sizeof(which), "/proc/%d/ns/net", child.pid);
	assert_int_equal(ph_namespace_open(&f->context, which, &found, &f->error), 0);
	pid = fork();
	if (pid == 0) {
		uint64_t there;
		int r;

		/* In a user namespace with one user there is no other to become. */
		if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(NOT_AVAILABLE);
		r = ph_namespace_run(&found, tell_where, &there, &f->error);
		_exit(r == -EPERM && strstr(f->error.message, "sudo") != NULL ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ph_namespace_close(&found);
	end_child(&child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_AVAILABLE) {
		print_message("skipped: cannot become an ordinary user here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void without_proc_there_is_an_error(void **state)
{
	struct fixture *f = *state;

	f->context.proc = "/nowhere";
	assert_failure(ph_namespaces_read(&f->context, &f->all, &f->error), -ENOENT, f->error,
	               "/nowhere");
}

static void a_cancelled_context_ends_the_walk(void **state)
{
	struct fixture *f = *state;

	ph_cancel(&f->context);
	assert_failure(ph_namespaces_read(&f->context, &f->all, &f->error), -ECANCELED, f->error,
	               "reading the processes");
}

static int all_of_it(void *data)
{
	struct fixture *f = data;
	struct ph_namespace found;
	int r;

	r = ph_namespaces_read(&f->context, &f->all, &f->error);
	if (r == 0)
		r = ph_namespaces_add_held(&f->context, &f->all, NULL, 0, &f->error);
	ph_namespaces_free(&f->all);
	if (r < 0)
		return r;
	r = ph_namespace_open(&f->context, "blue", &found, &f->error);
	ph_namespace_close(&found);
	if (r < 0)
		return r;
	r = ph_namespace_open(&f->context, "1", &found, &f->error);
	ph_namespace_close(&found);
	/* Of the machine's first process it may be refused. */
	return r == -EACCES ? 0 : r;
}

static void a_failed_allocation_is_an_error(void **state)
{
	struct fixture *f = *state;

	mount_new(f, "netns/blue");
	f->context.threads = 1;
	fail_each_allocation(all_of_it, f);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_own_one_is_first),
		TEST(one_of_a_process_is_found_and_entered),
		TEST(one_of_a_thread_is_found),
		TEST(names_are_those_in_run_netns),
		TEST(one_that_only_a_mount_elsewhere_holds_is_found),
		TEST(one_that_a_mount_in_another_mount_namespace_holds_is_found),
		TEST(one_that_only_a_descriptor_holds_is_found),
		TEST(one_that_only_a_socket_holds_is_found_on_request),
		TEST(sockets_that_are_known_are_not_asked),
		TEST(a_process_is_a_way_to_say_it),
		TEST(what_is_no_namespace_is_an_error),
		TEST(one_without_a_descriptor_is_not_entered),
		TEST(who_may_not_enter_is_told),
		TEST(without_proc_there_is_an_error),
		TEST(a_cancelled_context_ends_the_walk),
		TEST(a_failed_allocation_is_an_error),
	};

	return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Namespaces of our own; with CLONE_NEWUSER, as their root. */
static bool isolate(int flags)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", (unsigned)geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", (unsigned)getegid());
	if (unshare(flags) < 0)
		return false;
	if ((flags & CLONE_NEWUSER) != 0 &&
	    (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", uid) ||
	     !put("/proc/self/gid_map", gid)))
		return false;
	return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

static int end_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Runs the tests in such namespaces; NOT_AVAILABLE: they cannot be had. */
static int run_isolated(int flags)
{
	pid_t pid;

	if (!isolate(flags))
		return NOT_AVAILABLE;
	if ((flags & CLONE_NEWPID) == 0)
		return run_group();
	/* The first process of the new PID namespace is the next child; the leak checker does not
	 * work in that one. */
	pid = fork();
	if (pid > 0)
		_exit(end_of(pid));
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		_exit(NOT_AVAILABLE);
	pid = fork();
	if (pid > 0)
		_exit(end_of(pid));
	return run_group();
}

int main(void)
{
	const int own = CLONE_NEWNET | CLONE_NEWNS;
	const int attempts[] = { own | CLONE_NEWPID, own | CLONE_NEWUSER | CLONE_NEWPID,
		                 own | CLONE_NEWUSER };

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			exit(run_isolated(attempts[i]));
		status = end_of(pid);
		if (status != NOT_AVAILABLE)
			return status;
	}
	print_message("skipped: this machine gives no network namespaces of one's own\n");
	return 0;
}
