/* The command line: the options of lua(1), then a script or the name of a recipe. */
#ifndef SHELL_OPTIONS_H
#define SHELL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum target {
	TARGET_NONE,
	TARGET_STDIN, /* "-" */
	TARGET_FILE, /* a script */
	TARGET_RECIPE /* a recipe's name */
};

/* -e, -l and -W are carried out in the order given; `text` is borrowed from argv. */
struct action {
	char kind; /* 'e', 'l' or 'W' */
	const char *text; /* NULL for 'W' */
};

struct options {
	bool help, print_version; /* --help, --version: nothing else is done */
	bool interactive, version, no_environment, warnings; /* -i -v -E, and some -W */
	struct action *actions; /* owned */
	size_t action_count;
	bool runs_chunk; /* some -e */
	enum target target;
	int script; /* index in argv of the script's or recipe's name; argc where there is none */
};

/*
 * Reads the command line. options_free() releases the result, also after a failure. Returns 0,
 * -EINVAL with `*wrong` the argument that is none of lua(1)'s, or that lacks its text, or -ENOMEM.
 */
int options_parse(struct options *options, int argc, char **argv, const char **wrong);
void options_free(struct options *options);

#endif
