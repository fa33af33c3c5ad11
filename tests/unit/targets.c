/* Targets: what a user names -> addresses in scope. */
#include "porthole/targets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

struct fixture {
	struct ph_context context;
	struct ph_scope scope;
	struct ph_targets targets;
	struct ph_target_rules rules;
	struct ph_error error;
};

/* two.example has one address in scope and one out of it. */
static int resolve_example(struct ph_context *context, const char *name, int family,
                           struct ph_hosts *hosts, struct ph_error *error)
{
	static const char *const two[] = { "192.0.2.1", "203.0.113.1" };
	bool out = strcmp(name, "out.example") == 0;

	(void)context;
	if (strcmp(name, "six.example") == 0 && family != AF_INET6)
		return ph_fail(error, -ENOENT, "%s: no IPv4 address of this name is known", name);
	for (size_t i = out ? 1 : 0; i < 2; i++) {
		if (ph_reserve(&hosts->items, hosts->count, &hosts->capacity,
		               sizeof(*hosts->items)) < 0)
			return ph_fail(error, -ENOMEM, "out of memory");
		ph_host_parse(two[i], strlen(two[i]), &hosts->items[hosts->count++], error);
	}
	return 0;
}

static void open_fixture(struct fixture *fixture)
{
	static const char *const allowed[] = { "192.0.2.0/24", "2001:db8::/64", "fe80::/10" };

	*fixture = (struct fixture){ 0 };
	assert_int_equal(ph_context_open(&fixture->context, NULL), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			ph_scope_allow(&fixture->scope, allowed[i], strlen(allowed[i]), NULL), 0);
	fixture->rules = (struct ph_target_rules){ &fixture->scope, AF_INET, resolve_example };
}

static void close_fixture(struct fixture *fixture)
{
	ph_targets_free(&fixture->targets);
	ph_scope_free(&fixture->scope);
	ph_context_close(&fixture->context);
}

static int add(struct fixture *fixture, const char *text)
{
	return ph_targets_add(&fixture->context, &fixture->targets, text, strlen(text),
	                      &fixture->rules, &fixture->error);
}

static int exclude(struct fixture *fixture, const char *text)
{
	return ph_targets_exclude(&fixture->context, &fixture->targets, text, strlen(text),
	                          &fixture->rules, &fixture->error);
}

static void assert_hosts(struct fixture *fixture, const char *expected)
{
	char text[1024] = "", room[PH_HOST_TEXT_BYTES];

	for (size_t i = 0; i < fixture->targets.count && strlen(text) < 900; i++) {
		strcat(text, i ? " " : "");
		strcat(text, ph_host_format(&fixture->targets.items[i].host, room));
	}
	assert_string_equal(text, expected);
}

static void assert_means(const char *text, const char *expected)
{
	struct fixture fixture;

	open_fixture(&fixture);
	if (add(&fixture, text) < 0)
		fail_msg("%s: %s", text, fixture.error.message);
	assert_hosts(&fixture, expected);
	close_fixture(&fixture);
}

static void each_notation_means_its_addresses(void **state)
{
	(void)state;
	assert_means("192.0.2.7", "192.0.2.7");
	assert_means("192.0.2.1-3", "192.0.2.1 192.0.2.2 192.0.2.3");
	assert_means("192.0.2.1,3,8-9", "192.0.2.1 192.0.2.3 192.0.2.8 192.0.2.9");
	assert_means("192.0.2.254-", "192.0.2.254 192.0.2.255");
	assert_means("192.0.2.-1", "192.0.2.0 192.0.2.1");
	assert_means("127.0-1.0.1", "127.0.0.1 127.1.0.1");
	assert_means("192.0.2.6/31", "192.0.2.6 192.0.2.7");
	assert_means("192.0.2.5/30", "192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7");
	assert_means("2001:db8::fe/127", "2001:db8::fe 2001:db8::ff");
	assert_means("2001:db8::100/126",
	             "2001:db8::100 2001:db8::101 2001:db8::102 2001:db8::103");
	assert_means("::ffff:192.0.2.1", "192.0.2.1");
	assert_means("::1", "::1");
	assert_means("fe80::1%lo", "fe80::1%lo");
}

static void blocks_are_walked_whole(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	assert_int_equal(add(&fixture, "192.0.2.0/24"), 0);
	assert_int_equal(fixture.targets.count, 256);
	assert_int_equal(add(&fixture, "192.0.2.*"), 0);
	assert_int_equal(fixture.targets.count, 256);
	assert_int_equal(add(&fixture, "2001:db8::/116"), 0);
	assert_int_equal(fixture.targets.count, 256 + 4096);
	assert_failure(add(&fixture, "2001:db8::/64"), -E2BIG, fixture.error, "more than 1048576");
	close_fixture(&fixture);
}

static void anything_out_of_scope_refuses_the_whole(void **state)
{
	static const char *const cases[] = { "192.0.3.1",       "192.0.2.0/23",    "0.0.0.0/0",
		                             "192.0.2-3.1",     "255.255.255.255", "::/0",
		                             "2001:db8:0:1::1", "::ffff:10.0.0.1", "224.0.0.0/4",
		                             "out.example",     "0.0.0.0",         "*.*.*.*" };
	struct fixture fixture;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_fixture(&fixture);
		if (add(&fixture, cases[i]) != -EACCES)
			fail_msg("taken: %s", cases[i]);
		assert_non_null(strstr(fixture.error.message, "--scope"));
		close_fixture(&fixture);
	}
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "127.1", "four decimal numbers" },
		{ "0x7f.1", "four decimal numbers" },
		{ "192.0.2.3-1", "no range of IPv4 addresses" },
		{ "192.0.2.1-300", "no range" },
		{ "192.0.2.01-3", "no range" },
		{ "192.0.2.,1", "no range" },
		{ "192.0.2.1,", "no range" },
		{ "192.0.2.0/33", "no block" },
		{ "localhost/24", "begins with an address" },
		{ "fe80::1", "needs its interface" },
		{ "", "empty" },
		{ "a b", "neither an address nor a name" },
	};
	struct fixture fixture;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_fixture(&fixture);
		assert_failure(add(&fixture, cases[i].text), -EINVAL, fixture.error,
		               cases[i].message);
		close_fixture(&fixture);
	}
}

static void of_a_name_the_addresses_in_scope_are_kept_and_the_rest_named(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	assert_int_equal(add(&fixture, "two.example"), 0);
	assert_hosts(&fixture, "192.0.2.1");
	assert_string_equal(fixture.targets.names[fixture.targets.items[0].name], "two.example");
	assert_int_equal(fixture.targets.partial.count, 1);
	assert_non_null(strstr(fixture.targets.partial.items[0], "203.0.113.1"));
	assert_failure(add(&fixture, "out.example"), -EACCES, fixture.error, "203.0.113.1");
	assert_failure(add(&fixture, "six.example"), -ENOENT, fixture.error, "no IPv4 address");
	close_fixture(&fixture);
}

static void excluded_addresses_are_left_out(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	assert_int_equal(exclude(&fixture, "192.0.2.2,192.0.2.4-5,192.0.2.8/30"), 0);
	assert_int_equal(add(&fixture, "192.0.2.1-9"), 0);
	assert_hosts(&fixture, "192.0.2.1 192.0.2.3 192.0.2.6 192.0.2.7");
	assert_int_equal(exclude(&fixture, "192.0.2.20,22"), 0);
	assert_int_equal(exclude(&fixture, "two.example,2001:db8::1"), 0);
	assert_int_equal(add(&fixture, "192.0.2.20-23"), 0);
	assert_int_equal(add(&fixture, "2001:db8::1"), 0);
	assert_int_equal(add(&fixture, "192.0.2.1"), 0);
	assert_hosts(&fixture, "192.0.2.1 192.0.2.3 192.0.2.6 192.0.2.7 192.0.2.21 192.0.2.23");
	/* What is excluded need not be in scope. */
	assert_int_equal(exclude(&fixture, "192.0.3.0/24"), 0);
	assert_int_equal(add(&fixture, "192.0.2-3.6"), 0);
	assert_failure(exclude(&fixture, "127.1"), -EINVAL, fixture.error, "four decimal");
	assert_failure(exclude(&fixture, "six.example"), -ENOENT, fixture.error, "six.example");
	close_fixture(&fixture);
}

static void a_blocks_broadcast_address_is_left_out_and_alone_refused(void **state)
{
	struct ph_address address = {
		.family = AF_INET, .prefix = 30, .ifindex = 1, .address = { 192, 0, 2, 1 }
	};
	struct ph_links links = { .addresses = &address, .address_count = 1 };
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	assert_int_equal(ph_scope_add_links(&fixture.scope, &links), 0);
	assert_int_equal(add(&fixture, "192.0.2.0/30"), 0);
	assert_hosts(&fixture, "192.0.2.0 192.0.2.1 192.0.2.2");
	assert_true(fixture.targets.items[1].own);
	assert_false(fixture.targets.items[2].own);
	assert_int_equal(fixture.targets.partial.count, 1);
	assert_failure(add(&fixture, "192.0.2.3"), -EACCES, fixture.error, "broadcast");
	close_fixture(&fixture);
}

static void a_cancelled_context_ends_the_walk(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	ph_cancel(&fixture.context);
	assert_failure(add(&fixture, "192.0.2.0/24"), -ECANCELED, fixture.error, "cancelled");
	close_fixture(&fixture);
}

static int targets_attempt(void *data)
{
	struct fixture *fixture = data;
	int r;

	r = exclude(fixture, "192.0.2.9,two.example");
	if (r == 0)
		r = add(fixture, "192.0.2.0/26");
	if (r == 0)
		r = add(fixture, "two.example");
	ph_targets_free(&fixture->targets);
	return r;
}

static void failed_allocations_are_survived(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	fail_each_allocation(targets_attempt, &fixture);
	close_fixture(&fixture);
}

static void this_hosts_name_is_resolved(void **state)
{
	struct ph_hosts hosts = { 0 };
	struct ph_context context;
	struct ph_error error;
	char room[PH_HOST_TEXT_BYTES];

	(void)state;
	assert_int_equal(ph_context_open(&context, NULL), 0);
	assert_int_equal(ph_resolve(&context, "localhost", AF_INET, &hosts, &error), 0);
	assert_string_equal(ph_host_format(&hosts.items[0], room), "127.0.0.1");
	ph_hosts_free(&hosts);
	ph_cancel(&context);
	assert_failure(ph_resolve(&context, "localhost", AF_INET, &hosts, &error), -ECANCELED,
	               error, "localhost");
	ph_hosts_free(&hosts);
	ph_context_close(&context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_notation_means_its_addresses),
		cmocka_unit_test(blocks_are_walked_whole),
		cmocka_unit_test(anything_out_of_scope_refuses_the_whole),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(of_a_name_the_addresses_in_scope_are_kept_and_the_rest_named),
		cmocka_unit_test(excluded_addresses_are_left_out),
		cmocka_unit_test(a_blocks_broadcast_address_is_left_out_and_alone_refused),
		cmocka_unit_test(a_cancelled_context_ends_the_walk),
		cmocka_unit_test(failed_allocations_are_survived),
		cmocka_unit_test(this_hosts_name_is_resolved),
	};

	return cmocka_run_group_tests_name("targets", tests, NULL, NULL);
}
