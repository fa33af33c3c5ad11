/*
 * Units: services and what starts them, and the acts on them. Backends in const tables: `systemd`
 * (org.freedesktop.systemd1(5) over D-Bus; libsystemd is loaded at the first use), `sysv`
 * (/etc/init.d, LSB init scripts, run without a shell) and `fake` (a list in memory, for tests).
 */
#ifndef PORTHOLE_UNITS_H
#define PORTHOLE_UNITS_H

#include <stdint.h>
#include <sys/types.h>

#include "porthole/context.h"

#define PH_UNIT_NAME_BYTES 256

enum ph_unit_act {
	PH_UNIT_START,
	PH_UNIT_STOP,
	PH_UNIT_RESTART,
	PH_UNIT_RELOAD,
	PH_UNIT_ENABLE,
	PH_UNIT_DISABLE,
	PH_UNIT_ACT_COUNT
};

struct ph_strings {
	char **items; /* owned, each owned; bytes */
	size_t count, capacity;
};

/* 0 or -ENOMEM. */
int ph_strings_add(struct ph_strings *strings, const char *text);
void ph_strings_free(struct ph_strings *strings);

/* What its manager knows of one unit. Strings are owned bytes, NULL where it says nothing. */
struct ph_unit {
	char *id; /* the full name: "apache2.service"; of sysv the script's name: "apache2" */
	char *description;
	char *load; /* "loaded", "not-found", "masked", "error", "bad-setting" */
	char *active; /* "active", "inactive", "failed", "activating", "deactivating", "reloading"
	               */
	char *sub; /* "running", "listening", "dead", ... */
	char *enabled; /* UnitFileState: "enabled", "disabled", "static", "generated", ... */
	char *result; /* "success", "timeout", "exit-code", "signal", ... */
	char *restart; /* Restart=: "no", "always", "on-failure", ... */
	char *kill_mode; /* KillMode=: "control-group", "process", "mixed", "none" */
	char *fragment, *source; /* paths of the unit file, and of the init script behind it */
	char *control_group;
	/* What starts it, what goes when it stops, what holds it up: full unit names. */
	struct ph_strings triggered_by, triggers;
	struct ph_strings required_by, requisite_of, bound_by, consists_of, propagates_stop_to;
	struct ph_strings wanted_by, upheld_by, names;
	struct ph_strings listen; /* of a socket unit: "Stream [::]:80", type and address */
	uint32_t main_pid; /* 0: none, or unknown */
	uint32_t job; /* id of the job that runs for it; 0: none */
	bool accept; /* of a socket unit: Accept=yes */
	bool refuse_manual_start, refuse_manual_stop, can_reload;
	uint64_t stop_timeout_us, start_timeout_us; /* UINT64_MAX: no limit; 0: unknown */
	uint64_t changed_us; /* StateChangeTimestampMonotonic */
	char invocation[33]; /* hexadecimal, new at each start; "": none */
};

void ph_unit_free(struct ph_unit *unit);

struct ph_unit_list {
	struct ph_unit *items; /* owned; of each only id, description, load, active, sub */
	size_t count, capacity;
};

void ph_unit_list_free(struct ph_unit_list *list);

struct ph_log_line {
	uint64_t time_us; /* since the epoch; 0: unknown */
	char *source; /* owned: "apache2[812]"; bytes; NULL: unknown */
	char *message; /* owned; bytes */
};

struct ph_log {
	struct ph_log_line *items; /* owned, oldest first */
	size_t count, capacity;
};

void ph_log_free(struct ph_log *log);

/* How an act ended. The job's word proves little: judge by `active` and by the ports. */
struct ph_unit_outcome {
	/* "done", "failed", "canceled", "timeout", "dependency", "skipped", ...; "lost": the
	 * manager went away while it worked; "interrupted": cancelled, or our own limit passed,
	 * while the job goes on. sysv: "done" for exit status 0, else "failed". */
	char job[24];
	char active[24], sub[24]; /* read afterwards; "": could not be read */
	char result[24]; /* the unit's own Result */
	int exit_status; /* of an init script; -1: none, or it was killed */
	uint64_t took_us;
	struct ph_strings
		changes; /* of enable and disable: "symlink /path -> /path", "unlink /path" */
	char *output; /* owned; what an init script wrote, bounded, bytes; NULL: nothing */
};

void ph_unit_outcome_free(struct ph_unit_outcome *outcome);

struct ph_units;

struct ph_units_options {
	const char *backend; /* "systemd", "sysv", "fake"; NULL: what runs as PID 1 decides */
	bool user; /* the manager of `uid` instead of the system's */
	uid_t uid;
	bool interactive; /* somebody can answer polkit: calls may take minutes */
	struct ph_unit_list *fake; /* for `fake`: its units, borrowed, changed by acts */
};

/* What a backend can do; each function returns 0 or -errno with `error` filled. */
struct ph_unit_backend {
	const char *name;
	int (*open)(struct ph_units *units, struct ph_error *error);
	void (*close)(struct ph_units *units);
	int (*list)(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error);
	int (*read)(struct ph_units *units, const char *name, struct ph_unit *unit,
	            struct ph_error *error);
	int (*owner)(struct ph_units *units, pid_t pid, char id[PH_UNIT_NAME_BYTES],
	             struct ph_error *error);
	int (*pids)(struct ph_units *units, const char *id, struct ph_strings *pids,
	            struct ph_error *error);
	int (*log)(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
	           struct ph_error *error);
	int (*act)(struct ph_units *units, enum ph_unit_act act, const char *id, uint64_t limit_us,
	           struct ph_unit_outcome *outcome, struct ph_error *error);
};

struct ph_units {
	struct ph_context *context;
	struct ph_units_options options;
	const struct ph_unit_backend *backend;
	void *data; /* the backend's own */
};

extern const struct ph_unit_backend ph_units_systemd, ph_units_sysv, ph_units_fake;

/*
 * Connects to the manager. ph_units_close() releases it, also after a failure. 0, or -errno with
 * `error` filled: -EINVAL (no such backend), -ENOENT (libsystemd or the manager is not there),
 * -EACCES, -ENOMEM, -ECANCELED.
 */
int ph_units_open(struct ph_context *context, const struct ph_units_options *options,
                  struct ph_units **units, struct ph_error *error);
void ph_units_close(struct ph_units *units);

/*
 * The full name of a unit as its user wrote it, before anybody is asked: at most 255 bytes of
 * [A-Za-z0-9:_.\@-], no leading '-' or '.', no '/', one of the suffixes service, socket, timer,
 * path, scope, target, mount, slice; none: ".service" is appended (`systemd`). For `sysv` the name
 * of a script, less ".service". 0, or -EINVAL with `error` filled; its message has no byte of it.
 */
int ph_unit_name(const char *backend, const char *name, size_t length,
                 char full[PH_UNIT_NAME_BYTES], struct ph_error *error);

/* All units that the manager has loaded (systemd), or the init scripts (sysv). */
int ph_units_list(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error);

/*
 * Reads one unit, resolving aliases: `unit->id` is its true name. -ENOENT: the manager knows no
 * such unit. ph_unit_free() releases it, also after a failure.
 */
int ph_units_read(struct ph_units *units, const char *name, struct ph_unit *unit,
                  struct ph_error *error);

/*
 * The unit that is in charge of a process, as far as its manager knows: `id` is "" when none is.
 * systemd: also of a main process that left its unit's control group. sysv: the script whose pid
 * file below /run names the process or an ancestor of the same program; else the one script that
 * names its program, or has its name, unless that script is in charge of another process. 0 or
 * -errno with `error` filled.
 */
int ph_units_owner(struct ph_units *units, pid_t pid, char id[PH_UNIT_NAME_BYTES],
                   struct ph_error *error);

/* The processes of a unit, as decimal numbers. */
int ph_units_pids(struct ph_units *units, const char *id, struct ph_strings *pids,
                  struct ph_error *error);

/* The last lines that a unit logged, at most `most`. -EOPNOTSUPP: the backend keeps no log. */
int ph_units_log(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
                 struct ph_error *error);

/*
 * Acts, waits until the manager says that the act ended, and reads the unit's state then. `id` is
 * what ph_units_read() gave. `limit_us` bounds the wait; 0: 90 s. 0: the manager took the order,
 * and `outcome` says how it ended, for better or worse. -errno: it refused, nothing was done:
 * -EACCES (no privilege), -ENOENT, -EBUSY (another order is under way), -EOPNOTSUPP (the unit
 * cannot), -EPERM (masked, or not to be acted upon by hand), -ETIMEDOUT (no answer, what it did is
 * unknown). -ECANCELED: cancelled while waiting; `outcome` has the true state, the order goes on.
 * -ECONNRESET: the manager went away; likewise. Targets, slices, scopes and PID 1's own units are
 * refused.
 */
int ph_units_act(struct ph_units *units, enum ph_unit_act act, const char *id, uint64_t limit_us,
                 struct ph_unit_outcome *outcome, struct ph_error *error);

/* "start", "stop", ...; NULL beyond the last. */
const char *ph_unit_act_name(unsigned act);

/*
 * Writes one line to the system's journal, or to syslog where there is none: `message`, and which
 * unit it is about (NULL: none). Never fails: a log that cannot be written stops nothing.
 */
void ph_units_record(struct ph_context *context, const char *unit, const char *message);

#endif
