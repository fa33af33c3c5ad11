/* One process: reading it from a recorded tree, and ending exactly the one that was meant. */
#include "porthole/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

struct fixture {
	char root[64];
	struct ph_context context;
	struct ph_error error;
	struct ph_process_facts facts;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/porthole-process.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	assert_int_equal(ph_context_open(&f->context, &f->error), 0);
	*state = f;
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/7", f->root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/7/%s", f->root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int tear_down(void **state)
{
	static const char *const names[] = { "stat", "status", "cgroup", "exe", "" };
	struct fixture *f = *state;
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/7/%s", f->root, names[i]);
		remove(path);
	}
	snprintf(path, sizeof(path), "%s/7", f->root);
	rmdir(path);
	rmdir(f->root);
	ph_process_facts_free(&f->facts);
	ph_context_close(&f->context);
	free(f);
	return 0;
}

#define STAT(name) "7 (" name ") S 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3\n"

static void put_process(struct fixture *f, const char *stat)
{
	char path[256];

	f->context.proc = f->root;
	put(f, "stat", stat);
	put(f, "status", "Name:\tx\nUid:\t1\t1000\t1\t1\n");
	put(f, "cgroup", "0::/system.slice/x.service\n");
	snprintf(path, sizeof(path), "%s/7/exe", f->root);
	unlink(path);
	assert_int_equal(symlink("/usr/sbin/x", path), 0);
}

static void a_process_is_read_with_its_identity(void **state)
{
	struct fixture *f = *state;

	put_process(f, STAT("a) R 9 (b"));
	assert_int_equal(ph_process_read(&f->context, 7, &f->facts, &f->error), 0);
	assert_string_equal(f->facts.name, "a) R 9 (b");
	assert_int_equal(f->facts.ppid, 3);
	assert_int_equal(f->facts.uid, 1000);
	assert_int_equal(f->facts.started, 4711);
	assert_int_equal(f->facts.state, 'S');
	assert_string_equal(f->facts.exe, "/usr/sbin/x");
	assert_non_null(strstr(f->facts.cgroup, "x.service"));
}

static void a_broken_stat_is_an_error(void **state)
{
	static const char *const broken[] = { "", "7", "7 (x", "7 x) S 1", ")(", "7 (x) S 1 2 3" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		put_process(f, broken[i]);
		assert_failure(ph_process_read(&f->context, 7, &f->facts, &f->error), -EBADMSG,
		               f->error, "process 7");
		ph_process_facts_free(&f->facts);
	}
}

static void a_status_without_users_is_an_error(void **state)
{
	struct fixture *f = *state;

	put_process(f, STAT("x"));
	put(f, "status", "Name:\tx\n");
	assert_failure(ph_process_read(&f->context, 7, &f->facts, &f->error), -EBADMSG, f->error,
	               "process 7");
}

static void a_process_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;

	f->context.proc = f->root;
	assert_failure(ph_process_read(&f->context, 7, &f->facts, &f->error), -ESRCH, f->error,
	               "process 7");
}

static int read_self(void *data)
{
	struct fixture *f = data;
	int r = ph_process_read(&f->context, getpid(), &f->facts, &f->error);

	ph_process_facts_free(&f->facts);
	return r;
}

static int list_all(void *data)
{
	struct fixture *f = data;
	size_t count;
	pid_t *pids;
	int r = ph_process_list(&f->context, &pids, &count, &f->error);

	if (r == 0)
		assert_true(count > 0);
	free(pids);
	return r;
}

static void failed_allocations_are_reported(void **state)
{
	fail_each_allocation(read_self, *state);
	fail_each_allocation(list_all, *state);
}

static void processes_are_listed_in_order(void **state)
{
	struct fixture *f = *state;
	bool self = false;
	size_t count;
	pid_t *pids;

	assert_int_equal(ph_process_list(&f->context, &pids, &count, &f->error), 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || pids[i - 1] < pids[i]);
		self = self || pids[i] == getpid();
	}
	assert_true(self);
	free(pids);
	f->context.proc = "/nowhere";
	assert_failure(ph_process_list(&f->context, &pids, &count, &f->error), -ENOENT, f->error,
	               "/nowhere");
	assert_null(pids);
}

/* A child that waits for a signal; `stubborn`: SIGTERM is not it. */
static pid_t child(bool stubborn)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (stubborn)
			signal(SIGTERM, SIG_IGN);
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static struct ph_process_target target_of(struct fixture *f, pid_t pid)
{
	struct ph_process_target target = { .pid = pid };

	assert_int_equal(ph_process_read(&f->context, pid, &f->facts, &f->error), 0);
	target.started = f->facts.started;
	ph_process_facts_free(&f->facts);
	return target;
}

/* Under valgrind, or on an old kernel, nobody can be held fast: then nobody is signalled. */
static bool nobody_is_signalled(struct fixture *f, const struct ph_process_target *target)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd >= 0) {
		close(pidfd);
		return false;
	}
	assert_failure(ph_process_end(&f->context, target, SIGKILL, 1000000, &f->error), -ENOSYS,
	               f->error, "not signalled");
	assert_int_equal(waitpid(target->pid, NULL, WNOHANG), 0);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	return true;
}

static bool lives(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void the_meant_process_ends(void **state)
{
	struct fixture *f = *state;
	struct ph_process_target target = target_of(f, child(false));

	if (nobody_is_signalled(f, &target))
		return;
	assert_int_equal(ph_process_end(&f->context, &target, SIGTERM, 5000000, &f->error), 1);
	/* A zombie now, and then gone. */
	assert_failure(ph_process_end(&f->context, &target, SIGTERM, 5000000, &f->error), -ESRCH,
	               f->error, "ended already");
	waitpid(target.pid, NULL, 0);
	assert_failure(ph_process_end(&f->context, &target, SIGTERM, 5000000, &f->error), -ESRCH,
	               f->error, "ended already");
}

static void a_number_used_again_is_never_signalled(void **state)
{
	struct fixture *f = *state;
	struct ph_process_target target = target_of(f, child(false));

	if (nobody_is_signalled(f, &target))
		return;
	target.started--;
	assert_failure(ph_process_end(&f->context, &target, SIGKILL, 1000000, &f->error), -ESRCH,
	               f->error, "another one has its number");
	assert_true(lives(target.pid));
	kill(target.pid, SIGKILL);
	waitpid(target.pid, NULL, 0);
}

static void who_holds_the_socket_no_more_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ph_process_target target;
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	target = target_of(f, child(false));
	if (nobody_is_signalled(f, &target)) {
		close(fd);
		return;
	}
	assert_int_equal(ph_process_holds(&f->context, target.pid, (uint32_t)status.st_ino), 1);
	target.inode = 1;
	assert_failure(ph_process_end(&f->context, &target, SIGKILL, 1000000, &f->error), -ESTALE,
	               f->error, "does not hold the socket");
	assert_true(lives(target.pid));
	target.inode = (uint32_t)status.st_ino;
	assert_int_equal(ph_process_end(&f->context, &target, SIGTERM, 5000000, &f->error), 1);
	waitpid(target.pid, NULL, 0);
	close(fd);
}

static void one_that_ignores_the_signal_is_told_of(void **state)
{
	struct fixture *f = *state;
	struct ph_process_target target = target_of(f, child(true));

	if (nobody_is_signalled(f, &target))
		return;
	assert_int_equal(ph_process_end(&f->context, &target, SIGTERM, 50000, &f->error), 0);
	assert_non_null(strstr(f->error.message, "did not end (state S"));
	ph_cancel(&f->context);
	assert_failure(ph_process_end(&f->context, &target, SIGTERM, 5000000, &f->error),
	               -ECANCELED, f->error, "has not ended yet");
	ph_cancel_reset(&f->context);
	assert_int_equal(ph_process_end(&f->context, &target, SIGKILL, 5000000, &f->error), 1);
	waitpid(target.pid, NULL, 0);
}

static void the_first_process_is_never_signalled(void **state)
{
	struct ph_process_target target = { .pid = 1 };
	struct fixture *f = *state;

	for (target.pid = -1; target.pid <= 1; target.pid++)
		assert_failure(ph_process_end(&f->context, &target, SIGTERM, 0, &f->error), -EINVAL,
		               f->error, "never signalled");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_process_is_read_with_its_identity),
		TEST(a_broken_stat_is_an_error),
		TEST(a_status_without_users_is_an_error),
		TEST(a_process_that_is_not_there_is_named),
		TEST(failed_allocations_are_reported),
		TEST(processes_are_listed_in_order),
		TEST(the_meant_process_ends),
		TEST(a_number_used_again_is_never_signalled),
		TEST(who_holds_the_socket_no_more_is_left_alone),
		TEST(one_that_ignores_the_signal_is_told_of),
		TEST(the_first_process_is_never_signalled),
#undef TEST
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
