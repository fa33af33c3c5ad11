/*
 * A connection to a systemd manager. libsystemd is loaded when the first one is opened: linked, it
 * would add 1.8 ms to every start of the program. Every wait ends when the context is cancelled.
 */
#ifndef ENGINE_UNITS_BUS_H
#define ENGINE_UNITS_BUS_H

/* The caller's line in our source says nothing to whoever reads the journal. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>

#include "porthole/units.h"

#define BUS_SYMBOLS(X)                                        \
	X(sd_bus_new)                                         \
	X(sd_bus_set_address)                                 \
	X(sd_bus_set_bus_client)                              \
	X(sd_bus_start)                                       \
	X(sd_bus_flush_close_unref)                           \
	X(sd_bus_close_unref)                                 \
	X(sd_bus_process)                                     \
	X(sd_bus_get_fd)                                      \
	X(sd_bus_get_events)                                  \
	X(sd_bus_get_timeout)                                 \
	X(sd_bus_call_async)                                  \
	X(sd_bus_match_signal_async)                          \
	X(sd_bus_slot_unref)                                  \
	X(sd_bus_message_new_method_call)                     \
	X(sd_bus_message_set_allow_interactive_authorization) \
	X(sd_bus_message_append)                              \
	X(sd_bus_message_append_strv)                         \
	X(sd_bus_message_read)                                \
	X(sd_bus_message_read_basic)                          \
	X(sd_bus_message_read_array)                          \
	X(sd_bus_message_enter_container)                     \
	X(sd_bus_message_exit_container)                      \
	X(sd_bus_message_peek_type)                           \
	X(sd_bus_message_skip)                                \
	X(sd_bus_message_get_error)                           \
	X(sd_bus_message_get_errno)                           \
	X(sd_bus_message_ref)                                 \
	X(sd_bus_message_unref)                               \
	X(sd_journal_open)                                    \
	X(sd_journal_close)                                   \
	X(sd_journal_add_match)                               \
	X(sd_journal_add_disjunction)                         \
	X(sd_journal_seek_tail)                               \
	X(sd_journal_previous_skip)                           \
	X(sd_journal_next)                                    \
	X(sd_journal_get_data)                                \
	X(sd_journal_get_realtime_usec)                       \
	X(sd_journal_sendv)

struct bus_library {
#define BUS_FIELD(name) __typeof__(&name) name;
	BUS_SYMBOLS(BUS_FIELD)
#undef BUS_FIELD
};

#define JOBS_KEPT 64

struct bus_job {
	char path[64]; /* /org/freedesktop/systemd1/job/N */
	char result[24];
};

struct bus {
	struct ph_context *context;
	struct bus_library library;
	sd_bus *bus;
	bool interactive;
	/* Jobs that ended, the latest JOBS_KEPT of them: the signal may come before the reply that
	 * says which job is ours. */
	struct bus_job jobs[JOBS_KEPT];
	size_t jobs_seen;
	sd_bus_slot *match;
};

/* Loads libsystemd. 0 or -ENOENT. */
int bus_load(struct bus_library *library, struct ph_error *error);

/* Connects to the manager that `units->options` names. 0 or -errno with `error` filled. */
int bus_open(struct bus *bus, struct ph_units *units, struct ph_error *error);
void bus_close(struct bus *bus);

/* A call to be filled: a method of the Manager. 0 or -errno. */
int bus_new_call(struct bus *bus, const char *method, sd_bus_message **call,
                 struct ph_error *error);

/*
 * Sends the call and waits for its answer, at most `limit_us` (0: 25 s, or 2 min where somebody can
 * answer polkit). Releases `call` in any case. `what` is for messages, `unit` the unit meant (NULL:
 * none). `*reply` is the caller's. 0 or -errno with `error` filled.
 */
int bus_call(struct bus *bus, sd_bus_message *call, const char *unit, uint64_t limit_us,
             sd_bus_message **reply, struct ph_error *error);

/* Asks to be told when jobs end. */
int bus_watch_jobs(struct bus *bus, struct ph_error *error);

/* Waits for the end of the job. 0 with `result` filled; -ETIMEDOUT, -ECANCELED, -ECONNRESET. */
int bus_wait_job(struct bus *bus, const char *path, uint64_t limit_us, char *result, size_t size);

uint64_t bus_now_us(void);

/* Fills `unit` from a GetAll's answer. 0 or -errno. */
int bus_read_unit(struct bus *bus, sd_bus_message *reply, struct ph_unit *unit);

#endif
