/* What unit tests share: allocations that fail on demand, roots of files, and recorded netlink. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "porthole/context.h"

/* The nth allocation from now on fails (1: the next), and every later one works; 0: none fails. */
void fail_allocation(size_t nth);
/* Whether an allocation has failed since fail_allocation(). */
bool allocation_failed(void);

/*
 * Runs `attempt` with its 1st, 2nd, ... allocation failing until one run has no failure. It must
 * return -ENOMEM when an allocation failed, 0 otherwise, and release all that it made.
 */
void fail_each_allocation(int (*attempt)(void *data), void *data);

#define assert_failure(result, expected, error, text)             \
	do {                                                      \
		assert_int_equal((result), (expected));           \
		assert_int_equal((error).code, (expected));       \
		assert_non_null(strstr((error).message, (text))); \
	} while (0)

#endif
