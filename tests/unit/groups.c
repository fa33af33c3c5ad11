/* Groups: multicast memberships, from recorded files and from this host. */
#include "porthole/groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define PARSE(text, family, groups) ph_groups_parse((text), sizeof(text) - 1, (family), (groups))

static const struct ph_context recorded = { .proc = "tests/data/procnet", .cancel_fd = -1 };

static void assert_group(const struct ph_group *group, const char *device, const char *address,
                         uint32_t users)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(group->device, device);
	assert_string_equal(inet_ntop(group->family, group->address, text, sizeof(text)), address);
	assert_int_equal(group->users, users);
}

static void recorded_files_give_every_group_in_order(void **state)
{
	struct ph_context context = recorded;
	struct ph_groups groups;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_groups_read(&context, &groups, &error), 0);
	assert_int_equal(groups.partial.count, 0);
	assert_int_equal(groups.count, 31);
	assert_group(&groups.items[0], "lo", "224.0.0.1", 1);
	assert_int_equal(groups.items[0].ifindex, 1);
	assert_int_equal(groups.items[0].version, 3);
	assert_group(&groups.items[4], "br0", "224.0.0.106", 1);
	assert_int_equal(groups.items[4].ifindex, 12);
	assert_group(&groups.items[8], "lo", "ff02::1", 1);
	assert_int_equal(groups.items[8].flags, 0xc);
	assert_group(&groups.items[30], "vlan7", "ff01::1", 1);
	ph_groups_free(&groups);
}

static void long_names_of_devices_touch_the_colon(void **state)
{
	struct ph_groups groups = { 0 };

	(void)state;
	assert_int_equal(PARSE("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
	                       "7\tabcdefghijklmno:     2      V2\n"
	                       "\t\t\t\tFB0000E0     4 1:000003E8\t\t1\n"
	                       "8\ta          :     1      ??\n\t\t\t\t010000E0     1 0:0\t\t0\n",
	                       AF_INET, &groups),
	                 0);
	assert_int_equal(groups.count, 2);
	assert_int_equal(groups.partial.count, 0);
	assert_string_equal(groups.items[0].device, "abcdefghijklmno");
	assert_int_equal(groups.items[0].version, 2);
	assert_int_equal(groups.items[0].users, 4);
	assert_int_equal(groups.items[1].version, 0);
	assert_string_equal(groups.items[1].device, "a");
	ph_groups_free(&groups);
}

static void lines_that_are_no_groups_are_reasons(void **state)
{
	static const struct {
		uint8_t family;
		const char *text;
	} cases[] = {
		{ AF_INET, "\t\t\t\t010000E0     1 0:0\t\t0\n" },
		{ AF_INET, "x\tlo : 1 V3\n" },
		{ AF_INET, "1\tlo 1 V3\n" },
		{ AF_INET, "1\t:\n" },
		{ AF_INET, "1\tlo        :     1      V3\n\t\t\t\t010000E     1\n" },
		{ AF_INET, "1\tlo        :     1      V3\n\t\t\t\t010000E0\n" },
		{ AF_INET, "\n" },
		{ AF_INET6, "1 lo ff0200000000000000000000000001 1 0000000C 0\n" },
		{ AF_INET6, "1 aNameOfSixteen16 ff020000000000000000000000000001 1 0000000C 0\n" },
		{ AF_INET6, "1 lo ff020000000000000000000000000g01 1 0000000C 0\n" },
		{ AF_INET6, "99999999999 lo ff020000000000000000000000000001 1 C 0\n" },
		{ AF_INET6, "\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ph_groups groups = { 0 };

		assert_int_equal(ph_groups_parse(cases[i].text, strlen(cases[i].text),
		                                 cases[i].family, &groups),
		                 0);
		assert_int_equal(groups.count, 0);
		assert_int_equal(groups.partial.count, 1);
		ph_groups_free(&groups);
	}
}

static void this_host_is_read_and_can_be_cancelled(void **state)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_groups groups;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_groups_read(&context, &groups, &error), 0);
	assert_int_equal(groups.partial.count, 0);
	ph_groups_free(&groups);
	ph_cancel(&context);
	assert_failure(ph_groups_read(&context, &groups, &error), -ECANCELED, error, "igmp");
	ph_groups_free(&groups);
}

static int read_recorded(void *data)
{
	struct ph_context context = recorded;
	struct ph_groups groups;
	int r = ph_groups_read(&context, &groups, NULL);

	(void)data;
	if (r == 0)
		r = PARSE("x\n", AF_INET6, &groups);
	ph_groups_free(&groups);
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
		cmocka_unit_test(recorded_files_give_every_group_in_order),
		cmocka_unit_test(long_names_of_devices_touch_the_colon),
		cmocka_unit_test(lines_that_are_no_groups_are_reasons),
		cmocka_unit_test(this_host_is_read_and_can_be_cancelled),
		cmocka_unit_test(failed_allocations_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
