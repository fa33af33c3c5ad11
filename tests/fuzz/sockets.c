/*
 * Fuzzing of what the kernel says of sockets: the input is the answer to every question, in
 * datagrams of at most 4096 bytes. The first byte chooses what is asked. With FUZZ_STANDALONE
 * defined, it runs each file that is named.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "porthole/netlink.h"
#include "porthole/sockets.h"

#define DATAGRAM 4096
/* So that an input that never ends a dump ends. */
#define MOST_DATAGRAMS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size, position;
	unsigned given;
	struct nlmsghdr request;
};

static int fuzz_open(struct ph_context *context, int protocol)
{
	(void)context;
	(void)protocol;
	return 0;
}

static int fuzz_send(struct ph_context *context, int handle, const void *bytes, size_t length)
{
	struct input *input = context->transport_data;

	(void)handle;
	(void)length;
	memcpy(&input->request, bytes, sizeof(input->request));
	input->position = 0;
	return 0;
}

/* Every message that is where one should be gets the sequence that is waited for. */
static void readdress(const struct input *input, uint8_t *bytes, size_t length)
{
	struct nlmsghdr header;

	for (size_t at = 0; at < length && length - at >= sizeof(header);) {
		memcpy(&header, bytes + at, sizeof(header));
		header.nlmsg_seq = input->request.nlmsg_seq;
		memcpy(bytes + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length - at)
			return;
		at += ((size_t)header.nlmsg_len + 3) / 4 * 4;
	}
}

static ssize_t fuzz_receive(struct ph_context *context, int handle, void *bytes, size_t size)
{
	struct input *input = context->transport_data;
	size_t left = input->size - input->position;
	size_t length = left < DATAGRAM ? left : DATAGRAM;

	(void)handle;
	(void)size;
	if (left == 0 || input->given++ > MOST_DATAGRAMS)
		return -ETIMEDOUT;
	memcpy(bytes, input->data + input->position, length);
	readdress(input, bytes, length);
	input->position += length;
	return (ssize_t)length;
}

static void fuzz_close(struct ph_context *context, int handle)
{
	(void)context;
	(void)handle;
}

static const struct ph_transport transport = {
	.open = fuzz_open,
	.send = fuzz_send,
	.receive = fuzz_receive,
	.close = fuzz_close,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { 0 };
	struct ph_context context = {
		.proc = "/nonexistent",
		.transport = &transport,
		.transport_data = &input,
		.cancel_fd = -1,
	};
	struct ph_socket_query query = { .details = true };
	struct ph_sockets sockets = { 0 };
	struct ph_error error;

	if (size < 1)
		return 0;
	input.data = data + 1;
	input.size = size - 1;
	query.protos = 1u << (data[0] % PH_PROTO_COUNT);
	ph_sockets_read(&context, &query, 0, &sockets, &error);
	ph_sockets_free(&sockets);
	return 0;
}

#ifdef FUZZ_STANDALONE
static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(1 << 20);
	size_t size;

	if (file == NULL || data == NULL) {
		perror(path);
		free(data);
		if (file != NULL)
			fclose(file);
		return 1;
	}
	size = fread(data, 1, 1 << 20, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int failures = 0;

	for (int i = 1; i < argc; i++)
		failures += run_file(argv[i]);
	return failures != 0;
}
#endif
