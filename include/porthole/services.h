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
	const char *description; /* "" where there is none */
	uint16_t port;
	uint8_t source; /* enum ph_service_source */
};

struct ph_services;

/*
 * Reads the registry's files once. ph_services_free() releases it; what it hands out lives as long
 * as it does. Lines that are no services(5) lines are passed over; a missing file is no error.
 * Returns 0, or -errno with `error` filled: -ENOMEM, -EACCES, -EFBIG (a file over 4 MiB).
 */
int ph_services_load(struct ph_context *context, struct ph_services **services,
                     struct ph_error *error);
void ph_services_free(struct ph_services *services);

/* The first entry in the order of sources, or NULL. `proto` NULL: tcp, then udp, then any other. */
const struct ph_service *ph_services_by_port(const struct ph_services *services, uint16_t port,
                                             const char *proto);
/* Names and aliases; ASCII letters' case is folded only where no exact name fits. */
const struct ph_service *ph_services_by_name(const struct ph_services *services, const char *name,
                                             const char *proto);
/* All entries, by source, then in the file's order. */
const struct ph_service *ph_services_at(const struct ph_services *services, size_t index);
size_t ph_services_count(const struct ph_services *services);

#endif
