/*
 * json.decode(), on jansson, and what both directions share: `null`, and the marks that tell an
 * array from an object. The writer is json_encode.c. RFC 8259.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "binding/binding.h"
#include "binding/json.h"
#include "porthole/text.h"

#define TREE_METATABLE "porthole.json.tree"

/* Their addresses are the registry's keys. */
const char json_null_key = 0, json_array_key = 0, json_object_key = 0;

/* Owns a parsed text while Lua values are made of it, which may raise. */
struct tree {
	json_t *root;
};

static int l_tree_gc(lua_State *L)
{
	struct tree *tree = luaL_checkudata(L, 1, TREE_METATABLE);

	json_decref(tree->root);
	tree->root = NULL;
	return 0;
}

static void mark(lua_State *L, const char *key)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, key);
	lua_setmetatable(L, -2);
}

/* Pushes the value; false: nested too deep, nothing useful pushed. */
static bool push_value(lua_State *L, json_t *value, unsigned depth)
{
	const char *key;
	json_t *member;
	size_t index;

	if (depth > JSON_DEPTH_MOST)
		return false;
	luaL_checkstack(L, 8, "json");
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		lua_createtable(L, 0, (int)json_object_size(value));
		json_object_foreach(value, key, member)
		{
			lua_pushstring(L, key);
			if (!push_value(L, member, depth + 1))
				return false;
			lua_rawset(L, -3);
		}
		mark(L, &json_object_key);
		break;
	case JSON_ARRAY:
		lua_createtable(L, (int)json_array_size(value), 0);
		json_array_foreach(value, index, member)
		{
			if (!push_value(L, member, depth + 1))
				return false;
			lua_rawseti(L, -2, (lua_Integer)index + 1);
		}
		mark(L, &json_array_key);
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(value));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(value));
		break;
	case JSON_NULL:
		lua_rawgetp(L, LUA_REGISTRYINDEX, &json_null_key);
		break;
	}
	return true;
}

/* What jansson says may quote the text, which is anybody's. */
static int push_syntax_error(lua_State *L, const json_error_t *problem)
{
	char safe[JSON_ERROR_TEXT_LENGTH * 8];
	struct ph_error error;
	size_t length = ph_text_escape(problem->text, strlen(problem->text), safe);

	ph_fail(&error, -EBADMSG, "line %d, column %d: %.*s", problem->line, problem->column,
	        length > 200 ? 200 : (int)length, safe);
	return push_failure(L, &error);
}

/*
 * json.decode(text) -> value | nil, message, "EBADMSG": objects and arrays become tables that are
 * marked as what they were, null becomes json.null, integers stay exact (one beyond 64 bits is an
 * error). Of a key that comes twice the last counts. At most 128 levels.
 */
static int l_decode(lua_State *L)
{
	size_t length;
	const char *text;
	struct tree *tree;
	json_error_t problem;
	struct ph_error error;

	luaL_checktype(L, 1, LUA_TSTRING);
	text = lua_tolstring(L, 1, &length);
	tree = lua_newuserdatauv(L, sizeof(*tree), 0);
	tree->root = NULL;
	luaL_setmetatable(L, TREE_METATABLE);
	tree->root = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
	if (tree->root == NULL) {
		if (json_error_code(&problem) != json_error_out_of_memory)
			return push_syntax_error(L, &problem);
		ph_fail(&error, -ENOMEM, "decoding JSON: out of memory");
		return push_failure(L, &error);
	}
	if (!push_value(L, tree->root, 1)) {
		ph_fail(&error, -EBADMSG, "nested more than %d levels deep", JSON_DEPTH_MOST);
		return push_failure(L, &error);
	}
	json_decref(tree->root);
	tree->root = NULL;
	return 1;
}

/* json.array(t) -> t, which json.encode() writes as an array, even when it is empty */
static int l_array(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	mark(L, &json_array_key);
	return 1;
}

/* json.object(t) -> t, which json.encode() writes as an object, even when it is empty */
static int l_object(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	mark(L, &json_object_key);
	return 1;
}

static int l_null_tostring(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

/* A metatable that only says what its table is. */
static void new_mark(lua_State *L, const char *key, const char *name)
{
	lua_createtable(L, 0, 1);
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__name");
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void open_null(lua_State *L)
{
	lua_newuserdatauv(L, 0, 0);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, l_null_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &json_null_key);
}

void open_json(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "encode", json_encode }, { "decode", l_decode }, { "array", l_array },
		{ "object", l_object },    { NULL, NULL },
	};

	luaL_newmetatable(L, TREE_METATABLE);
	lua_pushcfunction(L, l_tree_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	new_mark(L, &json_array_key, "json.array");
	new_mark(L, &json_object_key, "json.object");
	json_open_encode(L);
	luaL_newlib(L, functions);
	open_null(L);
	lua_setfield(L, -2, "null");
	lua_setfield(L, -2, "json");
}
