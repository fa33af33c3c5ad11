/* core.text: what of bytes from outside may reach a terminal, and how wide it is there. */
#include <stdlib.h>
#include <string.h>

#include "binding/binding.h"
#include "porthole/text.h"

/* The result of a writer that makes at most `most` bytes of one, plus `extra`. */
static int push_written(lua_State *L, size_t (*write)(const char *, size_t, char *), size_t most,
                        size_t extra)
{
	size_t length;
	const char *text = luaL_checklstring(L, 1, &length);
	luaL_Buffer buffer;
	char *room;

	luaL_argcheck(L, length < (SIZE_MAX - extra) / most, 1, "too long");
	/* Most texts stay as they are: they are counted, not given room for the worst. */
	room = luaL_buffinitsize(L, &buffer, write(text, length, NULL) + 1);
	luaL_pushresultsize(&buffer, write(text, length, room));
	return 1;
}

/* text.escape(s) -> s with every character that is unsafe on a terminal made visible */
static int l_escape(lua_State *L)
{
	return push_written(L, ph_text_escape, 8, 0);
}

/* text.json(s) -> s as a JSON string with its quotes, valid UTF-8 whatever the bytes are */
static int l_json(lua_State *L)
{
	return push_written(L, ph_text_json, 6, 2);
}

/* text.width(s) -> columns on a terminal */
static int l_width(lua_State *L)
{
	size_t length;
	const char *text = luaL_checklstring(L, 1, &length);

	lua_pushinteger(L, (lua_Integer)ph_text_width(text, length));
	return 1;
}

/* How many bytes of the text fit into `columns`, whole characters with what combines with them. */
static size_t fitting(const char *text, size_t length, size_t columns, size_t *used)
{
	size_t end = 0;

	*used = 0;
	while (end < length) {
		uint32_t code;
		size_t bytes = ph_text_decode(text + end, length - end, &code);
		size_t width = ph_text_width(text + end, bytes);

		if (*used + width > columns)
			break;
		*used += width;
		end += bytes;
	}
	return end;
}

/*
 * text.cut(s, columns [, mark]) -> s, width: the text as it is where it fits, else its beginning
 * and the mark ("…"), in no more columns than these. `s` is bytes: unsafe characters count as their
 * escapes, so escape() before or after.
 */
static int l_cut(lua_State *L)
{
	size_t length, mark_length, used, end;
	const char *text = luaL_checklstring(L, 1, &length);
	lua_Integer columns = luaL_checkinteger(L, 2);
	const char *mark = luaL_optlstring(L, 3, "\xe2\x80\xa6", &mark_length);
	size_t mark_width = ph_text_width(mark, mark_length);

	luaL_argcheck(L, columns >= 0, 2, "columns are counted from 0");
	end = fitting(text, length, (size_t)columns, &used);
	if (end == length) {
		lua_pushvalue(L, 1);
		lua_pushinteger(L, (lua_Integer)used);
		return 2;
	}
	if (mark_width > (size_t)columns)
		mark_length = mark_width = 0;
	end = fitting(text, length, (size_t)columns - mark_width, &used);
	lua_pushlstring(L, text, end);
	lua_pushlstring(L, mark, mark_length);
	lua_concat(L, 2);
	lua_pushinteger(L, (lua_Integer)used + (lua_Integer)mark_width);
	return 2;
}

void open_text(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "escape", l_escape }, { "json", l_json }, { "width", l_width },
		{ "cut", l_cut },       { NULL, NULL },
	};

	luaL_newlib(L, functions);
	lua_setfield(L, -2, "text");
}
