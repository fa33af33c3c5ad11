/* The files of network namespaces. */
#include "nsfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "porthole/owners.h"
#include "scan.h"

static bool is_nsfs(int fd)
{
	struct statfs system;

	return fstatfs(fd, &system) == 0 && system.f_type == NSFS_MAGIC;
}

int ph_nsfile_open(int directory, const char *path, struct ph_namespace *found)
{
	struct stat status;
	bool fits;
	int fd;

	fd = openat(directory, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fits = is_nsfs(fd);
	close(fd);
	if (!fits)
		return -EINVAL;
	/* What was put in its place since could be anything: never wait for it. */
	fd = openat(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_nsfs(fd) || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &status) < 0) {
		close(fd);
		return -EINVAL;
	}
	found->fd = fd;
	found->inode = status.st_ino;
	found->dev = status.st_dev;
	return 0;
}

int ph_nsfile_number(int directory, const char *path, const char *kind, uint64_t *number)
{
	char text[64];
	ssize_t length = readlinkat(directory, path, text, sizeof(text));

	if (length < 0)
		return -errno;
	*number = ph_scan_number(text, (size_t)length, kind);
	return *number != 0 ? 0 : -EINVAL;
}

char *ph_nsfile_default_name(uint64_t inode)
{
	char *name;

	return asprintf(&name, "net:[%" PRIu64 "]", inode) < 0 ? NULL : name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(struct ph_nsfile_names *names, int directory)
{
	_Alignas(struct dirent64) char entries[8192];
	const struct dirent64 *entry;
	ssize_t length;

	while ((length = getdents64(directory, entries, sizeof(entries))) > 0) {
		for (ssize_t at = 0; at < length; at += entry->d_reclen) {
			char *name;

			entry = (const void *)(entries + at);
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			if (ph_reserve(&names->items, names->count, &names->capacity,
			               sizeof(*names->items)) < 0)
				return -ENOMEM;
			name = strdup(entry->d_name);
			if (name == NULL)
				return -ENOMEM;
			names->items[names->count++] = name;
		}
	}
	return 0;
}

int ph_nsfile_names_read(struct ph_context *context, struct ph_nsfile_names *names)
{
	int r;

	*names = (struct ph_nsfile_names){ 0 };
	names->directory = ph_open_below(context->run, "netns", O_DIRECTORY, NULL);
	if (names->directory == -EMFILE || names->directory == -ENFILE)
		return names->directory;
	if (names->directory < 0)
		return 0;
	r = list_names(names, names->directory);
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	return r;
}

void ph_nsfile_names_free(struct ph_nsfile_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	if (names->directory >= 0)
		close(names->directory);
	*names = (struct ph_nsfile_names){ .directory = -1 };
}

const char *ph_nsfile_names_find(const struct ph_nsfile_names *names,
                                 const struct ph_namespace *wanted)
{
	struct stat status;

	for (size_t i = 0; i < names->count; i++)
		if (fstatat(names->directory, names->items[i], &status, 0) == 0 &&
		    status.st_ino == wanted->inode && status.st_dev == wanted->dev)
			return names->items[i];
	return NULL;
}

int ph_nsfile_place_name(struct ph_context *context, int directory, char **name)
{
	struct ph_placement placement = { 0 };
	char *own = NULL, *text = malloc(PH_SCAN_TEXT_BYTES);
	int r = -ENOMEM;

	*name = NULL;
	if (text == NULL)
		return r;
	r = ph_read_below(context->proc, "1/cgroup", PH_SCAN_TEXT_BYTES, &own, NULL, NULL);
	if (r != -ENOMEM)
		r = ph_scan_text(directory, "cgroup", text) > 0
		            ? ph_placement_parse(text, own, &placement)
		            : 0;
	if (placement.container != NULL) {
		*name = placement.container;
		placement.container = NULL;
	} else {
		*name = placement.unit;
		placement.unit = NULL;
	}
	ph_placement_free(&placement);
	free(own);
	free(text);
	return r;
}
