/*
 * Sockets: which source gives which protocol, and how rows get into the result. sock_diag(7) is
 * asked first, /proc/net serves where it is refused or absent.
 */
#include "porthole/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/sockets_reader.h"

#define LEAST_KNOWN_BITS 8
#define LEAST_KNOWN      (1u << LEAST_KNOWN_BITS)

static const char *const proto_names[PH_PROTO_COUNT] = {
	[PH_TCP] = "tcp",
	[PH_MPTCP] = "mptcp",
	[PH_UDP] = "udp",
	[PH_UDPLITE] = "udplite",
	[PH_SCTP] = "sctp",
	[PH_DCCP] = "dccp",
	[PH_RAW] = "raw",
	[PH_ICMP] = "icmp",
	[PH_UNIX_STREAM] = "unix-stream",
	[PH_UNIX_DGRAM] = "unix-dgram",
	[PH_UNIX_SEQPACKET] = "unix-seqpacket",
	[PH_PACKET] = "packet",
	[PH_NETLINK] = "netlink",
	[PH_VSOCK] = "vsock",
	[PH_XDP] = "xdp",
};

static const char *const state_names[PH_STATE_COUNT] = {
	[PH_ESTAB] = "estab",
	[PH_SYN_SENT] = "syn-sent",
	[PH_SYN_RECV] = "syn-recv",
	[PH_FIN_WAIT_1] = "fin-wait-1",
	[PH_FIN_WAIT_2] = "fin-wait-2",
	[PH_TIME_WAIT] = "time-wait",
	[PH_UNCONN] = "unconn",
	[PH_CLOSE_WAIT] = "close-wait",
	[PH_LAST_ACK] = "last-ack",
	[PH_LISTEN] = "listen",
	[PH_CLOSING] = "closing",
	[PH_NEW_SYN_RECV] = "new-syn-recv",
	[PH_BOUND_INACTIVE] = "bound-inactive",
};

const char *ph_proto_name(unsigned proto)
{
	return proto < PH_PROTO_COUNT ? proto_names[proto] : NULL;
}

const char *ph_state_name(unsigned state)
{
	return state < PH_STATE_COUNT ? state_names[state] : NULL;
}

/* ------------------------------------------------------------ identity */

/* SCTP: all associations of a socket have its cookie; where they lead tells them apart. */
static bool is_same(const struct ph_socket *a, const struct ph_socket *b)
{
	if (a->cookie != b->cookie || a->family != b->family)
		return false;
	if (a->proto != PH_SCTP)
		return true;
	return a->rport == b->rport && memcmp(a->raddr, b->raddr, sizeof(a->raddr)) == 0;
}

/*
 * The place of a row, or the empty one where it belongs. Fibonacci hashing, whose upper bits spread
 * consecutive numbers, as cookies are, evenly.
 */
static size_t place_of(const struct ph_known *known, const struct ph_socket *items,
                       const struct ph_socket *row)
{
	uint64_t key = row->cookie + (row->proto == PH_SCTP ? (uint64_t)row->rport << 32 : 0);
	size_t place = (size_t)((key * 0x9e3779b97f4a7c15) >> known->shift);

	while (known->places[place] != 0 && !is_same(&items[known->places[place] - 1], row))
		place = (place + 1) & (known->room - 1);
	return place;
}

static int grow(struct ph_known *known, const struct ph_socket *items)
{
	struct ph_known larger = {
		.room = known->room ? known->room * 2 : LEAST_KNOWN,
		.count = known->count,
		.shift = known->room ? known->shift - 1 : 64 - LEAST_KNOWN_BITS,
	};

	larger.places = calloc(larger.room, sizeof(*larger.places));
	if (larger.places == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < known->room; i++)
		if (known->places[i] != 0)
			larger.places[place_of(&larger, items, &items[known->places[i] - 1])] =
				known->places[i];
	free(known->places);
	*known = larger;
	return 0;
}

/* Takes items[index] as known. 1: it was new; 0: it was known already; -ENOMEM. */
static int take(struct ph_known *known, const struct ph_socket *items, size_t index)
{
	size_t place;

	if (known->count * 2 >= known->room && grow(known, items) < 0)
		return -ENOMEM;
	place = place_of(known, items, &items[index]);
	if (known->places[place] != 0)
		return 0;
	known->places[place] = (uint32_t)index + 1;
	known->count++;
	return 1;
}

/* ------------------------------------------------------------ rows */

struct ph_socket *ph_reader_row(struct ph_socket_reader *reader)
{
	struct ph_sockets *sockets = reader->sockets;
	struct ph_socket *row;

	if (ph_reserve(&sockets->items, sockets->count, &sockets->capacity,
	               sizeof(*sockets->items)) < 0)
		return NULL;
	row = &sockets->items[sockets->count];
	*row = (struct ph_socket){ .netns = reader->netns };
	return row;
}

int ph_reader_keep(struct ph_socket_reader *reader, struct ph_socket *row)
{
	int r = ph_query_wants(reader->query, row);

	if (r > 0 && row->cookie != 0)
		r = take(&reader->known, reader->sockets->items, reader->sockets->count);
	if (r > 0) {
		reader->sockets->count++;
		return 0;
	}
	if (row->detail != 0)
		reader->sockets->detail_count--;
	reader->sockets->names_length -= row->name_length;
	return r;
}

struct ph_socket_detail *ph_reader_detail(struct ph_socket_reader *reader, struct ph_socket *row)
{
	struct ph_sockets *sockets = reader->sockets;

	if (row->detail != 0)
		return &sockets->details[row->detail - 1];
	if (ph_reserve(&sockets->details, sockets->detail_count, &sockets->detail_capacity,
	               sizeof(*sockets->details)) < 0)
		return NULL;
	sockets->details[sockets->detail_count] = (struct ph_socket_detail){ 0 };
	row->detail = (uint32_t)++sockets->detail_count;
	return &sockets->details[row->detail - 1];
}

int ph_reader_name(struct ph_socket_reader *reader, struct ph_socket *row, const void *bytes,
                   size_t length)
{
	struct ph_sockets *sockets = reader->sockets;

	if (length == 0 || length > UINT16_MAX || row->name_length != 0)
		return 0;
	while (sockets->names_capacity < sockets->names_length + length)
		if (ph_reserve(&sockets->names, sockets->names_capacity, &sockets->names_capacity,
		               1) < 0)
			return -ENOMEM;
	memcpy(sockets->names + sockets->names_length, bytes, length);
	row->name = (uint32_t)sockets->names_length;
	row->name_length = (uint16_t)length;
	sockets->names_length += length;
	return 0;
}

int ph_reader_memory(struct ph_socket_reader *reader, struct ph_socket *row,
                     const struct ph_attribute *attribute)
{
	struct ph_socket_detail *detail;
	size_t length = attribute->length;

	if (!reader->query->details)
		return 0;
	detail = ph_reader_detail(reader, row);
	if (detail == NULL)
		return -ENOMEM;
	memcpy(detail->mem, attribute->bytes,
	       length < sizeof(detail->mem) ? length : sizeof(detail->mem));
	detail->has_mem = 1;
	return 0;
}

/* ------------------------------------------------------------ dumps */

bool ph_reader_falls_back(int r)
{
	return r != -ENOMEM && r != -ECANCELED && r != -EBADMSG && r != -EMFILE && r != -ENFILE;
}

struct mark {
	size_t rows, names, details;
};

static struct mark mark_of(const struct ph_sockets *sockets)
{
	return (struct mark){ sockets->count, sockets->names_length, sockets->detail_count };
}

/* Forgets all that came since the mark; known are those that stay. */
static void go_back(struct ph_socket_reader *reader, struct mark mark)
{
	struct ph_sockets *sockets = reader->sockets;
	struct ph_known *known = &reader->known;

	sockets->count = mark.rows;
	sockets->names_length = mark.names;
	sockets->detail_count = mark.details;
	if (known->room == 0)
		return;
	memset(known->places, 0, known->room * sizeof(*known->places));
	known->count = 0;
	/* Fewer than before: there is room. */
	for (size_t i = reader->first; i < sockets->count; i++)
		if (sockets->items[i].cookie != 0)
			take(known, sockets->items, i);
}

static void restart(void *data)
{
	struct ph_socket_reader *reader = data;

	go_back(reader, (struct mark){ reader->began, reader->began_names, reader->began_details });
	reader->last_message = NULL;
}

int ph_reader_dump(struct ph_socket_reader *reader, struct nlmsghdr *request, ph_netlink_fn *each,
                   const char *what)
{
	struct ph_dump dump = { .each = each, .restart = restart, .data = reader, .what = what };

	reader->began = reader->sockets->count;
	reader->began_names = reader->sockets->names_length;
	reader->began_details = reader->sockets->detail_count;
	reader->last_message = NULL;
	return ph_netlink_dump(reader->context, reader->netlink, request, &dump, reader->error);
}

/* ------------------------------------------------------------ sources */

struct source {
	uint32_t protos; /* that it gives, 1 << enum ph_proto */
	uint8_t proto; /* the first of them */
	int (*diag)(struct ph_socket_reader *reader, uint8_t proto); /* NULL: sock_diag never does
	                                                              */
	const char *name; /* for reasons */
	const char *counted[2]; /* its names in /proc/net/protocols */
	bool expected; /* every kernel's sock_diag has it: its absence is worth a word */
};

#define ONE(proto)  (1u << (proto)), (proto)
#define UNIX_PROTOS (1u << PH_UNIX_STREAM | 1u << PH_UNIX_DGRAM | 1u << PH_UNIX_SEQPACKET)
#define NOT_IN_PROTO       \
	{                  \
		NULL, NULL \
	}

static const struct source sources[] = {
	{ ONE(PH_TCP), ph_read_inet, "TCP", NOT_IN_PROTO, true },
	{ ONE(PH_MPTCP), ph_read_inet, "MPTCP", { "MPTCP", "MPTCPv6" }, false },
	{ ONE(PH_UDP), ph_read_inet, "UDP", NOT_IN_PROTO, true },
	{ ONE(PH_UDPLITE), ph_read_inet, "UDP-Lite", { "UDP-Lite", "UDPLITEv6" }, false },
	{ ONE(PH_SCTP), ph_read_inet, "SCTP", { "SCTP", "SCTPv6" }, false },
	{ ONE(PH_DCCP), ph_read_inet, "DCCP", { "DCCP", "DCCPv6" }, false },
	{ ONE(PH_RAW), ph_read_inet, "raw", { "RAW", "RAWv6" }, false },
	{ ONE(PH_ICMP), NULL, "ICMP", { "PING", "PINGv6" }, false },
	{ UNIX_PROTOS, PH_UNIX_STREAM, ph_read_unix, "Unix", NOT_IN_PROTO, false },
	{ ONE(PH_PACKET), ph_read_packet, "packet", { "PACKET", NULL }, false },
	{ ONE(PH_NETLINK), ph_read_netlink, "netlink", { "NETLINK", NULL }, false },
	{ ONE(PH_VSOCK), ph_read_vsock, "vsock", { "AF_VSOCK", NULL }, false },
	{ ONE(PH_XDP), ph_read_xdp, "XDP", { "XDP", NULL }, false },
};

/* Asks sock_diag; opens it before the first question. As the source's reader returns. */
static int ask_diag(struct ph_socket_reader *reader, const struct source *source)
{
	if (source->diag == NULL)
		return -ENOENT;
	if (reader->netlink == NULL && reader->refused == 0)
		reader->refused = ph_netlink_open(reader->context, NETLINK_SOCK_DIAG,
		                                  &reader->netlink, reader->error);
	if (reader->refused < 0)
		return reader->refused;
	return source->diag(reader, source->proto);
}

/* A protocol that no source gives: worth a word when it was asked for, or when there are some. */
static int note_absent(struct ph_socket_reader *reader, const struct source *source, int why)
{
	unsigned long count = 0, more;
	bool possible = source->counted[0] == NULL;

	for (size_t i = 0; i < 2 && source->counted[i] != NULL; i++) {
		int r = ph_count_protocol(reader, source->counted[i], &more);

		if (r == -ENOMEM)
			return r;
		count += more;
		possible = possible || r != 0;
	}
	/* A kernel without the protocol has no such sockets. */
	if (!possible)
		return 0;
	if (count > 0)
		return ph_reasons_add(&reader->sockets->partial,
		                      "%lu %s sockets cannot be listed: sock_diag answers: %s",
		                      count, source->name, strerror(-why));
	if ((reader->query->protos & source->protos) == 0)
		return 0;
	return ph_reasons_add(
		&reader->sockets->partial,
		"%s sockets cannot be listed, if there are any: sock_diag answers: %s",
		source->name, strerror(-why));
}

/* What the rows of /proc/net lack. Where the kernel was built without this family's sock_diag and
 * no row is the poorer, nothing is missing. */
static int note_proc(struct ph_socket_reader *reader, const struct source *source, int why,
                     bool found)
{
	if (source->diag == NULL || (why == -ENOENT && !source->expected && !found))
		return 0;
	return ph_reasons_add(&reader->sockets->partial,
	                      "%s sockets come from /proc/net, since sock_diag answers: %s; what "
	                      "it alone tells of them (cookie, control group, IPv6-only, device, "
	                      "mark) is unknown",
	                      source->name, strerror(-why));
}

/* Neither way leads to these sockets. */
static int note_unread(struct ph_socket_reader *reader, const struct source *source, int why)
{
	return ph_reasons_add(&reader->sockets->partial,
	                      "%s sockets cannot be listed: reading /proc/net: %s", source->name,
	                      strerror(-why));
}

/* sock_diag has failed with `why`. */
static int fall_back(struct ph_socket_reader *reader, const struct source *source, int why)
{
	size_t before = reader->sockets->count;
	bool chosen = reader->query->proc;
	int r = ph_open_proc(reader);

	if (r < 0)
		return ph_reader_falls_back(r) ? note_unread(reader, source, r) : r;
	r = ph_read_proc(reader, source->proto);
	reader->served = reader->served || r >= 0 || r == -ENOENT;
	if (r == -ENOENT)
		return chosen ? 0 : note_absent(reader, source, why);
	if (r < 0)
		return ph_reader_falls_back(r) ? note_unread(reader, source, r) : r;
	if (r > 0 && ph_reasons_add(&reader->sockets->partial,
	                            "some lines on %s sockets in /proc/net were not understood",
	                            source->name) < 0)
		return -ENOMEM;
	return chosen ? 0 : note_proc(reader, source, why, reader->sockets->count > before);
}

static int read_source(struct ph_socket_reader *reader, const struct source *source)
{
	struct mark mark = mark_of(reader->sockets);
	int r = reader->query->proc ? -ENOENT : ask_diag(reader, source);

	if (r < 0 && ph_reader_falls_back(r)) {
		go_back(reader, mark);
		r = fall_back(reader, source, r);
	} else if (r >= 0) {
		reader->served = true;
	}
	if (r == 1)
		r = ph_reasons_add(
			&reader->sockets->partial,
			"%s sockets kept changing while they were read: some may be missing",
			source->name);
	return r;
}

/* ------------------------------------------------------------ SO_REUSEPORT */

static int compare_binds(const void *a, const void *b)
{
	const struct ph_socket *x = *(const struct ph_socket *const *)a;
	const struct ph_socket *y = *(const struct ph_socket *const *)b;

	if (x->family != y->family)
		return x->family - y->family;
	if (x->lport != y->lport)
		return x->lport - y->lport;
	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(x->laddr, y->laddr, sizeof(x->laddr));
}

/*
 * sock_diag does not tell of SO_REUSEPORT, but the kernel lets two TCP sockets listen on the same
 * address, port and device only where both have it (inet_csk_get_port).
 */
static int find_reuseport(struct ph_socket_reader *reader)
{
	struct ph_sockets *sockets = reader->sockets;
	struct ph_socket **listeners;
	size_t count = 0;

	for (size_t i = reader->first; i < sockets->count; i++)
		count += sockets->items[i].state == PH_LISTEN && sockets->items[i].cookie != 0;
	if (count < 2)
		return 0;
	listeners = malloc(count * sizeof(struct ph_socket *));
	if (listeners == NULL)
		return -ENOMEM;
	count = 0;
	for (size_t i = reader->first; i < sockets->count; i++)
		if (sockets->items[i].state == PH_LISTEN && sockets->items[i].cookie != 0)
			listeners[count++] = &sockets->items[i];
	qsort(listeners, count, sizeof(struct ph_socket *), compare_binds);
	for (size_t i = 1; i < count; i++)
		if (compare_binds(&listeners[i - 1], &listeners[i]) == 0)
			listeners[i - 1]->reuseport = listeners[i]->reuseport = 1;
	free(listeners);
	return 0;
}

/* ------------------------------------------------------------ reading */

static int read_sources(struct ph_socket_reader *reader)
{
	uint32_t protos = reader->query->protos;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		int r;

		if (protos != 0 && (protos & sources[i].protos) == 0)
			continue;
		r = read_source(reader, &sources[i]);
		if (r == 0 && sources[i].proto == PH_TCP)
			r = find_reuseport(reader);
		if (r == -ENOMEM)
			return ph_fail(reader->error, r, "reading %s sockets: out of memory",
			               sources[i].name);
		if (r == -ECANCELED)
			return ph_fail(reader->error, r, "reading %s sockets: cancelled",
			               sources[i].name);
		if (r < 0)
			return r;
	}
	return 0;
}

int ph_sockets_read(struct ph_context *context, const struct ph_socket_query *query, uint16_t netns,
                    struct ph_sockets *sockets, struct ph_error *error)
{
	struct ph_socket_reader reader = {
		.context = context,
		.query = query,
		.sockets = sockets,
		.error = error,
		.net = -1,
		.first = sockets->count,
		.netns = netns,
	};
	int r = read_sources(&reader);

	if (r == 0 && !reader.served && sockets->partial.count > 0)
		r = ph_fail(error, -EACCES, "reading sockets: %s",
		            sockets->partial.items[sockets->partial.count - 1]);
	ph_netlink_close(reader.netlink);
	if (reader.net >= 0)
		close(reader.net);
	free(reader.known.places);
	return r;
}

void ph_sockets_free(struct ph_sockets *sockets)
{
	free(sockets->items);
	free(sockets->details);
	free(sockets->names);
	ph_reasons_free(&sockets->partial);
	*sockets = (struct ph_sockets){ 0 };
}
