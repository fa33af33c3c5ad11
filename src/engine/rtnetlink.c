/*
 * Dumps of rtnetlink(7).
 */
#include "engine/rtnetlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>

#define MOST_HEADER 32

int ph_rtnetlink_dump(struct ph_context *context, uint16_t type, size_t header_size,
                      const struct ph_dump *dump, struct ph_reasons *partial,
                      struct ph_error *error)
{
	_Alignas(struct nlmsghdr) char buffer[NLMSG_SPACE(MOST_HEADER)] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ph_netlink *netlink = NULL;
	int r;

	if (header_size > MOST_HEADER)
		return ph_fail(error, -EINVAL, "%s: a request of %zu bytes", dump->what,
		               header_size);
	r = ph_netlink_open(context, NETLINK_ROUTE, &netlink, error);
	if (r < 0)
		return r;
	request->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(request, header_size);
	r = ph_netlink_dump(context, netlink, request, dump, error);
	ph_netlink_close(netlink);
	if (r == 1 &&
	    ph_reasons_add(partial, "%s changed while they were read: some may be missing or old",
	                   dump->what) < 0)
		return ph_fail(error, -ENOMEM, "%s: out of memory", dump->what);
	return r < 0 ? r : 0;
}
