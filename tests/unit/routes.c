/* Routes, rules and neighbours, from a recording and from a namespace of the test's own. */
#include "porthole/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtnetlink.h"

#define RECORDING "tests/data/rtnetlink/host.nl"

struct fixture {
	struct rtnetlink replay;
	struct ph_context context;
	struct ph_routes routes;
	struct ph_rules rules;
	struct ph_neighbors neighbors;
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

	ph_routes_free(&f->routes);
	ph_rules_free(&f->rules);
	ph_neighbors_free(&f->neighbors);
	rtnetlink_free(&f->replay);
	free(f);
	return 0;
}

/* The first route to "ADDRESS/PREFIX" of this table. */
static const struct ph_route *find_route(const struct ph_routes *routes, int family,
                                         const char *text, unsigned prefix, uint32_t table)
{
	uint8_t bytes[16] = { 0 };

	assert_int_equal(inet_pton(family, text, bytes), 1);
	for (size_t i = 0; i < routes->count; i++) {
		const struct ph_route *route = &routes->items[i];

		if (route->family == family && route->prefix == prefix && route->table == table &&
		    memcmp(route->destination, bytes, 16) == 0)
			return route;
	}
	fail_msg("no route to %s/%u", text, prefix);
	return NULL;
}

static void assert_gateway(const struct ph_nexthop *nexthop, int family, const char *text)
{
	uint8_t bytes[16] = { 0 };

	assert_int_equal(inet_pton(family, text, bytes), 1);
	assert_int_equal(nexthop->gateway_family, family);
	assert_memory_equal(nexthop->gateway, bytes, 16);
}

static const struct ph_nexthop *only_nexthop(const struct ph_routes *routes,
                                             const struct ph_route *route)
{
	assert_int_equal(route->nexthop_count, 1);
	assert_int_equal(routes->nexthops[route->nexthop].weight, 1);
	return &routes->nexthops[route->nexthop];
}

static void ipv4_routes_have_gateway_metrics_and_device(void **state)
{
	struct fixture *f = *state;
	const struct ph_nexthop *nexthop;
	const struct ph_route *route;

	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	route = find_route(&f->routes, AF_INET, "0.0.0.0", 0, RT_TABLE_MAIN);
	assert_int_equal(route->priority, 100);
	assert_int_equal(route->mtu, 1300);
	assert_int_equal(route->advmss, 1200);
	assert_int_equal(route->window, 4096);
	assert_int_equal(route->rto_min_ms, 30);
	assert_int_equal(route->lock, 1 << RTAX_RTO_MIN);
	assert_int_equal(route->type, RTN_UNICAST);
	assert_int_equal(route->expires_s, UINT32_MAX);
	nexthop = only_nexthop(&f->routes, route);
	assert_int_equal(nexthop->ifindex, 10);
	assert_gateway(nexthop, AF_INET, "192.0.2.254");
	route = find_route(&f->routes, AF_INET, "10.6.0.0", 16, RT_TABLE_MAIN);
	assert_gateway(only_nexthop(&f->routes, route), AF_INET6, "2001:db8::77");
	route = find_route(&f->routes, AF_INET, "10.7.0.0", 16, 100);
	assert_int_equal(route->protocol, RTPROT_STATIC);
	assert_int_equal(route->scope, RT_SCOPE_LINK);
	assert_true(route->has_prefsrc);
	assert_memory_equal(route->prefsrc, "\xc0\0\x02\x01", 4);
	assert_int_equal(only_nexthop(&f->routes, route)->gateway_family, 0);
	route = find_route(&f->routes, AF_INET, "10.8.0.0", 16, RT_TABLE_MAIN);
	assert_int_equal(route->type, RTN_BLACKHOLE);
	assert_int_equal(route->nexthop_count, 0);
	route = find_route(&f->routes, AF_INET, "127.0.0.0", 8, RT_TABLE_LOCAL);
	assert_int_equal(route->type, RTN_LOCAL);
	assert_int_equal(route->scope, RT_SCOPE_HOST);
}

static void multipath_routes_have_each_way(void **state)
{
	struct fixture *f = *state;
	const struct ph_nexthop *ways;
	const struct ph_route *route;

	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	route = find_route(&f->routes, AF_INET, "203.0.113.128", 25, RT_TABLE_MAIN);
	assert_int_equal(route->nexthop_count, 2);
	ways = f->routes.nexthops + route->nexthop;
	assert_int_equal(ways[0].ifindex, 10);
	assert_int_equal(ways[0].weight, 1);
	assert_gateway(&ways[0], AF_INET, "192.0.2.253");
	assert_int_equal(ways[1].ifindex, 13);
	assert_int_equal(ways[1].weight, 5);
	assert_int_equal(ways[1].flags, RTNH_F_ONLINK);
	assert_gateway(&ways[1], AF_INET, "198.51.100.2");
	route = find_route(&f->routes, AF_INET6, "2001:db8:7::", 48, RT_TABLE_MAIN);
	assert_int_equal(route->nexthop_count, 2);
	assert_gateway(&f->routes.nexthops[route->nexthop + 1], AF_INET6, "2001:db8:1::2");
}

static void ipv6_routes_have_preference_expiry_and_type(void **state)
{
	struct fixture *f = *state;
	const struct ph_route *route;

	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	route = find_route(&f->routes, AF_INET6, "::", 0, RT_TABLE_MAIN);
	assert_int_equal(route->priority, 512);
	assert_int_equal(route->preference, 1);
	assert_gateway(only_nexthop(&f->routes, route), AF_INET6, "2001:db8::fe");
	route = find_route(&f->routes, AF_INET6, "2001:db8:8::", 48, RT_TABLE_MAIN);
	assert_in_range(route->expires_s, 3500, 3600);
	route = find_route(&f->routes, AF_INET6, "2001:db8:9::", 48, RT_TABLE_MAIN);
	assert_int_equal(route->type, RTN_PROHIBIT);
	find_route(&f->routes, AF_INET6, "ff00::", 8, RT_TABLE_LOCAL);
}

static const struct ph_rule *find_rule(const struct ph_rules *rules, int family, uint32_t priority)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].family == family && rules->items[i].priority == priority)
			return &rules->items[i];
	fail_msg("no rule %u", priority);
	return NULL;
}

static void rules_have_selectors_and_actions(void **state)
{
	struct fixture *f = *state;
	const struct ph_rule *rule;

	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	assert_int_equal(f->rules.count, 9);
	rule = find_rule(&f->rules, AF_INET, 0);
	assert_int_equal(rule->table, RT_TABLE_LOCAL);
	assert_int_equal(rule->suppress_prefix, UINT32_MAX);
	rule = find_rule(&f->rules, AF_INET, 900);
	assert_int_equal(rule->action, FR_ACT_GOTO);
	assert_int_equal(rule->target, 32766);
	assert_int_equal(rule->flags & FIB_RULE_INVERT, FIB_RULE_INVERT);
	assert_int_equal(rule->source_prefix, 8);
	rule = find_rule(&f->rules, AF_INET, 1000);
	assert_memory_equal(rule->source, "\xc0\0\x02\0", 4);
	assert_memory_equal(rule->destination, "\xcb\0\x71\0", 4);
	assert_string_equal(rule->iif, "lan0");
	assert_int_equal(rule->mark, 0x10);
	assert_int_equal(rule->mark_mask, 0xff);
	assert_int_equal(rule->table, 100);
	rule = find_rule(&f->rules, AF_INET, 1001);
	assert_string_equal(rule->oif, "d0");
	assert_true(rule->has_uids);
	assert_int_equal(rule->uid_first, 1000);
	assert_int_equal(rule->uid_last, 2000);
	assert_int_equal(rule->ip_proto, IPPROTO_TCP);
	assert_int_equal(rule->sport_first, 1024);
	assert_int_equal(rule->dport_first, 80);
	assert_int_equal(rule->dport_last, 90);
	assert_int_equal(rule->table, 300);
	rule = find_rule(&f->rules, AF_INET6, 1002);
	assert_int_equal(rule->action, FR_ACT_PROHIBIT);
	assert_int_equal(rule->source_prefix, 32);
}

/* A kernel of the future has more conditions; kernels since 6.16 have masks and DSCP. */
static void newer_conditions_of_rules_are_read_or_reported(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr *message = rtnetlink_message(&f->replay, RTM_NEWRULE, 1);
	struct rtattr *last = (void *)((char *)message + NLMSG_SPACE(sizeof(struct fib_rule_hdr)));
	const struct ph_rule *rule;

	/* Of the 4 bytes of the first attribute that has 4. */
	while (last->rta_len != RTA_LENGTH(4))
		last = (void *)((char *)last + RTA_ALIGN(last->rta_len));
	last->rta_type = 26;
	memcpy(RTA_DATA(last), "\0\x0a\xbc\xde", 4);
	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	rule = &f->rules.items[1];
	assert_int_equal(rule->flowlabel, 0xabcde);
	assert_false(rule->more);
	ph_rules_free(&f->rules);
	last->rta_type = 31;
	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	rule = &f->rules.items[1];
	assert_true(rule->more);
	assert_int_equal(f->rules.partial.count, 1);
	assert_non_null(strstr(f->rules.partial.items[0], "does not know"));
	ph_rules_free(&f->rules);
	last->rta_type = 25;
	last->rta_len = RTA_LENGTH(1);
	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	rule = &f->rules.items[1];
	assert_int_equal(rule->dscp_mask, 0x3f);
}

static void neighbours_have_state_and_link_layer_address(void **state)
{
	struct fixture *f = *state;
	unsigned permanent = 0, failed = 0;

	assert_int_equal(ph_neighbors_read(&f->context, &f->neighbors, &f->error), 0);
	for (size_t i = 0; i < f->neighbors.count; i++) {
		const struct ph_neighbor *neighbor = &f->neighbors.items[i];

		assert_true(neighbor->has_ages);
		if (neighbor->state == NUD_PERMANENT) {
			permanent++;
			assert_int_equal(neighbor->ifindex, 10);
			assert_int_equal(neighbor->lladdr_length, 6);
			assert_memory_equal(neighbor->lladdr, "\x02\0\0\0\0\xfe", 6);
			assert_int_equal(neighbor->flags,
			                 neighbor->family == AF_INET6 ? NTF_ROUTER : 0);
		}
		failed += neighbor->state == NUD_FAILED;
	}
	assert_int_equal(permanent, 2);
	assert_int_equal(failed, 1);
}

static void an_interrupted_dump_is_repeated_then_partial(void **state)
{
	struct fixture *f = *state;
	size_t count, nexthops;

	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	count = f->routes.count;
	nexthops = f->routes.nexthop_count;
	ph_routes_free(&f->routes);
	f->replay.interrupted = RTM_GETROUTE;
	f->replay.interruptions = 3;
	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	assert_int_equal(f->routes.count, count);
	assert_int_equal(f->routes.nexthop_count, nexthops);
	assert_int_equal(f->routes.partial.count, 0);
	ph_routes_free(&f->routes);
	f->replay.interruptions = 1000;
	assert_int_equal(ph_routes_read(&f->context, &f->routes, &f->error), 0);
	assert_int_equal(f->routes.count, count);
	assert_non_null(strstr(f->routes.partial.items[0], "routes changed"));
	f->replay.interrupted = RTM_GETRULE;
	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	assert_int_equal(f->rules.count, 9);
	assert_int_equal(f->rules.partial.count, 1);
	f->replay.interruptions = 1000;
	f->replay.interrupted = RTM_GETNEIGH;
	assert_int_equal(ph_neighbors_read(&f->context, &f->neighbors, &f->error), 0);
	assert_int_equal(f->neighbors.partial.count, 1);
}

static void refusals_and_cancellation_are_errors(void **state)
{
	struct fixture *f = *state;

	f->replay.refused = RTM_GETROUTE;
	f->replay.refusal = -EPERM;
	assert_failure(ph_routes_read(&f->context, &f->routes, &f->error), -EPERM, f->error,
	               "routes");
	f->replay.refused = RTM_GETRULE;
	f->replay.refusal = -EOPNOTSUPP;
	assert_int_equal(ph_rules_read(&f->context, &f->rules, &f->error), 0);
	assert_int_equal(f->rules.count, 0);
	ph_cancel(&f->context);
	assert_failure(ph_neighbors_read(&f->context, &f->neighbors, &f->error), -ECANCELED,
	               f->error, "neighbours");
}

static void read_and_forget(void *data)
{
	struct fixture *f = data;

	/* Whatever comes of it: the sanitizers judge. */
	ph_routes_read(&f->context, &f->routes, &f->error);
	ph_rules_read(&f->context, &f->rules, &f->error);
	ph_neighbors_read(&f->context, &f->neighbors, &f->error);
	ph_routes_free(&f->routes);
	ph_rules_free(&f->rules);
	ph_neighbors_free(&f->neighbors);
}

static void no_changed_byte_does_harm(void **state)
{
	struct fixture *f = *state;

	rtnetlink_change_each_byte(&f->replay, RTM_NEWROUTE, read_and_forget, f);
	rtnetlink_change_each_byte(&f->replay, RTM_NEWRULE, read_and_forget, f);
	rtnetlink_change_each_byte(&f->replay, RTM_NEWNEIGH, read_and_forget, f);
}

static int read_everything(void *data)
{
	struct fixture *f = data;
	int r = ph_routes_read(&f->context, &f->routes, &f->error);

	if (r == 0)
		r = ph_rules_read(&f->context, &f->rules, &f->error);
	if (r == 0)
		r = ph_neighbors_read(&f->context, &f->neighbors, &f->error);
	ph_routes_free(&f->routes);
	ph_rules_free(&f->rules);
	ph_neighbors_free(&f->neighbors);
	return r;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	fail_each_allocation(read_everything, *state);
}

/* How many lines ip(8) prints, its own indented ones left out. */
static size_t lines_of(const char *command)
{
	FILE *output = popen(command, "r");
	size_t count = 0;
	char line[512];

	while (output != NULL && fgets(line, sizeof(line), output) != NULL)
		count += line[0] != '\t' && line[0] != ' ';
	if (output != NULL)
		pclose(output);
	return count;
}

/* 0: the same numbers of everything. */
static int compare_with_ip(void)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_routes routes;
	struct ph_rules rules;
	struct ph_neighbors neighbors;

	if (!enter_own_network() ||
	    system("ip link set lo up && ip link add p0 type veth peer name p1 && "
	           "ip link set p0 up && ip addr add 192.0.2.1/28 dev p0 && "
	           "ip route add 198.51.100.0/24 via 192.0.2.2 metric 7 && "
	           "ip route add prohibit 203.0.113.0/24 table 9 && ip rule add priority 5 table 9 "
	           "&& "
	           "ip neigh add 192.0.2.2 dev p0 lladdr 02:00:00:00:00:02") != 0)
		return CANNOT_RUN;
	if (ph_routes_read(&context, &routes, NULL) < 0 ||
	    ph_rules_read(&context, &rules, NULL) < 0 ||
	    ph_neighbors_read(&context, &neighbors, NULL) < 0)
		return 1;
	if (routes.count != lines_of("ip -4 route show table all; ip -6 route show table all"))
		return 2;
	if (rules.count != lines_of("ip -4 rule; ip -6 rule") || rules.count < 4)
		return 3;
	if (neighbors.count != lines_of("ip neigh show nud all"))
		return 4;
	ph_routes_free(&routes);
	ph_rules_free(&rules);
	ph_neighbors_free(&neighbors);
	return 0;
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
		WITH_RECORDING(ipv4_routes_have_gateway_metrics_and_device),
		WITH_RECORDING(multipath_routes_have_each_way),
		WITH_RECORDING(ipv6_routes_have_preference_expiry_and_type),
		WITH_RECORDING(rules_have_selectors_and_actions),
		WITH_RECORDING(newer_conditions_of_rules_are_read_or_reported),
		WITH_RECORDING(neighbours_have_state_and_link_layer_address),
		WITH_RECORDING(an_interrupted_dump_is_repeated_then_partial),
		WITH_RECORDING(refusals_and_cancellation_are_errors),
		WITH_RECORDING(no_changed_byte_does_harm),
		WITH_RECORDING(failed_allocations_leave_nothing_behind),
		cmocka_unit_test(a_living_namespace_is_as_ip_shows_it),
	};

	return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
