/*
 * Storages, cells and views: how items become Lua values, and not before somebody looks. Whatever
 * is allocated here is a userdata, so that nothing leaks when something raises.
 */
#include "binding/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "binding/rows_internal.h"

static const char *const type_names[COLUMN_TYPE_COUNT + 1] = {
	[COLUMN_BOOLEAN] = "boolean", [COLUMN_INTEGER] = "integer", [COLUMN_NUMBER] = "number",
	[COLUMN_NAME] = "name",       [COLUMN_ADDRESS] = "address", [COLUMN_PORT] = "port",
	[COLUMN_TIME] = "time",       [COLUMN_LIST] = "list",       [COLUMN_TABLE] = "table",
};

const char *column_type_name(enum column_type type)
{
	return type_names[type];
}

int column_type_find(const char *name)
{
	for (int i = 0; i < COLUMN_TYPE_COUNT; i++)
		if (strcmp(type_names[i], name) == 0)
			return i;
	return -1;
}

void raise_memory(lua_State *L)
{
	/* Lua keeps this very string ready, so that pushing it needs no memory. */
	lua_pushliteral(L, "not enough memory");
	lua_error(L);
	__builtin_unreachable();
}

const char *cell_text(struct cell *cell, size_t *length)
{
	if (cell->type == CELL_STRING) {
		*length = cell->as.string.length;
		return cell->as.string.bytes;
	}
	if (cell->type != CELL_ADDRESS || inet_ntop(cell->as.address.family, cell->as.address.bytes,
	                                            cell->room, sizeof(cell->room)) == NULL)
		return NULL;
	*length = strlen(cell->room);
	return cell->room;
}

void cell_set_text(struct cell *cell, const char *text)
{
	cell->type = text != NULL ? CELL_STRING : CELL_NIL;
	cell->as.string.bytes = text;
	cell->as.string.length = text != NULL ? strlen(text) : 0;
}

void cell_push(lua_State *L, struct cell *cell)
{
	const char *text;
	size_t length = 0;

	switch (cell->type) {
	case CELL_BOOLEAN:
		lua_pushboolean(L, cell->as.boolean);
		break;
	case CELL_INTEGER:
		lua_pushinteger(L, cell->as.integer);
		break;
	case CELL_NUMBER:
		lua_pushnumber(L, cell->as.number);
		break;
	case CELL_STRING:
	case CELL_ADDRESS:
		text = cell_text(cell, &length);
		if (text != NULL)
			lua_pushlstring(L, text, length);
		else
			lua_pushnil(L);
		break;
	case CELL_NIL:
	case CELL_OTHER:
		lua_pushnil(L);
		break;
	}
}

bool parse_address(const char *text, size_t length, struct cell *cell)
{
	char buffer[INET6_ADDRSTRLEN];

	if (length >= sizeof(buffer) || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	cell->type = CELL_ADDRESS;
	memset(cell->as.address.bytes, 0, sizeof(cell->as.address.bytes));
	cell->as.address.family = strchr(buffer, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(cell->as.address.family, buffer, cell->as.address.bytes) == 1;
}

/* The parts of a comparison of numbers; an integer and a float compare by their exact values. */
static int compare_numbers(const struct cell *a, const struct cell *b)
{
	double x, y;

	if (a->type == CELL_INTEGER && b->type == CELL_INTEGER)
		return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
	x = a->type == CELL_INTEGER ? (double)a->as.integer : a->as.number;
	y = b->type == CELL_INTEGER ? (double)b->as.integer : b->as.number;
	/* What is not a number stands behind all numbers, so that there is an order. */
	if (x != x || y != y)
		return (x != x) - (y != y);
	return (x > y) - (x < y);
}

static int compare_texts(const struct cell *a, const struct cell *b)
{
	size_t shorter = a->as.string.length < b->as.string.length ? a->as.string.length
	                                                           : b->as.string.length;
	int order = shorter > 0 ? memcmp(a->as.string.bytes, b->as.string.bytes, shorter) : 0;

	if (order != 0)
		return order;
	return (a->as.string.length > b->as.string.length) -
	       (a->as.string.length < b->as.string.length);
}

/* 0 sorts first. */
static int rank(const struct cell *cell)
{
	switch (cell->type) {
	case CELL_BOOLEAN:
		return 0;
	case CELL_INTEGER:
	case CELL_NUMBER:
		return 1;
	case CELL_ADDRESS:
		return cell->as.address.family == AF_INET ? 2 : 3;
	case CELL_STRING:
		return 4;
	case CELL_OTHER:
		return 5;
	case CELL_NIL:
		break;
	}
	return 6;
}

int cell_compare(const struct cell *a, const struct cell *b)
{
	int order = rank(a) - rank(b);

	if (order != 0)
		return order;
	switch (a->type) {
	case CELL_BOOLEAN:
		return a->as.boolean - b->as.boolean;
	case CELL_INTEGER:
	case CELL_NUMBER:
		return compare_numbers(a, b);
	case CELL_STRING:
		return compare_texts(a, b);
	case CELL_ADDRESS:
		return memcmp(a->as.address.bytes, b->as.address.bytes,
		              a->as.address.family == AF_INET ? 4 : 16);
	case CELL_NIL:
	case CELL_OTHER:
		break;
	}
	return 0;
}

void source_open(lua_State *L, int storage_index, struct source *source)
{
	storage_index = lua_absindex(L, storage_index);
	luaL_checkstack(L, 8, "rows");
	source->L = L;
	source->storage = lua_touserdata(L, storage_index);
	source->items = source->keys = 0;
	if (!source->storage->lua) {
		lua_pushnil(L);
		lua_pushnil(L);
		return;
	}
	lua_getiuservalue(L, storage_index, 1);
	lua_getiuservalue(L, storage_index, 2);
	lua_getiuservalue(L, -1, 1);
	lua_remove(L, -2);
	source->items = lua_gettop(L) - 1;
	source->keys = lua_gettop(L);
}

/* Pushes a field of a Lua item, without metamethods: nothing of the user's runs in the middle of a
 * sort. */
static void push_lua_field(const struct source *source, uint32_t item, size_t column)
{
	lua_rawgeti(source->L, source->items, (lua_Integer)item + 1);
	lua_rawgeti(source->L, source->keys, (lua_Integer)column + 1);
	lua_rawget(source->L, -2);
	lua_remove(source->L, -2);
}

/* The fields may have been changed since to anything at all: the cell says what is there now. */
static void lua_cell(const struct source *source, uint32_t item, size_t column, struct cell *cell)
{
	enum column_type type = source->storage->type->columns[column].type;
	lua_State *L = source->L;

	push_lua_field(source, item, column);
	switch (lua_type(L, -1)) {
	case LUA_TNIL:
		cell->type = CELL_NIL;
		break;
	case LUA_TBOOLEAN:
		cell->type = CELL_BOOLEAN;
		cell->as.boolean = lua_toboolean(L, -1);
		break;
	case LUA_TNUMBER:
		cell->type = lua_isinteger(L, -1) ? CELL_INTEGER : CELL_NUMBER;
		if (cell->type == CELL_INTEGER)
			cell->as.integer = lua_tointeger(L, -1);
		else
			cell->as.number = lua_tonumber(L, -1);
		break;
	case LUA_TSTRING:
		cell->type = CELL_STRING;
		cell->as.string.bytes = lua_tolstring(L, -1, &cell->as.string.length);
		if (type == COLUMN_ADDRESS) {
			struct cell text = *cell;

			if (!parse_address(text.as.string.bytes, text.as.string.length, cell))
				*cell = text;
		}
		break;
	default:
		cell->type = CELL_OTHER;
	}
	lua_pop(L, 1);
}

void source_cell(const struct source *source, uint32_t item, size_t column, struct cell *cell)
{
	const struct storage *storage = source->storage;

	if (storage->lua)
		lua_cell(source, item, column, cell);
	else
		storage->type->columns[column].get(storage->data,
		                                   storage->type->item(storage->data, item), cell);
}

bool source_also(const struct source *source, uint32_t item, size_t column, size_t nth,
                 struct cell *cell)
{
	const struct storage *storage = source->storage;
	const struct column *c = &storage->type->columns[column];

	return c->also != NULL &&
	       c->also(storage->data, storage->type->item(storage->data, item), nth, cell);
}

void source_push(const struct source *source, uint32_t item, size_t column)
{
	const struct storage *storage = source->storage;
	const struct column *c = &storage->type->columns[column];
	struct cell cell;

	if (storage->lua) {
		push_lua_field(source, item, column);
		return;
	}
	source_cell(source, item, column, &cell);
	if (cell.type == CELL_OTHER && c->push != NULL)
		c->push(source->L, storage->data, storage->type->item(storage->data, item));
	else
		cell_push(source->L, &cell);
}

void storage_load(lua_State *L, struct storage *storage, unsigned parts)
{
	int r;

	parts &= ~storage->loaded;
	if (parts == 0 || storage->type->load == NULL)
		return;
	r = storage->type->load(storage->data, parts);
	if (r == -ENOMEM)
		raise_memory(L);
	if (r < 0)
		luaL_error(L, "interrupted!");
	storage->loaded |= parts;
}

void *rows_push_storage(lua_State *L, const struct row_type *type)
{
	struct storage *storage = lua_newuserdatauv(L, sizeof(*storage) + type->storage_size, 0);

	memset(storage, 0, sizeof(*storage) + type->storage_size);
	storage->type = type;
	luaL_setmetatable(L, STORAGE_METATABLE);
	return storage->data;
}

static int l_storage_gc(lua_State *L)
{
	struct storage *storage = luaL_checkudata(L, 1, STORAGE_METATABLE);

	if (storage->type != NULL && storage->type->release != NULL)
		storage->type->release(storage->data);
	storage->type = NULL;
	return 0;
}

void push_type_map(lua_State *L, int storage_index)
{
	struct storage *storage = lua_touserdata(L, storage_index);
	const struct row_type *type = storage->type;

	if (storage->lua) {
		lua_getiuservalue(L, storage_index, 2);
		lua_getiuservalue(L, -1, 2);
		lua_remove(L, -2);
		return;
	}
	/* A C type lives for ever, and so may its names. */
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, type) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, 0, (int)type->column_count);
	for (size_t i = 0; i < type->column_count; i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_setfield(L, -2, type->columns[i].name);
		if (type->columns[i].alias == NULL)
			continue;
		lua_pushinteger(L, (lua_Integer)i);
		lua_setfield(L, -2, type->columns[i].alias);
	}
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}

struct view *view_push(lua_State *L, int storage_index, int map_index, size_t count,
                       const uint16_t *columns, size_t column_count)
{
	struct storage *storage = lua_touserdata(L, storage_index);
	struct view *view;
	uint16_t *own;

	if (columns == NULL)
		column_count = storage->type->column_count;
	view = lua_newuserdatauv(
		L, sizeof(*view) + count * sizeof(uint32_t) + column_count * sizeof(uint16_t), 2);
	own = (uint16_t *)(view->order + count);
	for (size_t i = 0; i < column_count; i++)
		own[i] = columns != NULL ? columns[i] : (uint16_t)i;
	view->storage = storage;
	view->count = count;
	view->columns = own;
	view->column_count = column_count;
	lua_pushvalue(L, storage_index);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, map_index);
	lua_setiuservalue(L, -2, 2);
	luaL_setmetatable(L, ROWS_METATABLE);
	return view;
}

void rows_push_view(lua_State *L)
{
	int top = lua_gettop(L);
	struct storage *storage = lua_touserdata(L, top);
	size_t count = storage->type->count(storage->data);
	struct view *view;

	if (count > UINT32_MAX)
		luaL_error(L, "more than %d rows", INT32_MAX);
	push_type_map(L, top);
	view = view_push(L, top, top + 1, count, NULL, 0);
	for (size_t i = 0; i < count; i++)
		view->order[i] = (uint32_t)i;
	lua_replace(L, top);
	lua_settop(L, top);
}

void rows_account(lua_State *L, size_t bytes)
{
	if (bytes >= 1024)
		lua_gc(L, LUA_GCSTEP,
		       bytes / 1024 > INT32_MAX / 2 ? INT32_MAX / 2 : (int)(bytes / 1024));
}

void row_push(lua_State *L, int view_index, const struct view *view, size_t position)
{
	struct row *row;

	view_index = lua_absindex(L, view_index);
	row = lua_newuserdatauv(L, sizeof(*row), 1);
	row->view = (struct view *)view;
	row->item = view->order[position];
	lua_pushvalue(L, view_index);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, ROW_METATABLE);
}

struct view *check_rows(lua_State *L, int index)
{
	return luaL_checkudata(L, index, ROWS_METATABLE);
}

struct row *check_row(lua_State *L, int index)
{
	return luaL_checkudata(L, index, ROW_METATABLE);
}

struct view *test_rows(lua_State *L, int index)
{
	return luaL_testudata(L, index, ROWS_METATABLE);
}

struct row *test_row(lua_State *L, int index)
{
	return luaL_testudata(L, index, ROW_METATABLE);
}

int unknown_column(lua_State *L, const struct view *view, const char *name)
{
	const struct row_type *type = view->storage->type;
	const char **names, *nearest;
	size_t count = 0;

	names = lua_newuserdatauv(L, (view->column_count * 2 + 1) * sizeof(*names), 0);
	for (size_t i = 0; i < view->column_count; i++) {
		const struct column *column = &type->columns[view->columns[i]];

		names[count++] = column->name;
		if (column->alias != NULL)
			names[count++] = column->alias;
	}
	names[count] = NULL;
	nearest = nearest_name(name, names);
	if (nearest != NULL)
		return luaL_error(L, "no column '%s' in a %s; did you mean '%s'?", name, type->name,
		                  nearest);
	return luaL_error(L, "no column '%s' in a %s", name, type->name);
}

void rows_open(lua_State *L)
{
	luaL_newmetatable(L, STORAGE_METATABLE);
	lua_pushcfunction(L, l_storage_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	rows_open_row(L);
	rows_open_view(L);
	rows_open_lua(L);
}
