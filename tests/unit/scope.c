/* Scope: addresses as text, and which of them may be probed. */
#include "porthole/scope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "support.h"

static struct ph_host host_of(const char *text)
{
	struct ph_host host;
	struct ph_error error = { 0 };

	if (ph_host_parse(text, strlen(text), &host, &error) != 0)
		fail_msg("%s: %s", text, error.message);
	return host;
}

static void assert_text(const char *text, const char *expected)
{
	struct ph_host host = host_of(text);
	char room[PH_HOST_TEXT_BYTES];

	assert_string_equal(ph_host_format(&host, room), expected);
}

static void addresses_are_read_and_normalised(void **state)
{
	(void)state;
	assert_text("127.0.0.1", "127.0.0.1");
	assert_text("255.255.255.255", "255.255.255.255");
	assert_text("::1", "::1");
	assert_text("[::1]", "::1");
	assert_text("2001:DB8:0::1", "2001:db8::1");
	assert_text("::ffff:192.0.2.1", "192.0.2.1");
	assert_text("::ffff:c000:201", "192.0.2.1");
	assert_text("fe80::1%lo", "fe80::1%lo");
	assert_text("fe80::1%1", "fe80::1%lo");
	assert_text("fe80::1%4000000", "fe80::1%4000000");
	/* Off a link a zone says nothing. */
	assert_text("::1%lo", "::1");
	assert_text("2001:db8::1%lo", "2001:db8::1");
}

static void other_notations_of_ipv4_are_errors_that_say_so(void **state)
{
	static const char *const cases[] = { "127.1",      "0x7f.1",     "010.0.0.1", "2130706433",
		                             "0x7f000001", "127.0.0.01", "1.2.3",     "1.2.3.4.5",
		                             "256.0.0.1",  "127.0.0.1.", "0",         "1.2.3.0x4",
		                             "foo.1",      "0177.0.0.1", "1.2.3.999", "a.0x" };
	struct ph_host host;
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_failure(ph_host_parse(cases[i], strlen(cases[i]), &host, &error), -EINVAL,
		               error, "write four decimal numbers");
}

static void what_is_neither_address_nor_name_is_an_error(void **state)
{
	static const char *const cases[] = {
		"",           "a b",       "a;b",     "-x",           ".x",       "\033[0m",
		"::1::",      ":::",       "[::1",    "::ffff:1.2.3", "fe80::1%", "fe80::1%no0",
		"1.2.3.4%lo", "::1%lo%lo", "12345::", "fe80::1%0",    "m\303\274"
	};
	char long_name[300];
	struct ph_host host;
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ph_host_parse(cases[i], strlen(cases[i]), &host, &error) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
	memset(long_name, 'a', sizeof(long_name));
	assert_failure(ph_host_parse(long_name, sizeof(long_name), &host, &error), -EINVAL, error,
	               "longer than a name");
	assert_int_equal(ph_host_parse("::1\0", 4, &host, &error), -EINVAL);
}

static void names_are_told_from_addresses(void **state)
{
	struct ph_host host;

	(void)state;
	assert_int_equal(ph_host_parse("localhost", 9, &host, NULL), 1);
	assert_int_equal(ph_host_parse("a1.b_c-d.example.", 17, &host, NULL), 1);
	assert_int_equal(ph_host_parse("1e100.net", 9, &host, NULL), 1);
}

static void socket_addresses_come_and_go(void **state)
{
	struct ph_host host = host_of("fe80::1%lo"), back;
	struct sockaddr_storage address;
	struct sockaddr other = { .sa_family = AF_UNIX };
	uint16_t port;

	(void)state;
	assert_int_equal(ph_host_sockaddr(&host, 80, &address), sizeof(struct sockaddr_in6));
	assert_int_equal(ph_host_from((struct sockaddr *)&address, &back, &port), 0);
	assert_int_equal(port, 80);
	assert_true(ph_host_equal(&host, &back));
	host = host_of("192.0.2.1");
	assert_int_equal(ph_host_sockaddr(&host, 65535, &address), sizeof(struct sockaddr_in));
	assert_int_equal(ph_host_from((struct sockaddr *)&address, &back, &port), 0);
	assert_int_equal(port, 65535);
	assert_true(ph_host_equal(&host, &back));
	assert_int_equal(ph_host_from(&other, &back, &port), -EAFNOSUPPORT);
}

static void assert_prefix(const char *text, const char *address, bool expected)
{
	struct ph_host_prefix prefix;
	struct ph_host host = host_of(address);

	assert_int_equal(ph_prefix_parse(text, strlen(text), &prefix, NULL), 0);
	assert_int_equal(ph_prefix_has(&prefix, &host), expected);
}

static void prefixes_have_their_addresses(void **state)
{
	(void)state;
	assert_prefix("192.0.2.0/24", "192.0.2.255", true);
	assert_prefix("192.0.2.0/24", "192.0.3.0", false);
	assert_prefix("192.0.2.77/25", "192.0.2.1", true);
	assert_prefix("192.0.2.77/25", "192.0.2.128", false);
	assert_prefix("192.0.2.1", "192.0.2.1", true);
	assert_prefix("192.0.2.1", "192.0.2.2", false);
	assert_prefix("0.0.0.0/0", "203.0.113.1", true);
	assert_prefix("0.0.0.0/0", "2001:db8::1", false);
	assert_prefix("::/0", "192.0.2.1", false);
	assert_prefix("::ffff:192.0.2.0/120", "192.0.2.200", true);
	assert_prefix("::ffff:192.0.2.1/128", "192.0.2.2", false);
	assert_prefix("2001:db8::/33", "2001:db8:8000::", false);
	assert_prefix("fe80::/10", "fe80::1%lo", true);
	assert_prefix("fe80::1%lo", "fe80::1%2", false);
}

static void bad_scopes_are_refused(void **state)
{
	static const char *const cases[] = { "",
		                             "localhost",
		                             "10.0.0.0/33",
		                             "10.0.0.0/",
		                             "10.0.0.0/-1",
		                             "10.0.0.0/08",
		                             "10.0.0.0/a",
		                             "10/8",
		                             "10.0.0.0/8/8",
		                             "2001:db8::/129",
		                             "::ffff:10.0.0.0/95",
		                             "/8",
		                             "10.0.0.0/256",
		                             "10.0.0.0/ 8" };
	struct ph_scope scope = { 0 };
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ph_scope_allow(&scope, cases[i], strlen(cases[i]), &error) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
	assert_int_equal(scope.allowed.count, 0);
	ph_scope_free(&scope);
}

/* eth0 has 192.0.2.1/24 and fe80::1, a tunnel 198.51.100.1/31. */
static struct ph_scope example_scope(void)
{
	struct ph_address addresses[4] = {
		{ .ifindex = 2,
		  .family = AF_INET,
		  .prefix = 24,
		  .address = { 192, 0, 2, 1 },
		  .has_broadcast = true,
		  .broadcast = { 192, 0, 2, 127 } },
		{ .ifindex = 2,
		  .family = AF_INET6,
		  .prefix = 64,
		  .address = { 0xfe, 0x80, [15] = 1 } },
		{ .ifindex = 3, .family = AF_INET, .prefix = 31, .address = { 198, 51, 100, 1 } },
		{ .ifindex = 3,
		  .family = AF_INET6,
		  .prefix = 64,
		  .address = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 } },
	};
	struct ph_links links = { .addresses = addresses, .address_count = 4 };
	struct ph_scope scope = { 0 };

	assert_int_equal(ph_scope_add_links(&scope, &links), 0);
	return scope;
}

static void own_addresses_and_loopback_are_free_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		enum ph_scope_verdict verdict;
	} cases[] = {
		{ "127.0.0.1", PH_SCOPE_OWN },
		{ "127.255.255.254", PH_SCOPE_OWN },
		{ "::1", PH_SCOPE_OWN },
		{ "::ffff:127.0.0.1", PH_SCOPE_OWN },
		{ "192.0.2.1", PH_SCOPE_OWN },
		{ "::ffff:192.0.2.1", PH_SCOPE_OWN },
		{ "2001:db8::9", PH_SCOPE_OWN },
		{ "fe80::1%2", PH_SCOPE_OWN },
		{ "fe80::1%3", PH_SCOPE_OUTSIDE },
		{ "fe80::1", PH_SCOPE_OUTSIDE },
		{ "192.0.2.2", PH_SCOPE_OUTSIDE },
		{ "198.51.100.0", PH_SCOPE_OUTSIDE },
		{ "::127.0.0.1", PH_SCOPE_OUTSIDE },
		{ "::2", PH_SCOPE_OUTSIDE },
		{ "64:ff9b::7f00:1", PH_SCOPE_OUTSIDE },
		{ "0.0.0.0", PH_SCOPE_UNSPECIFIED },
		{ "::", PH_SCOPE_UNSPECIFIED },
		{ "::ffff:0.0.0.0", PH_SCOPE_UNSPECIFIED },
		{ "224.0.0.1", PH_SCOPE_MULTICAST },
		{ "239.255.255.255", PH_SCOPE_MULTICAST },
		{ "ff02::1%2", PH_SCOPE_MULTICAST },
		{ "255.255.255.255", PH_SCOPE_BROADCAST },
		{ "192.0.2.255", PH_SCOPE_BROADCAST },
		{ "192.0.2.127", PH_SCOPE_BROADCAST },
	};
	struct ph_scope scope = example_scope();
	struct ph_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ph_host host = host_of(cases[i].text);

		if (ph_scope_judge(&scope, &host) != cases[i].verdict)
			fail_msg("%s: %d", cases[i].text, ph_scope_judge(&scope, &host));
		assert_int_equal(ph_scope_check(&scope, &host, &error),
		                 cases[i].verdict == PH_SCOPE_OWN ? 0 : -EACCES);
		if (cases[i].verdict != PH_SCOPE_OWN)
			assert_non_null(strstr(error.message, "--scope"));
	}
	ph_scope_free(&scope);
}

static void a_scope_allows_what_it_names_but_no_broadcast(void **state)
{
	struct ph_scope scope = example_scope();
	struct ph_host host = host_of("192.0.2.2");
	struct ph_error error;

	(void)state;
	assert_failure(ph_scope_check(&scope, &host, &error), -EACCES, error, "--scope 192.0.2.2");
	assert_int_equal(ph_scope_allow(&scope, "0.0.0.0/0", 9, &error), 0);
	assert_int_equal(ph_scope_check(&scope, &host, &error), 0);
	host = host_of("192.0.2.255");
	assert_failure(ph_scope_check(&scope, &host, &error), -EACCES, error, "broadcast");
	host = host_of("224.0.0.251");
	assert_failure(ph_scope_check(&scope, &host, &error), -EACCES, error, "multicast");
	host = host_of("0.0.0.0");
	assert_failure(ph_scope_check(&scope, &host, &error), -EACCES, error, "no host's");
	host = host_of("2001:db8::1");
	assert_int_equal(ph_scope_check(&scope, &host, &error), -EACCES);
	ph_scope_free(&scope);
}

static int scope_attempt(void *data)
{
	struct ph_address address = { .family = AF_INET, .prefix = 24, .has_broadcast = true };
	struct ph_links links = { .addresses = &address, .address_count = 1 };
	struct ph_scope scope = { 0 };
	int r;

	(void)data;
	r = ph_scope_add_links(&scope, &links);
	if (r == 0)
		r = ph_scope_allow(&scope, "192.0.2.0/24", 12, NULL);
	ph_scope_free(&scope);
	return r;
}

static void failed_allocations_are_survived(void **state)
{
	(void)state;
	fail_each_allocation(scope_attempt, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_normalised),
		cmocka_unit_test(other_notations_of_ipv4_are_errors_that_say_so),
		cmocka_unit_test(what_is_neither_address_nor_name_is_an_error),
		cmocka_unit_test(names_are_told_from_addresses),
		cmocka_unit_test(socket_addresses_come_and_go),
		cmocka_unit_test(prefixes_have_their_addresses),
		cmocka_unit_test(bad_scopes_are_refused),
		cmocka_unit_test(own_addresses_and_loopback_are_free_and_nothing_else),
		cmocka_unit_test(a_scope_allows_what_it_names_but_no_broadcast),
		cmocka_unit_test(failed_allocations_are_survived),
	};

	return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
