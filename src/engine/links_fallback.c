/*
 * Links without rtnetlink. Sources: proc(5) and the kernel's dev_seq_printf_stats() in
 * net/core/net-procfs.c and if6_seq_show() in net/ipv6/addrconf.c for the columns; netdevice(7) for
 * the ioctls.
 */
#include "engine/links_fallback.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/procnet.h"

#define MOST_IPV4_BYTES ((size_t)16 << 20)

/* The columns of /proc/net/dev after the name. */
static bool parse_stats(struct span line, struct ph_link_stats *stats)
{
	uint64_t *const columns[] = {
		&stats->rx_bytes, &stats->rx_packets, &stats->rx_errors,     &stats->rx_dropped,
		&stats->rx_fifo,  &stats->rx_frame,   &stats->rx_compressed, &stats->multicast,
		&stats->tx_bytes, &stats->tx_packets, &stats->tx_errors,     &stats->tx_dropped,
		&stats->tx_fifo,  &stats->collisions, &stats->tx_carrier,    &stats->tx_compressed,
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		struct span field;

		if (!next_field(&line, &field) || !span_number(field, 10, UINT64_MAX, columns[i]))
			return false;
	}
	return true;
}

int ph_links_parse_dev(const char *text, size_t length, struct ph_links *links)
{
	struct span rest = { text, length }, line;

	while (next_line(&rest, &line)) {
		struct ph_link link = { .has_stats = true };
		const char *colon = memchr(line.bytes, ':', line.length);
		struct span before, name, after;

		/* The two lines of headings have no colon. */
		if (colon == NULL)
			continue;
		before = (struct span){ line.bytes, (size_t)(colon - line.bytes) };
		after = (struct span){ colon + 1, line.length - before.length - 1 };
		if (!next_field(&before, &name) || !span_name(name, link.name, sizeof(link.name)) ||
		    !parse_stats(after, &link.stats))
			continue;
		if (ph_reserve(&links->links, links->link_count, &links->link_capacity,
		               sizeof(*links->links)) < 0)
			return -ENOMEM;
		links->links[links->link_count++] = link;
	}
	return 0;
}

static int add_address(struct ph_links *links, const struct ph_address *address)
{
	if (ph_reserve(&links->addresses, links->address_count, &links->address_capacity,
	               sizeof(*links->addresses)) < 0)
		return -ENOMEM;
	links->addresses[links->address_count++] = *address;
	return 0;
}

/* IPV6_ADDR_* of the kernel's net/ipv6.h as RT_SCOPE_*. */
static uint8_t ipv6_scope(uint32_t scope)
{
	switch (scope & 0xf0) {
	case 0x10:
		return RT_SCOPE_HOST;
	case 0x20:
		return RT_SCOPE_LINK;
	case 0x40:
		return RT_SCOPE_SITE;
	default:
		return RT_SCOPE_UNIVERSE;
	}
}

/* Address, device's index, prefix, scope, flags, device */
static bool parse_inet6(struct span line, struct ph_address *address)
{
	uint32_t prefix, scope;
	struct span field;

	if (!next_field(&line, &field) || !span_ipv6(field, address->address) ||
	    !next_u32(&line, 16, &address->ifindex) || !next_u32(&line, 16, &prefix) ||
	    prefix > 128 || !next_u32(&line, 16, &scope) || !next_u32(&line, 16, &address->flags))
		return false;
	address->prefix = (uint8_t)prefix;
	address->scope = ipv6_scope(scope);
	return true;
}

int ph_links_parse_inet6(const char *text, size_t length, struct ph_links *links)
{
	struct span rest = { text, length }, line;

	while (next_line(&rest, &line)) {
		struct ph_address address = {
			.family = AF_INET6,
			.valid_s = UINT32_MAX,
			.preferred_s = UINT32_MAX,
		};

		if (parse_inet6(line, &address) && add_address(links, &address) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool ask(int fd, unsigned long request, struct ifreq *device)
{
	return ioctl(fd, request, device) == 0;
}

/* What the ioctls know of a device that has its name. False: it has gone. */
static bool complete_link(int fd, struct ph_link *link)
{
	struct ifreq device = { 0 };

	memcpy(device.ifr_name, link->name, sizeof(device.ifr_name));
	if (!ask(fd, SIOCGIFINDEX, &device))
		return false;
	link->ifindex = (uint32_t)device.ifr_ifindex;
	/* The other half of the flags has no ioctl. */
	if (ask(fd, SIOCGIFFLAGS, &device))
		link->flags = (uint16_t)device.ifr_flags;
	if (ask(fd, SIOCGIFMTU, &device))
		link->mtu = (uint32_t)device.ifr_mtu;
	if (ask(fd, SIOCGIFTXQLEN, &device))
		link->txqlen = (uint32_t)device.ifr_qlen;
	if (ask(fd, SIOCGIFHWADDR, &device)) {
		link->type = device.ifr_hwaddr.sa_family;
		link->mac_length = 6;
		memcpy(link->mac, device.ifr_hwaddr.sa_data, 6);
	}
	return true;
}

static void complete_links(int fd, struct ph_links *links)
{
	size_t kept = 0;

	for (size_t i = 0; i < links->link_count; i++)
		if (complete_link(fd, &links->links[i]))
			links->links[kept++] = links->links[i];
	links->link_count = kept;
	/* They stand in the order in which they were made. */
	links->unordered = true;
}

static uint32_t device_index(const struct ph_links *links, const char *label)
{
	size_t length = strcspn(label, ":");

	for (size_t i = 0; i < links->link_count; i++)
		if (strlen(links->links[i].name) == length &&
		    memcmp(links->links[i].name, label, length) == 0)
			return links->links[i].ifindex;
	return 0;
}

static uint32_t ipv4_of(const struct ifreq *device)
{
	struct sockaddr_in address;

	memcpy(&address, &device->ifr_addr, sizeof(address));
	return address.sin_addr.s_addr;
}

/* Asks for one more address of the label that has `given`'s address. 0: none. */
static uint32_t ask_ipv4(int fd, unsigned long request, const struct ifreq *given)
{
	struct ifreq device = *given;

	return ask(fd, request, &device) ? ipv4_of(&device) : 0;
}

static int add_ipv4(int fd, const struct ifreq *given, struct ph_links *links)
{
	struct ph_address address = {
		.family = AF_INET,
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
	};
	uint32_t own = ipv4_of(given), mask, broadcast, peer;

	memcpy(address.label, given->ifr_name, sizeof(address.label) - 1);
	address.ifindex = device_index(links, address.label);
	mask = ask_ipv4(fd, SIOCGIFNETMASK, given);
	broadcast = ask_ipv4(fd, SIOCGIFBRDADDR, given);
	peer = ask_ipv4(fd, SIOCGIFDSTADDR, given);
	address.prefix = (uint8_t)__builtin_popcount(mask);
	/* The ioctls do not tell the scope: it is the usual one. */
	address.scope = (ntohl(own) >> 24) == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	address.has_broadcast = broadcast != 0;
	address.has_peer = peer != 0 && peer != own;
	memcpy(address.address, &own, sizeof(own));
	memcpy(address.broadcast, &broadcast, sizeof(broadcast));
	if (address.has_peer)
		memcpy(address.peer, &peer, sizeof(peer));
	return address.ifindex == 0 ? 0 : add_address(links, &address);
}

/* SIOCGIFCONF: all IPv4 addresses. It fills what room it has, so a full answer is asked for again
 * with more. */
static int add_all_ipv4(int fd, struct ph_links *links)
{
	struct ifconf list = { 0 };
	int r = 0;

	for (size_t room = 64 * sizeof(struct ifreq); room <= MOST_IPV4_BYTES; room *= 2) {
		char *larger = realloc(list.ifc_buf, room);

		if (larger == NULL) {
			r = -ENOMEM;
			goto out;
		}
		list.ifc_buf = larger;
		list.ifc_len = (int)room;
		if (ioctl(fd, SIOCGIFCONF, &list) < 0) {
			r = -errno;
			goto out;
		}
		if ((size_t)list.ifc_len + sizeof(struct ifreq) <= room)
			break;
	}
	for (size_t i = 0; r == 0 && i < (size_t)list.ifc_len / sizeof(struct ifreq); i++)
		r = add_ipv4(fd, &list.ifc_req[i], links);
out:
	free(list.ifc_buf);
	return r;
}

static int read_file(struct ph_context *context, const char *name,
                     int (*parse)(const char *text, size_t length, struct ph_links *links),
                     struct ph_links *links, struct ph_error *error)
{
	size_t length;
	char *text;
	int r = ph_procnet_read(context, name, &text, &length, error);

	if (r <= 0)
		return r;
	r = parse(text, length, links);
	free(text);
	return r < 0 ? ph_fail(error, r, "reading /proc/net/%s: out of memory", name) : 0;
}

int ph_links_fallback(struct ph_context *context, struct ph_links *links, struct ph_error *error)
{
	int fd, r;

	r = read_file(context, "dev", ph_links_parse_dev, links, error);
	if (r < 0)
		return r;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ph_fail(error, -errno, "reading interfaces: %s", strerror(errno));
	complete_links(fd, links);
	r = add_all_ipv4(fd, links);
	close(fd);
	if (r < 0)
		return ph_fail(error, r, "reading addresses: %s", strerror(-r));
	r = read_file(context, "if_inet6", ph_links_parse_inet6, links, error);
	if (r == 0 && ph_reasons_add(&links->partial,
	                             "the kernel refused rtnetlink: kinds, masters and states of "
	                             "interfaces are unknown") < 0)
		r = ph_fail(error, -ENOMEM, "reading interfaces: out of memory");
	return r;
}
