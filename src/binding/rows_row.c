/* A row: what one item looks like from Lua. Its columns are its fields; it has nothing else. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "binding/rows_internal.h"
#include "porthole/text.h"

/* Pushes the view and the storage of the row at 1, which brings the source's two values. */
static void open_row(lua_State *L, struct source *source)
{
	lua_getiuservalue(L, 1, 1);
	lua_getiuservalue(L, -1, 1);
	source_open(L, -1, source);
}

static void push_field(lua_State *L, const struct row *row, size_t column)
{
	struct storage *storage = row->view->storage;
	struct source source = { .L = L, .storage = storage };

	storage_load(L, storage, storage->type->columns[column].part);
	if (storage->lua)
		open_row(L, &source);
	source_push(&source, row->item, column);
}

/* row.name; __index   [-0, +1, e] */
static int l_row_index(lua_State *L)
{
	struct row *row = check_row(L, 1);

	luaL_checkany(L, 2);
	lua_getiuservalue(L, 1, 1);
	lua_getiuservalue(L, -1, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNUMBER) {
		if (lua_type(L, 2) == LUA_TSTRING)
			return unknown_column(L, row->view, lua_tostring(L, 2));
		return luaL_error(L, "a %s has columns by name, not by %s",
		                  row->view->storage->type->name, luaL_typename(L, 2));
	}
	push_field(L, row, (size_t)lua_tointeger(L, -1));
	return 1;
}

static int l_row_newindex(lua_State *L)
{
	struct row *row = check_row(L, 1);

	return luaL_error(L, "a %s is a fact that was read: its columns cannot be set",
	                  row->view->storage->type->name);
}

/* Where in the view the column named at 2 stands; 0: before the first. */
static size_t position_after(lua_State *L, const struct view *view)
{
	size_t column;

	if (lua_isnoneornil(L, 2))
		return 0;
	lua_getiuservalue(L, 1, 1);
	lua_getiuservalue(L, -1, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNUMBER)
		luaL_argerror(L, 2, "no column of this row");
	column = (size_t)lua_tointeger(L, -1);
	for (size_t i = 0; i < view->column_count; i++)
		if (view->columns[i] == column)
			return i + 1;
	return view->column_count;
}

/* next(row, name) -> name, value: those that are not nil, in the columns' order   [-0, +1|+2, e] */
static int l_row_next(lua_State *L)
{
	struct row *row = check_row(L, 1);
	const struct row_type *type = row->view->storage->type;

	for (size_t i = position_after(L, row->view); i < row->view->column_count; i++) {
		size_t column = row->view->columns[i];

		lua_settop(L, 2);
		push_field(L, row, column);
		if (lua_isnil(L, -1))
			continue;
		lua_pushstring(L, type->columns[column].name);
		lua_insert(L, -2);
		return 2;
	}
	lua_pushnil(L);
	return 1;
}

static int l_row_pairs(lua_State *L)
{
	check_row(L, 1);
	lua_pushcfunction(L, l_row_next);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int l_row_eq(lua_State *L)
{
	struct row *a = test_row(L, 1), *b = test_row(L, 2);

	lua_pushboolean(L, a != NULL && b != NULL && a->view->storage == b->view->storage &&
	                           a->item == b->item);
	return 1;
}

/* The scalar as text of at most `size` bytes in `room`: a copy, since Lua may run from now on. */
static size_t write_scalar(struct cell *cell, char *room, size_t size)
{
	const char *text = NULL;
	size_t length = 0;

	switch (cell->type) {
	case CELL_STRING:
	case CELL_ADDRESS:
		text = cell_text(cell, &length);
		break;
	case CELL_INTEGER:
		return (size_t)snprintf(room, size, "%" PRId64, cell->as.integer);
	case CELL_NUMBER:
		return (size_t)snprintf(room, size, "%.14g", cell->as.number);
	case CELL_BOOLEAN:
		return (size_t)snprintf(room, size, "%s", cell->as.boolean ? "true" : "false");
	case CELL_NIL:
	case CELL_OTHER:
		break;
	}
	if (text == NULL)
		return 0;
	length = length < size ? length : size;
	memcpy(room, text, length);
	return length;
}

/* "socket proto=tcp state=listen laddr=0.0.0.0 lport=22": what is loaded of a default table. */
static int l_row_tostring(lua_State *L)
{
	struct row *row = check_row(L, 1);
	struct storage *storage = row->view->storage;
	struct source source;
	luaL_Buffer buffer;

	open_row(L, &source);
	luaL_buffinit(L, &buffer);
	luaL_addstring(&buffer, storage->type->name);
	for (size_t i = 0; i < row->view->column_count; i++) {
		size_t index = row->view->columns[i];
		const struct column *column = &storage->type->columns[index];
		char text[128], *room;
		struct cell cell;
		size_t length;

		if (column->weight == 0 || (column->part & ~storage->loaded) != 0)
			continue;
		source_cell(&source, row->item, index, &cell);
		length = write_scalar(&cell, text, sizeof(text));
		if (length == 0)
			continue;
		luaL_addchar(&buffer, ' ');
		luaL_addstring(&buffer, column->name);
		luaL_addchar(&buffer, '=');
		/* One byte becomes 8 at most. */
		room = luaL_prepbuffsize(&buffer, length * 8);
		luaL_addsize(&buffer, ph_text_escape(text, length, room));
	}
	luaL_pushresult(&buffer);
	return 1;
}

void rows_open_row(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "__index", l_row_index },       { "__newindex", l_row_newindex },
		{ "__pairs", l_row_pairs },       { "__eq", l_row_eq },
		{ "__tostring", l_row_tostring }, { NULL, NULL },
	};

	luaL_newmetatable(L, ROW_METATABLE);
	luaL_setfuncs(L, functions, 0);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
