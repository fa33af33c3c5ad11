/*
 * The command line. The grammar is lua(1)'s: options end at the first argument that is none, at
 * "--", and at "-", which stands for a script on standard input. Source: the manual of Lua 5.4,
 * section 7, and lua(1).
 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), end = strlen(suffix);

	return length > end && strcmp(text + length - end, suffix) == 0;
}

/* A name without a slash that does not end in .lua is a recipe's, whatever stands in the directory:
 * nothing there is ever run by accident. */
static enum target target_of(const char *argument)
{
	if (strcmp(argument, "-") == 0)
		return TARGET_STDIN;
	if (strchr(argument, '/') != NULL || has_suffix(argument, ".lua"))
		return TARGET_FILE;
	return TARGET_RECIPE;
}

static void add_action(struct options *options, char kind, const char *text)
{
	options->actions[options->action_count++] = (struct action){ kind, text };
	options->runs_chunk |= kind == 'e';
	options->warnings |= kind == 'W';
}

/* One of the options without text. */
static bool read_flag(struct options *options, const char *argument)
{
	if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
		options->help = true;
	else if (strcmp(argument, "--version") == 0)
		options->print_version = true;
	else if (strcmp(argument, "-i") == 0)
		options->interactive = options->version = true;
	else if (strcmp(argument, "-v") == 0)
		options->version = true;
	else if (strcmp(argument, "-E") == 0)
		options->no_environment = true;
	else if (strcmp(argument, "-W") == 0)
		add_action(options, 'W', NULL);
	else
		return false;
	return true;
}

/* -eCHUNK, -e CHUNK, -lMOD or -l MOD. Returns how many arguments it took; 0: it is neither, or
 * lacks its text. */
static int read_action(struct options *options, char **argument)
{
	char kind = argument[0][1];

	if (kind != 'e' && kind != 'l')
		return 0;
	if (argument[0][2] != '\0') {
		add_action(options, kind, argument[0] + 2);
		return 1;
	}
	/* As lua(1): what looks like an option is no text. */
	if (argument[1] == NULL || argument[1][0] == '-')
		return 0;
	add_action(options, kind, argument[1]);
	return 2;
}

int options_parse(struct options *options, int argc, char **argv, const char **wrong)
{
	int i = 1;

	*options = (struct options){ .script = argc };
	options->actions = calloc((size_t)argc + 1, sizeof(*options->actions));
	if (options->actions == NULL)
		return -ENOMEM;
	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		int taken = 1;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (!read_flag(options, argv[i]))
			taken = read_action(options, argv + i);
		if (taken == 0) {
			*wrong = argv[i];
			return -EINVAL;
		}
		i += taken;
	}
	if (i < argc) {
		options->script = i;
		options->target = target_of(argv[i]);
	}
	return 0;
}

void options_free(struct options *options)
{
	free(options->actions);
	options->actions = NULL;
}
