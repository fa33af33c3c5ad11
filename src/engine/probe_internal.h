/* What the parts of the probe engine share. */
#ifndef ENGINE_PROBE_INTERNAL_H
#define ENGINE_PROBE_INTERNAL_H

#include "porthole/probe.h"

/* Rows [begin, end) of the result: what a worker takes at a time. */
struct probe_job {
	uint32_t begin, end;
};

struct probe_range { /* of local ports; 0: none */
	uint16_t low, high;
};

/* One run of ph_probe(), shared by its workers. */
struct probe_run {
	struct ph_context *context;
	const struct ph_probe_plan *plan;
	struct ph_probe *rows;
	size_t row_count;
	struct probe_job *jobs;
	size_t job_count, job_capacity;
	size_t next_job; /* atomic */
	size_t job_end; /* of this phase */
	size_t done; /* atomic: rows that are judged */
	struct probe_range source; /* local ports to probe own addresses from, in this phase */
	unsigned window_max;
	int failure; /* atomic: -errno that ends the run */
};

struct probe_slot { /* a probe that waits for its answer */
	uint64_t sent_us;
	uint32_t row;
	int fd; /* -1: free */
};

/* What is known of a target's answers, as TCP estimates it (RFC 6298). */
struct probe_host {
	uint32_t srtt_us, rttvar_us; /* 0: no answer yet */
	uint8_t errors; /* ICMP errors from it, 255 at most */
	bool limited; /* they may come by a rate limit */
};

struct probe_queue {
	uint32_t *rows; /* owned */
	size_t head, count, capacity;
};

struct probe_worker {
	struct probe_run *run;
	int epoll;
	struct probe_slot *slots; /* owned */
	uint32_t *free_slots; /* owned; a stack */
	unsigned slot_count, in_flight, window, silent_window;
	struct probe_host *hosts; /* owned; one a target */
	struct probe_job job;
	struct probe_queue retry; /* silent ones, asked again when the new ones are out */
	struct probe_queue slow; /* silent ones of hosts with a rate limit, one at a time */
	unsigned slow_silent; /* how often in a row they stayed silent at the slowest pace */
	bool slow_again; /* the present one already has, once */
	uint64_t slow_interval_us, slow_next_us;
	/* Sockets to use again, by protocol and family; -1: none. */
	int spare[2][2];
	uint64_t now_us, swept_us, grown_us, reported_us, send_next_us, starved_us;
	unsigned answered, recovered; /* since the window was adapted: answers; to retries */
	bool first; /* the calling thread: it reports progress */
};

/* What came of launching or looking at a probe. */
enum probe_outcome {
	PROBE_SETTLED,
	PROBE_WAITS,
	PROBE_STARVED /* no descriptor, no memory, no local port now: later again */
};

/* probe_worker.c */
int probe_worker_run(struct probe_worker *worker);
void probe_settle(struct probe_worker *worker, uint32_t row, enum ph_probe_state state,
                  enum ph_probe_reason reason, uint64_t sent_us);
enum probe_outcome probe_wait(struct probe_worker *worker, uint32_t row, int fd, uint64_t sent_us);
uint64_t probe_clock_us(void);

/* probe_tcp.c, probe_udp.c: send; look whether the answer is there. */
enum probe_outcome probe_tcp_launch(struct probe_worker *worker, uint32_t row);
enum probe_outcome probe_tcp_check(struct probe_worker *worker, const struct probe_slot *slot);
enum probe_outcome probe_udp_launch(struct probe_worker *worker, uint32_t row);
enum probe_outcome probe_udp_check(struct probe_worker *worker, const struct probe_slot *slot);

/* probe_socket.c */
/* A socket for this row, new or used before. A descriptor or -errno. */
int probe_socket(struct probe_worker *worker, const struct ph_probe *row);
/* Keeps the socket for the next row, or closes it. */
void probe_keep(struct probe_worker *worker, const struct ph_probe *row, int fd);
/* Whether the socket is connected to itself. */
bool probe_is_itself(int fd);
/* Whether a socket could not be had or sent from for now. */
bool probe_is_shortage(const struct ph_target *target, int error);
void probe_settle_errno(struct probe_worker *worker, uint32_t row, int error, uint64_t sent_us);
/* Judges by the ICMP error that waits in the socket's error queue. False: there is none. */
bool probe_settle_icmp(struct probe_worker *worker, uint32_t row, int fd, uint64_t sent_us);

#endif
