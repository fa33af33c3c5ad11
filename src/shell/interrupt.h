/*
 * Ctrl-C. While Lua runs, the first press raises an error once, so that a script can clean up; the
 * second raises at every instruction until the prompt; the third says that C code goes on, and the
 * fourth leaves. Every wait of the engine ends at each press, through the context.
 */
#ifndef SHELL_INTERRUPT_H
#define SHELL_INTERRUPT_H

#include <lua.h>
#include <stdbool.h>

#include "porthole/context.h"

/* Catches SIGINT unless it is ignored already, as for jobs in the background. `library`, the folder
 * of our own Lua or NULL, stays the caller's and outlives the state: errors name other lines. */
void interrupt_catch(lua_State *L, struct ph_context *context, const char *library);

/* The shell: SIGINT is caught in any case, presses count up to four. Otherwise, in a script, the
 * third press kills. */
void interrupt_set_interactive(void);

/* Forgets all presses and takes the hooks away: what was interrupted has ended, and is reported. */
void interrupt_settle(void);

/* While the prompt waits a press only sets a flag, which interrupt_take() reads and clears.
 * Entering forgets all presses and takes the hooks away; leaving tells whether a press came that
 * nobody took.
 */
void interrupt_enter_prompt(void);
bool interrupt_leave_prompt(void);
bool interrupt_pressed(void);
bool interrupt_take(void);

/* Whether an interruption was raised as an error since the last prompt, or since the start. */
bool interrupt_raised(void);

/* After an interruption: leaves the line on which the terminal shows "^C". */
void interrupt_end_line(void);

/* For coroutine.c: which state runs; returns the one before. */
lua_State *interrupt_switch(lua_State *L);

/* Puts SIGINT back to its default and sends it: for a shell that waits for us, that is how a
 * program ends that was interrupted. Returns only where the signal is blocked. */
void interrupt_die(void);

#endif
