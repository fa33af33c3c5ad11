/* Counters: the protocols' statistics, from recorded files and from this host. */
#include "porthole/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define PARSE(text, source, counters) \
	ph_counters_parse((text), sizeof(text) - 1, (source), (counters))

static const struct ph_context recorded = { .proc = "tests/data/procnet", .cancel_fd = -1 };

static void assert_counter(const struct ph_counters *counters, const char *protocol,
                           const char *name, int64_t value)
{
	const struct ph_counter *counter = ph_counters_find(counters, protocol, name);

	assert_non_null(counter);
	assert_int_equal((int64_t)counter->value, value);
	assert_int_equal(counter->negative, value < 0);
}

static void recorded_files_give_every_counter_in_order(void **state)
{
	struct ph_context context = recorded;
	struct ph_counters counters;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_counters_read(&context, &counters, &error), 0);
	assert_int_equal(counters.partial.count, 0);
	assert_counter(&counters, "Ip", "Forwarding", 2);
	assert_counter(&counters, "Ip", "OutTransmits", 2);
	assert_counter(&counters, "Tcp", "MaxConn", -1);
	assert_counter(&counters, "Tcp", "RtoMax", 120000);
	assert_counter(&counters, "UdpLite", "MemErrors", 0);
	assert_counter(&counters, "TcpExt", "SyncookiesSent", 0);
	assert_counter(&counters, "Ip6", "InReceives", 33);
	assert_counter(&counters, "UdpLite6", "InDatagrams", 0);
	assert_string_equal(counters.items[0].name, "Forwarding");
	assert_int_equal(counters.items[0].source, PH_COUNTER_SNMP);
	assert_int_equal(counters.items[counters.count - 1].source, PH_COUNTER_SNMP6);
	assert_null(ph_counters_find(&counters, "Ip", "NoSuch"));
	assert_null(ph_counters_find(&counters, "Udp", "MaxConn"));
	ph_counters_free(&counters);
}

static void numbers_are_exact_to_64_bits(void **state)
{
	struct ph_counters counters = { 0 };

	(void)state;
	assert_int_equal(PARSE("X: a b c d e f g\nX: 18446744073709551615 -9223372036854775808 "
	                       "18446744073709551616 -9223372036854775809 1x - 7\n",
	                       PH_COUNTER_SNMP, &counters),
	                 0);
	assert_int_equal(counters.count, 3);
	assert_true(ph_counters_find(&counters, "X", "a")->value == UINT64_MAX);
	assert_false(ph_counters_find(&counters, "X", "a")->negative);
	assert_true((int64_t)ph_counters_find(&counters, "X", "b")->value == INT64_MIN);
	assert_counter(&counters, "X", "g", 7);
	assert_int_equal(counters.partial.count, 1);
	ph_counters_free(&counters);
}

static void lines_that_do_not_go_together_are_reasons(void **state)
{
	static const char *const texts[] = {
		"Ip: a\nTcp: 1\n",
		"Ip: a\n",
		"Ip a\nIp 1\n",
		"Ip: a b\nIp: 1\n",
		"Ip: a\nIp: 1 2\n",
		": a\n: 1\n",
		"aVeryLongProtocolName: a\naVeryLongProtocolName: 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ph_counters counters = { 0 };

		assert_int_equal(ph_counters_parse(texts[i], strlen(texts[i]), PH_COUNTER_NETSTAT,
		                                   &counters),
		                 0);
		assert_int_equal(counters.partial.count, 1);
		assert_non_null(strstr(counters.partial.items[0], "/proc/net/netstat"));
		ph_counters_free(&counters);
	}
}

static void pairs_are_found_again_after_a_stray_line(void **state)
{
	struct ph_counters counters = { 0 };

	(void)state;
	assert_int_equal(PARSE("stray\nIp: a\nIp: 1\n\nTcp: b\nTcp: 2", PH_COUNTER_SNMP, &counters),
	                 0);
	assert_counter(&counters, "Ip", "a", 1);
	assert_counter(&counters, "Tcp", "b", 2);
	assert_int_equal(counters.partial.count, 1);
	ph_counters_free(&counters);
}

static void single_counters_are_cut_after_their_protocol(void **state)
{
	struct ph_counters counters = { 0 };

	(void)state;
	assert_int_equal(PARSE("SctpCurrEstab\t3\nIcmp6InMsgs 4\nOdd 5\nIp6 6\nnone\nx y\n\0 1\n",
	                       PH_COUNTER_SCTP, &counters),
	                 0);
	assert_counter(&counters, "Sctp", "CurrEstab", 3);
	assert_counter(&counters, "Icmp6", "InMsgs", 4);
	assert_counter(&counters, "", "Odd", 5);
	assert_counter(&counters, "", "Ip6", 6);
	assert_int_equal(counters.count, 4);
	assert_int_equal(counters.partial.count, 1);
	ph_counters_free(&counters);
}

static void files_that_are_missing_have_none(void **state)
{
	struct ph_context context = { .proc = "tests/data/no-such-tree", .cancel_fd = -1 };
	struct ph_counters counters;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_counters_read(&context, &counters, &error), 0);
	assert_int_equal(counters.count, 0);
	ph_counters_free(&counters);
}

static void this_host_has_counters(void **state)
{
	struct ph_context context = { .proc = "/proc", .cancel_fd = -1 };
	struct ph_counters counters;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_counters_read(&context, &counters, &error), 0);
	assert_non_null(ph_counters_find(&counters, "Tcp", "ActiveOpens"));
	assert_non_null(ph_counters_find(&counters, "IpExt", "InOctets"));
	assert_int_equal(counters.partial.count, 0);
	ph_cancel(&context);
	ph_counters_free(&counters);
	assert_failure(ph_counters_read(&context, &counters, &error), -ECANCELED, error, "snmp");
	ph_counters_free(&counters);
}

static void sources_have_names(void **state)
{
	(void)state;
	assert_string_equal(ph_counter_source_name(PH_COUNTER_SCTP), "sctp/snmp");
	assert_null(ph_counter_source_name(PH_COUNTER_SOURCES));
}

static int read_recorded(void *data)
{
	struct ph_context context = recorded;
	struct ph_counters counters;
	int r = ph_counters_read(&context, &counters, NULL);

	(void)data;
	if (r == 0)
		r = PARSE("x\ny", PH_COUNTER_SNMP, &counters);
	ph_counters_free(&counters);
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
		cmocka_unit_test(recorded_files_give_every_counter_in_order),
		cmocka_unit_test(numbers_are_exact_to_64_bits),
		cmocka_unit_test(lines_that_do_not_go_together_are_reasons),
		cmocka_unit_test(pairs_are_found_again_after_a_stray_line),
		cmocka_unit_test(single_counters_are_cut_after_their_protocol),
		cmocka_unit_test(files_that_are_missing_have_none),
		cmocka_unit_test(this_host_has_counters),
		cmocka_unit_test(sources_have_names),
		cmocka_unit_test(failed_allocations_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
