/* What the bindings of plain facts share (routes, groups, counters): cells, names of numbers, and
 * the reading itself. */
#ifndef BINDING_FACTS_H
#define BINDING_FACTS_H

#include "binding/binding.h"
#include "binding/rows.h"

/* One of the kernel's numbers and how it is written; a list ends with a NULL name. */
struct number_name {
	uint32_t value;
	const char *name;
};

void cell_set_integer(struct cell *cell, uint64_t value);
void cell_set_boolean(struct cell *cell, bool value);
/* An address; a family of 0: nil. */
void cell_set_ip(struct cell *cell, uint8_t family, const uint8_t *bytes);
/* "10.0.0.0/8"; `all` where the prefix is 0. */
void cell_set_network(struct cell *cell, uint8_t family, const uint8_t *bytes, uint8_t prefix,
                      const char *all);
/* The number's name, or its digits where it has none. */
void cell_set_number_name(struct cell *cell, const struct number_name *names, uint32_t value);
/* "inet" or "inet6". */
void cell_set_family(struct cell *cell, uint8_t family);
/* "02:00:00:00:00:01"; nil without bytes, of which there are at most 32. */
void cell_set_lladdr(struct cell *cell, const uint8_t *bytes, size_t length);

/* Pushes a list of the names of the bits that are set, in the names' order; `value` is one bit. */
void push_bit_names(lua_State *L, const struct number_name *names, uint32_t bits);

/* Values of the columns called family, for their filters. */
extern const char *const ip_families[];

/* The functions about routing besides routes(), which open_routes() opens too. */
void open_rules(lua_State *L);
void open_neighbors(lua_State *L);
void open_proc_routes(lua_State *L);

typedef int facts_read_fn(struct ph_context *context, void *storage, struct ph_error *error);

/*
 * The whole of a function that reads facts: ([filter]) -> rows | nil, message, code [-0, +1|+3, e].
 * `read` fills the zeroed storage.
 */
int push_facts(lua_State *L, const struct row_type *type, facts_read_fn *read);

#endif
