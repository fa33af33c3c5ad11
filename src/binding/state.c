/*
 * state: small files that porthole keeps for itself, such as what was closed and how to open it
 * again. They lie in $XDG_STATE_HOME/porthole; else, of root in /var/lib/porthole, of others in
 * ~/.local/state/porthole. A folder or a file that another user could have written is not read:
 * what it says is acted upon.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding/binding.h"

#define MOST_BYTES (1 << 20)
#define FOLDER     "porthole.state"

/* Makes each missing part of the path, mode 0700. */
static int make_path(char *path)
{
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*at = '/';
			return -errno;
		}
		*at = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The path of the folder; false: there is no home. */
static bool folder_path(char *path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int length;

	if (state != NULL && state[0] == '/')
		length = snprintf(path, size, "%s/porthole", state);
	else if (geteuid() == 0)
		length = snprintf(path, size, "/var/lib/porthole");
	else if (home != NULL && home[0] == '/')
		length = snprintf(path, size, "%s/.local/state/porthole", home);
	else
		return false;
	return length > 0 && (size_t)length < size;
}

static bool is_ours(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 022) == 0;
}

static int open_folder(bool make, struct ph_error *error)
{
	char path[4096];
	int fd;

	if (!folder_path(path, sizeof(path)))
		return ph_fail(error, -ENOENT,
		               "there is no folder for porthole's own files: set HOME");
	if (make && make_path(path) < 0)
		return ph_fail(error, -errno, "making %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ph_fail(error, -errno, "opening %s: %s", path, strerror(errno));
	if (!is_ours(fd)) {
		close(fd);
		return ph_fail(error, -EPERM, "%s is not used: another user could write it", path);
	}
	return fd;
}

/* A plain name, which stays within the folder. */
static const char *check_plain(lua_State *L, int index)
{
	const char *name = luaL_checkstring(L, index);

	luaL_argcheck(L,
	              name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL &&
	                      strlen(name) < 128,
	              index, "a plain file name");
	return name;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole or not at all. */
static int save(int folder, const char *name, const char *bytes, size_t length)
{
	char temporary[160];
	int fd, r;

	snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
	unlinkat(folder, temporary, 0);
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, length);
	close(fd);
	if (r == 0 && renameat(folder, temporary, folder, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, temporary, 0);
	return r;
}

static int fail_with(lua_State *L, const char *name, int code)
{
	struct ph_error error;

	ph_fail(&error, code, "porthole's own file %s: %s", name, strerror(-code));
	return push_failure(L, &error);
}

/* state.save(name, text) -> true | nil, message, code */
static int l_save(lua_State *L)
{
	const char *name = check_plain(L, 1);
	size_t length;
	const char *text = luaL_checklstring(L, 2, &length);
	struct ph_error error;
	int folder, r;

	luaL_argcheck(L, length <= MOST_BYTES, 2, "at most 1 MiB");
	folder = open_folder(true, &error);
	if (folder < 0)
		return push_failure(L, &error);
	r = save(folder, name, text, length);
	close(folder);
	if (r < 0)
		return fail_with(L, name, r);
	lua_pushboolean(L, 1);
	return 1;
}

/* Reads at most MOST_BYTES into `bytes`. The length or -errno. */
static ssize_t load(int folder, const char *name, char *bytes)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t got, length = 0;

	if (fd < 0)
		return -errno;
	if (!is_ours(fd)) {
		close(fd);
		return -EPERM;
	}
	while (length < MOST_BYTES &&
	       (got = read(fd, bytes + length, (size_t)(MOST_BYTES - length))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			length = -errno;
			break;
		}
		length += got;
	}
	close(fd);
	return length;
}

/* state.load(name) -> text | nil, message, code */
static int l_load(lua_State *L)
{
	const char *name = check_plain(L, 1);
	char *room = lua_newuserdatauv(L, MOST_BYTES, 0);
	struct ph_error error;
	int folder = open_folder(false, &error);
	ssize_t length;

	if (folder < 0)
		return push_failure(L, &error);
	length = load(folder, name, room);
	close(folder);
	if (length < 0)
		return fail_with(L, name, (int)length);
	lua_pushlstring(L, room, (size_t)length);
	return 1;
}

/* state.drop(name) -> true | nil, message, code */
static int l_drop(lua_State *L)
{
	const char *name = check_plain(L, 1);
	struct ph_error error;
	int folder = open_folder(false, &error);
	int r;

	if (folder < 0)
		return push_failure(L, &error);
	r = unlinkat(folder, name, 0) < 0 ? -errno : 0;
	close(folder);
	if (r < 0)
		return fail_with(L, name, r);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_folder_gc(lua_State *L)
{
	DIR **directory = luaL_checkudata(L, 1, FOLDER);

	if (*directory != NULL)
		closedir(*directory);
	*directory = NULL;
	return 0;
}

/* state.list() -> list of names, in no order | nil, message, code; none where there is no folder */
static int l_list(lua_State *L)
{
	DIR **directory = lua_newuserdatauv(L, sizeof(*directory), 0);
	struct dirent *entry;
	struct ph_error error;
	lua_Integer count = 0;
	int folder;

	*directory = NULL;
	luaL_setmetatable(L, FOLDER);
	lua_newtable(L);
	folder = open_folder(false, &error);
	if (folder == -ENOENT)
		return 1;
	if (folder < 0)
		return push_failure(L, &error);
	*directory = fdopendir(folder);
	if (*directory == NULL) {
		close(folder);
		return fail_with(L, "folder", -ENOMEM);
	}
	while ((entry = readdir(*directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

void open_state(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "save", l_save }, { "load", l_load }, { "drop", l_drop },
		{ "list", l_list }, { NULL, NULL },
	};

	luaL_newmetatable(L, FOLDER);
	lua_pushcfunction(L, l_folder_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	lua_setfield(L, -2, "state");
}
