/*
 * Counters: what the protocols have counted in this namespace. Sources: proc(5) /proc/net/snmp,
 * netstat, snmp6 and sctp/snmp; RFC 4293, RFC 4022, RFC 4113 and the kernel's
 * Documentation/networking/snmp_counter.rst for what the names mean.
 */
#ifndef PORTHOLE_COUNTERS_H
#define PORTHOLE_COUNTERS_H

#include <stdint.h>

#include "porthole/context.h"

enum ph_counter_source {
	PH_COUNTER_SNMP, /* /proc/net/snmp */
	PH_COUNTER_NETSTAT, /* /proc/net/netstat */
	PH_COUNTER_SNMP6, /* /proc/net/snmp6 */
	PH_COUNTER_SCTP, /* /proc/net/sctp/snmp, only with the module */
	PH_COUNTER_SOURCES
};

struct ph_counter {
	char protocol[16]; /* "Ip", "Tcp", "TcpExt", "Ip6", "Sctp", ...; bytes */
	char name[48]; /* "InReceives"; bytes */
	uint64_t value; /* if `negative`, in two's complement */
	bool negative; /* as Tcp's MaxConn is, -1 */
	uint8_t source; /* enum ph_counter_source */
};

struct ph_counters {
	struct ph_counter *items; /* owned: by source, then in the file's order */
	size_t count, capacity;
	struct ph_reasons partial; /* lines that could not be understood */
};

/*
 * Reads all counters of this thread's network namespace; a missing file has none.
 * ph_counters_free() releases the result, also after a failure. Returns 0, or -errno with `error`
 * filled: -ENOMEM, -ECANCELED, -EACCES, -EFBIG (a file over 64 MiB).
 */
int ph_counters_read(struct ph_context *context, struct ph_counters *counters,
                     struct ph_error *error);
void ph_counters_free(struct ph_counters *counters);

/*
 * Adds the counters of one such text. snmp and netstat have a line of names and a line of values
 * for each protocol ("Tcp: MaxConn", "Tcp: -1"); snmp6 and sctp a line for each counter
 * ("Ip6InReceives 5"), whose protocol is the beginning of its name. 0 or -ENOMEM.
 */
int ph_counters_parse(const char *text, size_t length, enum ph_counter_source source,
                      struct ph_counters *counters);

/* "snmp", "netstat", "snmp6", "sctp/snmp": the file below /proc/net. NULL beyond the last. */
const char *ph_counter_source_name(unsigned source);

/* The counter of this protocol and name, or NULL. Borrowed. */
const struct ph_counter *ph_counters_find(const struct ph_counters *counters, const char *protocol,
                                          const char *name);

#endif
