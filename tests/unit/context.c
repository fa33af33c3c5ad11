/* The context, errors and reasons. */
#include "porthole/context.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static void a_context_knows_this_hosts_roots(void **state)
{
	struct ph_context context;
	struct ph_error error;

	(void)state;
	assert_int_equal(ph_context_open(&context, &error), 0);
	assert_string_equal(context.proc, "/proc");
	assert_string_equal(context.etc, "/etc");
	assert_false(ph_cancelled(&context));
	ph_context_close(&context);
	assert_int_equal(context.cancel_fd, -1);
}

static void cancelling_is_seen_and_wakes_until_reset(void **state)
{
	struct ph_context context;
	struct pollfd event;

	(void)state;
	assert_int_equal(ph_context_open(&context, NULL), 0);
	event = (struct pollfd){ .fd = context.cancel_fd, .events = POLLIN };
	assert_int_equal(poll(&event, 1, 0), 0);
	ph_cancel(&context);
	ph_cancel(&context);
	assert_true(ph_cancelled(&context));
	assert_int_equal(poll(&event, 1, 0), 1);
	ph_cancel_reset(&context);
	assert_false(ph_cancelled(&context));
	assert_int_equal(poll(&event, 1, 0), 0);
	ph_context_close(&context);
}

static void a_long_error_is_cut(void **state)
{
	char long_text[1024];
	struct ph_error error;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(ph_fail(&error, -EINVAL, "%s", long_text), -EINVAL);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	assert_int_equal(ph_fail(NULL, -EINVAL, "%s", long_text), -EINVAL);
}

static void a_missing_file_is_named(void **state)
{
	struct ph_error error;
	char *text;

	(void)state;
	assert_failure(ph_read_below("/proc", "no/such", 100, &text, NULL, &error), -ENOENT, error,
	               "/proc/no/such");
	assert_null(text);
	assert_failure(ph_read_below("/nowhere", "x", 100, &text, NULL, &error), -ENOENT, error,
	               "/nowhere");
}

static void a_file_over_the_limit_is_refused(void **state)
{
	struct ph_error error;
	size_t length;
	char *text;

	(void)state;
	assert_failure(ph_read_below("/proc", "self/status", 10, &text, &length, &error), -EFBIG,
	               error, "self/status");
	assert_int_equal(ph_read_below("/proc", "self/status", 1 << 20, &text, &length, &error), 0);
	assert_int_equal(strlen(text), length);
	free(text);
}

static int two_reasons(void *data)
{
	struct ph_reasons reasons = { 0 }, joined = { 0 };
	int r;

	(void)data;
	r = ph_reasons_add(&reasons, "one of %d", 2);
	if (r == 0)
		r = ph_reasons_add(&reasons, "two");
	if (r == 0)
		r = ph_reasons_add(&reasons, "one of %d", 2);
	if (r == 0) {
		assert_int_equal(reasons.count, 2);
		r = ph_reasons_join(&joined, &reasons);
	}
	if (r == 0)
		assert_string_equal(joined.items[1], "two");
	ph_reasons_free(&reasons);
	ph_reasons_free(&joined);
	return r;
}

static void reasons_are_kept_once_and_survive_failed_allocations(void **state)
{
	(void)state;
	fail_each_allocation(two_reasons, NULL);
}

static void an_array_grows_and_keeps_its_items(void **state)
{
	size_t capacity = 0;
	int *items = NULL;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ph_reserve(&items, (size_t)i, &capacity, sizeof(*items)), 0);
		items[i] = i;
	}
	assert_int_equal(items[99], 99);
	fail_allocation(1);
	assert_int_equal(ph_reserve(&items, capacity, &capacity, sizeof(*items)), -ENOMEM);
	fail_allocation(0);
	assert_int_equal(items[7], 7);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_knows_this_hosts_roots),
		cmocka_unit_test(cancelling_is_seen_and_wakes_until_reset),
		cmocka_unit_test(a_long_error_is_cut),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_file_over_the_limit_is_refused),
		cmocka_unit_test(reasons_are_kept_once_and_survive_failed_allocations),
		cmocka_unit_test(an_array_grows_and_keeps_its_items),
	};

	return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
