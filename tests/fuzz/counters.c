/* Any text as each of the files that have counters: what comes is bounded and terminated. */
#include "porthole/counters.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ph_counters counters = { 0 };

	if (size == 0)
		return 0;
	if (ph_counters_parse((const char *)data + 1, size - 1, data[0] % PH_COUNTER_SOURCES,
	                      &counters) == 0)
		for (size_t i = 0; i < counters.count; i++) {
			const struct ph_counter *counter = &counters.items[i];

			if (counter->name[0] == '\0' ||
			    strlen(counter->name) >= sizeof(counter->name) ||
			    strlen(counter->protocol) >= sizeof(counter->protocol))
				abort();
		}
	ph_counters_free(&counters);
	return 0;
}
