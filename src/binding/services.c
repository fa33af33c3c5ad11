/* services.lookup() and services.list(): which name goes with which port. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding/binding.h"
#include "binding/paths.h"
#include "binding/rows_internal.h"
#include "porthole/services.h"

#define REGISTRY_METATABLE "porthole.services"

/* Userdata in Lua's registry: read once, at the first question. */
struct registry {
	struct ph_services *services;
};

/* Storage of either all entries, or one. */
struct service_rows {
	const struct ph_services *services; /* the registry's, which lives as long as the state */
	const struct ph_service *only;
};

static void get_name(const void *storage, const void *item, struct cell *cell)
{
	(void)storage;
	cell_set_text(cell, ((const struct ph_service *)item)->name);
}

static void get_port(const void *storage, const void *item, struct cell *cell)
{
	(void)storage;
	cell->type = CELL_INTEGER;
	cell->as.integer = ((const struct ph_service *)item)->port;
}

static void get_proto(const void *storage, const void *item, struct cell *cell)
{
	(void)storage;
	cell_set_text(cell, ((const struct ph_service *)item)->proto);
}

static void get_description(const void *storage, const void *item, struct cell *cell)
{
	const char *text = ((const struct ph_service *)item)->description;

	(void)storage;
	cell_set_text(cell, *text != '\0' ? text : NULL);
}

static void get_aliases(const void *storage, const void *item, struct cell *cell)
{
	(void)storage;
	(void)item;
	cell->type = CELL_OTHER;
}

static void push_aliases(lua_State *L, const void *storage, const void *item)
{
	const struct ph_service *service = item;

	(void)storage;
	lua_newtable(L);
	for (size_t i = 0; service->aliases[i] != NULL; i++) {
		lua_pushstring(L, service->aliases[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static const char *const sources[] = {
	[PH_SERVICE_USER] = "user",
	[PH_SERVICE_ETC] = "etc",
	[PH_SERVICE_IANA] = "iana",
	NULL,
};

static void get_source(const void *storage, const void *item, struct cell *cell)
{
	(void)storage;
	cell_set_text(cell, sources[((const struct ph_service *)item)->source]);
}

static const struct column columns[] = {
	{ .name = "name",
	  .type = COLUMN_NAME,
	  .get = get_name,
	  .weight = 9,
	  .help = "the service's name" },
	{ .name = "port",
	  .type = COLUMN_PORT,
	  .get = get_port,
	  .weight = 10,
	  .help = "its port number" },
	{ .name = "proto",
	  .type = COLUMN_NAME,
	  .get = get_proto,
	  .weight = 8,
	  .help = "its transport protocol" },
	{ .name = "aliases",
	  .type = COLUMN_LIST,
	  .get = get_aliases,
	  .push = push_aliases,
	  .weight = 5,
	  .help = "other names of the same service" },
	{ .name = "description",
	  .type = COLUMN_NAME,
	  .get = get_description,
	  .weight = 6,
	  .help = "what the registry says that it is" },
	{ .name = "source",
	  .type = COLUMN_NAME,
	  .get = get_source,
	  .weight = 4,
	  .values = sources,
	  .help = "where the name is from: the user's own file, /etc/services, or the IANA "
	          "registry" },
};

static size_t count_services(const void *storage)
{
	const struct service_rows *rows = storage;

	return rows->only != NULL ? 1 : ph_services_count(rows->services);
}

static const void *service_at(const void *storage, size_t index)
{
	const struct service_rows *rows = storage;

	return rows->only != NULL ? rows->only : ph_services_at(rows->services, index);
}

static const struct row_type service_type = {
	.name = "service",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct service_rows),
	.count = count_services,
	.item = service_at,
};

static int l_registry_gc(lua_State *L)
{
	struct registry *registry = luaL_checkudata(L, 1, REGISTRY_METATABLE);

	if (registry->services != NULL)
		ph_services_free(registry->services);
	registry->services = NULL;
	return 0;
}

/* The user's own file: $XDG_CONFIG_HOME/porthole/services, unless the program named another. */
static int load(lua_State *L, struct registry *registry, struct ph_error *error)
{
	struct ph_context *context = check_context(L);
	const char *given = context->user_services;
	int r;

	if (given == NULL && push_config_path(L, "services"))
		context->user_services = lua_tostring(L, -1);
	r = ph_services_load(context, &registry->services, error);
	context->user_services = given;
	return r;
}

const struct ph_services *binding_services(lua_State *L, struct ph_error *error)
{
	int top = lua_gettop(L);
	struct registry *registry;

	lua_getfield(L, LUA_REGISTRYINDEX, REGISTRY_METATABLE ".loaded");
	registry = lua_touserdata(L, -1);
	if (registry == NULL) {
		registry = lua_newuserdatauv(L, sizeof(*registry), 0);
		registry->services = NULL;
		luaL_setmetatable(L, REGISTRY_METATABLE);
		if (load(L, registry, error) < 0)
			return NULL;
		lua_settop(L, top + 2);
		lua_setfield(L, LUA_REGISTRYINDEX, REGISTRY_METATABLE ".loaded");
	}
	lua_settop(L, top);
	return registry->services;
}

/* services.lookup(80 [, "tcp"]) | services.lookup("http" [, "tcp"]) -> row | nil   [-0, +1|+3, e]
 */
static int l_lookup(lua_State *L)
{
	const char *proto = luaL_optstring(L, 2, NULL);
	const struct ph_services *services;
	const struct ph_service *found;
	struct service_rows *rows;
	struct ph_error error;
	lua_Integer port = -1;

	if (lua_type(L, 1) == LUA_TNUMBER) {
		port = luaL_checkinteger(L, 1);
		luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 1,
		              "a port is a number from 0 to 65535");
	} else {
		luaL_argcheck(L, lua_type(L, 1) == LUA_TSTRING, 1,
		              "a port or a service's name expected");
	}
	services = binding_services(L, &error);
	if (services == NULL)
		return push_failure(L, &error);
	found = port >= 0 ? ph_services_by_port(services, (uint16_t)port, proto)
	                  : ph_services_by_name(services, lua_tostring(L, 1), proto);
	if (found == NULL) {
		lua_pushnil(L);
		return 1;
	}
	rows = rows_push_storage(L, &service_type);
	rows->services = services;
	rows->only = found;
	rows_push_view(L);
	row_push(L, -1, check_rows(L, -1), 0);
	return 1;
}

/* services.list() -> rows   [-0, +1|+3, e] */
static int l_list(lua_State *L)
{
	const struct ph_services *services;
	struct service_rows *rows;
	struct ph_error error;

	services = binding_services(L, &error);
	if (services == NULL)
		return push_failure(L, &error);
	rows = rows_push_storage(L, &service_type);
	rows->services = services;
	rows_push_view(L);
	return 1;
}

void open_services(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "lookup", l_lookup },
		{ "list", l_list },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, REGISTRY_METATABLE);
	lua_pushcfunction(L, l_registry_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	lua_setfield(L, -2, "services");
}
