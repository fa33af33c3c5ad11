/*
 * Where code may come from. The program is run with sudo: it never loads a module from the current
 * directory, nor from a file that another user could have written. Its own library comes first,
 * then LUA_PATH and LUA_CPATH (absolute places only), then the places that Lua was built with.
 * Source: the manual of Lua 5.4, section 6.3.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "shell.h"

/* EXE_DIR/lua in the tree; EXE_DIR/../share/porthole/lua where it is installed. */
static const char *const places[] = { "lua", "../share/porthole/lua" };

static char *library_at(const char *directory, const char *place)
{
	char *path, *resolved, *root;

	if (asprintf(&path, "%s/%s/porthole/init.lua", directory, place) < 0)
		return NULL;
	if (access(path, R_OK) < 0 || asprintf(&root, "%s/%s", directory, place) < 0) {
		free(path);
		return NULL;
	}
	/* Without links and "..": each directory on the way is looked at before code is loaded. */
	resolved = realpath(root, NULL);
	free(root);
	free(path);
	return resolved;
}

char *paths_library(void)
{
	char executable[4096], *slash, *found = NULL;
	ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

	if (length < 0)
		return NULL;
	executable[length] = '\0';
	slash = strrchr(executable, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && found == NULL; i++)
		found = library_at(executable, places[i]);
	return found;
}

/* Adds those of `path`'s places that are absolute; an empty one (";;") stands for `fallback`. */
static void add_absolute(luaL_Buffer *buffer, const char *path, const char *fallback)
{
	while (path != NULL) {
		const char *end = strchr(path, ';');
		size_t length = end != NULL ? (size_t)(end - path) : strlen(path);

		if (length > 0 && *path == '/') {
			luaL_addlstring(buffer, path, length);
			luaL_addchar(buffer, ';');
		} else if (length == 0 && end != NULL && fallback != NULL) {
			add_absolute(buffer, fallback, NULL);
			fallback = NULL;
		}
		path = end != NULL ? end + 1 : NULL;
	}
}

/* The environment's path, or NULL; the versioned name goes before the plain one. */
static const char *path_wanted(const struct shell *shell, const char *versioned, const char *plain)
{
	const char *path;

	if (shell->options.no_environment)
		return NULL;
	path = getenv(versioned);
	return path != NULL ? path : getenv(plain);
}

/* Sets package.<field>, for the table on top of the stack. */
static void set_path(lua_State *L, const char *field, const char *own, const char *wanted)
{
	const char *standard;
	luaL_Buffer buffer;

	lua_getfield(L, -1, field);
	standard = lua_tostring(L, -1);
	luaL_buffinit(L, &buffer);
	if (own != NULL) {
		luaL_addstring(&buffer, own);
		luaL_addstring(&buffer, "/?.lua;");
		luaL_addstring(&buffer, own);
		luaL_addstring(&buffer, "/?/init.lua;");
	}
	add_absolute(&buffer, wanted != NULL ? wanted : standard, standard);
	/* The last separator. */
	if (luaL_bufflen(&buffer) > 0)
		luaL_buffsub(&buffer, 1);
	luaL_pushresult(&buffer);
	lua_setfield(L, -3, field);
	lua_pop(L, 1);
}

/* Pushes the file that `require(name)` would load along package.<field>; false: there is none. */
static bool search_path(lua_State *L, const char *name, const char *field)
{
	lua_getfield(L, lua_upvalueindex(2), "searchpath");
	lua_pushstring(L, name);
	if (lua_getfield(L, lua_upvalueindex(2), field) != LUA_TSTRING) {
		lua_pop(L, 3);
		return false;
	}
	lua_call(L, 2, 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	return true;
}

/* core.trusted(file, own folder). False: a sentence for require is pushed. */
static bool is_trusted(lua_State *L, const char *file)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_getfield(L, -1, "porthole.core");
	lua_getfield(L, -1, "trusted");
	lua_pushstring(L, file);
	lua_pushvalue(L, lua_upvalueindex(5));
	lua_call(L, 2, 2);
	if (lua_toboolean(L, -2)) {
		lua_pop(L, 4);
		return true;
	}
	lua_pushfstring(L, "file '%s' is not loaded: %s", file, luaL_tolstring(L, -1, NULL));
	return false;
}

/*
 * A searcher of package.searchers that looks at the file before the original one loads it.
 * Upvalues: the original, package, the name of the path, whether the module's root is looked for,
 * and the library's folder, which belongs to whom the program belongs to.
 * (name) -> loader, file | why not   [-1, +1|+2, e]
 */
static int l_searcher(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const char *dot = strchr(name, '.');

	if (lua_toboolean(L, lua_upvalueindex(4)) && dot != NULL)
		name = lua_pushlstring(L, name, (size_t)(dot - name));
	if (search_path(L, name, lua_tostring(L, lua_upvalueindex(3))) &&
	    !is_trusted(L, lua_tostring(L, -1)))
		return 1;
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* Searchers 2 to 4 load files: Lua modules, C modules, and C modules in their root's file. */
static void guard_searchers(lua_State *L, const char *own)
{
	static const struct {
		const char *path;
		bool root;
	} kinds[] = { { "path", false }, { "cpath", false }, { "cpath", true } };

	lua_getfield(L, -1, "searchers");
	for (int i = 0; i < 3; i++) {
		lua_rawgeti(L, -1, i + 2);
		lua_pushvalue(L, -3);
		lua_pushstring(L, kinds[i].path);
		lua_pushboolean(L, kinds[i].root);
		lua_pushstring(L, own);
		lua_pushcclosure(L, l_searcher, 5);
		lua_rawseti(L, -2, i + 2);
	}
	lua_pop(L, 1);
}

void paths_set(struct shell *shell)
{
	lua_State *L = shell->L;

	lua_getglobal(L, "package");
	set_path(L, "path", shell->directory, path_wanted(shell, "LUA_PATH_5_4", "LUA_PATH"));
	set_path(L, "cpath", NULL, path_wanted(shell, "LUA_CPATH_5_4", "LUA_CPATH"));
	guard_searchers(L, shell->directory);
	lua_pop(L, 1);
}
