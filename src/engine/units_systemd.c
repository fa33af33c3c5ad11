/*
 * The systemd backend. A unit is always asked about by its name, never by a process. An order is
 * done when its job was removed *and* the unit's state was read again: a job's word alone proves
 * nothing. Source: org.freedesktop.systemd1(5).
 */
#include "units_bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "units_journal.h"
#include "units_run.h"

#define OBJECT_BYTES 1024
#define RELOAD_US    (90ull * 1000000)

static int systemd_open(struct ph_units *units, struct ph_error *error)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL)
		return ph_fail(error, -ENOMEM, "service control: out of memory");
	units->data = bus;
	return bus_open(bus, units, error);
}

static void systemd_close(struct ph_units *units)
{
	if (units->data != NULL)
		bus_close(units->data);
	free(units->data);
	units->data = NULL;
}

/* A call with up to two string arguments; NULL: none. */
static int call_strings(struct bus *bus, const char *method, const char *unit, const char *first,
                        const char *second, sd_bus_message **reply, struct ph_error *error)
{
	sd_bus_message *call;
	int r = bus_new_call(bus, method, &call, error);

	if (r < 0)
		return r;
	if (first != NULL)
		r = bus->library.sd_bus_message_append(call, "s", first);
	if (r >= 0 && second != NULL)
		r = bus->library.sd_bus_message_append(call, "s", second);
	if (r < 0) {
		bus->library.sd_bus_message_unref(call);
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	}
	return bus_call(bus, call, unit, 0, reply, error);
}

static int broken_answer(int r, struct ph_error *error)
{
	return ph_fail(error, r == -ENOMEM ? r : -EBADMSG,
	               r == -ENOMEM ? "reading systemd's answer: out of memory"
	                            : "systemd gave an answer that cannot be read");
}

static int add_listed(struct bus *bus, sd_bus_message *reply, struct ph_unit_list *list)
{
	const char *id, *description, *load, *active, *sub, *following, *path, *type, *job_path;
	struct ph_unit *unit;
	uint32_t job;
	int r = bus->library.sd_bus_message_read(reply, "(ssssssouso)", &id, &description, &load,
	                                         &active, &sub, &following, &path, &job, &type,
	                                         &job_path);

	if (r <= 0)
		return r;
	if (ph_reserve(&list->items, list->count, &list->capacity, sizeof(*list->items)) < 0)
		return -ENOMEM;
	unit = &list->items[list->count++];
	*unit = (struct ph_unit){ .id = strdup(id),
		                  .description = strdup(description),
		                  .load = strdup(load),
		                  .active = strdup(active),
		                  .sub = strdup(sub),
		                  .job = job };
	return unit->id && unit->description && unit->load && unit->active && unit->sub ? 1
	                                                                                : -ENOMEM;
}

static int systemd_list(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error)
{
	struct bus *bus = units->data;
	sd_bus_message *reply = NULL;
	int r = call_strings(bus, "ListUnits", NULL, NULL, NULL, &reply, error);

	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (r > 0)
		r = add_listed(bus, reply, list);
	bus->library.sd_bus_message_unref(reply);
	return r < 0 ? broken_answer(r, error) : 0;
}

/* The object of a unit, loaded if it was not: this also resolves aliases. */
static int load_unit(struct bus *bus, const char *name, char object[OBJECT_BYTES],
                     struct ph_error *error)
{
	sd_bus_message *reply = NULL;
	const char *path = "";
	int r = call_strings(bus, "LoadUnit", name, name, NULL, &reply, error);

	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_read(reply, "o", &path);
	if (r >= 0 && (path == NULL || strlen(path) >= OBJECT_BYTES))
		r = -ENAMETOOLONG;
	if (r >= 0)
		strcpy(object, path);
	bus->library.sd_bus_message_unref(reply);
	return r < 0 ? broken_answer(r, error) : 0;
}

static int get_all(struct bus *bus, const char *name, const char *object, struct ph_unit *unit,
                   struct ph_error *error)
{
	sd_bus_message *call, *reply;
	int r = bus->library.sd_bus_message_new_method_call(
		bus->bus, &call, "org.freedesktop.systemd1", object,
		"org.freedesktop.DBus.Properties", "GetAll");

	if (r < 0)
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	r = bus->library.sd_bus_message_append(call, "s", "");
	if (r < 0) {
		bus->library.sd_bus_message_unref(call);
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	}
	r = bus_call(bus, call, name, 0, &reply, error);
	if (r < 0)
		return r;
	r = bus_read_unit(bus, reply, unit);
	bus->library.sd_bus_message_unref(reply);
	return r < 0 ? broken_answer(r, error) : 0;
}

/* A unit that a generator made of an init script is enabled where the script's links say so. */
static int correct_enabled(struct ph_units *units, struct ph_unit *unit)
{
	const char *script;
	char *word;

	if (unit->enabled == NULL || strcmp(unit->enabled, "generated") != 0 ||
	    unit->source == NULL || strncmp(unit->source, "/etc/init.d/", 12) != 0)
		return 0;
	script = unit->source + 12;
	word = strdup(run_script_enabled(units->context, script) ? "enabled" : "disabled");
	if (word == NULL)
		return -ENOMEM;
	free(unit->enabled);
	unit->enabled = word;
	return 0;
}

static int systemd_read(struct ph_units *units, const char *name, struct ph_unit *unit,
                        struct ph_error *error)
{
	char object[OBJECT_BYTES];
	int r = load_unit(units->data, name, object, error);

	if (r == 0)
		r = get_all(units->data, name, object, unit, error);
	if (r < 0)
		return r;
	if (unit->id == NULL || unit->active == NULL)
		return broken_answer(-EBADMSG, error);
	if (unit->load != NULL && strcmp(unit->load, "not-found") == 0 &&
	    strcmp(unit->active, "inactive") == 0)
		return ph_fail(error, -ENOENT, "there is no unit %s", name);
	r = correct_enabled(units, unit);
	return r < 0 ? ph_fail(error, r, "reading a unit: out of memory") : 0;
}

/* The second opinion, for processes whose control group names no service. */
static int systemd_owner(struct ph_units *units, pid_t pid, char id[PH_UNIT_NAME_BYTES],
                         struct ph_error *error)
{
	struct bus *bus = units->data;
	struct ph_unit unit = { 0 };
	sd_bus_message *call, *reply;
	const char *object;
	int r = bus_new_call(bus, "GetUnitByPID", &call, error);

	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_append(call, "u", (uint32_t)pid);
	if (r < 0) {
		bus->library.sd_bus_message_unref(call);
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	}
	r = bus_call(bus, call, NULL, 0, &reply, error);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = bus->library.sd_bus_message_read(reply, "o", &object);
	if (r >= 0)
		r = get_all(bus, NULL, object, &unit, error);
	else
		broken_answer(r, error);
	if (r == 0 && unit.id != NULL && strlen(unit.id) < PH_UNIT_NAME_BYTES)
		strcpy(id, unit.id);
	bus->library.sd_bus_message_unref(reply);
	ph_unit_free(&unit);
	return r < 0 ? r : 0;
}

static int systemd_pids(struct ph_units *units, const char *id, struct ph_strings *pids,
                        struct ph_error *error)
{
	struct bus *bus = units->data;
	const char *group, *command;
	sd_bus_message *reply = NULL;
	char number[16];
	uint32_t pid;
	int r = call_strings(bus, "GetUnitProcesses", id, id, NULL, &reply, error);

	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_enter_container(reply, 'a', "(sus)");
	while (r >= 0 &&
	       (r = bus->library.sd_bus_message_read(reply, "(sus)", &group, &pid, &command)) > 0) {
		snprintf(number, sizeof(number), "%u", pid);
		r = ph_strings_add(pids, number);
	}
	bus->library.sd_bus_message_unref(reply);
	return r < 0 ? broken_answer(r, error) : 0;
}

static int systemd_log(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
                       struct ph_error *error)
{
	struct bus *bus = units->data;
	const struct journal_query query = {
		.unit = id, .most = most, .user = units->options.user, .uid = units->options.uid
	};

	return journal_read(&bus->library, &query, log, error);
}

static void note(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text != NULL ? text : "");
}

/*
 * Reads the state after an act, on a connection of its own where the old one is gone, and also when
 * the context was cancelled: what is reported has to be true.
 */
static int read_outcome(struct ph_units *units, const char *id, struct ph_unit_outcome *outcome)
{
	struct ph_context unhurried = *units->context;
	struct ph_units own = *units;
	struct ph_error ignored;
	struct ph_unit unit = { 0 };
	int r;

	unhurried.cancelled = 0;
	unhurried.cancel_fd = -1;
	own.context = &unhurried;
	own.data = NULL;
	r = systemd_open(&own, &ignored);
	if (r == 0 && own.data != NULL)
		r = systemd_read(&own, id, &unit, &ignored);
	if (r == 0) {
		note(outcome->active, sizeof(outcome->active), unit.active);
		note(outcome->sub, sizeof(outcome->sub), unit.sub);
		note(outcome->result, sizeof(outcome->result), unit.result);
	}
	if (r == 0 && unit.job != 0)
		r = -EINPROGRESS;
	systemd_close(&own);
	ph_unit_free(&unit);
	return r;
}

static bool is_settled(const struct ph_unit_outcome *outcome)
{
	return outcome->active[0] != '\0' && strcmp(outcome->active, "activating") != 0 &&
	       strcmp(outcome->active, "deactivating") != 0 &&
	       strcmp(outcome->active, "reloading") != 0;
}

/* The manager's socket went away while the job was on: its unit is looked at until it settles. */
static int follow_lost_job(struct ph_units *units, const char *id, uint64_t end,
                           struct ph_unit_outcome *outcome)
{
	do {
		if (ph_cancelled(units->context))
			return -ECANCELED;
		if (read_outcome(units, id, outcome) == 0 && is_settled(outcome))
			return 0;
		usleep(100000);
	} while (bus_now_us() < end);
	return -ECONNRESET;
}

static int finish_job(struct ph_units *units, const char *id, const char *job, uint64_t limit_us,
                      struct ph_unit_outcome *outcome, struct ph_error *error)
{
	uint64_t end = bus_now_us() + limit_us;
	int r = bus_wait_job(units->data, job, limit_us, outcome->job, sizeof(outcome->job));
	int lost = r;

	if (r == -ECONNRESET) {
		note(outcome->job, sizeof(outcome->job), "lost");
		r = follow_lost_job(units, id, end, outcome);
	} else if (r < 0) {
		note(outcome->job, sizeof(outcome->job), "interrupted");
	}
	if (lost != -ECONNRESET || r < 0)
		read_outcome(units, id, outcome);
	if (r == -ETIMEDOUT)
		r = 0; /* the order stands, and the outcome says that it goes on */
	if (r < 0)
		return ph_fail(error, r, "%s: %s; it is %s (%s)", id,
		               r == -ECANCELED ? "cancelled while waiting, the order goes on"
		                               : "the connection to systemd was lost",
		               outcome->active[0] ? outcome->active : "in an unknown state",
		               outcome->sub);
	return 0;
}

static int act_by_job(struct ph_units *units, const char *method, const char *mode, const char *id,
                      uint64_t limit_us, struct ph_unit_outcome *outcome, struct ph_error *error)
{
	struct bus *bus = units->data;
	sd_bus_message *reply = NULL;
	const char *path = "";
	char job[64];
	int r = bus_watch_jobs(bus, error);

	if (r == 0)
		r = call_strings(bus, method, id, id, mode, &reply, error);
	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		note(job, sizeof(job), path);
	bus->library.sd_bus_message_unref(reply);
	if (r < 0)
		return broken_answer(r, error);
	return finish_job(units, id, job, limit_us, outcome, error);
}

static int read_changes(struct bus *bus, sd_bus_message *reply, struct ph_strings *changes)
{
	const char *type, *path, *source;
	char sentence[1024];
	int r = bus->library.sd_bus_message_enter_container(reply, 'a', "(sss)");

	while (r >= 0 &&
	       (r = bus->library.sd_bus_message_read(reply, "(sss)", &type, &path, &source)) > 0) {
		snprintf(sentence, sizeof(sentence), "%s %s%s%s", type, path,
		         source[0] ? " -> " : "", source);
		r = ph_strings_add(changes, sentence);
	}
	return r < 0 ? r : 0;
}

static int change_files(struct bus *bus, bool enable, const char *id,
                        struct ph_unit_outcome *outcome, struct ph_error *error)
{
	char *names[] = { (char *)id, NULL };
	sd_bus_message *call, *reply;
	int carries, r;

	r = bus_new_call(bus, enable ? "EnableUnitFiles" : "DisableUnitFiles", &call, error);
	if (r < 0)
		return r;
	r = bus->library.sd_bus_message_append_strv(call, names);
	if (r >= 0)
		r = enable ? bus->library.sd_bus_message_append(call, "bb", 0, 0)
		           : bus->library.sd_bus_message_append(call, "b", 0);
	if (r < 0) {
		bus->library.sd_bus_message_unref(call);
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	}
	r = bus_call(bus, call, id, 0, &reply, error);
	if (r < 0)
		return r;
	if (enable)
		r = bus->library.sd_bus_message_read(reply, "b", &carries);
	if (r >= 0)
		r = read_changes(bus, reply, &outcome->changes);
	bus->library.sd_bus_message_unref(reply);
	return r < 0 ? broken_answer(r, error) : 0;
}

static int reload_manager(struct bus *bus, struct ph_error *error)
{
	sd_bus_message *call, *reply;
	int r = bus_new_call(bus, "Reload", &call, error);

	if (r == 0)
		r = bus_call(bus, call, NULL, RELOAD_US, &reply, error);
	if (r == 0)
		bus->library.sd_bus_message_unref(reply);
	return r;
}

/* Init scripts have no unit file of their own: what systemctl runs for them does the links. */
static int change_script(struct ph_units *units, bool enable, const char *script,
                         struct ph_unit_outcome *outcome, struct ph_error *error)
{
	const char *const arguments[] = { "/lib/systemd/systemd-sysv-install",
		                          enable ? "enable" : "disable", script, NULL };
	int status;
	int r = run_program(units->context, arguments, 30000000u, &status, &outcome->output, error);

	if (r == 0 && status != 0)
		r = ph_fail(error, -EIO, "%s: systemd-sysv-install failed with status %d", script,
		            status);
	return r;
}

static int act_on_files(struct ph_units *units, bool enable, const char *id,
                        struct ph_unit_outcome *outcome, struct ph_error *error)
{
	struct ph_unit unit = { 0 };
	int r = systemd_read(units, id, &unit, error);

	if (r == 0 && unit.source != NULL && strncmp(unit.source, "/etc/init.d/", 12) == 0)
		r = change_script(units, enable, unit.source + 12, outcome, error);
	else if (r == 0)
		r = change_files(units->data, enable, id, outcome, error);
	ph_unit_free(&unit);
	if (r == 0)
		r = reload_manager(units->data, error);
	if (r < 0)
		return r;
	note(outcome->job, sizeof(outcome->job), "done");
	read_outcome(units, id, outcome);
	return 0;
}

static int systemd_act(struct ph_units *units, enum ph_unit_act act, const char *id,
                       uint64_t limit_us, struct ph_unit_outcome *outcome, struct ph_error *error)
{
	/* A start must not undo a stop that is queued; a stop may replace a start. */
	static const struct {
		const char *method, *mode;
	} jobs[PH_UNIT_ACT_COUNT] = {
		[PH_UNIT_START] = { "StartUnit", "fail" },
		[PH_UNIT_STOP] = { "StopUnit", "replace" },
		[PH_UNIT_RESTART] = { "RestartUnit", "fail" },
		[PH_UNIT_RELOAD] = { "ReloadUnit", "fail" },
	};
	uint64_t began = bus_now_us();
	int r;

	if (jobs[act].method == NULL)
		r = act_on_files(units, act == PH_UNIT_ENABLE, id, outcome, error);
	else
		r = act_by_job(units, jobs[act].method, jobs[act].mode, id, limit_us, outcome,
		               error);
	outcome->took_us = bus_now_us() - began;
	return r;
}

const struct ph_unit_backend ph_units_systemd = {
	.name = "systemd",
	.open = systemd_open,
	.close = systemd_close,
	.list = systemd_list,
	.read = systemd_read,
	.owner = systemd_owner,
	.pids = systemd_pids,
	.log = systemd_log,
	.act = systemd_act,
};
