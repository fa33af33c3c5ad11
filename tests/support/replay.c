/* Netlink sessions: see replay.h. */
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { REQUEST = 1, DATAGRAM = 2, FAILURE = 3 };

struct record {
	uint32_t kind, length;
};

static struct replay *replay_of(const struct ph_context *context)
{
	return context->transport_data;
}

/* ------------------------------------------------------------ the session */

/* The record at `position`, and where its bytes are; false at the end. */
static bool record_at(const struct replay *replay, size_t position, struct record *record,
                      unsigned char **bytes)
{
	if (replay->length - position < sizeof(*record))
		return false;
	memcpy(record, replay->bytes + position, sizeof(*record));
	if (record->length > replay->length - position - sizeof(*record))
		return false;
	*bytes = replay->bytes + position + sizeof(*record);
	return true;
}

static void add(struct replay *replay, enum kind kind, const void *bytes, size_t length)
{
	struct record record = { .kind = kind, .length = (uint32_t)length };
	size_t whole = replay->length + sizeof(record) + length;

	replay->bytes = test_realloc(replay->bytes, whole);
	memcpy(replay->bytes + replay->length, &record, sizeof(record));
	memcpy(replay->bytes + replay->length + sizeof(record), bytes, length);
	replay->length = whole;
}

void replay_add_request(struct replay *replay, const struct nlmsghdr *request)
{
	add(replay, REQUEST, request, request->nlmsg_len);
}

void replay_add_datagram(struct replay *replay, const void *bytes, size_t length)
{
	add(replay, DATAGRAM, bytes, length);
}

void replay_add_error(struct replay *replay, int error)
{
	add(replay, FAILURE, &error, sizeof(error));
}

/* ------------------------------------------------------------ replaying */

static int replay_open(struct ph_context *context, int protocol)
{
	struct replay *replay = replay_of(context);

	(void)protocol;
	if (replay->open_result < 0)
		return replay->open_result;
	replay->opened++;
	return 7;
}

static void replay_close(struct ph_context *context, int handle)
{
	assert_int_equal(handle, 7);
	replay_of(context)->closed++;
}

static int replay_port(struct ph_context *context, int handle, uint32_t *port)
{
	(void)context;
	assert_int_equal(handle, 7);
	*port = REPLAY_PORT;
	return 0;
}

/* Type, then the family and protocol that every request begins with. */
static bool same_question(const unsigned char *a, const unsigned char *b)
{
	struct nlmsghdr x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x.nlmsg_type == y.nlmsg_type && memcmp(a + sizeof(x), b + sizeof(y), 2) == 0;
}

static void find_answer(struct replay *replay, const unsigned char *request)
{
	struct record record;
	unsigned char *bytes;
	size_t at = 0;

	replay->recorded = false;
	while (record_at(replay, at, &record, &bytes)) {
		at += sizeof(record) + record.length;
		if (record.kind != REQUEST || !same_question(bytes, request))
			continue;
		memcpy(&replay->was, bytes, sizeof(replay->was));
		replay->position = at;
		replay->recorded = true;
		return;
	}
}

static int replay_send(struct ph_context *context, int handle, const void *bytes, size_t length)
{
	struct replay *replay = replay_of(context);
	struct nlmsghdr header;

	assert_int_equal(handle, 7);
	assert_true(length >= sizeof(header) + 2 && length <= sizeof(replay->request));
	memcpy(&header, bytes, sizeof(header));
	assert_int_equal(header.nlmsg_len, length);
	if (replay->send_result < 0)
		return replay->send_result;
	memcpy(replay->request, bytes, length);
	replay->requests++;
	replay->refusal = replay->refuse != NULL ? replay->refuse(bytes) : 0;
	find_answer(replay, bytes);
	return 0;
}

/* Replaces what the recorded request was known by; messages that are broken stay as they are. */
static void readdress(struct replay *replay, unsigned char *bytes, size_t length)
{
	struct nlmsghdr now, message;
	size_t at = 0;

	memcpy(&now, replay->request, sizeof(now));
	while (at <= length && length - at >= sizeof(message)) {
		memcpy(&message, bytes + at, sizeof(message));
		if (message.nlmsg_seq == replay->was.nlmsg_seq)
			message.nlmsg_seq = now.nlmsg_seq;
		if (message.nlmsg_pid == replay->was.nlmsg_pid)
			message.nlmsg_pid = now.nlmsg_pid;
		if (message.nlmsg_type == NLMSG_DONE && replay->interruptions > 0) {
			message.nlmsg_flags |= NLM_F_DUMP_INTR;
			replay->interruptions--;
		}
		memcpy(bytes + at, &message, sizeof(message));
		if (message.nlmsg_len < sizeof(message) || message.nlmsg_len > length)
			return;
		at += NLMSG_ALIGN((size_t)message.nlmsg_len);
	}
}

static ssize_t refuse(struct replay *replay, unsigned char *bytes)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer = { .header = { .nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR } };

	memcpy(&answer.error.msg, replay->request, sizeof(answer.error.msg));
	answer.header.nlmsg_seq = answer.error.msg.nlmsg_seq;
	answer.header.nlmsg_pid = answer.error.msg.nlmsg_pid;
	answer.header.nlmsg_flags = NLM_F_CAPPED;
	answer.error.error = replay->refusal != 0 ? replay->refusal : -ENOENT;
	memcpy(bytes, &answer, sizeof(answer));
	return sizeof(answer);
}

static ssize_t replay_receive(struct ph_context *context, int handle, void *bytes, size_t size)
{
	struct replay *replay = replay_of(context);
	struct record record;
	unsigned char *from;
	int failure;

	assert_int_equal(handle, 7);
	if (ph_cancelled(context))
		return -ECANCELED;
	if (replay->refusal != 0 || !replay->recorded)
		return refuse(replay, bytes);
	if (!record_at(replay, replay->position, &record, &from) || record.kind == REQUEST)
		return -ETIMEDOUT;
	replay->position += sizeof(record) + record.length;
	if (record.kind == FAILURE) {
		memcpy(&failure, from, sizeof(failure));
		return failure;
	}
	if (record.length > size)
		return -EMSGSIZE;
	memcpy(bytes, from, record.length);
	readdress(replay, bytes, record.length);
	if (replay->change != NULL)
		replay->change(bytes, record.length);
	return record.length;
}

static const struct ph_transport replay_transport = {
	.open = replay_open,
	.send = replay_send,
	.receive = replay_receive,
	.close = replay_close,
	.port = replay_port,
};

void replay_start(struct replay *replay, struct ph_context *context)
{
	memset(replay, 0, sizeof(*replay));
	context->transport = &replay_transport;
	context->transport_data = replay;
}

void replay_load(struct replay *replay, const char *path, struct ph_context *context)
{
	struct ph_error error;
	char *text;

	replay_start(replay, context);
	if (ph_read_below(".", path, 16 << 20, &text, &replay->length, &error) < 0)
		fail_msg("%s", error.message);
	replay->bytes = test_malloc(replay->length);
	memcpy(replay->bytes, text, replay->length);
	free(text);
}

void replay_free(struct replay *replay)
{
	assert_int_equal(replay->opened, replay->closed);
	if (replay->bytes != NULL)
		test_free(replay->bytes);
}

/* ------------------------------------------------------------ recording */

static int record_open(struct ph_context *context, int protocol)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	(void)context;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int record_port(struct ph_context *context, int handle, uint32_t *port)
{
	struct sockaddr_nl address = { 0 };
	socklen_t length = sizeof(address);

	(void)context;
	assert_int_equal(getsockname(handle, (struct sockaddr *)&address, &length), 0);
	*port = address.nl_pid;
	return 0;
}

static int record_send(struct ph_context *context, int handle, const void *bytes, size_t length)
{
	add(replay_of(context), REQUEST, bytes, length);
	return send(handle, bytes, length, 0) < 0 ? -errno : 0;
}

static ssize_t record_receive(struct ph_context *context, int handle, void *bytes, size_t size)
{
	ssize_t got = recv(handle, bytes, size, 0);

	if (got < 0)
		return -errno;
	add(replay_of(context), DATAGRAM, bytes, (size_t)got);
	return got;
}

static void record_close(struct ph_context *context, int handle)
{
	(void)context;
	close(handle);
}

static const struct ph_transport record_transport = {
	.open = record_open,
	.send = record_send,
	.receive = record_receive,
	.close = record_close,
	.port = record_port,
};

void replay_record(struct replay *replay, struct ph_context *context)
{
	replay_start(replay, context);
	context->transport = &record_transport;
}

void replay_save(const struct replay *replay, const char *path)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(replay->bytes, 1, replay->length, file), replay->length);
	assert_int_equal(fclose(file), 0);
}
