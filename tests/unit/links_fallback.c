/* Links without rtnetlink: the texts of /proc/net, and the whole of it in a namespace where netlink
 * is refused. */
#include "engine/links_fallback.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "rtnetlink.h"

#define PARSE(parse, text, links) parse((text), sizeof(text) - 1, (links))

static void devices_have_their_counters(void **state)
{
	struct ph_links links = { 0 };

	(void)state;
	assert_int_equal(
		PARSE(ph_links_parse_dev,
	              "Inter-|   Receive                                |  Transmit\n"
	              " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
	              "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 18446744073709551615\n"
	              "abcdefghijklmno:9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
	              &links),
		0);
	assert_int_equal(links.link_count, 2);
	assert_string_equal(links.links[0].name, "lo");
	assert_true(links.links[0].has_stats);
	assert_int_equal(links.links[0].stats.rx_bytes, 1);
	assert_int_equal(links.links[0].stats.rx_dropped, 4);
	assert_int_equal(links.links[0].stats.multicast, 8);
	assert_int_equal(links.links[0].stats.tx_bytes, 9);
	assert_int_equal(links.links[0].stats.collisions, 14);
	assert_true(links.links[0].stats.tx_compressed == UINT64_MAX);
	assert_string_equal(links.links[1].name, "abcdefghijklmno");
	ph_links_free(&links);
}

static void lines_that_are_no_devices_are_passed_over(void **state)
{
	struct ph_links links = { 0 };

	(void)state;
	assert_int_equal(PARSE(ph_links_parse_dev,
	                       ":\n : 1\nlo: 1 2 3\nlo: x 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	                       "aNameOfSixteen16: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n\n",
	                       &links),
	                 0);
	assert_int_equal(links.link_count, 0);
	ph_links_free(&links);
}

static void ipv6_addresses_have_prefix_and_scope(void **state)
{
	struct ph_links links = { 0 };

	(void)state;
	assert_int_equal(PARSE(ph_links_parse_inet6,
	                       "00000000000000000000000000000001 01 80 10 80       lo\n"
	                       "fe80000000000000000000fffe000010 0a 40 20 80     lan0\n"
	                       "20010db8000000000000000000000001 0a 40 00 82     lan0\n"
	                       "20010db8000000000000000000000001 0a 81 00 82     lan0\n"
	                       "20010db800000000000000000000000 0a 40 00 82     lan0\nx\n\n",
	                       &links),
	                 0);
	assert_int_equal(links.address_count, 3);
	assert_int_equal(links.addresses[0].scope, RT_SCOPE_HOST);
	assert_int_equal(links.addresses[1].scope, RT_SCOPE_LINK);
	assert_int_equal(links.addresses[1].ifindex, 10);
	assert_int_equal(links.addresses[2].scope, RT_SCOPE_UNIVERSE);
	assert_int_equal(links.addresses[2].flags, 0x82);
	assert_int_equal(links.addresses[2].prefix, 64);
	ph_links_free(&links);
}

/* socket(AF_NETLINK, ...) fails with EPERM from now on, as in a strict container. */
static bool refuse_netlink(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool same_link(const struct ph_link *a, const struct ph_link *b)
{
	return b != NULL && strcmp(a->name, b->name) == 0 && a->mtu == b->mtu &&
	       a->type == b->type && a->txqlen == b->txqlen &&
	       (a->flags & 0xffff) == (b->flags & 0xffff) && a->mac_length == b->mac_length &&
	       memcmp(a->mac, b->mac, a->mac_length) == 0 && b->has_stats;
}

static bool has_address(const struct ph_links *links, const struct ph_address *wanted)
{
	for (size_t i = 0; i < links->address_count; i++) {
		const struct ph_address *address = &links->addresses[i];

		if (address->family == wanted->family && address->ifindex == wanted->ifindex &&
		    address->prefix == wanted->prefix && address->scope == wanted->scope &&
		    memcmp(address->address, wanted->address, 16) == 0 &&
		    address->has_broadcast == wanted->has_broadcast &&
		    memcmp(address->broadcast, wanted->broadcast, 16) == 0 &&
		    strcmp(address->label, wanted->label) == 0)
			return true;
	}
	return false;
}

/* 0: without rtnetlink it is the same, as far as it can be. */
static int compare_without_netlink(void)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_links full, less;

	if (!enter_own_network() ||
	    system("ip link set lo up && ip link add p0 mtu 1280 type veth peer name p1 && "
	           "ip link set p0 up && ip link set p1 up && "
	           "ip addr add 192.0.2.1/28 broadcast 192.0.2.15 dev p0 && "
	           "ip addr add 192.0.2.2/28 dev p0 && "
	           "ip addr add 198.51.100.1/24 dev p0 label p0:1 && "
	           "ip addr add 2001:db8::1/64 dev p1 nodad") != 0)
		return CANNOT_RUN;
	if (ph_links_read(&context, &full, NULL) < 0)
		return 1;
	if (!refuse_netlink())
		return CANNOT_RUN;
	if (ph_links_read(&context, &less, NULL) < 0 || less.partial.count != 1)
		return 2;
	if (full.link_count != 3 || less.link_count != full.link_count ||
	    less.address_count != full.address_count)
		return 3;
	for (size_t i = 0; i < full.link_count; i++)
		if (!same_link(&full.links[i], ph_links_find(&less, full.links[i].ifindex)))
			return 4;
	for (size_t i = 0; i < full.address_count; i++)
		if (!has_address(&less, &full.addresses[i]))
			return 5;
	ph_links_free(&full);
	ph_links_free(&less);
	return 0;
}

static void refused_netlink_leaves_devices_and_addresses(void **state)
{
	int result = run_in_child(compare_without_netlink);

	(void)state;
	if (result == CANNOT_RUN) {
		print_message("skipped: no user and network namespace, ip(8) or seccomp here\n");
		skip();
	}
	assert_int_equal(result, 0);
}

static void a_cancelled_context_ends_it(void **state)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_links links = { 0 };
	struct ph_error error;

	(void)state;
	ph_cancel(&context);
	assert_failure(ph_links_fallback(&context, &links, &error), -ECANCELED, error, "dev");
	ph_links_free(&links);
}

static int read_this_host(void *data)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_links links = { 0 };
	int r = ph_links_fallback(&context, &links, NULL);

	(void)data;
	ph_links_free(&links);
	return r;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	(void)state;
	fail_each_allocation(read_this_host, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_have_their_counters),
		cmocka_unit_test(lines_that_are_no_devices_are_passed_over),
		cmocka_unit_test(ipv6_addresses_have_prefix_and_scope),
		cmocka_unit_test(refused_netlink_leaves_devices_and_addresses),
		cmocka_unit_test(a_cancelled_context_ends_it),
		cmocka_unit_test(failed_allocations_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("links_fallback", tests, NULL, NULL);
}
