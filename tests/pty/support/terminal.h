/* A terminal of our own with ./porthole on it, for tests: what is typed, what is seen, each wait
 * bounded. */
#ifndef TESTS_PTY_TERMINAL_H
#define TESTS_PTY_TERMINAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <sys/types.h>

#define SCREEN_BYTES ((size_t)1 << 20)
#define PATIENCE_MS  20000

struct terminal {
	pid_t pid; /* 0: nothing runs */
	int fd;
	size_t length, seen; /* bytes of `screen`, and how many of them were waited for */
	size_t memory; /* RLIMIT_AS of the program; 0: none */
	bool job; /* under a parent that continues it when it stops */
	unsigned short columns;
	char home[256]; /* made for the test, removed after it */
	char screen[SCREEN_BYTES];
};

/* Setup and teardown of each test: a terminal in **state, with nothing on it yet. */
int terminal_open(void **state);
int terminal_close(void **state);

/* Starts $PORTHOLE with these variables ("NAME=value", NULL-terminated) besides TERM=dumb. */
void terminal_start(struct terminal *t, const char *const *variables);
/* ... and waits for the first prompt. */
void terminal_start_shell(struct terminal *t);

void terminal_type(struct terminal *t, const char *text);

/* Waits until the text appears behind what was waited for last. */
void terminal_expect(struct terminal *t, const char *text);

/* Types a line and waits for the text, then for the prompt. */
void terminal_ask(struct terminal *t, const char *line, const char *text);

/* Waits for the end. The exit status, or 128 and the signal. */
int terminal_end(struct terminal *t);

#endif
