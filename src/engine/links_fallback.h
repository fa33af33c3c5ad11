/* Links without rtnetlink. Of the engine's own. */
#ifndef ENGINE_LINKS_FALLBACK_H
#define ENGINE_LINKS_FALLBACK_H

#include "porthole/links.h"

/*
 * Fills the empty `links` from /proc/net/dev, /proc/net/if_inet6 and the ioctls of netdevice(7),
 * where rtnetlink is refused (seccomp in containers). Kinds, masters, parents and operational
 * states stay unknown, and a reason says so. Returns 0, or -errno with `error` filled.
 */
int ph_links_fallback(struct ph_context *context, struct ph_links *links, struct ph_error *error);

/* Adds the devices of a text like /proc/net/dev, with their counters, and the addresses of one like
 * if_inet6. 0 or -ENOMEM.
 */
int ph_links_parse_dev(const char *text, size_t length, struct ph_links *links);
int ph_links_parse_inet6(const char *text, size_t length, struct ph_links *links);

#endif
