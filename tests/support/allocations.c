/*
 * Allocations that fail on demand. The tests are linked with --wrap for each of these, so only the
 * project's own calls are counted, and the sanitizers' allocator stays beneath.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static size_t allocations_left;
static bool failed;

void fail_allocation(size_t nth)
{
	__atomic_store_n(&allocations_left, nth, __ATOMIC_SEQ_CST);
	__atomic_store_n(&failed, false, __ATOMIC_SEQ_CST);
}

bool allocation_failed(void)
{
	return __atomic_load_n(&failed, __ATOMIC_SEQ_CST);
}

/* Also from threads: only the one that takes the last one fails. */
static bool fails_now(void)
{
	size_t left = __atomic_load_n(&allocations_left, __ATOMIC_SEQ_CST);

	while (left > 0) {
		if (!__atomic_compare_exchange_n(&allocations_left, &left, left - 1, false,
		                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		if (left > 1)
			return false;
		__atomic_store_n(&failed, true, __ATOMIC_SEQ_CST);
		errno = ENOMEM;
		return true;
	}
	return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_vasprintf(char **text, const char *format, va_list arguments);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails_now() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails_now() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return fails_now() ? NULL : __real_strndup(text, length);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
	return fails_now() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = __wrap_vasprintf(text, format, arguments);
	va_end(arguments);
	return r;
}

void fail_each_allocation(int (*attempt)(void *data), void *data)
{
	for (size_t nth = 1;; nth++) {
		int r;

		fail_allocation(nth);
		r = attempt(data);
		if (!allocation_failed()) {
			fail_allocation(0);
			assert_int_equal(r, 0);
			return;
		}
		fail_allocation(0);
		assert_int_equal(r, -ENOMEM);
	}
}
