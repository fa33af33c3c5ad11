/*
 * Links: interfaces and addresses. Sources: rtnetlink(7), linux/if_link.h, linux/if_addr.h.
 */
#include "porthole/links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "engine/attribute.h"
#include "engine/links_fallback.h"
#include "engine/rtnetlink.h"

/* Bytes of struct rtnl_link_stats64 up to tx_compressed, which every kernel sends. */
#define STATS_LEAST offsetof(struct rtnl_link_stats64, rx_nohandler)

static bool read_stats(const struct nlattr *attribute, struct ph_link *link)
{
	struct rtnl_link_stats64 raw;

	if (!attribute_struct(attribute, &raw, STATS_LEAST, sizeof(raw)))
		return false;
	link->has_stats = true;
	link->stats = (struct ph_link_stats){
		.rx_bytes = raw.rx_bytes,
		.rx_packets = raw.rx_packets,
		.rx_errors = raw.rx_errors,
		.rx_dropped = raw.rx_dropped,
		.rx_missed = raw.rx_missed_errors,
		.rx_fifo = raw.rx_fifo_errors,
		.rx_frame = raw.rx_length_errors + raw.rx_over_errors + raw.rx_crc_errors +
		            raw.rx_frame_errors,
		.rx_over = raw.rx_over_errors,
		.rx_compressed = raw.rx_compressed,
		.multicast = raw.multicast,
		.tx_bytes = raw.tx_bytes,
		.tx_packets = raw.tx_packets,
		.tx_errors = raw.tx_errors,
		.tx_dropped = raw.tx_dropped,
		.tx_fifo = raw.tx_fifo_errors,
		.collisions = raw.collisions,
		.tx_carrier = raw.tx_carrier_errors + raw.tx_aborted_errors + raw.tx_window_errors +
		              raw.tx_heartbeat_errors,
		.tx_compressed = raw.tx_compressed,
	};
	return true;
}

static bool read_map(const struct nlattr *attribute, struct ph_link *link)
{
	struct rtnl_link_ifmap map;

	if (!attribute_struct(attribute, &map, offsetof(struct rtnl_link_ifmap, port) + 1,
	                      sizeof(map)))
		return false;
	link->memory_start = map.mem_start;
	link->memory_end = map.mem_end;
	link->base_address = map.base_addr;
	link->interrupt = map.irq;
	link->dma = map.dma;
	link->port = map.port;
	return true;
}

static bool read_mac(const struct nlattr *attribute, struct ph_link *link)
{
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length > sizeof(link->mac))
		return false;
	memcpy(link->mac, mnl_attr_get_payload(attribute), length);
	link->mac_length = (uint8_t)length;
	return true;
}

/* A kind that is longer than its room is one that is not known here: it stays empty. */
static bool take_link_info(const struct nlattr *attribute, void *data)
{
	struct ph_link *link = data;

	if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
		attribute_name(attribute, link->kind, sizeof(link->kind));
	return true;
}

/* Whether the attribute is one that is not needed, or is as it must be. */
static bool take_link_attribute(const struct nlattr *attribute, void *data)
{
	struct ph_link *link = data;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		return attribute_name(attribute, link->name, sizeof(link->name));
	case IFLA_MTU:
		return attribute_u32(attribute, &link->mtu);
	case IFLA_TXQLEN:
		return attribute_u32(attribute, &link->txqlen);
	case IFLA_MASTER:
		return attribute_u32(attribute, &link->master);
	case IFLA_LINK:
		return attribute_u32(attribute, &link->parent);
	case IFLA_LINK_NETNSID:
		link->parent_elsewhere = true;
		return true;
	case IFLA_OPERSTATE:
		return attribute_u8(attribute, &link->operstate);
	case IFLA_ADDRESS:
		return read_mac(attribute, link);
	case IFLA_STATS64:
		return read_stats(attribute, link);
	case IFLA_MAP:
		return read_map(attribute, link);
	case IFLA_LINKINFO:
		return attributes_nested(attribute, take_link_info, link);
	default:
		return true;
	}
}

static int add_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct ph_links *links = data;
	struct ph_link link = { 0 };

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	link.ifindex = (uint32_t)header->ifi_index;
	link.flags = header->ifi_flags;
	link.type = header->ifi_type;
	if (!attributes_of(message, sizeof(*header), take_link_attribute, &link))
		return -EBADMSG;
	if (ph_reserve(&links->links, links->link_count, &links->link_capacity,
	               sizeof(*links->links)) < 0)
		return -ENOMEM;
	if (links->link_count > 0 && links->links[links->link_count - 1].ifindex >= link.ifindex)
		links->unordered = true;
	links->links[links->link_count++] = link;
	return 0;
}

static void forget_links(void *data)
{
	struct ph_links *links = data;

	links->link_count = 0;
	links->unordered = false;
}

/* What of an address stands in attributes of which one needs the other. */
struct address_parts {
	struct ph_address *whole;
	uint8_t local[16], address[16];
	bool has_local, has_address;
};

static bool read_lifetimes(const struct nlattr *attribute, struct ph_address *address)
{
	struct ifa_cacheinfo info;

	if (!attribute_struct(attribute, &info, sizeof(info), sizeof(info)))
		return false;
	address->valid_s = info.ifa_valid;
	address->preferred_s = info.ifa_prefered;
	return true;
}

static bool take_address_attribute(const struct nlattr *attribute, void *data)
{
	struct address_parts *parts = data;
	struct ph_address *address = parts->whole;

	switch (mnl_attr_get_type(attribute)) {
	case IFA_LOCAL:
		return parts->has_local =
		               attribute_address(attribute, address->family, parts->local);
	case IFA_ADDRESS:
		return parts->has_address =
		               attribute_address(attribute, address->family, parts->address);
	case IFA_BROADCAST:
		return address->has_broadcast =
		               attribute_address(attribute, address->family, address->broadcast);
	case IFA_FLAGS:
		return attribute_u32(attribute, &address->flags);
	case IFA_LABEL:
		return attribute_name(attribute, address->label, sizeof(address->label));
	case IFA_CACHEINFO:
		return read_lifetimes(attribute, address);
	default:
		return true;
	}
}

/* IFA_ADDRESS is the peer's where IFA_LOCAL differs from it, else the own address. */
static bool join_parts(const struct address_parts *parts, struct ph_address *address)
{
	if (!parts->has_local && !parts->has_address)
		return false;
	memcpy(address->address, parts->has_local ? parts->local : parts->address, 16);
	address->has_peer = parts->has_local && parts->has_address &&
	                    memcmp(parts->local, parts->address, 16) != 0;
	if (address->has_peer)
		memcpy(address->peer, parts->address, 16);
	return true;
}

static int add_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct ph_links *links = data;
	struct ph_address address = { .valid_s = UINT32_MAX, .preferred_s = UINT32_MAX };
	struct address_parts parts = { .whole = &address };

	if (message->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	if (address_bytes(header->ifa_family) == 0)
		return 0;
	address.ifindex = header->ifa_index;
	address.family = header->ifa_family;
	address.prefix = header->ifa_prefixlen;
	address.scope = header->ifa_scope;
	address.flags = header->ifa_flags;
	if (!attributes_of(message, sizeof(*header), take_address_attribute, &parts))
		return -EBADMSG;
	if (!join_parts(&parts, &address) || address.prefix > 8 * address_bytes(address.family))
		return -EBADMSG;
	if (ph_reserve(&links->addresses, links->address_count, &links->address_capacity,
	               sizeof(*links->addresses)) < 0)
		return -ENOMEM;
	links->addresses[links->address_count++] = address;
	return 0;
}

static void forget_addresses(void *data)
{
	struct ph_links *links = data;

	links->address_count = 0;
}

/* Both dumps. */
static int read_by_rtnetlink(struct ph_context *context, struct ph_links *links,
                             struct ph_error *error)
{
	struct ph_dump link_dump = { add_link, forget_links, links, "interfaces" };
	struct ph_dump address_dump = { add_address, forget_addresses, links, "addresses" };
	int r;

	r = ph_rtnetlink_dump(context, RTM_GETLINK, sizeof(struct ifinfomsg), &link_dump,
	                      &links->partial, error);
	if (r == 0)
		r = ph_rtnetlink_dump(context, RTM_GETADDR, sizeof(struct ifaddrmsg), &address_dump,
		                      &links->partial, error);
	return r;
}

/* What a filter of system calls answers, or a kernel without rtnetlink. */
static bool is_refusal(int r)
{
	return r == -EPERM || r == -EACCES || r == -ENOSYS || r == -EAFNOSUPPORT ||
	       r == -EPROTONOSUPPORT;
}

int ph_links_read(struct ph_context *context, struct ph_links *links, struct ph_error *error)
{
	int r;

	*links = (struct ph_links){ 0 };
	r = read_by_rtnetlink(context, links, error);
	/* A recording has no ioctls beside it. */
	if (!is_refusal(r) || context->transport != NULL)
		return r;
	ph_links_free(links);
	return ph_links_fallback(context, links, error);
}

void ph_links_free(struct ph_links *links)
{
	free(links->links);
	free(links->addresses);
	ph_reasons_free(&links->partial);
	*links = (struct ph_links){ 0 };
}

const struct ph_link *ph_links_find(const struct ph_links *links, uint32_t ifindex)
{
	size_t low = 0, high = links->link_count;

	while (!links->unordered && low < high) {
		size_t middle = low + (high - low) / 2;

		if (links->links[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < links->link_count; low++) {
		if (links->links[low].ifindex == ifindex)
			return &links->links[low];
		if (!links->unordered)
			break;
	}
	return NULL;
}
