/* sockets{...}: real sockets in a network namespace of the test's own, as Lua sees them. */
#include "porthole/sockets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

static bool isolated; /* false: this machine lets us make no network namespace */

/* A network namespace of our own, also for an ordinary user, with loopback up. */
static bool bring_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;

	close(fd);
	return up;
}

/* The root of a container may make a namespace and yet not set it up, unless it is a user
 * namespace's own. */
static bool isolate(void)
{
	return (unshare(CLONE_NEWNET) == 0 && bring_loopback_up()) ||
	       (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && bring_loopback_up());
}

static int open_sockets_state(void **state)
{
	open_lua(state);
	lua_pushinteger(*state, getpid());
	lua_setglobal(*state, "self");
	return 0;
}

#define NEEDS_NAMESPACE()                                                         \
	do {                                                                      \
		if (!isolated) {                                                  \
			print_message("no network namespace can be made here\n"); \
			skip();                                                   \
		}                                                                 \
	} while (0)

/* A socket of the test, bound to `address` and a port of the kernel's choice, which Lua knows as
 * `port`. */
static int open_socket(lua_State *L, int type, const char *address, int v6only)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	bool is_v6 = strchr(address, ':') != NULL;
	struct sockaddr *name = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t length = is_v6 ? sizeof(v6) : sizeof(v4);
	int fd = socket(name->sa_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(name->sa_family, address,
	                           is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
	                 1);
	if (is_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	assert_int_equal(bind(fd, name, length), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 7), 0);
	assert_int_equal(getsockname(fd, name, &length), 0);
	lua_pushinteger(L, ntohs(is_v6 ? v6.sin6_port : v4.sin_port));
	lua_setglobal(L, "port");
	lua_pushinteger(L, fd);
	lua_setglobal(L, "fd");
	return fd;
}

static void a_listener_has_all_its_facts(void **state)
{
	struct stat status;
	int fd;

	NEEDS_NAMESPACE();
	fd = open_socket(*state, SOCK_STREAM, "127.0.0.1", 0);
	assert_int_equal(fstat(fd, &status), 0);
	lua_pushinteger(*state, (lua_Integer)status.st_ino);
	lua_setglobal(*state, "inode");
	RUN("local rows = core.sockets{state = 'listen', port = port}"
	    "assert(#rows == 1) local s = rows[1] "
	    "assert(s.family == 'inet' and s.proto == 'tcp' and s.state == 'listen')"
	    "assert(s.laddr == '127.0.0.1' and s.lport == port and s.port == port)"
	    "assert(s.v6only == nil and s.recvq == 0 and s.sendq == 7 and s.inode == inode)"
	    "assert(math.type(s.cookie) == 'integer' and s.netns:find('^net:%['))"
	    "assert(s.pid == self and s.process == s.processes[1].name and #s.processes == 1)"
	    "local p = s.processes[1] assert(p.pid == self and p.fd == fd and "
	    "p.exe:find('sockets'))"
	    "assert(s.iface == nil and s.timer == nil and s.unix == nil and s.type == 'stream')"
	    "assert(s.mem.sndbuf > 0 and s.tcp.state == 10 and #s.congestion > 0)"
	    "assert(s.uid == 0 or s.uid > 0) assert(s.reuseport == false or s.reuseport == nil)"
	    "assert(tostring(s):find('lport=' .. port))");
	close(fd);
}

static void a_dual_socket_is_told_from_an_ipv6_one(void **state)
{
	int fd;

	NEEDS_NAMESPACE();
	fd = open_socket(*state, SOCK_STREAM, "::", 0);
	RUN("local s = core.sockets{port = port}[1] "
	    "assert(s.laddr == '::' and s.family == 'inet6' and s.v6only == false)");
	close(fd);
	fd = open_socket(*state, SOCK_DGRAM, "::1", 1);
	RUN("local s = core.sockets{proto = 'udp', port = port}[1] "
	    "assert(s.laddr == '::1' and s.v6only == true and s.state == 'unconn')");
	close(fd);
	fd = open_socket(*state, SOCK_STREAM, "::ffff:127.0.0.1", 0);
	RUN("assert(core.sockets{port = port, laddr = '127.0.0.0/8'}[1].laddr == "
	    "'::ffff:127.0.0.1')"
	    "assert(#core.sockets{port = port, laddr = '127.0.0.1'} == 1)"
	    "assert(#core.sockets{port = port, laddr = '::/0', family = 'inet6'} == 1)"
	    "assert(#core.sockets{port = port, laddr = '::1'} == 0)"
	    "assert(#core.sockets{port = port, family = 'inet'} == 0)");
	close(fd);
}

static void filters_mean_the_same_to_the_kernel_and_to_rows(void **state)
{
	int tcp, udp;

	NEEDS_NAMESPACE();
	tcp = open_socket(*state, SOCK_STREAM, "127.0.0.1", 0);
	udp = open_socket(*state, SOCK_DGRAM, "::1", 0);
	RUN("local all = core.sockets() assert(#all >= 2)"
	    "local me = all:where{pid = self}[1].process "
	    "for i, filter in ipairs{ {proto = 'tcp'}, {proto = {'tcp', 'udp'}}, {state = "
	    "'listen'},"
	    "  {family = 'inet6'}, {port = '1-65535'}, {port = port}, {laddr = '127.0.0.0/8'},"
	    "  {laddr = {'::1', '127.0.0.1'}}, {raddr = '0.0.0.0/0'}, {rport = 0}, {process = me},"
	    "  {pid = self}, {pid = self, proto = 'udp'}, {user = 'root'}, {uid = 0},"
	    "  {family = 'unix', proto = 'tcp'}, {proto = {}}, {state = {}}, {iface = 'lo'},"
	    "  {process = 'no such'}, {family = {'inet', 'netlink'}}, {v6only = true}, {port = {}},"
	    "  {state = {'listen', 'unconn'}, proto = {'tcp', 'udp'}, port = {1, port}} } do "
	    "  local a, b = core.sockets(filter), core.sockets():where(filter)"
	    "  assert(#a == #b, i .. ': ' .. #a .. ' ' .. #b)"
	    "end");
	close(tcp);
	close(udp);
}

static void a_socket_shared_by_fork_has_both_holders(void **state)
{
	int fd, pipes[2];
	pid_t child;

	NEEDS_NAMESPACE();
	fd = open_socket(*state, SOCK_STREAM, "127.0.0.1", 0);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		char byte;

		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) != 0);
	}
	assert_true(child > 0);
	lua_pushinteger(*state, child);
	lua_setglobal(*state, "child");
	RUN("local s = core.sockets{port = port}[1] assert(#s.processes == 2)"
	    "assert(s.pid == math.min(self, child))"
	    "assert(#core.sockets{port = port, pid = child} == 1)"
	    "assert(#core.sockets{port = port, pid = self} == 1)"
	    "assert(#core.sockets{port = port, pid = {child, self}} == 1)"
	    "assert(#core.sockets{port = port, pid = 1 << 30} == 0)");
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fd);
}

static void unix_sockets_have_their_path(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0porthole-\n-test" };
	int fd, pair[2];

	NEEDS_NAMESPACE();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t) + 16), 0);
	assert_int_equal(listen(fd, 3), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	RUN("local found, peers = nil, 0 "
	    "for _, s in ipairs(core.sockets{family = 'unix', pid = self}) do"
	    "  assert(s.proto == 'unix-stream' and s.laddr == nil and s.lport == nil)"
	    "  if s.unix.path == '@porthole-\\n-test' then found = s end"
	    "  if s.unix.peer then peers = peers + 1 end "
	    "end "
	    "assert(found and found.state == 'listen' and peers >= 2)"
	    "assert(not tostring(found):find('\\n'))");
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* A child in a namespace of its own, with a listener there; it ends when the pipe closes. */
static pid_t fork_elsewhere(lua_State *L, int *release)
{
	int ready[2], wait[2];
	uint16_t port = 0;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(wait), 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_in name = { .sin_family = AF_INET };
		socklen_t length = sizeof(name);
		int fd, r;

		close(wait[1]);
		close(ready[0]);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		r = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
		if (r < 0 || listen(fd, 3) < 0 ||
		    getsockname(fd, (struct sockaddr *)&name, &length) < 0)
			_exit(1);
		port = ntohs(name.sin_port);
		r = write(ready[1], &port, sizeof(port)) == sizeof(port);
		_exit(r && read(wait[0], &port, 1) != 0);
	}
	close(ready[1]);
	close(wait[0]);
	*release = wait[1];
	assert_int_equal(read(ready[0], &port, sizeof(port)), sizeof(port));
	close(ready[0]);
	lua_pushinteger(L, port);
	lua_setglobal(L, "port");
	lua_pushinteger(L, child);
	lua_setglobal(L, "child");
	return child;
}

static void sockets_of_other_namespaces_are_asked_for(void **state)
{
	pid_t child;
	int release;

	NEEDS_NAMESPACE();
	child = fork_elsewhere(*state, &release);
	RUN("assert(#core.sockets{port = port, state = 'listen'} == 0)"
	    "local there = core.sockets{netns = child, port = port, state = 'listen'}"
	    "assert(#there == 1) local s = there[1] "
	    "assert(s.netns ~= core.sockets{netns = self}[1].netns and s.iface == 'lo')"
	    "assert(s.pid == child and s.tcp.state == 10)"
	    "assert(#core.sockets{netns = {child, self, tostring(child)}, port = port,"
	    "  state = 'listen', iface = 'lo'} == 1)"
	    "assert(#core.sockets{netns = '/proc/' .. child .. '/ns/net', port = port} == 1)"
	    "local all = core.sockets{netns = 'all', port = port, pid = child}"
	    "assert(#all == 1 and all[1].netns == s.netns and all[1].cookie == s.cookie)");
	close(release);
	assert_int_equal(waitpid(child, NULL, 0), child);
	RUN("local none, message, code = core.sockets{netns = child} assert(none == nil and "
	    "message)"
	    "none, message, code = core.sockets{netns = 'no-such-name'}"
	    "assert(none == nil and code == 'ENOENT')");
	assert_raises(*state, "core.sockets{netns = true}", "filter 'netns' takes");
	assert_raises(*state, "core.sockets{netns = {1.5}}", "filter 'netns' takes");
}

static void a_wrong_question_is_named(void **state)
{
	assert_raises(
		*state, "core.sockets{prot = 'tcp'}",
		"bad argument #1 to 'sockets' (unknown filter 'prot'; did you mean 'proto'?)");
	assert_raises(*state, "core.sockets{state = 'listening'}", "filter 'state' cannot be");
	assert_raises(*state, "core.sockets{state = 'listn'}", "did you mean 'listen'?");
	assert_raises(*state, "core.sockets{proto = 'tpc'}", "did you mean 'tcp'?");
	assert_raises(*state, "core.sockets{family = 'ipv4'}", "it is one of inet, inet6");
	assert_raises(*state, "core.sockets{proc = 1}", "option 'proc' takes true or false");
	assert_raises(*state, "core.sockets('tcp')", "table expected");
	assert_raises(*state, "return core.sockets{proto = 'tcp', state = 'listen'}:sort('lprt')",
	              "no column 'lprt' in a socket; did you mean 'lport'?");
}

/* The names that filters take are those that sockets have. */
static void closed_sets_have_every_name(void **state)
{
	RUN("known = {} for _, c in ipairs(core.sockets{proto = {}}.columns) do"
	    "  assert(#c.help > 0, c.name)"
	    "  for _, value in ipairs(c.values or {}) do known[c.name .. '=' .. value] = true end "
	    "end");
	for (unsigned i = 0; i < PH_PROTO_COUNT; i++) {
		lua_pushfstring(*state, "proto=%s", ph_proto_name(i));
		lua_setglobal(*state, "name");
		RUN("assert(known[name], name)");
	}
	for (unsigned i = 0; i < PH_STATE_COUNT; i++) {
		/* The kernel's NEW_SYN_RECV is given as SYN_RECV. */
		if (ph_state_name(i) == NULL || i == PH_NEW_SYN_RECV)
			continue;
		lua_pushfstring(*state, "state=%s", ph_state_name(i));
		lua_setglobal(*state, "name");
		RUN("assert(known[name], name)");
	}
}

static void counting_reads_no_processes(void **state)
{
	struct ph_context context;
	lua_State *L;
	int fd;

	NEEDS_NAMESPACE();
	assert_int_equal(ph_context_open(&context, NULL), 0);
	context.proc = "/nowhere";
	L = new_state(&context);
	fd = open_socket(L, SOCK_STREAM, "127.0.0.1", 0);
	run(L, "local rows = core.sockets{state = 'listen', port = port}"
	       "assert(#rows == 1 and rows[1].laddr == '127.0.0.1' and rows[1].tcp)"
	       "assert(rows[1].process == nil and rows[1].processes == nil)"
	       "local said for _, reason in ipairs(rows.partial) do"
	       "  said = said or reason:find('owners are unknown') end assert(said)");
	lua_close(L);
	ph_context_close(&context);
	(void)state;
	close(fd);
}

static void a_cancelled_question_is_a_failure(void **state)
{
	struct ph_context context;
	lua_State *L;

	(void)state;
	assert_int_equal(ph_context_open(&context, NULL), 0);
	L = new_state(&context);
	run(L, "kept = core.sockets{proto = {'tcp', 'udp', 'netlink'}}");
	ph_cancel(&context);
	run(L, "local rows, message, code = core.sockets()"
	       "assert(rows == nil and code == 'ECANCELED', code)");
	assert_raises(L, "return kept.partial", "interrupted!");
	ph_cancel_reset(&context);
	run(L, "assert(kept.partial)");
	lua_close(L);
	ph_context_close(&context);
}

static void rows_of_sockets_survive_the_collector(void **state)
{
	NEEDS_NAMESPACE();
	RUN("for _, mode in ipairs{ 'generational', 'incremental' } do"
	    "  collectgarbage(mode)"
	    "  for i = 1, 30 do"
	    "    local row = core.sockets():sort('-inode'):where{family = {'netlink', 'unix'}}[1]"
	    "    if i % 3 == 0 then collectgarbage() end "
	    "    assert(row == nil or row.proto)"
	    "  end "
	    "end");
}

static void every_allocation_may_fail(void **state)
{
	int fd;

	NEEDS_NAMESPACE();
	fd = open_socket(*state, SOCK_STREAM, "127.0.0.1", 0);
	fail_each_allocation_of(
		NULL, "",
		"local rows, message, code = core.sockets{state = {'listen'}, proto = 'tcp',"
		"  port = '1-65535', laddr = '127.0.0.0/8'}"
		"if not rows then return rows, message, code end "
		"local row = rows[1] local t = { row.tcp, row.mem, row.processes, row.user,"
		"  row.iface, row.unit, row.netns, row.congestion, rows.partial, "
		"rows:sort('process') }"
		"return true");
	fail_each_allocation_of(NULL, "",
	                        "local links, message, code = core.interfaces{name = 'lo'}"
	                        "if not links then return links, message, code end "
	                        "local t = { links[1].addresses, links[1].flags, links[1].mac }"
	                        "return core.addresses()");
	close(fd);
}

static void every_allocation_may_fail_in_other_namespaces(void **state)
{
	pid_t child;
	int release;

	NEEDS_NAMESPACE();
	child = fork_elsewhere(*state, &release);
	lua_pushfstring(*state, "child = %d", (int)child);
	fail_each_allocation_of(NULL, lua_tostring(*state, -1),
	                        "local rows, message, code = core.sockets{netns = child,"
	                        "  proto = 'tcp', state = 'listen'}"
	                        "if not rows then return rows, message, code end "
	                        "return rows[1].iface, rows[1].netns");
	close(release);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void interfaces_have_their_addresses(void **state)
{
	NEEDS_NAMESPACE();
	RUN("local lo = core.interfaces{name = 'lo'}[1] "
	    "assert(lo.ifindex > 0 and lo.up == true and lo.mtu > 0 and lo.kind == nil)"
	    "local four for _, a in ipairs(lo.addresses) do"
	    "  if a.address == '127.0.0.1' then four = a end end "
	    "assert(four and four.prefix == 8 and four.scope == 'host' and four.iface == 'lo')"
	    "local found for _, a in ipairs(core.addresses()) do"
	    "  found = found or (a.address == '::1' and a.family == 'inet6') end assert(found)"
	    "assert(#core.interfaces{name = 'nothing'} == 0)");
	assert_raises(*state, "core.interfaces{nam = 'lo'}", "did you mean 'name'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_has_all_its_facts),
		cmocka_unit_test(a_dual_socket_is_told_from_an_ipv6_one),
		cmocka_unit_test(filters_mean_the_same_to_the_kernel_and_to_rows),
		cmocka_unit_test(a_socket_shared_by_fork_has_both_holders),
		cmocka_unit_test(unix_sockets_have_their_path),
		cmocka_unit_test(sockets_of_other_namespaces_are_asked_for),
		cmocka_unit_test(a_wrong_question_is_named),
		cmocka_unit_test(closed_sets_have_every_name),
		cmocka_unit_test(counting_reads_no_processes),
		cmocka_unit_test(a_cancelled_question_is_a_failure),
		cmocka_unit_test(rows_of_sockets_survive_the_collector),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_allocation_may_fail_in_other_namespaces),
		cmocka_unit_test(interfaces_have_their_addresses),
	};

	isolated = isolate();
	return cmocka_run_group_tests_name("sockets", tests, open_sockets_state, close_lua);
}
