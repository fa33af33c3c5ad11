/*
 * Rows as Lua sees them: a sequence of rows, `partial`, `columns`, and methods. The methods that
 * need no Lua values per row are C (rows_methods.c); the others are functions of the Lua module
 * porthole.rows, which is loaded at the first use of one.
 */
#include <string.h>

#include "binding/rows_internal.h"

#define MODULE "porthole.rows"

static const luaL_Reg methods[] = {
	{ "select", rows_select },
	{ "sort", rows_sort },
	{ "where", rows_where },
	{ NULL, NULL },
};

static const char *const fields[] = { "columns", "partial", NULL };

/* Pushes what porthole.rows returns. */
static void push_module(lua_State *L)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	if (lua_getfield(L, -1, MODULE) == LUA_TTABLE) {
		lua_remove(L, -2);
		return;
	}
	lua_pop(L, 2);
	lua_getglobal(L, "require");
	lua_pushliteral(L, MODULE);
	lua_call(L, 1, 1);
	luaL_checktype(L, -1, LUA_TTABLE);
}

static bool is_method(const char *name)
{
	for (size_t i = 0; methods[i].name != NULL; i++)
		if (strcmp(methods[i].name, name) == 0)
			return true;
	return false;
}

/* Pushes a list of all names that a value of rows has after the dot or the colon. */
static void push_rows_names(lua_State *L, bool with_fields)
{
	lua_Integer count = 0;
	int list;

	lua_newtable(L);
	list = lua_gettop(L);
	for (size_t i = 0; with_fields && fields[i] != NULL; i++) {
		lua_pushstring(L, fields[i]);
		lua_rawseti(L, list, ++count);
	}
	for (size_t i = 0; methods[i].name != NULL; i++) {
		lua_pushstring(L, methods[i].name);
		lua_rawseti(L, list, ++count);
	}
	push_module(L);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		bool method = lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1);

		lua_pop(L, 1);
		if (!method || is_method(lua_tostring(L, -1)))
			continue;
		lua_pushvalue(L, -1);
		lua_rawseti(L, list, ++count);
	}
	lua_settop(L, list);
}

static int unknown_method(lua_State *L, const struct view *view, const char *name)
{
	const char **names, *nearest;
	size_t count;

	push_rows_names(L, true);
	count = lua_rawlen(L, -1);
	names = lua_newuserdatauv(L, (count + 1) * sizeof(*names), 0);
	for (size_t i = 0; i < count; i++) {
		/* Anchored by the list. */
		lua_rawgeti(L, -2, (lua_Integer)i + 1);
		names[i] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	names[count] = NULL;
	nearest = nearest_name(name, names);
	if (nearest != NULL)
		return luaL_error(L, "no method '%s' of %s rows; did you mean '%s'?", name,
		                  view->storage->type->name, nearest);
	return luaL_error(L, "no method '%s' of %s rows (a column is a field of a row: rows[1].%s)",
	                  name, view->storage->type->name, name);
}

/* Pushes the list of reasons why the rows are incomplete. */
static void push_partial(lua_State *L, struct view *view)
{
	struct storage *storage = view->storage;
	const struct row_type *type = storage->type;
	const char *reason;

	storage_load(L, storage, type->reason_parts);
	if (storage->lua) {
		lua_getiuservalue(L, 1, 1);
		lua_getiuservalue(L, -1, 3);
		lua_remove(L, -2);
		return;
	}
	lua_newtable(L);
	for (size_t n = 0; type->reason != NULL && (reason = type->reason(storage->data, n)); n++) {
		lua_pushstring(L, reason);
		lua_rawseti(L, -2, (lua_Integer)n + 1);
	}
}

static void set_text(lua_State *L, const char *key, const char *value)
{
	if (value == NULL)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

/* Pushes {name, type, unit, help, alias, weight, values} of one column. */
static void push_column(lua_State *L, const struct column *column)
{
	lua_createtable(L, 0, 6);
	set_text(L, "name", column->name);
	set_text(L, "type", column_type_name(column->type));
	set_text(L, "unit", column->unit);
	set_text(L, "help", column->help);
	set_text(L, "alias", column->alias);
	lua_pushinteger(L, column->weight);
	lua_setfield(L, -2, "weight");
	if (column->values == NULL)
		return;
	lua_newtable(L);
	for (size_t i = 0; column->values[i] != NULL; i++) {
		lua_pushstring(L, column->values[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "values");
}

static void push_columns(lua_State *L, const struct view *view)
{
	lua_createtable(L, (int)view->column_count, 0);
	for (size_t i = 0; i < view->column_count; i++) {
		push_column(L, &view->storage->type->columns[view->columns[i]]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static void push_named(lua_State *L, struct view *view)
{
	const char *name = lua_tostring(L, 2);

	if (strcmp(name, "partial") == 0) {
		push_partial(L, view);
		return;
	}
	if (strcmp(name, "columns") == 0) {
		push_columns(L, view);
		return;
	}
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return;
	push_module(L);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) == LUA_TNIL)
		unknown_method(L, view, name);
}

/* rows[i] -> row | nil; rows.name; __index, upvalue 1: the C methods   [-0, +1, e] */
static int l_rows_index(lua_State *L)
{
	struct view *view = check_rows(L, 1);
	lua_Integer position;
	int exact;

	luaL_checkany(L, 2);
	if (lua_type(L, 2) == LUA_TSTRING) {
		push_named(L, view);
		return 1;
	}
	position = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &exact) : 0;
	if (position < 1 || (lua_Unsigned)position > view->count)
		lua_pushnil(L);
	else
		row_push(L, 1, view, (size_t)position - 1);
	return 1;
}

/* rows[i] = row: what table.sort() does; the number of rows stays   [-0, +0, e] */
static int l_rows_newindex(lua_State *L)
{
	struct view *view = check_rows(L, 1);
	struct row *row = test_row(L, 3);
	lua_Integer position = lua_type(L, 2) == LUA_TNUMBER ? lua_tointeger(L, 2) : 0;

	if (position < 1 || (lua_Unsigned)position > view->count)
		return luaL_error(L,
		                  "rows neither grow nor get fields: only rows[1] to rows[%d] "
		                  "can be set",
		                  (int)view->count);
	if (row == NULL || row->view->storage != view->storage)
		return luaL_error(L, "only a row of the same rows can be put into them");
	view->order[position - 1] = row->item;
	return 0;
}

static int l_rows_len(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_rows(L, 1)->count);
	return 1;
}

/* next(rows, i) -> i + 1, row */
static int l_rows_next(lua_State *L)
{
	struct view *view = check_rows(L, 1);
	lua_Integer position = luaL_optinteger(L, 2, 0);

	if (position < 0 || (lua_Unsigned)position >= view->count) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, position + 1);
	row_push(L, 1, view, (size_t)position);
	return 2;
}

static int l_rows_pairs(lua_State *L)
{
	check_rows(L, 1);
	lua_pushcfunction(L, l_rows_next);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int l_rows_tostring(lua_State *L)
{
	struct view *view = check_rows(L, 1);

	lua_pushfstring(L, "%s rows: %I", view->storage->type->name, (lua_Integer)view->count);
	return 1;
}

/*
 * core.names(value) -> list | nil: what may stand after the dot of a row or of rows, for
 * completion. Reads no facts. `methods_only` true: what may stand after the colon.
 */
int rows_names(lua_State *L)
{
	bool methods_only = lua_toboolean(L, 2);
	struct row *row;

	luaL_checkany(L, 1);
	row = test_row(L, 1);
	if (row == NULL && test_rows(L, 1) == NULL) {
		lua_pushnil(L);
		return 1;
	}
	if (row == NULL) {
		push_rows_names(L, !methods_only);
		return 1;
	}
	lua_newtable(L);
	for (size_t i = 0; !methods_only && i < row->view->column_count; i++) {
		lua_pushstring(L, row->view->storage->type->columns[row->view->columns[i]].name);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

void rows_open_view(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "__newindex", l_rows_newindex },
		{ "__len", l_rows_len },
		{ "__pairs", l_rows_pairs },
		{ "__tostring", l_rows_tostring },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, ROWS_METATABLE);
	luaL_setfuncs(L, functions, 0);
	luaL_newlibtable(L, methods);
	luaL_setfuncs(L, methods, 0);
	lua_pushcclosure(L, l_rows_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
