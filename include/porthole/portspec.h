/*
 * Port specifications: the grammar that nmap(1) documents for -p. Lists, ranges, "-100", "60000-",
 * "-", sections "T:" and "U:", service names with the wildcards * and ?, and ranges in brackets,
 * which mean the registered ports among them.
 */
#ifndef PORTHOLE_PORTSPEC_H
#define PORTHOLE_PORTSPEC_H

#include "porthole/services.h"

#define PH_PORT_COUNT 65536

/* A set of ports; walked in ascending order. */
struct ph_ports {
	uint64_t words[PH_PORT_COUNT / 64];
};

#define PH_PORTS_TCP 1u
#define PH_PORTS_UDP 2u

struct ph_portspec {
	struct ph_ports tcp, udp;
};

void ph_ports_add(struct ph_ports *ports, unsigned low, unsigned high);
bool ph_ports_has(const struct ph_ports *ports, unsigned port);
size_t ph_ports_count(const struct ph_ports *ports);
/* The first port of the set that is `from` or above; -1: none. */
int ph_ports_next(const struct ph_ports *ports, unsigned from);

/*
 * Reads a specification. `plain` (PH_PORTS_*) says which protocols a port outside of any section
 * means. Names are looked up in `services`, which may be NULL: then there are none. Returns 0, or
 * -EINVAL with `error` filled: what is wrong, and at which item.
 */
int ph_portspec_parse(const char *text, size_t length, unsigned plain,
                      const struct ph_services *services, struct ph_portspec *spec,
                      struct ph_error *error);

#endif
