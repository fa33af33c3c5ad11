/* Streams over real sockets on loopback, in a network namespace of the test's own. */
#include "porthole/stream.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static bool isolated;

static int isolate(void **state)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespace: %s\n", strerror(errno));
		return 0;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	isolated = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	if (fd >= 0)
		close(fd);
	return 0;
}

static void needs_isolation(void)
{
	if (!isolated)
		skip();
}

static const struct ph_host loopback = { .family = AF_INET, .address = { 127, 0, 0, 1 } };

/* Waits for what the stream wants, a second at most. */
static void wait_for(const struct ph_stream *stream)
{
	struct pollfd event = { .fd = ph_stream_fd(stream), .events = ph_stream_wants(stream) };

	assert_int_equal(poll(&event, 1, 1000), 1);
}

struct pair {
	struct ph_stream *server, *client, *accepted;
};

static void connect_pair(struct pair *pair)
{
	struct ph_error error = { 0 };
	struct ph_host host;
	uint16_t port;
	int r;

	assert_int_equal(ph_stream_listen(&loopback, 0, 8, &pair->server, &error), 0);
	assert_int_equal(ph_stream_accept(pair->server, &pair->accepted, &error), -EAGAIN);
	assert_int_equal(ph_stream_sock(pair->server, &host, &port, &error), 0);
	assert_int_equal(ph_stream_open(&loopback, port, false, &pair->client, &error), 0);
	while ((r = ph_stream_connect(pair->client, &error)) == -EAGAIN)
		wait_for(pair->client);
	assert_int_equal(r, 0);
	while ((r = ph_stream_accept(pair->server, &pair->accepted, &error)) == -EAGAIN)
		wait_for(pair->server);
	assert_int_equal(r, 0);
}

static void close_pair(struct pair *pair)
{
	ph_stream_close(pair->accepted);
	ph_stream_close(pair->client);
	ph_stream_close(pair->server);
}

static void what_is_sent_is_received_and_kept_until_it_is_dropped(void **state)
{
	struct pair pair;
	struct ph_error error;
	size_t length;

	(void)state;
	needs_isolation();
	connect_pair(&pair);
	assert_int_equal(ph_stream_receive(pair.accepted, 10, &error), -EAGAIN);
	assert_int_equal(ph_stream_send(pair.client, "hello\nworld", 11, &error), 11);
	wait_for(pair.accepted);
	assert_int_equal(ph_stream_receive(pair.accepted, 5, &error), 5);
	assert_int_equal(ph_stream_receive(pair.accepted, 100, &error), 6);
	assert_memory_equal(ph_stream_received(pair.accepted, &length), "hello\nworld", 11);
	assert_int_equal(length, 11);
	ph_stream_drop(pair.accepted, 6);
	assert_memory_equal(ph_stream_received(pair.accepted, &length), "world", 5);
	assert_int_equal(length, 5);
	close_pair(&pair);
}

static void the_end_is_told_from_nothing_yet(void **state)
{
	struct pair pair;
	struct ph_error error;
	struct ph_host host;
	uint16_t port;

	(void)state;
	needs_isolation();
	connect_pair(&pair);
	assert_int_equal(ph_stream_peer(pair.client, &host, &port, &error), 0);
	assert_true(ph_host_equal(&host, &loopback));
	assert_int_equal(ph_stream_receive(pair.accepted, 10, &error), -EAGAIN);
	ph_stream_close(pair.client);
	pair.client = NULL;
	wait_for(pair.accepted);
	assert_int_equal(ph_stream_receive(pair.accepted, 10, &error), 0);
	close_pair(&pair);
}

static void a_closed_port_refuses(void **state)
{
	struct ph_stream *stream;
	struct ph_error error;
	int r;

	(void)state;
	needs_isolation();
	r = ph_stream_open(&loopback, 1, false, &stream, &error);
	while (r == 0 && (r = ph_stream_connect(stream, &error)) == -EAGAIN)
		wait_for(stream);
	assert_failure(r, -ECONNREFUSED, error, "connecting to 127.0.0.1 port 1");
	ph_stream_close(stream);
}

static void a_port_is_never_shared(void **state)
{
	struct ph_stream *first, *second;
	struct ph_error error;
	struct ph_host host;
	uint16_t port;

	(void)state;
	needs_isolation();
	assert_int_equal(ph_stream_listen(&loopback, 0, 8, &first, &error), 0);
	assert_int_equal(ph_stream_sock(first, &host, &port, &error), 0);
	assert_failure(ph_stream_listen(&loopback, port, 8, &second, &error), -EADDRINUSE, error,
	               "listening on 127.0.0.1");
	assert_null(second);
	host.address[0] = 192;
	assert_int_equal(ph_stream_listen(&host, 0, 8, &second, &error), -EADDRNOTAVAIL);
	ph_stream_close(first);
}

static void datagrams_come_one_at_a_time(void **state)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	struct ph_stream *stream;
	struct ph_error error;
	struct ph_host host;
	uint16_t port;
	int fd;

	(void)state;
	needs_isolation();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ph_host_sockaddr(&loopback, 0, &address);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(ph_host_from((struct sockaddr *)&address, &host, &port), 0);
	assert_int_equal(ph_stream_open(&loopback, port, true, &stream, &error), 0);
	assert_int_equal(ph_stream_starttls(stream, NULL, NULL, &error), -EOPNOTSUPP);
	assert_int_equal(ph_stream_send(stream, "x", 1, &error), 1);
	assert_int_equal(ph_stream_sock(stream, &host, &port, &error), 0);
	length = ph_host_sockaddr(&host, port, &address);
	assert_int_equal(sendto(fd, "one", 3, 0, (struct sockaddr *)&address, length), 3);
	assert_int_equal(sendto(fd, "three", 5, 0, (struct sockaddr *)&address, length), 5);
	assert_int_equal(ph_stream_receive(stream, 1, &error), 3);
	assert_int_equal(ph_stream_receive(stream, 1, &error), 5);
	ph_stream_close(stream);
	close(fd);
}

static void what_speaks_no_tls_is_an_error_and_clear_data_before_it_too(void **state)
{
	struct ph_tls_info info;
	struct ph_error error = { 0 };
	struct pair pair;
	int r;

	(void)state;
	needs_isolation();
	connect_pair(&pair);
	assert_failure(ph_stream_tls_info(pair.client, &info, &error), -ENOTCONN, error, "no TLS");
	r = ph_stream_starttls(pair.client, "name.example", "h2,http/1.1", &error);
	if (r == -ENOSYS) {
		print_message("skipped: %s\n", error.message);
		close_pair(&pair);
		skip();
	}
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(ph_stream_send(pair.accepted, "220 no TLS here\r\n", 17, &error), 17);
	while ((r = ph_stream_starttls(pair.client, NULL, NULL, &error)) == -EAGAIN)
		wait_for(pair.client);
	assert_int_equal(r, -EPROTO);
	assert_int_equal(ph_stream_send(pair.client, "clear", 5, &error), -EPROTO);
	close_pair(&pair);
	connect_pair(&pair);
	assert_int_equal(ph_stream_send(pair.accepted, "early", 5, &error), 5);
	assert_int_equal(ph_stream_receive(pair.client, 10, &error), 5);
	assert_failure(ph_stream_starttls(pair.client, NULL, NULL, &error), -EPROTO, error,
	               "in the clear");
	close_pair(&pair);
}

static int stream_attempt(void *data)
{
	struct ph_stream *server = NULL, *client = NULL;
	struct ph_error error;
	struct ph_host host;
	uint16_t port = 0;
	int r;

	(void)data;
	r = ph_stream_listen(&loopback, 0, 8, &server, &error);
	if (r == 0)
		r = ph_stream_sock(server, &host, &port, &error);
	if (r == 0)
		r = ph_stream_open(&loopback, port, false, &client, &error);
	if (r == 0 && ph_stream_receive(client, 10, &error) == -ENOMEM)
		r = -ENOMEM;
	ph_stream_close(client);
	ph_stream_close(server);
	return r;
}

static void failed_allocations_are_survived(void **state)
{
	(void)state;
	needs_isolation();
	fail_each_allocation(stream_attempt, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_received_and_kept_until_it_is_dropped),
		cmocka_unit_test(the_end_is_told_from_nothing_yet),
		cmocka_unit_test(a_closed_port_refuses),
		cmocka_unit_test(a_port_is_never_shared),
		cmocka_unit_test(datagrams_come_one_at_a_time),
		cmocka_unit_test(what_speaks_no_tls_is_an_error_and_clear_data_before_it_too),
		cmocka_unit_test(failed_allocations_are_survived),
	};

	return cmocka_run_group_tests_name("stream", tests, isolate, NULL);
}
