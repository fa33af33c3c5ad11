/*
 * Names -> addresses through getaddrinfo(3), which knows no way to be interrupted: it runs in a
 * thread of its own that outlives an impatient caller. What both share is freed by whoever leaves
 * last.
 */
#include "porthole/targets.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
	int left; /* who still uses this: the thread, the caller */
	int done_fd; /* eventfd */
	int family;
	int result; /* of getaddrinfo() */
	struct addrinfo *addresses;
	char name[256];
};

static void leave_lookup(struct lookup *lookup)
{
	if (__atomic_sub_fetch(&lookup->left, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (lookup->addresses != NULL)
		freeaddrinfo(lookup->addresses);
	close(lookup->done_fd);
	free(lookup);
}

static void *run_lookup(void *data)
{
	struct lookup *lookup = data;
	struct addrinfo hints = { .ai_family = lookup->family, .ai_socktype = SOCK_STREAM };
	uint64_t one = 1;

	lookup->result = getaddrinfo(lookup->name, NULL, &hints, &lookup->addresses);
	while (write(lookup->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	leave_lookup(lookup);
	return NULL;
}

/* Signals are the caller's: a handler that ran in this thread would find nothing that it knows. */
static int start_thread(struct lookup *lookup)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	r = pthread_attr_init(&attributes);
	if (r != 0)
		return -r;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, run_lookup, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

static int failed_lookup(const struct lookup *lookup, struct ph_error *error)
{
	int code = -EIO;

	if (lookup->result == EAI_NONAME || lookup->result == EAI_NODATA)
		return ph_fail(error, -ENOENT, "%s: no %s address of this name is known",
		               lookup->name,
		               lookup->family == AF_INET6  ? "IPv6"
		               : lookup->family == AF_INET ? "IPv4"
		                                           : "IP");
	if (lookup->result == EAI_AGAIN)
		code = -EAGAIN;
	else if (lookup->result == EAI_MEMORY)
		code = -ENOMEM;
	return ph_fail(error, code, "%s: looking up the name: %s", lookup->name,
	               gai_strerror(lookup->result));
}

static int take_addresses(const struct lookup *lookup, struct ph_hosts *hosts,
                          struct ph_error *error)
{
	if (lookup->result != 0)
		return failed_lookup(lookup, error);
	for (const struct addrinfo *each = lookup->addresses; each != NULL; each = each->ai_next) {
		struct ph_host host;
		uint16_t port;

		if (ph_host_from(each->ai_addr, &host, &port) < 0)
			continue;
		if (ph_reserve(&hosts->items, hosts->count, &hosts->capacity,
		               sizeof(*hosts->items)) < 0)
			return ph_fail(error, -ENOMEM, "%s: looking up the name: out of memory",
			               lookup->name);
		hosts->items[hosts->count++] = host;
	}
	return 0;
}

static int wait_for(struct ph_context *context, const struct lookup *lookup, struct ph_error *error)
{
	struct pollfd events[2] = {
		{ .fd = lookup->done_fd, .events = POLLIN },
		{ .fd = context->cancel_fd, .events = POLLIN },
	};

	for (;;) {
		if (ph_cancelled(context))
			return ph_fail(error, -ECANCELED, "%s: looking up the name: cancelled",
			               lookup->name);
		if (poll(events, 2, -1) > 0 && (events[0].revents & POLLIN))
			return 0;
	}
}

int ph_resolve(struct ph_context *context, const char *name, int family, struct ph_hosts *hosts,
               struct ph_error *error)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	int r;

	if (lookup == NULL)
		return ph_fail(error, -ENOMEM, "looking up a name: out of memory");
	lookup->left = 2;
	lookup->family = family;
	strncpy(lookup->name, name, sizeof(lookup->name) - 1);
	lookup->done_fd = eventfd(0, EFD_CLOEXEC);
	r = lookup->done_fd < 0 ? -errno : start_thread(lookup);
	if (r < 0) {
		if (lookup->done_fd >= 0)
			close(lookup->done_fd);
		free(lookup);
		return ph_fail(error, r, "%s: looking up the name: %s", name, strerror(-r));
	}
	r = wait_for(context, lookup, error);
	if (r == 0)
		r = take_addresses(lookup, hosts, error);
	leave_lookup(lookup);
	return r;
}
