/*
 * The context, errors and reasons: what every other module of the engine stands on.
 */
#include "porthole/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int ph_fail(struct ph_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (error != NULL) {
		error->code = code;
		va_start(arguments, format);
		vsnprintf(error->message, sizeof(error->message), format, arguments);
		va_end(arguments);
	}
	return code;
}

int ph_context_open(struct ph_context *context, struct ph_error *error)
{
	*context = (struct ph_context){
		.proc = "/proc",
		.etc = "/etc",
		.run = "/run",
		.sys = "/sys",
		.cancel_fd = -1,
	};
	context->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (context->cancel_fd < 0)
		return ph_fail(error, -errno, "starting: no descriptor for the cancel event: %s",
		               strerror(errno));
	return 0;
}

void ph_context_close(struct ph_context *context)
{
	if (context->cancel_fd >= 0)
		close(context->cancel_fd);
	context->cancel_fd = -1;
}

void ph_cancel(struct ph_context *context)
{
	int saved = errno;
	uint64_t one = 1;

	__atomic_store_n(&context->cancelled, 1, __ATOMIC_RELAXED);
	if (context->cancel_fd >= 0 && write(context->cancel_fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is readable already */
	errno = saved;
}

void ph_cancel_reset(struct ph_context *context)
{
	uint64_t count;

	__atomic_store_n(&context->cancelled, 0, __ATOMIC_RELAXED);
	if (context->cancel_fd >= 0 && read(context->cancel_fd, &count, sizeof(count)) < 0)
		return; /* empty already */
}

int ph_open_below(const char *root, const char *path, int flags, struct ph_error *error)
{
	int directory, fd, saved;

	directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return ph_fail(error, -errno, "opening %s: %s", root, strerror(errno));
	fd = openat(directory, path, flags | O_RDONLY | O_CLOEXEC);
	saved = errno;
	close(directory);
	if (fd < 0)
		return ph_fail(error, -saved, "opening %s/%s: %s", root, path, strerror(saved));
	return fd;
}

/* Reads until the end; grows the text as it goes, since files in /proc have no size. */
static int read_all(int fd, size_t limit, char **text, size_t *length)
{
	size_t capacity = 0;

	*text = NULL;
	*length = 0;
	for (;;) {
		ssize_t got;

		/* Room for what comes and for the final NUL. */
		if (*length + 4096 > capacity) {
			char *larger = realloc(*text, capacity ? capacity * 2 : 8192);

			if (larger == NULL)
				return -ENOMEM;
			*text = larger;
			capacity = capacity ? capacity * 2 : 8192;
		}
		got = read(fd, *text + *length, capacity - *length - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		*length += (size_t)got;
		if (*length > limit)
			return -EFBIG;
	}
	(*text)[*length] = '\0';
	return 0;
}

int ph_read_below(const char *root, const char *path, size_t limit, char **text, size_t *length,
                  struct ph_error *error)
{
	size_t count;
	int fd, r;

	*text = NULL;
	fd = ph_open_below(root, path, 0, error);
	if (fd < 0)
		return fd;
	r = read_all(fd, limit, text, &count);
	close(fd);
	if (r < 0) {
		free(*text);
		*text = NULL;
		return ph_fail(error, r, "reading %s/%s: %s", root, path, strerror(-r));
	}
	if (length != NULL)
		*length = count;
	return 0;
}

static int add_reason(struct ph_reasons *reasons, const char *sentence)
{
	char **larger;

	for (size_t i = 0; i < reasons->count; i++)
		if (strcmp(reasons->items[i], sentence) == 0)
			return 0;
	larger = realloc(reasons->items, (reasons->count + 1) * sizeof(*larger));
	if (larger == NULL)
		return -ENOMEM;
	reasons->items = larger;
	larger[reasons->count] = strdup(sentence);
	if (larger[reasons->count] == NULL)
		return -ENOMEM;
	reasons->count++;
	return 0;
}

int ph_reasons_add(struct ph_reasons *reasons, const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	return add_reason(reasons, sentence);
}

int ph_reasons_join(struct ph_reasons *reasons, const struct ph_reasons *other)
{
	for (size_t i = 0; i < other->count; i++)
		if (add_reason(reasons, other->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

void ph_reasons_free(struct ph_reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		free(reasons->items[i]);
	free(reasons->items);
	*reasons = (struct ph_reasons){ 0 };
}

int ph_reserve(void *items, size_t count, size_t *capacity, size_t size)
{
	size_t room = *capacity ? *capacity * 2 : 16;
	void *larger, *old;

	if (count < *capacity)
		return 0;
	/* The caller's pointer has a type of its own: go through its bytes, not through an alias.
	 */
	memcpy(&old, items, sizeof(old));
	larger = reallocarray(old, room, size);
	if (larger == NULL)
		return -ENOMEM;
	memcpy(items, &larger, sizeof(larger));
	*capacity = room;
	/* cppcheck-suppress memleak ; it is the caller's, through `items` */
	return 0;
}
