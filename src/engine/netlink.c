/*
 * Netlink: the one dump loop. Sources: netlink(7), linux/netlink.h, the kernel's
 * net/netlink/af_netlink.c for what DONE and ERROR carry. Messages are walked with libmnl; the
 * waiting is done here, since it has to end when the context is cancelled.
 */
#include "porthole/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel makes datagrams of at most 32 KiB for a dump; a single answer may be larger. */
#define BUFFER_BYTES      65536
#define MOST_REPETITIONS  8
#define MOST_LOSSES       64
#define SILENCE_MS        10000
#define KERNEL_TEXT_BYTES 100

struct ph_netlink {
	struct ph_context *context;
	const struct ph_transport *transport;
	int handle;
	uint32_t sequence;
	uint32_t port;
	bool port_known;
	_Alignas(struct nlmsghdr) unsigned char buffer[BUFFER_BYTES];
};

/* ------------------------------------------------------------ the kernel's sockets */

static int kernel_open(struct ph_context *context, int protocol)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd, one = 1, saved;

	(void)context;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	/* Only the texts of errors depend on these: kernels without them are fine. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		saved = errno;
		close(fd);
		return -saved;
	}
	return fd;
}

static int kernel_port(struct ph_context *context, int handle, uint32_t *port)
{
	struct sockaddr_nl address = { 0 };
	socklen_t length = sizeof(address);

	(void)context;
	if (getsockname(handle, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	*port = address.nl_pid;
	return 0;
}

static int kernel_send(struct ph_context *context, int handle, const void *bytes, size_t length)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	(void)context;
	do
		sent = sendto(handle, bytes, length, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Waits until the socket can be read. 0 also when a signal came: the caller tries again. */
static int wait_readable(const struct ph_context *context, int handle)
{
	struct pollfd events[2] = {
		{ .fd = handle, .events = POLLIN },
		{ .fd = context->cancel_fd, .events = POLLIN },
	};
	int r = poll(events, context->cancel_fd >= 0 ? 2 : 1, SILENCE_MS);

	if (r < 0 && errno != EINTR)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static ssize_t kernel_receive(struct ph_context *context, int handle, void *bytes, size_t size)
{
	int r = 0;

	while (r == 0) {
		struct sockaddr_nl from = { 0 };
		struct iovec part = { .iov_base = bytes, .iov_len = size };
		struct msghdr message = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &part,
			.msg_iovlen = 1,
		};
		ssize_t got;

		if (ph_cancelled(context))
			return -ECANCELED;
		/* A dump's next part is made while it is received: waiting first would only cost.
		 */
		got = recvmsg(handle, &message, MSG_DONTWAIT);
		/* Any process may write to this socket; the kernel alone has port 0. */
		if (got >= 0 && from.nl_pid != 0)
			continue;
		if (got >= 0)
			return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
		if (errno == EAGAIN)
			r = wait_readable(context, handle);
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

static void kernel_close(struct ph_context *context, int handle)
{
	(void)context;
	close(handle);
}

static const struct ph_transport kernel_transport = {
	.open = kernel_open,
	.send = kernel_send,
	.receive = kernel_receive,
	.close = kernel_close,
	.port = kernel_port,
};

/* ------------------------------------------------------------ opening */

int ph_netlink_open(struct ph_context *context, int protocol, struct ph_netlink **netlink,
                    struct ph_error *error)
{
	struct ph_netlink *opened = malloc(sizeof(*opened));
	int r;

	*netlink = NULL;
	if (opened == NULL)
		return ph_fail(error, -ENOMEM, "opening netlink: out of memory");
	opened->context = context;
	opened->transport = context->transport != NULL ? context->transport : &kernel_transport;
	opened->sequence = 0;
	opened->port = 0;
	opened->port_known = opened->transport->port != NULL;
	opened->handle = r = opened->transport->open(context, protocol);
	if (r >= 0 && opened->port_known) {
		r = opened->transport->port(context, opened->handle, &opened->port);
		if (r < 0)
			opened->transport->close(context, opened->handle);
	}
	if (r < 0) {
		free(opened);
		return ph_fail(error, r, "opening netlink protocol %d: %s", protocol, strerror(-r));
	}
	*netlink = opened;
	return 0;
}

void ph_netlink_close(struct ph_netlink *netlink)
{
	if (netlink == NULL)
		return;
	netlink->transport->close(netlink->context, netlink->handle);
	free(netlink);
}

uint32_t ph_netlink_port(const struct ph_netlink *netlink)
{
	return netlink->port;
}

/* ------------------------------------------------------------ answers */

struct answer {
	ph_netlink_fn *each;
	void *data;
	uint32_t sequence, port;
	bool port_known;
	bool done; /* DONE, an error or the acknowledgement came */
	bool interrupted;
	int result; /* the first failure: the kernel's, or what `each` returned */
	char text[KERNEL_TEXT_BYTES]; /* the kernel's words for its failure; printable ASCII */
};

static void keep_text(struct answer *answer, const char *bytes, size_t length)
{
	size_t kept = 0;

	while (kept < length && kept < sizeof(answer->text) - 1 && bytes[kept] != '\0') {
		unsigned char byte = (unsigned char)bytes[kept];

		answer->text[kept++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
	}
	answer->text[kept] = '\0';
}

/* Looks for NLMSGERR_ATTR_MSG in the attributes from `offset` bytes into the payload. */
static void read_extended_ack(const struct nlmsghdr *message, size_t offset, struct answer *answer)
{
	const char *end = mnl_nlmsg_get_payload_tail(message);
	const struct nlattr *attribute = mnl_nlmsg_get_payload_offset(message, offset);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	while ((const char *)attribute < end &&
	       mnl_attr_ok(attribute, (int)(end - (const char *)attribute))) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
			keep_text(answer, mnl_attr_get_payload(attribute),
			          mnl_attr_get_payload_len(attribute));
		attribute = mnl_attr_next(attribute);
	}
}

/* NLMSG_ERROR: a failure, or with 0 the acknowledgement. The request follows, capped or whole. */
static int read_error(const struct nlmsghdr *message, struct answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error))
		return -EBADMSG;
	if (error->error > 0 || error->error < -4095)
		return -EBADMSG;
	if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
		if (error->msg.nlmsg_len < sizeof(error->msg) ||
		    error->msg.nlmsg_len > mnl_nlmsg_get_payload_len(message))
			return error->error < 0 ? error->error : 0;
		offset += MNL_ALIGN(error->msg.nlmsg_len - sizeof(error->msg));
	}
	read_extended_ack(message, offset, answer);
	return error->error;
}

/* NLMSG_DONE carries how the dump ended; kernels before 4.15 sent no more than the number. */
static int read_done(const struct nlmsghdr *message, struct answer *answer)
{
	int32_t ending;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(ending))
		return 0;
	memcpy(&ending, mnl_nlmsg_get_payload(message), sizeof(ending));
	if (ending >= 0)
		return 0;
	if (ending < -4095)
		return -EBADMSG;
	read_extended_ack(message, sizeof(ending), answer);
	return ending;
}

static void keep_result(struct answer *answer, int result)
{
	if (answer->result == 0 && result < 0)
		answer->result = result;
}

static void read_message(const struct nlmsghdr *message, struct answer *answer)
{
	if (message->nlmsg_seq != answer->sequence)
		return;
	if (answer->port_known && message->nlmsg_pid != answer->port)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_OVERRUN:
		answer->interrupted = true;
		return;
	case NLMSG_ERROR:
		keep_result(answer, read_error(message, answer));
		answer->done = true;
		return;
	case NLMSG_DONE:
		keep_result(answer, read_done(message, answer));
		answer->done = true;
		return;
	default:
		if (answer->each != NULL && answer->result == 0)
			keep_result(answer, answer->each(message, answer->data));
	}
}

/* A datagram holds whole messages and nothing else. */
static int read_datagram(const unsigned char *bytes, size_t length, struct answer *answer)
{
	const struct nlmsghdr *message = (const void *)bytes;
	int left = (int)length;

	if (length == 0)
		return -EBADMSG;
	while (left > 0 && !answer->done) {
		/* libmnl compares lengths as signed numbers: one over 2 GiB passes it. */
		if (!mnl_nlmsg_ok(message, left) || message->nlmsg_len > (uint32_t)left)
			return -EBADMSG;
		read_message(message, answer);
		message = mnl_nlmsg_next(message, &left);
	}
	return 0;
}

/* Receives until the answer is complete; its result, or why it could not be received. */
static int receive_answer(struct ph_netlink *netlink, struct answer *answer)
{
	int losses = 0;

	while (!answer->done) {
		ssize_t got;
		int r;

		if (ph_cancelled(netlink->context))
			return -ECANCELED;
		got = netlink->transport->receive(netlink->context, netlink->handle,
		                                  netlink->buffer, sizeof(netlink->buffer));
		if (got == -ENOBUFS && losses++ < MOST_LOSSES) {
			/* The queue was too short: messages are missing, more may come. */
			answer->interrupted = true;
			continue;
		}
		if (got == -EMSGSIZE || got > (ssize_t)sizeof(netlink->buffer))
			return -EBADMSG;
		if (got < 0)
			return (int)got;
		r = read_datagram(netlink->buffer, (size_t)got, answer);
		if (r < 0)
			return r;
	}
	return answer->result;
}

static int send_request(struct ph_netlink *netlink, struct nlmsghdr *request, struct answer *answer)
{
	if (ph_cancelled(netlink->context))
		return -ECANCELED;
	/* 0 is what unasked messages carry. */
	if (++netlink->sequence == 0)
		netlink->sequence = 1;
	request->nlmsg_seq = netlink->sequence;
	request->nlmsg_pid = netlink->port;
	answer->sequence = netlink->sequence;
	answer->port = netlink->port;
	answer->port_known = netlink->port_known;
	return netlink->transport->send(netlink->context, netlink->handle, request,
	                                request->nlmsg_len);
}

static int fail_answer(struct ph_error *error, int r, const char *what, const struct answer *answer)
{
	const char *why = r == -ECANCELED ? "cancelled" : strerror(-r);

	if (r == -EBADMSG)
		why = "the answer is not netlink";
	if (answer->text[0] != '\0')
		return ph_fail(error, r, "%s: %s (the kernel says: %s)", what, why, answer->text);
	return ph_fail(error, r, "%s: %s", what, why);
}

int ph_netlink_dump(struct ph_context *context, struct ph_netlink *netlink,
                    struct nlmsghdr *request, const struct ph_dump *dump, struct ph_error *error)
{
	(void)context;
	for (int repetition = 0;; repetition++) {
		struct answer answer = { .each = dump->each, .data = dump->data };
		int r;

		request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		r = send_request(netlink, request, &answer);
		if (r >= 0)
			r = receive_answer(netlink, &answer);
		if (r < 0)
			return fail_answer(error, r, dump->what, &answer);
		if (!answer.interrupted)
			return 0;
		if (repetition == MOST_REPETITIONS)
			return 1;
		if (dump->restart != NULL)
			dump->restart(dump->data);
	}
}

int ph_netlink_ask(struct ph_context *context, struct ph_netlink *netlink, struct nlmsghdr *request,
                   ph_netlink_fn *each, void *data, struct ph_error *error)
{
	struct answer answer = { .each = each, .data = data };
	int r;

	(void)context;
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	r = send_request(netlink, request, &answer);
	if (r >= 0)
		r = receive_answer(netlink, &answer);
	if (r == 0 && answer.interrupted)
		r = -ENOBUFS;
	if (r < 0)
		return fail_answer(error, r, "asking the kernel by netlink", &answer);
	return 0;
}
