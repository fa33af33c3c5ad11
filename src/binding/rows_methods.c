/* The methods of rows that make no Lua value per row: where, select, sort; and pick. */
#include <string.h>

#include "binding/rows_internal.h"

/* Pushes a zeroed bit for each row. */
static uint8_t *push_marks(lua_State *L, size_t count)
{
	size_t size = count / 8 + 1;
	uint8_t *marks = lua_newuserdatauv(L, size, 0);

	memset(marks, 0, size);
	return marks;
}

/* Pushes a view on the storage of the view at 1, with its columns, whose order the caller fills. */
static struct view *push_like(lua_State *L, const struct view *view, size_t count)
{
	lua_getiuservalue(L, 1, 1);
	lua_getiuservalue(L, 1, 2);
	return view_push(L, lua_absindex(L, -2), lua_absindex(L, -1), count, view->columns,
	                 view->column_count);
}

/* Pushes a view of the `kept` rows that are marked. */
static void push_marked(lua_State *L, const struct view *view, const uint8_t *marks, size_t kept)
{
	struct view *result = push_like(L, view, kept);

	for (size_t i = 0, n = 0; i < view->count && n < kept; i++)
		if (marks[i / 8] & (1u << (i % 8)))
			result->order[n++] = view->order[i];
}

static void where_filter(lua_State *L, struct view *view, const struct filter *filter)
{
	uint8_t *marks = push_marks(L, view->count);
	struct source source;
	size_t kept = 0;

	storage_load(L, view->storage, filter_parts(filter));
	lua_getiuservalue(L, 1, 1);
	source_open(L, -1, &source);
	for (size_t i = 0; i < view->count; i++) {
		if (!filter_test(filter, &source, view->order[i]))
			continue;
		marks[i / 8] |= (uint8_t)(1u << (i % 8));
		kept++;
	}
	push_marked(L, view, marks, kept);
}

static void where_function(lua_State *L, struct view *view)
{
	uint8_t *marks = push_marks(L, view->count);
	size_t kept = 0;

	for (size_t i = 0; i < view->count; i++) {
		lua_pushvalue(L, 2);
		row_push(L, 1, view, i);
		lua_call(L, 1, 1);
		if (lua_toboolean(L, -1)) {
			marks[i / 8] |= (uint8_t)(1u << (i % 8));
			kept++;
		}
		lua_pop(L, 1);
	}
	push_marked(L, view, marks, kept);
}

/* rows:where{column = value} | rows:where(function(row) ... end) -> rows   [-0, +1, e] */
int rows_where(lua_State *L)
{
	struct view *view = check_rows(L, 1);

	lua_settop(L, 2);
	if (lua_isfunction(L, 2)) {
		where_function(L, view);
		return 1;
	}
	where_filter(L, view, filter_push(L, 2, view->storage->type, NULL));
	return 1;
}

/* (rows, filter): reached from rows_push_matching() only, since it trusts its second argument. */
static int matching(lua_State *L)
{
	where_filter(L, lua_touserdata(L, 1), lua_touserdata(L, 2));
	return 1;
}

void rows_push_matching(lua_State *L, const struct filter *filter)
{
	rows_push_view(L);
	lua_pushcfunction(L, matching);
	lua_insert(L, -2);
	lua_pushlightuserdata(L, (void *)filter);
	lua_call(L, 2, 1);
}

/* A list of names as arguments from 2 on, as one table, or as text with commas, becomes a table of
 * names, which is pushed. */
static void push_names(lua_State *L, const char *what)
{
	int top = lua_gettop(L), list;
	lua_Integer count = 0;

	lua_newtable(L);
	list = top + 1;
	if (top == 2 && lua_istable(L, 2)) {
		lua_pushvalue(L, 2);
		lua_replace(L, list);
		lua_createtable(L, (int)lua_rawlen(L, 2), 0);
		for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 2); i++) {
			if (lua_rawgeti(L, 2, i) != LUA_TSTRING)
				luaL_argerror(L, 2,
				              lua_pushfstring(L, "%s are names, not %s", what,
				                              luaL_typename(L, -1)));
			lua_rawseti(L, -2, i);
		}
		lua_replace(L, list);
		return;
	}
	luaL_argcheck(L, top >= 2, 2, lua_pushfstring(L, "%s expected", what));
	for (int i = 2; i <= top; i++) {
		const char *text = luaL_checkstring(L, i);

		for (;;) {
			size_t length;

			text += strspn(text, ", ");
			length = strcspn(text, ", ");
			if (length == 0)
				break;
			lua_pushlstring(L, text, length);
			lua_rawseti(L, list, ++count);
			text += length;
		}
	}
}

/* The column that the view calls `name`. */
static size_t find_column(lua_State *L, const struct view *view, const char *name)
{
	size_t column;

	lua_getiuservalue(L, 1, 2);
	lua_pushstring(L, name);
	if (lua_rawget(L, -2) != LUA_TNUMBER)
		unknown_column(L, view, name);
	column = (size_t)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return column;
}

/* Pushes name -> column of the selected columns. */
static void push_map(lua_State *L, const struct view *view, const uint16_t *columns, size_t count)
{
	lua_createtable(L, 0, (int)count);
	for (size_t i = 0; i < count; i++) {
		const struct column *column = &view->storage->type->columns[columns[i]];

		if (lua_getfield(L, -1, column->name) != LUA_TNIL)
			luaL_error(L, "column '%s' is selected twice", column->name);
		lua_pop(L, 1);
		lua_pushinteger(L, columns[i]);
		lua_setfield(L, -2, column->name);
		if (column->alias == NULL)
			continue;
		lua_pushinteger(L, columns[i]);
		lua_setfield(L, -2, column->alias);
	}
}

/* rows:select("a", "b") | rows:select("a,b") | rows:select{"a", "b"} -> rows with these columns in
 * this order   [-0, +1, e] */
int rows_select(lua_State *L)
{
	struct view *view = check_rows(L, 1), *result;
	uint16_t *columns;
	size_t count;
	int names;

	push_names(L, "columns to select");
	names = lua_gettop(L);
	count = lua_rawlen(L, names);
	luaL_argcheck(L, count > 0, 2, "no column is selected");
	columns = lua_newuserdatauv(L, count * sizeof(*columns), 0);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, names, (lua_Integer)i + 1);
		columns[i] = (uint16_t)find_column(L, view, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	push_map(L, view, columns, count);
	lua_getiuservalue(L, 1, 1);
	result = view_push(L, lua_gettop(L), lua_gettop(L) - 1, view->count, columns, count);
	memcpy(result->order, view->order, view->count * sizeof(*view->order));
	return 1;
}

struct sort_key {
	size_t column;
	bool descending;
};

/* What a comparison needs: keys of columns, or a function and the rows made for it. */
struct sorting {
	lua_State *L;
	struct source source;
	const struct sort_key *keys;
	size_t key_count;
	int function, cache; /* stack indices of the function and of item -> row; 0: keys */
};

static int compare_keys(const struct sorting *sorting, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < sorting->key_count; i++) {
		struct cell x, y;
		int order;

		source_cell(&sorting->source, a, sorting->keys[i].column, &x);
		source_cell(&sorting->source, b, sorting->keys[i].column, &y);
		order = cell_compare(&x, &y);
		if (order == 0)
			continue;
		/* What is unknown comes last either way. */
		if (sorting->keys[i].descending && x.type != CELL_NIL && y.type != CELL_NIL)
			order = -order;
		return order;
	}
	return 0;
}

/* Whether `b` has to stand before `a`, which stands before it now. */
static bool before(const struct sorting *sorting, uint32_t b, uint32_t a)
{
	lua_State *L = sorting->L;
	bool result;

	if (sorting->function == 0)
		return compare_keys(sorting, b, a) < 0;
	lua_pushvalue(L, sorting->function);
	lua_rawgeti(L, sorting->cache, (lua_Integer)b + 1);
	lua_rawgeti(L, sorting->cache, (lua_Integer)a + 1);
	lua_call(L, 2, 1);
	result = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return result;
}

/* Merges from[low, middle) and from[middle, high) into `to`: stable, and bounded whatever the
 * comparison says. */
static void merge(const struct sorting *sorting, const uint32_t *from, uint32_t *to, size_t low,
                  size_t middle, size_t high)
{
	size_t left = low, right = middle;

	for (size_t i = low; i < high; i++)
		if (left < middle && (right >= high || !before(sorting, from[right], from[left])))
			to[i] = from[left++];
		else
			to[i] = from[right++];
}

/* Sorts `order` with the help of `spare`, of the same size. */
static void merge_sort(const struct sorting *sorting, uint32_t *order, uint32_t *spare,
                       size_t count)
{
	uint32_t *from = order, *to = spare;

	for (size_t width = 1; width < count; width *= 2) {
		uint32_t *swap = from;

		for (size_t low = 0; low < count; low += 2 * width) {
			size_t middle = low + width < count ? low + width : count;
			size_t high = low + 2 * width < count ? low + 2 * width : count;

			merge(sorting, from, to, low, middle, high);
		}
		from = to;
		to = swap;
	}
	if (from != order)
		memcpy(order, from, count * sizeof(*order));
}

/* Pushes item -> row for a comparison in Lua. */
static void push_cache(lua_State *L, const struct view *view)
{
	lua_newtable(L);
	for (size_t i = 0; i < view->count; i++) {
		row_push(L, 1, view, i);
		lua_rawseti(L, -2, (lua_Integer)view->order[i] + 1);
	}
}

/* Pushes the keys that the names from argument 2 on mean; "-name" descends. */
static struct sort_key *push_keys(lua_State *L, const struct view *view, size_t *count)
{
	struct sort_key *keys;
	int names;

	push_names(L, "columns to sort by");
	names = lua_gettop(L);
	*count = lua_rawlen(L, names);
	keys = lua_newuserdatauv(L, (*count + 1) * sizeof(*keys), 0);
	for (size_t i = 0; i < *count; i++) {
		const char *name;

		lua_rawgeti(L, names, (lua_Integer)i + 1);
		name = lua_tostring(L, -1);
		keys[i].descending = *name == '-';
		keys[i].column = find_column(L, view, name + keys[i].descending);
		lua_pop(L, 1);
	}
	return keys;
}

/* rows:sort("column", "-other") | rows:sort(function(a, b) ... end) -> new rows   [-0, +1, e] */
int rows_sort(lua_State *L)
{
	struct view *view = check_rows(L, 1), *result;
	struct sorting sorting = { .L = L };
	uint32_t *spare;

	if (lua_isfunction(L, 2)) {
		sorting.function = 2;
		push_cache(L, view);
		sorting.cache = lua_gettop(L);
	} else {
		sorting.keys = push_keys(L, view, &sorting.key_count);
		for (size_t i = 0; i < sorting.key_count; i++)
			storage_load(L, view->storage,
			             view->storage->type->columns[sorting.keys[i].column].part);
	}
	spare = lua_newuserdatauv(L, view->count * sizeof(*spare) + 1, 0);
	result = push_like(L, view, view->count);
	memcpy(result->order, view->order, view->count * sizeof(*view->order));
	lua_getiuservalue(L, 1, 1);
	source_open(L, -1, &sorting.source);
	merge_sort(&sorting, result->order, spare, result->count);
	lua_pop(L, 3);
	return 1;
}

/* core.pick(rows, {1, 5, ...}) -> rows: those at these positions, in this order   [-0, +1, e] */
int rows_pick(lua_State *L)
{
	struct view *view = check_rows(L, 1), *result;
	size_t count;

	luaL_checktype(L, 2, LUA_TTABLE);
	count = lua_rawlen(L, 2);
	luaL_argcheck(L, count <= UINT32_MAX, 2, "too many positions");
	result = push_like(L, view, count);
	for (size_t i = 0; i < count; i++) {
		lua_Integer position;
		int exact;

		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		position = lua_tointegerx(L, -1, &exact);
		lua_pop(L, 1);
		if (!exact || position < 1 || (lua_Unsigned)position > view->count)
			luaL_argerror(L, 2, "not a position in these rows");
		result->order[i] = view->order[position - 1];
	}
	return 1;
}
