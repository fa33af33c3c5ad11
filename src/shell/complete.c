/*
 * Completion: what readline asks, the module porthole.shell.complete answers. The answer is copied
 * before readline sees any of it, so that no Lua value has to live meanwhile.
 */
#include <lauxlib.h>
#include <stdio.h>
/* readline.h needs stdio.h. */
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"
#include "porthole/text.h"

#define MOST_CANDIDATES 50000

/* readline's functions have no argument of their own. */
static struct {
	lua_State *L;
	const char *before;
	char **items, **notes; /* owned; a note may be NULL */
	size_t count, next;
	char *remark; /* owned, may be NULL: why there may be more */
	int back; /* bytes before the word that the candidate takes the place of, too */
} self;

void complete_set_before(const char *before)
{
	self.before = before;
}

static void forget(void)
{
	for (size_t i = 0; i < self.count; i++) {
		free(self.items[i]);
		free(self.notes[i]);
	}
	free(self.items);
	free(self.notes);
	free(self.remark);
	self.items = self.notes = NULL;
	self.remark = NULL;
	self.count = 0;
}

/* A copy of the text at the top of the stack, which is popped; NULL: no text, or no memory. */
static char *take_text(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	char *copy = text != NULL ? strdup(text) : NULL;

	lua_pop(L, 1);
	return copy;
}

/* Copies the answer, at index 1: a list of {text, note}, with its remark. Does not raise. */
static void keep_answer(lua_State *L)
{
	size_t count = lua_rawlen(L, 1);

	if (count > MOST_CANDIDATES)
		count = MOST_CANDIDATES;
	self.items = calloc(count + 1, sizeof(*self.items));
	self.notes = calloc(count + 1, sizeof(*self.notes));
	for (size_t i = 1; self.items != NULL && self.notes != NULL && i <= count; i++) {
		char *text;

		if (lua_rawgeti(L, 1, (lua_Integer)i) != LUA_TTABLE) {
			lua_pop(L, 1);
			continue;
		}
		lua_rawgeti(L, -1, 1);
		text = take_text(L);
		lua_rawgeti(L, -1, 2);
		self.notes[self.count] = take_text(L);
		if (text != NULL)
			self.items[self.count++] = text;
		lua_pop(L, 1);
	}
}

/* The field of the answer, at index 1, is pushed. */
static void push_field(lua_State *L, const char *field)
{
	lua_pushstring(L, field);
	lua_rawget(L, 1);
}

/* (start): asks for what fits the text before the cursor, whose last word begins at `start`. */
static int l_ask(lua_State *L)
{
	lua_Integer start = lua_tointeger(L, 1);
	const char *append;

	module_push(L, "complete");
	lua_pushlstring(L, rl_line_buffer, (size_t)rl_point);
	/* Lua counts from 1. */
	lua_pushinteger(L, start + 1);
	lua_pushstring(L, self.before != NULL ? self.before : "");
	lua_call(L, 3, 1);
	lua_replace(L, 1);
	luaL_checktype(L, 1, LUA_TTABLE);
	push_field(L, "append");
	append = lua_tostring(L, -1);
	rl_completion_append_character = append != NULL ? (unsigned char)*append : '\0';
	push_field(L, "back");
	self.back = (int)lua_tointeger(L, -1);
	push_field(L, "remark");
	self.remark = take_text(L);
	keep_answer(L);
	return 0;
}

static char *generate(const char *text, int state)
{
	(void)text;
	if (state == 0)
		self.next = 0;
	return self.next < self.count ? strdup(self.items[self.next++]) : NULL;
}

/* A candidate that takes the place of more than the word: t.two words -> t["two words"]. */
static void replace_more(int start)
{
	int from = start - self.back;

	if (self.count != 1 || from < 0)
		return;
	rl_begin_undo_group();
	rl_delete_text(from, rl_point);
	rl_point = from;
	rl_insert_text(self.items[0]);
	rl_end_undo_group();
}

/* The candidates as readline wants them: first what they have in common. */
static char **answered(const char *text)
{
	char **matches = rl_completion_matches(text, generate);
	bool several = matches != NULL && matches[1] != NULL;
	char *typed = several && self.remark != NULL ? strdup(text) : NULL;

	/* Names that were not looked at may have less in common: nothing is put into the line. */
	if (typed != NULL) {
		free(matches[0]);
		matches[0] = typed;
	}
	return matches;
}

static char **attempt(const char *text, int start, int end)
{
	int top = lua_gettop(self.L);
	char **matches = NULL;

	(void)end;
	/* Never file names by default. */
	rl_attempted_completion_over = 1;
	rl_sort_completion_matches = 0;
	rl_completion_suppress_quote = 1;
	forget();
	self.back = 0;
	lua_pushcfunction(self.L, l_ask);
	lua_pushinteger(self.L, start);
	if (lua_pcall(self.L, 1, 0, 0) == LUA_OK) {
		if (self.back > 0)
			replace_more(start);
		else if (self.count > 0)
			matches = answered(text);
	}
	lua_settop(self.L, top);
	return matches;
}

/* Writes at most `room` columns of the text, with what a terminal must not see made visible.
 * Returns the columns written. */
static int put(const char *text, int room)
{
	int used = 0;

	for (size_t length = strlen(text); length > 0;) {
		uint32_t code;
		size_t size = ph_text_decode(text, length, &code), bytes;
		int width = (int)ph_text_width(text, size);
		/* One byte becomes 8 at most, one character has 4. */
		char escaped[32] = "";

		if (used + width > room)
			break;
		bytes = ph_text_escape(text, size, escaped);
		fwrite(escaped, 1, bytes, rl_outstream);
		used += width;
		text += size;
		length -= size;
	}
	return used;
}

static const char *note_of(const char *text)
{
	for (size_t i = 0; i < self.count; i++)
		if (strcmp(self.items[i], text) == 0)
			return self.notes[i];
	return NULL;
}

/* One candidate a line, with its description, cut at the width. */
static void list_noted(char **matches, int count, int widest, int columns)
{
	for (int i = 1; i <= count; i++) {
		const char *note = note_of(matches[i]);
		int used = put(matches[i], columns - 1);

		if (note != NULL && used + 3 < columns) {
			int gap = used < widest ? widest - used : 0;

			fprintf(rl_outstream, "%*s", gap + 2, "");
			put(note, columns - 1 - used - gap - 2);
		}
		fputc('\n', rl_outstream);
	}
}

static void list_plain(char **matches, int count, int widest, int columns)
{
	int across = columns / (widest + 2) > 0 ? columns / (widest + 2) : 1;

	for (int i = 1; i <= count; i++) {
		int used = put(matches[i], columns - 1);

		if (i % across == 0 || i == count)
			fputc('\n', rl_outstream);
		else
			fprintf(rl_outstream, "%*s", widest + 2 - used, "");
	}
}

static int widest_of(char **matches, int count)
{
	int widest = 0;

	for (int i = 1; i <= count; i++) {
		int width = (int)ph_text_width(matches[i], strlen(matches[i]));

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* The second TAB: as many as the screen holds, no pager that would ask for keys. */
static void list(char **matches, int count, int longest)
{
	int lines, columns, widest, most, shown;
	bool noted = false;

	(void)longest;
	rl_get_screen_size(&lines, &columns);
	for (size_t i = 0; i < self.count && !noted; i++)
		noted = self.notes[i] != NULL;
	widest = widest_of(matches, count);
	most = lines > 6 ? lines - 4 : 2;
	if (!noted && widest + 2 < columns)
		most *= columns / (widest + 2);
	shown = count < most ? count : most;
	fputc('\n', rl_outstream);
	if (noted)
		list_noted(matches, shown, widest < columns / 2 ? widest : columns / 2, columns);
	else
		list_plain(matches, shown, widest, columns);
	if (shown < count)
		fprintf(rl_outstream, "+%d more\n", count - shown);
	if (self.remark != NULL)
		fprintf(rl_outstream, "%s\n", self.remark);
	rl_on_new_line();
	rl_forced_update_display();
}

/* All of ASCII but letters, digits and the underscore; what else belongs together is our matter. */
static const char *word_breaks(void)
{
	static char breaks[128];
	size_t count = 0;

	for (int c = 1; c < 128; c++)
		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    c != '_')
			breaks[count++] = (char)c;
	return breaks;
}

void complete_open(struct shell *shell)
{
	self.L = shell->L;
	rl_attempted_completion_function = attempt;
	rl_completion_display_matches_hook = list;
	rl_completer_word_break_characters = word_breaks();
	rl_completer_quote_characters = NULL;
	rl_basic_quote_characters = "";
	rl_special_prefixes = NULL;
}
