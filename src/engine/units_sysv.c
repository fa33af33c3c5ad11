/*
 * The sysv backend: init scripts in /etc/init.d. A script is run only for an act and for one unit's
 * state; a listing goes by the pid files, so that looking runs nothing. Sources: LSB "Init Script
 * Actions" (exit status) and "Comment Conventions for Init Scripts" (Short-Description).
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "porthole/process.h"
#include "porthole/units.h"
#include "units_run.h"

#define MOST_SCRIPT_BYTES (256u << 10)
#define STATUS_US         (10ull * 1000000)

/* What lies in init.d and is no service. */
static const char *const no_services[] = { "README", "rc",       "rcS",      "halt",    "reboot",
	                                   "single", "sendsigs", "skeleton", "umountfs" };

static int sysv_open(struct ph_units *units, struct ph_error *error)
{
	if (units->options.user)
		return ph_fail(error, -EOPNOTSUPP, "init scripts have no units of users");
	return 0;
}

static void sysv_close(struct ph_units *units)
{
	units->data = NULL;
}

static void script_path(struct ph_context *context, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/init.d/%s", context->etc, name);
}

static bool is_script(struct ph_context *context, const char *name)
{
	struct stat status;
	char path[512];

	for (size_t i = 0; i < sizeof(no_services) / sizeof(*no_services); i++)
		if (strcmp(name, no_services[i]) == 0)
			return false;
	script_path(context, name, path, sizeof(path));
	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

/* The text of a script, or NULL. */
static char *read_script(struct ph_context *context, const char *name, int *r)
{
	char path[PH_UNIT_NAME_BYTES + 16], *text = NULL;

	snprintf(path, sizeof(path), "init.d/%s", name);
	*r = ph_read_below(context->etc, path, MOST_SCRIPT_BYTES, &text, NULL, NULL);
	if (*r == -ENOMEM)
		return NULL;
	*r = 0;
	return text;
}

static char *describe(const char *text)
{
	const char *at = text != NULL ? strstr(text, "\n# Short-Description:") : NULL;
	size_t length;

	if (at == NULL)
		return strdup("");
	at += strlen("\n# Short-Description:");
	at += strspn(at, " \t");
	length = strcspn(at, "\r\n");
	return strndup(at, length < 200 ? length : 200);
}

/*
 * Whether `pid` is `process`, or an ancestor that runs the same program: a service's workers are
 * its own, but not what somebody started from a login that sshd serves.
 */
static bool is_ancestor(struct ph_context *context, pid_t pid, pid_t process)
{
	struct ph_process_facts facts = { 0 }, first = { 0 };
	bool found = false;

	for (int depth = 0; depth < 16 && process > 1 && !found; depth++) {
		ph_process_facts_free(&facts);
		if (ph_process_read(context, process, &facts, NULL) < 0)
			break;
		if (depth == 0 && ph_process_read(context, process, &first, NULL) < 0)
			break;
		found = process == pid && (depth == 0 || (facts.exe != NULL && first.exe != NULL &&
		                                          strcmp(facts.exe, first.exe) == 0));
		process = facts.ppid;
	}
	ph_process_facts_free(&facts);
	ph_process_facts_free(&first);
	return found;
}

static pid_t read_pid_file(struct ph_context *context, const char *path)
{
	char *text = NULL, *end;
	long pid = 0;

	if (ph_read_below(context->run, path, 64, &text, NULL, NULL) == 0) {
		pid = strtol(text, &end, 10);
		if (end == text || pid <= 1 || pid > 4194304 ||
		    (*end != '\0' && !isspace((unsigned char)*end)))
			pid = 0;
	}
	free(text);
	return (pid_t)pid;
}

static bool is_pid_file(const char *name)
{
	size_t length = strlen(name);

	return length > 4 && length < 128 && strcmp(name + length - 4, ".pid") == 0;
}

/* Called for each NAME.pid in /run and in its directories; true ends the walk. */
typedef bool pid_file_fn(struct ph_context *context, const char *path, pid_t pid, void *data);

static bool walk_pid_files(struct ph_context *context, const char *below, pid_file_fn *each,
                           void *data)
{
	struct dirent *entry;
	char path[512];
	bool found = false;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/%s", context->run, below);
	directory = opendir(path);
	while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
		pid_t pid;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) > 128)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", below, below[0] ? "/" : "", entry->d_name);
		if (entry->d_type == DT_DIR && below[0] == '\0')
			found = walk_pid_files(context, path, each, data);
		else if (is_pid_file(entry->d_name) && (pid = read_pid_file(context, path)) > 0)
			found = each(context, path, pid, data);
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}

/* The name of a pid file without directory and ".pid". */
static void pid_file_name(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(name, size, "%s", slash != NULL ? slash + 1 : path);
	name[strlen(name) - 4] = '\0';
}

/* Whether a text has `word` with nothing of a longer path or name around it. */
static bool mentions(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
		unsigned char before = at > text ? (unsigned char)at[-1] : ' ';
		unsigned char after = (unsigned char)at[length];

		if (!isalnum(before) && strchr("_-./", before) == NULL && !isalnum(after) &&
		    strchr("_-/", after ? after : ' ') == NULL)
			return true;
	}
	return false;
}

struct script_pid {
	const char *script, *text;
	pid_t pid;
};

/* A pid file belongs to the script of its name, or to the one that mentions its path. */
static bool take_script_pid(struct ph_context *context, const char *path, pid_t pid, void *data)
{
	struct script_pid *wanted = data;
	struct ph_process_facts facts;
	char name[160], whole[512];
	int r;

	pid_file_name(path, name, sizeof(name));
	snprintf(whole, sizeof(whole), "/run/%s", path);
	if (strcmp(name, wanted->script) != 0 &&
	    (wanted->text == NULL || !mentions(wanted->text, whole))) {
		snprintf(whole, sizeof(whole), "/var/run/%s", path);
		if (wanted->text == NULL || !mentions(wanted->text, whole))
			return false;
	}
	r = ph_process_read(context, pid, &facts, NULL);
	if (r == 0 && facts.state != 'Z')
		wanted->pid = pid;
	ph_process_facts_free(&facts);
	return wanted->pid != 0;
}

/* Everything that reading tells: no script is run. */
static int look_at(struct ph_context *context, const char *name, struct ph_unit *unit)
{
	struct script_pid wanted = { .script = name };
	char path[512], *text;
	int r;

	text = read_script(context, name, &r);
	if (r < 0)
		return r;
	wanted.text = text;
	walk_pid_files(context, "", take_script_pid, &wanted);
	script_path(context, name, path, sizeof(path));
	unit->id = strdup(name);
	unit->description = describe(text);
	unit->load = strdup("loaded");
	/* Without a pid file it may run all the same: unknown, until its script is asked. */
	unit->active = strdup(wanted.pid != 0 ? "active" : "unknown");
	unit->sub = strdup(wanted.pid != 0 ? "running" : "unknown");
	unit->enabled = strdup(run_script_enabled(context, name) ? "enabled" : "disabled");
	unit->source = strdup(path);
	unit->main_pid = (uint32_t)wanted.pid;
	free(text);
	return unit->id && unit->description && unit->load && unit->active && unit->sub &&
	                       unit->enabled && unit->source
	               ? 0
	               : -ENOMEM;
}

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct ph_unit *)left)->id, ((const struct ph_unit *)right)->id);
}

static int add_scripts(struct ph_context *context, DIR *directory, struct ph_unit_list *list)
{
	char full[PH_UNIT_NAME_BYTES];
	struct dirent *entry;

	while ((entry = readdir(directory)) != NULL) {
		int r;

		if (ph_unit_name("sysv", entry->d_name, strlen(entry->d_name), full, NULL) < 0 ||
		    !is_script(context, entry->d_name))
			continue;
		if (ph_reserve(&list->items, list->count, &list->capacity, sizeof(*list->items)) <
		    0)
			return -ENOMEM;
		list->items[list->count] = (struct ph_unit){ 0 };
		r = look_at(context, entry->d_name, &list->items[list->count++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sysv_list(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error)
{
	DIR *directory;
	char path[512];
	int r;

	snprintf(path, sizeof(path), "%s/init.d", units->context->etc);
	directory = opendir(path);
	if (directory == NULL)
		return errno == ENOENT
		               ? 0
		               : ph_fail(error, -errno, "opening %s: %s", path, strerror(errno));
	r = add_scripts(units->context, directory, list);
	closedir(directory);
	if (r < 0)
		return ph_fail(error, r, "listing init scripts: %s", strerror(-r));
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), by_id);
	return 0;
}

static int replace(char **text, const char *with)
{
	char *copy = strdup(with);

	if (copy == NULL)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* LSB: 0 running, 1 and 2 dead with something left behind, 3 not running, 4 and more unknown. */
static int apply_status(struct ph_unit *unit, int status)
{
	static const char *const states[][2] = { { "active", "running" },
		                                 { "failed", "dead" },
		                                 { "failed", "dead" },
		                                 { "inactive", "dead" } };

	if (status < 0 || status > 3)
		return 0;
	return replace(&unit->active, states[status][0]) < 0 ||
	                       replace(&unit->sub, states[status][1]) < 0
	               ? -ENOMEM
	               : 0;
}

static int ask_status(struct ph_units *units, const char *name, struct ph_unit *unit)
{
	const char *arguments[] = { NULL, "status", NULL };
	char path[512], *output;
	int status, r;

	script_path(units->context, name, path, sizeof(path));
	arguments[0] = path;
	r = run_program(units->context, arguments, STATUS_US, &status, &output, NULL);
	free(output);
	if (r == -ENOMEM || r == -ECANCELED)
		return r;
	return r == 0 ? apply_status(unit, status) : 0;
}

static int sysv_read(struct ph_units *units, const char *name, struct ph_unit *unit,
                     struct ph_error *error)
{
	int r;

	if (!is_script(units->context, name))
		return ph_fail(error, -ENOENT, "there is no init script %s", name);
	r = look_at(units->context, name, unit);
	if (r == 0 && strcmp(unit->active, "unknown") == 0)
		r = ask_status(units, name, unit);
	return r < 0 ? ph_fail(error, r, "reading the init script %s: %s", name, strerror(-r)) : 0;
}

struct finding {
	pid_t pid;
	char *name;
	int r;
};

/* The only script whose text has `word`: where two have it, neither is known to be meant. */
static bool find_script(struct ph_context *context, const char *word, char *name, int *r)
{
	struct dirent *entry;
	size_t found = 0;
	DIR *directory;
	char path[512];

	snprintf(path, sizeof(path), "%s/init.d", context->etc);
	directory = opendir(path);
	while (directory != NULL && *r == 0 && (entry = readdir(directory)) != NULL) {
		char full[PH_UNIT_NAME_BYTES], *text;

		if (ph_unit_name("sysv", entry->d_name, strlen(entry->d_name), full, NULL) < 0 ||
		    !is_script(context, full))
			continue;
		text = read_script(context, full, r);
		if (text != NULL && mentions(text, word) && found++ == 0)
			strcpy(name, full);
		free(text);
	}
	if (directory != NULL)
		closedir(directory);
	if (found != 1)
		name[0] = '\0';
	return found == 1;
}

static bool take_pid_file(struct ph_context *context, const char *path, pid_t pid, void *data)
{
	struct finding *finding = data;
	char name[160], whole[512];

	if (!is_ancestor(context, pid, finding->pid))
		return false;
	pid_file_name(path, name, sizeof(name));
	if (ph_unit_name("sysv", name, strlen(name), whole, NULL) == 0 &&
	    is_script(context, whole)) {
		strcpy(finding->name, whole);
		return true;
	}
	snprintf(whole, sizeof(whole), "/run/%s", path);
	if (find_script(context, whole, finding->name, &finding->r))
		return true;
	snprintf(whole, sizeof(whole), "/var/run/%s", path);
	return find_script(context, whole, finding->name, &finding->r);
}

/* Programs that run others: that a script names one says nothing. */
static bool is_interpreter(const char *name)
{
	static const char *const interpreters[] = { "perl", "python", "ruby",    "node",
		                                    "java", "php",    "lua",     "bash",
		                                    "dash", "sh",     "busybox", "tclsh",
		                                    "env",  "nc",     "ncat",    "socat" };

	for (size_t i = 0; i < sizeof(interpreters) / sizeof(*interpreters); i++)
		if (strncmp(name, interpreters[i], strlen(interpreters[i])) == 0)
			return true;
	return false;
}

/* Whether the script is in charge of another, living process: then this one is not its own. */
static bool has_another(struct ph_context *context, const char *name, pid_t pid, int *r)
{
	struct script_pid wanted = { .script = name };
	char *text = read_script(context, name, r);

	wanted.text = text;
	walk_pid_files(context, "", take_script_pid, &wanted);
	free(text);
	return wanted.pid != 0 && !is_ancestor(context, wanted.pid, pid);
}

/* By the program's path in a script, or by a script of the program's name. */
static void find_by_program(struct ph_context *context, const char *exe, struct finding *finding)
{
	const char *program = strrchr(exe, '/');
	char full[PH_UNIT_NAME_BYTES];

	if (program == NULL || is_interpreter(++program))
		return;
	if (!find_script(context, exe, finding->name, &finding->r) && finding->r == 0 &&
	    ph_unit_name("sysv", program, strlen(program), full, NULL) == 0 &&
	    is_script(context, full))
		strcpy(finding->name, full);
	if (finding->name[0] != '\0' && finding->r == 0 &&
	    has_another(context, finding->name, finding->pid, &finding->r))
		finding->name[0] = '\0';
}

static int sysv_owner(struct ph_units *units, pid_t pid, char name[PH_UNIT_NAME_BYTES],
                      struct ph_error *error)
{
	struct ph_context *context = units->context;
	struct finding finding = { .pid = pid, .name = name };
	struct ph_process_facts facts;
	int r;

	r = ph_process_read(context, pid, &facts, error);
	if (r < 0)
		goto out;
	if (!walk_pid_files(context, "", take_pid_file, &finding) && finding.r == 0 &&
	    facts.exe != NULL)
		find_by_program(context, facts.exe, &finding);
	r = finding.r;
	if (r < 0)
		ph_fail(error, r, "finding the init script of process %d: %s", (int)pid,
		        strerror(-r));
out:
	ph_process_facts_free(&facts);
	return r;
}

static int sysv_pids(struct ph_units *units, const char *id, struct ph_strings *pids,
                     struct ph_error *error)
{
	char owner[PH_UNIT_NAME_BYTES], number[16];
	struct ph_unit unit = { 0 };
	size_t count = 0;
	pid_t *all = NULL;
	int r = look_at(units->context, id, &unit);

	if (r == 0)
		r = ph_process_list(units->context, &all, &count, NULL);
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool mine = unit.main_pid != 0 &&
		            is_ancestor(units->context, (pid_t)unit.main_pid, all[i]);

		if (!mine && unit.main_pid == 0) {
			owner[0] = '\0';
			mine = sysv_owner(units, all[i], owner, NULL) == 0 &&
			       strcmp(owner, id) == 0;
		}
		snprintf(number, sizeof(number), "%d", (int)all[i]);
		if (mine)
			r = ph_strings_add(pids, number);
	}
	free(all);
	ph_unit_free(&unit);
	return r < 0 ? ph_fail(error, r, "finding the processes of %s: %s", id, strerror(-r)) : 0;
}

static int sysv_log(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
                    struct ph_error *error)
{
	(void)units;
	(void)most;
	(void)log;
	return ph_fail(
		error, -EOPNOTSUPP,
		"%s: an init script keeps no log of its own; see /var/log/syslog and /var/log/%s",
		id, id);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* What the exit status of an act means (LSB), where it is a refusal. */
static int refusal(const char *id, int status, struct ph_error *error)
{
	if (status == 4)
		return ph_fail(error, -EACCES, "%s: not allowed; run porthole with sudo", id);
	if (status == 5 || status == 6)
		return ph_fail(error, -ENOENT, "%s: the program is not %s", id,
		               status == 5 ? "installed" : "configured");
	if (status == 2 || status == 3)
		return ph_fail(error, -EOPNOTSUPP, "%s: its script cannot do that (status %d)", id,
		               status);
	return 0;
}

static int run_act(struct ph_units *units, const char *const *arguments, const char *id,
                   uint64_t limit_us, struct ph_unit_outcome *outcome, struct ph_error *error)
{
	uint64_t began = now_us();
	int status;
	int r = run_program(units->context, arguments, limit_us, &status, &outcome->output, error);

	outcome->took_us = now_us() - began;
	outcome->exit_status = status;
	if (r == -ETIMEDOUT)
		snprintf(outcome->job, sizeof(outcome->job), "timeout");
	else if (r == -ECANCELED)
		snprintf(outcome->job, sizeof(outcome->job), "interrupted");
	if (r == -ETIMEDOUT)
		return 0;
	if (r < 0)
		return r;
	snprintf(outcome->job, sizeof(outcome->job), status == 0 ? "done" : "failed");
	if (geteuid() != 0 && status != 0)
		return ph_fail(error, -EACCES, "%s: not allowed; run porthole with sudo", id);
	return refusal(id, status, error);
}

static void read_outcome(struct ph_units *units, const char *id, struct ph_unit_outcome *outcome)
{
	struct ph_context unhurried = *units->context;
	struct ph_units own = *units;
	struct ph_unit unit = { 0 };

	unhurried.cancelled = 0;
	unhurried.cancel_fd = -1;
	own.context = &unhurried;
	if (sysv_read(&own, id, &unit, NULL) == 0) {
		snprintf(outcome->active, sizeof(outcome->active), "%s", unit.active);
		snprintf(outcome->sub, sizeof(outcome->sub), "%s", unit.sub);
	}
	ph_unit_free(&unit);
}

static int sysv_act(struct ph_units *units, enum ph_unit_act act, const char *id, uint64_t limit_us,
                    struct ph_unit_outcome *outcome, struct ph_error *error)
{
	char path[512];
	const char *const script[] = { path, ph_unit_act_name(act), NULL };
	const char *const links[] = { "/usr/sbin/update-rc.d", id,
		                      act == PH_UNIT_ENABLE ? "enable" : "disable", NULL };
	bool at_boot = act == PH_UNIT_ENABLE || act == PH_UNIT_DISABLE;
	int r;

	if (!is_script(units->context, id))
		return ph_fail(error, -ENOENT, "there is no init script %s", id);
	script_path(units->context, id, path, sizeof(path));
	r = run_act(units, at_boot ? links : script, id, limit_us, outcome, error);
	read_outcome(units, id, outcome);
	return r;
}

const struct ph_unit_backend ph_units_sysv = {
	.name = "sysv",
	.open = sysv_open,
	.close = sysv_close,
	.list = sysv_list,
	.read = sysv_read,
	.owner = sysv_owner,
	.pids = sysv_pids,
	.log = sysv_log,
	.act = sysv_act,
};
