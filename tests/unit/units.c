/*
 * Units: names, the fake manager, and init scripts in a tree made here. The systemd backend is
 * tested against a booted system (tests/lab); here only what it does where there is none.
 */
#include "porthole/units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

struct fixture {
	char root[64], etc[80], run[80];
	struct ph_context context;
	struct ph_units *units;
	struct ph_unit_list fake, list;
	struct ph_unit unit;
	struct ph_unit_outcome outcome;
	struct ph_strings strings;
	struct ph_log log;
	struct ph_error error;
};

static void put(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void make(struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int set_up(void **state)
{
	static const char *const directories[] = { "etc",       "etc/init.d", "etc/rc2.d",
		                                   "etc/rc3.d", "run",        "run/deep" };
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/porthole-units.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->etc, sizeof(f->etc), "%s/etc", f->root);
	snprintf(f->run, sizeof(f->run), "%s/run", f->root);
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		make(f, directories[i]);
	assert_int_equal(ph_context_open(&f->context, &f->error), 0);
	f->context.etc = f->etc;
	f->context.run = f->run;
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static void forget(struct fixture *f)
{
	ph_unit_free(&f->unit);
	ph_unit_list_free(&f->list);
	ph_strings_free(&f->strings);
	ph_log_free(&f->log);
	ph_unit_outcome_free(&f->outcome);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	forget(f);
	ph_units_close(f->units);
	ph_unit_list_free(&f->fake);
	ph_context_close(&f->context);
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void names_are_completed(void **state)
{
	static const char *const names[][2] = {
		{ "apache2", "apache2.service" },
		{ "ssh.socket", "ssh.socket" },
		{ "php8.2-fpm", "php8.2-fpm.service" },
		{ "getty@tty1", "getty@tty1.service" },
		{ "a\\x2db", "a\\x2db.service" },
		{ "acc@0-127.0.0.1:7110-127.0.0.1:4.service",
		  "acc@0-127.0.0.1:7110-127.0.0.1:4.service" },
		{ "x.y.timer", "x.y.timer" },
	};
	char full[PH_UNIT_NAME_BYTES];
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(
			ph_unit_name("systemd", names[i][0], strlen(names[i][0]), full, &error), 0);
		assert_string_equal(full, names[i][1]);
	}
	assert_int_equal(ph_unit_name("sysv", "ssh.service", 11, full, &error), 0);
	assert_string_equal(full, "ssh");
	assert_int_equal(ph_unit_name("sysv", "mountall.sh", 11, full, &error), 0);
	assert_string_equal(full, "mountall.sh");
}

static void hostile_names_are_refused(void **state)
{
	static const char *const names[] = {
		"",
		"-H evil",
		"--host=evil",
		"../../bin/sh",
		"/etc/passwd",
		"a/b",
		".",
		"..",
		".a",
		"a;reboot",
		"x\ny",
		"x\\ny",
		"x\\",
		"x\\x",
		"x\\xg0",
		"$(reboot)",
		"`id`",
		"a b",
		"a\033[31mb",
		"a\tb",
		"a*",
		"a?",
		"[a]",
		"{a}",
		"a'b",
		"a\"b",
		"a|b",
		"a&b",
		"a=b",
		"\303\251",
		"\377",
		"name@",
		"name@.service",
		"@x",
		"@x.service",
		"a%b",
		"a,b",
		"a~b",
	};
	char full[PH_UNIT_NAME_BYTES], long_name[400];
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_failure(ph_unit_name("systemd", names[i], strlen(names[i]), full, &error),
		               -EINVAL, error, "not a unit's name");
	memset(long_name, 'a', sizeof(long_name));
	for (size_t length = 248; length < 400; length++)
		assert_failure(ph_unit_name("systemd", long_name, length, full, &error), -EINVAL,
		               error, "longer");
	assert_int_equal(ph_unit_name("systemd", long_name, 247, full, &error), 0);
	assert_int_equal(strlen(full), 255);
	assert_failure(ph_unit_name("systemd", "a\0b", 3, full, &error), -EINVAL, error,
	               "character");
	assert_failure(ph_unit_name("sysv", "a@b", 3, full, &error), -EINVAL, error, "character");
}

static void acts_have_names(void **state)
{
	(void)state;
	assert_string_equal(ph_unit_act_name(PH_UNIT_START), "start");
	assert_string_equal(ph_unit_act_name(PH_UNIT_DISABLE), "disable");
	assert_null(ph_unit_act_name(PH_UNIT_ACT_COUNT));
}

static void open_as(struct fixture *f, const char *backend)
{
	const struct ph_units_options options = { .backend = backend, .fake = &f->fake };

	assert_int_equal(ph_units_open(&f->context, &options, &f->units, &f->error), 0);
}

static void a_manager_that_is_not_there_is_an_error(void **state)
{
	struct ph_units_options options = { .backend = "launchd" };
	struct fixture *f = *state;

	assert_failure(ph_units_open(&f->context, &options, &f->units, &f->error), -EINVAL,
	               f->error, "no such service manager");
	options.backend = "fake";
	assert_failure(ph_units_open(&f->context, &options, &f->units, &f->error), -EINVAL,
	               f->error, "needs its list");
	options = (struct ph_units_options){ .backend = "sysv", .user = true };
	assert_failure(ph_units_open(&f->context, &options, &f->units, &f->error), -EOPNOTSUPP,
	               f->error, "no units of users");
	options = (struct ph_units_options){ .backend = "systemd" };
	assert_failure(ph_units_open(&f->context, &options, &f->units, &f->error), -ENOENT,
	               f->error, "cannot be reached");
	options = (struct ph_units_options){ .backend = "systemd", .user = true, .uid = 4711 };
	assert_failure(ph_units_open(&f->context, &options, &f->units, &f->error), -ENOENT,
	               f->error, "user 4711 does not run");
	assert_null(f->units);
}

static void pid_1_decides(void **state)
{
	struct fixture *f = *state;

	open_as(f, NULL);
	assert_string_equal(f->units->backend->name, "sysv");
	ph_units_close(f->units);
	/* The directory alone is no proof: PID 1 is not systemd in this tree. */
	make(f, "run/systemd");
	make(f, "run/systemd/system");
	make(f, "1");
	put(f, "1/comm", "init\n", 0644);
	f->context.proc = f->root;
	open_as(f, NULL);
	assert_string_equal(f->units->backend->name, "sysv");
	f->context.proc = "/proc";
}

static void add_fake(struct fixture *f, const char *id, const char *active)
{
	struct ph_unit_list *list = &f->fake;

	assert_int_equal(
		ph_reserve(&list->items, list->count, &list->capacity, sizeof(*list->items)), 0);
	list->items[list->count++] =
		(struct ph_unit){ .id = strdup(id), .active = strdup(active), .sub = strdup("x") };
}

static struct ph_unit *last_fake(struct fixture *f)
{
	return &f->fake.items[f->fake.count - 1];
}

static void the_fake_manager_starts_and_stops(void **state)
{
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	assert_int_equal(ph_strings_add(&last_fake(f)->names, "www.service"), 0);
	last_fake(f)->main_pid = 17;
	open_as(f, "fake");
	assert_int_equal(ph_units_list(f->units, &f->list, &f->error), 0);
	assert_int_equal(f->list.count, 1);
	assert_int_equal(ph_units_read(f->units, "www", &f->unit, &f->error), 0);
	assert_string_equal(f->unit.id, "web.service");
	assert_int_equal(ph_units_pids(f->units, "web", &f->strings, &f->error), 0);
	assert_string_equal(f->strings.items[0], "17");
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_STOP, "web.service", 0, &f->outcome, &f->error), 0);
	assert_string_equal(f->outcome.job, "done");
	assert_string_equal(f->outcome.active, "inactive");
	ph_unit_outcome_free(&f->outcome);
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_START, "web.service", 0, &f->outcome, &f->error), 0);
	assert_string_equal(f->outcome.active, "active");
	ph_unit_outcome_free(&f->outcome);
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_DISABLE, "web.service", 0, &f->outcome, &f->error),
		0);
	assert_string_equal(last_fake(f)->enabled, "disabled");
	ph_unit_outcome_free(&f->outcome);
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_ENABLE, "web.service", 0, &f->outcome, &f->error),
		0);
	assert_string_equal(last_fake(f)->enabled, "enabled");
}

static void the_owner_is_known_by_the_main_process(void **state)
{
	char id[PH_UNIT_NAME_BYTES];
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	last_fake(f)->main_pid = 17;
	open_as(f, "fake");
	assert_int_equal(ph_units_owner(f->units, 17, id, &f->error), 0);
	assert_string_equal(id, "web.service");
	assert_int_equal(ph_units_owner(f->units, 18, id, &f->error), 0);
	assert_string_equal(id, "");
}

static void assert_refused(struct fixture *f, enum ph_unit_act act, const char *id, int code,
                           const char *text)
{
	assert_failure(ph_units_act(f->units, act, id, 0, &f->outcome, &f->error), code, f->error,
	               text);
	ph_unit_outcome_free(&f->outcome);
}

static void refusals_say_why(void **state)
{
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	last_fake(f)->refuse_manual_stop = true;
	last_fake(f)->load = strdup("masked");
	open_as(f, "fake");
	assert_refused(f, PH_UNIT_STOP, "web.service", -EPERM, "by hand");
	assert_refused(f, PH_UNIT_START, "web.service", -EPERM, "masked");
	assert_refused(f, PH_UNIT_RELOAD, "web.service", -EOPNOTSUPP, "cannot reload");
	assert_refused(f, PH_UNIT_STOP, "none.service", -ENOENT, "no unit");
	assert_refused(f, PH_UNIT_STOP, "basic.target", -EPERM, "is a target");
	assert_refused(f, PH_UNIT_STOP, "user.slice", -EPERM, "is a slice");
	assert_refused(f, PH_UNIT_STOP, "session-1.scope", -EPERM, "is a scope");
	assert_refused(f, PH_UNIT_STOP, "user@1000.service", -EPERM, "everything that its user");
	assert_refused(f, PH_UNIT_STOP, "../x", -EINVAL, "not a unit's name");
	assert_failure(ph_units_read(f->units, "none", &f->unit, &f->error), -ENOENT, f->error,
	               "none.service");
	assert_failure(ph_units_pids(f->units, "none", &f->strings, &f->error), -ENOENT, f->error,
	               "none.service");
	assert_failure(ph_units_log(f->units, "web", 5, &f->log, &f->error), -EOPNOTSUPP, f->error,
	               "no log");
	assert_failure(ph_units_read(f->units, "a b", &f->unit, &f->error), -EINVAL, f->error,
	               "name");
	assert_failure(ph_units_pids(f->units, "a b", &f->strings, &f->error), -EINVAL, f->error,
	               "name");
	assert_failure(ph_units_log(f->units, "a b", 5, &f->log, &f->error), -EINVAL, f->error,
	               "name");
}

static void nothing_is_done_once_cancelled(void **state)
{
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	open_as(f, "fake");
	ph_cancel(&f->context);
	assert_refused(f, PH_UNIT_STOP, "web.service", -ECANCELED, "nothing was done");
	ph_cancel_reset(&f->context);
	assert_string_equal(last_fake(f)->active, "active");
}

static void a_unit_that_never_stops_is_reported_as_it_is(void **state)
{
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	last_fake(f)->restart = strdup("stuck");
	open_as(f, "fake");
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_STOP, "web.service", 0, &f->outcome, &f->error), 0);
	assert_string_equal(f->outcome.job, "interrupted");
	assert_string_equal(f->outcome.active, "deactivating");
}

static int use_fake(void *data)
{
	struct fixture *f = data;
	const struct ph_units_options options = { .backend = "fake", .fake = &f->fake };
	int r = ph_units_open(&f->context, &options, &f->units, &f->error);

	if (r == 0)
		r = ph_units_list(f->units, &f->list, &f->error);
	if (r == 0)
		r = ph_units_read(f->units, "web", &f->unit, &f->error);
	if (r == 0)
		r = ph_units_pids(f->units, "web", &f->strings, &f->error);
	if (r == 0)
		r = ph_units_act(f->units, PH_UNIT_RESTART, "web.service", 0, &f->outcome,
		                 &f->error);
	forget(f);
	ph_units_close(f->units);
	f->units = NULL;
	return r;
}

#define SCRIPT                                                                              \
	"#!/bin/sh\n### BEGIN INIT INFO\n# Short-Description: a board\n### END INIT INFO\n" \
	"# /run/deep/board-daemon.pid /usr/bin/boardd\n"                                    \
	"case $1 in\n"                                                                      \
	"status) exit ${STATUS:-3} ;;\n"                                                    \
	"start) echo \"start $PATH $HOME $USER\"; pwd; sleep 5 & exit 0 ;;\n"               \
	"stop) echo 'cannot stop' >&2; exit 1 ;;\n"                                         \
	"restart) sleep 60 ;;\n"                                                            \
	"*) exit 3 ;;\nesac\n"

static int use_sysv(void *data)
{
	const struct ph_units_options options = { .backend = "sysv" };
	struct fixture *f = data;
	int r = ph_units_open(&f->context, &options, &f->units, &f->error);

	if (r == 0)
		r = ph_units_list(f->units, &f->list, &f->error);
	if (r == 0)
		r = ph_units_read(f->units, "board", &f->unit, &f->error);
	forget(f);
	ph_units_close(f->units);
	f->units = NULL;
	return r;
}

static void failed_allocations_are_reported(void **state)
{
	struct fixture *f = *state;

	add_fake(f, "web.service", "active");
	last_fake(f)->main_pid = 17;
	last_fake(f)->description = strdup("web");
	assert_int_equal(ph_strings_add(&last_fake(f)->listen, "Stream [::]:80"), 0);
	fail_each_allocation(use_fake, f);
	put(f, "etc/init.d/board", SCRIPT, 0755);
	fail_each_allocation(use_sysv, f);
}

static void init_scripts_are_listed_by_what_reading_tells(void **state)
{
	struct fixture *f = *state;
	char number[16];

	put(f, "etc/init.d/board", SCRIPT, 0755);
	put(f, "etc/init.d/README", "text", 0755);
	put(f, "etc/init.d/not-executable", SCRIPT, 0644);
	put(f, "etc/init.d/a b", SCRIPT, 0755);
	put(f, "etc/rc3.d/S05board", "", 0644);
	snprintf(number, sizeof(number), "%d\n", (int)getpid());
	put(f, "run/deep/board-daemon.pid", number, 0644);
	open_as(f, "sysv");
	assert_int_equal(ph_units_list(f->units, &f->list, &f->error), 0);
	assert_int_equal(f->list.count, 1);
	assert_string_equal(f->list.items[0].id, "board");
	assert_string_equal(f->list.items[0].description, "a board");
	assert_string_equal(f->list.items[0].enabled, "enabled");
	assert_string_equal(f->list.items[0].active, "active");
	assert_int_equal(f->list.items[0].main_pid, getpid());
}

static void a_script_without_pid_file_is_asked(void **state)
{
	struct fixture *f = *state;

	put(f, "etc/init.d/board", SCRIPT, 0755);
	put(f, "run/board.pid", "99999999999999\n", 0644);
	open_as(f, "sysv");
	assert_int_equal(ph_units_read(f->units, "board", &f->unit, &f->error), 0);
	assert_string_equal(f->unit.active, "inactive");
	assert_string_equal(f->unit.enabled, "disabled");
	ph_unit_free(&f->unit);
	assert_failure(ph_units_read(f->units, "none", &f->unit, &f->error), -ENOENT, f->error,
	               "no init script none");
}

static void a_script_runs_without_shell_and_with_a_fixed_environment(void **state)
{
	struct fixture *f = *state;

	put(f, "etc/init.d/board", SCRIPT, 0755);
	open_as(f, "sysv");
	setenv("USER", "somebody", 1);
	assert_int_equal(ph_units_act(f->units, PH_UNIT_START, "board", 0, &f->outcome, &f->error),
	                 0);
	assert_string_equal(f->outcome.job, "done");
	assert_int_equal(f->outcome.exit_status, 0);
	assert_string_equal(f->outcome.output, "start /usr/sbin:/usr/bin:/sbin:/bin / \n/\n");
	/* What it left in the background was not waited for. */
	assert_true(f->outcome.took_us < 4000000);
}

static void a_script_that_fails_is_told_with_its_output(void **state)
{
	struct fixture *f = *state;

	put(f, "etc/init.d/board", SCRIPT, 0755);
	open_as(f, "sysv");
	if (geteuid() != 0) {
		assert_refused(f, PH_UNIT_STOP, "board", -EACCES, "sudo");
		return;
	}
	assert_int_equal(ph_units_act(f->units, PH_UNIT_STOP, "board", 0, &f->outcome, &f->error),
	                 0);
	assert_string_equal(f->outcome.job, "failed");
	assert_int_equal(f->outcome.exit_status, 1);
	assert_string_equal(f->outcome.output, "cannot stop\n");
	ph_unit_outcome_free(&f->outcome);
	assert_refused(f, PH_UNIT_RELOAD, "board", -EOPNOTSUPP, "status 3");
}

static void a_script_that_hangs_is_ended(void **state)
{
	struct fixture *f = *state;

	put(f, "etc/init.d/board", SCRIPT, 0755);
	open_as(f, "sysv");
	assert_int_equal(
		ph_units_act(f->units, PH_UNIT_RESTART, "board", 200000, &f->outcome, &f->error),
		0);
	assert_string_equal(f->outcome.job, "timeout");
	assert_true(f->outcome.took_us < 10000000);
}

static void lsb_refusals_say_why(void **state)
{
	static const struct {
		const char *script, *text;
		int code;
	} cases[] = {
		{ "#!/bin/sh\nexit 4\n", "sudo", -EACCES },
		{ "#!/bin/sh\nexit 5\n", "installed", -ENOENT },
		{ "#!/bin/sh\nexit 6\n", "configured", -ENOENT },
		{ "#!/bin/sh\nexit 2\n", "cannot do that", -EOPNOTSUPP },
	};
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	open_as(f, "sysv");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(f, "etc/init.d/board", cases[i].script, 0755);
		assert_refused(f, PH_UNIT_START, "board", cases[i].code, cases[i].text);
	}
	put(f, "etc/init.d/board", "#!/nowhere\n", 0755);
	assert_int_equal(ph_units_act(f->units, PH_UNIT_START, "board", 0, &f->outcome, &f->error),
	                 0);
	assert_string_equal(f->outcome.job, "failed");
	ph_unit_outcome_free(&f->outcome);
	assert_refused(f, PH_UNIT_START, "none", -ENOENT, "no init script");
	assert_failure(ph_units_log(f->units, "board", 5, &f->log, &f->error), -EOPNOTSUPP,
	               f->error, "/var/log");
}

/* A child of this program's own file, as a service's daemon would be. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* A child with a child of the same program, as a service with its worker. */
static pid_t parent(pid_t *grandchild)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*grandchild = child();
		if (write(fds[1], grandchild, sizeof(*grandchild)) == sizeof(*grandchild))
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], grandchild, sizeof(*grandchild)), sizeof(*grandchild));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void assert_owner(struct fixture *f, pid_t pid, const char *expected)
{
	char id[PH_UNIT_NAME_BYTES];

	assert_int_equal(ph_units_owner(f->units, pid, id, &f->error), 0);
	assert_string_equal(id, expected);
}

static void a_script_owns_what_its_pid_file_names(void **state)
{
	struct fixture *f = *state;
	pid_t grandchild, pid = parent(&grandchild);
	char number[16];

	put(f, "etc/init.d/board", SCRIPT, 0755);
	open_as(f, "sysv");
	assert_owner(f, pid, "");
	snprintf(number, sizeof(number), "%d\n", (int)pid);
	put(f, "run/board.pid", number, 0644);
	assert_owner(f, pid, "board");
	assert_int_equal(ph_units_pids(f->units, "board", &f->strings, &f->error), 0);
	assert_int_equal(f->strings.count, 2);
	assert_owner(f, grandchild, "board");
	put(f, "run/board.pid", "1\n", 0644);
	assert_owner(f, grandchild, "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_script_owns_what_runs_the_program_that_it_alone_names(void **state)
{
	struct fixture *f = *state;
	char path[64], exe[512], text[1024], number[16];
	pid_t pid = child(), other = child();
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	length = readlink(path, exe, sizeof(exe) - 1);
	assert_true(length > 0);
	exe[length] = '\0';
	snprintf(text, sizeof(text), "#!/bin/sh\nDAEMON=%s\n", exe);
	put(f, "etc/init.d/board", text, 0755);
	open_as(f, "sysv");
	assert_owner(f, pid, "board");
	/* Not where it is in charge of another process, */
	snprintf(number, sizeof(number), "%d\n", (int)other);
	put(f, "run/board.pid", number, 0644);
	assert_owner(f, pid, "");
	put(f, "run/board.pid", "", 0644);
	/* nor where two scripts name the program, or only the beginning of its name. */
	put(f, "etc/init.d/second", text, 0755);
	assert_owner(f, pid, "");
	snprintf(text, sizeof(text), "#!/bin/sh\nDAEMON=%s-more\n", exe);
	put(f, "etc/init.d/board", text, 0755);
	put(f, "etc/init.d/second", "#!/bin/sh\n", 0755);
	assert_owner(f, pid, "");
	kill(pid, SIGKILL);
	kill(other, SIGKILL);
	waitpid(pid, NULL, 0);
	waitpid(other, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(names_are_completed),
		TEST(hostile_names_are_refused),
		TEST(acts_have_names),
		TEST(a_manager_that_is_not_there_is_an_error),
		TEST(pid_1_decides),
		TEST(the_fake_manager_starts_and_stops),
		TEST(the_owner_is_known_by_the_main_process),
		TEST(refusals_say_why),
		TEST(nothing_is_done_once_cancelled),
		TEST(a_unit_that_never_stops_is_reported_as_it_is),
		TEST(failed_allocations_are_reported),
		TEST(init_scripts_are_listed_by_what_reading_tells),
		TEST(a_script_without_pid_file_is_asked),
		TEST(a_script_runs_without_shell_and_with_a_fixed_environment),
		TEST(a_script_that_fails_is_told_with_its_output),
		TEST(a_script_that_hangs_is_ended),
		TEST(lsb_refusals_say_why),
		TEST(a_script_owns_what_its_pid_file_names),
		TEST(a_script_owns_what_runs_the_program_that_it_alone_names),
#undef TEST
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
