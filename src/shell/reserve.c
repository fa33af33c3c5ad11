/*
 * The reserve of memory. The dynamic linker gives readline the functions of these names in the
 * program before those in its own library.
 */
#include "reserve.h"

#include <stdio.h>
/* readline.h needs stdio.h. */
#include <readline/readline.h>
#include <stdlib.h>
#include <unistd.h>

#include "shell.h"

/* Much more than a line, a prompt and a message take; a mapping of its own for glibc's malloc, so
 * that giving it back helps whatever limit there is. */
#define RESERVE_BYTES ((size_t)1 << 20)

static void *reserve;

void reserve_take(void)
{
	if (reserve == NULL)
		reserve = malloc(RESERVE_BYTES);
}

bool reserve_release(void)
{
	bool had = reserve != NULL;

	free(reserve);
	reserve = NULL;
	return had;
}

/* readline cannot go on without, and knows no way back. */
static _Noreturn void give_up(void)
{
	rl_deprep_terminal();
	fputs("\nporthole: not enough memory to read a line\n", stderr);
	_exit(STATUS_UNABLE);
}

void *xmalloc(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL && reserve_release())
		memory = malloc(size);
	if (memory == NULL)
		give_up();
	return memory;
}

void *xrealloc(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (memory == NULL && reserve_release())
		memory = realloc(old, size);
	if (memory == NULL)
		give_up();
	return memory;
}

void xfree(void *old)
{
	free(old);
}
