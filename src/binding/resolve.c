/*
 * core.resolve: names that the host's resolver and databases have (nsswitch.conf(5)): of hosts,
 * networks, services and protocols, and the user this process acts as.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "binding/binding.h"

/* The address that a text is, for getnameinfo(3). 0 where it is none. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		return sizeof(*four);
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		return sizeof(*six);
	}
	return 0;
}

/* resolve.host(address) -> name | nil. May wait for a name server.   [-1, +1, e] */
static int l_host(lua_State *L)
{
	struct sockaddr_storage address;
	socklen_t size = parse_address(luaL_checkstring(L, 1), &address);
	char name[NI_MAXHOST];

	luaL_argcheck(L, size > 0, 1, "an IP address expected");
	if (getnameinfo((struct sockaddr *)&address, size, name, sizeof(name), NULL, 0,
	                NI_NAMEREQD) == 0)
		lua_pushstring(L, name);
	else
		lua_pushnil(L);
	return 1;
}

/* resolve.network(IPv4 address) -> name | nil: networks(5).   [-1, +1, e] */
static int l_network(lua_State *L)
{
	struct in_addr address;
	struct netent found, *result = NULL;
	char room[4096];
	int problem;

	luaL_argcheck(L, inet_pton(AF_INET, luaL_checkstring(L, 1), &address) == 1, 1,
	              "an IPv4 address expected");
	if (getnetbyaddr_r(ntohl(address.s_addr), AF_INET, &found, room, sizeof(room), &result,
	                   &problem) == 0 &&
	    result != NULL)
		lua_pushstring(L, result->n_name);
	else
		lua_pushnil(L);
	return 1;
}

/* resolve.service(port, protocol) -> name | nil: services(5).   [-2, +1, e] */
static int l_service(lua_State *L)
{
	lua_Integer port = luaL_checkinteger(L, 1);
	struct servent found, *result = NULL;
	char room[4096];

	luaL_argcheck(L, port >= 0 && port <= 65535, 1, "a port is a number from 0 to 65535");
	if (getservbyport_r(htons((uint16_t)port), luaL_checkstring(L, 2), &found, room,
	                    sizeof(room), &result) == 0 &&
	    result != NULL)
		lua_pushstring(L, result->s_name);
	else
		lua_pushnil(L);
	return 1;
}

/* resolve.protocol(number) -> name | nil: protocols(5).   [-1, +1, e] */
static int l_protocol(lua_State *L)
{
	int number = (int)luaL_checkinteger(L, 1);
	struct protoent found, *result = NULL;
	char room[4096];

	if (getprotobynumber_r(number, &found, room, sizeof(room), &result) == 0 && result != NULL)
		lua_pushstring(L, result->p_name);
	else
		lua_pushnil(L);
	return 1;
}

/* resolve.euid() -> number of the user that this process acts as   [-0, +1, -] */
static int l_euid(lua_State *L)
{
	lua_pushinteger(L, geteuid());
	return 1;
}

void open_resolve(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "host", l_host },         { "network", l_network }, { "service", l_service },
		{ "protocol", l_protocol }, { "euid", l_euid },       { NULL, NULL },
	};

	luaL_newlib(L, functions);
	lua_setfield(L, -2, "resolve");
}
