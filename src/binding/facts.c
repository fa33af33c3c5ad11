/* What the bindings of plain facts share. */
#include "binding/facts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

const char *const ip_families[] = { "inet", "inet6", NULL };

/* Lua's integers are signed: a counter of 2^63 and more becomes a negative one, with the same bits.
 */
void cell_set_integer(struct cell *cell, uint64_t value)
{
	cell->type = CELL_INTEGER;
	cell->as.integer = (int64_t)value;
}

void cell_set_boolean(struct cell *cell, bool value)
{
	cell->type = CELL_BOOLEAN;
	cell->as.boolean = value;
}

void cell_set_ip(struct cell *cell, uint8_t family, const uint8_t *bytes)
{
	cell->type = family == 0 ? CELL_NIL : CELL_ADDRESS;
	cell->as.address.family = family;
	memcpy(cell->as.address.bytes, bytes, 16);
}

void cell_set_network(struct cell *cell, uint8_t family, const uint8_t *bytes, uint8_t prefix,
                      const char *all)
{
	size_t length;

	if (prefix == 0) {
		cell_set_text(cell, all);
		return;
	}
	if (inet_ntop(family, bytes, cell->room, sizeof(cell->room)) == NULL)
		cell->room[0] = '\0';
	length = strlen(cell->room);
	snprintf(cell->room + length, sizeof(cell->room) - length, "/%u", prefix);
	cell_set_text(cell, cell->room);
}

void cell_set_number_name(struct cell *cell, const struct number_name *names, uint32_t value)
{
	for (; names->name != NULL; names++)
		if (names->value == value) {
			cell_set_text(cell, names->name);
			return;
		}
	snprintf(cell->room, sizeof(cell->room), "%u", value);
	cell_set_text(cell, cell->room);
}

void cell_set_family(struct cell *cell, uint8_t family)
{
	cell_set_text(cell, ip_families[family == AF_INET6]);
}

void cell_set_lladdr(struct cell *cell, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length && i < 32; i++)
		snprintf(cell->room + 3 * i, 4, "%02x:", bytes[i]);
	/* The last colon makes way for the end. */
	if (length > 0)
		cell->room[3 * (length < 32 ? length : 32) - 1] = '\0';
	cell_set_text(cell, length > 0 ? cell->room : NULL);
}

void push_bit_names(lua_State *L, const struct number_name *names, uint32_t bits)
{
	lua_Integer count = 0;

	lua_newtable(L);
	for (; names->name != NULL; names++) {
		if ((bits & names->value) == 0)
			continue;
		lua_pushstring(L, names->name);
		lua_rawseti(L, -2, ++count);
	}
}

int push_facts(lua_State *L, const struct row_type *type, facts_read_fn *read)
{
	struct ph_context *context = check_context(L);
	struct filter *filter = NULL;
	struct ph_error error;
	void *storage;

	lua_settop(L, 1);
	if (!lua_isnil(L, 1))
		filter = filter_push(L, 1, type, NULL);
	storage = rows_push_storage(L, type);
	if (read(context, storage, &error) < 0)
		return push_failure(L, &error);
	if (filter != NULL)
		rows_push_matching(L, filter);
	else
		rows_push_view(L);
	return 1;
}
