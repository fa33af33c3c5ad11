/*
 * Units: what the backends share. Which backend, names checked before anything is done, owned
 * results, refusals that no backend may forget. Sources: systemd.unit(5), LSB "Init Script
 * Actions".
 */
#include "porthole/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const act_names[PH_UNIT_ACT_COUNT] = {
	[PH_UNIT_START] = "start",   [PH_UNIT_STOP] = "stop",     [PH_UNIT_RESTART] = "restart",
	[PH_UNIT_RELOAD] = "reload", [PH_UNIT_ENABLE] = "enable", [PH_UNIT_DISABLE] = "disable",
};

static const char *const suffixes[] = { "service", "socket", "timer", "path",  "scope",
	                                "target",  "mount",  "swap",  "slice", "device" };

static const struct ph_unit_backend *const backends[] = { &ph_units_systemd, &ph_units_sysv,
	                                                  &ph_units_fake };

const char *ph_unit_act_name(unsigned act)
{
	return act < PH_UNIT_ACT_COUNT ? act_names[act] : NULL;
}

int ph_strings_add(struct ph_strings *strings, const char *text)
{
	if (ph_reserve(&strings->items, strings->count, &strings->capacity,
	               sizeof(*strings->items)) < 0)
		return -ENOMEM;
	strings->items[strings->count] = strdup(text);
	if (strings->items[strings->count] == NULL)
		return -ENOMEM;
	strings->count++;
	return 0;
}

void ph_strings_free(struct ph_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
	*strings = (struct ph_strings){ 0 };
}

void ph_unit_free(struct ph_unit *unit)
{
	char *texts[] = { unit->id,        unit->description, unit->load,   unit->active,
		          unit->sub,       unit->enabled,     unit->result, unit->restart,
		          unit->kill_mode, unit->fragment,    unit->source, unit->control_group };
	struct ph_strings *lists[] = { &unit->triggered_by,
		                       &unit->triggers,
		                       &unit->required_by,
		                       &unit->requisite_of,
		                       &unit->bound_by,
		                       &unit->consists_of,
		                       &unit->propagates_stop_to,
		                       &unit->wanted_by,
		                       &unit->upheld_by,
		                       &unit->names,
		                       &unit->listen };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		ph_strings_free(lists[i]);
	*unit = (struct ph_unit){ 0 };
}

void ph_unit_list_free(struct ph_unit_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		ph_unit_free(&list->items[i]);
	free(list->items);
	*list = (struct ph_unit_list){ 0 };
}

void ph_log_free(struct ph_log *log)
{
	for (size_t i = 0; i < log->count; i++) {
		free(log->items[i].source);
		free(log->items[i].message);
	}
	free(log->items);
	*log = (struct ph_log){ 0 };
}

void ph_unit_outcome_free(struct ph_unit_outcome *outcome)
{
	ph_strings_free(&outcome->changes);
	free(outcome->output);
	*outcome = (struct ph_unit_outcome){ .exit_status = -1 };
}

static bool has_suffix(const char *name, const char *suffix)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && dot != name && strcmp(dot + 1, suffix) == 0;
}

static bool has_unit_suffix(const char *name)
{
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (has_suffix(name, suffixes[i]))
			return true;
	return false;
}

/* Of a backslash only what systemd-escape(1) writes: "\x2d". */
static bool escapes_are_whole(const char *name)
{
	for (const char *at = name; (at = strchr(at, '\\')) != NULL; at++)
		if (at[1] != 'x' || !isxdigit((unsigned char)at[2]) ||
		    !isxdigit((unsigned char)at[3]))
			return false;
	return true;
}

static int refuse_name(struct ph_error *error, const char *why)
{
	return ph_fail(error, -EINVAL, "not a unit's name: %s", why);
}

static int check_letters(const char *name, size_t length, const char *more, struct ph_error *error)
{
	if (length == 0)
		return refuse_name(error, "it is empty");
	if (length >= PH_UNIT_NAME_BYTES)
		return refuse_name(error, "it is longer than 255 bytes");
	if (memchr(name, '/', length) != NULL)
		return refuse_name(error, "it is a path; give the name alone, such as apache2");
	if (name[0] == '-' || name[0] == '.')
		return refuse_name(error, "it begins with a dash or a dot");
	for (size_t i = 0; i < length; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
		    !(name[i] >= '0' && name[i] <= '9') &&
		    (name[i] == '\0' || strchr(more, name[i]) == NULL))
			return refuse_name(error, "it has a character that no unit's name has");
	return 0;
}

static int sysv_name(const char *name, size_t length, char *full, struct ph_error *error)
{
	int r = check_letters(name, length, "_.-", error);

	if (r < 0)
		return r;
	memcpy(full, name, length);
	full[length] = '\0';
	if (has_suffix(full, "service"))
		*strrchr(full, '.') = '\0';
	return 0;
}

int ph_unit_name(const char *backend, const char *name, size_t length,
                 char full[PH_UNIT_NAME_BYTES], struct ph_error *error)
{
	const char *at;
	int r;

	if (strcmp(backend, "sysv") == 0)
		return sysv_name(name, length, full, error);
	r = check_letters(name, length, "_.-:@\\", error);
	if (r < 0)
		return r;
	memcpy(full, name, length);
	full[length] = '\0';
	if (!escapes_are_whole(full))
		return refuse_name(error, "a backslash is only for escapes such as \\x2d");
	if (!has_unit_suffix(full)) {
		if (length + strlen(".service") >= PH_UNIT_NAME_BYTES)
			return refuse_name(error, "it is longer than 255 bytes");
		strcpy(full + length, ".service");
	}
	at = strchr(full, '@');
	if (at == full || (at != NULL && at + 1 == strrchr(full, '.')))
		return refuse_name(error, "it is a template; an instance is needed, name@instance");
	return 0;
}

static bool is_directory(const char *root, const char *path)
{
	char whole[512];
	struct stat status;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	return stat(whole, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool systemd_runs(struct ph_context *context)
{
	char *name = NULL;
	bool is;

	if (!is_directory(context->run, "systemd/system"))
		return false;
	is = ph_read_below(context->proc, "1/comm", 64, &name, NULL, NULL) == 0 &&
	     strcmp(name, "systemd\n") == 0;
	free(name);
	return is;
}

static const struct ph_unit_backend *choose(struct ph_context *context, const char *name)
{
	if (name == NULL)
		return systemd_runs(context) ? &ph_units_systemd : &ph_units_sysv;
	for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

int ph_units_open(struct ph_context *context, const struct ph_units_options *options,
                  struct ph_units **units, struct ph_error *error)
{
	const struct ph_unit_backend *backend = choose(context, options->backend);
	int r;

	*units = NULL;
	if (backend == NULL)
		return ph_fail(error, -EINVAL,
		               "no such service manager; there are: systemd, sysv, fake");
	*units = calloc(1, sizeof(**units));
	if (*units == NULL)
		return ph_fail(error, -ENOMEM, "service control: out of memory");
	(*units)->context = context;
	(*units)->options = *options;
	(*units)->backend = backend;
	r = backend->open(*units, error);
	if (r < 0) {
		ph_units_close(*units);
		*units = NULL;
	}
	return r;
}

void ph_units_close(struct ph_units *units)
{
	if (units == NULL)
		return;
	units->backend->close(units);
	free(units);
}

int ph_units_list(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error)
{
	*list = (struct ph_unit_list){ 0 };
	return units->backend->list(units, list, error);
}

int ph_units_read(struct ph_units *units, const char *name, struct ph_unit *unit,
                  struct ph_error *error)
{
	char full[PH_UNIT_NAME_BYTES];
	int r;

	*unit = (struct ph_unit){ 0 };
	r = ph_unit_name(units->backend->name, name, strlen(name), full, error);
	if (r < 0)
		return r;
	return units->backend->read(units, full, unit, error);
}

int ph_units_owner(struct ph_units *units, pid_t pid, char id[PH_UNIT_NAME_BYTES],
                   struct ph_error *error)
{
	id[0] = '\0';
	return units->backend->owner(units, pid, id, error);
}

int ph_units_pids(struct ph_units *units, const char *id, struct ph_strings *pids,
                  struct ph_error *error)
{
	char full[PH_UNIT_NAME_BYTES];
	int r;

	*pids = (struct ph_strings){ 0 };
	r = ph_unit_name(units->backend->name, id, strlen(id), full, error);
	if (r < 0)
		return r;
	return units->backend->pids(units, full, pids, error);
}

int ph_units_log(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
                 struct ph_error *error)
{
	char full[PH_UNIT_NAME_BYTES];
	int r;

	*log = (struct ph_log){ 0 };
	r = ph_unit_name(units->backend->name, id, strlen(id), full, error);
	if (r < 0)
		return r;
	return units->backend->log(units, full, most, log, error);
}

/* What would end more than a service. */
static int refuse_kind(const char *id, struct ph_error *error)
{
	static const char *const refused[] = {
		"target", "slice", "scope", "mount", "swap", "device"
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (has_suffix(id, refused[i]))
			return ph_fail(error, -EPERM,
			               "%s is a %s: porthole acts on services, sockets, timers and "
			               "paths only",
			               id, refused[i]);
	if (strncmp(id, "user@", 5) == 0)
		return ph_fail(error, -EPERM,
		               "%s holds everything that its user runs: act on the user's own unit",
		               id);
	return 0;
}

int ph_units_act(struct ph_units *units, enum ph_unit_act act, const char *id, uint64_t limit_us,
                 struct ph_unit_outcome *outcome, struct ph_error *error)
{
	char full[PH_UNIT_NAME_BYTES];
	int r;

	*outcome = (struct ph_unit_outcome){ .exit_status = -1 };
	r = ph_unit_name(units->backend->name, id, strlen(id), full, error);
	if (r == 0 && strcmp(units->backend->name, "sysv") != 0)
		r = refuse_kind(full, error);
	if (r < 0)
		return r;
	if (ph_cancelled(units->context))
		return ph_fail(error, -ECANCELED, "cancelled: nothing was done");
	return units->backend->act(units, act, full, limit_us ? limit_us : 90000000u, outcome,
	                           error);
}
