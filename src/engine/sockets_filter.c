/*
 * What of the sockets is wanted: as byte code for the kernel (net/ipv4/inet_diag.c runs it), and
 * here for what the kernel did not select.
 *
 * Byte code is a chain of conditions. Each is `yes` bytes long, and the chain of these lengths must
 * meet every target of a jump; a condition that fails jumps `no` bytes forward. The socket is taken
 * when the end is met exactly, and refused by a jump 4 bytes beyond it.
 */
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/sockets_reader.h"

#define REFUSE_BEYOND_END 4

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* ------------------------------------------------------------ here */

static bool bits_match(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff00 >> rest) & 0xff) == 0;
}

static unsigned prefix_bits(const struct ph_prefix *prefix)
{
	unsigned most = prefix->family == AF_INET ? 32 : 128;

	return prefix->length < most ? prefix->length : most;
}

static bool prefix_takes(const struct ph_prefix *prefix, uint8_t family, const uint8_t *address)
{
	if (family == AF_INET6 && prefix->family == AF_INET) {
		if (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) != 0)
			return false;
		address += sizeof(mapped_prefix);
	} else if (family != prefix->family) {
		return false;
	}
	return bits_match(address, prefix->address, prefix_bits(prefix));
}

static bool prefixes_take(const struct ph_prefix *prefixes, size_t count, uint8_t family,
                          const uint8_t *address)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_takes(&prefixes[i], family, address))
			return true;
	return count == 0;
}

static bool ranges_take(const struct ph_range *ranges, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (port >= ranges[i].low && port <= ranges[i].high)
			return true;
	return count == 0;
}

static bool state_wanted(const struct ph_socket_query *query, uint8_t state)
{
	uint32_t states = query->states;

	if (states & 1u << PH_NEW_SYN_RECV)
		states |= 1u << PH_SYN_RECV;
	return states == 0 || (states & 1u << state) != 0;
}

bool ph_query_wants(const struct ph_socket_query *query, const struct ph_socket *row)
{
	if (query->protos != 0 && (query->protos & 1u << row->proto) == 0)
		return false;
	if (!state_wanted(query, row->state))
		return false;
	if (query->families == 1 && row->family == AF_INET6)
		return false;
	if (query->families == 2 && row->family == AF_INET)
		return false;
	/* The device is unknown where there is no cookie: /proc/net does not say it. */
	if (query->ifindex != 0 && row->ifindex != query->ifindex &&
	    !(row->cookie == 0 && row->ifindex == 0))
		return false;
	if (!ranges_take(query->lports, query->lport_count, row->lport) ||
	    !ranges_take(query->rports, query->rport_count, row->rport))
		return false;
	if (query->port_count > 0 && !ranges_take(query->ports, query->port_count, row->lport) &&
	    !ranges_take(query->ports, query->port_count, row->rport))
		return false;
	return prefixes_take(query->laddrs, query->laddr_count, row->family, row->laddr) &&
	       prefixes_take(query->raddrs, query->raddr_count, row->family, row->raddr);
}

/* ------------------------------------------------------------ in the kernel */

/* Code being written. A jump whose target is not known yet is marked in its `no`. */
struct writer {
	unsigned char *code;
	size_t room, length;
	bool full;
};

enum pending { NEXT_ALTERNATIVE = 1, NEXT_CLAUSE = 2 };

static void write_op(struct writer *writer, uint8_t code, const void *argument, size_t bytes,
                     enum pending no)
{
	struct inet_diag_bc_op op = {
		.code = code,
		.yes = (unsigned char)(sizeof(op) + bytes),
		.no = (unsigned short)no,
	};

	/* `no` has 16 bits, and the refusal lies beyond the end. */
	if (writer->length + op.yes > writer->room ||
	    writer->length + op.yes > UINT16_MAX - REFUSE_BEYOND_END) {
		writer->full = true;
		return;
	}
	memcpy(writer->code + writer->length, &op, sizeof(op));
	if (bytes > 0)
		memcpy(writer->code + writer->length + sizeof(op), argument, bytes);
	writer->length += op.yes;
}

/* Gives the jumps from `from` on that are marked `no` their target, `to`. */
static void aim(struct writer *writer, size_t from, enum pending no, size_t to)
{
	struct inet_diag_bc_op op;

	if (writer->full)
		return;
	for (; from < writer->length; from += op.yes) {
		memcpy(&op, writer->code + from, sizeof(op));
		if (op.no != no)
			continue;
		op.no = (unsigned short)(to - from);
		memcpy(writer->code + from, &op, sizeof(op));
	}
}

/*
 * One alternative of a clause has been written from `from` on. Where it fails the next one is
 * tried; where it holds, and it is not the last, a jump leads past the others.
 */
static void end_alternative(struct writer *writer, size_t from, bool last)
{
	if (last)
		return;
	write_op(writer, INET_DIAG_BC_JMP, NULL, 0, NEXT_CLAUSE);
	aim(writer, from, NEXT_ALTERNATIVE, writer->length);
}

static void end_clause(struct writer *writer, size_t from)
{
	aim(writer, from, NEXT_CLAUSE, writer->length);
}

static void write_range(struct writer *writer, const struct ph_range *range, bool source, bool last)
{
	size_t from = writer->length;
	struct inet_diag_bc_op port = { 0 };

	port.no = range->low;
	write_op(writer, source ? INET_DIAG_BC_S_GE : INET_DIAG_BC_D_GE, &port, sizeof(port),
	         NEXT_ALTERNATIVE);
	port.no = range->high;
	write_op(writer, source ? INET_DIAG_BC_S_LE : INET_DIAG_BC_D_LE, &port, sizeof(port),
	         NEXT_ALTERNATIVE);
	end_alternative(writer, from, last);
}

static void write_ranges(struct writer *writer, const struct ph_range *ranges, size_t count,
                         bool source, bool destination)
{
	size_t from = writer->length;

	for (size_t i = 0; i < count && !writer->full; i++) {
		bool last = i + 1 == count;

		if (source)
			write_range(writer, &ranges[i], true, last && !destination);
		if (destination)
			write_range(writer, &ranges[i], false, last);
	}
	end_clause(writer, from);
}

static void write_prefix(struct writer *writer, const struct ph_prefix *prefix, uint8_t code,
                         bool last)
{
	size_t from = writer->length, bytes = prefix->family == AF_INET ? 4 : 16;
	struct inet_diag_hostcond condition;
	uint8_t host[sizeof(condition) + 16];

	/* Its padding goes to the kernel too. */
	memset(&condition, 0, sizeof(condition));
	condition.family = prefix->family;
	condition.prefix_len = (uint8_t)prefix_bits(prefix);
	condition.port = -1;
	memcpy(host, &condition, sizeof(condition));
	memcpy(host + sizeof(condition), prefix->address, bytes);
	write_op(writer, code, host, sizeof(condition) + bytes, NEXT_ALTERNATIVE);
	end_alternative(writer, from, last);
}

static void write_prefixes(struct writer *writer, const struct ph_prefix *prefixes, size_t count,
                           uint8_t code)
{
	size_t from = writer->length;

	for (size_t i = 0; i < count && !writer->full; i++)
		write_prefix(writer, &prefixes[i], code, i + 1 == count);
	end_clause(writer, from);
}

size_t ph_query_bytecode(const struct ph_socket_query *query, void *code, size_t room)
{
	struct writer writer = { .code = code, .room = room };

	write_ranges(&writer, query->lports, query->lport_count, true, false);
	write_ranges(&writer, query->rports, query->rport_count, false, true);
	write_ranges(&writer, query->ports, query->port_count, true, true);
	write_prefixes(&writer, query->laddrs, query->laddr_count, INET_DIAG_BC_S_COND);
	write_prefixes(&writer, query->raddrs, query->raddr_count, INET_DIAG_BC_D_COND);
	if (query->ifindex != 0)
		write_op(&writer, INET_DIAG_BC_DEV_COND, &query->ifindex, sizeof(query->ifindex),
		         NEXT_ALTERNATIVE);
	/* What is still pending belongs to the last alternative of its clause: it refuses. */
	aim(&writer, 0, NEXT_ALTERNATIVE, writer.length + REFUSE_BEYOND_END);
	return writer.full ? 0 : writer.length;
}
