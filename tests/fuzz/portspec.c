/* Any text as a port specification: it is read, or refused with a message. */
#include "porthole/portspec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ph_services *services;
	struct ph_context context = { .etc = "/nowhere", .cancel_fd = -1 };
	struct ph_error error = { 0 };
	struct ph_portspec spec;

	if (services == NULL && ph_services_load(&context, &services, NULL) < 0)
		abort();
	if (size > 256)
		size = 256;
	if (ph_portspec_parse((const char *)data, size, PH_PORTS_TCP, services, &spec, &error) <
	            0 &&
	    error.message[0] == '\0')
		abort();
	return 0;
}
