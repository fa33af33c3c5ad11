/*
 * UDP probes: one datagram from a connected socket, so that the kernel hands over nothing but
 * answers of that port: a datagram, or an ICMP error.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/probe_internal.h"

static const struct ph_payload *payload_for(const struct ph_probe_plan *plan, uint16_t port)
{
	size_t low = 0, high = plan->payload_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plan->payloads[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low < plan->payload_count && plan->payloads[low].port == port ? &plan->payloads[low]
	                                                                     : NULL;
}

/* Looks for an answer. The socket is left open. */
static enum probe_outcome look(struct probe_worker *worker, uint32_t row, int fd, uint64_t sent_us,
                               bool *clean)
{
	char byte;

	*clean = probe_settle_icmp(worker, row, fd, sent_us);
	if (*clean)
		return PROBE_SETTLED;
	if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0) {
		probe_settle(worker, row, PH_PROBE_OPEN, PH_REASON_UDP_RESPONSE, sent_us);
		return PROBE_SETTLED;
	}
	if (errno == EAGAIN || errno == EINTR)
		return PROBE_WAITS;
	probe_settle_errno(worker, row, errno, sent_us);
	return PROBE_SETTLED;
}

/* A socket that is connected to the port of this row, or -errno. */
static int connected_socket(struct probe_worker *worker, const struct ph_probe *probe)
{
	const struct ph_target *target = &worker->run->plan->targets[probe->target];
	struct sockaddr_storage address;
	socklen_t length = ph_host_sockaddr(&target->host, probe->port, &address);

	/* Without IP_LOCAL_PORT_RANGE the kernel may choose the very port that is probed. */
	for (int attempt = 0; attempt < 8; attempt++) {
		int fd = probe_socket(worker, probe);

		if (fd < 0)
			return fd;
		if (connect(fd, (struct sockaddr *)&address, length) < 0) {
			int error = errno;

			close(fd);
			return -error;
		}
		if (!target->own || !probe_is_itself(fd))
			return fd;
		close(fd);
	}
	return -EADDRNOTAVAIL;
}

enum probe_outcome probe_udp_launch(struct probe_worker *worker, uint32_t row)
{
	const struct ph_probe_plan *plan = worker->run->plan;
	struct ph_probe *probe = &worker->run->rows[row];
	const struct ph_payload *payload = payload_for(plan, probe->port);
	const struct ph_target *target = &plan->targets[probe->target];
	uint64_t sent_us = worker->now_us;
	int fd = connected_socket(worker, probe);
	enum probe_outcome outcome;
	bool clean;

	if (fd < 0 && probe_is_shortage(target, -fd))
		return PROBE_STARVED;
	probe->tries++;
	if (fd < 0) {
		probe_settle_errno(worker, row, -fd, sent_us);
		return PROBE_SETTLED;
	}
	if (send(fd, payload ? payload->bytes : "", payload ? payload->length : 0,
	         MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		int error = errno;

		close(fd);
		if (probe_is_shortage(target, error)) {
			probe->tries--;
			return PROBE_STARVED;
		}
		probe_settle_errno(worker, row, error, sent_us);
		return PROBE_SETTLED;
	}
	if (!target->own)
		return probe_wait(worker, row, fd, sent_us);
	outcome = look(worker, row, fd, sent_us, &clean);
	if (outcome == PROBE_WAITS)
		return probe_wait(worker, row, fd, sent_us);
	/* More than one answer may come; after an ICMP error nothing does. */
	if (clean)
		probe_keep(worker, probe, fd);
	else
		close(fd);
	return outcome;
}

enum probe_outcome probe_udp_check(struct probe_worker *worker, const struct probe_slot *slot)
{
	bool clean;
	enum probe_outcome outcome = look(worker, slot->row, slot->fd, slot->sent_us, &clean);

	if (outcome == PROBE_SETTLED)
		close(slot->fd);
	return outcome;
}
