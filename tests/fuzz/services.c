/* Any services(5) file: what it names is found again by its port and by each of its names. */
#include "porthole/services.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct ph_services *services, const struct ph_service *service)
{
	if (service->port == 0 || service->name[0] == '\0')
		abort();
	if (ph_services_by_port(services, service->port, service->proto) == NULL ||
	    ph_services_by_name(services, service->name, service->proto) == NULL)
		abort();
	for (const char *const *alias = service->aliases; *alias != NULL; alias++)
		if (ph_services_by_name(services, *alias, NULL) == NULL)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ph_services *services;

	if (ph_services_parse((const char *)data, size, PH_SERVICE_USER, &services, NULL) < 0)
		return 0;
	for (size_t i = 0; i < 100; i++) {
		const struct ph_service *service = ph_services_at(services, i);

		if (service->source != PH_SERVICE_USER)
			break;
		look_up(services, service);
	}
	ph_services_free(services);
	return 0;
}
