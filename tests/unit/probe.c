/* Probes of real sockets, in a network namespace of the test's own. */
#include "porthole/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static bool isolated;

/* A namespace with nothing but loopback; as an ordinary user inside a user namespace. */
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
	if (!isolated)
		print_message("skipped: loopback cannot be brought up: %s\n", strerror(errno));
	return 0;
}

static void needs_isolation(void)
{
	if (!isolated)
		skip();
}

/* Takes IPv4 and IPv6. */
static int bound(int type, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int listener(uint16_t port, int backlog)
{
	int fd = bound(SOCK_STREAM, port);

	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

struct scan {
	struct ph_context context;
	struct ph_target targets[2];
	struct ph_portspec ports;
	struct ph_probe_plan plan;
	struct ph_probes probes;
	struct ph_error error;
};

static void open_scan(struct scan *scan, const char *address, const char *ports)
{
	memset(scan, 0, sizeof(*scan));
	assert_int_equal(ph_context_open(&scan->context, NULL), 0);
	assert_int_equal(ph_host_parse(address, strlen(address), &scan->targets[0].host, NULL), 0);
	scan->targets[0].own = true;
	assert_int_equal(
		ph_portspec_parse(ports, strlen(ports), PH_PORTS_TCP, NULL, &scan->ports, NULL), 0);
	scan->plan = (struct ph_probe_plan){
		.targets = scan->targets,
		.target_count = 1,
		.ports = &scan->ports,
		.retries = 2,
	};
}

static void run(struct scan *scan)
{
	if (ph_probe(&scan->context, &scan->plan, &scan->probes, &scan->error) < 0)
		fail_msg("%s", scan->error.message);
}

static void close_scan(struct scan *scan)
{
	ph_probes_free(&scan->probes);
	ph_context_close(&scan->context);
}

/* Every row that is not closed: "80/tcp open syn-ack". */
static void assert_found(struct scan *scan, const char *expected)
{
	char text[2048] = "";

	for (size_t i = 0; i < scan->probes.count && strlen(text) < 1900; i++) {
		const struct ph_probe *probe = &scan->probes.items[i];

		if (probe->state == PH_PROBE_CLOSED)
			continue;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u/%s %s %s",
		         text[0] ? ", " : "", probe->port,
		         probe->proto == PH_PROBE_UDP ? "udp" : "tcp",
		         ph_probe_state_name(probe->state), ph_probe_reason_name(probe->reason));
	}
	assert_string_equal(text, expected);
}

static void a_full_scan_finds_exactly_the_open_ports(void **state)
{
	static const uint16_t ports[] = { 1, 80, 32768, 40000, 46883, 46884, 50000, 60999, 65535 };
	static const char expected[] =
		"1/tcp open syn-ack, 80/tcp open syn-ack, 32768/tcp open syn-ack, "
		"40000/tcp open syn-ack, 46883/tcp open syn-ack, 46884/tcp open syn-ack, "
		"50000/tcp open syn-ack, 60999/tcp open syn-ack, 65535/tcp open syn-ack";
	int fds[sizeof(ports) / sizeof(ports[0])];
	struct scan scan;

	(void)state;
	needs_isolation();
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		fds[i] = listener(ports[i], 8);
	for (int round = 0; round < 4; round++) {
		open_scan(&scan, round % 2 ? "::1" : "127.0.0.1", "0-");
		run(&scan);
		assert_int_equal(scan.probes.count, 65536);
		assert_false(scan.probes.cancelled);
		assert_found(&scan, expected);
		assert_int_equal(scan.probes.items[81].reason, PH_REASON_CONN_REFUSED);
		assert_int_equal(scan.probes.items[81].tries, 1);
		assert_true(scan.probes.items[80].rtt_us > 0);
		close_scan(&scan);
	}
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		close(fds[i]);
}

static void few_descriptors_do_not_make_it_wrong(void **state)
{
	struct rlimit before, few;
	int fd, full;
	struct scan scan;

	(void)state;
	needs_isolation();
	fd = listener(45000, 8);
	full = listener(45001, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ 64, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	open_scan(&scan, "127.0.0.1", "1-");
	run(&scan);
	assert_found(&scan, "45000/tcp open syn-ack, 45001/tcp open syn-ack");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(few.rlim_cur, 64);
	setrlimit(RLIMIT_NOFILE, &before);
	close_scan(&scan);
	close(fd);
	close(full);
}

/* In a child: a hard limit that was lowered does not come back. */
static void without_one_descriptor_it_fails_and_says_so(void **state)
{
	struct scan scan;
	const char *preloaded = getenv("LD_PRELOAD");
	int status;
	pid_t child;

	(void)state;
	needs_isolation();
	/* valgrind keeps descriptors of its own and answers setrlimit(2) itself. */
	if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
		skip();
	open_scan(&scan, "127.0.0.1", "1-10");
	child = fork();
	if (child == 0) {
		struct rlimit none = { 3, 3 };
		int r = setrlimit(RLIMIT_NOFILE, &none);

		if (r == 0)
			r = ph_probe(&scan.context, &scan.plan, &scan.probes, &scan.error);
		_exit(r == -EMFILE && strstr(scan.error.message, "open files") ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close_scan(&scan);
}

/* A listener whose accept queue is full drops what comes. */
static void a_full_accept_queue_is_filtered(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(2000) };
	struct scan scan;
	int fd, clients[4];

	(void)state;
	needs_isolation();
	fd = listener(2000, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < 4; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(clients[i], (struct sockaddr *)&address, sizeof(address));
	}
	open_scan(&scan, "127.0.0.1", "1999-2001");
	scan.plan.timeout_us = 100000;
	run(&scan);
	assert_found(&scan, "2000/tcp filtered no-response");
	assert_int_equal(scan.probes.items[1].tries, 3);
	close_scan(&scan);
	for (size_t i = 0; i < 4; i++)
		close(clients[i]);
	close(fd);
}

struct resetter {
	int fd;
	pthread_t thread;
};

static void *reset_each(void *data)
{
	static const struct linger reset = { .l_onoff = 1 };
	const struct resetter *resetter = data;
	int client;

	while ((client = accept(resetter->fd, NULL, NULL)) >= 0) {
		setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(client);
	}
	return NULL;
}

static void accepted_and_reset_at_once_is_open(void **state)
{
	struct resetter resetter;
	struct scan scan;

	(void)state;
	needs_isolation();
	resetter.fd = listener(3000, 8);
	assert_int_equal(pthread_create(&resetter.thread, NULL, reset_each, &resetter), 0);
	for (int round = 0; round < 50; round++) {
		open_scan(&scan, round % 2 ? "::1" : "127.0.0.1", "3000");
		run(&scan);
		assert_found(&scan, "3000/tcp open syn-ack");
		close_scan(&scan);
	}
	shutdown(resetter.fd, SHUT_RDWR);
	pthread_join(resetter.thread, NULL);
	close(resetter.fd);
}

struct answerer {
	int fd;
	pthread_t thread;
	char got[16];
};

static void *answer_one(void *data)
{
	struct answerer *answerer = data;
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	ssize_t got = recvfrom(answerer->fd, answerer->got, sizeof(answerer->got), 0,
	                       (struct sockaddr *)&from, &length);

	if (got >= 0)
		sendto(answerer->fd, "yes", 3, 0, (struct sockaddr *)&from, length);
	return NULL;
}

static void udp_tells_answering_silent_and_closed_ports(void **state)
{
	static const struct ph_payload payloads[] = { { 52, 1, "x" }, { 53, 5, "hello" } };
	struct answerer answerer = { 0 };
	struct scan scan;
	int silent;

	(void)state;
	needs_isolation();
	answerer.fd = bound(SOCK_DGRAM, 53);
	silent = bound(SOCK_DGRAM, 40000);
	assert_int_equal(pthread_create(&answerer.thread, NULL, answer_one, &answerer), 0);
	open_scan(&scan, "127.0.0.1", "U:1-1024,32768-65535");
	scan.plan.payloads = payloads;
	scan.plan.payload_count = 2;
	run(&scan);
	pthread_join(answerer.thread, NULL);
	assert_found(&scan, "53/udp open udp-response, 40000/udp open|filtered no-response");
	assert_string_equal(answerer.got, "hello");
	assert_int_equal(scan.probes.items[0].state, PH_PROBE_CLOSED);
	assert_int_equal(scan.probes.items[0].reason, PH_REASON_PORT_UNREACH);
	close_scan(&scan);
	close(answerer.fd);
	close(silent);
}

static void other_hosts_without_a_route_are_filtered(void **state)
{
	struct scan scan;

	(void)state;
	needs_isolation();
	open_scan(&scan, "192.0.2.1", "80,U:53");
	scan.targets[0].own = false;
	run(&scan);
	assert_found(&scan, "80/tcp filtered net-unreach, 53/udp filtered net-unreach");
	close_scan(&scan);
}

static void a_rate_is_kept(void **state)
{
	struct scan scan;

	(void)state;
	needs_isolation();
	open_scan(&scan, "127.0.0.1", "1-100");
	scan.plan.rate = 500;
	run(&scan);
	assert_int_equal(scan.probes.count, 100);
	assert_true(scan.probes.elapsed_us > 150000);
	close_scan(&scan);
}

static void cancel_soon(void *data, size_t done, size_t total)
{
	(void)done;
	(void)total;
	ph_cancel(data);
}

static void a_cancelled_run_gives_what_is_known(void **state)
{
	struct scan scan;

	(void)state;
	needs_isolation();
	open_scan(&scan, "127.0.0.1", "1-1000");
	scan.plan.rate = 1000;
	scan.plan.progress = cancel_soon;
	scan.plan.progress_data = &scan.context;
	run(&scan);
	assert_true(scan.probes.cancelled);
	assert_true(scan.probes.count > 0 && scan.probes.count < 1000);
	assert_int_equal(scan.probes.partial.count, 1);
	assert_non_null(strstr(scan.probes.partial.items[0], "were not probed"));
	close_scan(&scan);
}

static void own_addresses_may_have_ports_of_their_own(void **state)
{
	struct ph_portspec own;
	struct scan scan;

	(void)state;
	needs_isolation();
	open_scan(&scan, "127.0.0.1", "1-10");
	scan.targets[1] = scan.targets[0];
	scan.targets[1].host.address[3] = 2;
	scan.targets[1].own = false;
	assert_int_equal(ph_portspec_parse("1-20", 4, PH_PORTS_TCP, NULL, &own, NULL), 0);
	scan.plan.own_ports = &own;
	scan.plan.target_count = 2;
	run(&scan);
	assert_int_equal(scan.probes.count, 30);
	assert_int_equal(scan.probes.items[19].target, 0);
	assert_int_equal(scan.probes.items[20].target, 1);
	close_scan(&scan);
}

static int probe_attempt(void *data)
{
	struct scan *scan = data;
	int r = ph_probe(&scan->context, &scan->plan, &scan->probes, &scan->error);

	ph_probes_free(&scan->probes);
	return r;
}

static void failed_allocations_are_survived(void **state)
{
	struct scan scan;
	int silent;

	(void)state;
	needs_isolation();
	silent = bound(SOCK_DGRAM, 20);
	open_scan(&scan, "127.0.0.1", "1-20,U:1-20");
	scan.plan.timeout_us = 20000;
	scan.plan.window = 4;
	fail_each_allocation(probe_attempt, &scan);
	close_scan(&scan);
	close(silent);
}

static void names_are_those_of_nmap(void **state)
{
	(void)state;
	assert_string_equal(ph_probe_state_name(PH_PROBE_OPEN_FILTERED), "open|filtered");
	assert_string_equal(ph_probe_reason_name(PH_REASON_ADMIN_PROHIBITED), "admin-prohibited");
	assert_null(ph_probe_state_name(PH_PROBE_UNKNOWN));
	assert_null(ph_probe_state_name(PH_PROBE_STATE_COUNT));
	assert_null(ph_probe_reason_name(PH_REASON_COUNT));
}

static void too_many_rows_are_refused(void **state)
{
	struct ph_target *targets = test_calloc(300, sizeof(*targets));
	struct scan scan;

	(void)state;
	open_scan(&scan, "127.0.0.1", "1-");
	scan.plan.targets = targets;
	scan.plan.target_count = 300;
	assert_failure(ph_probe(&scan.context, &scan.plan, &scan.probes, &scan.error), -E2BIG,
	               scan.error, "probe in parts");
	close_scan(&scan);
	test_free(targets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_scan_finds_exactly_the_open_ports),
		cmocka_unit_test(few_descriptors_do_not_make_it_wrong),
		cmocka_unit_test(without_one_descriptor_it_fails_and_says_so),
		cmocka_unit_test(a_full_accept_queue_is_filtered),
		cmocka_unit_test(accepted_and_reset_at_once_is_open),
		cmocka_unit_test(udp_tells_answering_silent_and_closed_ports),
		cmocka_unit_test(other_hosts_without_a_route_are_filtered),
		cmocka_unit_test(a_rate_is_kept),
		cmocka_unit_test(a_cancelled_run_gives_what_is_known),
		cmocka_unit_test(own_addresses_may_have_ports_of_their_own),
		cmocka_unit_test(failed_allocations_are_survived),
		cmocka_unit_test(names_are_those_of_nmap),
		cmocka_unit_test(too_many_rows_are_refused),
	};

	return cmocka_run_group_tests_name("probe", tests, isolate, NULL);
}
