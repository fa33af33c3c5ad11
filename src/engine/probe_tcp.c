/*
 * TCP probes. A connection to this host is answered within connect(2) itself, so a second call
 * tells the result at once, and after a refusal the socket serves for the next port (Linux lets a
 * refused socket connect again). Only what stays silent goes to epoll.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/probe_internal.h"

static int connect_to(int fd, const struct ph_target *target, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t length = ph_host_sockaddr(&target->host, port, &address);

	return connect(fd, (struct sockaddr *)&address, length) < 0 ? errno : 0;
}

/* `error` is what connect(2) said at last. The socket is closed or kept. */
static enum probe_outcome finish(struct probe_worker *worker, uint32_t row, int fd, int error,
                                 uint64_t sent_us)
{
	struct ph_probe *probe = &worker->run->rows[row];
	bool open = error == 0 || error == EISCONN;

	if (open && worker->run->plan->targets[probe->target].own && probe_is_itself(fd))
		error = ECONNREFUSED;
	if (error == ECONNREFUSED && !open)
		probe_keep(worker, probe, fd);
	else
		close(fd);
	probe_settle_errno(worker, row, error, sent_us);
	return PROBE_SETTLED;
}

enum probe_outcome probe_tcp_launch(struct probe_worker *worker, uint32_t row)
{
	struct ph_probe *probe = &worker->run->rows[row];
	const struct ph_target *target = &worker->run->plan->targets[probe->target];
	uint64_t sent_us = worker->now_us;
	int fd = probe_socket(worker, probe);
	int error;

	if (fd < 0)
		return PROBE_STARVED;
	error = connect_to(fd, target, probe->port);
	if (probe_is_shortage(target, error)) {
		close(fd);
		return PROBE_STARVED;
	}
	probe->tries++;
	if (error == EINPROGRESS && target->own)
		error = connect_to(fd, target, probe->port);
	if (error == EINPROGRESS || error == EALREADY)
		return probe_wait(worker, row, fd, sent_us);
	return finish(worker, row, fd, error, sent_us);
}

enum probe_outcome probe_tcp_check(struct probe_worker *worker, const struct probe_slot *slot)
{
	struct ph_probe *probe = &worker->run->rows[slot->row];
	const struct ph_target *target = &worker->run->plan->targets[probe->target];
	int error;

	if (probe_settle_icmp(worker, slot->row, slot->fd, slot->sent_us)) {
		close(slot->fd);
		return PROBE_SETTLED;
	}
	error = connect_to(slot->fd, target, probe->port);
	/* ETIMEDOUT: the kernel gave up; this engine decides itself when an answer is late. */
	if (error == EALREADY || error == EINPROGRESS || error == ETIMEDOUT)
		return PROBE_WAITS;
	/* Known to epoll, so not to be used again. */
	if (error == ECONNREFUSED) {
		close(slot->fd);
		probe_settle_errno(worker, slot->row, error, slot->sent_us);
		return PROBE_SETTLED;
	}
	return finish(worker, slot->row, slot->fd, error, slot->sent_us);
}
