/*
 * Sockets on a recorded session (tests/unit/sockets_live.c records it), on trees of /proc/net, and
 * on hostile ones.
 */
#include "porthole/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

#define ZOO "tests/data/sockets/zoo.netlink"

struct fixture {
	struct ph_context context;
	struct replay replay;
	struct ph_sockets sockets;
	struct ph_error error;
	char root[256];
};

static const char *const tree_files[] = { "tcp",  "tcp6",   "udp",     "raw",
	                                  "unix", "packet", "netlink", "protocols" };

static void put_file(const struct fixture *f, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/thread-self/net/%s", f->root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The recorded session, and a /proc without files. */
static void start(struct fixture *f)
{
	char path[512];

	memset(f, 0, sizeof(*f));
	assert_int_equal(ph_context_open(&f->context, NULL), 0);
	replay_load(&f->replay, ZOO, &f->context);
	snprintf(f->root, sizeof(f->root), "%s/porthole-XXXXXX",
	         getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(f->root));
	snprintf(path, sizeof(path), "%s/thread-self", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/net");
	assert_int_equal(mkdir(path, 0700), 0);
	f->context.proc = f->root;
}

static void remove_tree(const struct fixture *f)
{
	char path[512];

	for (size_t i = 0; i < sizeof(tree_files) / sizeof(tree_files[0]); i++) {
		snprintf(path, sizeof(path), "%s/thread-self/net/%s", f->root, tree_files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/thread-self/net", f->root);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/thread-self", f->root);
	rmdir(path);
	assert_int_equal(rmdir(f->root), 0);
}

static void stop(struct fixture *f)
{
	ph_sockets_free(&f->sockets);
	ph_context_close(&f->context);
	replay_free(&f->replay);
	remove_tree(f);
}

static int read_all(struct fixture *f, const struct ph_socket_query *query)
{
	return ph_sockets_read(&f->context, query, 3, &f->sockets, &f->error);
}

static const struct ph_socket *find(const struct ph_sockets *sockets, uint8_t proto, uint16_t lport,
                                    uint8_t state)
{
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->items[i].proto == proto && sockets->items[i].lport == lport &&
		    sockets->items[i].state == state)
			return &sockets->items[i];
	return NULL;
}

/* ------------------------------------------------------------ the recorded session */

static void a_recorded_namespace_is_read_in_order_and_each_socket_once(void **state)
{
	const struct ph_socket_query query = { 0 };
	const struct ph_socket *row;
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(read_all(&f, &query), 0);
	for (size_t i = 1; i < f.sockets.count; i++) {
		uint8_t before = f.sockets.items[i - 1].proto, proto = f.sockets.items[i].proto;

		assert_true(before <= proto || proto >= PH_UNIX_STREAM);
		assert_int_equal(f.sockets.items[i].netns, 3);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(f.sockets.items[i].cookie, f.sockets.items[j].cookie);
	}
	row = find(&f.sockets, PH_TCP, 1003, PH_LISTEN);
	assert_non_null(row);
	assert_int_equal(row->v6only, 1);
	row = find(&f.sockets, PH_TCP, 1007, PH_LISTEN);
	assert_non_null(row);
	assert_int_equal(row->ifindex, 1);
	assert_int_equal(row->sendq, 5);
	assert_non_null(find(&f.sockets, PH_MPTCP, 1011, PH_LISTEN));
	assert_non_null(find(&f.sockets, PH_UDPLITE, 1003, PH_UNCONN));
	stop(&f);
}

static void an_interrupted_dump_gives_nothing_twice(void **state)
{
	const struct ph_socket_query query = { .protos = 1u << PH_TCP };
	struct fixture f;
	size_t count;

	(void)state;
	start(&f);
	assert_int_equal(read_all(&f, &query), 0);
	count = f.sockets.count;
	ph_sockets_free(&f.sockets);
	f.replay.interruptions = 3;
	assert_int_equal(read_all(&f, &query), 0);
	assert_int_equal(f.sockets.count, count);
	assert_int_equal(f.sockets.partial.count, 0);
	ph_sockets_free(&f.sockets);
	f.replay.interruptions = 100;
	assert_int_equal(read_all(&f, &query), 0);
	assert_int_equal(f.sockets.count, count);
	assert_non_null(strstr(f.sockets.partial.items[0], "kept changing"));
	stop(&f);
}

static int refuse_both(const struct nlmsghdr *request)
{
	return request->nlmsg_type == TCPDIAG_GETSOCK ? -EOPNOTSUPP : 0;
}

static void families_are_asked_one_by_one_where_both_are_refused(void **state)
{
	const struct ph_socket_query query = { .protos = 1u << PH_TCP };
	struct fixture f;
	size_t count;

	(void)state;
	start(&f);
	assert_int_equal(read_all(&f, &query), 0);
	count = f.sockets.count;
	ph_sockets_free(&f.sockets);
	f.replay.refuse = refuse_both;
	assert_int_equal(read_all(&f, &query), 0);
	assert_int_equal(f.sockets.count, count);
	assert_int_equal(f.sockets.partial.count, 0);
	stop(&f);
}

static void what_the_kernel_did_not_select_is_selected_here(void **state)
{
	const struct ph_range port = { 1004, 1004 };
	const struct ph_prefix loopback = { AF_INET, 8, { 127 } };
	struct ph_socket_query query = { .protos = 1u << PH_TCP,
		                         .lports = &port,
		                         .lport_count = 1 };
	struct fixture f;

	(void)state;
	start(&f);
	query.laddrs = &loopback;
	query.laddr_count = 1;
	query.states = 1u << PH_LISTEN;
	assert_int_equal(read_all(&f, &query), 0);
	assert_int_equal(f.sockets.count, 1);
	assert_int_equal(f.sockets.items[0].family, AF_INET6);
	stop(&f);
}

/* ------------------------------------------------------------ hostile answers */

static uint32_t chance;

static uint32_t next_chance(void)
{
	chance = chance * 1664525 + 1013904223;
	return chance >> 8;
}

static void change_bytes(unsigned char *bytes, size_t length)
{
	for (uint32_t n = next_chance() % 4; n > 0 && length > 0; n--)
		bytes[next_chance() % length] = (unsigned char)next_chance();
}

static void changed_answers_end_in_rows_or_in_an_error(void **state)
{
	const struct ph_socket_query query = { .details = true };
	struct fixture f;

	(void)state;
	start(&f);
	f.replay.change = change_bytes;
	for (chance = 0; chance < 0x7fffffff && f.replay.requests < 20000;) {
		int r = read_all(&f, &query);

		assert_true(r == 0 || r == -EBADMSG || r == -EACCES || r == -ENOMEM);
		ph_sockets_free(&f.sockets);
		if (f.replay.opened > 600)
			break;
	}
	stop(&f);
}

/* A dump of TCP with one message that is cut to `bytes`. */
static int read_cut(size_t bytes, uint16_t attribute_length)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg row;
		struct nlattr attribute;
		uint32_t value;
	} message = {
		.header = { .nlmsg_len = (uint32_t)bytes, .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.row = { .idiag_family = AF_INET, .idiag_state = PH_LISTEN },
		.attribute = { .nla_len = attribute_length, .nla_type = INET_DIAG_MARK },
	};
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 wanted;
	} request = { .header = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		      .wanted = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP } };
	struct nlmsghdr done = { .nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE };
	const struct ph_socket_query query = { .protos = 1u << PH_TCP, .families = 1 };
	struct replay recorded;
	struct fixture f;
	int r;

	start(&f);
	recorded = f.replay;
	replay_start(&f.replay, &f.context);
	replay_add_request(&f.replay, &request.header);
	replay_add_datagram(&f.replay, &message, NLMSG_ALIGN(bytes));
	replay_add_datagram(&f.replay, &done, sizeof(done));
	r = read_all(&f, &query);
	replay_free(&recorded);
	stop(&f);
	return r;
}

static void rows_and_attributes_that_are_cut_short_are_refused(void **state)
{
	const size_t row = sizeof(struct nlmsghdr) + sizeof(struct inet_diag_msg);

	(void)state;
	assert_int_equal(read_cut(row, 8), 0);
	assert_int_equal(read_cut(row - 4, 8), -EBADMSG);
	assert_int_equal(read_cut(sizeof(struct nlmsghdr), 8), -EBADMSG);
	assert_int_equal(read_cut(row + 8, 8), 0);
	assert_int_equal(read_cut(row + 8, 9), -EBADMSG);
	assert_int_equal(read_cut(row + 8, 3), -EBADMSG);
	assert_int_equal(read_cut(row + 4, 8), -EBADMSG);
}

/* ------------------------------------------------------------ /proc/net */

#define TCP_HEAD \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
#define TCP_TAIL  " 00000000  1000        3 4711 2 0000000000000000 100 0 0 10 0\n"
#define UNIX_HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"

static const struct ph_socket_query inet_query = { .protos = 1u << PH_TCP | 1u << PH_UDP };

static void refused_sock_diag_leaves_proc_net_and_says_so(void **state)
{
	static const int refusals[] = { -EPERM, -EACCES, -ENOSYS, -EAFNOSUPPORT, -EPROTONOSUPPORT };
	const struct ph_socket *row;
	struct fixture f;

	(void)state;
	start(&f);
	put_file(&f, "tcp",
	         TCP_HEAD "   0: 0100007F:0016 0200007F:D431 01 00000005:00000007 02:00000064"
	                  " 00000001  1000        3 4711 2 0000000000000000 20 4 30 10 -1\n");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		f.replay.open_result = refusals[i];
		assert_int_equal(read_all(&f, &inet_query), 0);
		assert_int_equal(f.sockets.count, 1);
		assert_non_null(strstr(f.sockets.partial.items[0], "TCP sockets come from"));
		row = &f.sockets.items[0];
		assert_int_equal(row->lport, 22);
		assert_int_equal(row->rport, 54321);
		assert_memory_equal(row->laddr, "\x7f\0\0\1", 4);
		assert_memory_equal(row->raddr, "\x7f\0\0\2", 4);
		assert_int_equal(row->state, PH_ESTAB);
		assert_int_equal(row->sendq, 5);
		assert_int_equal(row->recvq, 7);
		assert_int_equal(row->timer, 2);
		assert_int_equal(row->timer_ms, 1000);
		assert_int_equal(row->retransmits, 1);
		assert_int_equal(row->uid, 1000);
		assert_int_equal(row->probes, 3);
		assert_int_equal(row->inode, 4711);
		assert_int_equal(row->references, 2);
		assert_int_equal(row->cookie, 0);
		assert_int_equal(row->v6only, PH_UNKNOWN);
		ph_sockets_free(&f.sockets);
	}
	stop(&f);
}

static void without_sock_diag_and_proc_net_reading_fails(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	f.replay.open_result = -EPERM;
	f.context.proc = "/nowhere";
	assert_failure(read_all(&f, &inet_query), -EACCES, f.error, "/proc/net");
	ph_sockets_free(&f.sockets);
	f.replay.open_result = -EMFILE;
	assert_failure(read_all(&f, &inet_query), -EMFILE, f.error, "netlink");
	stop(&f);
}

static void lines_that_make_no_sense_are_left_out_and_told(void **state)
{
	static const char *const bad[] = {
		"   1: 0100007F:0016 0000\n",
		"   1: 0100007F:0016 00000000:0000 0A 0:0 00:0 0 0 0 99999999999999999999 1 0\n",
		"   1: 010000:0016 00000000:0000 0A 00000000:00000000 00:00000000" TCP_TAIL,
		"   1: 0100007F:10016 00000000:0000 0A 00000000:00000000 00:00000000" TCP_TAIL,
		"garbage\n",
	};
	const struct ph_socket_query query = { .protos = 1u << PH_TCP, .proc = true };
	struct fixture f;
	char text[1024];

	(void)state;
	start(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s%s%s", TCP_HEAD, bad[i],
		         "   2: 0100007F:0017 00000000:0000 0A 00000000:00000000 "
		         "00:00000000" TCP_TAIL);
		put_file(&f, "tcp", text);
		assert_int_equal(read_all(&f, &query), 0);
		assert_int_equal(f.sockets.count, 1);
		assert_int_equal(f.sockets.items[0].lport, 23);
		assert_int_equal(f.sockets.partial.count, 1);
		assert_non_null(strstr(f.sockets.partial.items[0], "not understood"));
		ph_sockets_free(&f.sockets);
	}
	stop(&f);
}

static void unix_packet_and_netlink_lines_are_read(void **state)
{
	struct ph_socket_query query = { .proc = true };
	const struct ph_socket *row;
	struct fixture f;

	(void)state;
	start(&f);
	put_file(&f, "unix",
	         UNIX_HEAD "0000000000000000: 00000003 00000000 00010000 0001 01    12 /run/a b\n"
	                   "0000000000000000: 00000002 00000000 00000000 0002 03 13 @hidden\n"
	                   "0000000000000000: 00000002 00000000 00000000 0009 03 14\n");
	put_file(&f, "packet", "sk RefCnt\n0 3 10 0003   2     1 640    0      77\n");
	put_file(&f, "netlink", "sk Eth\n0 15  815   00000001 4    5   0     2      0     88\n");
	assert_int_equal(read_all(&f, &query), 0);
	assert_int_equal(f.sockets.count, 4);
	row = &f.sockets.items[0];
	assert_int_equal(row->proto, PH_UNIX_STREAM);
	assert_int_equal(row->state, PH_LISTEN);
	assert_int_equal(row->references, 3);
	assert_int_equal(row->uid, PH_UID_UNKNOWN);
	assert_int_equal(row->name_length, 8);
	assert_memory_equal(f.sockets.names + row->name, "/run/a b", 8);
	row = &f.sockets.items[1];
	assert_int_equal(row->state, PH_ESTAB);
	assert_memory_equal(f.sockets.names + row->name, "\0hidden", 7);
	row = &f.sockets.items[2];
	assert_int_equal(row->type, 10);
	assert_int_equal(row->lport, 3);
	assert_int_equal(row->ifindex, 2);
	assert_int_equal(row->recvq, 640);
	row = &f.sockets.items[3];
	assert_int_equal(row->lport, 15);
	assert_memory_equal(row->laddr, "\0\0\3\x2f", 4);
	assert_int_equal(row->inode, 88);
	assert_non_null(strstr(f.sockets.partial.items[0], "Unix sockets"));
	stop(&f);
}

static void families_that_cannot_be_listed_are_told_where_there_are_some(void **state)
{
	const struct ph_socket_query all = { 0 }, vsock = { .protos = 1u << PH_VSOCK };
	struct fixture f;
	bool told = false;

	(void)state;
	start(&f);
	assert_int_equal(read_all(&f, &vsock), 0);
	assert_non_null(strstr(f.sockets.partial.items[0], "vsock sockets cannot be listed"));
	ph_sockets_free(&f.sockets);
	put_file(&f, "protocols", "protocol  size sockets\nXDP  1088      2      -1\nSCTP 1 0 1\n");
	assert_int_equal(read_all(&f, &all), 0);
	for (size_t i = 0; i < f.sockets.partial.count; i++) {
		told = told || strstr(f.sockets.partial.items[i], "2 XDP sockets cannot") != NULL;
		assert_null(strstr(f.sockets.partial.items[i], "SCTP"));
	}
	assert_true(told);
	stop(&f);
}

/* ------------------------------------------------------------ memory, cancelling, names */

static int read_with_details(void *data)
{
	const struct ph_socket_query query = { .details = true };
	struct fixture *f = data;
	int r;

	memset(&f->sockets, 0, sizeof(f->sockets));
	r = read_all(f, &query);
	if (r < 0)
		assert_int_equal(f->error.code, r);
	ph_sockets_free(&f->sockets);
	return r;
}

static void every_failed_allocation_is_reported_and_releases_all(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	put_file(&f, "raw",
	         TCP_HEAD "   1: 0100007F:0059 00000000:0000 07 00000000:00000000"
	                  " 00:00000000" TCP_TAIL);
	put_file(&f, "protocols", "protocol  size sockets\nXDP  1088      2      -1\n");
	fail_each_allocation(read_with_details, &f);
	f.replay.open_result = -EPERM;
	put_file(&f, "unix",
	         UNIX_HEAD "0000000000000000: 00000003 00000000 00010000 0001 01    12 /run/a b\n");
	fail_each_allocation(read_with_details, &f);
	stop(&f);
}

static void a_cancelled_reading_ends(void **state)
{
	const struct ph_socket_query query = { 0 }, proc = { .proc = true };
	struct fixture f;

	(void)state;
	start(&f);
	put_file(&f, "tcp", TCP_HEAD "garbage\n");
	ph_cancel(&f.context);
	assert_failure(read_all(&f, &query), -ECANCELED, f.error, "cancelled");
	assert_failure(read_all(&f, &proc), -ECANCELED, f.error, "cancelled");
	stop(&f);
}

static void protocols_and_states_have_names(void **state)
{
	(void)state;
	assert_string_equal(ph_proto_name(PH_TCP), "tcp");
	for (unsigned i = 0; i < PH_PROTO_COUNT; i++)
		assert_non_null(ph_proto_name(i));
	assert_null(ph_proto_name(PH_PROTO_COUNT));
	assert_null(ph_state_name(PH_STATE_NONE));
	for (unsigned i = 1; i < PH_STATE_COUNT; i++)
		assert_non_null(ph_state_name(i));
	assert_string_equal(ph_state_name(PH_TIME_WAIT), "time-wait");
	assert_null(ph_state_name(PH_STATE_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_namespace_is_read_in_order_and_each_socket_once),
		cmocka_unit_test(an_interrupted_dump_gives_nothing_twice),
		cmocka_unit_test(families_are_asked_one_by_one_where_both_are_refused),
		cmocka_unit_test(what_the_kernel_did_not_select_is_selected_here),
		cmocka_unit_test(changed_answers_end_in_rows_or_in_an_error),
		cmocka_unit_test(rows_and_attributes_that_are_cut_short_are_refused),
		cmocka_unit_test(refused_sock_diag_leaves_proc_net_and_says_so),
		cmocka_unit_test(without_sock_diag_and_proc_net_reading_fails),
		cmocka_unit_test(lines_that_make_no_sense_are_left_out_and_told),
		cmocka_unit_test(unix_packet_and_netlink_lines_are_read),
		cmocka_unit_test(families_that_cannot_be_listed_are_told_where_there_are_some),
		cmocka_unit_test(every_failed_allocation_is_reported_and_releases_all),
		cmocka_unit_test(a_cancelled_reading_ends),
		cmocka_unit_test(protocols_and_states_have_names),
	};

	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
