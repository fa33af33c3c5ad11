/* Links: interfaces and addresses, from a recording and from a namespace of the test's own. */
#include "porthole/links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtnetlink.h"

#define RECORDING "tests/data/rtnetlink/host.nl"

struct fixture {
	struct rtnetlink replay;
	struct ph_context context;
	struct ph_links links;
	struct ph_error error;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rtnetlink_load(&f->replay, RECORDING, &f->context);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ph_links_free(&f->links);
	rtnetlink_free(&f->replay);
	free(f);
	return 0;
}

static void interfaces_have_what_the_kernel_told(void **state)
{
	struct fixture *f = *state;
	const struct ph_link *link;

	assert_int_equal(ph_links_read(&f->context, &f->links, &f->error), 0);
	assert_int_equal(f->links.link_count, 7);
	assert_int_equal(f->links.partial.count, 0);
	link = ph_links_find(&f->links, 1);
	assert_string_equal(link->name, "lo");
	assert_int_equal(link->mtu, 65536);
	assert_int_equal(link->type, ARPHRD_LOOPBACK);
	assert_int_equal(link->flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING),
	                 IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
	assert_string_equal(link->kind, "");
	link = ph_links_find(&f->links, 11);
	assert_string_equal(link->name, "lan1");
	assert_int_equal(link->master, 12);
	assert_int_equal(link->parent, 10);
	assert_false(link->parent_elsewhere);
	assert_string_equal(link->kind, "veth");
	assert_int_equal(link->mac_length, 6);
	assert_memory_equal(link->mac, "\x02\0\0\0\0\x11", 6);
	assert_int_equal(link->txqlen, 1000);
	assert_int_equal(link->operstate, 6);
	assert_true(link->has_stats);
	assert_true(link->stats.tx_packets > 0 && link->stats.tx_bytes > link->stats.tx_packets);
	assert_string_equal(ph_links_find(&f->links, 12)->kind, "bridge");
	assert_string_equal(ph_links_find(&f->links, 14)->kind, "macvlan");
	assert_null(ph_links_find(&f->links, 2));
	assert_null(ph_links_find(&f->links, 99));
}

static const struct ph_address *find_address(const struct ph_links *links, int family,
                                             const char *text)
{
	uint8_t bytes[16] = { 0 };

	assert_int_equal(inet_pton(family, text, bytes), 1);
	for (size_t i = 0; i < links->address_count; i++)
		if (links->addresses[i].family == family &&
		    memcmp(links->addresses[i].address, bytes, 16) == 0)
			return &links->addresses[i];
	fail_msg("%s is not among the addresses", text);
	return NULL;
}

static void addresses_have_prefix_peer_broadcast_scope_and_lifetime(void **state)
{
	struct fixture *f = *state;
	const struct ph_address *address;

	assert_int_equal(ph_links_read(&f->context, &f->links, &f->error), 0);
	assert_int_equal(f->links.address_count, 14);
	address = find_address(&f->links, AF_INET, "192.0.2.1");
	assert_int_equal(address->ifindex, 10);
	assert_int_equal(address->prefix, 24);
	assert_int_equal(address->scope, RT_SCOPE_UNIVERSE);
	assert_true(address->has_broadcast);
	assert_memory_equal(address->broadcast, "\xc0\0\x02\xff", 4);
	assert_false(address->has_peer);
	assert_int_equal(address->valid_s, UINT32_MAX);
	address = find_address(&f->links, AF_INET, "192.0.2.9");
	assert_string_equal(address->label, "lan0:1");
	assert_false(address->has_broadcast);
	assert_int_equal(address->flags & IFA_F_SECONDARY, IFA_F_SECONDARY);
	address = find_address(&f->links, AF_INET, "198.51.100.1");
	assert_true(address->has_peer);
	assert_memory_equal(address->peer, "\xc6\x33\x64\x02", 4);
	assert_int_equal(address->prefix, 32);
	address = find_address(&f->links, AF_INET, "203.0.113.1");
	assert_in_range(address->valid_s, 86300, 86400);
	assert_in_range(address->preferred_s, 43100, 43200);
	address = find_address(&f->links, AF_INET6, "2001:db8:1::1");
	assert_true(address->has_peer);
	assert_int_equal(address->peer[15], 2);
	address = find_address(&f->links, AF_INET6, "fe80::ff:fe00:10");
	assert_int_equal(address->scope, RT_SCOPE_LINK);
	address = find_address(&f->links, AF_INET6, "::1");
	assert_int_equal(address->scope, RT_SCOPE_HOST);
}

static void links_out_of_order_are_found_too(void **state)
{
	struct fixture *f = *state;
	struct ifinfomsg *header = NLMSG_DATA(rtnetlink_message(&f->replay, RTM_NEWLINK, 0));

	header->ifi_index = 77;
	assert_int_equal(ph_links_read(&f->context, &f->links, &f->error), 0);
	assert_string_equal(ph_links_find(&f->links, 77)->name, "lo");
	assert_string_equal(ph_links_find(&f->links, 15)->name, "d1");
	assert_null(ph_links_find(&f->links, 1));
}

static void an_interrupted_dump_is_repeated(void **state)
{
	struct fixture *f = *state;

	f->replay.interrupted = RTM_GETADDR;
	f->replay.interruptions = 2;
	assert_int_equal(ph_links_read(&f->context, &f->links, &f->error), 0);
	assert_int_equal(f->links.address_count, 14);
	assert_int_equal(f->links.link_count, 7);
	assert_int_equal(f->links.partial.count, 0);
}

static void a_dump_that_never_rests_is_partial(void **state)
{
	struct fixture *f = *state;

	f->replay.interrupted = RTM_GETLINK;
	f->replay.interruptions = 1000;
	assert_int_equal(ph_links_read(&f->context, &f->links, &f->error), 0);
	assert_int_equal(f->links.link_count, 7);
	assert_int_equal(f->links.partial.count, 1);
	assert_non_null(strstr(f->links.partial.items[0], "interfaces changed"));
}

static void refusals_name_what_was_read(void **state)
{
	struct fixture *f = *state;

	f->replay.refused = RTM_GETADDR;
	f->replay.refusal = -EACCES;
	assert_failure(ph_links_read(&f->context, &f->links, &f->error), -EACCES, f->error,
	               "addresses");
	ph_links_free(&f->links);
	f->replay.open_result = -EPERM;
	assert_failure(ph_links_read(&f->context, &f->links, &f->error), -EPERM, f->error,
	               "netlink");
}

static void a_cancelled_context_ends_it(void **state)
{
	struct fixture *f = *state;

	ph_cancel(&f->context);
	assert_failure(ph_links_read(&f->context, &f->links, &f->error), -ECANCELED, f->error,
	               "interfaces");
}

/* The first attribute of this type in a message. */
static struct rtattr *find_attribute(struct nlmsghdr *message, size_t header, unsigned short type)
{
	struct rtattr *attribute = (void *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(header));
	int left = (int)(message->nlmsg_len - NLMSG_SPACE(header));

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == type)
			return attribute;
	fail_msg("no attribute %d", type);
	return NULL;
}

static void attributes_of_a_wrong_length_are_refused(void **state)
{
	static const unsigned short of_links[] = { IFLA_MTU, IFLA_TXQLEN, IFLA_OPERSTATE,
		                                   IFLA_STATS64, IFLA_MAP };
	static const unsigned short of_addresses[] = { IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS,
		                                       IFA_CACHEINFO };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(of_links) / sizeof(*of_links); i++) {
		struct rtattr *attribute =
			find_attribute(rtnetlink_message(&f->replay, RTM_NEWLINK, 1),
		                       sizeof(struct ifinfomsg), of_links[i]);

		attribute->rta_type = IFLA_MTU;
		attribute->rta_len -= 1;
		assert_failure(ph_links_read(&f->context, &f->links, &f->error), -EBADMSG, f->error,
		               "interfaces");
		ph_links_free(&f->links);
		attribute->rta_type = of_links[i];
		attribute->rta_len += 1;
	}
	for (size_t i = 0; i < sizeof(of_addresses) / sizeof(*of_addresses); i++) {
		struct rtattr *attribute =
			find_attribute(rtnetlink_message(&f->replay, RTM_NEWADDR, 1),
		                       sizeof(struct ifaddrmsg), of_addresses[i]);

		attribute->rta_len -= 1;
		assert_failure(ph_links_read(&f->context, &f->links, &f->error), -EBADMSG, f->error,
		               "addresses");
		ph_links_free(&f->links);
		attribute->rta_len += 1;
	}
}

static void read_and_forget(void *data)
{
	struct fixture *f = data;

	/* Whatever comes of it: the sanitizers judge. */
	ph_links_read(&f->context, &f->links, &f->error);
	ph_links_free(&f->links);
}

static void no_changed_byte_does_harm(void **state)
{
	struct fixture *f = *state;

	rtnetlink_change_each_byte(&f->replay, RTM_NEWLINK, read_and_forget, f);
	rtnetlink_change_each_byte(&f->replay, RTM_NEWADDR, read_and_forget, f);
}

static int read_all(void *data)
{
	struct fixture *f = data;
	int r;

	f->replay.interrupted = RTM_GETLINK;
	f->replay.interruptions = 1000;
	r = ph_links_read(&f->context, &f->links, &f->error);
	ph_links_free(&f->links);
	return r;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	fail_each_allocation(read_all, *state);
}

/* 0: all is the same. */
static int compare_with_ip(void)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_links links;
	char name[64];
	unsigned index, mtu, found = 0;
	FILE *ip;

	if (!enter_own_network())
		return CANNOT_RUN;
	if (system("ip link set lo up && ip link add p0 mtu 1280 type veth peer name p1 && "
	           "ip link set p0 up && ip addr add 192.0.2.1/28 dev p0") != 0)
		return CANNOT_RUN;
	if (ph_links_read(&context, &links, NULL) < 0)
		return 1;
	ip = popen("ip -o link | sed 's/^\\([0-9]*\\): \\([^:@]*\\).* mtu \\([0-9]*\\) .*/\\1 \\2 "
	           "\\3/'",
	           "r");
	while (ip != NULL && fscanf(ip, "%u %63s %u", &index, name, &mtu) == 3) {
		const struct ph_link *link = ph_links_find(&links, index);

		if (link == NULL || strcmp(link->name, name) != 0 || link->mtu != mtu)
			return 2;
		found++;
	}
	if (ip == NULL || pclose(ip) != 0 || found != links.link_count || found < 3)
		return 3;
	found = 0;
	for (size_t i = 0; i < links.address_count; i++)
		if (memcmp(links.addresses[i].address, "\xc0\0\x02\x01", 4) == 0)
			found += links.addresses[i].prefix == 28;
	ph_links_free(&links);
	return found == 1 ? 0 : 4;
}

static void a_living_namespace_is_as_ip_shows_it(void **state)
{
	int result = run_in_child(compare_with_ip);

	(void)state;
	if (result == CANNOT_RUN) {
		print_message(
			"skipped: no user and network namespace, or no ip(8), for the test\n");
		skip();
	}
	assert_int_equal(result, 0);
}

#define WITH_RECORDING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RECORDING(interfaces_have_what_the_kernel_told),
		WITH_RECORDING(addresses_have_prefix_peer_broadcast_scope_and_lifetime),
		WITH_RECORDING(links_out_of_order_are_found_too),
		WITH_RECORDING(an_interrupted_dump_is_repeated),
		WITH_RECORDING(a_dump_that_never_rests_is_partial),
		WITH_RECORDING(refusals_name_what_was_read),
		WITH_RECORDING(a_cancelled_context_ends_it),
		WITH_RECORDING(attributes_of_a_wrong_length_are_refused),
		WITH_RECORDING(no_changed_byte_does_harm),
		WITH_RECORDING(failed_allocations_leave_nothing_behind),
		cmocka_unit_test(a_living_namespace_is_as_ip_shows_it),
	};

	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
