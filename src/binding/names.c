/* Which name was meant: the nearest of a list, for errors that help. */
#include <string.h>

#include "binding/rows.h"

#define NAME_BYTES 64 /* longer ones are no typing errors of ours */

/* Edit distance with neighbours swapped counted as one edit; `limit` + 1 stands for anything above
 * `limit`. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length,
                         unsigned limit)
{
	unsigned rows[3][NAME_BYTES + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *spare = before, best = now[0] = (unsigned)i;

		for (size_t j = 1; j <= b_length; j++) {
			unsigned d = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
			best = d < best ? d : best;
		}
		if (best > limit)
			return limit + 1;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_length];
}

const char *nearest_name(const char *name, const char *const *names)
{
	size_t length = strlen(name);
	unsigned limit = length <= 4 ? 1 : 2;
	const char *nearest = NULL;

	if (length == 0 || length > NAME_BYTES)
		return NULL;
	for (; *names != NULL; names++) {
		size_t other = strlen(*names);
		unsigned d;

		if (other > NAME_BYTES || other > length + limit || length > other + limit)
			continue;
		d = distance(name, length, *names, other, limit);
		/* Of equally near ones the first; a nearer one next time. */
		if (d <= limit && d < length && d < other) {
			nearest = *names;
			if (d == 0)
				break;
			limit = d - 1;
		}
	}
	return nearest;
}
