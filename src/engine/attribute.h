/* Netlink attributes whose lengths are checked: each function says whether the attribute has the
 * length that it needs. */
#ifndef ENGINE_ATTRIBUTE_H
#define ENGINE_ATTRIBUTE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Takes one attribute; false: it is not as it must be. */
typedef bool attribute_fn(const struct nlattr *attribute, void *data);

/* Whether these bytes are attributes and nothing else, and `take` takes each of them. */
static inline bool attributes_in(const void *bytes, size_t length, attribute_fn *take, void *data)
{
	const struct nlattr *attribute = bytes;
	const char *end = (const char *)bytes + length;

	while (mnl_attr_ok(attribute, (int)(end - (const char *)attribute))) {
		if (!take(attribute, data))
			return false;
		attribute = mnl_attr_next(attribute);
	}
	/* The last one may lack its padding. */
	return (const char *)attribute >= end;
}

/* The attributes after a message's header of `size` bytes. */
static inline bool attributes_of(const struct nlmsghdr *message, size_t size, attribute_fn *take,
                                 void *data)
{
	size_t offset = MNL_ALIGN(size), length = mnl_nlmsg_get_payload_len(message);

	if (length < size)
		return false;
	if (length <= offset)
		return true;
	return attributes_in((const char *)mnl_nlmsg_get_payload(message) + offset, length - offset,
	                     take, data);
}

static inline bool attributes_nested(const struct nlattr *nest, attribute_fn *take, void *data)
{
	return attributes_in(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), take,
	                     data);
}

static inline bool attribute_u32(const struct nlattr *attribute, uint32_t *value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(*value))
		return false;
	memcpy(value, mnl_attr_get_payload(attribute), sizeof(*value));
	return true;
}

static inline bool attribute_u8(const struct nlattr *attribute, uint8_t *value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(*value))
		return false;
	memcpy(value, mnl_attr_get_payload(attribute), sizeof(*value));
	return true;
}

/* A name that fits its room, with or without its NUL; what follows the NUL does not count. */
static inline bool attribute_name(const struct nlattr *attribute, char *name, size_t size)
{
	size_t length =
		strnlen(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));

	if (length >= size)
		return false;
	memset(name, 0, size);
	memcpy(name, mnl_attr_get_payload(attribute), length);
	return true;
}

/* The bytes of an address of this family; 0: neither IPv4 nor IPv6. */
static inline size_t address_bytes(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static inline bool attribute_address(const struct nlattr *attribute, uint8_t family,
                                     uint8_t address[16])
{
	size_t length = address_bytes(family);

	if (length == 0 || mnl_attr_get_payload_len(attribute) != length)
		return false;
	memset(address, 0, 16);
	memcpy(address, mnl_attr_get_payload(attribute), length);
	return true;
}

/*
 * A struct that may grow with the kernel, of which at least `least` bytes are needed: `size` bytes
 * of it, zeroes where the kernel's is shorter.
 */
static inline bool attribute_struct(const struct nlattr *attribute, void *value, size_t least,
                                    size_t size)
{
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length < least)
		return false;
	memset(value, 0, size);
	memcpy(value, mnl_attr_get_payload(attribute), length < size ? length : size);
	return true;
}

#endif
