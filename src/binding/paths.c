/*
 * Files and the terminal: which code may be trusted, where the user's own files are, and output
 * that is written whole or not at all. The program is run with sudo, so code is loaded only from
 * places where nobody else can write.
 */
#include "binding/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding/binding.h"

/* Who may own what is trusted. */
struct owners {
	uid_t user, program;
	bool has_program;
};

static bool is_trusted_owner(const struct owners *owners, uid_t uid)
{
	return uid == 0 || uid == owners->user || (owners->has_program && uid == owners->program);
}

/* Why another user could change this; NULL: none can. `last`: it is what was asked for itself. */
static const char *weakness(const struct owners *owners, const struct stat *status, bool last)
{
	if (!is_trusted_owner(owners, status->st_uid))
		return "belongs to another user";
	/* In a sticky directory (/tmp) nobody else can replace a trusted entry. */
	if (S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0 && !last)
		return NULL;
	if ((status->st_mode & S_IWOTH) != 0)
		return "can be written by every user";
	/* Debian gives each user a group of its own number, which only that user is in. */
	if ((status->st_mode & S_IWGRP) != 0 && status->st_gid != status->st_uid)
		return "can be written by a group";
	return NULL;
}

/* Checks `path`, absolute and without links, and each directory above it. Pushes the reason. */
static bool check_components(lua_State *L, char *path, const struct owners *owners)
{
	bool last = true;

	for (;;) {
		struct stat status;
		const char *reason;
		char *slash;

		if (lstat(path, &status) < 0) {
			lua_pushfstring(L, "%s: %s", path, strerror(errno));
			return false;
		}
		reason = weakness(owners, &status, last);
		if (reason != NULL) {
			lua_pushfstring(L, "%s %s", path, reason);
			return false;
		}
		if (strcmp(path, "/") == 0)
			return true;
		slash = strrchr(path, '/');
		slash[slash == path ? 1 : 0] = '\0';
		last = false;
	}
}

/* Whose the running program is: that user could change it anyway, so its own folder is as good. */
static void find_program(const char *base, const char *path, struct owners *owners)
{
	char folder[PATH_MAX];
	struct stat status;
	size_t length;

	if (base == NULL || realpath(base, folder) == NULL || stat("/proc/self/exe", &status) < 0)
		return;
	length = strlen(folder);
	if (strncmp(path, folder, length) != 0 ||
	    (path[length] != '/' && path[length] != '\0' && strcmp(folder, "/") != 0))
		return;
	owners->program = status.st_uid;
	owners->has_program = true;
}

/*
 * core.trusted(path [, base]) -> true | nil, reason: whether no other user can change the file or
 * folder, nor put another in its place. Each component belongs to root or to this user (below
 * `base`, the program's own folder, also to the program's owner) and is not writable by others.
 */
static int l_trusted(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1), *base = luaL_optstring(L, 2, NULL);
	struct owners owners = { .user = geteuid() };
	char real[PATH_MAX];

	if (realpath(path, real) == NULL) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: %s", path, strerror(errno));
		return 2;
	}
	find_program(base, real, &owners);
	if (!check_components(L, real, &owners)) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * Pushes the folder that the variable names, or else `fallback` below the home; false: none. As
 * root, a home that belongs to somebody else (as sudo may leave it) is not used: that user could
 * have us run code.
 */
static bool push_folder(lua_State *L, const char *variable, const char *fallback)
{
	const char *folder = getenv(variable), *home = getenv("HOME");
	struct stat status;

	if (folder != NULL && *folder == '/') {
		lua_pushfstring(L, "%s/porthole", folder);
	} else if (home != NULL && *home == '/') {
		folder = home;
		lua_pushfstring(L, "%s/%s/porthole", home, fallback);
	} else {
		return false;
	}
	if (geteuid() == 0 && stat(folder, &status) == 0 && status.st_uid != 0) {
		lua_pop(L, 1);
		return false;
	}
	return true;
}

bool push_config_path(lua_State *L, const char *name)
{
	if (!push_folder(L, "XDG_CONFIG_HOME", ".config"))
		return false;
	lua_pushfstring(L, "%s/%s", lua_tostring(L, -1), name);
	lua_remove(L, -2);
	return true;
}

/* paths.config() -> "/home/ann/.config/porthole" | nil */
static int l_config(lua_State *L)
{
	if (!push_folder(L, "XDG_CONFIG_HOME", ".config"))
		lua_pushnil(L);
	return 1;
}

/* paths.state() -> "/home/ann/.local/state/porthole" | nil */
static int l_state(lua_State *L)
{
	if (!push_folder(L, "XDG_STATE_HOME", ".local/state"))
		lua_pushnil(L);
	return 1;
}

/* Pushes nil, "path: reason", code. */
static int push_errno(lua_State *L, const char *doing, const char *path, int code)
{
	struct ph_error error;

	ph_fail(&error, -code, "%s %s: %s", doing, path, strerror(code));
	return push_failure(L, &error);
}

#define DIRECTORY_METATABLE "porthole.directory"

static int l_directory_gc(lua_State *L)
{
	DIR **directory = luaL_checkudata(L, 1, DIRECTORY_METATABLE);

	if (*directory != NULL)
		closedir(*directory);
	*directory = NULL;
	return 0;
}

/* core.directory(path) -> list of names, without those that begin with a dot | nil, message, code
 */
static int l_directory(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	DIR **directory = lua_newuserdatauv(L, sizeof(DIR *), 0);
	lua_Integer count = 0;
	struct dirent *entry;

	*directory = NULL;
	luaL_setmetatable(L, DIRECTORY_METATABLE);
	*directory = opendir(path);
	if (*directory == NULL)
		return push_errno(L, "reading", path, errno);
	lua_newtable(L);
	while ((entry = readdir(*directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, -2, ++count);
	}
	closedir(*directory);
	*directory = NULL;
	return 1;
}

/* core.isatty(fd) -> boolean */
static int l_isatty(lua_State *L)
{
	lua_Integer fd = luaL_checkinteger(L, 1);

	lua_pushboolean(L, fd >= 0 && fd <= INT_MAX && isatty((int)fd));
	return 1;
}

/* core.terminal_width() -> columns | nil: of the terminal that standard output is, else error's or
 * input's; $COLUMNS where the terminal does not say. */
static int l_terminal_width(lua_State *L)
{
	static const int descriptors[] = { STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO };
	const char *columns = getenv("COLUMNS");
	long wanted;

	for (size_t i = 0; i < sizeof(descriptors) / sizeof(*descriptors); i++) {
		struct winsize size;

		if (ioctl(descriptors[i], TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
			continue;
		lua_pushinteger(L, size.ws_col);
		return 1;
	}
	wanted = columns != NULL ? strtol(columns, NULL, 10) : 0;
	if (wanted > 0 && wanted <= UINT16_MAX)
		lua_pushinteger(L, wanted);
	else
		lua_pushnil(L);
	return 1;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Closes `fd` and reports what the file system kept back until then. */
static int close_file(int fd, int r)
{
	if (close(fd) < 0 && errno != EINTR && r == 0)
		return -errno;
	return r;
}

/* A device, a pipe, a terminal: there is nothing to rename. */
static int write_through(const char *path, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return close_file(fd, write_all(fd, bytes, length));
}

/* Writes a file beside `path`, then puts it in its place. `mode`: -1 for a new file. */
static int write_beside(const char *path, const char *bytes, size_t length, int mode)
{
	char temporary[PATH_MAX];
	int fd, r;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (mode < 0) {
		mode_t mask = umask(0);

		umask(mask);
		mode = 0666 & ~mask;
	}
	r = fchmod(fd, (mode_t)mode) < 0 ? -errno : 0;
	if (r == 0)
		r = write_all(fd, bytes, length);
	r = close_file(fd, r);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

/* Where the file will be, with a link followed to what it names: the link stays. */
static int write_file(const char *path, const char *bytes, size_t length)
{
	char real[PATH_MAX];
	struct stat status;

	if (stat(path, &status) < 0)
		return errno == ENOENT ? write_beside(path, bytes, length, -1) : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!S_ISREG(status.st_mode))
		return write_through(path, bytes, length);
	/* /dev/stdout may be a regular file, which the caller has open and goes on writing to. */
	if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)
		return write_through(path, bytes, length);
	if (realpath(path, real) == NULL)
		return -errno;
	return write_beside(real, bytes, length, status.st_mode & 07777);
}

/*
 * core.writefile(path, data) -> true | nil, message, code: a regular file is written whole or stays
 * as it was, with the mode that it had; anything else but a folder is written to as it is.
 */
static int l_writefile(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	size_t length;
	const char *bytes = luaL_checklstring(L, 2, &length);
	int r = write_file(path, bytes, length);

	if (r < 0)
		return push_errno(L, "writing", path, -r);
	lua_pushboolean(L, 1);
	return 1;
}

void open_paths(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "trusted", l_trusted },     { "directory", l_directory },
		{ "isatty", l_isatty },       { "terminal_width", l_terminal_width },
		{ "writefile", l_writefile }, { NULL, NULL },
	};
	static const luaL_Reg paths[] = {
		{ "config", l_config },
		{ "state", l_state },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, DIRECTORY_METATABLE);
	lua_pushcfunction(L, l_directory_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
	luaL_newlib(L, paths);
	lua_setfield(L, -2, "paths");
}
