/*
 * Placement: the unit or the container that a control-group path names. Sources: cgroups(7);
 * systemd's CGROUP_DELEGATION and systemd.unit(5); the paths that Docker, Podman, containerd,
 * CRI-O, LXC and systemd-nspawn make.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "porthole/owners.h"

/* A piece of the text, not NUL-terminated. */
struct piece {
	const char *start;
	size_t length;
};

static bool is(struct piece piece, const char *text)
{
	return piece.length == strlen(text) && memcmp(piece.start, text, piece.length) == 0;
}

static bool starts(struct piece piece, const char *text)
{
	return piece.length > strlen(text) && memcmp(piece.start, text, strlen(text)) == 0;
}

static bool ends(struct piece piece, const char *text)
{
	size_t length = strlen(text);

	return piece.length > length &&
	       memcmp(piece.start + piece.length - length, text, length) == 0;
}

static struct piece skip(struct piece piece, size_t bytes)
{
	return (struct piece){ piece.start + bytes, piece.length - bytes };
}

/* Takes the next piece up to `mark`, or all. False: nothing is left. */
static bool take(struct piece *rest, char mark, struct piece *piece)
{
	const char *end;

	if (rest->start == NULL)
		return false;
	piece->start = rest->start;
	end = memchr(rest->start, mark, rest->length);
	if (end == NULL) {
		piece->length = rest->length;
		rest->start = NULL;
		return true;
	}
	piece->length = (size_t)(end - rest->start);
	*rest = skip(*rest, piece->length + 1);
	return true;
}

/* The next component of a path; empty ones are passed over. systemd puts a `_` before a name that
 * would clash with a file of the cgroup file system, or that begins with one. */
static bool component(struct piece *path, struct piece *name)
{
	while (take(path, '/', name)) {
		if (name->length == 0)
			continue;
		if (name->start[0] == '_')
			*name = skip(*name, 1);
		return true;
	}
	return false;
}

/* One line of /proc/PID/cgroup: ID:CONTROLLERS:PATH. */
struct hierarchy {
	struct piece controllers, path;
};

static bool take_hierarchy(struct piece *text, struct hierarchy *hierarchy)
{
	struct piece line, number;

	while (take(text, '\n', &line)) {
		/* The root says nothing, and most of the hierarchies of version 1 are there. */
		if (take(&line, ':', &number) && take(&line, ':', &hierarchy->controllers) &&
		    line.start != NULL && line.length > 1 && line.start[0] == '/') {
			hierarchy->path = line;
			return true;
		}
	}
	return false;
}

static struct piece all_of(const char *text)
{
	return (struct piece){ text, text != NULL ? strlen(text) : 0 };
}

/* The path below that of PID 1 in the same hierarchy: what is left is how it looks from inside. */
static struct piece below_own(const struct hierarchy *hierarchy, const char *own)
{
	struct piece rest = all_of(own), root = { NULL, 0 }, path = hierarchy->path;
	struct hierarchy other;

	while (take_hierarchy(&rest, &other))
		if (other.controllers.length == hierarchy->controllers.length &&
		    memcmp(other.controllers.start, hierarchy->controllers.start,
		           other.controllers.length) == 0)
			root = other.path;
	if (is(root, "/init.scope") || ends(root, "/init.scope"))
		root.length -= strlen("/init.scope");
	if (root.length == 0 || root.length > path.length ||
	    memcmp(root.start, path.start, root.length) != 0)
		return path;
	if (root.start[root.length - 1] == '/' || root.length == path.length ||
	    path.start[root.length] == '/')
		return skip(path, root.length);
	return path;
}

/* What every engine's ids are; anything else is somebody's own name. */
static bool is_id(struct piece piece)
{
	if (piece.length != 64)
		return false;
	for (size_t i = 0; i < piece.length; i++)
		if (strchr("0123456789abcdef", piece.start[i]) == NULL || piece.start[i] == '\0')
			return false;
	return true;
}

/* "engine:name". 0 or -ENOMEM. */
static int name_container(const char *engine, struct piece name, char **container)
{
	size_t length = strlen(engine);

	*container = malloc(length + 1 + name.length + 1);
	if (*container == NULL)
		return -ENOMEM;
	memcpy(*container, engine, length);
	(*container)[length] = ':';
	memcpy(*container + length + 1, name.start, name.length);
	(*container)[length + 1 + name.length] = '\0';
	return 0;
}

/* Scopes and groups that carry their container's id behind a prefix. */
static const struct {
	const char *prefix, *engine;
} id_prefixes[] = {
	{ "docker-", "docker" },
	{ "libpod-", "podman" },
	{ "cri-containerd-", "k8s" },
	{ "crio-", "k8s" },
};

/* The id in docker-ID.scope and its like, in ID alone below the engine's own group, and in
 * kubepods-...-podUID.slice:cri-containerd:ID. NULL: none. */
static const char *engine_of(struct piece parent, struct piece name, bool pods, struct piece *id)
{
	if (ends(name, ".scope"))
		name.length -= strlen(".scope");
	*id = name;
	if (is_id(name) && (pods || is(parent, "docker")))
		return pods ? "k8s" : "docker";
	for (size_t i = 0; i < sizeof(id_prefixes) / sizeof(*id_prefixes); i++) {
		if (!starts(name, id_prefixes[i].prefix))
			continue;
		*id = skip(name, strlen(id_prefixes[i].prefix));
		if (is_id(*id))
			return pods ? "k8s" : id_prefixes[i].engine;
	}
	if (pods && name.length > 64 && name.start[name.length - 65] == ':') {
		*id = skip(name, name.length - 64);
		if (is_id(*id))
			return "k8s";
	}
	return NULL;
}

/* The name in lxc.payload.NAME, and in NAME below a group of LXC's own. */
static bool is_lxc(struct piece parent, struct piece name, struct piece *container)
{
	*container = name;
	if (starts(name, "lxc.payload."))
		*container = skip(name, strlen("lxc.payload."));
	else if (!is(parent, "lxc") && !is(parent, "lxc.payload"))
		return false;
	return true;
}

/* The machine whose payload this is: machine-NAME.scope/payload, or
 * systemd-nspawn@NAME.service/payload. The other half of the scope is the host's. */
static bool is_nspawn(struct piece parent, struct piece name, struct piece *machine)
{
	*machine = parent;
	if (!is(name, "payload"))
		return false;
	if (starts(parent, "machine-") && ends(parent, ".scope")) {
		*machine = skip(parent, strlen("machine-"));
		machine->length -= strlen(".scope");
	} else if (starts(parent, "systemd-nspawn@") && ends(parent, ".service")) {
		*machine = skip(parent, strlen("systemd-nspawn@"));
		machine->length -= strlen(".service");
	} else {
		return false;
	}
	return machine->length > 0 && machine->length < parent.length;
}

/* A machine's name is a host name: systemd writes its hyphens as \x2d in the scope's. */
static void unescape_hyphens(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (strncmp(text, "\\x2d", 4) == 0) {
			*to++ = '-';
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static int find_container(struct piece path, char **container)
{
	struct piece parent = { "", 0 }, name, found;
	bool pods = false;

	while (component(&path, &name)) {
		const char *engine;
		int r;

		pods = pods || starts(name, "kubepods") || is(name, "kubepods");
		engine = engine_of(parent, name, pods, &found);
		if (engine != NULL)
			return name_container(engine, found, container);
		if (is_lxc(parent, name, &found))
			return name_container("lxc", found, container);
		if (is_nspawn(parent, name, &found)) {
			r = name_container("nspawn", found, container);
			if (r == 0)
				unescape_hyphens(*container);
			return r;
		}
		parent = name;
	}
	return 0;
}

/* A login session is no service, and init.scope is the manager itself. */
static bool is_plain_scope(struct piece name)
{
	if (is(name, "init.scope"))
		return true;
	return starts(name, "session-") && ends(name, ".scope");
}

/* The next service or scope of the path, past slices. False: there is none. */
static bool next_unit(struct piece *path, struct piece *unit)
{
	while (component(path, unit)) {
		if (ends(*unit, ".slice"))
			continue;
		return (ends(*unit, ".service") || ends(*unit, ".scope")) && !is_plain_scope(*unit);
	}
	return false;
}

static int find_unit(struct piece path, struct ph_placement *placement)
{
	struct piece unit;

	if (!next_unit(&path, &unit))
		return 0;
	placement->unit = strndup(unit.start, unit.length);
	if (placement->unit == NULL)
		return -ENOMEM;
	if (!starts(unit, "user@") || !ends(unit, ".service") || !next_unit(&path, &unit))
		return 0;
	placement->user_unit = strndup(unit.start, unit.length);
	return placement->user_unit != NULL ? 0 : -ENOMEM;
}

int ph_placement_parse(const char *cgroup, const char *own, struct ph_placement *placement)
{
	struct piece text = all_of(cgroup);
	struct hierarchy hierarchy;
	int r = 0;

	*placement = (struct ph_placement){ 0 };
	/* The unit inside a container is not the host's: containers first, in any hierarchy. */
	while (r == 0 && placement->container == NULL && take_hierarchy(&text, &hierarchy))
		r = find_container(below_own(&hierarchy, own), &placement->container);
	/* Units are in the unified hierarchy or in systemd's own; the other one says nothing. */
	text = all_of(placement->container == NULL ? cgroup : NULL);
	while (r == 0 && placement->unit == NULL && take_hierarchy(&text, &hierarchy))
		if (hierarchy.controllers.length == 0 || is(hierarchy.controllers, "name=systemd"))
			r = find_unit(below_own(&hierarchy, own), placement);
	if (r < 0)
		ph_placement_free(placement);
	return r;
}

void ph_placement_free(struct ph_placement *placement)
{
	free(placement->unit);
	free(placement->user_unit);
	free(placement->container);
	*placement = (struct ph_placement){ 0 };
}
