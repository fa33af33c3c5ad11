/* The columns of a socket: the one description that fields, filters, help and formats come from. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "binding/rows_internal.h"
#include "binding/sockets.h"

#define GET(name) static void get_##name(const void *storage, const void *item, struct cell *cell)
#define SOCKET    ((const struct ph_socket *)item)
#define ROWS      ((const struct socket_rows *)storage)

static void set_integer(struct cell *cell, int64_t value)
{
	cell->type = CELL_INTEGER;
	cell->as.integer = value;
}

/* Zero stands for a fact that is not there. */
static void set_present(struct cell *cell, int64_t value)
{
	set_integer(cell, value);
	if (value == 0)
		cell->type = CELL_NIL;
}

static void set_tristate(struct cell *cell, int8_t value)
{
	cell->type = value == PH_UNKNOWN ? CELL_NIL : CELL_BOOLEAN;
	cell->as.boolean = value != 0;
}

static bool is_inet(const struct ph_socket *socket)
{
	return socket->family == AF_INET || socket->family == AF_INET6;
}

GET(netns)
{
	cell_set_text(cell, SOCKET->netns < ROWS->netns_count ? ROWS->netns[SOCKET->netns] : NULL);
}

static const char *const families[] = {
	"inet", "inet6", "unix", "packet", "netlink", "vsock", "xdp", NULL,
};

GET(family)
{
	static const uint8_t numbers[] = {
		AF_INET, AF_INET6, AF_UNIX, AF_PACKET, AF_NETLINK, AF_VSOCK, AF_XDP,
	};

	(void)storage;
	cell->type = CELL_NIL;
	for (size_t i = 0; i < sizeof(numbers); i++)
		if (numbers[i] == SOCKET->family)
			cell_set_text(cell, families[i]);
}

/* As ph_proto_name() and ph_state_name() have them, which a test compares. */
static const char *const protos[] = {
	"tcp",     "mptcp", "udp",         "udplite",    "sctp",           "dccp",
	"raw",     "icmp",  "unix-stream", "unix-dgram", "unix-seqpacket", "packet",
	"netlink", "vsock", "xdp",         NULL,
};

GET(proto)
{
	(void)storage;
	cell_set_text(cell, ph_proto_name(SOCKET->proto));
}

static const char *const states[] = {
	"estab",      "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2",     "time-wait", "unconn",
	"close-wait", "last-ack", "listen",   "closing",    "bound-inactive", NULL,
};

GET(state)
{
	(void)storage;
	cell_set_text(cell, ph_state_name(SOCKET->state));
}

/* An address of vsock(7) is a context id. */
static void set_address(const struct ph_socket *socket, const uint8_t address[16],
                        struct cell *cell)
{
	uint32_t cid;

	cell->type = CELL_NIL;
	if (is_inet(socket)) {
		cell->type = CELL_ADDRESS;
		cell->as.address.family = socket->family;
		memcpy(cell->as.address.bytes, address, 16);
	} else if (socket->family == AF_VSOCK) {
		memcpy(&cid, address, sizeof(cid));
		snprintf(cell->room, sizeof(cell->room), "%u", ntohl(cid));
		cell_set_text(cell, cid == UINT32_MAX ? "*" : cell->room);
	}
}

static void set_port(const struct ph_socket *socket, uint16_t port, const uint8_t address[16],
                     struct cell *cell)
{
	uint32_t wide;

	cell->type = CELL_NIL;
	if (is_inet(socket)) {
		set_integer(cell, port);
	} else if (socket->family == AF_VSOCK) {
		memcpy(&wide, address + 4, sizeof(wide));
		if (wide != UINT32_MAX)
			set_integer(cell, ntohl(wide));
	}
}

GET(laddr)
{
	(void)storage;
	set_address(SOCKET, SOCKET->laddr, cell);
}

GET(lport)
{
	(void)storage;
	set_port(SOCKET, SOCKET->lport, SOCKET->laddr, cell);
}

GET(raddr)
{
	(void)storage;
	set_address(SOCKET, SOCKET->raddr, cell);
}

GET(rport)
{
	(void)storage;
	set_port(SOCKET, SOCKET->rport, SOCKET->raddr, cell);
}

GET(v6only)
{
	(void)storage;
	set_tristate(cell, SOCKET->v6only);
}

GET(recvq)
{
	(void)storage;
	set_integer(cell, SOCKET->recvq);
}

GET(sendq)
{
	(void)storage;
	set_integer(cell, SOCKET->sendq);
}

GET(uid)
{
	(void)storage;
	set_integer(cell, SOCKET->uid);
	if (SOCKET->uid == PH_UID_UNKNOWN)
		cell->type = CELL_NIL;
}

GET(user)
{
	cell_set_text(cell, socket_user_name(ROWS, SOCKET->uid));
}

GET(inode)
{
	(void)storage;
	set_present(cell, SOCKET->inode);
}

/* 64 bits, of which the kernel uses few: it counts the sockets. */
GET(cookie)
{
	(void)storage;
	set_present(cell, (int64_t)SOCKET->cookie);
}

GET(iface)
{
	cell_set_text(cell, socket_iface_name(ROWS, SOCKET));
}

GET(processes)
{
	cell->type = socket_holder(ROWS, SOCKET, 0, NULL) != NULL ? CELL_OTHER : CELL_NIL;
}

static void set_field(lua_State *L, const char *name, const char *text)
{
	if (text == NULL)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

/* Pushes the metatable of a process: which fields it has, in JSON also where they are unknown. */
static void push_process_metatable(lua_State *L)
{
	static const char *const fields[] = { "pid", "name", "exe", "cmdline", "user", "fd" };

	if (luaL_newmetatable(L, "porthole.holder") == 0)
		return;
	lua_createtable(L, 6, 0);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		lua_pushstring(L, fields[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "__fields");
}

static void push_process(lua_State *L, const struct socket_rows *rows,
                         const struct ph_process *process, const struct ph_holder *held)
{
	lua_createtable(L, 0, 11);
	lua_pushinteger(L, process->pid);
	lua_setfield(L, -2, "pid");
	lua_pushinteger(L, held->fd);
	lua_setfield(L, -2, "fd");
	if (held->thread != 0) {
		lua_pushinteger(L, held->thread);
		lua_setfield(L, -2, "thread");
	}
	set_field(L, "name", process->name);
	set_field(L, "exe", process->exe);
	set_field(L, "cmdline", process->cmdline);
	set_field(L, "user", socket_user_name(rows, process->uid));
	set_field(L, "unit", process->unit);
	set_field(L, "user_unit", process->user_unit);
	set_field(L, "container", process->container);
	push_process_metatable(L);
	lua_setmetatable(L, -2);
}

static void push_processes(lua_State *L, const void *storage, const void *item)
{
	const struct ph_process *process;
	const struct ph_holder *held = NULL;

	lua_newtable(L);
	for (size_t i = 0; (process = socket_holder(ROWS, SOCKET, i, &held)) != NULL; i++) {
		push_process(L, ROWS, process, held);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static bool also_process(const void *storage, const void *item, size_t nth, struct cell *cell)
{
	const struct ph_process *process = socket_holder(ROWS, SOCKET, nth, NULL);

	cell_set_text(cell, process != NULL ? process->name : NULL);
	return process != NULL;
}

GET(process)
{
	also_process(storage, item, 0, cell);
}

static bool also_pid(const void *storage, const void *item, size_t nth, struct cell *cell)
{
	const struct ph_process *process = socket_holder(ROWS, SOCKET, nth, NULL);

	set_integer(cell, process != NULL ? process->pid : 0);
	cell->type = process != NULL ? CELL_INTEGER : CELL_NIL;
	return process != NULL;
}

GET(pid)
{
	also_pid(storage, item, 0, cell);
}

/* Every holder's unit, and the unit inside its user's manager. */
static bool also_unit(const void *storage, const void *item, size_t nth, struct cell *cell)
{
	const struct ph_process *process = socket_holder(ROWS, SOCKET, nth / 2, NULL);

	cell->type = CELL_NIL;
	if (process != NULL)
		cell_set_text(cell, nth % 2 == 0 ? process->unit : process->user_unit);
	return process != NULL;
}

GET(unit)
{
	also_unit(storage, item, 0, cell);
}

static bool also_container(const void *storage, const void *item, size_t nth, struct cell *cell)
{
	const struct ph_process *process = socket_holder(ROWS, SOCKET, nth, NULL);

	cell_set_text(cell, process != NULL ? process->container : NULL);
	return process != NULL;
}

GET(container)
{
	also_container(storage, item, 0, cell);
}

GET(mark)
{
	(void)storage;
	set_present(cell, SOCKET->mark);
}

GET(cgroup)
{
	(void)storage;
	set_present(cell, (int64_t)SOCKET->cgroup);
}

GET(reuseport)
{
	(void)storage;
	set_tristate(cell, SOCKET->reuseport);
}

GET(congestion)
{
	const struct ph_socket_detail *detail = socket_detail(ROWS, SOCKET);

	cell_set_text(cell,
	              detail != NULL && *detail->congestion != '\0' ? detail->congestion : NULL);
}

/* idiag_timer, by what each waits for. */
static const char *timer_name(uint8_t timer)
{
	static const char *const names[] = {
		[1] = "retransmit",
		[2] = "keepalive",
		[3] = "time-wait",
		[4] = "probe",
	};

	return timer < sizeof(names) / sizeof(*names) && names[timer] != NULL ? names[timer]
	                                                                      : "unknown";
}

GET(timer)
{
	(void)storage;
	cell->type = SOCKET->timer != 0 ? CELL_OTHER : CELL_NIL;
}

static void push_timer(lua_State *L, const void *storage, const void *item)
{
	(void)storage;
	lua_createtable(L, 0, 3);
	set_field(L, "name", timer_name(SOCKET->timer));
	lua_pushinteger(L, SOCKET->timer_ms);
	lua_setfield(L, -2, "expires_ms");
	lua_pushinteger(L, SOCKET->retransmits);
	lua_setfield(L, -2, "retransmits");
}

GET(mem)
{
	const struct ph_socket_detail *detail = socket_detail(ROWS, SOCKET);

	cell->type = detail != NULL && detail->has_mem ? CELL_OTHER : CELL_NIL;
}

static void push_mem(lua_State *L, const void *storage, const void *item)
{
	push_mem_info(L, socket_detail(ROWS, SOCKET)->mem);
}

GET(tcp)
{
	const struct ph_socket_detail *detail = socket_detail(ROWS, SOCKET);

	cell->type = detail != NULL && detail->tcp_info_length > 0 ? CELL_OTHER : CELL_NIL;
}

static void push_tcp(lua_State *L, const void *storage, const void *item)
{
	const struct ph_socket_detail *detail = socket_detail(ROWS, SOCKET);

	push_tcp_info(L, detail->tcp_info, detail->tcp_info_length);
}

GET(unix)
{
	(void)storage;
	cell->type = SOCKET->family == AF_UNIX ? CELL_OTHER : CELL_NIL;
}

static void set_number(lua_State *L, const char *name, uint32_t value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

/* An abstract name begins with NUL, which is written as @ (unix(7)). */
static void push_path(lua_State *L, const struct socket_rows *rows, const struct ph_socket *socket)
{
	const char *name = rows->sockets.names + socket->name;

	if (*name == '\0') {
		lua_pushliteral(L, "@");
		lua_pushlstring(L, name + 1, socket->name_length - 1u);
		lua_concat(L, 2);
	} else {
		lua_pushlstring(L, name, socket->name_length);
	}
}

static void push_unix(lua_State *L, const void *storage, const void *item)
{
	const struct ph_socket_detail *detail = socket_detail(ROWS, SOCKET);

	lua_createtable(L, 0, 5);
	if (SOCKET->name_length > 0) {
		push_path(L, ROWS, SOCKET);
		lua_setfield(L, -2, "path");
	}
	if (detail == NULL || !detail->has_unix)
		return;
	if (detail->unix_peer != 0)
		set_number(L, "peer", detail->unix_peer);
	if (SOCKET->state == PH_LISTEN)
		set_number(L, "pending", detail->unix_pending);
	if (detail->unix_inode != 0) {
		set_number(L, "device", detail->unix_device);
		set_number(L, "file_inode", detail->unix_inode);
	}
}

static const char *const types[] = { "stream", "dgram", "raw", "rdm", "seqpacket", NULL };

GET(type)
{
	(void)storage;
	/* SOCK_STREAM is 1, and the others follow in this order (socket(2)). */
	cell_set_text(cell, SOCKET->type >= SOCK_STREAM && SOCKET->type <= SOCK_SEQPACKET
	                            ? types[SOCKET->type - SOCK_STREAM]
	                            : NULL);
}

/* What the families without ports keep where the others have one. */
GET(protocol)
{
	(void)storage;
	set_integer(cell, SOCKET->lport);
	if (SOCKET->proto != PH_RAW && SOCKET->family != AF_PACKET && SOCKET->family != AF_NETLINK)
		cell->type = CELL_NIL;
}

GET(portid)
{
	uint32_t id;

	(void)storage;
	memcpy(&id, SOCKET->laddr, sizeof(id));
	set_integer(cell, ntohl(id));
	if (SOCKET->family != AF_NETLINK)
		cell->type = CELL_NIL;
}

GET(references)
{
	(void)storage;
	set_present(cell, SOCKET->references);
}

static const char *const shutdowns[] = { "receive", "send", "both", NULL };

GET(probes)
{
	(void)storage;
	set_integer(cell, SOCKET->probes);
	if (SOCKET->references == 0)
		cell->type = CELL_NIL;
}

/* As /proc/net/unix writes it: @ for the NUL that begins an abstract name. */
GET(path)
{
	const char *name = ROWS->sockets.names + SOCKET->name;
	size_t length = SOCKET->name_length;

	cell->type = CELL_NIL;
	if (length == 0)
		return;
	cell->type = CELL_STRING;
	cell->as.string.bytes = name;
	cell->as.string.length = length;
	if (*name == '\0' && length <= sizeof(cell->room)) {
		memcpy(cell->room, name, length);
		*cell->room = '@';
		cell->as.string.bytes = cell->room;
	}
}

GET(shutdown)
{
	(void)storage;
	cell_set_text(cell,
	              (SOCKET->shutdown & 3) != 0 ? shutdowns[(SOCKET->shutdown & 3) - 1] : NULL);
}

#define COLUMN(column, kind, text, ...)                                                    \
	{                                                                                  \
		.name = #column, .type = COLUMN_##kind, .help = text, .get = get_##column, \
		__VA_ARGS__                                                                \
	}

static const struct column columns[] = {
	COLUMN(netns, NAME, "the network namespace that it is in", .weight = 0),
	COLUMN(family, NAME, "address family", .values = families),
	COLUMN(proto, NAME, "protocol", .values = protos, .weight = 10),
	COLUMN(state, NAME, "state, as ss spells it; a family without states has none",
	       .values = states, .weight = 8),
	COLUMN(laddr, ADDRESS, "own address; of vsock: its context id", .weight = 9),
	COLUMN(lport, PORT, "own port; of a raw socket: its IP protocol", .alias = "port",
	       .weight = 9),
	COLUMN(raddr, ADDRESS, "the peer's address", .weight = 6),
	COLUMN(rport, PORT, "the peer's port; 0: no peer", .weight = 6),
	COLUMN(v6only, BOOLEAN,
	       "IPv6 only; the kernel tells it of listening and unconnected IPv6 sockets"),
	COLUMN(recvq, INTEGER, "received and not yet read; of a listener: connections that wait",
	       .unit = "bytes", .weight = 2),
	COLUMN(sendq, INTEGER,
	       "sent and not yet acknowledged; of a listener: the most connections that may wait",
	       .unit = "bytes", .weight = 2),
	COLUMN(uid, INTEGER, "number of the user who made it"),
	COLUMN(user, NAME, "the user who made it", .part = PART_USERS, .weight = 3),
	COLUMN(inode, INTEGER, "inode of its file; none: no process holds it"),
	COLUMN(cookie, INTEGER, "its identity while the host runs"),
	COLUMN(iface, NAME, "the network device that it is bound to", .part = PART_IFACES,
	       .weight = 4),
	COLUMN(processes, LIST,
	       "every process that holds it: a list of pid, name, exe, cmdline, user and fd",
	       .part = PART_OWNERS, .push = push_processes),
	COLUMN(process, NAME, "name of the first process that holds it; filters look at all",
	       .part = PART_OWNERS, .also = also_process, .weight = 7),
	COLUMN(pid, INTEGER,
	       "number of the first process that holds it (1 only where no other does); filters "
	       "look at all",
	       .part = PART_OWNERS, .also = also_pid, .weight = 5),
	COLUMN(unit, NAME, "systemd unit of the first process; filters look at all",
	       .part = PART_OWNERS, .also = also_unit, .weight = 3),
	COLUMN(container, NAME, "container of the first process; filters look at all",
	       .part = PART_OWNERS, .also = also_container),
	COLUMN(mark, INTEGER, "its firewall mark (SO_MARK); none: zero, or not to be seen"),
	COLUMN(cgroup, INTEGER, "id of the control group that it was made in"),
	COLUMN(reuseport, BOOLEAN, "several sockets may bind this address and port (SO_REUSEPORT)"),
	COLUMN(congestion, NAME, "congestion control algorithm", .part = PART_DETAILS),
	COLUMN(timer, TABLE,
	       "what it waits for: name (retransmit, keepalive, time-wait, probe), expires_ms, "
	       "retransmits",
	       .push = push_timer),
	COLUMN(mem, TABLE, "memory, in bytes, by the names of SK_MEMINFO in sock_diag(7); drops",
	       .part = PART_DETAILS, .push = push_mem),
	COLUMN(tcp, TABLE, "struct tcp_info of tcp(7), as far as this kernel has it",
	       .part = PART_DETAILS, .push = push_tcp),
	COLUMN(unix, TABLE,
	       "of a Unix socket: path (@ begins an abstract one), peer (inode), pending, device, "
	       "file_inode",
	       .part = PART_DETAILS, .push = push_unix),
	COLUMN(type, NAME, "type, as socket(2) has it", .values = types),
	COLUMN(protocol, INTEGER,
	       "number of the protocol of raw (IP), packet (Ethernet) and netlink sockets"),
	COLUMN(portid, INTEGER, "port id of a netlink socket"),
	COLUMN(references, INTEGER, "how often the kernel refers to it, where /proc/net was read"),
	COLUMN(probes, INTEGER, "unanswered probes, where /proc/net was read"),
	COLUMN(path, NAME, "path or name of a Unix socket; @ begins an abstract one"),
	COLUMN(shutdown, NAME, "which half of a connection is shut down", .values = shutdowns),
};

static size_t count_sockets(const void *storage)
{
	return ROWS->sockets.count;
}

static const void *socket_at(const void *storage, size_t index)
{
	return &ROWS->sockets.items[index];
}

/* The kernel's reasons first, then those of the parts. */
static const char *socket_reason(const void *storage, size_t nth)
{
	size_t first = ROWS->sockets.partial.count;

	if (nth < first)
		return ROWS->sockets.partial.items[nth];
	return nth - first < ROWS->reasons.count ? ROWS->reasons.items[nth - first] : NULL;
}

const struct row_type socket_type = {
	.name = "socket",
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(*columns),
	.storage_size = sizeof(struct socket_rows),
	.count = count_sockets,
	.item = socket_at,
	.load = socket_rows_load,
	.reason_parts = PART_OWNERS,
	.reason = socket_reason,
	.release = socket_rows_release,
};
