/*
 * Probes: many TCP connections or UDP datagrams at once, to tell which ports of which addresses are
 * open. TCP by connect(2) alone, so no privilege is needed. Sources: tcp(7), udp(7), ip(7)
 * (IP_RECVERR, IP_LOCAL_PORT_RANGE), RFC 792, RFC 4443, RFC 9293; states and reasons as nmap(1)
 * names them.
 */
#ifndef PORTHOLE_PROBE_H
#define PORTHOLE_PROBE_H

#include "porthole/portspec.h"
#include "porthole/targets.h"

/* Most rows of one run. */
#define PH_PROBES_MAX (1u << 24)

enum ph_probe_proto { PH_PROBE_TCP, PH_PROBE_UDP };

enum ph_probe_state {
	PH_PROBE_UNKNOWN, /* not yet; never in a result */
	PH_PROBE_OPEN,
	PH_PROBE_CLOSED,
	PH_PROBE_FILTERED,
	PH_PROBE_OPEN_FILTERED, /* UDP that stays silent */
	PH_PROBE_STATE_COUNT
};

enum ph_probe_reason {
	PH_REASON_NONE,
	PH_REASON_SYN_ACK,
	PH_REASON_UDP_RESPONSE,
	PH_REASON_CONN_REFUSED,
	PH_REASON_NO_RESPONSE,
	PH_REASON_NET_UNREACH,
	PH_REASON_HOST_UNREACH,
	PH_REASON_PROTO_UNREACH,
	PH_REASON_PORT_UNREACH,
	PH_REASON_NET_PROHIBITED,
	PH_REASON_HOST_PROHIBITED,
	PH_REASON_ADMIN_PROHIBITED,
	PH_REASON_TIME_EXCEEDED,
	PH_REASON_DEST_UNREACH, /* another ICMP error */
	PH_REASON_LOCAL_ERROR, /* this host could not send */
	PH_REASON_COUNT
};

struct ph_probe {
	uint32_t target; /* index into the targets that were asked for */
	uint32_t rtt_us; /* until the answer; 0: there was none */
	uint16_t port;
	uint8_t proto; /* enum ph_probe_proto */
	uint8_t state; /* enum ph_probe_state */
	uint8_t reason; /* enum ph_probe_reason */
	uint8_t tries; /* how often it was asked */
};

struct ph_probes {
	struct ph_probe *items; /* owned; by target, protocol, port */
	size_t count;
	uint64_t elapsed_us;
	bool cancelled; /* ports that were not judged are left out, and `partial` says so */
	struct ph_reasons partial;
};

/* What a UDP port is sent, so that its service answers. Without one it is sent no bytes at all. */
struct ph_payload {
	uint16_t port;
	uint16_t length;
	const void *bytes;
};

struct ph_probe_plan {
	const struct ph_target *targets; /* every one of them is probed: check the scope before */
	size_t target_count;
	const struct ph_portspec *ports;
	const struct ph_portspec *own_ports; /* for this host's own addresses; NULL: `ports` */
	const struct ph_payload *payloads; /* by port, ascending */
	size_t payload_count;
	unsigned timeout_us; /* most to wait for an answer to one try; 0: 3 s */
	unsigned retries; /* more tries of silent ports */
	unsigned rate; /* most packets a second; 0: as fast as they are answered */
	unsigned window; /* most probes under way; 0: adapt */
	unsigned threads; /* 0: as many as pay off */
	/* Called about ten times a second from the calling thread; NULL: not. */
	void (*progress)(void *data, size_t done, size_t total);
	void *progress_data;
};

/*
 * Probes every port of the plan. ph_probes_free() releases the result, also after a failure. A
 * cancelled context gives what is known so far. Returns 0, or -errno with `error` filled: -E2BIG
 * (more than PH_PROBES_MAX rows), -ENOMEM, -EMFILE (not one descriptor was to be had).
 */
int ph_probe(struct ph_context *context, const struct ph_probe_plan *plan, struct ph_probes *probes,
             struct ph_error *error);
void ph_probes_free(struct ph_probes *probes);

/* "open", "closed", "filtered", "open|filtered"; NULL: none. */
const char *ph_probe_state_name(unsigned state);
/* "syn-ack", "conn-refused", "no-response", ...; NULL: none. */
const char *ph_probe_reason_name(unsigned reason);

#endif
