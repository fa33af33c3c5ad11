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
	CELL_ADDRESS, /* an IP address, which becomes text only when somebody reads it */
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
		struct {
			uint8_t family; /* AF_INET: the first 4 bytes; AF_INET6: 16 */
			uint8_t bytes[16];
		} address;
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
	COLUMN_TABLE,
	COLUMN_TYPE_COUNT
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
	/* All texts that the column can have, NULL-terminated: a filter takes no other. NULL: open.
	 */
	const char *const *values;
};

struct row_type {
	const char *name; /* "socket": for messages and help(rows) */
	const struct column *columns;
	size_t column_count;
	size_t storage_size; /* of the storage's struct, which is userdata */
	/* The items: their number, and one of them. */
	size_t (*count)(const void *storage);
	const void *(*item)(const void *storage, size_t index);
	/*
	 * Loads these parts (bits), each once, before a column of that part is touched. 0, or
	 * -ENOMEM or -ECANCELED, which raise, and the parts are asked for again at the next touch;
	 * any other failure is kept as a partial reason. NULL: no parts.
	 */
	int (*load)(void *storage, unsigned parts);
	unsigned reason_parts; /* the parts that can add reasons: `partial` loads them first */
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

/* Likewise of those items that `filter` lets through; loads the parts that it looks at. */
struct filter;
void rows_push_matching(lua_State *L, const struct filter *filter);

/* Tells the collector of `bytes` that a storage holds outside of Lua, so that dropped rows are
 * released in time. */
void rows_account(lua_State *L, size_t bytes);

/* Pushes a scalar; nil for CELL_NIL and CELL_OTHER. */
void cell_push(lua_State *L, struct cell *cell);
/* Its text as Lua has it, for strings and addresses; an address is written into the cell's room. */
const char *cell_text(struct cell *cell, size_t *length);
void cell_set_text(struct cell *cell, const char *text); /* NULL: nil */

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
 * A row passes when each column named has one of its values. Numbers and ports take "low-high" and
 * lists with commas as well; addresses take "prefix/length", and an IPv4 address or prefix also
 * matches its IPv4-mapped IPv6 form (::ffff:a.b.c.d), as the kernel's own filter does. Raises
 * (argument `index`) for unknown columns, with the nearest name, and for values that the column
 * cannot have. Pushes a userdata that owns the result. `skip(name)` true: the caller reads that key
 * itself; NULL: none.
 */
struct filter *filter_push(lua_State *L, int index, const struct row_type *type,
                           bool (*skip)(const char *name));

/* Whether the item of a C storage passes those conditions that need no other parts than `parts`. */
bool filter_match(const struct filter *filter, const void *storage, const void *item,
                  unsigned parts);
/* The parts that must be loaded before all conditions can be tested. */
unsigned filter_parts(const struct filter *filter);

struct filter_value {
	enum { FILTER_BOOLEAN, FILTER_RANGE, FILTER_NUMBER, FILTER_TEXT, FILTER_PREFIX } kind;
	union {
		bool boolean;
		struct {
			int64_t low, high; /* inclusive */
		} range;
		double number;
		struct {
			const char *bytes; /* anchored by the filter */
			size_t length;
		} text;
		struct {
			uint8_t family, length; /* length in bits */
			uint8_t bytes[16];
		} prefix;
	} as;
};

/* The values that this column may have; NULL: the filter does not name it. For callers that hand
 * them to the kernel. */
const struct filter_value *filter_values(const struct filter *filter, const char *column,
                                         size_t *count);

/* The name in `names` (NULL-terminated) that was probably meant, or NULL: edit distance 1 up to 4
 * letters, 2 above. */
const char *nearest_name(const char *name, const char *const *names);

#endif
