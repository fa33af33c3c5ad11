/*
 * A unit's properties: what GetAll answers, a{sv}, into struct ph_unit. What is not in the table is
 * passed over; a property of another type than expected too, so that a newer systemd only shows
 * less. Source: org.freedesktop.systemd1(5).
 */
#include "units_bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STRINGS 4096

enum property_kind { TEXT, BOOLEAN, UNSIGNED, UNSIGNED64, LIST, BYTES, LISTEN, JOB };

static const struct property {
	const char *name;
	enum property_kind kind;
	size_t offset;
} properties[] = {
#define PROPERTY(name, kind, field)                         \
	{                                                   \
		name, kind, offsetof(struct ph_unit, field) \
	}
	PROPERTY("Id", TEXT, id),
	PROPERTY("Description", TEXT, description),
	PROPERTY("LoadState", TEXT, load),
	PROPERTY("ActiveState", TEXT, active),
	PROPERTY("SubState", TEXT, sub),
	PROPERTY("UnitFileState", TEXT, enabled),
	PROPERTY("Result", TEXT, result),
	PROPERTY("Restart", TEXT, restart),
	PROPERTY("KillMode", TEXT, kill_mode),
	PROPERTY("FragmentPath", TEXT, fragment),
	PROPERTY("SourcePath", TEXT, source),
	PROPERTY("ControlGroup", TEXT, control_group),
	PROPERTY("Names", LIST, names),
	PROPERTY("TriggeredBy", LIST, triggered_by),
	PROPERTY("Triggers", LIST, triggers),
	PROPERTY("RequiredBy", LIST, required_by),
	PROPERTY("RequisiteOf", LIST, requisite_of),
	PROPERTY("BoundBy", LIST, bound_by),
	PROPERTY("ConsistsOf", LIST, consists_of),
	PROPERTY("PropagatesStopTo", LIST, propagates_stop_to),
	PROPERTY("WantedBy", LIST, wanted_by),
	PROPERTY("UpheldBy", LIST, upheld_by),
	PROPERTY("Listen", LISTEN, listen),
	PROPERTY("Job", JOB, job),
	PROPERTY("MainPID", UNSIGNED, main_pid),
	PROPERTY("Accept", BOOLEAN, accept),
	PROPERTY("RefuseManualStart", BOOLEAN, refuse_manual_start),
	PROPERTY("RefuseManualStop", BOOLEAN, refuse_manual_stop),
	PROPERTY("CanReload", BOOLEAN, can_reload),
	PROPERTY("TimeoutStopUSec", UNSIGNED64, stop_timeout_us),
	PROPERTY("TimeoutStartUSec", UNSIGNED64, start_timeout_us),
	PROPERTY("TimeoutUSec", UNSIGNED64, stop_timeout_us),
	PROPERTY("StateChangeTimestampMonotonic", UNSIGNED64, changed_us),
	PROPERTY("InvocationID", BYTES, invocation),
#undef PROPERTY
};

static const char *const signatures[] = {
	[TEXT] = "s",  [BOOLEAN] = "b", [UNSIGNED] = "u",   [UNSIGNED64] = "t",
	[LIST] = "as", [BYTES] = "ay",  [LISTEN] = "a(ss)", [JOB] = "(uo)",
};

static int read_text(const struct bus_library *sd, sd_bus_message *message, char **text)
{
	const char *value;
	int r = sd->sd_bus_message_read_basic(message, 's', &value);

	if (r < 0 || value[0] == '\0')
		return r < 0 ? r : 0;
	free(*text);
	*text = strdup(value);
	return *text != NULL ? 0 : -ENOMEM;
}

static int read_boolean(const struct bus_library *sd, sd_bus_message *message, bool *value)
{
	int whole;
	int r = sd->sd_bus_message_read_basic(message, 'b', &whole);

	if (r >= 0)
		*value = whole != 0;
	return r;
}

static int read_list(const struct bus_library *sd, sd_bus_message *message, struct ph_strings *list)
{
	const char *value;
	int r = sd->sd_bus_message_enter_container(message, 'a', "s");

	while (r >= 0 && (r = sd->sd_bus_message_read_basic(message, 's', &value)) > 0)
		if (list->count < MOST_STRINGS)
			r = ph_strings_add(list, value);
	return r < 0 ? r : sd->sd_bus_message_exit_container(message);
}

static int read_listen(const struct bus_library *sd, sd_bus_message *message,
                       struct ph_strings *list)
{
	const char *type, *address;
	char both[512];
	int r = sd->sd_bus_message_enter_container(message, 'a', "(ss)");

	while (r >= 0 && (r = sd->sd_bus_message_read(message, "(ss)", &type, &address)) > 0) {
		snprintf(both, sizeof(both), "%s %s", type, address);
		if (list->count < MOST_STRINGS)
			r = ph_strings_add(list, both);
	}
	return r < 0 ? r : sd->sd_bus_message_exit_container(message);
}

static int read_bytes(const struct bus_library *sd, sd_bus_message *message, char *hexadecimal)
{
	const void *bytes;
	size_t length;
	int r = sd->sd_bus_message_read_array(message, 'y', &bytes, &length);

	if (r < 0 || length != 16)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < 16; i++)
		sprintf(hexadecimal + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
	return 0;
}

static int read_value(const struct bus_library *sd, sd_bus_message *message,
                      const struct property *property, struct ph_unit *unit)
{
	void *field = (char *)unit + property->offset;
	const char *path;

	switch (property->kind) {
	case TEXT:
		return read_text(sd, message, field);
	case BOOLEAN:
		return read_boolean(sd, message, field);
	case UNSIGNED:
		return sd->sd_bus_message_read_basic(message, 'u', field);
	case UNSIGNED64:
		return sd->sd_bus_message_read_basic(message, 't', field);
	case LIST:
		return read_list(sd, message, field);
	case BYTES:
		return read_bytes(sd, message, field);
	case LISTEN:
		return read_listen(sd, message, field);
	default:
		return sd->sd_bus_message_read(message, "(uo)", field, &path);
	}
}

static const struct property *find_property(const char *name, const char *contents)
{
	for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++)
		if (strcmp(properties[i].name, name) == 0)
			return strcmp(signatures[properties[i].kind], contents) == 0
			               ? &properties[i]
			               : NULL;
	return NULL;
}

static int read_property(const struct bus_library *sd, sd_bus_message *message,
                         struct ph_unit *unit)
{
	const struct property *property;
	const char *name, *contents;
	int r = sd->sd_bus_message_read_basic(message, 's', &name);

	if (r >= 0)
		r = sd->sd_bus_message_peek_type(message, NULL, &contents);
	if (r < 0)
		return r;
	property = find_property(name, contents);
	if (property == NULL)
		return sd->sd_bus_message_skip(message, "v");
	r = sd->sd_bus_message_enter_container(message, 'v', contents);
	if (r >= 0)
		r = read_value(sd, message, property, unit);
	if (r >= 0)
		r = sd->sd_bus_message_exit_container(message);
	return r;
}

int bus_read_unit(struct bus *bus, sd_bus_message *reply, struct ph_unit *unit)
{
	const struct bus_library *sd = &bus->library;
	int r = sd->sd_bus_message_enter_container(reply, 'a', "{sv}");

	while (r >= 0 && (r = sd->sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		r = read_property(sd, reply, unit);
		if (r >= 0)
			r = sd->sd_bus_message_exit_container(reply);
	}
	return r < 0 ? r : 0;
}
