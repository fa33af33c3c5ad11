/* Memory put by, so that the shell can speak and read a line when a script has taken all the rest.
 */
#ifndef SHELL_RESERVE_H
#define SHELL_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* Puts the reserve by, unless it is there. */
void reserve_take(void);

/* Gives it back to malloc. False: there was none. */
bool reserve_release(void);

/* readline's allocations, in the place of its own, which end the program when there is no memory.
 * These take the reserve first. */
void *xmalloc(size_t size);
void *xrealloc(void *old, size_t size);
void xfree(void *old);

#endif
