/*
 * History as whole chunks, in $XDG_STATE_HOME/porthole/history (0600): each is in the file before
 * it runs, so that nothing is lost when the program is killed. Format: a line "#SECONDS" before
 * each entry, as readline's and bash's files have it.
 */
#ifndef SHELL_HISTORY_H
#define SHELL_HISTORY_H

/* Finds the file. Where it cannot be kept, says so once; the session goes on. */
void history_open(void);

/* Gives readline what was kept, without duplicates. */
void history_load(void);

/* Keeps a chunk, unless it is the one that was kept last. */
void history_keep(const char *chunk);

#endif
