/*
 * Probes: the plan becomes rows, the rows jobs, and the jobs go to workers. Ports of this host that
 * lie in the range of ephemeral ports are probed in a second phase, with local ports from elsewhere
 * in that range: so no probe meets another one, or itself.
 */
#include "porthole/probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/probe_internal.h"

enum {
	JOB_ROWS = 512, /* of this host; elsewhere: */
	JOB_ROWS_FAR = 16,
	WORKERS_MAX = 8,
	WINDOW_FIRST = 300,
	WINDOW_MAX = 4096,
	DESCRIPTORS_KEPT = 16, /* left to the rest of the program */
};

static const char *const state_names[PH_PROBE_STATE_COUNT] = {
	[PH_PROBE_OPEN] = "open",
	[PH_PROBE_CLOSED] = "closed",
	[PH_PROBE_FILTERED] = "filtered",
	[PH_PROBE_OPEN_FILTERED] = "open|filtered",
};

static const char *const reason_names[PH_REASON_COUNT] = {
	[PH_REASON_SYN_ACK] = "syn-ack",
	[PH_REASON_UDP_RESPONSE] = "udp-response",
	[PH_REASON_CONN_REFUSED] = "conn-refused",
	[PH_REASON_NO_RESPONSE] = "no-response",
	[PH_REASON_NET_UNREACH] = "net-unreach",
	[PH_REASON_HOST_UNREACH] = "host-unreach",
	[PH_REASON_PROTO_UNREACH] = "proto-unreach",
	[PH_REASON_PORT_UNREACH] = "port-unreach",
	[PH_REASON_NET_PROHIBITED] = "net-prohibited",
	[PH_REASON_HOST_PROHIBITED] = "host-prohibited",
	[PH_REASON_ADMIN_PROHIBITED] = "admin-prohibited",
	[PH_REASON_TIME_EXCEEDED] = "time-exceeded",
	[PH_REASON_DEST_UNREACH] = "dest-unreach",
	[PH_REASON_LOCAL_ERROR] = "local-error",
};

const char *ph_probe_state_name(unsigned state)
{
	return state < PH_PROBE_STATE_COUNT ? state_names[state] : NULL;
}

const char *ph_probe_reason_name(unsigned reason)
{
	return reason < PH_REASON_COUNT ? reason_names[reason] : NULL;
}

static const struct ph_portspec *ports_of(const struct ph_probe_plan *plan, size_t target)
{
	if (plan->targets[target].own && plan->own_ports != NULL)
		return plan->own_ports;
	return plan->ports;
}

static int make_rows(struct probe_run *run, struct ph_probes *probes, struct ph_error *error)
{
	const struct ph_probe_plan *plan = run->plan;
	size_t own_count = 0, count = 0,
	       other = ph_ports_count(&plan->ports->tcp) + ph_ports_count(&plan->ports->udp);

	if (plan->own_ports != NULL)
		own_count = ph_ports_count(&plan->own_ports->tcp) +
		            ph_ports_count(&plan->own_ports->udp);
	else
		own_count = other;
	for (size_t i = 0; i < plan->target_count; i++)
		count += plan->targets[i].own ? own_count : other;
	if (count > PH_PROBES_MAX)
		return ph_fail(error, -E2BIG,
		               "probing: %zu ports in all are more than %u: probe in parts", count,
		               PH_PROBES_MAX);
	probes->items = calloc(count ? count : 1, sizeof(*probes->items));
	if (probes->items == NULL)
		return ph_fail(error, -ENOMEM, "probing %zu ports: out of memory", count);
	run->rows = probes->items;
	run->row_count = count;
	return 0;
}

/*
 * The range that the kernel takes local ports from: ip(7), ip_local_port_range. Left zero where it
 * cannot be read.
 */
static int ephemeral_range(struct ph_context *context, struct probe_range *range)
{
	unsigned low, high;
	char *text;
	int r;

	r = ph_read_below(context->proc, "sys/net/ipv4/ip_local_port_range", 256, &text, NULL,
	                  NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (sscanf(text, "%u %u", &low, &high) == 2 && low > 0 && low < high &&
	    high < PH_PORT_COUNT)
		*range = (struct probe_range){ (uint16_t)low, (uint16_t)high };
	free(text);
	return 0;
}

static int add_job(struct probe_run *run, uint32_t begin, uint32_t end)
{
	uint32_t stop;

	for (; begin < end; begin = stop) {
		bool own = run->plan->targets[run->rows[begin].target].own;
		uint32_t most = own ? JOB_ROWS : JOB_ROWS_FAR;

		stop = end - begin > most ? begin + most : end;

		if (ph_reserve(&run->jobs, run->job_count, &run->job_capacity, sizeof(*run->jobs)) <
		    0)
			return -ENOMEM;
		run->jobs[run->job_count++] = (struct probe_job){ begin, stop };
	}
	return 0;
}

static bool is_late(const struct probe_run *run, const struct ph_probe *row,
                    struct probe_range upper)
{
	return run->plan->targets[row->target].own && upper.low != 0 && row->port >= upper.low &&
	       row->port <= upper.high;
}

/* Jobs of one phase: runs of rows that belong to it. `late`: own ports within `upper`. */
static int add_jobs(struct probe_run *run, struct probe_range upper, bool late)
{
	uint32_t begin = 0;

	for (uint32_t i = 0; i < run->row_count; i++) {
		if (is_late(run, &run->rows[i], upper) == late)
			continue;
		if (add_job(run, begin, i) < 0)
			return -ENOMEM;
		begin = i + 1;
	}
	return add_job(run, begin, (uint32_t)run->row_count);
}

/*
 * Mixes the jobs of other hosts: no host is asked everything at once, and an answer, which tells
 * how long to wait for others, comes early. The same order each time (xorshift, Marsaglia 2003).
 */
static void mix_jobs(struct probe_run *run)
{
	uint64_t random = UINT64_C(88172645463325252);

	for (size_t i = run->job_count; i > 1; i--) {
		struct probe_job *last = &run->jobs[i - 1], kept = *last;
		size_t other;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		other = random % i;
		*last = run->jobs[other];
		run->jobs[other] = kept;
	}
}

static size_t fill_rows(struct ph_probe *rows, size_t at, uint32_t target,
                        const struct ph_ports *ports, enum ph_probe_proto proto)
{
	/* No room was made where there is nothing to ask. */
	for (int port = ph_ports_next(ports, 0); rows != NULL && port >= 0;
	     port = ph_ports_next(ports, (unsigned)port + 1))
		rows[at++] = (struct ph_probe){
			.target = target,
			.port = (uint16_t)port,
			.proto = (uint8_t)proto,
		};
	return at;
}

static void free_worker(struct probe_worker *worker)
{
	if (worker->epoll >= 0)
		close(worker->epoll);
	free(worker->slots);
	free(worker->free_slots);
	free(worker->hosts);
	free(worker->retry.rows);
	free(worker->slow.rows);
}

static int make_worker(struct probe_worker *worker, struct probe_run *run, unsigned slots)
{
	unsigned first = run->plan->window ? run->plan->window : WINDOW_FIRST;

	*worker = (struct probe_worker){
		.run = run,
		.slot_count = slots,
		.window = first < slots ? first : slots,
		.spare = { { -1, -1 }, { -1, -1 } },
	};
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll < 0)
		return -errno;
	worker->slots = calloc(slots, sizeof(*worker->slots));
	worker->free_slots = calloc(slots, sizeof(*worker->free_slots));
	worker->hosts = calloc(run->plan->target_count, sizeof(*worker->hosts));
	if (worker->slots == NULL || worker->free_slots == NULL || worker->hosts == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < slots; i++) {
		worker->slots[i].fd = -1;
		worker->free_slots[i] = i;
	}
	return 0;
}

static void *run_thread(void *data)
{
	probe_worker_run(data);
	return NULL;
}

/* The calling thread works too; helpers that cannot be had are done without. */
static void run_phase(struct probe_worker *workers, size_t count)
{
	pthread_t threads[WORKERS_MAX];
	size_t started = 0;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 1; i < count; i++, started++)
		if (pthread_create(&threads[i], NULL, run_thread, &workers[i]) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	probe_worker_run(&workers[0]);
	for (size_t i = 1; i <= started; i++)
		pthread_join(threads[i], NULL);
}

/*
 * Threads pay off for this host, where the kernel's own work is the limit; elsewhere the network
 * is, and the pace is kept by one.
 */
static size_t worker_count(const struct probe_run *run)
{
	const struct ph_probe_plan *plan = run->plan;
	cpu_set_t cpus;
	size_t count = 1;

	for (size_t i = 0; i < plan->target_count; i++)
		if (!plan->targets[i].own)
			return 1;
	if (plan->rate != 0 || run->row_count < 2 * JOB_ROWS)
		return 1;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = (size_t)CPU_COUNT(&cpus);
	if (plan->threads != 0 && count > plan->threads)
		count = plan->threads;
	return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* Descriptors for all workers together. The soft limit is raised as far as the hard one allows. */
static unsigned descriptor_limit(struct rlimit *before)
{
	struct rlimit raised;

	if (getrlimit(RLIMIT_NOFILE, before) < 0)
		return 64;
	raised = *before;
	if (raised.rlim_cur < WINDOW_MAX + 64) {
		raised.rlim_cur =
			raised.rlim_max < WINDOW_MAX + 64 ? raised.rlim_max : WINDOW_MAX + 64;
		if (setrlimit(RLIMIT_NOFILE, &raised) < 0)
			raised = *before;
	}
	if (raised.rlim_cur > WINDOW_MAX + DESCRIPTORS_KEPT)
		return WINDOW_MAX;
	return raised.rlim_cur > 2 * DESCRIPTORS_KEPT ? (unsigned)raised.rlim_cur - DESCRIPTORS_KEPT
	                                              : DESCRIPTORS_KEPT;
}

static int run_workers(struct probe_run *run, size_t early_jobs, struct probe_range lower,
                       struct probe_range upper)
{
	struct probe_worker workers[WORKERS_MAX];
	size_t wanted = worker_count(run), count;
	unsigned slots = run->window_max / (unsigned)wanted;
	int r = 0;

	if (run->plan->window != 0 && slots > run->plan->window)
		slots = run->plan->window;
	for (count = 0; count < wanted && r == 0; count++)
		r = make_worker(&workers[count], run, slots ? slots : 1);
	/* One worker is enough. */
	if (r < 0 && count > 1) {
		free_worker(&workers[--count]);
		r = r == -ENOMEM ? r : 0;
	}
	workers[0].first = true;
	if (r == 0) {
		run->source = upper;
		run->job_end = early_jobs;
		run_phase(workers, count);
		run->source = lower;
		run->next_job = early_jobs;
		run->job_end = run->job_count;
		run_phase(workers, count);
		r = run->failure;
	}
	while (count > 0)
		free_worker(&workers[--count]);
	return r;
}

/* Rows that were not judged, of a run that was cancelled, are left out. */
static int finish(struct probe_run *run, struct ph_probes *probes)
{
	size_t kept = 0;

	for (size_t i = 0; i < run->row_count; i++)
		if (probes->items[i].state != PH_PROBE_UNKNOWN)
			probes->items[kept++] = probes->items[i];
	probes->count = kept;
	probes->cancelled = kept < run->row_count;
	if (!probes->cancelled)
		return 0;
	return ph_reasons_add(&probes->partial, "cancelled: %zu of %zu ports were not probed",
	                      run->row_count - kept, run->row_count);
}

static int run_plan(struct probe_run *run, struct ph_probes *probes)
{
	struct probe_range all = { 0 }, lower = { 0 }, upper = { 0 };
	struct rlimit before;
	size_t early_jobs, at = 0;
	bool raised;
	int r;

	if (ephemeral_range(run->context, &all) < 0)
		return -ENOMEM;
	/* Two halves; a range of a few ports is not worth it, and one of them would run dry. */
	if (all.high - all.low >= 256) {
		uint16_t middle = (uint16_t)(all.low + (all.high - all.low) / 2);

		lower = (struct probe_range){ all.low, middle };
		upper = (struct probe_range){ (uint16_t)(middle + 1), all.high };
	}
	for (size_t i = 0; i < run->plan->target_count; i++) {
		at = fill_rows(run->rows, at, (uint32_t)i, &ports_of(run->plan, i)->tcp,
		               PH_PROBE_TCP);
		at = fill_rows(run->rows, at, (uint32_t)i, &ports_of(run->plan, i)->udp,
		               PH_PROBE_UDP);
	}
	if (add_jobs(run, upper, false) < 0)
		return -ENOMEM;
	mix_jobs(run);
	early_jobs = run->job_count;
	if (upper.low != 0 && add_jobs(run, upper, true) < 0)
		return -ENOMEM;
	raised = getrlimit(RLIMIT_NOFILE, &before) == 0;
	run->window_max = descriptor_limit(&before);
	r = run_workers(run, early_jobs, lower, upper);
	if (raised)
		setrlimit(RLIMIT_NOFILE, &before);
	return r < 0 ? r : finish(run, probes);
}

int ph_probe(struct ph_context *context, const struct ph_probe_plan *plan, struct ph_probes *probes,
             struct ph_error *error)
{
	struct probe_run run = { .context = context, .plan = plan };
	uint64_t start = probe_clock_us();
	int r;

	*probes = (struct ph_probes){ 0 };
	r = make_rows(&run, probes, error);
	if (r < 0)
		return r;
	r = run_plan(&run, probes);
	free(run.jobs);
	probes->elapsed_us = probe_clock_us() - start;
	if (r == -EMFILE)
		return ph_fail(error, r,
		               "probing: no socket could be made for 3 s: raise the limit of open "
		               "files (ulimit -n)");
	return r < 0 ? ph_fail(error, r, "probing: %s", strerror(-r)) : 0;
}

void ph_probes_free(struct ph_probes *probes)
{
	free(probes->items);
	ph_reasons_free(&probes->partial);
	*probes = (struct ph_probes){ 0 };
}
