/* Any text as an address and as a scope: what is read means the same when it is written again. */
#include "porthole/scope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PH_HOST_TEXT_BYTES];
	struct ph_scope scope = { 0 };
	struct ph_error error = { 0 };
	struct ph_host host, again;

	if (ph_host_parse((const char *)data, size, &host, &error) == 0) {
		ph_host_format(&host, text);
		if (ph_host_parse(text, strlen(text), &again, &error) != 0 ||
		    !ph_host_equal(&host, &again))
			abort();
	}
	if (ph_scope_allow(&scope, (const char *)data, size, &error) < 0 &&
	    error.message[0] == '\0')
		abort();
	ph_scope_free(&scope);
	return 0;
}
