/*
 * json.encode(): values, rows and single rows as JSON (RFC 8259). The text is always valid UTF-8,
 * integers are exact, and no object has a key twice.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding/json.h"
#include "binding/rows_internal.h"
#include "porthole/text.h"

#define BUFFER_METATABLE "porthole.json.buffer"

/* Userdata, so that the text is released when something raises. */
struct buffer {
	char *bytes;
	size_t length, capacity;
};

struct writer {
	lua_State *L;
	struct buffer *buffer;
	unsigned depth;
	const void *above[JSON_DEPTH_MOST + 1]; /* the tables that the value is in */
};

struct key {
	const char *bytes;
	size_t length;
	size_t order; /* where its table keeps it */
};

static void write_value(struct writer *writer, enum column_type hint);

static int l_buffer_gc(lua_State *L)
{
	struct buffer *buffer = luaL_checkudata(L, 1, BUFFER_METATABLE);

	free(buffer->bytes);
	*buffer = (struct buffer){ 0 };
	return 0;
}

/* Room for `more` bytes behind the text. */
static char *reserve(struct writer *writer, size_t more)
{
	struct buffer *buffer = writer->buffer;
	size_t capacity = buffer->capacity ? buffer->capacity : 256;
	char *larger;

	if (more <= buffer->capacity - buffer->length)
		return buffer->bytes + buffer->length;
	while (capacity - buffer->length < more) {
		if (capacity > SIZE_MAX / 2)
			raise_memory(writer->L);
		capacity *= 2;
	}
	larger = realloc(buffer->bytes, capacity);
	if (larger == NULL)
		raise_memory(writer->L);
	buffer->bytes = larger;
	buffer->capacity = capacity;
	return buffer->bytes + buffer->length;
}

static void write_bytes(struct writer *writer, const char *bytes, size_t length)
{
	memcpy(reserve(writer, length), bytes, length);
	writer->buffer->length += length;
}

static void write_text(struct writer *writer, const char *text)
{
	write_bytes(writer, text, strlen(text));
}

static void write_string(struct writer *writer, const char *bytes, size_t length)
{
	size_t written = ph_text_json(bytes, length, NULL);

	ph_text_json(bytes, length, reserve(writer, written));
	writer->buffer->length += written;
}

/* The shortest decimal that reads back as the same number, and as one that is no integer. */
static void write_number(struct writer *writer, double number)
{
	char text[40];
	char *comma;

	if (!isfinite(number))
		luaL_error(writer->L, "JSON has no number for '%f'", number);
	/* Up to 15 digits come back as they were written, unless there are fewer bits. */
	for (int digits = isnormal(number) ? 15 : 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	/* The locale's decimal point is not JSON's. */
	comma = strchr(text, ',');
	if (comma != NULL)
		*comma = '.';
	write_text(writer, text);
	if (strpbrk(text, ".e") == NULL)
		write_text(writer, ".0");
}

static void write_cell(struct writer *writer, struct cell *cell)
{
	char number[24];
	const char *text;
	size_t length;

	switch (cell->type) {
	case CELL_BOOLEAN:
		write_text(writer, cell->as.boolean ? "true" : "false");
		break;
	case CELL_INTEGER:
		snprintf(number, sizeof(number), "%" PRId64, cell->as.integer);
		write_text(writer, number);
		break;
	case CELL_NUMBER:
		write_number(writer, cell->as.number);
		break;
	case CELL_STRING:
	case CELL_ADDRESS:
		text = cell_text(cell, &length);
		if (text != NULL) {
			write_string(writer, text, length);
			break;
		}
		write_text(writer, "null");
		break;
	case CELL_NIL:
	case CELL_OTHER:
		write_text(writer, "null");
		break;
	}
}

/* The table or rows on top of the stack: raises for a cycle and for too many levels. */
static void enter(struct writer *writer)
{
	const void *self = lua_topointer(writer->L, -1);

	luaL_checkstack(writer->L, 16, "json");
	if (writer->depth >= JSON_DEPTH_MOST)
		luaL_error(writer->L, "JSON: nested more than %d levels deep", JSON_DEPTH_MOST);
	for (unsigned i = 0; i < writer->depth; i++)
		if (writer->above[i] == self)
			luaL_error(writer->L, "JSON: a table contains itself");
	writer->above[writer->depth++] = self;
}

static void leave(struct writer *writer)
{
	writer->depth--;
}

static void write_array(struct writer *writer)
{
	lua_State *L = writer->L;
	lua_Integer count = (lua_Integer)lua_rawlen(L, -1);

	write_text(writer, "[");
	for (lua_Integer i = 1; i <= count; i++) {
		if (i > 1)
			write_text(writer, ",");
		lua_rawgeti(L, -1, i);
		write_value(writer, COLUMN_NAME);
		lua_pop(L, 1);
	}
	write_text(writer, "]");
}

/* Writes `"key":` and the value on top of the stack. */
static void write_member(struct writer *writer, const char *key, size_t length, bool first)
{
	if (!first)
		write_text(writer, ",");
	write_string(writer, key, length);
	write_text(writer, ":");
	write_value(writer, COLUMN_NAME);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, x->length < y->length ? x->length : y->length);

	if (order != 0)
		return order;
	return (x->length > y->length) - (x->length < y->length);
}

static bool is_utf8(const char *bytes, size_t length)
{
	uint32_t code;

	for (size_t step; length > 0; bytes += step, length -= step) {
		step = ph_text_decode(bytes, length, &code);
		if (code == PH_TEXT_INVALID)
			return false;
	}
	return true;
}

/* Pushes a list of the keys of the table on top of the stack, and a list of them as texts. */
static size_t push_keys(struct writer *writer)
{
	lua_State *L = writer->L;
	int table = lua_gettop(L);
	size_t count = 0;

	lua_newtable(L);
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, table) != 0) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
			luaL_error(L, "JSON: a key is a string, not %s", luaL_typename(L, -1));
		count++;
		lua_pushvalue(L, -1);
		lua_rawseti(L, table + 1, (lua_Integer)count);
		lua_pushvalue(L, -1);
		lua_tostring(L, -1);
		lua_rawseti(L, table + 2, (lua_Integer)count);
	}
	return count;
}

/* Members in the order of their keys' bytes, so that equal tables give equal texts. */
static void write_object(struct writer *writer)
{
	lua_State *L = writer->L;
	int table = lua_gettop(L);
	size_t count = push_keys(writer);
	struct key *keys = lua_newuserdatauv(L, count * sizeof(*keys) + 1, 0);

	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, table + 2, (lua_Integer)i + 1);
		keys[i].bytes = lua_tolstring(L, -1, &keys[i].length);
		keys[i].order = i + 1;
		if (!is_utf8(keys[i].bytes, keys[i].length))
			luaL_error(L, "JSON: a key is not valid UTF-8");
		lua_pop(L, 1);
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	write_text(writer, "{");
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && compare_keys(&keys[i - 1], &keys[i]) == 0)
			luaL_error(L, "JSON: key '%s' is there as a number and as a string",
			           keys[i].bytes);
		lua_rawgeti(L, table + 1, (lua_Integer)keys[i].order);
		lua_rawget(L, table);
		write_member(writer, keys[i].bytes, keys[i].length, i == 0);
		lua_pop(L, 1);
	}
	write_text(writer, "}");
	lua_settop(L, table);
}

/* A record: the fields that its metatable names, in that order, each of them; null where it is nil.
 * The list of names is on top of the stack, the table below. */
static void write_record(struct writer *writer)
{
	lua_State *L = writer->L;
	int table = lua_gettop(L) - 1;
	lua_Integer count = (lua_Integer)lua_rawlen(L, -1);

	write_text(writer, "{");
	for (lua_Integer i = 1; i <= count; i++) {
		const char *name;
		size_t length;

		if (lua_rawgeti(L, table + 1, i) != LUA_TSTRING)
			luaL_error(L, "JSON: __fields is a list of names");
		name = lua_tolstring(L, -1, &length);
		lua_pushvalue(L, -1);
		lua_rawget(L, table);
		write_member(writer, name, length, i == 1);
		lua_pop(L, 2);
	}
	write_text(writer, "}");
}

/* Whether the table on top of the stack is a sequence and nothing else; raises for a mixture. */
static bool is_sequence(lua_State *L)
{
	size_t length = lua_rawlen(L, -1), integers = 0, others = 0;

	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;

		if (key >= 1 && (lua_Unsigned)key <= length)
			integers++;
		else if (lua_type(L, -2) == LUA_TSTRING)
			others++;
		else
			luaL_error(L, "JSON: a table has keys that are neither strings nor 1 to n; "
			              "json.object() writes it as an object");
		lua_pop(L, 1);
	}
	if (integers > 0 && (others > 0 || integers != length))
		luaL_error(L, "JSON: a table is either a list or an object, not both");
	return others == 0;
}

/* The metatable's mark: 'a', 'o', 'r' (record: its list of names is pushed), 0. */
static char mark_of(lua_State *L)
{
	char mark = 0;

	if (!lua_getmetatable(L, -1))
		return 0;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &json_array_key);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &json_object_key);
	if (lua_rawequal(L, -3, -2))
		mark = 'a';
	else if (lua_rawequal(L, -3, -1))
		mark = 'o';
	lua_pop(L, 2);
	lua_pushliteral(L, "__fields");
	if (mark == 0 && lua_rawget(L, -2) == LUA_TTABLE) {
		lua_remove(L, -2);
		return 'r';
	}
	lua_pop(L, 2);
	return mark;
}

static void write_table(struct writer *writer, enum column_type hint)
{
	lua_State *L = writer->L;
	int table = lua_gettop(L);

	enter(writer);
	switch (mark_of(L)) {
	case 'r':
		write_record(writer);
		break;
	case 'a':
		write_array(writer);
		break;
	case 'o':
		write_object(writer);
		break;
	default:
		/* An empty table is a list unless its column says what it is. */
		if (is_sequence(L) && (hint != COLUMN_TABLE || lua_rawlen(L, -1) > 0))
			write_array(writer);
		else
			write_object(writer);
	}
	lua_settop(L, table);
	leave(writer);
}

/* Every column of the view, in its order, null where it is unknown. */
static void write_columns(struct writer *writer, const struct source *source,
                          const struct view *view, uint32_t item)
{
	const struct row_type *type = view->storage->type;

	write_text(writer, "{");
	for (size_t i = 0; i < view->column_count; i++) {
		const struct column *column = &type->columns[view->columns[i]];
		struct cell cell;

		if (i > 0)
			write_text(writer, ",");
		write_string(writer, column->name, strlen(column->name));
		write_text(writer, ":");
		source_cell(source, item, view->columns[i], &cell);
		if (cell.type == CELL_OTHER || view->storage->lua) {
			source_push(source, item, view->columns[i]);
			write_value(writer, column->type);
			lua_pop(writer->L, 1);
		} else {
			write_cell(writer, &cell);
		}
	}
	write_text(writer, "}");
}

/* Opens the view on top of the stack; pushes three values. */
static void open_view(lua_State *L, const struct view *view, struct source *source)
{
	unsigned parts = 0;

	for (size_t i = 0; i < view->column_count; i++)
		parts |= view->storage->type->columns[view->columns[i]].part;
	storage_load(L, view->storage, parts);
	lua_getiuservalue(L, -1, 1);
	source_open(L, -1, source);
}

static void write_rows(struct writer *writer, const struct view *view)
{
	struct source source;

	enter(writer);
	open_view(writer->L, view, &source);
	write_text(writer, "[");
	for (size_t i = 0; i < view->count; i++) {
		if (i > 0)
			write_text(writer, ",");
		write_columns(writer, &source, view, view->order[i]);
	}
	write_text(writer, "]");
	lua_pop(writer->L, 3);
	leave(writer);
}

static void write_row(struct writer *writer, const struct row *row)
{
	struct source source;

	enter(writer);
	lua_getiuservalue(writer->L, -1, 1);
	open_view(writer->L, row->view, &source);
	write_columns(writer, &source, row->view, row->item);
	lua_pop(writer->L, 4);
	leave(writer);
}

static void write_userdata(struct writer *writer)
{
	lua_State *L = writer->L;
	struct view *view = test_rows(L, -1);
	struct row *row = test_row(L, -1);
	bool null;

	if (view != NULL) {
		write_rows(writer, view);
		return;
	}
	if (row != NULL) {
		write_row(writer, row);
		return;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &json_null_key);
	null = lua_rawequal(L, -1, -2);
	lua_pop(L, 1);
	if (!null)
		luaL_error(L, "JSON has no form for a %s", luaL_typename(L, -1));
	write_text(writer, "null");
}

/* The value on top of the stack, which stays there. `hint`: its column's type. */
static void write_value(struct writer *writer, enum column_type hint)
{
	lua_State *L = writer->L;
	struct cell cell;
	const char *text;
	size_t length;

	switch (lua_type(L, -1)) {
	case LUA_TNIL:
		write_text(writer, "null");
		break;
	case LUA_TBOOLEAN:
		write_text(writer, lua_toboolean(L, -1) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		cell.type = lua_isinteger(L, -1) ? CELL_INTEGER : CELL_NUMBER;
		if (cell.type == CELL_INTEGER)
			cell.as.integer = lua_tointeger(L, -1);
		else
			cell.as.number = lua_tonumber(L, -1);
		write_cell(writer, &cell);
		break;
	case LUA_TSTRING:
		text = lua_tolstring(L, -1, &length);
		write_string(writer, text, length);
		break;
	case LUA_TTABLE:
		write_table(writer, hint);
		break;
	case LUA_TUSERDATA:
		write_userdata(writer);
		break;
	default:
		luaL_error(L, "JSON has no form for a %s", luaL_typename(L, -1));
	}
}

/*
 * json.encode(value) -> text. A table whose keys are 1 to n is an array, one whose keys are strings
 * an object, with its keys sorted; anything between raises. An empty table is an array, unless
 * json.object() has marked it; json.null is null. Rows are an array of objects, a row is an object,
 * each with every column in the columns' order, null where it is unknown; a table whose metatable
 * has `__fields` (a list of names) likewise has these keys. Bytes that are no UTF-8 become U+FFFD
 * in values and raise in keys. Infinities, NaN, cycles and more than 128 levels raise.
 */
int json_encode(lua_State *L)
{
	struct writer writer = { .L = L };

	luaL_checkany(L, 1);
	lua_settop(L, 1);
	writer.buffer = lua_newuserdatauv(L, sizeof(*writer.buffer), 0);
	*writer.buffer = (struct buffer){ 0 };
	luaL_setmetatable(L, BUFFER_METATABLE);
	lua_pushvalue(L, 1);
	write_value(&writer, COLUMN_NAME);
	lua_pushlstring(L, writer.buffer->bytes, writer.buffer->length);
	free(writer.buffer->bytes);
	*writer.buffer = (struct buffer){ 0 };
	return 1;
}

void json_open_encode(lua_State *L)
{
	luaL_newmetatable(L, BUFFER_METATABLE);
	lua_pushcfunction(L, l_buffer_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}
