/*
 * Files of /proc/net. Source: proc(5): /proc/net is /proc/self/net, which is the network namespace
 * of the process's first thread; another thread's is below thread-self.
 */
#include "engine/procnet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define FILE_LIMIT ((size_t)64 << 20)

/* Whether the tree has thread-self: a recorded one may not. */
static bool has_thread_self(const struct ph_context *context)
{
	int fd = ph_open_below(context->proc, "thread-self", O_PATH | O_DIRECTORY, NULL);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int ph_procnet_read(struct ph_context *context, const char *name, char **text, size_t *length,
                    struct ph_error *error)
{
	char path[128];
	int r;

	*text = NULL;
	*length = 0;
	if (ph_cancelled(context))
		return ph_fail(error, -ECANCELED, "reading %s: cancelled", name);
	snprintf(path, sizeof(path), "thread-self/net/%s", name);
	r = ph_read_below(context->proc, path, FILE_LIMIT, text, length, error);
	if (r == -ENOENT && !has_thread_self(context))
		r = ph_read_below(context->proc, path + strlen("thread-self/"), FILE_LIMIT, text,
		                  length, error);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	return r < 0 ? r : 1;
}
