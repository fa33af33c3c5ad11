/* rtnetlink replayed from a recording. */
#include "rtnetlink.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* So that a dump takes several datagrams. */
#define DATAGRAM_BYTES 4096

static int replay_open(struct ph_context *context, int protocol)
{
	struct rtnetlink *replay = context->transport_data;

	assert_int_equal(protocol, NETLINK_ROUTE);
	if (replay->open_result < 0)
		return replay->open_result;
	replay->opened++;
	return 0;
}

static int replay_send(struct ph_context *context, int handle, const void *bytes, size_t length)
{
	struct rtnetlink *replay = context->transport_data;
	const struct nlmsghdr *request = bytes;

	(void)handle;
	assert_int_equal(length, request->nlmsg_len);
	assert_int_equal(request->nlmsg_flags & (NLM_F_REQUEST | NLM_F_DUMP),
	                 NLM_F_REQUEST | NLM_F_DUMP);
	replay->sequence = request->nlmsg_seq;
	replay->type = request->nlmsg_type;
	replay->position = 0;
	return 0;
}

static size_t put_end(const struct rtnetlink *replay, unsigned char *out)
{
	bool refused = replay->refused == replay->type;
	struct nlmsghdr header = {
		.nlmsg_len = NLMSG_LENGTH(refused ? sizeof(struct nlmsgerr) : sizeof(int)),
		.nlmsg_type = refused ? NLMSG_ERROR : NLMSG_DONE,
		.nlmsg_flags = NLM_F_MULTI,
		.nlmsg_seq = replay->sequence,
	};

	memset(out, 0, NLMSG_ALIGN(header.nlmsg_len));
	memcpy(out, &header, sizeof(header));
	if (refused) {
		struct nlmsgerr error = { .error = replay->refusal, .msg.nlmsg_len = 16 };

		memcpy(out + NLMSG_HDRLEN, &error, sizeof(error));
	}
	return NLMSG_ALIGN(header.nlmsg_len);
}

/* The message at the position, which moves on; NULL: none is left. A length of nonsense is taken as
 * it is, cut. */
static struct nlmsghdr *next_message(const struct rtnetlink *replay, size_t *position)
{
	struct nlmsghdr *message = (void *)(replay->bytes + *position);

	if (*position + sizeof(*message) > replay->length)
		return NULL;
	if (message->nlmsg_len < sizeof(*message) ||
	    message->nlmsg_len > replay->length - *position)
		*position = replay->length;
	else
		*position += NLMSG_ALIGN(message->nlmsg_len);
	return message;
}

static ssize_t replay_receive(struct ph_context *context, int handle, void *bytes, size_t size)
{
	struct rtnetlink *replay = context->transport_data;
	bool interrupted = replay->interruptions > 0 && replay->type == replay->interrupted;
	unsigned char *out = bytes;
	size_t filled = 0;

	(void)handle;
	assert_true(size >= 2 * DATAGRAM_BYTES);
	while (replay->refused != replay->type && filled < DATAGRAM_BYTES) {
		size_t start = replay->position;
		struct nlmsghdr *message = next_message(replay, &replay->position), *copy;

		if (message == NULL)
			break;
		if (message->nlmsg_type != replay->type - 2)
			continue;
		memcpy(out + filled, message, replay->position - start);
		copy = (void *)(out + filled);
		copy->nlmsg_seq = replay->sequence;
		if (interrupted)
			copy->nlmsg_flags |= NLM_F_DUMP_INTR;
		filled += replay->position - start;
	}
	if (filled > 0)
		return (ssize_t)filled;
	replay->interruptions -= interrupted;
	return (ssize_t)put_end(replay, out);
}

static void replay_close(struct ph_context *context, int handle)
{
	struct rtnetlink *replay = context->transport_data;

	(void)handle;
	replay->closed++;
}

static const struct ph_transport transport = {
	.open = replay_open,
	.send = replay_send,
	.receive = replay_receive,
	.close = replay_close,
};

void rtnetlink_load(struct rtnetlink *replay, const char *path, struct ph_context *context)
{
	FILE *file = fopen(path, "rb");

	*replay = (struct rtnetlink){ .bytes = malloc(1 << 20) };
	assert_non_null(file);
	replay->length = fread(replay->bytes, 1, 1 << 20, file);
	fclose(file);
	assert_true(replay->length > 0);
	*context = (struct ph_context){
		.proc = "/proc",
		.etc = "/etc",
		.transport = &transport,
		.transport_data = replay,
		.cancel_fd = -1,
	};
}

void rtnetlink_free(struct rtnetlink *replay)
{
	assert_int_equal(replay->opened, replay->closed);
	free(replay->bytes);
}

struct nlmsghdr *rtnetlink_message(struct rtnetlink *replay, uint16_t type, size_t nth)
{
	struct nlmsghdr *message;
	size_t position = 0;

	while ((message = next_message(replay, &position)) != NULL)
		if (message->nlmsg_type == type && nth-- == 0)
			return message;
	return NULL;
}

/* Values that turn lengths, types, families and prefixes into wrong ones. */
static const unsigned char changes[] = { 0x00, 0x01, 0x7f, 0xff };

void rtnetlink_change_each_byte(struct rtnetlink *replay, uint16_t type,
                                void (*attempt)(void *data), void *data)
{
	struct nlmsghdr *message;

	for (size_t nth = 0; (message = rtnetlink_message(replay, type, nth)) != NULL; nth++) {
		unsigned char *bytes = (unsigned char *)message;
		size_t length = message->nlmsg_len;

		for (size_t i = 0; i < length; i++) {
			unsigned char kept = bytes[i];

			for (size_t j = 0; j < sizeof(changes); j++) {
				bytes[i] = changes[j];
				attempt(data);
			}
			bytes[i] = kept;
		}
	}
}

/* "0 ID 1": root within is this id without. */
static bool map_id(const char *path, unsigned id)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return false;
	if (fprintf(file, "0 %u 1", id) < 0) {
		fclose(file);
		return false;
	}
	return fclose(file) == 0;
}

/* Without it an ordinary user may not map groups. */
static bool deny_setgroups(void)
{
	FILE *file = fopen("/proc/self/setgroups", "w");
	bool written = file != NULL && fputs("deny", file) >= 0;

	return file != NULL && fclose(file) == 0 && written;
}

bool enter_own_network(void)
{
	unsigned uid = getuid(), gid = getgid();

	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && deny_setgroups() &&
	       map_id("/proc/self/uid_map", uid) && map_id("/proc/self/gid_map", gid);
}

int run_in_child(int (*run)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(run());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
