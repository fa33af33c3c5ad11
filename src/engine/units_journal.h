/* The journal: the last lines of a unit, and one line of our own. Source: sd-journal(3). */
#ifndef ENGINE_UNITS_JOURNAL_H
#define ENGINE_UNITS_JOURNAL_H

#include "units_bus.h"

struct journal_query {
	const char *unit;
	size_t most;
	bool user; /* the unit of a user's own manager */
	uid_t uid;
};

/* 0 or -errno. Without the right to read the journal there are no lines, and no error. */
int journal_read(const struct bus_library *library, const struct journal_query *query,
                 struct ph_log *log, struct ph_error *error);

#endif
