/*
 * The fake backend: units are a list in memory. What it does is what a manager would answer, so
 * that all above it can be tested without one. A unit whose `restart` is "stuck" never finishes.
 */
#include "porthole/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fake_open(struct ph_units *units, struct ph_error *error)
{
	if (units->options.fake == NULL)
		return ph_fail(error, -EINVAL, "the fake service manager needs its list of units");
	return 0;
}

static void fake_close(struct ph_units *units)
{
	units->data = NULL;
}

static struct ph_unit *find(struct ph_units *units, const char *name)
{
	struct ph_unit_list *list = units->options.fake;

	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].id, name) == 0)
			return &list->items[i];
		for (size_t n = 0; n < list->items[i].names.count; n++)
			if (strcmp(list->items[i].names.items[n], name) == 0)
				return &list->items[i];
	}
	return NULL;
}

static int copy_text(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from != NULL && *to == NULL ? -ENOMEM : 0;
}

static int copy_list(struct ph_strings *to, const struct ph_strings *from)
{
	*to = (struct ph_strings){ 0 };
	for (size_t i = 0; i < from->count; i++)
		if (ph_strings_add(to, from->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

#define TEXT(field)                                 \
	if (copy_text(&to->field, from->field) < 0) \
	return -ENOMEM
#define LIST(field)                                  \
	if (copy_list(&to->field, &from->field) < 0) \
	return -ENOMEM

/* Every pointer is cleared first: a copy that failed half-way can be released. */
static int copy_unit(struct ph_unit *to, const struct ph_unit *from)
{
	*to = (struct ph_unit){
		.main_pid = from->main_pid,
		.accept = from->accept,
		.refuse_manual_start = from->refuse_manual_start,
		.refuse_manual_stop = from->refuse_manual_stop,
		.can_reload = from->can_reload,
		.stop_timeout_us = from->stop_timeout_us,
		.start_timeout_us = from->start_timeout_us,
		.changed_us = from->changed_us,
	};
	memcpy(to->invocation, from->invocation, sizeof(to->invocation));
	TEXT(id);
	TEXT(description);
	TEXT(load);
	TEXT(active);
	TEXT(sub);
	TEXT(enabled);
	TEXT(result);
	TEXT(restart);
	TEXT(kill_mode);
	TEXT(fragment);
	TEXT(source);
	TEXT(control_group);
	LIST(triggered_by);
	LIST(triggers);
	LIST(required_by);
	LIST(requisite_of);
	LIST(bound_by);
	LIST(consists_of);
	LIST(propagates_stop_to);
	LIST(wanted_by);
	LIST(upheld_by);
	LIST(names);
	LIST(listen);
	return 0;
}

static int fake_list(struct ph_units *units, struct ph_unit_list *list, struct ph_error *error)
{
	const struct ph_unit_list *all = units->options.fake;

	for (size_t i = 0; i < all->count; i++) {
		if (ph_reserve(&list->items, list->count, &list->capacity, sizeof(*list->items)) <
		    0)
			goto no_memory;
		list->count++;
		if (copy_unit(&list->items[i], &all->items[i]) < 0)
			goto no_memory;
	}
	return 0;
no_memory:
	return ph_fail(error, -ENOMEM, "listing units: out of memory");
}

static int fake_read(struct ph_units *units, const char *name, struct ph_unit *unit,
                     struct ph_error *error)
{
	const struct ph_unit *found = find(units, name);

	if (found == NULL)
		return ph_fail(error, -ENOENT, "there is no unit %s", name);
	if (copy_unit(unit, found) < 0)
		return ph_fail(error, -ENOMEM, "reading a unit: out of memory");
	return 0;
}

static int fake_owner(struct ph_units *units, pid_t pid, char id[PH_UNIT_NAME_BYTES],
                      struct ph_error *error)
{
	const struct ph_unit_list *list = units->options.fake;

	(void)error;
	for (size_t i = 0; i < list->count; i++)
		if (pid > 0 && list->items[i].main_pid == (uint32_t)pid)
			snprintf(id, PH_UNIT_NAME_BYTES, "%s", list->items[i].id);
	return 0;
}

static int fake_pids(struct ph_units *units, const char *id, struct ph_strings *pids,
                     struct ph_error *error)
{
	const struct ph_unit *found = find(units, id);
	char number[16];

	if (found == NULL)
		return ph_fail(error, -ENOENT, "there is no unit %s", id);
	if (found->main_pid == 0)
		return 0;
	snprintf(number, sizeof(number), "%u", found->main_pid);
	if (ph_strings_add(pids, number) < 0)
		return ph_fail(error, -ENOMEM, "reading a unit's processes: out of memory");
	return 0;
}

static int fake_log(struct ph_units *units, const char *id, size_t most, struct ph_log *log,
                    struct ph_error *error)
{
	(void)units;
	(void)id;
	(void)most;
	(void)log;
	return ph_fail(error, -EOPNOTSUPP, "the fake service manager keeps no log");
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

static int set_state(struct ph_unit *unit, const char *active, const char *sub)
{
	unit->changed_us++;
	return replace(&unit->active, active) < 0 || replace(&unit->sub, sub) < 0 ? -ENOMEM : 0;
}

static int fake_do(struct ph_unit *unit, enum ph_unit_act act)
{
	static const struct {
		const char *active, *sub;
	} states[] = {
		[PH_UNIT_START] = { "active", "running" },
		[PH_UNIT_STOP] = { "inactive", "dead" },
		[PH_UNIT_RESTART] = { "active", "running" },
		[PH_UNIT_RELOAD] = { "active", "running" },
	};

	switch (act) {
	case PH_UNIT_ENABLE:
		return replace(&unit->enabled, "enabled");
	case PH_UNIT_DISABLE:
		return replace(&unit->enabled, "disabled");
	default:
		return set_state(unit, states[act].active, states[act].sub);
	}
}

static int fake_act(struct ph_units *units, enum ph_unit_act act, const char *id, uint64_t limit_us,
                    struct ph_unit_outcome *outcome, struct ph_error *error)
{
	struct ph_unit *unit = find(units, id);
	bool stuck;
	int r;

	(void)limit_us;
	if (unit == NULL)
		return ph_fail(error, -ENOENT, "there is no unit %s", id);
	if (act == PH_UNIT_STOP && unit->refuse_manual_stop)
		return ph_fail(error, -EPERM, "%s may not be stopped by hand", id);
	if (act == PH_UNIT_START && unit->load != NULL && strcmp(unit->load, "masked") == 0)
		return ph_fail(error, -EPERM, "%s is masked", id);
	if (act == PH_UNIT_RELOAD && !unit->can_reload)
		return ph_fail(error, -EOPNOTSUPP, "%s cannot reload", id);
	stuck = unit->restart != NULL && strcmp(unit->restart, "stuck") == 0;
	r = stuck ? set_state(unit, "deactivating", "stop-sigterm") : fake_do(unit, act);
	if (r < 0)
		return ph_fail(error, r, "acting on a unit: out of memory");
	snprintf(outcome->job, sizeof(outcome->job), "%s", stuck ? "interrupted" : "done");
	snprintf(outcome->active, sizeof(outcome->active), "%s", unit->active);
	snprintf(outcome->sub, sizeof(outcome->sub), "%s", unit->sub);
	return 0;
}

const struct ph_unit_backend ph_units_fake = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.list = fake_list,
	.read = fake_read,
	.owner = fake_owner,
	.pids = fake_pids,
	.log = fake_log,
	.act = fake_act,
};
