/* Any text as /proc/net/igmp, igmp6, route, ipv6_route, dev and if_inet6: what comes is bounded and
 * terminated. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/links_fallback.h"
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
	struct ph_links links = { 0 };

	ph_links_parse_dev((const char *)data, size, &links);
	ph_links_parse_inet6((const char *)data, size, &links);
	for (size_t i = 0; i < links.link_count; i++)
		check_name(links.links[i].name);
	ph_links_free(&links);
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
