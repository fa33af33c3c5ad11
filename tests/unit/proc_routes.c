/* The routing tables as route(8) sees them, from recorded files and from this host. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "porthole/routes.h"
#include "support.h"

static const struct ph_context recorded = { .proc = "tests/data/procnet", .cancel_fd = -1 };

static void assert_address(int family, const uint8_t *address, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(family, address, text, sizeof(text)), expected);
}

static void recorded_tables_have_what_netstat_prints(void **state)
{
	struct ph_context context = recorded;
	struct ph_proc_routes routes;
	const struct ph_proc_route *route;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_proc_routes_read(&context, &routes, &error), 0);
	assert_int_equal(routes.partial.count, 0);
	assert_int_equal(routes.count, 8 + 30);
	route = &routes.items[0];
	assert_string_equal(route->device, "lan0");
	assert_address(AF_INET, route->gateway, "192.0.2.254");
	assert_int_equal(route->flags, 3);
	assert_int_equal(route->metric, 100);
	assert_int_equal(route->mtu, 1240);
	assert_int_equal(route->window, 4096);
	route = &routes.items[2];
	assert_string_equal(route->device, "*");
	assert_int_equal(route->prefix, 16);
	assert_memory_equal(route->mask, "\xff\xff\0\0", 4);
	route = &routes.items[8];
	assert_int_equal(route->family, AF_INET6);
	assert_address(AF_INET6, route->destination, "2001:db8::");
	assert_int_equal(route->prefix, 64);
	assert_int_equal(route->metric, 256);
	assert_true(route->references > 0);
	route = &routes.items[routes.count - 1];
	assert_int_equal(route->metric, UINT32_MAX);
	assert_int_equal(route->flags, 0x00200200);
	assert_string_equal(route->device, "lo");
	ph_proc_routes_free(&routes);
}

static void lines_that_are_no_routes_are_reasons(void **state)
{
	static const struct {
		uint8_t family;
		const char *text;
	} cases[] = {
		{ AF_INET, "lan0 00000000 FE0200C0 0003 0 0 100 00000000 1240 4096\n" },
		{ AF_INET, "lan0 0000000 FE0200C0 0003 0 0 100 00000000 1240 4096 0\n" },
		{ AF_INET, "lan0 00000000 FE0200C0 0003 0 0 99999999999 00000000 0 0 0\n" },
		{ AF_INET, "lan0 00000000 FE0200C0 000g 0 0 0 00000000 0 0 0\n" },
		{ AF_INET, "aNameOfSixteen16 00000000 FE0200C0 0003 0 0 0 00000000 0 0 0\n" },
		{ AF_INET, "\n" },
		{ AF_INET6, "20010db8000000000000000000000000 81 "
		            "00000000000000000000000000000000 00 00000000000000000000000000000000 "
		            "00000100 00000004 00000000 00000001     lan0\n" },
		{ AF_INET6, "20010db8000000000000000000000000 40 "
		            "00000000000000000000000000000000 00 00000000000000000000000000000000 "
		            "00000100 00000004 00000000 00000001\n" },
		{ AF_INET6, "\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ph_proc_routes routes = { 0 };

		assert_int_equal(ph_proc_routes_parse(cases[i].text, strlen(cases[i].text),
		                                      cases[i].family, &routes),
		                 0);
		assert_int_equal(routes.count, 0);
		assert_int_equal(routes.partial.count, 1);
		ph_proc_routes_free(&routes);
	}
}

static void this_host_is_read_and_can_be_cancelled(void **state)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_proc_routes routes;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_proc_routes_read(&context, &routes, &error), 0);
	assert_int_equal(routes.partial.count, 0);
	ph_proc_routes_free(&routes);
	ph_cancel(&context);
	assert_failure(ph_proc_routes_read(&context, &routes, &error), -ECANCELED, error, "route");
	ph_proc_routes_free(&routes);
}

static int read_recorded(void *data)
{
	struct ph_context context = recorded;
	struct ph_proc_routes routes;
	int r = ph_proc_routes_read(&context, &routes, NULL);

	(void)data;
	if (r == 0)
		r = ph_proc_routes_parse("x\n", 2, AF_INET, &routes);
	ph_proc_routes_free(&routes);
	return r;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	(void)state;
	fail_each_allocation(read_recorded, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_tables_have_what_netstat_prints),
		cmocka_unit_test(lines_that_are_no_routes_are_reasons),
		cmocka_unit_test(this_host_is_read_and_can_be_cancelled),
		cmocka_unit_test(failed_allocations_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("proc_routes", tests, NULL, NULL);
}
