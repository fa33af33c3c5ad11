/* What the files of rows share. Everything else sees rows.h only. */
#ifndef BINDING_ROWS_INTERNAL_H
#define BINDING_ROWS_INTERNAL_H

#include <lauxlib.h>

#include "binding/rows.h"

#define ROWS_METATABLE    "porthole.rows"
#define ROW_METATABLE     "porthole.row"
#define STORAGE_METATABLE "porthole.storage"

/*
 * Userdata that owns the items. User values of a Lua type's storage: 1 the items (a table of
 * tables), 2 the type. Those of a C type: none.
 */
struct storage {
	const struct row_type *type; /* NULL: nothing to release yet */
	unsigned loaded; /* parts */
	bool lua; /* items are Lua tables */
	/* What rows_push_storage() returns. Lua aligns userdata with user values to 8 bytes. */
	_Alignas(uint64_t) unsigned char data[];
};

/* Userdata: an order and a selection. User values: 1 the storage, 2 name -> index of column. */
struct view {
	struct storage *storage;
	size_t count, column_count;
	const uint16_t *columns; /* behind `order` in this same block */
	uint32_t order[];
};

/* Userdata: one item as its view shows it. User value: 1 the view. */
struct row {
	struct view *view;
	uint32_t item;
};

/* A Lua type, as userdata. User values: 1 index of column (from 1) -> key, 2 name -> index. */
struct lua_type {
	struct row_type type; /* its columns lie behind, in this same block */
	struct column columns[];
};

/*
 * Where cells are read from. Of a Lua type the items and the keys lie on the stack while it is
 * used; a cell's string is borrowed from them and holds until Lua runs or allocates.
 */
struct source {
	lua_State *L;
	struct storage *storage;
	int items, keys; /* stack indices; 0: a C type */
};

/* Pushes two values, which the caller pops when done, and leaves two free slots. */
void source_open(lua_State *L, int storage_index, struct source *source);
void source_cell(const struct source *source, uint32_t item, size_t column, struct cell *cell);
bool source_also(const struct source *source, uint32_t item, size_t column, size_t nth,
                 struct cell *cell);
/* Pushes the value; loads nothing. */
void source_push(const struct source *source, uint32_t item, size_t column);

/* Order of cells: nil last, then booleans, numbers, texts, addresses by value; lists are equal. */
int cell_compare(const struct cell *a, const struct cell *b);

/* "10.0.0.1" or "::1" to an address. */
bool parse_address(const char *text, size_t length, struct cell *cell);

/* Loads the parts that are missing; raises where that is all that can be done. */
void storage_load(lua_State *L, struct storage *storage, unsigned parts);

struct view *check_rows(lua_State *L, int index);
struct row *check_row(lua_State *L, int index);
/* NULL: something else. */
struct view *test_rows(lua_State *L, int index);
struct row *test_row(lua_State *L, int index);

/*
 * Pushes a new view: `count` items of the storage at `storage_index`, whose order the caller fills,
 * with the columns of `like`, or all (NULL); `map_index` is the name map's.
 */
struct view *view_push(lua_State *L, int storage_index, int map_index, size_t count,
                       const uint16_t *columns, size_t column_count);
/* Pushes the names of all columns of the storage's type. */
void push_type_map(lua_State *L, int storage_index);

/* Pushes the row that `view` (at `view_index`) has at `position`, from 0. */
void row_push(lua_State *L, int view_index, const struct view *view, size_t position);

/* Raises "no column 'x' in a socket; did you mean 'y'?" with the names of the view's columns. */
int unknown_column(lua_State *L, const struct view *view, const char *name);

bool filter_test(const struct filter *filter, const struct source *source, uint32_t item);

/* Name of a column's type: "integer", "address", ... and back (-1: none). */
const char *column_type_name(enum column_type type);
int column_type_find(const char *name);

/* Methods of rows that are C. */
int rows_where(lua_State *L);
int rows_select(lua_State *L);
int rows_sort(lua_State *L);

/* Fields of core: rows.names(), rows.pick(). */
int rows_names(lua_State *L);
int rows_pick(lua_State *L);

void rows_open_view(lua_State *L);
void rows_open_row(lua_State *L);
void rows_open_lua(lua_State *L);

/* "not enough memory", as Lua itself raises it. */
_Noreturn void raise_memory(lua_State *L);

#endif
