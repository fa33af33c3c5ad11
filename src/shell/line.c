/*
 * Reading a line. readline reads its keys through read_key(), which waits in ppoll with the signals
 * open only there, so that none comes between looking and waiting. Ctrl-C ends the line by what
 * looks like Enter on an empty one: ending it in readline's own hook would lose the next two keys.
 */
#include "line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
/* readline.h needs stdio.h. */
#include <readline/readline.h>
#include <stdlib.h>
#include <unistd.h>

#include "history.h"
#include "interrupt.h"

static bool on_terminal;
/* Whether Ctrl-C met an empty line. */
static bool was_empty;
static volatile sig_atomic_t continued;

static void on_continue(int signal_number)
{
	(void)signal_number;
	continued = 1;
}

/* Waits until a key can be read. False: a signal came, which is to be looked at first. */
static bool wait_key(int fd)
{
	static const int signals[] = { SIGINT,  SIGTERM, SIGHUP,   SIGQUIT, SIGALRM,
		                       SIGTSTP, SIGCONT, SIGWINCH, SIGTTIN, SIGTTOU };
	struct pollfd event = { .fd = fd, .events = POLLIN };
	sigset_t closed, before;
	int r = -1;

	sigemptyset(&closed);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&closed, signals[i]);
	sigprocmask(SIG_BLOCK, &closed, &before);
	if (rl_pending_signal() == 0 && !interrupt_pressed() && !continued)
		r = ppoll(&event, 1, NULL, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	/* Both at once: the signal came first, and a key behind Ctrl-C belongs to the next line. */
	return r > 0 && rl_pending_signal() == 0 && !interrupt_pressed();
}

/* Set while an interrupted line is being ended. */
static bool ending;

static int read_key(FILE *stream)
{
	for (;;) {
		unsigned char key;
		ssize_t got;

		if (interrupt_pressed()) {
			/* Asked again until readline is back: only the first time tells. */
			if (!ending)
				was_empty = rl_end == 0;
			ending = true;
			rl_replace_line("", 0);
			return '\n';
		}
		if (continued) {
			continued = 0;
			rl_forced_update_display();
		}
		if (!wait_key(fileno(stream))) {
			rl_check_signals();
			continue;
		}
		got = read(fileno(stream), &key, 1);
		if (got == 1)
			return key;
		if (got == 0 || (errno != EINTR && errno != EAGAIN))
			return EOF;
	}
}

/* The prompt is there already: nobody waits for a long history. */
static int on_first_prompt(void)
{
	rl_pre_input_hook = NULL;
	history_load();
	return 0;
}

void line_open(struct shell *shell)
{
	struct sigaction action = { .sa_handler = on_continue };

	on_terminal = isatty(STDIN_FILENO);
	if (!on_terminal)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(SIGCONT, &action, NULL);
	rl_readline_name = "porthole";
	rl_instream = stdin;
	rl_outstream = isatty(STDOUT_FILENO) ? stdout : stderr;
	rl_catch_signals = 1;
	rl_change_environment = 0;
	rl_getc_function = read_key;
	rl_pre_input_hook = on_first_prompt;
	history_open();
	complete_open(shell);
}

static enum line_outcome read_edited(const char *prompt, char **line)
{
	/* The window may have changed while something ran. */
	rl_reset_screen_size();
	ending = false;
	*line = readline(prompt);
	if (interrupt_take()) {
		free(*line);
		return ending && was_empty ? LINE_INTERRUPTED_EMPTY : LINE_INTERRUPTED;
	}
	return *line != NULL ? LINE_TEXT : LINE_END;
}

/* Without a terminal: no editing, and no more of the input is taken than the line. */
static enum line_outcome read_plain(const char *prompt, char **line)
{
	size_t room = 0;
	ssize_t length;

	fputs(prompt, stdout);
	fflush(stdout);
	*line = NULL;
	clearerr(stdin);
	length = getline(line, &room, stdin);
	if (length >= 0 && !interrupt_pressed()) {
		if (length > 0 && (*line)[length - 1] == '\n')
			(*line)[length - 1] = '\0';
		return LINE_TEXT;
	}
	free(*line);
	if (interrupt_take())
		return LINE_INTERRUPTED;
	return !feof(stdin) && errno == ENOMEM ? LINE_NO_MEMORY : LINE_END;
}

enum line_outcome line_read(const char *prompt, char **line)
{
	return on_terminal ? read_edited(prompt, line) : read_plain(prompt, line);
}
