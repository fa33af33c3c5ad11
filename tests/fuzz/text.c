/* Any bytes: what is escaped is safe and valid, and as long as was counted. */
#include "porthole/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *out, size_t length)
{
	for (size_t i = 0; i < length;) {
		uint32_t code;

		i += ph_text_decode(out + i, length - i, &code);
		if (ph_text_is_unsafe(code))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	size_t escaped = ph_text_escape(bytes, size, NULL);
	size_t quoted = ph_text_json(bytes, size, NULL);
	char *out = malloc(escaped + quoted);

	if (out == NULL)
		return 0;
	if (ph_text_escape(bytes, size, out) != escaped)
		abort();
	check(out, escaped);
	if (ph_text_json(bytes, size, out) != quoted)
		abort();
	check(out, quoted);
	ph_text_width(bytes, size);
	free(out);
	return 0;
}
