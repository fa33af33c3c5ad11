/*
 * The context: what every engine call is told from outside. Roots of the file systems that are
 * read, so that tests can replay recorded trees; the way to the kernel's netlink, so that tests can
 * replay recorded dumps; limits; and the cancel flag, so that Ctrl-C ends every wait. The engine
 * has no other state: nothing global, nothing cached behind the caller.
 */
#ifndef PORTHOLE_CONTEXT_H
#define PORTHOLE_CONTEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define PH_ERROR_MESSAGE_BYTES 256

/* Why a call failed. `message` says what happened, to what, why and what to do next; never raw
 * bytes from outside. */
struct ph_error {
	int code; /* negative errno */
	char message[PH_ERROR_MESSAGE_BYTES];
};

/* Reasons why a result is incomplete, each a sentence. Empty when everything was seen. Owned by the
 * result it is in. */
struct ph_reasons {
	char **items;
	size_t count;
};

struct ph_transport;

struct ph_context {
	const char *proc; /* root of proc(5), "/proc" */
	const char *etc; /* "/etc" */
	const char *run; /* "/run" */
	const char *sys; /* "/sys" */
	const char *user_services; /* the user's own services(5) file, or NULL */
	/* How netlink messages travel (netlink.h); NULL: through the kernel's sockets. */
	const struct ph_transport *transport;
	void *transport_data; /* handed to the transport's functions */
	unsigned threads; /* most threads for reading /proc; 0: as many as pay off */
	int cancel_fd; /* eventfd, readable once cancelled; for poll sets. -1: none */
	volatile int cancelled; /* set by ph_cancel(), from a signal handler or another thread */
};

/*
 * Fills the context with this host's roots and makes its eventfd. ph_context_close() releases it.
 * Returns 0, or -errno with `error` filled (-EMFILE: no descriptor for the eventfd).
 */
int ph_context_open(struct ph_context *context, struct ph_error *error);
void ph_context_close(struct ph_context *context);

/* Asks whatever runs in this context to end soon with -ECANCELED. Async-signal-safe; errno is kept.
 */
void ph_cancel(struct ph_context *context);

/* Makes the context usable again after a cancellation. */
void ph_cancel_reset(struct ph_context *context);

static inline bool ph_cancelled(const struct ph_context *context)
{
	return __atomic_load_n(&context->cancelled, __ATOMIC_RELAXED) != 0;
}

/* Fills `error` (which may be NULL) and returns `code`, a negative errno. A message too long for
 * its room is cut. */
int ph_fail(struct ph_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Opens `path`, relative to `root` (one of the context's roots), for reading, close-on-exec. A
 * descriptor or -errno. */
int ph_open_below(const char *root, const char *path, int flags, struct ph_error *error);

/* Reads a whole file below `root` into a NUL-terminated buffer that the caller frees; at most
 * `limit` bytes (else -EFBIG). */
int ph_read_below(const char *root, const char *path, size_t limit, char **text, size_t *length,
                  struct ph_error *error);

/* Adds a reason unless the same sentence is there. 0 or -ENOMEM. */
int ph_reasons_add(struct ph_reasons *reasons, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Adds copies of all reasons of `other`. 0 or -ENOMEM. */
int ph_reasons_join(struct ph_reasons *reasons, const struct ph_reasons *other);
void ph_reasons_free(struct ph_reasons *reasons);

/*
 * Makes room for one more item in an array that doubles: `*items` has `count` items of `size` bytes
 * in room for
 * `*capacity`. 0 or -ENOMEM, the array then being as it was.
 */
int ph_reserve(void *items, size_t count, size_t *capacity, size_t size);

#endif
