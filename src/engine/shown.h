/* Words of a user or of the network, made fit for a message. */
#ifndef ENGINE_SHOWN_H
#define ENGINE_SHOWN_H

#include <stddef.h>

#define SHOWN_BYTES 64

struct shown {
	char text[SHOWN_BYTES];
};

/* Printable ASCII as it is, every other byte as "?"; cut with "..." where it is too long. */
struct shown shown(const char *bytes, size_t length);

#endif
