/*
 * A host with sockets of every kind of bind, for tests: run it in a network namespace of its own.
 *It makes addresses and devices with ip(8), opens the sockets, prints one JSON line for each holder
 *of each socket that an audit has to show, then a line "ready", and holds them all until its
 *standard input ends.
 *
 *	{"proto":"tcp","port":20001,"address":"0.0.0.0","iface":null,"v6only":null,"pid":12,"uid":0,...}
 *
 * Sockets that are no open port (connected ones, unbound ones, Unix) are made too and not printed:
 *an audit must not show them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

struct bind {
	const char *address;
	const char *iface; /* bound to this device */
	const char *ipv4, *ipv6, *reach; /* what an audit has to say of it; NULL: null */
	int v6only; /* -1: not an IPv6 socket */
};

/* The devices below: lo, lan0 (192.168.7.1, fd00:7::1), wan0 (203.0.113.5, 2001:db8::5), ll0 (only
 * fe80::), bare0. */
static const struct bind binds[] = {
	{ "0.0.0.0", NULL, "true", "false", "internet", -1 },
	{ "0.0.0.0", "lo", "true", "false", "host", -1 },
	{ "0.0.0.0", "lan0", "true", "false", "lan", -1 },
	{ "0.0.0.0", "wan0", "true", "false", "internet", -1 },
	{ "0.0.0.0", "bare0", "true", "false", NULL, -1 },
	{ "127.0.0.1", NULL, "true", "false", "host", -1 },
	{ "127.9.8.7", NULL, "true", "false", "host", -1 },
	{ "192.168.7.1", NULL, "true", "false", "lan", -1 },
	{ "192.168.7.1", "lan0", "true", "false", "lan", -1 },
	{ "100.64.0.1", NULL, "true", "false", "lan", -1 },
	{ "100.128.0.1", NULL, "true", "false", "internet", -1 },
	{ "172.16.0.1", NULL, "true", "false", "lan", -1 },
	{ "172.32.0.1", NULL, "true", "false", "internet", -1 },
	{ "10.1.2.3", NULL, "true", "false", "lan", -1 },
	{ "169.254.3.4", NULL, "true", "false", "link", -1 },
	{ "203.0.113.5", NULL, "true", "false", "internet", -1 },
	{ "::", NULL, "true", "true", "internet", 0 },
	{ "::", NULL, "false", "true", "internet", 1 },
	{ "::", "lo", "true", "true", "host", 0 },
	{ "::", "lan0", "false", "true", "lan", 1 },
	{ "::", "ll0", "true", "true", "link", 0 },
	{ "::1", NULL, "false", "true", "host", 0 },
	{ "::1", NULL, "false", "true", "host", 1 },
	{ "fd00:7::1", NULL, "false", "true", "lan", 0 },
	{ "2001:db8::5", NULL, "false", "true", "internet", 1 },
	{ "fe80::77", "ll0", "false", "true", "link", 0 },
	{ "::ffff:127.0.0.1", NULL, "true", "false", "host", 0 },
	{ "::ffff:192.168.7.1", NULL, "true", "false", "lan", 0 },
	{ "::ffff:203.0.113.5", NULL, "true", "false", "internet", 0 },
	{ "::ffff:0.0.0.0", NULL, "true", "false", "internet", 0 },
};

static const char *const set_up[] = {
	"link set lo up",
	"link add lan0 type veth peer name lan0p",
	"link add wan0 type veth peer name wan0p",
	"link add ll0 type veth peer name ll0p",
	"link add bare0 type veth peer name bare0p",
	"link set lan0p addrgenmode none",
	"link set wan0p addrgenmode none",
	"link set ll0p addrgenmode none",
	"link set lan0 addrgenmode none",
	"link set wan0 addrgenmode none",
	"addr add 192.168.7.1/24 dev lan0",
	"addr add fd00:7::1/64 dev lan0 nodad",
	"addr add 203.0.113.5/24 dev wan0",
	"addr add 2001:db8::5/64 dev wan0 nodad",
	"addr add 10.1.2.3/8 dev wan0",
	"addr add 172.16.0.1/24 dev wan0",
	"addr add 172.32.0.1/24 dev wan0",
	"addr add 100.64.0.1/24 dev wan0",
	"addr add 100.128.0.1/24 dev wan0",
	"addr add 169.254.3.4/16 dev wan0",
	"link set lan0 up",
	"link set lan0p up",
	"link set wan0 up",
	"link set wan0p up",
	"link set ll0 addrgenmode none",
	"link set ll0 up",
	"link set ll0p up",
	"addr add fe80::77/64 dev ll0 nodad",
};

static void die(const char *what)
{
	fprintf(stderr, "world: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void ip(const char *line)
{
	char copy[128], *words[16], *rest = copy;
	size_t count = 0;
	int status;
	pid_t child;

	snprintf(copy, sizeof(copy), "ip %s", line);
	while (count < 15 && (words[count] = strtok_r(rest, " ", &rest)) != NULL)
		count++;
	words[count] = NULL;
	child = fork();
	if (child == 0) {
		execvp("ip", words);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
		die(line);
}

static socklen_t fill(const struct bind *bind, int port, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	memset(address, 0, sizeof(*address));
	if (bind->v6only < 0) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		inet_pton(AF_INET, bind->address, &in->sin_addr);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	inet_pton(AF_INET6, bind->address, &in6->sin6_addr);
	if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		in6->sin6_scope_id = if_nametoindex(bind->iface);
	return sizeof(*in6);
}

/* Opens one socket as described; TCP ones listen. */
static int open_bound(const struct bind *bind_to, int protocol, int port, bool reuseport)
{
	int type =
		protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ? SOCK_DGRAM : SOCK_STREAM;
	struct sockaddr_storage address;
	socklen_t length = fill(bind_to, port, &address);
	int on = 1, fd;

	fd = socket(address.ss_family, type, protocol);
	if (fd < 0)
		return -1;
	if (bind_to->v6only >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &bind_to->v6only,
	                                       sizeof(bind_to->v6only)) < 0)
		die("IPV6_V6ONLY");
	if (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		die("SO_REUSEPORT");
	if (bind_to->iface != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bind_to->iface,
	                                         (socklen_t)strlen(bind_to->iface)) < 0)
		die("SO_BINDTODEVICE");
	if (bind(fd, (struct sockaddr *)&address, length) < 0)
		die(bind_to->address);
	if (type == SOCK_STREAM && listen(fd, 16) < 0)
		die("listen");
	return fd;
}

static void quoted(const char *key, const char *value, bool bare)
{
	if (value == NULL)
		printf("\"%s\":null,", key);
	else if (bare)
		printf("\"%s\":%s,", key, value);
	else
		printf("\"%s\":\"%s\",", key, value);
}

/* The kernel makes a socket IPv6-only that is bound to a single IPv6 address (__inet6_bind). */
static const char *takes_v6_only(const struct bind *bind)
{
	if (bind->v6only < 0)
		return NULL;
	if (strcmp(bind->address, "::") == 0 || strncmp(bind->address, "::ffff:", 7) == 0)
		return bind->v6only ? "true" : "false";
	return "true";
}

static void tell(const struct bind *bind, const char *proto, int port, pid_t pid, uid_t uid,
                 const char *kind)
{
	printf("{");
	quoted("proto", proto, false);
	quoted("address", bind->address, false);
	quoted("iface", bind->iface, false);
	quoted("v6only", takes_v6_only(bind), true);
	quoted("ipv4", bind->ipv4, true);
	quoted("ipv6", bind->ipv6, true);
	quoted("reach", bind->reach, false);
	quoted("kind", kind, false);
	printf("\"port\":%d,\"pid\":%d,\"uid\":%u}\n", port, (int)pid, uid);
}

/* Closes all that a child has inherited but these and the standard streams. */
static void close_all_but(int a, int b, int c)
{
	for (int fd = 3; fd < 4096; fd++)
		if (fd != a && fd != b && fd != c)
			close(fd);
}

/* A child that lives until the pipe `hold` ends. It keeps only `keep` (-1: nothing); `act` opens
 * more. */
static pid_t holder(void (*act)(void *data), void *data, uid_t uid, const char *name, int hold,
                    int keep)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe(ready) < 0)
		die("pipe");
	fflush(stdout);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		close_all_but(hold, ready[1], keep);
		if (name != NULL)
			prctl(PR_SET_NAME, name);
		if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(1);
		if (act != NULL)
			act(data);
		/* A byte, since a thread's table may keep the pipe open. */
		if (write(ready[1], "x", 1) < 0 || read(hold, &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("a holder");
	close(ready[0]);
	return child;
}

struct plan {
	const struct bind *bind;
	int protocol, port;
};

static void open_plan(void *data)
{
	const struct plan *plan = data;

	if (open_bound(plan->bind, plan->protocol, plan->port, true) < 0)
		die("a socket of a holder");
}

/* A thread whose descriptor table is its own: its socket is in no other's. */
static void *private_table(void *data)
{
	if (unshare(CLONE_FILES) < 0)
		die("unshare");
	open_plan(data);
	*(volatile bool *)((struct plan *)data + 1) = true;
	for (;;)
		pause();
	return NULL;
}

static void open_in_thread(void *data)
{
	static struct {
		struct plan plan;
		volatile bool opened;
	} mine;
	pthread_t thread;

	mine.plan = *(struct plan *)data;
	if (pthread_create(&thread, NULL, private_table, &mine) != 0)
		die("thread");
	while (!mine.opened)
		usleep(1000);
}

static int connected_pair(int port)
{
	static const struct bind local = { "127.0.0.1", NULL, NULL, NULL, NULL, -1 };
	struct sockaddr_storage address;
	int server = open_bound(&local, IPPROTO_TCP, port, false);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = fill(&local, port, &address);

	if (server < 0 || client < 0 || connect(client, (struct sockaddr *)&address, length) < 0)
		die("a connected pair");
	if (accept(server, NULL, NULL) < 0)
		die("accept");
	close(server);
	return client;
}

static void decoys(int port)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "\0porthole-world" };
	struct sockaddr_storage peer;
	int fd;

	connected_pair(port);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(fd, (struct sockaddr *)&peer, fill(&binds[5], 9, &peer)) < 0)
		die("a connected UDP socket");
	if (socket(AF_INET6, SOCK_DGRAM, 0) < 0 || socket(AF_INET, SOCK_STREAM, 0) < 0)
		die("unbound sockets");
	if (open_bound(&binds[0], IPPROTO_UDPLITE, port, false) >= 0)
		tell(&binds[0], "udplite", port, getpid(), getuid(), "udplite");
	else if (errno != EPROTONOSUPPORT)
		die("UDP-Lite");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&path, sizeof(sa_family_t) + 16) < 0 || listen(fd, 1) < 0)
		die("a Unix socket");
}

static const struct {
	int protocol;
	const char *name;
} protocols[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" } };

/* One socket of each kind of bind and protocol, `copies` times, in this process. */
static int plain(int port, int copies)
{
	for (int copy = 0; copy < copies; copy++)
		for (size_t p = 0; p < 2; p++)
			for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++, port++) {
				if (open_bound(&binds[i], protocols[p].protocol, port, false) < 0)
					die(binds[i].address);
				tell(&binds[i], protocols[p].name, port, getpid(), getuid(),
				     "plain");
			}
	return port;
}

/* Two addresses of one port in one process: one row. */
static int pairs(int port)
{
	static const struct bind six = { "::", NULL, "false", "true", "internet", 1 };
	static const struct bind six_local = { "::1", NULL, "false", "true", "host", 0 };

	for (size_t p = 0; p < 2; p++, port++) {
		open_bound(&binds[0], protocols[p].protocol, port, false);
		open_bound(&six, protocols[p].protocol, port, false);
		tell(&binds[0], protocols[p].name, port, getpid(), getuid(), "pair");
		tell(&six, protocols[p].name, port, getpid(), getuid(), "pair");
		port++;
		open_bound(&binds[5], protocols[p].protocol, port, false);
		open_bound(&six_local, protocols[p].protocol, port, false);
		tell(&binds[5], protocols[p].name, port, getpid(), getuid(), "pair");
		tell(&six_local, protocols[p].name, port, getpid(), getuid(), "pair");
	}
	return port;
}

/* Shared by fork, SO_REUSEPORT twins in one and in two processes, threads' tables, other users, odd
 * names. */
static int shared(int port, int hold)
{
	static const char *const names[] = { "a\033[31mred",
		                             "two\nlines",
		                             "(x) S 1 1",
		                             "\xff\xfe",
		                             "c1\xc2\x9b"
		                             "31m",
		                             "rtl\xe2\x80\xaetxt",
		                             "\"quote\\,;",
		                             "tab\there" };
	bool root = getuid() == 0 && access("/proc/1/root", R_OK) == 0;

	for (size_t p = 0; p < 2; p++) {
		int protocol = protocols[p].protocol;
		const char *proto = protocols[p].name;
		struct plan plan = { &binds[16], protocol, port };
		pid_t child;
		int fd;

		fd = open_bound(&binds[16], protocol, port, false);
		child = holder(NULL, NULL, 0, NULL, hold, fd);
		tell(&binds[16], proto, port, getpid(), getuid(), "fork");
		tell(&binds[16], proto, port, child, getuid(), "fork");
		port++;

		open_bound(&binds[0], protocol, port, true);
		open_bound(&binds[0], protocol, port, true);
		tell(&binds[0], proto, port, getpid(), getuid(), "twins");
		port++;

		plan.port = port;
		for (int i = 0; i < 3; i++)
			tell(plan.bind, proto, port, holder(open_plan, &plan, 0, NULL, hold, -1),
			     getuid(), "workers");
		port++;

		plan.port = port;
		tell(plan.bind, proto, port, holder(open_in_thread, &plan, 0, "threads", hold, -1),
		     getuid(), "thread");
		port++;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++, port++) {
			plan.port = port;
			tell(plan.bind, proto, port,
			     holder(open_plan, &plan, 0, names[i], hold, -1), getuid(), "name");
		}
		for (uid_t uid = 60001; root && uid < 60004; uid++, port++) {
			plan.port = port;
			tell(plan.bind, proto, port, holder(open_plan, &plan, uid, NULL, hold, -1),
			     uid, "user");
		}
	}
	return port;
}

static int mptcp(int port)
{
	int fd = open_bound(&binds[0], IPPROTO_MPTCP, port, false);

	if (fd < 0)
		return port;
	tell(&binds[0], "tcp", port, getpid(), getuid(), "mptcp");
	return port + 1;
}

int main(int argc, char **argv)
{
	int copies = argc > 1 ? atoi(argv[1]) : 5, port = 20000, hold[2];
	char byte;

	signal(SIGCHLD, SIG_IGN);
	for (size_t i = 0; i < sizeof(set_up) / sizeof(set_up[0]); i++) {
		signal(SIGCHLD, SIG_DFL);
		ip(set_up[i]);
	}
	if (pipe2(hold, O_CLOEXEC) < 0)
		die("pipe");
	/* First the holders that fork: they must not inherit what is opened later, and close what
	 * they do inherit. */
	port = shared(port, hold[0]);
	port = plain(port, copies);
	port = pairs(port);
	port = mptcp(port);
	decoys(port);
	printf("ready\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) < 0)
		return 1;
	return 0; /* the holders end with the pipe */
}
