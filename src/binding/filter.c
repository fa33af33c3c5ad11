/*
 * Filters: a Lua table of columns and values becomes a few C structs once, and rows are tested
 * against them without a Lua value. What a column cannot be is the caller's mistake, and says so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "binding/rows_internal.h"

struct condition {
	size_t column, first, count; /* its values */
};

/* Userdata; user value 1: a table that anchors the texts. */
struct filter {
	const struct row_type *type;
	size_t condition_count, condition_room, value_count, value_room;
	struct condition *conditions; /* behind the values, in this same block */
	unsigned parts;
	struct filter_value values[];
};

/* What a mistake is reported with. */
struct place {
	lua_State *L;
	int argument;
	const struct column *column;
	const char *key;
};

/* A finalizer can run between measuring and compiling. */
static void table_changed(lua_State *L)
{
	luaL_error(L, "the table of filters was changed while it was read");
}

static struct filter_value *new_value(struct filter *filter, const struct place *place)
{
	if (filter->value_count >= filter->value_room)
		table_changed(place->L);
	return &filter->values[filter->value_count++];
}

static void mistake(const struct place *place, const char *takes)
{
	lua_State *L = place->L;
	const char *text;

	text = luaL_tolstring(L, -1, NULL);
	luaL_argerror(
		L, place->argument,
		lua_pushfstring(L, "filter '%s' takes %s, not '%s'", place->key, takes, text));
}

/* Reads a decimal integer from text[0..length), with its sign. */
static bool parse_integer(const char *text, size_t length, int64_t *value)
{
	char buffer[24], *end;

	if (length == 0 || length >= sizeof(buffer))
		return false;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	if (strspn(buffer + (*buffer == '-'), "0123456789") != length - (*buffer == '-'))
		return false;
	errno = 0;
	*value = strtoll(buffer, &end, 10);
	return errno == 0 && end == buffer + length && end != buffer;
}

/* "80" or "1-1024"; a leading '-' is a sign. */
static bool parse_range(const char *text, size_t length, int64_t *low, int64_t *high)
{
	const char *dash = length > 1 ? memchr(text + 1, '-', length - 1) : NULL;

	if (dash == NULL) {
		if (!parse_integer(text, length, low))
			return false;
		*high = *low;
		return true;
	}
	return parse_integer(text, (size_t)(dash - text), low) &&
	       parse_integer(dash + 1, length - (size_t)(dash - text) - 1, high) && *low <= *high;
}

static const char *takes_integers(const struct place *place)
{
	return place->column->type == COLUMN_PORT ? "a port from 0 to 65535 or a range (\"1-1024\")"
	                                          : "an integer or a range (\"1-1024\")";
}

static void add_range(struct filter *filter, const struct place *place, int64_t low, int64_t high)
{
	struct filter_value *value = new_value(filter, place);

	if (place->column->type == COLUMN_PORT && (low < 0 || high > UINT16_MAX))
		mistake(place, takes_integers(place));
	value->kind = FILTER_RANGE;
	value->as.range.low = low;
	value->as.range.high = high;
}

/* How many values the one on top of the stack stands for: "80,443" is two. */
static size_t values_in(lua_State *L, const struct column *column)
{
	size_t count = 1;

	if ((column->type != COLUMN_PORT && column->type != COLUMN_INTEGER) ||
	    lua_type(L, -1) != LUA_TSTRING)
		return 1;
	for (const char *text = lua_tostring(L, -1); (text = strchr(text, ',')) != NULL; text++)
		count++;
	return count;
}

static void add_integers(struct filter *filter, const struct place *place)
{
	lua_State *L = place->L;
	const char *text;
	int64_t low = 0, high = 0;
	size_t whole;
	int exact;

	if (lua_type(L, -1) != LUA_TSTRING) {
		low = lua_tointegerx(L, -1, &exact);
		if (!exact)
			mistake(place, takes_integers(place));
		add_range(filter, place, low, low);
		return;
	}
	text = lua_tolstring(L, -1, &whole);
	if (strlen(text) != whole)
		mistake(place, takes_integers(place));
	for (size_t length;; text += length + 1) {
		length = strcspn(text, ",");
		if (!parse_range(text, length, &low, &high))
			mistake(place, takes_integers(place));
		add_range(filter, place, low, high);
		if (text[length] == '\0')
			return;
	}
}

static void add_number(struct filter *filter, const struct place *place)
{
	struct filter_value *value = new_value(filter, place);

	if (lua_type(place->L, -1) != LUA_TNUMBER)
		mistake(place, "a number");
	value->kind = FILTER_NUMBER;
	value->as.number = lua_tonumber(place->L, -1);
}

static void add_boolean(struct filter *filter, const struct place *place)
{
	struct filter_value *value = new_value(filter, place);

	if (!lua_isboolean(place->L, -1))
		mistake(place, "true or false");
	value->kind = FILTER_BOOLEAN;
	value->as.boolean = lua_toboolean(place->L, -1);
}

/* Raises unless the closed set of the column has the text on top of the stack. */
static void check_values(const struct place *place, const char *text)
{
	const char *const *values = place->column->values;
	lua_State *L = place->L;
	const char *nearest;

	for (size_t i = 0; values[i] != NULL; i++)
		if (strcmp(values[i], text) == 0)
			return;
	nearest = nearest_name(text, values);
	if (nearest != NULL) {
		lua_pushfstring(L, "filter '%s' cannot be '%s'; did you mean '%s'?", place->key,
		                text, nearest);
	} else {
		luaL_Buffer buffer;

		luaL_buffinit(L, &buffer);
		lua_pushfstring(L, "filter '%s' cannot be '%s'; it is one of", place->key, text);
		luaL_addvalue(&buffer);
		for (size_t i = 0; values[i] != NULL; i++) {
			luaL_addstring(&buffer, i == 0 ? " " : ", ");
			luaL_addstring(&buffer, values[i]);
		}
		luaL_pushresult(&buffer);
	}
	luaL_argerror(L, place->argument, lua_tostring(L, -1));
}

/* `anchors` is the stack index of the table that keeps the texts. */
static void add_text(struct filter *filter, const struct place *place, int anchors)
{
	struct filter_value *value = new_value(filter, place);
	lua_State *L = place->L;

	if (lua_type(L, -1) != LUA_TSTRING)
		mistake(place, "text");
	if (place->column->values != NULL)
		check_values(place, lua_tostring(L, -1));
	value->kind = FILTER_TEXT;
	value->as.text.bytes = lua_tolstring(L, -1, &value->as.text.length);
	lua_pushvalue(L, -1);
	lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
}

/* An IPv4-mapped IPv6 address is the IPv4 address that it stands for. */
static bool unmap(uint8_t *family, uint8_t bytes[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (*family != AF_INET6 || memcmp(bytes, mapped, sizeof(mapped)) != 0)
		return false;
	*family = AF_INET;
	memmove(bytes, bytes + 12, 4);
	memset(bytes + 4, 0, 12);
	return true;
}

static bool parse_prefix(const char *text, size_t length, struct filter_value *value)
{
	const char *slash = memchr(text, '/', length);
	size_t address = slash != NULL ? (size_t)(slash - text) : length;
	struct cell cell;
	int64_t bits = -1, most;

	if (!parse_address(text, address, &cell))
		return false;
	most = cell.as.address.family == AF_INET ? 32 : 128;
	if (slash != NULL &&
	    (slash[1] == '-' || !parse_integer(slash + 1, length - address - 1, &bits)))
		return false;
	if (slash == NULL)
		bits = most;
	if (bits > most)
		return false;
	value->kind = FILTER_PREFIX;
	value->as.prefix.family = cell.as.address.family;
	memcpy(value->as.prefix.bytes, cell.as.address.bytes, 16);
	if (bits >= 96 && unmap(&value->as.prefix.family, value->as.prefix.bytes))
		bits -= 96;
	value->as.prefix.length = (uint8_t)bits;
	return true;
}

static void add_prefix(struct filter *filter, const struct place *place)
{
	struct filter_value *value = new_value(filter, place);
	const char *text;
	size_t length;

	if (lua_type(place->L, -1) != LUA_TSTRING)
		mistake(place, "an IP address or a prefix (\"10.0.0.0/8\")");
	text = lua_tolstring(place->L, -1, &length);
	if (!parse_prefix(text, length, value))
		mistake(place, "an IP address or a prefix (\"10.0.0.0/8\")");
}

/* Adds the value on top of the stack, for which there is room. */
static void add_value(struct filter *filter, const struct place *place, int anchors)
{
	switch (place->column->type) {
	case COLUMN_BOOLEAN:
		add_boolean(filter, place);
		break;
	case COLUMN_INTEGER:
	case COLUMN_PORT:
	case COLUMN_TIME:
		add_integers(filter, place);
		break;
	case COLUMN_NUMBER:
		add_number(filter, place);
		break;
	case COLUMN_ADDRESS:
		add_prefix(filter, place);
		break;
	case COLUMN_NAME:
		add_text(filter, place, anchors);
		break;
	case COLUMN_LIST:
	case COLUMN_TABLE:
	case COLUMN_TYPE_COUNT:
		luaL_argerror(place->L, place->argument,
		              lua_pushfstring(place->L, "'%s' is a %s, which no filter takes",
		                              place->key, column_type_name(place->column->type)));
	}
}

static const struct column *find_column(const struct row_type *type, const char *key)
{
	for (size_t i = 0; i < type->column_count; i++) {
		const struct column *column = &type->columns[i];

		if (strcmp(column->name, key) == 0 ||
		    (column->alias != NULL && strcmp(column->alias, key) == 0))
			return column;
	}
	return NULL;
}

static void unknown_filter(lua_State *L, int argument, const struct row_type *type, const char *key)
{
	const char **names, *nearest;
	size_t count = 0;

	names = lua_newuserdatauv(L, (type->column_count * 2 + 1) * sizeof(*names), 0);
	for (size_t i = 0; i < type->column_count; i++) {
		names[count++] = type->columns[i].name;
		if (type->columns[i].alias != NULL)
			names[count++] = type->columns[i].alias;
	}
	names[count] = NULL;
	nearest = nearest_name(key, names);
	if (nearest != NULL)
		lua_pushfstring(L, "unknown filter '%s'; did you mean '%s'?", key, nearest);
	else
		lua_pushfstring(L, "unknown filter '%s'", key);
	luaL_argerror(L, argument, lua_tostring(L, -1));
}

/* The column that the key at -2 names; NULL: the caller's own key. Raises for anything else. */
static const struct column *check_key(lua_State *L, int argument, const struct row_type *type,
                                      bool (*skip)(const char *name))
{
	const struct column *column;
	const char *key;

	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_argerror(
			L, argument,
			lua_pushfstring(L, "filters have names, not %s", luaL_typename(L, -2)));
	key = lua_tostring(L, -2);
	if (skip != NULL && skip(key))
		return NULL;
	column = find_column(type, key);
	if (column == NULL)
		unknown_filter(L, argument, type, key);
	return column;
}

/* Counts what the table at `index` will need. */
static void measure(lua_State *L, int index, const struct row_type *type,
                    bool (*skip)(const char *name), size_t *conditions, size_t *values)
{
	*conditions = *values = 0;
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		const struct column *column = check_key(L, index, type, skip);

		if (column == NULL)
			continue;
		++*conditions;
		if (!lua_istable(L, -1)) {
			*values += values_in(L, column);
			continue;
		}
		for (size_t i = 1; i <= lua_rawlen(L, -1); i++) {
			lua_rawgeti(L, -1, (lua_Integer)i);
			*values += values_in(L, column);
			lua_pop(L, 1);
		}
	}
}

/* {low = 1} is no list; it would silently match nothing. */
static void check_list(const struct place *place)
{
	lua_State *L = place->L;

	if (lua_rawlen(L, -1) > 0)
		return;
	lua_pushnil(L);
	if (lua_next(L, -2) != 0)
		luaL_argerror(L, place->argument,
		              lua_pushfstring(L, "filter '%s' is a value or a list of values",
		                              place->key));
}

/* Compiles the key at -2 and its value on top of the stack. */
static void add_condition(struct filter *filter, const struct place *place, int anchors)
{
	struct condition *condition = &filter->conditions[filter->condition_count];
	lua_State *L = place->L;

	if (filter->condition_count++ >= filter->condition_room)
		table_changed(L);
	condition->column = (size_t)(place->column - filter->type->columns);
	condition->first = filter->value_count;
	filter->parts |= place->column->part;
	if (!lua_istable(L, -1)) {
		add_value(filter, place, anchors);
	} else {
		check_list(place);
		for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1); i++) {
			lua_rawgeti(L, -1, i);
			add_value(filter, place, anchors);
			lua_pop(L, 1);
		}
	}
	condition->count = filter->value_count - condition->first;
}

struct filter *filter_push(lua_State *L, int index, const struct row_type *type,
                           bool (*skip)(const char *name))
{
	struct place place = { .L = L, .argument = index };
	size_t conditions, values, size;
	struct filter *filter;

	luaL_checktype(L, index, LUA_TTABLE);
	luaL_checkstack(L, 16, "filter");
	measure(L, index, type, skip, &conditions, &values);
	size = sizeof(*filter) + values * sizeof(struct filter_value);
	filter = lua_newuserdatauv(L, size + conditions * sizeof(struct condition), 1);
	*filter =
		(struct filter){ .type = type, .condition_room = conditions, .value_room = values };
	filter->conditions = (struct condition *)(filter->values + values);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, -3, 1);
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		place.column = check_key(L, index, type, skip);
		if (place.column == NULL)
			continue;
		place.key = lua_tostring(L, -2);
		add_condition(filter, &place, lua_gettop(L) - 2);
	}
	lua_pop(L, 1);
	return filter;
}

unsigned filter_parts(const struct filter *filter)
{
	return filter->parts;
}

const struct filter_value *filter_values(const struct filter *filter, const char *column,
                                         size_t *count)
{
	for (size_t i = 0; i < filter->condition_count; i++) {
		const struct condition *condition = &filter->conditions[i];

		if (strcmp(filter->type->columns[condition->column].name, column) != 0)
			continue;
		*count = condition->count;
		return &filter->values[condition->first];
	}
	*count = 0;
	return NULL;
}

static bool in_prefix(const struct cell *cell, const struct filter_value *value)
{
	uint8_t family = cell->as.address.family, bytes[16], bits = value->as.prefix.length;
	const uint8_t *prefix = value->as.prefix.bytes;

	memcpy(bytes, cell->as.address.bytes, family == AF_INET ? 4 : 16);
	if (value->as.prefix.family == AF_INET)
		unmap(&family, bytes);
	if (family != value->as.prefix.family || memcmp(bytes, prefix, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((bytes[bits / 8] ^ prefix[bits / 8]) >> (8 - bits % 8)) == 0;
}

static bool in_range(const struct cell *cell, const struct filter_value *value)
{
	if (cell->type == CELL_INTEGER)
		return cell->as.integer >= value->as.range.low &&
		       cell->as.integer <= value->as.range.high;
	return cell->type == CELL_NUMBER && cell->as.number >= (double)value->as.range.low &&
	       cell->as.number <= (double)value->as.range.high;
}

static bool value_match(const struct cell *cell, const struct filter_value *value)
{
	switch (value->kind) {
	case FILTER_BOOLEAN:
		return cell->type == CELL_BOOLEAN && cell->as.boolean == value->as.boolean;
	case FILTER_RANGE:
		return in_range(cell, value);
	case FILTER_NUMBER:
		return (cell->type == CELL_NUMBER && cell->as.number == value->as.number) ||
		       (cell->type == CELL_INTEGER && (double)cell->as.integer == value->as.number);
	case FILTER_TEXT:
		return cell->type == CELL_STRING &&
		       cell->as.string.length == value->as.text.length &&
		       memcmp(cell->as.string.bytes, value->as.text.bytes, value->as.text.length) ==
		               0;
	case FILTER_PREFIX:
		return cell->type == CELL_ADDRESS && in_prefix(cell, value);
	}
	return false;
}

static bool any_match(const struct filter *filter, const struct condition *condition,
                      const struct cell *cell)
{
	for (size_t i = 0; i < condition->count; i++)
		if (value_match(cell, &filter->values[condition->first + i]))
			return true;
	return false;
}

bool filter_test(const struct filter *filter, const struct source *source, uint32_t item)
{
	struct cell cell;

	for (size_t i = 0; i < filter->condition_count; i++) {
		const struct condition *condition = &filter->conditions[i];
		bool matched;

		source_cell(source, item, condition->column, &cell);
		matched = any_match(filter, condition, &cell);
		for (size_t nth = 0;
		     !matched && source_also(source, item, condition->column, nth, &cell); nth++)
			matched = any_match(filter, condition, &cell);
		if (!matched)
			return false;
	}
	return true;
}

bool filter_match(const struct filter *filter, const void *storage, const void *item,
                  unsigned parts)
{
	struct cell cell;

	for (size_t i = 0; i < filter->condition_count; i++) {
		const struct condition *condition = &filter->conditions[i];
		const struct column *column = &filter->type->columns[condition->column];
		bool matched;

		if ((column->part & ~parts) != 0)
			continue;
		column->get(storage, item, &cell);
		matched = any_match(filter, condition, &cell);
		for (size_t nth = 0;
		     !matched && column->also != NULL && column->also(storage, item, nth, &cell);
		     nth++)
			matched = any_match(filter, condition, &cell);
		if (!matched)
			return false;
	}
	return true;
}
