/*
 * Rows: the one collection type that Lua sees. A row type is described once, by a table of columns;
 * field access, where, select, sort, completion, help, headings and formats are derived from it.
 * Rows are views: a view orders and projects a storage, which owns the items (C structs, or Lua
 * tables). Lua values are made when Lua touches a field, and not before.
 */
#ifndef BINDING_ROWS_H
#define BINDING_ROWS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One scalar, without a Lua value. A string is borrowed from the storage, or lies in `room`. */
enum cell_type {
	CELL_NIL,
	CELL_BOOLEAN,
	CELL_INTEGER,
	CELL_NUMBER,
	CELL_STRING,
	CELL_OTHER /* a list or table: push it */
};

struct cell {
	enum cell_type type;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct {
			const char *bytes;
			size_t length;
		} string;
	} as;
	char room[128];
};

/* What a column is, for headings, filters, sorting and help. */
enum column_type {
	COLUMN_BOOLEAN,
	COLUMN_INTEGER,
	COLUMN_NUMBER,
	COLUMN_NAME, /* text */
	COLUMN_ADDRESS, /* an IP address as text: filters take prefixes ("10.0.0.0/8"), sorting is
	                   by value */
	COLUMN_PORT, /* an integer; filters take ranges ("1-1024") as well */
	COLUMN_TIME, /* microseconds since the epoch */
	COLUMN_LIST,
	COLUMN_TABLE
};

struct column {
	const char *name;
	enum column_type type;
	const char *unit; /* "bytes", "ms"; NULL: none */
	const char *help; /* one sentence; never NULL */
	const char *alias; /* a second name for filters and fields; NULL: none */
	unsigned part; /* bit of the lazily loaded part that it needs; 0: always there */
	/* Fills `cell`; must not allocate Lua values, raise or fail. CELL_OTHER: `push` has to be
	 * called. */
	void (*get)(const void *storage, const void *item, struct cell *cell);
	/* Pushes the value of a CELL_OTHER. May raise (memory). */
	void (*push)(lua_State *L, const void *storage, const void *item);
	/* One more scalar the column matches in filters (every holder's name for `process`): the
	 * nth, false beyond the last; NULL: only `get`. */
	bool (*also)(const void *storage, const void *item, size_t nth, struct cell *cell);
	int weight; /* for narrow tables: the higher the sooner shown; 0: not in the default table
	             */
};

struct row_type {
	const char *name; /* "socket": for messages and help(rows) */
	const struct column *columns;
	size_t column_count;
	size_t storage_size; /* of the storage's struct, which is userdata */
	/* The items: their number, and one of them. */
	size_t (*count)(const void *storage);
	const void *(*item)(const void *storage, size_t index);
	/* Loads the parts (bits) that are missing, once, before a column of that part is touched; a
	 * failure is kept as a partial reason. NULL: no parts. */
	void (*load)(void *storage, unsigned parts);
	/* The nth partial reason, or NULL beyond the last. */
	const char *(*reason)(const void *storage, size_t nth);
	void (*release)(void *storage); /* idempotent; also of a storage that was only zeroed */
};

/*
 * Pushes a zeroed storage of this type as userdata with its metatable and returns it: closed, so
 * that nothing leaks when something raises. Fill it, then call rows_push_view(). `type` must live
 * for ever (static).
 */
void *rows_push_storage(lua_State *L, const struct row_type *type);

/* Replaces the storage on top of the stack by rows (a view) of all its items in order. */
void rows_push_view(lua_State *L);

/*
 * Rows of Lua tables. rows_new(L) is the C function `core.rows(type, list, partial)`: `type` is a
 * table {name=, columns={{name=, type=, unit=, help=, alias=, weight=}, ...}}; `list` a sequence of
 * tables, kept by reference; `partial` a list of strings or nil.
 */
int rows_new(lua_State *L);

/* Opens the metatables; called by luaopen_porthole_core. */
void rows_open(lua_State *L);

/*
 * Filters of a row type, compiled from the Lua table at `index`: {column = value | {value, ...}}.
 * Raises (argument `index`) for unknown columns, with the nearest name, and for values that the
 * column cannot have. Pushes a userdata that owns the result. `skip(name)` true: the caller reads
 * that key itself.
 */
struct filter;
struct filter *filter_push(lua_State *L, int index, const struct row_type *type,
                           bool (*skip)(const char *name));
bool filter_match(const struct filter *filter, void *storage, const void *item);

/* The name in `names` (NULL-terminated) that was probably meant, or NULL: edit distance 1 up to 4
 * letters, 2 above. */
const char *nearest_name(const char *name, const char *const *names);

#endif
