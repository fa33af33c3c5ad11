/*
 * The sockets of probes, and what their errors mean. ICMP errors are read from the error queue
 * (ip(7), IP_RECVERR): errno alone folds several kinds into one, and over IPv6 connect(2) hears of
 * them only a second later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/probe_internal.h"

/* Linux 6.3, linux/in.h; older headers lack it. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const struct ph_target *target_of(const struct probe_worker *worker,
                                         const struct ph_probe *row)
{
	return &worker->run->plan->targets[row->target];
}

/*
 * A probe of this host from a local port that equals the probed one would reach itself. So local
 * ports come from a range in which nothing is probed at the time; a kernel that lacks the option is
 * covered by probe_is_itself().
 */
static void set_source(const struct probe_run *run, int fd)
{
	uint32_t range = run->source.low | (uint32_t)run->source.high << 16;

	if (range != 0)
		(void)setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
}

static int new_socket(const struct probe_worker *worker, const struct ph_target *target,
                      bool datagram)
{
	static const struct linger reset = { .l_onoff = 1 };
	bool inet = target->host.family == AF_INET;
	int one = 1;
	int fd = socket(target->host.family,
	                (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Neither can fail on a fresh socket of these families. */
	(void)setsockopt(fd, inet ? IPPROTO_IP : IPPROTO_IPV6, inet ? IP_RECVERR : IPV6_RECVERR,
	                 &one, sizeof(one));
	/* An open port is left by a reset: no TIME_WAIT stays behind. */
	if (!datagram)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (target->own)
		set_source(worker->run, fd);
	return fd;
}

int probe_socket(struct probe_worker *worker, const struct ph_probe *row)
{
	const struct ph_target *target = target_of(worker, row);
	int *spare = &worker->spare[row->proto][target->host.family == AF_INET6];
	int fd = *spare;

	if (!target->own || fd < 0)
		return new_socket(worker, target, row->proto == PH_PROBE_UDP);
	*spare = -1;
	return fd;
}

void probe_keep(struct probe_worker *worker, const struct ph_probe *row, int fd)
{
	const struct ph_target *target = target_of(worker, row);
	int *spare = &worker->spare[row->proto][target->host.family == AF_INET6];

	if (target->own && *spare < 0)
		*spare = fd;
	else
		close(fd);
}

bool probe_is_itself(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);
	struct ph_host own_host, peer_host;
	uint16_t own_port, peer_port;

	return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 &&
	       ph_host_from((struct sockaddr *)&own, &own_host, &own_port) == 0 &&
	       ph_host_from((struct sockaddr *)&peer, &peer_host, &peer_port) == 0 &&
	       own_port == peer_port && ph_host_equal(&own_host, &peer_host);
}

bool probe_is_shortage(const struct ph_target *target, int error)
{
	/* To another host this one may have no address at all, which waiting does not change. */
	if (error == EADDRNOTAVAIL)
		return target->own;
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EAGAIN || error == EADDRINUSE;
}

void probe_settle_errno(struct probe_worker *worker, uint32_t row, int error, uint64_t sent_us)
{
	enum ph_probe_state state = PH_PROBE_FILTERED;
	enum ph_probe_reason reason = PH_REASON_LOCAL_ERROR;

	switch (error) {
	case 0:
	case EISCONN:
	/* Accepted and reset at once: there was a handshake. */
	case ECONNRESET:
	case EPIPE:
		state = PH_PROBE_OPEN;
		reason = PH_REASON_SYN_ACK;
		break;
	case ECONNREFUSED:
		state = PH_PROBE_CLOSED;
		reason = worker->run->rows[row].proto == PH_PROBE_UDP ? PH_REASON_PORT_UNREACH
		                                                      : PH_REASON_CONN_REFUSED;
		break;
	case ENETUNREACH:
	case ENONET:
		reason = PH_REASON_NET_UNREACH;
		break;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		reason = PH_REASON_HOST_UNREACH;
		break;
	case EACCES:
	case EPERM:
		reason = PH_REASON_ADMIN_PROHIBITED;
		break;
	case ENOPROTOOPT:
		reason = PH_REASON_PROTO_UNREACH;
		break;
	}
	probe_settle(worker, row, state, reason, sent_us);
}

/* RFC 792, RFC 1812 5.2.7.1: destination unreachable by code. */
static enum ph_probe_reason reason_of_icmp(uint8_t type, uint8_t code)
{
	static const uint8_t reasons[] = {
		[ICMP_NET_UNREACH] = PH_REASON_NET_UNREACH,
		[ICMP_HOST_UNREACH] = PH_REASON_HOST_UNREACH,
		[ICMP_PROT_UNREACH] = PH_REASON_PROTO_UNREACH,
		[ICMP_PORT_UNREACH] = PH_REASON_PORT_UNREACH,
		[ICMP_FRAG_NEEDED] = PH_REASON_NONE,
		[ICMP_NET_UNKNOWN] = PH_REASON_NET_UNREACH,
		[ICMP_HOST_UNKNOWN] = PH_REASON_HOST_UNREACH,
		[ICMP_NET_ANO] = PH_REASON_NET_PROHIBITED,
		[ICMP_HOST_ANO] = PH_REASON_HOST_PROHIBITED,
		[ICMP_PKT_FILTERED] = PH_REASON_ADMIN_PROHIBITED,
	};

	if (type == ICMP_TIME_EXCEEDED)
		return PH_REASON_TIME_EXCEEDED;
	if (type != ICMP_DEST_UNREACH || code == ICMP_FRAG_NEEDED)
		return PH_REASON_NONE;
	if (code < sizeof(reasons) && reasons[code] != PH_REASON_NONE)
		return reasons[code];
	return PH_REASON_DEST_UNREACH;
}

/* RFC 4443, 3.1 and 3.3. */
static enum ph_probe_reason reason_of_icmp6(uint8_t type, uint8_t code)
{
	static const uint8_t reasons[] = {
		PH_REASON_NET_UNREACH, /* no route */
		PH_REASON_ADMIN_PROHIBITED,
		PH_REASON_DEST_UNREACH, /* beyond the scope of the source address */
		PH_REASON_HOST_UNREACH,
		PH_REASON_PORT_UNREACH,
		PH_REASON_ADMIN_PROHIBITED, /* ingress/egress policy */
		PH_REASON_ADMIN_PROHIBITED, /* reject route */
	};

	if (type == ICMPV6_TIME_EXCEED)
		return PH_REASON_TIME_EXCEEDED;
	if (type != ICMPV6_DEST_UNREACH)
		return PH_REASON_NONE;
	return code < sizeof(reasons) ? reasons[code] : PH_REASON_DEST_UNREACH;
}

/* The next ICMP error of the queue. -EAGAIN: there is none. */
static int read_error(int fd, struct sock_extended_err *found)
{
	/* What was sent comes back as data, which nobody needs. */
	union {
		struct cmsghdr header;
		char bytes[512];
	} control;
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = sizeof(byte) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return -EAGAIN;
	memset(found, 0, sizeof(*found));
	for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each != NULL;
	     each = CMSG_NXTHDR(&message, each))
		if (((each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR) ||
		     (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_RECVERR)) &&
		    each->cmsg_len >= CMSG_LEN(sizeof(*found)))
			memcpy(found, CMSG_DATA(each), sizeof(*found));
	return 0;
}

bool probe_settle_icmp(struct probe_worker *worker, uint32_t row, int fd, uint64_t sent_us)
{
	struct sock_extended_err found;

	/* A queue that somebody floods is not read for ever. */
	for (int i = 0; i < 16 && read_error(fd, &found) == 0; i++) {
		enum ph_probe_reason reason = PH_REASON_NONE;

		if (found.ee_origin == SO_EE_ORIGIN_ICMP)
			reason = reason_of_icmp(found.ee_type, found.ee_code);
		else if (found.ee_origin == SO_EE_ORIGIN_ICMP6)
			reason = reason_of_icmp6(found.ee_type, found.ee_code);
		if (reason == PH_REASON_NONE)
			continue;
		probe_settle(worker, row,
		             reason == PH_REASON_PORT_UNREACH ? PH_PROBE_CLOSED : PH_PROBE_FILTERED,
		             reason, sent_us);
		return true;
	}
	return false;
}
