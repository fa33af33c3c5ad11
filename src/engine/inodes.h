/* A set of socket inodes: open addressing, no allocation per entry, 8 bytes each at most. */
#ifndef ENGINE_INODES_H
#define ENGINE_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_inodes {
	uint32_t *slots; /* owned; 0: empty, since 0 is no inode; at most half full */
	uint32_t mask;
};

/* ph_inodes_free() releases the set. 0 or -ENOMEM. */
int ph_inodes_make(struct ph_inodes *set, const uint32_t *inodes, size_t count);
void ph_inodes_free(struct ph_inodes *set);

/* Also from several threads at once. */
bool ph_inodes_have(const struct ph_inodes *set, uint32_t inode);

#endif
