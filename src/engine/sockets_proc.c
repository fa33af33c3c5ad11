/*
 * Sockets from /proc/net, for what sock_diag does not give. Sources: proc(5), and the kernel's
 * functions that print these files (tcp4_seq_show, udp6_seq_show, unix_seq_show, ...).
 *
 * The files are read line by line through one buffer. /proc/net itself leads to the namespace of
 * the process's first thread: thread-self/net is this thread's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/sockets_reader.h"

#define BUFFER_BYTES 65536
/* The files count time in USER_HZ, which is 100 on every architecture that Debian has but alpha. */
#define TICK_MS        10
#define SO_ACCEPTCON_X 0x10000 /* __SO_ACCEPTCON, linux/net.h */

/* ------------------------------------------------------------ fields of a line */

/* What is left of a line. Once a field is not what it should be, `bad` stays set. */
struct line {
	const char *at, *end;
	bool bad;
};

static void skip_spaces(struct line *line)
{
	while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
		line->at++;
}

static int digit_of(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	return 16;
}

/* Exactly one number up to `most`, after spaces. */
static uint64_t number(struct line *line, int base, uint64_t most)
{
	const char *from;
	uint64_t value = 0;

	skip_spaces(line);
	for (from = line->at; line->at < line->end; line->at++) {
		int digit = digit_of(*line->at);

		if (digit >= base)
			break;
		if (value > (most - (uint64_t)digit) / (uint64_t)base)
			line->bad = true;
		value = value * (uint64_t)base + (uint64_t)digit;
	}
	if (line->at == from)
		line->bad = true;
	return line->bad ? 0 : value;
}

static uint32_t decimal(struct line *line)
{
	return (uint32_t)number(line, 10, UINT32_MAX);
}

static uint32_t hexadecimal(struct line *line)
{
	return (uint32_t)number(line, 16, UINT32_MAX);
}

static void expect(struct line *line, char byte)
{
	if (line->at < line->end && *line->at == byte)
		line->at++;
	else
		line->bad = true;
}

/* A field that says nothing: a pointer. */
static void skip_field(struct line *line)
{
	skip_spaces(line);
	while (line->at < line->end && *line->at != ' ')
		line->at++;
}

/* An address and port. Each 4 bytes of the address are printed as this machine's number. */
static void endpoint(struct line *line, size_t bytes, uint8_t *address, uint16_t *port)
{
	skip_spaces(line);
	for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
		struct line word = { .at = line->at, .end = line->at + 8 };
		uint32_t value;

		if (line->end - line->at < 8) {
			line->bad = true;
			return;
		}
		value = hexadecimal(&word);
		if (word.bad || word.at != word.end)
			line->bad = true;
		memcpy(address + i, &value, sizeof(value));
		line->at += 8;
	}
	expect(line, ':');
	*port = (uint16_t)number(line, 16, UINT16_MAX);
}

/* ------------------------------------------------------------ the kinds of lines */

static void begin_row(struct ph_socket *row, uint8_t proto, uint8_t family)
{
	row->proto = proto;
	row->family = family;
	row->uid = PH_UID_UNKNOWN;
	row->v6only = PH_UNKNOWN;
	row->reuseport = PH_UNKNOWN;
}

static uint8_t small(uint32_t value)
{
	return value < UINT8_MAX ? (uint8_t)value : UINT8_MAX;
}

/* "sl local remote st tx:rx tr:when retransmits uid timeout inode references ..." */
static void inet_line(struct line *line, struct ph_socket *row)
{
	size_t bytes = row->family == AF_INET ? 4 : 16;
	uint32_t state;

	decimal(line);
	expect(line, ':');
	endpoint(line, bytes, row->laddr, &row->lport);
	endpoint(line, bytes, row->raddr, &row->rport);
	state = hexadecimal(line);
	row->state = state < PH_STATE_COUNT ? (uint8_t)state : PH_STATE_NONE;
	if (row->state == PH_NEW_SYN_RECV)
		row->state = PH_SYN_RECV;
	row->sendq = hexadecimal(line);
	expect(line, ':');
	row->recvq = hexadecimal(line);
	row->timer = small(hexadecimal(line));
	expect(line, ':');
	row->timer_ms = (uint32_t)number(line, 16, UINT64_MAX) * TICK_MS;
	row->retransmits = small(hexadecimal(line));
	row->uid = decimal(line);
	row->probes = small(decimal(line));
	row->inode = decimal(line);
	row->references = decimal(line);
}

static void tcp_line(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row)
{
	(void)reader;
	row->type = SOCK_STREAM;
	inet_line(line, row);
}

static void datagram_line(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row)
{
	(void)reader;
	row->type = row->proto == PH_RAW ? SOCK_RAW : SOCK_DGRAM;
	inet_line(line, row);
}

/* What the socket layer calls its state, and listening apart from it. */
static uint8_t unix_state(uint32_t flags, uint32_t state)
{
	enum { UNCONNECTED = 1, CONNECTING = 2, CONNECTED = 3 };

	if (flags & SO_ACCEPTCON_X)
		return PH_LISTEN;
	return state == CONNECTED || state == CONNECTING ? PH_ESTAB : PH_UNCONN;
}

/*
 * "Num: references protocol flags type state inode[ path]". The path is what is left, with '@' for
 * the NULs of an abstract name. One with a newline in it cannot be told from two lines.
 */
static void unix_line(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row)
{
	uint32_t flags;
	size_t length;
	char name[UINT8_MAX];

	number(line, 16, UINT64_MAX);
	expect(line, ':');
	row->references = hexadecimal(line);
	hexadecimal(line);
	flags = hexadecimal(line);
	row->type = small(hexadecimal(line));
	row->state = unix_state(flags, hexadecimal(line));
	row->inode = decimal(line);
	if (row->type == SOCK_STREAM)
		row->proto = PH_UNIX_STREAM;
	else if (row->type == SOCK_DGRAM)
		row->proto = PH_UNIX_DGRAM;
	else if (row->type == SOCK_SEQPACKET)
		row->proto = PH_UNIX_SEQPACKET;
	else
		line->bad = true;
	if (line->bad || line->at == line->end)
		return;
	expect(line, ' ');
	length = (size_t)(line->end - line->at);
	if (length == 0 || length > sizeof(name)) {
		line->bad = length > sizeof(name);
		return;
	}
	memcpy(name, line->at, length);
	if (name[0] == '@')
		name[0] = '\0';
	if (ph_reader_name(reader, row, name, length) < 0)
		reader->out_of_memory = true;
}

/* "sk references type protocol device running rmem user inode" */
static void packet_line(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row)
{
	(void)reader;
	skip_field(line);
	row->references = decimal(line);
	row->type = small(decimal(line));
	row->lport = (uint16_t)number(line, 16, UINT16_MAX);
	row->ifindex = decimal(line);
	decimal(line);
	row->recvq = decimal(line);
	row->uid = decimal(line);
	row->inode = decimal(line);
}

/* "sk protocol port groups rmem wmem dump references drops inode" */
static void netlink_line(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row)
{
	uint32_t port;

	(void)reader;
	row->type = SOCK_RAW;
	row->state = PH_UNCONN;
	skip_field(line);
	row->lport = (uint16_t)number(line, 10, UINT16_MAX);
	port = htonl(decimal(line));
	memcpy(row->laddr, &port, sizeof(port));
	hexadecimal(line);
	row->recvq = decimal(line);
	row->sendq = decimal(line);
	decimal(line);
	row->references = decimal(line);
	decimal(line);
	row->inode = decimal(line);
}

/* ------------------------------------------------------------ files */

typedef void line_fn(struct ph_socket_reader *reader, struct line *line, struct ph_socket *row);

static const struct proc_file {
	const char *name;
	uint8_t proto, family;
	line_fn *read;
} files[] = {
	{ "tcp", PH_TCP, AF_INET, tcp_line },
	{ "tcp6", PH_TCP, AF_INET6, tcp_line },
	{ "udp", PH_UDP, AF_INET, datagram_line },
	{ "udp6", PH_UDP, AF_INET6, datagram_line },
	{ "udplite", PH_UDPLITE, AF_INET, datagram_line },
	{ "udplite6", PH_UDPLITE, AF_INET6, datagram_line },
	{ "raw", PH_RAW, AF_INET, datagram_line },
	{ "raw6", PH_RAW, AF_INET6, datagram_line },
	{ "icmp", PH_ICMP, AF_INET, datagram_line },
	{ "icmp6", PH_ICMP, AF_INET6, datagram_line },
	{ "unix", PH_UNIX_STREAM, AF_UNIX, unix_line },
	{ "packet", PH_PACKET, AF_PACKET, packet_line },
	{ "netlink", PH_NETLINK, AF_NETLINK, netlink_line },
};

/* Lines of one open file. */
struct lines {
	int fd;
	size_t begin, end; /* of what was read and not given yet */
	bool last; /* the file's end was read */
	char *buffer;
};

/* Reads more behind what is left. A line longer than the buffer is given in parts, each bad. */
static int fill(struct lines *lines)
{
	ssize_t got;

	memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
	lines->end -= lines->begin;
	lines->begin = 0;
	do
		got = read(lines->fd, lines->buffer + lines->end, BUFFER_BYTES - lines->end);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	lines->end += (size_t)got;
	lines->last = got == 0;
	return 0;
}

/* 1: `*line` is the next one; 0: there is none; -errno. */
static int next_line(struct lines *lines, struct line *line)
{
	for (;;) {
		size_t left = lines->end - lines->begin;
		const char *from = lines->buffer + lines->begin;
		const char *newline = left > 0 ? memchr(from, '\n', left) : NULL;
		int r;

		if (newline != NULL || left == BUFFER_BYTES || (lines->last && left > 0)) {
			size_t length = newline != NULL ? (size_t)(newline - from) : left;

			*line = (struct line){ .at = from, .end = from + length };
			lines->begin += length + (newline != NULL);
			return 1;
		}
		if (lines->last)
			return 0;
		r = fill(lines);
		if (r < 0)
			return r;
	}
}

static int read_line(struct ph_socket_reader *reader, const struct proc_file *file,
                     struct line *line, bool *bad)
{
	size_t names = reader->sockets->names_length;
	struct ph_socket *row = ph_reader_row(reader);

	if (row == NULL)
		return -ENOMEM;
	begin_row(row, file->proto, file->family);
	file->read(reader, line, row);
	if (reader->out_of_memory)
		return -ENOMEM;
	if (line->bad) {
		*bad = true;
		reader->sockets->names_length = names;
		return 0;
	}
	return ph_reader_keep(reader, row);
}

static int read_lines(struct ph_socket_reader *reader, const struct proc_file *file, int fd)
{
	struct lines lines = { .fd = fd, .buffer = malloc(BUFFER_BYTES) };
	struct line line;
	bool bad = false;
	int r;

	if (lines.buffer == NULL)
		return -ENOMEM;
	/* The heading. */
	r = next_line(&lines, &line);
	while (r > 0 && (r = next_line(&lines, &line)) > 0) {
		if (ph_cancelled(reader->context))
			r = -ECANCELED;
		else if (line.at < line.end && read_line(reader, file, &line, &bad) < 0)
			r = -ENOMEM;
	}
	free(lines.buffer);
	return r < 0 ? r : bad;
}

int ph_open_proc(struct ph_socket_reader *reader)
{
	int fd;

	if (reader->net >= 0)
		return 0;
	fd = ph_open_below(reader->context->proc, "thread-self/net", O_DIRECTORY, NULL);
	/* Kernels before 3.17, where there is no thread-self at all. */
	if (fd == -ENOENT)
		fd = ph_open_below(reader->context->proc, "net", O_DIRECTORY, NULL);
	if (fd < 0)
		return fd;
	reader->net = fd;
	return 0;
}

static int read_file(struct ph_socket_reader *reader, const struct proc_file *file)
{
	int fd = openat(reader->net, file->name, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = read_lines(reader, file, fd);
	close(fd);
	return r;
}

static bool family_wanted(const struct ph_socket_query *query, uint8_t family)
{
	if (query->families == 0 || (family != AF_INET && family != AF_INET6))
		return true;
	return (query->families & (family == AF_INET ? 1 : 2)) != 0;
}

int ph_read_proc(struct ph_socket_reader *reader, uint8_t proto)
{
	bool found = false, bad = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int r;

		if (files[i].proto != proto || !family_wanted(reader->query, files[i].family))
			continue;
		r = read_file(reader, &files[i]);
		/* Without IPv6, the second file is missing. */
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		found = true;
		bad = bad || r > 0;
	}
	return found ? bad : -ENOENT;
}

int ph_count_protocol(struct ph_socket_reader *reader, const char *name, unsigned long *count)
{
	char *buffer = malloc(BUFFER_BYTES);
	struct lines lines = { .buffer = buffer };
	struct line line;
	int r, listed = 0;

	*count = 0;
	if (buffer == NULL)
		return -ENOMEM;
	lines.fd = openat(reader->net, "protocols", O_RDONLY | O_CLOEXEC);
	r = lines.fd < 0 ? -errno : 1;
	/* "protocol size sockets memory ..." */
	while (r > 0 && (r = next_line(&lines, &line)) > 0) {
		size_t length = strlen(name);

		if ((size_t)(line.end - line.at) <= length || memcmp(line.at, name, length) != 0 ||
		    line.at[length] != ' ')
			continue;
		line.at += length;
		decimal(&line);
		*count = decimal(&line);
		listed = 1;
		break;
	}
	if (lines.fd >= 0)
		close(lines.fd);
	free(buffer);
	return r < 0 ? r : listed;
}
