/*
 * A connection to a systemd manager: loading libsystemd, connecting, calls that can be cancelled,
 * and the ends of jobs. Sources: sd-bus(3), org.freedesktop.systemd1(5).
 */
#include "units_bus.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANAGER      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_TYPE "org.freedesktop.systemd1.Manager"
#define CALL_US      (25ull * 1000000)
#define ASKED_US     (120ull * 1000000)

uint64_t bus_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int bus_load(struct bus_library *library, struct ph_error *error)
{
	void *handle = dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);

	if (handle == NULL)
		return ph_fail(error, -ENOENT,
		               "libsystemd.so.0 cannot be loaded: install libsystemd0");
#define BUS_RESOLVE(name)                                \
	*(void **)&library->name = dlsym(handle, #name); \
	if (library->name == NULL)                       \
		goto missing;
	BUS_SYMBOLS(BUS_RESOLVE)
#undef BUS_RESOLVE
	dlclose(handle);
	return 0;
missing:
	dlclose(handle);
	return ph_fail(error, -ENOENT, "this libsystemd.so.0 is too old: version 240 is needed");
}

/* One address tried. Without `client` it is the manager's own socket, where nobody says Hello. */
static int connect_to(struct bus *bus, const char *address, bool client)
{
	sd_bus *connection = NULL;
	int r = bus->library.sd_bus_new(&connection);

	if (r == 0)
		r = bus->library.sd_bus_set_address(connection, address);
	if (r >= 0 && client)
		r = bus->library.sd_bus_set_bus_client(connection, 1);
	if (r >= 0)
		r = bus->library.sd_bus_start(connection);
	if (r < 0) {
		bus->library.sd_bus_close_unref(connection);
		return r;
	}
	bus->bus = connection;
	return 0;
}

static int connect_user(struct bus *bus, const struct ph_units_options *options,
                        struct ph_error *error)
{
	char address[256];
	int r;

	snprintf(address, sizeof(address), "unix:path=%s/user/%u/systemd/private",
	         bus->context->run, (unsigned)options->uid);
	r = connect_to(bus, address, false);
	if (r < 0)
		return ph_fail(error, r,
		               r == -EACCES ? "the service manager of user %u: not allowed; run "
		                              "porthole with sudo"
		                            : "the service manager of user %u does not run",
		               (unsigned)options->uid);
	return 0;
}

/* root goes to the manager itself, as systemctl does: it needs no bus, and survives its death. */
static int connect_system(struct bus *bus, struct ph_error *error)
{
	char private[256], public[256];
	int r = -EACCES;

	snprintf(private, sizeof(private), "unix:path=%s/systemd/private", bus->context->run);
	snprintf(public, sizeof(public), "unix:path=%s/dbus/system_bus_socket", bus->context->run);
	if (geteuid() == 0)
		r = connect_to(bus, private, false);
	if (r < 0)
		r = connect_to(bus, public, true);
	if (r < 0)
		return ph_fail(error, r, "systemd cannot be reached over the system bus: %s%s",
		               strerror(-r), geteuid() == 0 ? "" : "; run porthole with sudo");
	return 0;
}

int bus_open(struct bus *bus, struct ph_units *units, struct ph_error *error)
{
	int r;

	bus->context = units->context;
	bus->interactive = units->options.interactive;
	bus->jobs_seen = 0;
	bus->match = NULL;
	bus->bus = NULL;
	r = bus_load(&bus->library, error);
	if (r < 0)
		return r;
	return units->options.user ? connect_user(bus, &units->options, error)
	                           : connect_system(bus, error);
}

void bus_close(struct bus *bus)
{
	if (bus->match != NULL)
		bus->library.sd_bus_slot_unref(bus->match);
	if (bus->bus != NULL)
		bus->library.sd_bus_flush_close_unref(bus->bus);
	bus->match = NULL;
	bus->bus = NULL;
}

/* Sleeps until there is something to read, the context is cancelled, or `end`. */
static int sleep_until(struct bus *bus, uint64_t end)
{
	struct pollfd events[2] = { { .fd = bus->library.sd_bus_get_fd(bus->bus) },
		                    { .fd = bus->context->cancel_fd, .events = POLLIN } };
	uint64_t timeout = UINT64_MAX, now = bus_now_us();
	int wanted = bus->library.sd_bus_get_events(bus->bus);

	if (events[0].fd < 0 || wanted < 0)
		return -ECONNRESET;
	events[0].events = (short)wanted;
	if (bus->library.sd_bus_get_timeout(bus->bus, &timeout) >= 0 && timeout < end)
		end = timeout;
	if (end > now + 60000000u)
		end = now + 60000000u;
	if (poll(events, 2, end > now ? (int)((end - now + 999) / 1000) : 0) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Handles messages until `*done`. 0, -ETIMEDOUT, -ECANCELED, -ECONNRESET or whatever sd-bus says.
 */
static int run_until(struct bus *bus, const bool *done, uint64_t end)
{
	while (!*done) {
		int r = bus->library.sd_bus_process(bus->bus, NULL);

		if (*done)
			break;
		if (r == -ENOTCONN || r == -EPIPE)
			return -ECONNRESET;
		if (r < 0)
			return r;
		if (ph_cancelled(bus->context))
			return -ECANCELED;
		if (r > 0)
			continue;
		if (bus_now_us() >= end)
			return -ETIMEDOUT;
		r = sleep_until(bus, end);
		if (r < 0)
			return r;
	}
	return 0;
}

int bus_new_call(struct bus *bus, const char *method, sd_bus_message **call, struct ph_error *error)
{
	int r = bus->library.sd_bus_message_new_method_call(bus->bus, call, MANAGER, MANAGER_PATH,
	                                                    MANAGER_TYPE, method);

	if (r < 0)
		return ph_fail(error, r, "asking systemd: %s", strerror(-r));
	if (bus->interactive)
		bus->library.sd_bus_message_set_allow_interactive_authorization(*call, 1);
	return 0;
}

static const struct bus_error {
	const char *name; /* behind "org.freedesktop." */
	int code;
	const char *advice;
} bus_errors[] = {
	{ "systemd1.NoSuchUnit", -ENOENT, "systemd has no such unit" },
	{ "systemd1.LoadFailed", -ENOENT, "systemd cannot load it" },
	{ "systemd1.UnitMasked", -EPERM, "it is masked: `systemctl unmask` it first" },
	{ "systemd1.OnlyByDependency", -EPERM, "it may only be acted upon through other units" },
	{ "systemd1.JobTypeNotApplicable", -EOPNOTSUPP, "it cannot do that" },
	{ "systemd1.TransactionIsDestructive", -EBUSY,
	  "another order for it is under way; wait and try again" },
	{ "systemd1.TransactionJobsConflicting", -EBUSY, "it conflicts with another unit" },
	{ "systemd1.ShuttingDown", -EBUSY, "the system is shutting down" },
	{ "systemd1.BadUnitSetting", -EINVAL, "its unit file has a bad setting" },
	{ "systemd1.NoUnitForPID", -ENOENT, "no unit has this process" },
	{ "DBus.Error.AccessDenied", -EACCES, "not allowed; run porthole with sudo" },
	{ "DBus.Error.InteractiveAuthorizationRequired", -EACCES,
	  "polkit wants to ask and cannot; run porthole with sudo, or in a session with an agent" },
	{ "DBus.Error.FileNotFound", -ENOENT, "there is no such unit file" },
	{ "DBus.Error.InvalidArgs", -EINVAL, "systemd refuses the name or the setting" },
	{ "DBus.Error.Timeout", -ETIMEDOUT, "no answer in time" },
	{ "DBus.Error.NoReply", -ETIMEDOUT, "no answer in time" },
	{ "DBus.Error.Disconnected", -ECONNRESET, "the connection to systemd was lost" },
};

/* A sentence from outside, made safe to print. */
static void plain(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; text != NULL && text[i] != '\0' && i + 1 < size; i++)
		out[i] = (text[i] >= ' ' && text[i] <= '~') ? text[i] : '?';
	out[i] = '\0';
}

static int fail_by_bus(struct bus *bus, sd_bus_message *reply, const char *unit,
                       struct ph_error *error)
{
	const sd_bus_error *answer = bus->library.sd_bus_message_get_error(reply);
	const char *name = answer != NULL && answer->name != NULL ? answer->name : "";
	char sentence[160];
	int r;

	if (strncmp(name, "org.freedesktop.", 16) == 0)
		name += 16;
	plain(answer != NULL ? answer->message : NULL, sentence, sizeof(sentence));
	if (unit == NULL)
		unit = "systemd";
	if (strcmp(name, "systemd1.UnitMasked") == 0 &&
	    strstr(sentence, "polkit.service") != NULL && strcmp(unit, "polkit.service") != 0)
		return ph_fail(error, -EACCES, "%s: polkit is masked; run porthole with sudo",
		               unit);
	for (size_t i = 0; i < sizeof(bus_errors) / sizeof(*bus_errors); i++)
		if (strcmp(bus_errors[i].name, name) == 0)
			return ph_fail(error, bus_errors[i].code, "%s: %s", unit,
			               bus_errors[i].advice);
	r = -bus->library.sd_bus_message_get_errno(reply);
	return ph_fail(error, r < 0 ? r : -EIO, "%s: %s", unit, sentence);
}

struct answer {
	struct bus *bus;
	sd_bus_message *message;
	bool done;
};

static int on_answer(sd_bus_message *message, void *data, sd_bus_error *ignored)
{
	struct answer *answer = data;

	(void)ignored;
	answer->message = answer->bus->library.sd_bus_message_ref(message);
	answer->done = true;
	return 0;
}

static int fail_by_wait(int r, const char *unit, struct ph_error *error)
{
	const char *why = r == -ETIMEDOUT    ? "systemd gave no answer in time"
	                  : r == -ECANCELED  ? "cancelled while waiting for systemd's answer"
	                  : r == -ECONNRESET ? "the connection to systemd was lost"
	                                     : strerror(-r);

	return ph_fail(error, r, "%s: %s", unit != NULL ? unit : "systemd", why);
}

int bus_call(struct bus *bus, sd_bus_message *call, const char *unit, uint64_t limit_us,
             sd_bus_message **reply, struct ph_error *error)
{
	struct answer answer = { .bus = bus };
	uint64_t limit = limit_us ? limit_us : bus->interactive ? ASKED_US : CALL_US;
	sd_bus_slot *slot = NULL;
	int r;

	*reply = NULL;
	r = bus->library.sd_bus_call_async(bus->bus, &slot, call, on_answer, &answer,
	                                   limit + 1000000u);
	if (r >= 0)
		r = run_until(bus, &answer.done, bus_now_us() + limit);
	if (slot != NULL)
		bus->library.sd_bus_slot_unref(slot);
	bus->library.sd_bus_message_unref(call);
	if (r < 0) {
		if (answer.message != NULL)
			bus->library.sd_bus_message_unref(answer.message);
		return fail_by_wait(r, unit, error);
	}
	if (bus->library.sd_bus_message_get_error(answer.message) != NULL) {
		r = fail_by_bus(bus, answer.message, unit, error);
		bus->library.sd_bus_message_unref(answer.message);
		return r;
	}
	*reply = answer.message;
	return 0;
}

static int on_job_removed(sd_bus_message *message, void *data, sd_bus_error *ignored)
{
	struct bus *bus = data;
	const char *path, *unit, *result;
	struct bus_job *job;
	uint32_t id;

	(void)ignored;
	if (bus->library.sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	job = &bus->jobs[bus->jobs_seen++ % JOBS_KEPT];
	snprintf(job->path, sizeof(job->path), "%s", path);
	snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

int bus_watch_jobs(struct bus *bus, struct ph_error *error)
{
	sd_bus_message *call, *reply;
	int r;

	if (bus->match != NULL)
		return 0;
	r = bus->library.sd_bus_match_signal_async(bus->bus, &bus->match, NULL, MANAGER_PATH,
	                                           MANAGER_TYPE, "JobRemoved", on_job_removed, NULL,
	                                           bus);
	if (r < 0)
		return ph_fail(error, r, "listening to systemd: %s", strerror(-r));
	r = bus_new_call(bus, "Subscribe", &call, error);
	if (r < 0)
		return r;
	r = bus_call(bus, call, NULL, 0, &reply, error);
	if (r < 0)
		return r;
	bus->library.sd_bus_message_unref(reply);
	return 0;
}

static const struct bus_job *find_job(const struct bus *bus, const char *path)
{
	size_t kept = bus->jobs_seen < JOBS_KEPT ? bus->jobs_seen : JOBS_KEPT;

	for (size_t i = 0; i < kept; i++)
		if (strcmp(bus->jobs[i].path, path) == 0)
			return &bus->jobs[i];
	return NULL;
}

int bus_wait_job(struct bus *bus, const char *path, uint64_t limit_us, char *result, size_t size)
{
	uint64_t end = bus_now_us() + limit_us;
	const struct bus_job *job;

	while ((job = find_job(bus, path)) == NULL) {
		int r = bus->library.sd_bus_process(bus->bus, NULL);

		if (r > 0)
			continue;
		if (r == 0)
			r = ph_cancelled(bus->context) ? -ECANCELED
			    : bus_now_us() >= end      ? -ETIMEDOUT
			                               : sleep_until(bus, end);
		if (r == -ENOTCONN || r == -EPIPE)
			r = -ECONNRESET;
		if (r < 0)
			return r;
	}
	snprintf(result, size, "%s", job->result);
	return 0;
}
