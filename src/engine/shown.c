/*
 * Words of a user or of the network, made fit for a message: an error never carries raw bytes.
 */
#include "engine/shown.h"

#include <string.h>

struct shown shown(const char *bytes, size_t length)
{
	struct shown result;
	size_t room = sizeof(result.text) - sizeof("...");
	size_t count = length < room ? length : room;

	for (size_t i = 0; i < count; i++)
		result.text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
	result.text[count] = '\0';
	if (length > room)
		strcat(result.text, "...");
	return result;
}
