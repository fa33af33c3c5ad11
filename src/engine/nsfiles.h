/* The files of network namespaces: opening them, and the names that /run/netns gives. Sources:
 * namespaces(7), ioctl_nsfs(2), ip-netns(8). */
#ifndef ENGINE_NSFILES_H
#define ENGINE_NSFILES_H

#include "porthole/namespaces.h"

/*
 * Opens `path` below the descriptor `directory` if it is a network namespace's file, and fills
 * `inode`, `dev` and `fd`. It is looked at before it is opened, so that a device or a pipe never
 * is. 0, -EINVAL (something else), or -errno.
 */
int ph_nsfile_open(int directory, const char *path, struct ph_namespace *found);

/* The number in a link such as /proc/PID/ns/net. 0, or -errno. */
int ph_nsfile_number(int directory, const char *path, const char *kind, uint64_t *number);

/* "net:[4026531840]"; owned by the caller; NULL: out of memory. */
char *ph_nsfile_default_name(uint64_t inode);

/* What /run/netns has, sorted. */
struct ph_nsfile_names {
	int directory; /* -1: there is none */
	char **items; /* owned */
	size_t count, capacity;
};

/* ph_nsfile_names_free() releases the result, also after a failure. 0, -ENOMEM or -EMFILE. */
int ph_nsfile_names_read(struct ph_context *context, struct ph_nsfile_names *names);
void ph_nsfile_names_free(struct ph_nsfile_names *names);

/* The name of this namespace, or NULL. Borrowed from `names`. */
const char *ph_nsfile_names_find(const struct ph_nsfile_names *names,
                                 const struct ph_namespace *wanted);

/* Sets the container, else the unit, that a process's control group says as the name. `directory`
 * is its /proc/PID. 0 (also without one), or -ENOMEM. */
int ph_nsfile_place_name(struct ph_context *context, int directory, char **name);

#endif
