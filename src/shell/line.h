/* One line from the user: through readline on a terminal, plainly otherwise. */
#ifndef SHELL_LINE_H
#define SHELL_LINE_H

#include "shell.h"

enum line_outcome {
	LINE_TEXT,
	LINE_END, /* end of input, Ctrl-D */
	LINE_INTERRUPTED, /* Ctrl-C: what was typed is thrown away */
	LINE_INTERRUPTED_EMPTY, /* Ctrl-C, and nothing had been typed */
	LINE_NO_MEMORY
};

/* Prepares readline, with its history, and with completion through the module
 * porthole.shell.complete. */
void line_open(struct shell *shell);

/* Reads a line without its newline. For LINE_TEXT `*line` is owned by the caller, which frees it.
 */
enum line_outcome line_read(const char *prompt, char **line);

/* complete.c: readline's completion. `before` is what earlier lines of the same chunk hold; it is
 * borrowed until the next call. */
void complete_open(struct shell *shell);
void complete_set_before(const char *before);

#endif
