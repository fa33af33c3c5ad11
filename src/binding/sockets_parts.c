/*
 * The parts of sockets that are read when somebody looks at them: owners, users, devices, details.
 * No Lua here: each is loaded into the storage, and what could not be seen becomes a reason.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding/sockets.h"
#include "porthole/links.h"

#define PASSWD_BYTES_MOST (1 << 20)

static int compare_users(const void *a, const void *b)
{
	uint32_t x = ((const struct socket_user *)a)->uid, y = ((const struct socket_user *)b)->uid;

	return (x > y) - (x < y);
}

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

const char *socket_user_name(const struct socket_rows *rows, uint32_t uid)
{
	struct socket_user key = { .uid = uid }, *found;

	if (rows->user_count == 0)
		return NULL;
	found = bsearch(&key, rows->users, rows->user_count, sizeof(key), compare_users);
	return found != NULL ? found->name : NULL;
}

/* The name of a user, owned by the caller; NULL where there is none. 0 or -ENOMEM. */
static int resolve_user(uint32_t uid, char **name)
{
	struct passwd entry, *found = NULL;
	char *buffer = NULL, *larger;
	int r = ERANGE;

	*name = NULL;
	for (size_t size = 1024; r == ERANGE && size <= PASSWD_BYTES_MOST; size *= 4) {
		larger = realloc(buffer, size);
		if (larger == NULL) {
			free(buffer);
			return -ENOMEM;
		}
		buffer = larger;
		r = getpwuid_r(uid, &entry, buffer, size, &found);
	}
	if (r == 0 && found != NULL) {
		*name = strdup(found->pw_name);
		r = *name == NULL ? ENOMEM : 0;
	}
	free(buffer);
	return r == ENOMEM ? -ENOMEM : 0;
}

static bool knows_user(const struct socket_rows *rows, size_t known, uint32_t uid)
{
	struct socket_user key = { .uid = uid };

	return known > 0 && bsearch(&key, rows->users, known, sizeof(key), compare_users) != NULL;
}

/* Resolves those of the uids, which this sorts, that are new. */
static int add_users(struct socket_rows *rows, uint32_t *uids, size_t count)
{
	size_t known = rows->user_count;
	struct socket_user *larger;
	int r = 0;

	if (count == 0)
		return 0;
	qsort(uids, count, sizeof(*uids), compare_uids);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (uids[i] == PH_UID_UNKNOWN || (i > 0 && uids[i] == uids[i - 1]) ||
		    knows_user(rows, known, uids[i]))
			continue;
		larger = reallocarray(rows->users, rows->user_count + 1, sizeof(*larger));
		if (larger == NULL) {
			r = -ENOMEM;
			break;
		}
		rows->users = larger;
		larger[rows->user_count].uid = uids[i];
		r = resolve_user(uids[i], &larger[rows->user_count].name);
		if (r == 0)
			rows->user_count++;
	}
	if (rows->user_count > 0)
		qsort(rows->users, rows->user_count, sizeof(*rows->users), compare_users);
	return r;
}

static int load_users(struct socket_rows *rows)
{
	size_t count = rows->sockets.count;
	uint32_t *uids = reallocarray(NULL, count + 1, sizeof(*uids));
	int r;

	if (uids == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		uids[i] = rows->sockets.items[i].uid;
	r = add_users(rows, uids, count);
	free(uids);
	return r;
}

static int load_process_users(struct socket_rows *rows)
{
	size_t count = rows->owners.process_count;
	uint32_t *uids = reallocarray(NULL, count + 1, sizeof(*uids));
	int r;

	if (uids == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		uids[i] = rows->owners.processes[i].uid;
	r = add_users(rows, uids, count);
	free(uids);
	return r;
}

/* A netlink socket of the kernel's own, which has port id 0 (netlink(7)). */
static bool is_kernels(const struct ph_socket *socket)
{
	static const uint8_t none[4] = { 0 };

	return socket->proto == PH_NETLINK && memcmp(socket->laddr, none, sizeof(none)) == 0;
}

/* Says how many sockets have a file but no process that was seen. */
static int count_ownerless(struct socket_rows *rows)
{
	const struct ph_owners *owners = &rows->owners;
	size_t count = 0;

	for (size_t i = 0; i < rows->sockets.count; i++) {
		const struct ph_socket *socket = &rows->sockets.items[i];

		if (socket->inode != 0 && !is_kernels(socket) &&
		    socket_holder(rows, socket, 0, NULL) == NULL)
			count++;
	}
	if (count == 0)
		return 0;
	if (owners->hidden_processes == 0 && owners->all_processes)
		return ph_reasons_add(
			&rows->reasons,
			"%zu socket%s no process here: the kernel's own, of a process "
			"outside this PID namespace, or closed meanwhile",
			count, count == 1 ? " has" : "s have");
	return ph_reasons_add(&rows->reasons, "%zu socket%s an owner that %s", count,
	                      count == 1 ? " has" : "s have",
	                      geteuid() == 0 ? "cannot be seen from here"
	                                     : "this user may not see; run with sudo");
}

static int load_owners(struct socket_rows *rows)
{
	size_t count = 0;
	uint32_t *inodes = reallocarray(NULL, rows->sockets.count + 1, sizeof(*inodes));
	struct ph_error error;
	int r;

	if (inodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rows->sockets.count; i++)
		if (rows->sockets.items[i].inode != 0)
			inodes[count++] = rows->sockets.items[i].inode;
	ph_owners_free(&rows->owners);
	r = ph_owners_read(rows->context, inodes, count, &rows->owners, &error);
	free(inodes);
	if (r == -ENOMEM || r == -ECANCELED)
		return r;
	if (r < 0)
		return ph_reasons_add(&rows->reasons, "owners are unknown: %s", error.message);
	r = load_process_users(rows);
	if (r == 0)
		r = ph_reasons_join(&rows->reasons, &rows->owners.partial);
	return r == 0 ? count_ownerless(rows) : r;
}

const struct ph_process *socket_holder(const struct socket_rows *rows,
                                       const struct ph_socket *socket, size_t nth,
                                       const struct ph_holder **held)
{
	const struct ph_owners *owners = &rows->owners;
	const struct ph_holder *holders;
	size_t count = 0;

	if (owners->processes == NULL || owners->holder_count == 0 || socket->inode == 0)
		return NULL;
	holders = ph_owners_find(owners, socket->inode, &count);
	if (holders == NULL || nth >= count)
		return NULL;
	if (count > 1 && owners->processes[holders[0].process].pid == 1)
		nth = (nth + 1) % count;
	if (held != NULL)
		*held = &holders[nth];
	return &owners->processes[holders[nth].process];
}

static int compare_ifaces(const void *a, const void *b)
{
	const struct socket_iface *x = a, *y = b;

	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

const char *socket_iface_name(const struct socket_rows *rows, const struct ph_socket *socket)
{
	struct socket_iface key = { .netns = socket->netns, .ifindex = socket->ifindex }, *found;

	if (socket->ifindex == 0 || rows->iface_count == 0)
		return NULL;
	found = bsearch(&key, rows->ifaces, rows->iface_count, sizeof(key), compare_ifaces);
	return found != NULL ? found->name : NULL;
}

/* The name of the socket's device; one that is gone is called by its number. */
static int add_iface(struct socket_rows *rows, const struct ph_socket *socket,
                     const struct ph_links *links)
{
	const struct ph_link *link;
	struct socket_iface *iface;

	if (socket_iface_name(rows, socket) != NULL)
		return 0;
	if (ph_reserve(&rows->ifaces, rows->iface_count, &rows->iface_capacity,
	               sizeof(*rows->ifaces)) < 0)
		return -ENOMEM;
	iface = &rows->ifaces[rows->iface_count++];
	iface->netns = socket->netns;
	iface->ifindex = socket->ifindex;
	link = ph_links_find(links, socket->ifindex);
	if (link != NULL)
		memcpy(iface->name, link->name, sizeof(iface->name));
	else
		snprintf(iface->name, sizeof(iface->name), "if%u", socket->ifindex);
	qsort(rows->ifaces, rows->iface_count, sizeof(*rows->ifaces), compare_ifaces);
	return 0;
}

static bool is_bound(const struct ph_socket *socket, uint32_t netns)
{
	return socket->netns == netns && socket->ifindex != 0;
}

int socket_rows_add_ifaces(struct socket_rows *rows, uint32_t netns)
{
	const struct ph_sockets *sockets = &rows->sockets;
	struct ph_links links = { 0 };
	struct ph_error error;
	size_t first = 0;
	int r;

	while (first < sockets->count && !is_bound(&sockets->items[first], netns))
		first++;
	if (first == sockets->count)
		return 0;
	r = ph_links_read(rows->context, &links, &error);
	if (r == 0)
		r = ph_reasons_join(&rows->reasons, &links.partial);
	else if (r != -ENOMEM && r != -ECANCELED)
		r = ph_reasons_add(&rows->reasons, "names of devices are unknown: %s",
		                   error.message);
	for (size_t i = first; r == 0 && i < sockets->count; i++)
		if (is_bound(&sockets->items[i], netns))
			r = add_iface(rows, &sockets->items[i], &links);
	ph_links_free(&links);
	return r;
}

static int compare_details(const void *a, const void *b)
{
	const struct socket_detail *x = a, *y = b;

	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

const struct ph_socket_detail *socket_detail(const struct socket_rows *rows,
                                             const struct ph_socket *socket)
{
	struct socket_detail key = { .cookie = socket->cookie, .netns = socket->netns }, *found;

	if (socket->cookie == 0 || rows->detail_count == 0)
		return NULL;
	found = bsearch(&key, rows->details, rows->detail_count, sizeof(key), compare_details);
	if (found == NULL)
		return NULL;
	return &(rows->complete ? &rows->sockets : &rows->detailed)->details[found->detail];
}

/* Sorts what the second dump brought, so that a cookie finds its detail. */
int socket_rows_index_details(struct socket_rows *rows, const struct ph_sockets *detailed)
{
	free(rows->details);
	rows->detail_count = 0;
	rows->details = reallocarray(NULL, detailed->count + 1, sizeof(*rows->details));
	if (rows->details == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < detailed->count; i++) {
		const struct ph_socket *socket = &detailed->items[i];

		if (socket->detail == 0 || socket->detail > detailed->detail_count)
			continue;
		rows->details[rows->detail_count++] = (struct socket_detail){
			.cookie = socket->cookie,
			.netns = socket->netns,
			.detail = socket->detail - 1,
		};
	}
	qsort(rows->details, rows->detail_count, sizeof(*rows->details), compare_details);
	return 0;
}

/* Asks the kernel again for what the rows are, with details this time. */
static int load_details(struct socket_rows *rows)
{
	struct ph_socket_query query = { .details = true };
	struct ph_error error;
	int r;

	for (size_t i = 0; i < rows->sockets.count; i++) {
		query.protos |= 1u << rows->sockets.items[i].proto;
		query.states |= 1u << rows->sockets.items[i].state;
	}
	if (rows->sockets.count == 0)
		return 0;
	/* A connection may be in another state by now. */
	if ((query.states & ~(1u << PH_LISTEN)) != 0)
		query.states = 0;
	ph_sockets_free(&rows->detailed);
	rows->detailed = (struct ph_sockets){ 0 };
	r = ph_sockets_read(rows->context, &query, 0, &rows->detailed, &error);
	if (r == -ENOMEM || r == -ECANCELED)
		return r;
	if (r < 0)
		return ph_reasons_add(&rows->reasons, "details are unknown: %s", error.message);
	return socket_rows_index_details(rows, &rows->detailed);
}

int socket_rows_load(void *storage, unsigned parts)
{
	struct socket_rows *rows = storage;
	int r = 0;

	if (rows->complete)
		parts &= ~(unsigned)(PART_DETAILS | PART_IFACES);
	if ((parts & PART_USERS) != 0)
		r = load_users(rows);
	if (r == 0 && (parts & PART_IFACES) != 0)
		r = socket_rows_add_ifaces(rows, 0);
	if (r == 0 && (parts & PART_OWNERS) != 0)
		r = load_owners(rows);
	if (r == 0 && (parts & PART_DETAILS) != 0)
		r = load_details(rows);
	return r;
}

void socket_rows_release(void *storage)
{
	struct socket_rows *rows = storage;

	for (size_t i = 0; i < rows->user_count; i++)
		free(rows->users[i].name);
	for (size_t i = 0; i < rows->netns_count; i++)
		free(rows->netns[i]);
	free(rows->netns);
	free(rows->users);
	free(rows->ifaces);
	free(rows->details);
	ph_sockets_free(&rows->sockets);
	ph_sockets_free(&rows->detailed);
	ph_owners_free(&rows->owners);
	ph_reasons_free(&rows->reasons);
	*rows = (struct socket_rows){ 0 };
}
