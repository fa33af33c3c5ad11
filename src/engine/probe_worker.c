/*
 * A worker: takes rows, sends, waits, and judges. Its window grows while answers come at the first
 * asking, and shrinks when they come only at the second; time-outs follow the measured round-trip
 * times (RFC 6298). Only silent ports are asked again. Where answers come by a rate limit (ICMP
 * errors do: RFC 1812, 4.3.2.8), the silent ones are asked once more, slowly.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "engine/probe_internal.h"

enum {
	TICK_US = 5000, /* how often time-outs are looked at */
	GROW_US = 50000, /* how often the window is adapted */
	WINDOW_MIN = 32,
	OWN_TIMEOUT_US = 200000, /* before the first answer: this host, another one */
	TIMEOUT_US = 500000,
	TIMEOUT_MIN_US = 100000,
	UDP_TIMEOUT_MIN_US = 400000, /* a service may think before it answers */
	TIMEOUT_MAX_US = 3000000,
	STARVED_US = 3000000, /* how long to wait for a first descriptor */
	LIMIT_ERRORS = 2, /* of a host: after so many, silence may be a limit */
	SLOW_FIRST_US = 100000,
	SLOW_MAX_US = 1100000, /* Linux allows one error a second and target by default */
	/* so many silent ones in a row at the slowest pace: no limit, but silence */
	SLOW_SILENT = 10,
};

uint64_t probe_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static unsigned at_most(unsigned value, unsigned most)
{
	return value < most ? value : most;
}

static unsigned at_least(unsigned value, unsigned least)
{
	return value > least ? value : least;
}

static void fail_run(struct probe_run *run, int code)
{
	int none = 0;

	__atomic_compare_exchange_n(&run->failure, &none, code, false, __ATOMIC_RELAXED,
	                            __ATOMIC_RELAXED);
}

static bool run_ends(const struct probe_run *run)
{
	return ph_cancelled(run->context) || __atomic_load_n(&run->failure, __ATOMIC_RELAXED) != 0;
}

static struct probe_host *host_of(const struct probe_worker *worker, uint32_t row)
{
	return &worker->hosts[worker->run->rows[row].target];
}

static bool is_own(const struct probe_worker *worker, uint32_t row)
{
	return worker->run->plan->targets[worker->run->rows[row].target].own;
}

/* RFC 6298, 2: the smoothed round-trip time and its variance. */
static void measure(struct probe_host *host, uint32_t rtt_us)
{
	uint32_t off = host->srtt_us > rtt_us ? host->srtt_us - rtt_us : rtt_us - host->srtt_us;

	if (host->srtt_us == 0) {
		host->srtt_us = at_least(rtt_us, 1);
		host->rttvar_us = rtt_us / 2;
		return;
	}
	host->rttvar_us = (3 * host->rttvar_us + off) / 4;
	host->srtt_us = at_least((7 * host->srtt_us + rtt_us) / 8, 1);
}

void probe_settle(struct probe_worker *worker, uint32_t row, enum ph_probe_state state,
                  enum ph_probe_reason reason, uint64_t sent_us)
{
	struct ph_probe *probe = &worker->run->rows[row];
	struct probe_host *host = host_of(worker, row);

	probe->state = (uint8_t)state;
	probe->reason = (uint8_t)reason;
	__atomic_add_fetch(&worker->run->done, 1, __ATOMIC_RELAXED);
	if (reason == PH_REASON_NO_RESPONSE || reason == PH_REASON_LOCAL_ERROR)
		return;
	probe->rtt_us = at_least((uint32_t)(probe_clock_us() - sent_us), 1);
	measure(host, probe->rtt_us);
	worker->answered++;
	if (probe->tries > 1)
		worker->recovered++;
	if (probe->tries > worker->run->plan->retries + 1) {
		worker->slow_silent = 0;
		worker->slow_again = false;
		worker->slow_interval_us -= worker->slow_interval_us / 16;
	}
	/* The kernel limits none of its errors to itself. */
	if (reason < PH_REASON_NET_UNREACH || is_own(worker, row))
		return;
	/* Only at the second asking: the first one was over the limit, or lost. */
	if (host->errors < UINT8_MAX)
		host->errors++;
	if (probe->tries > 1 || host->errors >= LIMIT_ERRORS)
		host->limited = true;
}

enum probe_outcome probe_wait(struct probe_worker *worker, uint32_t row, int fd, uint64_t sent_us)
{
	uint32_t index = worker->free_slots[worker->slot_count - worker->in_flight - 1];
	struct epoll_event event = {
		.events = (worker->run->rows[row].proto == PH_PROBE_TCP ? EPOLLOUT : EPOLLIN) |
		          EPOLLET,
		.data.u32 = index,
	};

	if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		worker->run->rows[row].tries--;
		return PROBE_STARVED;
	}
	worker->slots[index] = (struct probe_slot){ sent_us, row, fd };
	worker->in_flight++;
	return PROBE_WAITS;
}

static void release_slot(struct probe_worker *worker, uint32_t index)
{
	worker->slots[index].fd = -1;
	worker->in_flight--;
	worker->free_slots[worker->slot_count - worker->in_flight - 1] = index;
}

static int push(struct probe_queue *queue, uint32_t row)
{
	if (queue->head == queue->count)
		queue->head = queue->count = 0;
	if (ph_reserve(&queue->rows, queue->count, &queue->capacity, sizeof(*queue->rows)) < 0)
		return -ENOMEM;
	queue->rows[queue->count++] = row;
	return 0;
}

static enum probe_outcome launch(struct probe_worker *worker, uint32_t row)
{
	if (worker->run->rows[row].proto == PH_PROBE_UDP)
		return probe_udp_launch(worker, row);
	return probe_tcp_launch(worker, row);
}

static enum probe_outcome check(struct probe_worker *worker, uint32_t index)
{
	const struct probe_slot *slot = &worker->slots[index];
	enum probe_outcome outcome = worker->run->rows[slot->row].proto == PH_PROBE_UDP
	                                     ? probe_udp_check(worker, slot)
	                                     : probe_tcp_check(worker, slot);

	if (outcome == PROBE_SETTLED)
		release_slot(worker, index);
	return outcome;
}

static bool take_job(struct probe_worker *worker)
{
	struct probe_run *run = worker->run;
	size_t next = __atomic_fetch_add(&run->next_job, 1, __ATOMIC_RELAXED);

	if (next >= run->job_end)
		return false;
	worker->job = run->jobs[next];
	return true;
}

static bool slow_is_due(const struct probe_worker *worker)
{
	return worker->slow.head < worker->slow.count && worker->in_flight == 0 &&
	       worker->now_us >= worker->slow_next_us;
}

/* The row to ask next: a new one, a silent one, one of the slow ones. False: none now. */
static bool next_row(struct probe_worker *worker, uint32_t *row)
{
	if (worker->job.begin < worker->job.end || take_job(worker)) {
		*row = worker->job.begin++;
		return true;
	}
	if (worker->retry.head < worker->retry.count) {
		*row = worker->retry.rows[worker->retry.head++];
		return true;
	}
	if (!slow_is_due(worker))
		return false;
	*row = worker->slow.rows[worker->slow.head++];
	worker->slow_next_us = worker->now_us + worker->slow_interval_us;
	return true;
}

/*
 * Nothing can be had now, mostly a descriptor: make do with the window that was reached. With
 * nothing under way there is nothing to wait for but other programs.
 */
static int starve(struct probe_worker *worker, uint32_t row)
{
	const struct timespec moment = { .tv_nsec = 2000000 };

	if (push(&worker->retry, row) < 0)
		return -ENOMEM;
	if (worker->in_flight > 0) {
		worker->silent_window = worker->window = worker->in_flight;
		return 0;
	}
	worker->window = 1;
	if (worker->starved_us == 0)
		worker->starved_us = worker->now_us;
	if (worker->now_us - worker->starved_us > STARVED_US)
		return -EMFILE;
	nanosleep(&moment, NULL);
	return 0;
}

/* Sends until the window is full, the rows are out, or it is time to look at the answers. */
static int fill(struct probe_worker *worker)
{
	uint64_t until = worker->now_us + TICK_US;
	unsigned rate = worker->run->plan->rate;
	uint32_t row;

	while (worker->in_flight < worker->window && worker->now_us < until &&
	       !run_ends(worker->run)) {
		if (rate != 0 && worker->now_us < worker->send_next_us)
			return 0;
		if (!next_row(worker, &row))
			return 0;
		if (launch(worker, row) == PROBE_STARVED)
			return starve(worker, row);
		worker->starved_us = 0;
		worker->now_us = probe_clock_us();
		if (rate != 0)
			worker->send_next_us = (worker->send_next_us + TICK_US > worker->now_us
			                                ? worker->send_next_us
			                                : worker->now_us) +
			                       1000000 / rate;
	}
	return 0;
}

/* Whether a row is past its ordinary tries. */
static bool is_slow(const struct probe_worker *worker, uint32_t row)
{
	return worker->run->rows[row].tries > worker->run->plan->retries + 1;
}

/* How long to wait for an answer to this row's present try. */
static uint64_t timeout_of(const struct probe_worker *worker, uint32_t row)
{
	const struct ph_probe *probe = &worker->run->rows[row];
	const struct probe_host *host = host_of(worker, row);
	unsigned configured = worker->run->plan->timeout_us;
	unsigned most = configured ? configured : TIMEOUT_MAX_US;
	unsigned least = probe->proto == PH_PROBE_UDP && !is_own(worker, row) ? UDP_TIMEOUT_MIN_US
	                                                                      : TIMEOUT_MIN_US;
	unsigned timeout = is_own(worker, row) ? OWN_TIMEOUT_US : TIMEOUT_US;

	if (host->srtt_us != 0)
		timeout = at_least(
			at_most(host->srtt_us, most) + 4 * at_most(host->rttvar_us, most), least);
	/* Of a host that never answered, not even the distance is known. */
	for (unsigned try = 1; !is_slow(worker, row) && try < probe->tries && timeout < most; try++)
		timeout += host->srtt_us ? timeout / 2 : timeout;
	return at_most(timeout, most);
}

static void give_up(struct probe_worker *worker, uint32_t row)
{
	bool udp = worker->run->rows[row].proto == PH_PROBE_UDP;

	probe_settle(worker, row, udp ? PH_PROBE_OPEN_FILTERED : PH_PROBE_FILTERED,
	             PH_REASON_NO_RESPONSE, 0);
}

/*
 * A row whose tries are used up, of a host whose errors come by a rate limit. At the slowest pace
 * there is room for its error; who stays silent twice at that pace has none to send.
 */
static int slow_down(struct probe_worker *worker, uint32_t row)
{
	bool slowest = is_slow(worker, row) && worker->slow_interval_us >= SLOW_MAX_US;

	if (slowest)
		worker->slow_silent++;
	else if (is_slow(worker, row))
		worker->slow_interval_us = SLOW_MAX_US;
	if (worker->slow_silent >= SLOW_SILENT || worker->run->rows[row].tries == UINT8_MAX ||
	    (slowest && worker->slow_again)) {
		worker->slow_again = false;
		give_up(worker, row);
		return 0;
	}
	if (!slowest)
		return push(&worker->slow, row);
	worker->slow_again = true;
	worker->slow.head--;
	return 0;
}

static int time_out(struct probe_worker *worker, uint32_t index)
{
	uint32_t row = worker->slots[index].row;
	const struct ph_probe *probe = &worker->run->rows[row];

	/* The answer may have come while this worker did not run. */
	if (check(worker, index) == PROBE_SETTLED)
		return 0;
	close(worker->slots[index].fd);
	release_slot(worker, index);
	if (probe->tries <= worker->run->plan->retries)
		return push(&worker->retry, row);
	if (host_of(worker, row)->limited)
		return slow_down(worker, row);
	give_up(worker, row);
	return 0;
}

/* With the last of the silent ones given up, the rest need not be asked again either. */
static void end_slow(struct probe_worker *worker)
{
	if (worker->slow_silent < SLOW_SILENT)
		return;
	while (worker->slow.head < worker->slow.count)
		give_up(worker, worker->slow.rows[worker->slow.head++]);
	worker->slow_silent = 0;
}

static int sweep(struct probe_worker *worker)
{
	unsigned left = worker->in_flight;
	int r = 0;

	if (worker->now_us - worker->swept_us < TICK_US)
		return 0;
	worker->swept_us = worker->now_us;
	for (uint32_t i = 0; i < worker->slot_count && left > 0 && r == 0; i++) {
		const struct probe_slot *slot = &worker->slots[i];

		if (slot->fd < 0)
			continue;
		left--;
		if (worker->now_us - slot->sent_us >= timeout_of(worker, slot->row))
			r = time_out(worker, i);
	}
	end_slow(worker);
	return r;
}

/* Answers to a second asking mean that the first, or its answer, was lost: on the way, or by us. */
static void adapt(struct probe_worker *worker)
{
	unsigned most = worker->silent_window ? worker->silent_window : worker->slot_count;
	bool losing = worker->recovered * 5 > worker->answered && worker->recovered > 4;
	bool full = worker->in_flight + worker->in_flight / 8 >= worker->window;

	if (worker->now_us - worker->grown_us < GROW_US)
		return;
	worker->grown_us = worker->now_us;
	if (losing)
		worker->window = at_least(worker->window / 2, at_most(WINDOW_MIN, most));
	else if (full)
		worker->window = at_most(worker->window * 2, most);
	worker->answered = worker->recovered = 0;
	if (worker->first && worker->run->plan->progress != NULL &&
	    worker->now_us - worker->reported_us >= 100000) {
		worker->reported_us = worker->now_us;
		worker->run->plan->progress(worker->run->plan->progress_data,
		                            __atomic_load_n(&worker->run->done, __ATOMIC_RELAXED),
		                            worker->run->row_count);
	}
}

static int receive(struct probe_worker *worker)
{
	struct epoll_event events[128];
	bool more =
		worker->in_flight < worker->window &&
		(worker->job.begin < worker->job.end || worker->retry.head < worker->retry.count ||
	         __atomic_load_n(&worker->run->next_job, __ATOMIC_RELAXED) < worker->run->job_end);
	int wait = more ? 0 : TICK_US / 1000;
	int count;

	/* A rate below one packet a tick leaves time to sleep. */
	if (more && worker->run->plan->rate != 0 && worker->send_next_us > worker->now_us + 1000)
		wait = 1;
	do {
		count = epoll_wait(worker->epoll, events, 128, wait);
		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++)
			if (worker->slots[events[i].data.u32].fd >= 0)
				check(worker, events[i].data.u32);
		wait = 0;
	} while (count == 128);
	worker->now_us = probe_clock_us();
	return 0;
}

static bool has_work(const struct probe_worker *worker)
{
	return worker->in_flight > 0 || worker->job.begin < worker->job.end ||
	       worker->retry.head < worker->retry.count || worker->slow.head < worker->slow.count ||
	       __atomic_load_n(&worker->run->next_job, __ATOMIC_RELAXED) < worker->run->job_end;
}

static void close_all(struct probe_worker *worker)
{
	for (uint32_t i = 0; i < worker->slot_count; i++)
		if (worker->slots[i].fd >= 0) {
			close(worker->slots[i].fd);
			release_slot(worker, i);
		}
	for (int proto = 0; proto < 2; proto++)
		for (int family = 0; family < 2; family++) {
			if (worker->spare[proto][family] >= 0)
				close(worker->spare[proto][family]);
			worker->spare[proto][family] = -1;
		}
}

int probe_worker_run(struct probe_worker *worker)
{
	int r = 0;

	worker->now_us = worker->grown_us = worker->reported_us = probe_clock_us();
	if (worker->slow_interval_us == 0)
		worker->slow_interval_us = SLOW_FIRST_US;
	while (r == 0 && has_work(worker) && !run_ends(worker->run)) {
		r = fill(worker);
		if (r == 0)
			r = receive(worker);
		if (r == 0)
			r = sweep(worker);
		adapt(worker);
	}
	if (r < 0)
		fail_run(worker->run, r);
	close_all(worker);
	return r;
}
