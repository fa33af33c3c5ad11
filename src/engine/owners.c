/*
 * Owners: which processes hold a socket, from the links in /proc/PID/fd. See scan.h for the walk.
 */
#include "porthole/owners.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "inodes.h"
#include "scan.h"

/* What one thread found. Its processes are known by their place in the scan, and get that in the
 * result when all is put together. */
struct finds {
	struct ph_holder *holders;
	size_t holder_count, holder_capacity;
	struct found {
		uint32_t index;
		struct ph_process process;
	} * processes;
	size_t process_count, process_capacity;
};

struct search {
	bool every; /* not only what is in the set */
	struct ph_inodes set;
	char *own_cgroup; /* of PID 1; NULL: not to be seen */
	bool real; /* the kernel's /proc */
	struct finds finds[PH_SCAN_WORKERS];
};

static int see_link(void *data, unsigned worker, struct ph_scan_process *process,
                    const struct ph_scan_link *link)
{
	struct search *search = data;
	struct finds *finds = &search->finds[worker];
	uint64_t inode;

	/* The first letter sorts out most of what is no socket. */
	if (link->text[0] != 's')
		return 0;
	inode = ph_scan_number(link->text, link->length, "socket:[");
	if (inode == 0 || inode > UINT32_MAX ||
	    !(search->every || ph_inodes_have(&search->set, (uint32_t)inode)))
		return 0;
	if (ph_reserve(&finds->holders, finds->holder_count, &finds->holder_capacity,
	               sizeof(*finds->holders)) < 0)
		return -ENOMEM;
	finds->holders[finds->holder_count++] = (struct ph_holder){
		.inode = (uint32_t)inode,
		.process = process->index,
		.fd = link->fd,
		.thread = link->thread != process->pid ? link->thread : 0,
	};
	__atomic_store_n(&process->marked, true, __ATOMIC_RELAXED);
	return 0;
}

/* The command's name: everything but the newline that the kernel ends the file with. */
static void set_name(struct ph_process *process, const char *text, size_t length)
{
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > sizeof(process->name) - 1)
		length = sizeof(process->name) - 1;
	memcpy(process->name, text, length);
	process->name[length] = '\0';
}

static int set_cmdline(struct ph_process *process, char *text, size_t length)
{
	while (length > 0 && text[length - 1] == '\0')
		length--;
	if (length == 0)
		return 0;
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	process->cmdline = strndup(text, length);
	return process->cmdline != NULL ? 0 : -ENOMEM;
}

/*
 * The effective user. The kernel gives it as the owner of the directory /proc/PID, whatever else
 * the process is (task_dump_owner() in fs/proc/base.c), in a tenth of the time that the status
 * file takes; a recorded tree has the file only: "Uid:", real, effective, saved, file system.
 */
static void read_user(const struct search *search, const struct ph_scan_process *from,
                      struct ph_process *process, char *text)
{
	struct stat status;
	const char *line;

	if (search->real && fstat(from->directory, &status) == 0) {
		process->uid = status.st_uid;
		return;
	}
	process->uid = UINT32_MAX;
	if (ph_scan_text(from->directory, "status", text) <= 0)
		return;
	line = strstr(text, "\nUid:\t");
	line = line != NULL ? strchr(line + strlen("\nUid:\t"), '\t') : NULL;
	if (line != NULL)
		process->uid = (uint32_t)strtoul(line + 1, NULL, 10);
}

static int read_links(const struct ph_scan_process *from, struct ph_process *process, char *text)
{
	ssize_t length;

	length = readlinkat(from->directory, "ns/net", text, PATH_MAX);
	if (length > 0)
		process->netns = ph_scan_number(text, (size_t)length, "net:[");
	length = readlinkat(from->directory, "exe", text, PATH_MAX);
	if (length <= 0)
		return 0;
	process->exe = strndup(text, (size_t)length);
	return process->exe != NULL ? 0 : -ENOMEM;
}

static int read_placement(const struct search *search, const struct ph_scan_process *from,
                          struct ph_process *process, char *text)
{
	struct ph_placement placement;

	if (ph_scan_text(from->directory, "cgroup", text) <= 0)
		return 0;
	if (ph_placement_parse(text, search->own_cgroup, &placement) < 0)
		return -ENOMEM;
	process->unit = placement.unit;
	process->user_unit = placement.user_unit;
	process->container = placement.container;
	return 0;
}

static void free_process(struct ph_process *process)
{
	free(process->exe);
	free(process->cmdline);
	free(process->unit);
	free(process->user_unit);
	free(process->container);
}

/* What there is to say of a process that holds something asked for. */
static int read_process(void *data, unsigned worker, struct ph_scan_process *from, char *text)
{
	struct search *search = data;
	struct finds *finds = &search->finds[worker];
	struct ph_process *process;
	ssize_t length;
	int r = 0;

	length = ph_scan_text(from->directory, "comm", text);
	if (length < 0 && (length == -ENOENT || length == -ESRCH))
		return 0; /* it ended: its descriptors are closed */
	if (ph_reserve(&finds->processes, finds->process_count, &finds->process_capacity,
	               sizeof(*finds->processes)) < 0)
		return -ENOMEM;
	finds->processes[finds->process_count] = (struct found){ .index = from->index };
	process = &finds->processes[finds->process_count++].process;
	process->pid = from->pid;
	set_name(process, text, length > 0 ? (size_t)length : 0);
	read_user(search, from, process, text);
	length = ph_scan_text(from->directory, "cmdline", text);
	if (length > 0)
		r = set_cmdline(process, text, (size_t)length);
	if (r == 0)
		r = read_links(from, process, text);
	if (r == 0)
		r = read_placement(search, from, process, text);
	return r;
}

static int by_pid(const void *a, const void *b)
{
	pid_t first = ((const struct ph_process *)a)->pid;
	pid_t second = ((const struct ph_process *)b)->pid;

	return (first > second) - (first < second);
}

/* All threads' processes in one array by pid; `places` tells where that of each place in the scan
 * went. */
static int join_processes(struct search *search, const struct ph_scan *scan,
                          struct ph_owners *owners, uint32_t *places)
{
	size_t count = 0;

	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++)
		count += search->finds[i].process_count;
	owners->processes = calloc(count > 0 ? count : 1, sizeof(*owners->processes));
	if (owners->processes == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++) {
		struct finds *finds = &search->finds[i];

		for (size_t j = 0; j < finds->process_count; j++)
			owners->processes[owners->process_count++] = finds->processes[j].process;
		finds->process_count = 0; /* the strings are the result's now */
	}
	qsort(owners->processes, count, sizeof(*owners->processes), by_pid);
	/* Both are by pid. */
	for (size_t i = 0, j = 0; i < scan->count; i++) {
		places[i] = UINT32_MAX;
		if (j < count && owners->processes[j].pid == scan->processes[i].pid)
			places[i] = (uint32_t)j++;
	}
	return 0;
}

static uint64_t sort_key(const struct ph_holder *holder)
{
	return (uint64_t)holder->inode << 32 | holder->process;
}

/*
 * Sorts by inode, then process: a byte at a time from the lowest, over those bytes only in which
 * keys differ. 200,000 holders take some 10 ms by qsort(3)'s comparisons and 3 ms by this.
 */
static int sort_holders(struct ph_holder *holders, size_t count)
{
	struct ph_holder *from = holders, *to, *room, *other;
	uint64_t differ = 0;

	if (count < 2)
		return 0;
	room = malloc(count * sizeof(*room));
	if (room == NULL)
		return -ENOMEM;
	to = room;
	for (size_t i = 1; i < count; i++)
		differ |= sort_key(&holders[i]) ^ sort_key(&holders[0]);
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t starts[256] = { 0 }, sum = 0;

		if ((differ >> shift & 0xff) == 0)
			continue;
		for (size_t i = 0; i < count; i++)
			starts[sort_key(&from[i]) >> shift & 0xff]++;
		for (size_t i = 0; i < 256; i++) {
			size_t these = starts[i];

			starts[i] = sum;
			sum += these;
		}
		for (size_t i = 0; i < count; i++)
			to[starts[sort_key(&from[i]) >> shift & 0xff]++] = from[i];
		other = from;
		from = to;
		to = other;
	}
	if (from != holders)
		memcpy(holders, from, count * sizeof(*holders));
	free(room);
	return 0;
}

/* The process's own table goes before its threads', and there the lowest descriptor. */
static bool is_before(const struct ph_holder *a, const struct ph_holder *b)
{
	if ((a->thread == 0) != (b->thread == 0))
		return a->thread == 0;
	return a->fd < b->fd;
}

/* Keeps each (inode, process) once. */
static void drop_repeated(struct ph_owners *owners)
{
	struct ph_holder *holders = owners->holders;
	size_t kept = 0;

	for (size_t i = 0; i < owners->holder_count; i++) {
		if (kept == 0 || sort_key(&holders[kept - 1]) != sort_key(&holders[i]))
			holders[kept++] = holders[i];
		else if (is_before(&holders[i], &holders[kept - 1]))
			holders[kept - 1] = holders[i];
	}
	owners->holder_count = kept;
}

static int join_holders(struct search *search, struct ph_owners *owners, const uint32_t *places)
{
	size_t count = 0;
	int r;

	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++)
		count += search->finds[i].holder_count;
	owners->holders = calloc(count > 0 ? count : 1, sizeof(*owners->holders));
	if (owners->holders == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++) {
		const struct finds *finds = &search->finds[i];

		for (size_t j = 0; j < finds->holder_count; j++) {
			struct ph_holder holder = finds->holders[j];

			holder.process = places[holder.process];
			if (holder.process != UINT32_MAX)
				owners->holders[owners->holder_count++] = holder;
		}
	}
	r = sort_holders(owners->holders, owners->holder_count);
	if (r == 0)
		drop_repeated(owners);
	return r;
}

static int join(struct search *search, const struct ph_scan *scan, struct ph_owners *owners)
{
	uint32_t *places = calloc(scan->count > 0 ? scan->count : 1, sizeof(*places));
	int r;

	if (places == NULL)
		return -ENOMEM;
	r = join_processes(search, scan, owners, places);
	if (r == 0)
		r = join_holders(search, owners, places);
	free(places);
	owners->hidden_processes = scan->hidden_processes;
	owners->all_processes = scan->all_processes;
	if (r == 0)
		r = ph_reasons_join(&owners->partial, &scan->partial);
	return r;
}

static int prepare(struct ph_context *context, const uint32_t *inodes, size_t count,
                   struct search *search)
{
	struct statfs system;
	int r;

	search->real = statfs(context->proc, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
	search->every = inodes == NULL;
	r = ph_inodes_make(&search->set, inodes, inodes != NULL ? count : 0);
	if (r < 0)
		return r;
	r = ph_read_below(context->proc, "1/cgroup", PH_SCAN_TEXT_BYTES, &search->own_cgroup, NULL,
	                  NULL);
	return r == -ENOMEM ? r : 0;
}

static void free_search(struct search *search)
{
	for (unsigned i = 0; i < PH_SCAN_WORKERS; i++) {
		for (size_t j = 0; j < search->finds[i].process_count; j++)
			free_process(&search->finds[i].processes[j].process);
		free(search->finds[i].processes);
		free(search->finds[i].holders);
	}
	ph_inodes_free(&search->set);
	free(search->own_cgroup);
}

int ph_owners_read(struct ph_context *context, const uint32_t *inodes, size_t count,
                   struct ph_owners *owners, struct ph_error *error)
{
	struct search search = { 0 };
	const struct ph_scan_visitor visitor = {
		.link = see_link,
		.marked = read_process,
		.data = &search,
	};
	struct ph_scan scan = { 0 };
	int r;

	*owners = (struct ph_owners){ 0 };
	r = prepare(context, inodes, count, &search);
	if (r == 0) {
		r = ph_scan_run(context, &visitor, &scan, error);
		if (r < 0)
			goto out;
		r = join(&search, &scan, owners);
	}
	if (r < 0)
		ph_fail(error, r, "finding the owners of sockets: %s", strerror(-r));
out:
	ph_scan_free(&scan);
	free_search(&search);
	return r;
}

void ph_owners_free(struct ph_owners *owners)
{
	for (size_t i = 0; i < owners->process_count; i++)
		free_process(&owners->processes[i]);
	free(owners->processes);
	free(owners->holders);
	ph_reasons_free(&owners->partial);
	*owners = (struct ph_owners){ 0 };
}

const struct ph_holder *ph_owners_find(const struct ph_owners *owners, uint32_t inode,
                                       size_t *count)
{
	size_t low = 0, high = owners->holder_count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (owners->holders[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < owners->holder_count && owners->holders[end].inode == inode; end++)
		;
	*count = inode != 0 ? end - low : 0;
	return *count > 0 ? &owners->holders[low] : NULL;
}
