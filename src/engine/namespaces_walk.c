/*
 * The walk that finds every network namespace. One lives as long as something refers to it: a task
 * in it, a mount of its file, a descriptor of its file, or a socket in it. Each of these is looked
 * for: /proc/PID/ns/net and /proc/PID/task/TID/ns/net; the mounts of type nsfs in every mount
 * namespace, /run/netns among them; the links in /proc/PID/fd; and, asked for separately since it
 * is costly, the namespaces of sockets. Sources: network_namespaces(7), proc(5), ioctl_nsfs(2).
 */
#include "porthole/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inodes.h"
#include "nsfiles.h"
#include "scan.h"

/* pidfd_open(2) for a thread, Linux 6.9: the C library's header of Debian 12 has no name for it. */
#define THREAD_PIDFD O_EXCL

/* A mount of a namespace that could not be opened there; it may be found elsewhere. */
struct miss {
	uint64_t inode;
	pid_t pid;
	int code;
};

struct hunt {
	struct ph_namespaces *found;
	const struct ph_inodes *known; /* sockets that are known; NULL: sockets are not asked */
	size_t unasked; /* atomic: sockets that could not be asked */
	/* One worker's process that it last asked sockets of, and a pidfd of it; 0: none. */
	struct asked {
		pid_t thread;
		int pidfd;
	} asked[PH_SCAN_WORKERS];
	/* Below, and `found`: guarded by the mutex. */
	pthread_mutex_t mutex;
	uint64_t *mounts; /* mount namespaces that were read */
	size_t mount_count, mount_capacity;
	struct miss *misses;
	size_t miss_count, miss_capacity;
};

static struct ph_namespace *find(const struct ph_namespaces *namespaces, uint64_t inode)
{
	for (size_t i = 0; i < namespaces->count; i++)
		if (namespaces->items[i].inode == inode)
			return &namespaces->items[i];
	return NULL;
}

/* Takes what `added` owns, also on failure. 0 or -ENOMEM. */
static int add(struct ph_namespaces *namespaces, struct ph_namespace *added)
{
	if (ph_reserve(&namespaces->items, namespaces->count, &namespaces->capacity,
	               sizeof(*namespaces->items)) < 0) {
		ph_namespace_close(added);
		return -ENOMEM;
	}
	namespaces->items[namespaces->count++] = *added;
	return 0;
}

/* What ends the hunt; any other failure is about one thing that was looked at. */
static bool is_fatal(int code)
{
	return code == -ENOMEM || code == -EMFILE || code == -ENFILE;
}

/* The namespace `inode` is reached by a file; `pid` is a task in it, or 0. */
static int note(struct hunt *hunt, int directory, const char *path, uint64_t inode, pid_t pid)
{
	struct ph_namespace opened = { .fd = -1, .pid = pid }, *known;
	int r = 0;

	pthread_mutex_lock(&hunt->mutex);
	known = find(hunt->found, inode);
	if (known == NULL) {
		r = ph_nsfile_open(directory, path, &opened);
		/* The task may have entered another one since its link was read. */
		known = r == 0 ? find(hunt->found, opened.inode) : NULL;
		if (known != NULL)
			ph_namespace_close(&opened);
		else if (r == 0)
			r = add(hunt->found, &opened);
	}
	if (known != NULL && pid != 0 && (known->pid == 0 || pid < known->pid))
		known->pid = pid;
	pthread_mutex_unlock(&hunt->mutex);
	return is_fatal(r) ? r : 0;
}

static int note_miss(struct hunt *hunt, uint64_t inode, pid_t pid, int code)
{
	int r;

	pthread_mutex_lock(&hunt->mutex);
	r = ph_reserve(&hunt->misses, hunt->miss_count, &hunt->miss_capacity,
	               sizeof(*hunt->misses));
	if (r == 0)
		hunt->misses[hunt->miss_count++] = (struct miss){ inode, pid, code };
	pthread_mutex_unlock(&hunt->mutex);
	return r;
}

/* Replaces the octal escapes of mountinfo (\040 for a space) by their bytes. */
static void unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
			               (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/*
 * A line of mountinfo: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS,
 * where ROOT is "net:[NUMBER]" for what is looked for. `directory` is the /proc/PID of a process in
 * that mount namespace. `line` is cut at its fields.
 */
static int note_mount(struct hunt *hunt, int directory, pid_t pid, char *line)
{
	char *field = line, *point, *end;
	struct stat status;
	uint64_t inode;
	int root, r;

	if (strstr(line, " - nsfs ") == NULL)
		return 0;
	for (int i = 0; i < 3 && field != NULL; i++) {
		field = strchr(field, ' ');
		field = field != NULL ? field + 1 : NULL;
	}
	point = field != NULL ? strchr(field, ' ') : NULL;
	end = point != NULL ? strchr(point + 1, ' ') : NULL;
	inode = point != NULL ? ph_scan_number(field, (size_t)(point - field), "net:[") : 0;
	if (inode == 0 || end == NULL || point[1] != '/')
		return 0;
	*end = '\0';
	unescape(point + 1);
	root = openat(directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return is_fatal(-errno) ? -errno : note_miss(hunt, inode, pid, -errno);
	/* Something else may be mounted above it: then it is not this namespace. */
	if (fstatat(root, point + 2, &status, AT_NO_AUTOMOUNT) < 0)
		r = note_miss(hunt, inode, pid, -errno);
	else if (status.st_ino != inode)
		r = note_miss(hunt, inode, pid, -EBUSY);
	else
		r = note(hunt, root, point + 2, inode, 0);
	close(root);
	return r;
}

/* Reads mountinfo piece by piece: it has no bound. A line that is longer than the buffer, which
 * holds two paths of the longest kind, is no line of the kernel's. */
static int note_mounts(struct hunt *hunt, int directory, pid_t pid)
{
	char *text = malloc(PH_SCAN_TEXT_BYTES), *line, *end;
	size_t length = 0;
	ssize_t got = 0;
	int fd, r = 0;

	if (text == NULL)
		return -ENOMEM;
	fd = openat(directory, "mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		r = is_fatal(-errno) ? -errno : 0;
	while (fd >= 0 && r == 0 && length < PH_SCAN_TEXT_BYTES - 1 &&
	       (got = read(fd, text + length, PH_SCAN_TEXT_BYTES - 1 - length)) > 0) {
		length += (size_t)got;
		text[length] = '\0';
		for (line = text; r == 0 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			r = note_mount(hunt, directory, pid, line);
		}
		length -= (size_t)(line - text);
		memmove(text, line, length);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	return r;
}

/* Whether this mount namespace is met for the first time. 1, 0 or -ENOMEM. */
static int is_new_mount(struct hunt *hunt, uint64_t inode)
{
	int r = 1;

	pthread_mutex_lock(&hunt->mutex);
	for (size_t i = 0; i < hunt->mount_count && r == 1; i++)
		if (hunt->mounts[i] == inode)
			r = 0;
	if (r == 1 && ph_reserve(&hunt->mounts, hunt->mount_count, &hunt->mount_capacity,
	                         sizeof(*hunt->mounts)) < 0)
		r = -ENOMEM;
	if (r == 1)
		hunt->mounts[hunt->mount_count++] = inode;
	pthread_mutex_unlock(&hunt->mutex);
	return r;
}

/* What a process or a thread is in. */
static int look_at_task(struct hunt *hunt, int directory, pid_t task)
{
	uint64_t inode;
	int r;

	if (ph_nsfile_number(directory, "ns/net", "net:[", &inode) == 0) {
		r = note(hunt, directory, "ns/net", inode, task);
		if (r < 0)
			return r;
	}
	if (ph_nsfile_number(directory, "ns/mnt", "mnt:[", &inode) < 0)
		return 0;
	r = is_new_mount(hunt, inode);
	return r > 0 ? note_mounts(hunt, directory, task) : r;
}

static int see_process(void *data, unsigned worker, struct ph_scan_process *process)
{
	(void)worker;
	return look_at_task(data, process->directory, process->pid);
}

static int see_thread(void *data, unsigned worker, struct ph_scan_process *process, int tasks,
                      const char *name)
{
	int directory, r;

	(void)worker;
	(void)process;
	directory = openat(tasks, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return is_fatal(-errno) ? -errno : 0;
	r = look_at_task(data, directory, (pid_t)strtol(name, NULL, 10));
	close(directory);
	return r;
}

static int see_descriptor(void *data, unsigned worker, struct ph_scan_process *process,
                          const struct ph_scan_link *link)
{
	uint64_t inode = ph_scan_number(link->text, link->length, "net:[");

	(void)worker;
	(void)process;
	return inode != 0 ? note(data, link->table, link->name, inode, 0) : 0;
}

/* A pidfd for the task whose table this is. -errno: none. */
static int pidfd_for(struct hunt *hunt, unsigned worker, const struct ph_scan_process *process,
                     const struct ph_scan_link *link)
{
	struct asked *asked = &hunt->asked[worker];
	unsigned flags = link->thread != process->pid ? THREAD_PIDFD : 0;

	if (asked->thread == link->thread && asked->pidfd >= 0)
		return asked->pidfd;
	if (asked->thread != 0 && asked->pidfd >= 0)
		close(asked->pidfd);
	asked->thread = link->thread;
	asked->pidfd = (int)syscall(SYS_pidfd_open, link->thread, flags);
	return asked->pidfd >= 0 ? asked->pidfd : -errno;
}

/*
 * The namespace of another process's socket: a descriptor, or -errno. The number of the process may
 * have been given to another one since its link was read, so the socket has to be the same.
 */
static int socket_namespace(int pidfd, const struct ph_scan_link *link, uint64_t inode)
{
	struct stat status;
	int fd, namespace;

	fd = (int)syscall(SYS_pidfd_getfd, pidfd, link->fd, 0);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || status.st_ino != inode)
	namespace = -EBADF;
	else if ((namespace = ioctl(fd, SIOCGSKNS)) < 0) namespace = -errno;
	close(fd);
	return namespace;
}

static int add_opened(struct hunt *hunt, int fd)
{
	struct ph_namespace opened = { .fd = fd };
	struct stat status;
	int r = 0;

	if (fstat(fd, &status) < 0) {
		close(fd);
		return 0;
	}
	opened.inode = status.st_ino;
	opened.dev = status.st_dev;
	pthread_mutex_lock(&hunt->mutex);
	if (find(hunt->found, opened.inode) == NULL)
		r = add(hunt->found, &opened);
	else
		ph_namespace_close(&opened);
	pthread_mutex_unlock(&hunt->mutex);
	return r;
}

static int see_socket(void *data, unsigned worker, struct ph_scan_process *process,
                      const struct ph_scan_link *link)
{
	struct hunt *hunt = data;
	uint64_t inode;
	int r;

	if (link->text[0] != 's')
		return 0;
	inode = ph_scan_number(link->text, link->length, "socket:[");
	if (inode == 0 || inode > UINT32_MAX || ph_inodes_have(hunt->known, (uint32_t)inode))
		return 0;
	r = pidfd_for(hunt, worker, process, link);
	if (r >= 0)
		r = socket_namespace(r, link, inode);
	if (r >= 0)
		return add_opened(hunt, r);
	if (is_fatal(r))
		return r;
	/* Closed meanwhile; of a thread's table it may mean that this kernel cannot ask it. */
	if ((r != -EBADF && r != -ESRCH) || link->thread != process->pid)
		__atomic_add_fetch(&hunt->unasked, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Those whose file could not be opened where it is mounted, and that nothing else led to. */
static int keep_misses(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->miss_count; i++) {
		const struct miss *miss = &hunt->misses[i];
		struct ph_namespace added = { .fd = -1, .inode = miss->inode };

		if (find(hunt->found, miss->inode) != NULL)
			continue;
		if (ph_reasons_add(&hunt->found->partial,
		                   "the network namespace net:[%" PRIu64 "] cannot be entered: its "
		                   "mount is in the mount namespace of process %d, where it could "
		                   "not be opened: %s",
		                   miss->inode, miss->pid, strerror(-miss->code)) < 0 ||
		    add(hunt->found, &added) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Those in /run/netns, in the order of names: where one has two, the first is its name. */
static int add_named(struct ph_context *context, struct ph_namespaces *found)
{
	struct ph_nsfile_names names;
	int r;

	r = ph_nsfile_names_read(context, &names);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		struct ph_namespace opened = { .fd = -1 };

		r = ph_nsfile_open(names.directory, names.items[i], &opened);
		if (r == -EACCES)
			r = ph_reasons_add(&found->partial,
			                   "a network namespace in %s/netns could not be opened: "
			                   "run it as root (sudo)",
			                   context->run);
		else if (r < 0 && !is_fatal(r))
			r = 0; /* a file that nothing is mounted on, here */
		else if (r == 0 && find(found, opened.inode) != NULL)
			ph_namespace_close(&opened);
		else if (r == 0 && (opened.name = strdup(names.items[i])) == NULL)
			r = -ENOMEM;
		if (r == 0 && opened.fd >= 0)
			r = add(found, &opened);
		else
			ph_namespace_close(&opened);
	}
	ph_nsfile_names_free(&names);
	return r;
}

static bool is_taken(const struct ph_namespaces *namespaces, const char *name)
{
	for (size_t i = 0; i < namespaces->count; i++)
		if (namespaces->items[i].name != NULL &&
		    strcmp(namespaces->items[i].name, name) == 0)
			return true;
	return false;
}

/* The container or the unit of the first process in it, if it still is. */
static int name_by_process(struct ph_context *context, struct ph_namespaces *namespaces,
                           struct ph_namespace *item)
{
	char pid[16], *name = NULL;
	uint64_t inode;
	int directory, r = 0;

	snprintf(pid, sizeof(pid), "%d", item->pid);
	directory = ph_open_below(context->proc, pid, O_PATH | O_DIRECTORY, NULL);
	if (directory < 0)
		return is_fatal(directory) ? directory : 0;
	if (ph_nsfile_number(directory, "ns/net", "net:[", &inode) == 0 && inode == item->inode)
		r = ph_nsfile_place_name(context, directory, &name);
	close(directory);
	if (name != NULL && !is_taken(namespaces, name))
		item->name = name;
	else
		free(name);
	return r;
}

static int by_pid(const void *a, const void *b)
{
	pid_t first = ((const struct ph_namespace *)a)->pid;
	pid_t second = ((const struct ph_namespace *)b)->pid;

	return (first > second) - (first < second);
}

static int by_inode(const void *a, const void *b)
{
	const struct ph_namespace *first = a, *second = b;

	if (first->own != second->own)
		return first->own ? -1 : 1;
	return (first->inode > second->inode) - (first->inode < second->inode);
}

/* Gives each a name of its own: of several in one unit, the one with the first process has it. */
static int name_all(struct ph_context *context, struct ph_namespaces *namespaces)
{
	int r = 0;

	qsort(namespaces->items, namespaces->count, sizeof(*namespaces->items), by_pid);
	for (size_t i = 0; i < namespaces->count && r == 0; i++) {
		struct ph_namespace *item = &namespaces->items[i];

		if (item->name == NULL && item->pid != 0)
			r = name_by_process(context, namespaces, item);
		if (r == 0 && item->name == NULL) {
			item->name = ph_nsfile_default_name(item->inode);
			r = item->name != NULL ? 0 : -ENOMEM;
		}
	}
	qsort(namespaces->items, namespaces->count, sizeof(*namespaces->items), by_inode);
	return r;
}

static void free_hunt(struct hunt *hunt)
{
	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++)
		if (hunt->asked[i].thread != 0 && hunt->asked[i].pidfd >= 0)
			close(hunt->asked[i].pidfd);
	pthread_mutex_destroy(&hunt->mutex);
	free(hunt->mounts);
	free(hunt->misses);
}

static int hunt_namespaces(struct ph_context *context, struct ph_namespaces *namespaces,
                           struct ph_error *error)
{
	struct hunt hunt = { .found = namespaces };
	const struct ph_scan_visitor visitor = {
		.enter = see_process,
		.thread = see_thread,
		.link = see_descriptor,
		.data = &hunt,
	};
	struct ph_scan scan;
	int r;

	pthread_mutex_init(&hunt.mutex, NULL);
	r = ph_scan_run(context, &visitor, &scan, error);
	if (r == 0) {
		r = keep_misses(&hunt);
		if (r == 0)
			r = ph_reasons_join(&namespaces->partial, &scan.partial);
		if (r == 0)
			r = name_all(context, namespaces);
		if (r < 0)
			ph_fail(error, r, "listing network namespaces: %s", strerror(-r));
	}
	ph_scan_free(&scan);
	free_hunt(&hunt);
	return r;
}

int ph_namespaces_read(struct ph_context *context, struct ph_namespaces *namespaces,
                       struct ph_error *error)
{
	struct ph_namespace own;
	int r;

	*namespaces = (struct ph_namespaces){ 0 };
	r = ph_namespace_own(context, &own, error);
	if (r < 0) {
		ph_namespace_close(&own);
		return r;
	}
	r = add(namespaces, &own);
	if (r == 0)
		r = add_named(context, namespaces);
	if (r < 0)
		return ph_fail(error, r, "listing network namespaces: %s", strerror(-r));
	return hunt_namespaces(context, namespaces, error);
}

static int name_added(struct ph_namespaces *namespaces, size_t first)
{
	for (size_t i = first; i < namespaces->count; i++) {
		namespaces->items[i].name = ph_nsfile_default_name(namespaces->items[i].inode);
		if (namespaces->items[i].name == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int add_unasked(struct ph_namespaces *namespaces, size_t count)
{
	return ph_reasons_add(&namespaces->partial,
	                      "%zu %s in no network namespace that was seen, and could not be "
	                      "asked for %s own: run it as root (sudo)",
	                      count, count == 1 ? "socket is" : "sockets are",
	                      count == 1 ? "its" : "their");
}

int ph_namespaces_add_held(struct ph_context *context, struct ph_namespaces *namespaces,
                           const uint32_t *known, size_t count, struct ph_error *error)
{
	struct hunt hunt = { .found = namespaces };
	const struct ph_scan_visitor visitor = { .link = see_socket, .data = &hunt };
	struct ph_scan scan = { 0 };
	struct ph_inodes inodes;
	size_t before = namespaces->count;
	int r;

	r = ph_inodes_make(&inodes, known, count);
	if (r < 0)
		return ph_fail(error, r, "looking for network namespaces: out of memory");
	pthread_mutex_init(&hunt.mutex, NULL);
	hunt.known = &inodes;
	r = ph_scan_run(context, &visitor, &scan, error);
	if (r == 0) {
		r = name_added(namespaces, before);
		if (r == 0 && hunt.unasked > 0)
			r = add_unasked(namespaces, hunt.unasked);
		if (r < 0)
			ph_fail(error, r, "looking for network namespaces: %s", strerror(-r));
	}
	ph_scan_free(&scan);
	free_hunt(&hunt);
	ph_inodes_free(&inodes);
	return r < 0 ? r : (int)(namespaces->count - before);
}
