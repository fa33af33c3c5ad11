/* Any text as /proc/net/igmp, igmp6, route and ipv6_route: what comes is bounded and terminated. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "porthole/groups.h"
#include "porthole/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char name[16])
{
	if (name[0] == '\0' || strnlen(name, 16) == 16)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct ph_groups groups = { 0 };
	struct ph_proc_routes routes = { 0 };

	for (size_t i = 0; i < 2; i++) {
		ph_groups_parse((const char *)data, size, families[i], &groups);
		ph_proc_routes_parse((const char *)data, size, families[i], &routes);
	}
	for (size_t i = 0; i < groups.count; i++)
		check_name(groups.items[i].device);
	for (size_t i = 0; i < routes.count; i++) {
		check_name(routes.items[i].device);
		if (routes.items[i].prefix > 128)
			abort();
	}
	ph_groups_free(&groups);
	ph_proc_routes_free(&routes);
	return 0;
}
