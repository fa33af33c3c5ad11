/* Running an init script or one of its tools: without a shell, with a fixed environment. */
#ifndef ENGINE_UNITS_RUN_H
#define ENGINE_UNITS_RUN_H

#include <stdint.h>

#include "porthole/context.h"

/*
 * Runs `arguments[0]` with the arguments (ended by NULL), standard input /dev/null, output kept, in
 * a process group of its own in `/`, and waits for it, not for what it leaves in the background.
 * 0 with `*status` its exit status (128 + signal where one ended it) and `*output` owned text, at
 * most 64 KiB of bytes, its end; or -errno with `error` filled: -ENOENT, -EACCES, -ENOMEM,
 * -ETIMEDOUT and -ECANCELED (the group was ended).
 */
int run_program(struct ph_context *context, const char *const *arguments, uint64_t limit_us,
                int *status, char **output, struct ph_error *error);

/* Whether a script starts at boot: an S??NAME in one of /etc/rc2.d to rc5.d. */
bool run_script_enabled(struct ph_context *context, const char *script);

#endif
