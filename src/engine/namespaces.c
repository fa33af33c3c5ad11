/*
 * Namespaces: the own one, one that a user means, and running a query inside one. The walk that
 * finds all of them is in namespaces_walk.c.
 */
#include "porthole/namespaces.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsfiles.h"

/* Names longer than this are in no message. */
#define SHOWN_BYTES 64

/* For messages: text from outside only where it is harmless. */
static const char *shown(const char *text)
{
	if (strlen(text) > SHOWN_BYTES)
		return "(a long name)";
	for (const char *c = text; *c != '\0'; c++)
		if (!isprint((unsigned char)*c) || (unsigned char)*c > 126)
			return "(a name with special characters)";
	return text;
}

void ph_namespace_close(struct ph_namespace *found)
{
	free(found->name);
	if (found->fd >= 0)
		close(found->fd);
	*found = (struct ph_namespace){ .fd = -1 };
}

void ph_namespaces_free(struct ph_namespaces *namespaces)
{
	for (size_t i = 0; i < namespaces->count; i++)
		ph_namespace_close(&namespaces->items[i]);
	free(namespaces->items);
	ph_reasons_free(&namespaces->partial);
	*namespaces = (struct ph_namespaces){ 0 };
}

/* The thread's own namespace, without its name. */
static int open_own(struct ph_context *context, struct ph_namespace *own, struct ph_error *error)
{
	int proc, r;

	*own = (struct ph_namespace){ .fd = -1, .own = true };
	proc = ph_open_below(context->proc, ".", O_PATH | O_DIRECTORY, error);
	if (proc < 0)
		return proc;
	r = ph_nsfile_open(proc, "thread-self/ns/net", own);
	/* It is known by its number even where its file may not be opened. */
	if (r < 0 && r != -EMFILE && r != -ENFILE)
		r = ph_nsfile_number(proc, "thread-self/ns/net", "net:[", &own->inode);
	close(proc);
	if (r < 0)
		return ph_fail(error, r, "reading %s/thread-self/ns/net: %s", context->proc,
		               strerror(-r));
	return 0;
}

/* Its name in /run/netns, else the number. */
static int set_name(struct ph_context *context, struct ph_namespace *found)
{
	struct ph_nsfile_names names;
	const char *name;
	int r;

	r = ph_nsfile_names_read(context, &names);
	if (r == 0) {
		name = ph_nsfile_names_find(&names, found);
		if (name != NULL) {
			free(found->name);
			found->name = strdup(name);
		} else if (found->name == NULL) {
			found->name = ph_nsfile_default_name(found->inode);
		}
		r = found->name != NULL ? 0 : -ENOMEM;
	}
	ph_nsfile_names_free(&names);
	return r;
}

int ph_namespace_own(struct ph_context *context, struct ph_namespace *own, struct ph_error *error)
{
	int r = open_own(context, own, error);

	if (r < 0)
		return r;
	r = set_name(context, own);
	if (r < 0)
		return ph_fail(error, r, "naming the own network namespace: %s", strerror(-r));
	return 0;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strlen(text) <= 10 && strspn(text, "0123456789") == strlen(text);
}

static int open_process(struct ph_context *context, const char *pid, struct ph_namespace *found,
                        struct ph_error *error)
{
	int directory, r;

	directory = ph_open_below(context->proc, pid, O_PATH | O_DIRECTORY, NULL);
	if (directory < 0)
		return ph_fail(error, -ESRCH,
		               "no process %s and no namespace of that name in %s/netns", pid,
		               context->run);
	r = ph_nsfile_open(directory, "ns/net", found);
	if (r == 0) {
		found->pid = (pid_t)strtol(pid, NULL, 10);
		r = ph_nsfile_place_name(context, directory, &found->name);
	}
	close(directory);
	/* A zombie has no namespaces any more. */
	if (r == -ENOENT)
		r = -ESRCH;
	if (r < 0)
		return ph_fail(error, r, "the network namespace of process %s: %s%s", pid,
		               strerror(-r), r == -EACCES ? ": run it as root (sudo)" : "");
	return 0;
}

static int open_path(const char *path, struct ph_namespace *found, struct ph_error *error)
{
	int r = ph_nsfile_open(AT_FDCWD, path, found);

	if (r == -EINVAL)
		return ph_fail(error, r, "%s is not the file of a network namespace", shown(path));
	if (r < 0)
		return ph_fail(error, r, "opening the network namespace %s: %s%s", shown(path),
		               strerror(-r), r == -EACCES ? ": run it as root (sudo)" : "");
	return 0;
}

/* One that has no name in /run/netns, by the name that ph_namespaces_read() gives it. */
static int open_listed(struct ph_context *context, const char *name, struct ph_namespace *found,
                       struct ph_error *error)
{
	struct ph_namespaces all;
	int r;

	r = ph_namespaces_read(context, &all, error);
	for (size_t i = 0; r == 0 && i < all.count; i++) {
		if (strcmp(all.items[i].name, name) != 0 || all.items[i].fd < 0)
			continue;
		*found = all.items[i];
		all.items[i] = (struct ph_namespace){ .fd = -1 };
	}
	ph_namespaces_free(&all);
	if (r == 0 && found->fd < 0)
		return ph_fail(error, -ENOENT,
		               "no network namespace is called %s: see \"ip netns list\"",
		               shown(name));
	return r;
}

/* A name in /run/netns. 1: there is none. */
static int open_name(struct ph_context *context, const char *name, struct ph_namespace *found,
                     struct ph_error *error)
{
	int directory, r;

	directory = ph_open_below(context->run, "netns", O_PATH | O_DIRECTORY, NULL);
	if (directory < 0)
		return 1;
	r = ph_nsfile_open(directory, name, found);
	close(directory);
	if (r == -ENOENT || r == -ENAMETOOLONG)
		return 1;
	if (r < 0)
		return ph_fail(error, r, "the network namespace %s in %s/netns: %s", shown(name),
		               context->run,
		               r == -EINVAL ? "is not the file of one: it was not made in this "
		                              "mount namespace"
		                            : strerror(-r));
	found->name = strdup(name);
	return found->name != NULL ? 0 : ph_fail(error, -ENOMEM, "out of memory");
}

int ph_namespace_open(struct ph_context *context, const char *which, struct ph_namespace *found,
                      struct ph_error *error)
{
	struct ph_namespace own;
	int r;

	*found = (struct ph_namespace){ .fd = -1 };
	if (*which == '\0')
		return ph_fail(error, -ENOENT, "a network namespace has no empty name");
	if (strchr(which, '/') != NULL)
		r = open_path(which, found, error);
	else
		r = open_name(context, which, found, error);
	if (r > 0)
		r = is_number(which) ? open_process(context, which, found, error)
		                     : open_listed(context, which, found, error);
	if (r < 0)
		return r;
	r = open_own(context, &own, error);
	if (r == 0 && own.inode == found->inode) {
		found->own = true;
		/* As ph_namespace_own() calls it. */
		free(found->name);
		found->name = NULL;
	}
	ph_namespace_close(&own);
	if (r < 0)
		return r;
	r = set_name(context, found);
	return r < 0 ? ph_fail(error, r, "naming a network namespace: %s", strerror(-r)) : 0;
}

struct visit {
	int fd;
	int (*function)(void *data);
	void *data;
	int entered; /* 0, or -errno: the function was not called */
	int result;
};

static void *visit(void *data)
{
	struct visit *visit = data;

	if (setns(visit->fd, CLONE_NEWNET) < 0)
		visit->entered = -errno;
	else
		visit->result = visit->function(visit->data);
	return NULL;
}

/* Runs visit() on a thread without signals and waits for its end. 0 or -errno. */
static int run_thread(struct visit *what)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, visit, what);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_join(thread, NULL);
	return -r;
}

int ph_namespace_run(const struct ph_namespace *where, int (*function)(void *data), void *data,
                     struct ph_error *error)
{
	struct visit visit_there = { .fd = where->fd, .function = function, .data = data };
	const char *name = where->name != NULL ? shown(where->name) : "(without a name)";
	int r;

	if (where->own)
		return function(data);
	if (where->fd < 0)
		return ph_fail(error, -EBADF, "the network namespace %s could not be opened", name);
	r = run_thread(&visit_there);
	if (r < 0)
		return ph_fail(error, r, "entering the network namespace %s: no thread: %s", name,
		               strerror(-r));
	r = visit_there.entered;
	if (r < 0)
		return ph_fail(error, r, "entering the network namespace %s: %s%s", name,
		               strerror(-r), r == -EPERM ? ": run it as root (sudo)" : "");
	return visit_there.result;
}
