/*
 * porthole.core: the C part of the Lua module. It makes a context unless the program brought one,
 * turns the engine's failures into Lua's, and opens the libraries.
 */
#include <errno.h>
#include <string.h>

#include "binding/binding.h"
#include "binding/rows_internal.h"

#define CONTEXT_METATABLE "porthole.context"

/* Its address is the registry's key of the context. */
static const char context_key = 0;

struct ph_context *check_context(lua_State *L)
{
	struct ph_context *context;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
	context = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (context == NULL)
		luaL_error(L, "porthole.core is not open");
	return context;
}

void binding_set_context(lua_State *L, struct ph_context *context)
{
	lua_pushlightuserdata(L, context);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
}

const char *error_name(int code)
{
	/* As strerrorname_np(3), which C libraries other than glibc 2.32 lack. */
	static const struct {
		int code;
		const char *name;
	} names[] = {
#define NAME(code) { code, #code }
		NAME(EPERM),        NAME(ENOENT),          NAME(ESRCH),         NAME(EINTR),
		NAME(EIO),          NAME(ENXIO),           NAME(E2BIG),         NAME(EBADF),
		NAME(EAGAIN),       NAME(ENOMEM),          NAME(EACCES),        NAME(EFAULT),
		NAME(EBUSY),        NAME(EEXIST),          NAME(EXDEV),         NAME(ENODEV),
		NAME(ENOTDIR),      NAME(EISDIR),          NAME(EINVAL),        NAME(ENFILE),
		NAME(EMFILE),       NAME(ENOTTY),          NAME(EFBIG),         NAME(ENOSPC),
		NAME(ESPIPE),       NAME(EROFS),           NAME(EPIPE),         NAME(ERANGE),
		NAME(ETXTBSY),      NAME(EDQUOT),          NAME(ENAMETOOLONG),  NAME(ELOOP),
		NAME(ENOSYS),       NAME(EPROTO),          NAME(EBADMSG),       NAME(EOVERFLOW),
		NAME(ENOTSOCK),     NAME(EDESTADDRREQ),    NAME(EMSGSIZE),      NAME(ENOPROTOOPT),
		NAME(EOPNOTSUPP),   NAME(EAFNOSUPPORT),    NAME(EADDRINUSE),    NAME(ENOBUFS),
		NAME(ENETDOWN),     NAME(ENETUNREACH),     NAME(EADDRNOTAVAIL), NAME(EISCONN),
		NAME(ENOTCONN),     NAME(ECONNABORTED),    NAME(ECONNRESET),    NAME(ETIMEDOUT),
		NAME(ECONNREFUSED), NAME(EHOSTDOWN),       NAME(EHOSTUNREACH),  NAME(EALREADY),
		NAME(EINPROGRESS),  NAME(EPROTONOSUPPORT), NAME(ECANCELED),     NAME(EUSERS),
		NAME(ESTALE),       NAME(EDEADLK),         NAME(ENODATA),       NAME(ETIME),
		NAME(ECOMM),        NAME(EILSEQ),
#undef NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].code == -code)
			return names[i].name;
	return NULL;
}

int push_failure(lua_State *L, const struct ph_error *error)
{
	const char *name = error_name(error->code);

	if (error->code == -ENOMEM)
		raise_memory(L);
	lua_pushnil(L);
	lua_pushstring(L, error->message);
	if (name != NULL)
		lua_pushstring(L, name);
	else
		lua_pushfstring(L, "E%d", -error->code);
	return 3;
}

static int l_context_gc(lua_State *L)
{
	ph_context_close(luaL_checkudata(L, 1, CONTEXT_METATABLE));
	return 0;
}

/* Makes the context of a state that has none: it is closed with the state. */
static void open_context(lua_State *L)
{
	struct ph_context *context;
	struct ph_error error;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key) != LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	context = lua_newuserdatauv(L, sizeof(*context), 0);
	*context = (struct ph_context){ .cancel_fd = -1 };
	luaL_newmetatable(L, CONTEXT_METATABLE);
	lua_pushcfunction(L, l_context_gc);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	if (ph_context_open(context, &error) < 0)
		luaL_error(L, "%s", error.message);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
}

int luaopen_porthole_core(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "rows", rows_new },
		{ "names", rows_names },
		{ "pick", rows_pick },
		{ NULL, NULL },
	};

	luaL_checkversion(L);
	open_context(L);
	rows_open(L);
	luaL_newlib(L, functions);
	lua_pushliteral(L, PH_VERSION);
	lua_setfield(L, -2, "version");
	open_sockets(L);
	open_links(L);
	open_routes(L);
	open_groups(L);
	open_counters(L);
	open_services(L);
	open_json(L);
	open_text(L);
	open_units(L);
	open_state(L);
	open_paths(L);
	open_sleep(L);
	open_probe(L);
	open_stream(L);

	open_resolve(L);
	return 1;
}
