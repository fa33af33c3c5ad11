/* A set of socket inodes. */
#include "inodes.h"

#include <errno.h>
#include <stdlib.h>

/* Fibonacci hashing: inode numbers come in runs. */
static uint32_t slot_of(const struct ph_inodes *set, uint32_t inode)
{
	uint32_t hash = inode * 2654435769u;

	return (hash ^ hash >> 15) & set->mask;
}

bool ph_inodes_have(const struct ph_inodes *set, uint32_t inode)
{
	for (uint32_t slot = slot_of(set, inode);; slot = (slot + 1) & set->mask) {
		if (set->slots[slot] == inode)
			return inode != 0;
		if (set->slots[slot] == 0)
			return false;
	}
}

int ph_inodes_make(struct ph_inodes *set, const uint32_t *inodes, size_t count)
{
	size_t room = 16;

	if (count > (size_t)1 << 30)
		return -ENOMEM;
	while (room < count * 2)
		room *= 2;
	set->slots = calloc(room, sizeof(*set->slots));
	if (set->slots == NULL)
		return -ENOMEM;
	set->mask = (uint32_t)(room - 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t slot = slot_of(set, inodes[i]);

		while (set->slots[slot] != 0 && set->slots[slot] != inodes[i])
			slot = (slot + 1) & set->mask;
		set->slots[slot] = inodes[i];
	}
	return 0;
}

void ph_inodes_free(struct ph_inodes *set)
{
	free(set->slots);
	*set = (struct ph_inodes){ 0 };
}
