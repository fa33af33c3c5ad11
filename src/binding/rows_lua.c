/*
 * Rows of Lua tables: types that Lua defines, as endpoints are. The same methods and the same
 * behaviour as rows of C structs. The tables stay the caller's, who may change them: a cell says
 * what is there when it is looked at, whatever its type has become.
 */
#include <string.h>

#include "binding/rows_internal.h"

#define TYPE_METATABLE "porthole.rowtype"
#define COLUMNS_MOST   UINT16_MAX

/* The items live in the storage's user value. */
struct lua_items {
	size_t count;
};

static size_t items_count(const void *storage)
{
	return ((const struct lua_items *)storage)->count;
}

/* A text field of the table on top of the stack, anchored in the table at `anchors`. */
static const char *text_field(lua_State *L, int anchors, const char *field, const char *missing)
{
	const char *text = missing;

	if (lua_getfield(L, -1, field) == LUA_TSTRING) {
		text = lua_tostring(L, -1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
	} else if (!lua_isnil(L, -1)) {
		luaL_argerror(L, 1,
		              lua_pushfstring(L, "a column's '%s' is text, not %s", field,
		                              luaL_typename(L, -1)));
	}
	lua_pop(L, 1);
	return text;
}

/* Fills the column from the table on top of the stack. */
static void read_column(lua_State *L, int anchors, struct column *column)
{
	const char *type;
	int found;

	luaL_argcheck(L, lua_istable(L, -1), 1, "a column is a table");
	column->name = text_field(L, anchors, "name", NULL);
	luaL_argcheck(L, column->name != NULL, 1, "a column has no name");
	type = text_field(L, anchors, "type", "name");
	found = column_type_find(type);
	if (found < 0)
		luaL_argerror(L, 1,
		              lua_pushfstring(L, "column '%s' has an unknown type '%s'",
		                              column->name, type));
	column->type = (enum column_type)found;
	column->unit = text_field(L, anchors, "unit", NULL);
	column->help = text_field(L, anchors, "help", "");
	column->alias = text_field(L, anchors, "alias", NULL);
	lua_getfield(L, -1, "weight");
	column->weight = (int)lua_tointeger(L, -1);
	lua_pop(L, 1);
}

/* Adds the name of column `i` to the map on top of the stack and. */
static void add_name(lua_State *L, const char *name, lua_Integer i)
{
	if (lua_getfield(L, -1, name) != LUA_TNIL)
		luaL_argerror(L, 1, lua_pushfstring(L, "two columns are called '%s'", name));
	lua_pop(L, 1);
	lua_pushinteger(L, i);
	lua_setfield(L, -2, name);
}

/* Sets both user values of the type at `index`. */
static void set_names(lua_State *L, int index, const struct row_type *type)
{
	lua_createtable(L, (int)type->column_count, 0);
	lua_createtable(L, 0, (int)type->column_count);
	for (size_t i = 0; i < type->column_count; i++) {
		const struct column *column = &type->columns[i];

		lua_pushstring(L, column->name);
		lua_rawseti(L, -3, (lua_Integer)i + 1);
		add_name(L, column->name, (lua_Integer)i);
		if (column->alias != NULL)
			add_name(L, column->alias, (lua_Integer)i);
	}
	lua_setiuservalue(L, index, 2);
	lua_setiuservalue(L, index, 1);
}

/* Compiles the table at 1 and pushes the type. User value 3 anchors its texts. */
static void compile_type(lua_State *L)
{
	struct lua_type *type;
	size_t count;
	int self, anchors;

	luaL_argcheck(L, lua_getfield(L, 1, "columns") == LUA_TTABLE, 1, "no table of columns");
	count = lua_rawlen(L, -1);
	luaL_argcheck(L, count > 0 && count <= COLUMNS_MOST, 1, "no columns");
	type = lua_newuserdatauv(L, sizeof(*type) + count * sizeof(struct column), 3);
	memset(type, 0, sizeof(*type) + count * sizeof(struct column));
	self = lua_gettop(L);
	lua_newtable(L);
	anchors = lua_gettop(L);
	lua_pushvalue(L, anchors);
	lua_setiuservalue(L, self, 3);
	lua_pushvalue(L, 1);
	type->type.name = text_field(L, anchors, "name", "row");
	lua_pop(L, 1);
	type->type.columns = type->columns;
	type->type.column_count = count;
	type->type.storage_size = sizeof(struct lua_items);
	type->type.count = items_count;
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, self - 1, (lua_Integer)i + 1);
		read_column(L, anchors, &type->columns[i]);
		lua_pop(L, 1);
	}
	set_names(L, self, &type->type);
	lua_settop(L, self);
	lua_remove(L, self - 1);
}

/* Pushes the compiled form of the type at 1, made once as long as that table lives. */
static void push_type(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, TYPE_METATABLE);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, -2) == LUA_TUSERDATA) {
		lua_remove(L, -2);
		return;
	}
	lua_pop(L, 1);
	compile_type(L);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, -2);
	lua_rawset(L, -4);
	lua_remove(L, -2);
}

/* Pushes a table of the tables in the list at 2: later changes of the list change no rows. */
static size_t push_items(lua_State *L)
{
	size_t count = lua_rawlen(L, 2);

	luaL_argcheck(L, count < UINT32_MAX && count < INT32_MAX, 2, "too many rows");
	lua_createtable(L, (int)count, 0);
	for (size_t i = 1; i <= count; i++) {
		if (lua_rawgeti(L, 2, (lua_Integer)i) != LUA_TTABLE)
			luaL_argerror(L, 2,
			              lua_pushfstring(L, "row %d is no table but %s", (int)i,
			                              luaL_typename(L, -1)));
		lua_rawseti(L, -2, (lua_Integer)i);
	}
	return count;
}

/* Pushes a table of the reasons at 3. */
static void push_reasons(lua_State *L)
{
	size_t count = lua_isnil(L, 3) ? 0 : lua_rawlen(L, 3);

	lua_createtable(L, (int)count, 0);
	for (size_t i = 1; i <= count; i++) {
		if (lua_rawgeti(L, 3, (lua_Integer)i) != LUA_TSTRING)
			luaL_argerror(L, 3, "reasons are sentences");
		lua_rawseti(L, -2, (lua_Integer)i);
	}
}

/* core.rows(type, list, partial) -> rows   [-0, +1, e] */
int rows_new(lua_State *L)
{
	struct storage *storage;
	size_t count;
	int top;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 3);
	luaL_argcheck(L, lua_isnil(L, 3) || lua_istable(L, 3), 3, "a list of reasons, or nil");
	push_type(L);
	count = push_items(L);
	push_reasons(L);
	top = lua_gettop(L);
	storage = lua_newuserdatauv(L, sizeof(*storage) + sizeof(struct lua_items), 3);
	memset(storage, 0, sizeof(*storage) + sizeof(struct lua_items));
	storage->type = &((struct lua_type *)lua_touserdata(L, top - 2))->type;
	storage->lua = true;
	((struct lua_items *)(void *)storage->data)->count = count;
	luaL_setmetatable(L, STORAGE_METATABLE);
	lua_pushvalue(L, top - 1);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, top - 2);
	lua_setiuservalue(L, -2, 2);
	lua_pushvalue(L, top);
	lua_setiuservalue(L, -2, 3);
	rows_push_view(L);
	return 1;
}

/* The compiled types: an ephemeron table, so that a type goes with its last user. */
void rows_open_lua(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_setfield(L, LUA_REGISTRYINDEX, TYPE_METATABLE);
}
