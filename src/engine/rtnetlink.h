/* Dumps of rtnetlink(7), as links, routes, rules and neighbours need them. Of the engine's own. */
#ifndef ENGINE_RTNETLINK_H
#define ENGINE_RTNETLINK_H

#include <stdint.h>

#include "porthole/netlink.h"

/*
 * Dumps everything of every family: a request of `type` (RTM_GET...) with a header of `header_size`
 * zeroes, which is at most 32. An answer that was still interrupted after all repetitions is a
 * reason in `partial`. Returns 0, or -errno with `error` filled.
 */
int ph_rtnetlink_dump(struct ph_context *context, uint16_t type, size_t header_size,
                      const struct ph_dump *dump, struct ph_reasons *partial,
                      struct ph_error *error);

#endif
