/* Any text as a target: nothing out of scope comes of it. */
#include "porthole/targets.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_name(struct ph_context *context, const char *name, int family, struct ph_hosts *hosts,
                   struct ph_error *error)
{
	(void)context;
	(void)family;
	(void)hosts;
	return ph_fail(error, -ENOENT, "%.100s: no such name", name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ph_context context = { .cancel_fd = -1 };
	struct ph_scope scope = { 0 };
	struct ph_target_rules rules = { &scope, 0, no_name };
	struct ph_targets targets = { 0 };
	size_t first = size / 2;

	if (ph_scope_allow(&scope, "192.0.2.0/28", 12, NULL) < 0)
		abort();
	ph_targets_exclude(&context, &targets, (const char *)data, first, &rules, NULL);
	ph_targets_add(&context, &targets, (const char *)data + first, size - first, &rules, NULL);
	for (size_t i = 0; i < targets.count; i++)
		if (ph_scope_check(&scope, &targets.items[i].host, NULL) < 0)
			abort();
	ph_targets_free(&targets);
	ph_scope_free(&scope);
	return 0;
}
