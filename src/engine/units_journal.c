/*
 * The journal: the last lines of a unit, as `journalctl -u` selects them, and the line that says
 * what porthole did. Sources: sd-journal(3), systemd.journal-fields(7), syslog(3).
 */
#include "units_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define MOST_LINE_BYTES 4096

static int match(const struct bus_library *sd, sd_journal *journal, const char *field,
                 const char *value)
{
	char text[PH_UNIT_NAME_BYTES + 64];

	snprintf(text, sizeof(text), "%s=%s", field, value);
	return sd->sd_journal_add_match(journal, text, 0);
}

/* What the unit's processes said, or what its manager (PID 1, or the user's own) said of it. */
static int select_unit(const struct bus_library *sd, sd_journal *journal,
                       const struct journal_query *query)
{
	char uid[16];
	int r;

	snprintf(uid, sizeof(uid), "%u", (unsigned)query->uid);
	r = match(sd, journal, query->user ? "_SYSTEMD_USER_UNIT" : "_SYSTEMD_UNIT", query->unit);
	if (r >= 0 && query->user)
		r = match(sd, journal, "_UID", uid);
	if (r >= 0)
		r = sd->sd_journal_add_disjunction(journal);
	if (r >= 0)
		r = query->user ? match(sd, journal, "_UID", uid) : match(sd, journal, "_PID", "1");
	if (r >= 0)
		r = match(sd, journal, query->user ? "USER_UNIT" : "UNIT", query->unit);
	if (r >= 0 && !query->user)
		r = sd->sd_journal_add_disjunction(journal);
	if (r >= 0 && !query->user)
		r = match(sd, journal, "_UID", "0");
	if (r >= 0 && !query->user)
		r = match(sd, journal, "OBJECT_SYSTEMD_UNIT", query->unit);
	return r < 0 ? r : 0;
}

/* The value of a field, cut to what fits; "" where the entry has none. */
static void get_field(const struct bus_library *sd, sd_journal *journal, const char *field,
                      char *value, size_t size)
{
	size_t length, skip = strlen(field) + 1;
	const void *data;

	value[0] = '\0';
	if (sd->sd_journal_get_data(journal, field, &data, &length) < 0 || length < skip)
		return;
	length -= skip;
	if (length >= size)
		length = size - 1;
	memcpy(value, (const char *)data + skip, length);
	value[length] = '\0';
}

static int add_line(const struct bus_library *sd, sd_journal *journal, struct ph_log *log)
{
	char message[MOST_LINE_BYTES], name[128], pid[16], source[160];
	struct ph_log_line *line;

	get_field(sd, journal, "MESSAGE", message, sizeof(message));
	get_field(sd, journal, "SYSLOG_IDENTIFIER", name, sizeof(name));
	get_field(sd, journal, "_PID", pid, sizeof(pid));
	snprintf(source, sizeof(source), pid[0] ? "%s[%s]" : "%s", name, pid);
	if (ph_reserve(&log->items, log->count, &log->capacity, sizeof(*log->items)) < 0)
		return -ENOMEM;
	line = &log->items[log->count++];
	*line = (struct ph_log_line){ .source = strdup(source), .message = strdup(message) };
	if (sd->sd_journal_get_realtime_usec(journal, &line->time_us) < 0)
		line->time_us = 0;
	return line->source != NULL && line->message != NULL ? 0 : -ENOMEM;
}

int journal_read(const struct bus_library *sd, const struct journal_query *query,
                 struct ph_log *log, struct ph_error *error)
{
	sd_journal *journal = NULL;
	int r = sd->sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

	if (r >= 0)
		r = select_unit(sd, journal, query);
	if (r >= 0)
		r = sd->sd_journal_seek_tail(journal);
	if (r >= 0)
		r = sd->sd_journal_previous_skip(journal, query->most);
	while (r > 0) {
		r = add_line(sd, journal, log);
		if (r >= 0)
			r = sd->sd_journal_next(journal);
	}
	if (journal != NULL)
		sd->sd_journal_close(journal);
	return r < 0 ? ph_fail(error, r, "reading the journal: %s", strerror(-r)) : 0;
}

static int send_fields(const struct bus_library *sd, const char *unit, const char *message)
{
	char text[1024], about[PH_UNIT_NAME_BYTES + 32], object[PH_UNIT_NAME_BYTES + 32];
	struct iovec fields[5] = {
		{ .iov_base = text },
		{ .iov_base = (char *)"PRIORITY=5", .iov_len = 10 },
		{ .iov_base = (char *)"SYSLOG_IDENTIFIER=porthole", .iov_len = 26 },
		{ .iov_base = about },
		{ .iov_base = object },
	};

	snprintf(text, sizeof(text), "MESSAGE=%s", message);
	fields[0].iov_len = strlen(text);
	if (unit == NULL)
		return sd->sd_journal_sendv(fields, 3);
	snprintf(about, sizeof(about), "UNIT=%s", unit);
	snprintf(object, sizeof(object), "OBJECT_SYSTEMD_UNIT=%s", unit);
	fields[3].iov_len = strlen(about);
	fields[4].iov_len = strlen(object);
	return sd->sd_journal_sendv(fields, 5);
}

void ph_units_record(struct ph_context *context, const char *unit, const char *message)
{
	struct bus_library library;
	char path[256];

	/* sd_journal_sendv() answers 0 when nobody listens: look first. */
	snprintf(path, sizeof(path), "%s/systemd/journal/socket", context->run);
	if (access(path, F_OK) == 0 && bus_load(&library, NULL) == 0 &&
	    send_fields(&library, unit, message) >= 0)
		return;
	openlog("porthole", LOG_PID, LOG_AUTH);
	syslog(LOG_NOTICE, "%s", message);
	closelog();
}
