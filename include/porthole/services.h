/*
 * Services: which name goes with which port. Asked in this order: the user's own file, services(5)
 * `/etc/services`, and the IANA Service Name and Transport Protocol Port Number Registry (RFC
 * 6335), which is embedded.
 */
#ifndef PORTHOLE_SERVICES_H
#define PORTHOLE_SERVICES_H

#include <stdint.h>

#include "porthole/context.h"

enum ph_service_source { PH_SERVICE_USER, PH_SERVICE_ETC, PH_SERVICE_IANA };

struct ph_service {
	const char *name;
	const char *const *aliases; /* NULL-terminated, never NULL */
	const char *proto; /* "tcp", "udp", "sctp", "dccp", or whatever the file says */
	/* The registry's, or the comment on the file's line; "" where there is none. Bytes. */
	const char *description;
	uint16_t port, last_port; /* last_port: of a range of the registry; else it is `port` */
	uint8_t source; /* enum ph_service_source */
};

struct ph_services;

/*
 * Reads the registry's files once. ph_services_free() releases it; what it hands out lives as long
 * as it does. Lines that are no services(5) lines are passed over; a missing file, or one that
 * this user may not read, is no error. Returns 0, or -errno with `error` filled: -ENOMEM, -EFBIG (a
 * file over 4 MiB).
 */
int ph_services_load(struct ph_context *context, struct ph_services **services,
                     struct ph_error *error);
void ph_services_free(struct ph_services *services);

/*
 * The registry of one services(5) text, as if it were the file of `source` and the only one. The
 * text is copied. 0 or -ENOMEM.
 */
int ph_services_parse(const char *text, size_t length, enum ph_service_source source,
                      struct ph_services **services, struct ph_error *error);

/*
 * The first entry in the order of sources, or NULL; an entry of that very port comes before one
 * whose range holds it. `proto` NULL: tcp, then udp, then any other, of the first source that knows
 * the port. Looking up fills entries in `services`: one thread at a time.
 */
const struct ph_service *ph_services_by_port(const struct ph_services *services, uint16_t port,
                                             const char *proto);
/* By name or alias, otherwise like by_port; ASCII letters' case is folded only where no exact name
 * fits. */
const struct ph_service *ph_services_by_name(const struct ph_services *services, const char *name,
                                             const char *proto);
/* All entries, by source, then in the file's order. NULL beyond the last. */
const struct ph_service *ph_services_at(const struct ph_services *services, size_t index);
size_t ph_services_count(const struct ph_services *services);

#endif
