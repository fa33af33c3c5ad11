/*
 * Sockets of this kernel: a namespace of the test's own is filled with every kind of bind, and what
 * is read is compared with what each descriptor says of itself. `--record FILE` saves what the
 * kernel answers, for tests/unit/sockets.c.
 */
#include "porthole/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "replay.h"
#include "rtnetlink.h"

#define MOST_SOCKETS  64
#define PROTO_MPTCP   262
#define OPTION_COOKIE 57 /* SO_COOKIE */
#define OPTION_DEVICE 62 /* SO_BINDTOIFINDEX */

struct zoo {
	int fds[MOST_SOCKETS];
	size_t count;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
	struct sockaddr_ll packet;
};

static int keep(struct zoo *zoo, int fd)
{
	assert_true(fd >= 0);
	assert_true(zoo->count < MOST_SOCKETS);
	zoo->fds[zoo->count++] = fd;
	return fd;
}

static socklen_t address_of(union address *address, const char *text, uint16_t port)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(port);
		return sizeof(address->v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &address->v6.sin6_addr), 1);
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_port = htons(port);
	return sizeof(address->v6);
}

static void set(int fd, int level, int option, int value)
{
	assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static int bound(struct zoo *zoo, int type, int protocol, const char *text, uint16_t port)
{
	union address address;
	socklen_t length = address_of(&address, text, port);
	int fd = socket(address.any.sa_family, type, protocol);

	if (fd < 0)
		return fd;
	keep(zoo, fd);
	if (address.any.sa_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	assert_int_equal(bind(fd, &address.any, length), 0);
	return fd;
}

static int listening(struct zoo *zoo, int protocol, const char *text, uint16_t port)
{
	int fd = bound(zoo, SOCK_STREAM, protocol, text, port);

	if (fd >= 0)
		assert_int_equal(listen(fd, 7), 0);
	return fd;
}

static int connected(int type, int protocol, const char *text, uint16_t port)
{
	union address address;
	socklen_t length = address_of(&address, text, port);
	int fd = socket(address.any.sa_family, type, protocol);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &address.any, length), 0);
	return fd;
}

/* Options that must stand before bind(). */
static void listen_with(struct zoo *zoo, const char *text, uint16_t port, int level, int option)
{
	union address address;
	socklen_t length = address_of(&address, text, port);
	int fd = keep(zoo, socket(address.any.sa_family, SOCK_STREAM, 0));

	set(fd, level, option, 1);
	assert_int_equal(bind(fd, &address.any, length), 0);
	assert_int_equal(listen(fd, 5), 0);
}

static void open_tcp(struct zoo *zoo)
{
	int fd, peer;

	listening(zoo, 0, "0.0.0.0", 1001);
	listening(zoo, 0, "::", 1002);
	listen_with(zoo, "::", 1003, IPPROTO_IPV6, IPV6_V6ONLY);
	listening(zoo, 0, "::ffff:127.0.0.1", 1004);
	listening(zoo, 0, "::1", 1005);
	listen_with(zoo, "127.0.0.1", 1006, SOL_SOCKET, SO_REUSEPORT);
	listen_with(zoo, "127.0.0.1", 1006, SOL_SOCKET, SO_REUSEPORT);
	listen_with(zoo, "0.0.0.0", 1007, SOL_SOCKET, OPTION_DEVICE);
	/* Accepted; not accepted; mapped; closed, in TIME_WAIT. */
	fd = listening(zoo, 0, "127.0.0.1", 1008);
	keep(zoo, connected(SOCK_STREAM, 0, "127.0.0.1", 1008));
	keep(zoo, accept(fd, NULL, NULL));
	keep(zoo, connected(SOCK_STREAM, 0, "127.0.0.1", 1008));
	keep(zoo, connected(SOCK_STREAM, 0, "::ffff:127.0.0.1", 1004));
	fd = listening(zoo, 0, "127.0.0.1", 1009);
	peer = connected(SOCK_STREAM, 0, "127.0.0.1", 1009);
	fd = accept(fd, NULL, NULL);
	close(peer);
	close(fd);
	if (listening(zoo, PROTO_MPTCP, "127.0.0.1", 1010) >= 0)
		listening(zoo, PROTO_MPTCP, "::", 1011);
}

static void open_others(struct zoo *zoo)
{
	struct sockaddr_ll packet = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800) };
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0port\0hole\n" };
	int fd;

	bound(zoo, SOCK_DGRAM, 0, "127.0.0.1", 1001);
	bound(zoo, SOCK_DGRAM, 0, "::", 1002);
	bound(zoo, SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.1", 1003);
	keep(zoo, connected(SOCK_DGRAM, 0, "127.0.0.1", 1001));
	keep(zoo, connected(SOCK_DGRAM, 0, "::1", 1002));
	keep(zoo, socket(AF_INET, SOCK_RAW, 89));
	keep(zoo, socket(AF_INET6, SOCK_RAW, 89));
	fd = keep(zoo, socket(AF_PACKET, SOCK_RAW, 0));
	packet.sll_ifindex = 1;
	assert_int_equal(bind(fd, (struct sockaddr *)&packet, sizeof(packet)), 0);
	fd = keep(zoo, socket(AF_UNIX, SOCK_STREAM, 0));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t) + 11), 0);
	assert_int_equal(listen(fd, 3), 0);
	keep(zoo, socket(AF_UNIX, SOCK_DGRAM, 0));
}

static bool open_zoo(struct zoo *zoo)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, r;

	memset(zoo, 0, sizeof(*zoo));
	if (!enter_own_network())
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	r = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	if (r < 0)
		return false;
	open_tcp(zoo);
	open_others(zoo);
	return true;
}

/* ------------------------------------------------------------ what a descriptor says of itself */

static int option_of(int fd, int level, int option)
{
	int value = 0;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
	return value;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, OPTION_COOKIE, &cookie, &length), 0);
	return cookie;
}

/* MPTCP's listener is there twice, with one inode: the cookie tells which. */
static const struct ph_socket *row_of(const struct ph_sockets *sockets, int fd)
{
	const struct ph_socket *found = NULL;
	uint64_t cookie = cookie_of(fd);
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	for (size_t i = 0; i < sockets->count; i++) {
		const struct ph_socket *row = &sockets->items[i];

		if (row->cookie != 0 ? row->cookie != cookie : row->inode != status.st_ino)
			continue;
		assert_null(found);
		assert_int_equal(row->inode, status.st_ino);
		found = row;
	}
	assert_non_null(found);
	return found;
}

static void expect_endpoint(const union address *address, uint8_t family, const uint8_t *bytes,
                            uint16_t port)
{
	if (family == AF_INET) {
		assert_memory_equal(bytes, &address->v4.sin_addr, 4);
		assert_int_equal(port, ntohs(address->v4.sin_port));
	} else {
		assert_memory_equal(bytes, &address->v6.sin6_addr, 16);
		assert_int_equal(port, ntohs(address->v6.sin6_port));
	}
}

static void expect_inet(const struct ph_socket *row, int fd, bool diag)
{
	union address local = { 0 }, peer = { 0 };
	socklen_t length = sizeof(local), peer_length = sizeof(peer);
	bool is_connected = getpeername(fd, &peer.any, &peer_length) == 0;
	bool open = row->state == PH_LISTEN || row->state == PH_UNCONN;

	assert_int_equal(getsockname(fd, &local.any, &length), 0);
	if (option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_RAW)
		expect_endpoint(&local, row->family, row->laddr, row->lport);
	else
		assert_int_equal(row->lport, 89);
	if (is_connected)
		expect_endpoint(&peer, row->family, row->raddr, row->rport);
	if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN))
		assert_int_equal(row->state, PH_LISTEN);
	else
		assert_int_equal(row->state, is_connected ? PH_ESTAB : PH_UNCONN);
	if (!diag || row->cookie == 0) {
		assert_int_equal(row->v6only, PH_UNKNOWN);
		return;
	}
	assert_int_equal(row->ifindex, option_of(fd, SOL_SOCKET, OPTION_DEVICE));
	if (row->proto == PH_TCP && option_of(fd, SOL_SOCKET, SO_REUSEPORT))
		assert_int_equal(row->reuseport, 1);
	else
		assert_int_equal(row->reuseport, PH_UNKNOWN);
	if (row->family == AF_INET6 && open)
		assert_int_equal(row->v6only, option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	else
		assert_int_equal(row->v6only, PH_UNKNOWN);
}

static uint8_t proto_of(int fd)
{
	int domain = option_of(fd, SOL_SOCKET, SO_DOMAIN),
	    type = option_of(fd, SOL_SOCKET, SO_TYPE);
	int protocol = option_of(fd, SOL_SOCKET, SO_PROTOCOL);

	if (domain == AF_UNIX)
		return type == SOCK_STREAM ? PH_UNIX_STREAM : PH_UNIX_DGRAM;
	if (domain == AF_PACKET)
		return PH_PACKET;
	if (type == SOCK_RAW)
		return PH_RAW;
	if (type == SOCK_STREAM)
		return protocol == PROTO_MPTCP ? PH_MPTCP : PH_TCP;
	return protocol == IPPROTO_UDPLITE ? PH_UDPLITE : PH_UDP;
}

static void expect(const struct ph_sockets *sockets, int fd, bool diag)
{
	const struct ph_socket *row = row_of(sockets, fd);

	assert_int_equal(row->proto, diag || proto_of(fd) != PH_MPTCP ? proto_of(fd) : PH_TCP);
	assert_int_equal(row->family, option_of(fd, SOL_SOCKET, SO_DOMAIN));
	assert_int_equal(row->type, option_of(fd, SOL_SOCKET, SO_TYPE));
	if (row->family == AF_INET || row->family == AF_INET6)
		expect_inet(row, fd, diag);
	if (row->proto == PH_PACKET) {
		assert_int_equal(row->lport, 0x0800);
		assert_int_equal(row->ifindex, 1);
	}
	if (row->proto == PH_UNIX_STREAM)
		assert_memory_equal(sockets->names + row->name,
		                    diag ? "\0port\0hole\n" : "\0port@hole", 10);
	if (row->proto == PH_UNIX_STREAM || row->proto == PH_UNIX_DGRAM)
		assert_int_equal(row->state, row->proto == PH_UNIX_STREAM ? PH_LISTEN : PH_UNCONN);
}

/* ------------------------------------------------------------ children, each in its namespace */

static size_t count_of(const struct ph_sockets *sockets, uint8_t proto, uint8_t state)
{
	size_t count = 0;

	for (size_t i = 0; i < sockets->count; i++)
		count += sockets->items[i].proto == proto && sockets->items[i].state == state;
	return count;
}

static void read_query(const struct ph_socket_query *query, struct ph_sockets *sockets)
{
	struct ph_context context;
	struct ph_error error;

	memset(sockets, 0, sizeof(*sockets));
	assert_int_equal(ph_context_open(&context, &error), 0);
	if (ph_sockets_read(&context, query, 0, sockets, &error) < 0)
		fail_msg("%s", error.message);
	ph_context_close(&context);
}

static int compare_diag(void)
{
	const struct ph_socket_query query = { .details = true };
	struct ph_sockets sockets;
	struct zoo zoo;

	if (!open_zoo(&zoo))
		return CANNOT_RUN;
	read_query(&query, &sockets);
	for (size_t i = 0; i < zoo.count; i++)
		expect(&sockets, zoo.fds[i], true);
	/* Three connections, both ends of each; one was closed. */
	assert_int_equal(count_of(&sockets, PH_TCP, PH_ESTAB), 6);
	assert_int_equal(count_of(&sockets, PH_TCP, PH_TIME_WAIT), 1);
	assert_true(sockets.detail_count > 0);
	ph_sockets_free(&sockets);
	return 0;
}

static int compare_proc(void)
{
	const struct ph_socket_query query = { .proc = true, .protos = ~(1u << PH_NETLINK) };
	struct ph_sockets sockets;
	struct zoo zoo;

	if (!open_zoo(&zoo))
		return CANNOT_RUN;
	/* A name with a newline is two lines there. */
	close(zoo.fds[zoo.count - 2]);
	zoo.fds[zoo.count - 2] = zoo.fds[0];
	read_query(&query, &sockets);
	for (size_t i = 0; i < zoo.count; i++)
		expect(&sockets, zoo.fds[i], false);
	assert_int_equal(count_of(&sockets, PH_TCP, PH_TIME_WAIT), 1);
	ph_sockets_free(&sockets);
	return 0;
}

/* Every filter that the kernel runs gives what filtering all rows here gives. */
static void compare_selection(const struct ph_sockets *all, const struct ph_socket_query *query,
                              size_t expected)
{
	struct ph_sockets selected;

	read_query(query, &selected);
	assert_int_equal(selected.count, expected);
	assert_true(selected.count < all->count);
	ph_sockets_free(&selected);
}

static int compare_filters(void)
{
	static const struct ph_range ports[] = { { 1001, 1002 }, { 1005, 1005 }, { 1008, 1008 } };
	const struct ph_prefix loopback = { AF_INET, 8, { 127 } };
	const struct ph_prefix prefixes[] = { loopback, { AF_INET6, 128, { [15] = 1 } } };
	struct ph_socket_query query = { .protos = 1u << PH_TCP };
	struct ph_sockets all;
	struct zoo zoo;

	if (!open_zoo(&zoo))
		return CANNOT_RUN;
	read_query(&query, &all);
	query.lports = ports;
	query.lport_count = 3;
	/* Listeners, and the two ends of 1008 that are its. */
	compare_selection(&all, &query, 6);
	query.states = 1u << PH_LISTEN;
	compare_selection(&all, &query, 4);
	query.laddrs = prefixes;
	query.laddr_count = 2;
	compare_selection(&all, &query, 2);
	query = (struct ph_socket_query){ .protos = 1u << PH_TCP, .ifindex = 1 };
	compare_selection(&all, &query, 1);
	/* 1008's listener, and either end of its two connections. */
	query = (struct ph_socket_query){ .protos = 1u << PH_TCP, .ports = ports + 2 };
	query.port_count = 1;
	compare_selection(&all, &query, 5);
	/* Mapped addresses are IPv4's: the listener at 1004 and both ends of its connection. */
	query = (struct ph_socket_query){ .protos = 1u << PH_TCP, .families = 2 };
	query.laddrs = &loopback;
	query.laddr_count = 1;
	compare_selection(&all, &query, 3);
	/* What is only bound is given when it is asked for, by kernels that know it. */
	bound(&zoo, SOCK_STREAM, 0, "127.0.0.1", 1012);
	assert_int_equal(count_of(&all, PH_TCP, PH_BOUND_INACTIVE), 0);
	ph_sockets_free(&all);
	query = (struct ph_socket_query){ .protos = 1u << PH_TCP };
	read_query(&query, &all);
	assert_int_equal(count_of(&all, PH_TCP, PH_BOUND_INACTIVE), 0);
	ph_sockets_free(&all);
	query.states = 1u << PH_BOUND_INACTIVE;
	read_query(&query, &all);
	for (size_t i = 0; i < all.count; i++)
		assert_int_equal(all.items[i].lport, 1012);
	ph_sockets_free(&all);
	return 0;
}

static void run(int (*child)(void))
{
	int status = run_in_child(child);

	if (status == CANNOT_RUN) {
		print_message("no network namespace can be made here\n");
		skip();
	}
	/* A failed assertion in the child ends it with the number of failures. */
	assert_int_equal(status, 0);
}

static void every_socket_is_read_once_as_it_says_of_itself(void **state)
{
	(void)state;
	run(compare_diag);
}

static void proc_net_gives_the_same_sockets(void **state)
{
	(void)state;
	run(compare_proc);
}

static void the_kernel_selects_what_is_wanted_and_loses_nothing(void **state)
{
	(void)state;
	run(compare_filters);
}

/* Dumps of both families at once and one by one, so that each request has its answer. */
static int record(const char *path)
{
	struct ph_socket_query query = { 0 };
	struct ph_context context;
	struct ph_sockets sockets = { 0 };
	struct ph_error error;
	struct replay replay;
	struct zoo zoo;

	if (!open_zoo(&zoo) || ph_context_open(&context, &error) < 0)
		return 1;
	replay_record(&replay, &context);
	for (query.families = 0; query.families < 3; query.families++)
		if (ph_sockets_read(&context, &query, 0, &sockets, &error) < 0)
			return 1;
	replay_save(&replay, path);
	ph_sockets_free(&sockets);
	ph_context_close(&context);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_socket_is_read_once_as_it_says_of_itself),
		cmocka_unit_test(proc_net_gives_the_same_sockets),
		cmocka_unit_test(the_kernel_selects_what_is_wanted_and_loses_nothing),
	};

	if (argc == 3 && strcmp(argv[1], "--record") == 0)
		return record(argv[2]);
	return cmocka_run_group_tests_name("sockets of this kernel", tests, NULL, NULL);
}
