/* What the reader and the writer of JSON share. */
#ifndef BINDING_JSON_H
#define BINDING_JSON_H

#include <lua.h>

#define JSON_DEPTH_MOST 128

/* Keys in Lua's registry of json.null and of the metatables that mark arrays and objects. */
extern const char json_null_key, json_array_key, json_object_key;

int json_encode(lua_State *L);
void json_open_encode(lua_State *L);

#endif
