/*
 * The walk over all processes and their descriptors. Source: proc(5).
 *
 * What it costs is one readlinkat() a descriptor, about 3 us, and nothing in /proc tells beforehand
 * which descriptors are sockets or how many processes share one: that a second owner is found
 * means that every descriptor is looked at. So the work is spread: threads take processes by
 * batches, and hand slices of a large descriptor table to those that have nothing left to do.
 */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BATCH         8 /* processes that a thread takes at once */
#define SLICE         512 /* descriptors in a slice of a large table, about 2 ms of work */
#define SLICES_AHEAD  16 /* more than these waiting are not worth their memory */
#define PAYS_OFF      128 /* processes from which on threads are started at once */
#define TABLES        8 /* distinct tables of one process that are told apart by kcmp() */
#define ENTRIES_BYTES 32768
#define TASKS_BYTES   8192

/* A descriptor table: the process's, or that of one of its threads. */
struct table {
	struct ph_scan_process *process;
	int fd; /* its directory */
	pid_t thread;
};

struct slice {
	struct slice *next;
	struct ph_scan_process *process;
	size_t count;
	unsigned fds[SLICE];
};

struct walk {
	struct ph_context *context;
	const struct ph_scan_visitor *visitor;
	struct ph_scan *scan;
	int proc;
	bool real; /* the kernel's /proc and not a recorded tree */
	bool sizes; /* the size of an fd directory is the number of its descriptors */
	bool kcmp; /* the numbers in /proc are those that kcmp() takes */
	unsigned most; /* threads, this one included */
	pthread_t threads[PH_SCAN_WORKERS];
	unsigned started; /* threads besides this one */
	bool start_tried;
	int failure; /* atomic: the first one ends the walk */
	size_t hidden; /* atomic */
	/* Below: guarded by the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t next; /* process that is to be taken next */
	unsigned producing; /* threads that may still add slices */
	unsigned workers; /* numbers given away */
	struct slice *slices;
	size_t waiting;
};

struct worker {
	struct walk *walk;
	unsigned number;
	char text[PH_SCAN_TEXT_BYTES];
	_Alignas(struct dirent64) char entries[ENTRIES_BYTES];
	_Alignas(struct dirent64) char tasks[TASKS_BYTES];
};

ssize_t ph_scan_text(int directory, const char *path, char *text)
{
	size_t length = 0;
	ssize_t got = 0;
	int fd, saved;

	fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	while (length < PH_SCAN_TEXT_BYTES - 1) {
		got = read(fd, text + length, PH_SCAN_TEXT_BYTES - 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	saved = errno;
	close(fd);
	text[length] = '\0';
	return got < 0 ? -saved : (ssize_t)length;
}

uint64_t ph_scan_number(const char *text, size_t length, const char *kind)
{
	size_t head = strlen(kind);
	uint64_t number = 0;

	/* 20 digits could overflow; the kernel's inode numbers have at most 10. */
	if (length < head + 2 || length > head + 20 || memcmp(text, kind, head) != 0 ||
	    text[length - 1] != ']')
		return 0;
	for (size_t i = head; i < length - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	return number;
}

/* A directory entry's name as a number, or -1. */
static long number_of(const char *name)
{
	long number = 0;

	if (*name == '\0')
		return -1;
	for (; *name != '\0'; name++) {
		if (*name < '0' || *name > '9' || number > (INT32_MAX - 9) / 10)
			return -1;
		number = number * 10 + (*name - '0');
	}
	return number;
}

static void number_to(unsigned number, char name[12])
{
	char digits[12];
	size_t count = 0, i = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	while (count > 0)
		name[i++] = digits[--count];
	name[i] = '\0';
}

static bool refusal(int code)
{
	return code == EACCES || code == EPERM;
}

/* The process or thread is gone, or (in a recorded tree) was never recorded. */
static bool absence(int code)
{
	return code == ENOENT || code == ESRCH || code == ENOTDIR;
}

static void fail_walk(struct walk *walk, int code)
{
	int none = 0;

	if (code < 0)
		__atomic_compare_exchange_n(&walk->failure, &none, code, false, __ATOMIC_RELAXED,
		                            __ATOMIC_RELAXED);
}

static bool ended(struct walk *walk)
{
	if (ph_cancelled(walk->context))
		fail_walk(walk, -ECANCELED);
	return __atomic_load_n(&walk->failure, __ATOMIC_RELAXED) != 0;
}

static void refuse(struct ph_scan_process *process)
{
	__atomic_store_n(&process->refused, true, __ATOMIC_RELAXED);
}

/* Reads one descriptor's link and hands it on. False: no more of this table may be seen. */
static bool visit_link(struct worker *worker, const struct table *table, unsigned fd)
{
	const struct ph_scan_visitor *visitor = worker->walk->visitor;
	char text[64], name[12];
	struct ph_scan_link link = {
		.table = table->fd,
		.thread = table->thread,
		.name = name,
		.text = text,
		.fd = (int)fd,
	};
	ssize_t length;
	int r;

	number_to(fd, name);
	length = readlinkat(table->fd, name, text, sizeof(text) - 1);
	if (length < 0 && refusal(errno)) {
		refuse(table->process);
		return false;
	}
	if (length < 0)
		return true; /* closed meanwhile */
	text[length] = '\0';
	link.length = (size_t)length;
	r = visitor->link(visitor->data, worker->number, table->process, &link);
	fail_walk(worker->walk, r);
	return r == 0;
}

/* Whoever is last to have read of a process's table leaves the process. */
static void release(struct worker *worker, struct ph_scan_process *process)
{
	struct walk *walk = worker->walk;
	const struct ph_scan_visitor *visitor = walk->visitor;

	if (__atomic_sub_fetch(&process->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (__atomic_load_n(&process->refused, __ATOMIC_RELAXED))
		__atomic_add_fetch(&walk->hidden, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&process->marked, __ATOMIC_RELAXED) && visitor->marked != NULL &&
	    !ended(walk))
		fail_walk(walk,
		          visitor->marked(visitor->data, worker->number, process, worker->text));
	if (process->table >= 0)
		close(process->table);
	if (process->directory >= 0)
		close(process->directory);
	process->table = process->directory = -1;
}

/* False: no more of this table may be seen. */
static bool visit_fds(struct worker *worker, const struct table *table, const unsigned *fds,
                      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!visit_link(worker, table, fds[i]))
			return false;
	return true;
}

static struct table own_table(struct ph_scan_process *process)
{
	return (struct table){ .process = process, .fd = process->table, .thread = process->pid };
}

static void visit_slice(struct worker *worker, const struct slice *slice)
{
	struct table table = own_table(slice->process);

	if (!ended(worker->walk))
		visit_fds(worker, &table, slice->fds, slice->count);
	release(worker, slice->process);
}

static void start_threads(struct walk *walk);

/* Gives these descriptors to whichever thread is free. False: nobody would be faster. */
static bool hand_over(struct worker *worker, struct ph_scan_process *process, const unsigned *fds,
                      size_t count)
{
	struct walk *walk = worker->walk;
	struct slice *slice;

	if (walk->most < 2)
		return false;
	/* Nobody else runs yet: this is the calling thread. */
	if (!walk->start_tried)
		start_threads(walk);
	if (__atomic_load_n(&walk->started, __ATOMIC_RELAXED) == 0 ||
	    __atomic_load_n(&walk->waiting, __ATOMIC_RELAXED) >= SLICES_AHEAD)
		return false;
	slice = malloc(sizeof(*slice));
	if (slice == NULL)
		return false; /* done here, then */
	slice->process = process;
	slice->count = count;
	memcpy(slice->fds, fds, count * sizeof(*fds));
	__atomic_add_fetch(&process->references, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&walk->mutex);
	slice->next = walk->slices;
	walk->slices = slice;
	__atomic_add_fetch(&walk->waiting, 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&walk->changed);
	pthread_mutex_unlock(&walk->mutex);
	return true;
}

/* Reads the links of the entries that getdents64() gave. */
static bool visit_entries(struct worker *worker, const struct table *table, size_t length)
{
	bool own = table->fd == table->process->table;
	const struct dirent64 *entry;
	unsigned fds[SLICE];
	size_t count = 0;

	for (size_t at = 0; at < length; at += entry->d_reclen) {
		long fd;

		entry = (const void *)(worker->entries + at);
		fd = number_of(entry->d_name);
		if (fd < 0)
			continue;
		fds[count++] = (unsigned)fd;
		if (count < SLICE)
			continue;
		/* Only the process's own table is shared: it stays open until the last is done. */
		if ((!own || !hand_over(worker, table->process, fds, count)) &&
		    !visit_fds(worker, table, fds, count))
			return false;
		count = 0;
	}
	return visit_fds(worker, table, fds, count);
}

static void visit_table(struct worker *worker, const struct table *table)
{
	while (!ended(worker->walk)) {
		ssize_t length = getdents64(table->fd, worker->entries, sizeof(worker->entries));

		if (length < 0 && refusal(errno))
			refuse(table->process);
		if (length <= 0 || !visit_entries(worker, table, (size_t)length))
			return;
	}
}

/*
 * Whether a table that may not be read is known to be empty, as those of kernel threads and zombies
 * are: then nothing is hidden. From Linux 6.2 on the size of the directory tells, to everybody.
 * Before, the process's state and flags (fields 3 and 9 of stat, behind the name, which ends at the
 * last parenthesis; PF_KTHREAD from include/linux/sched.h) must do.
 */
static bool hides_nothing(struct worker *worker, int directory)
{
	const unsigned long kernel_thread = 0x00200000;
	const char *field;
	struct stat status;
	unsigned long flags;

	if (worker->walk->sizes)
		return fstatat(directory, "fd", &status, 0) == 0 && status.st_size == 0;
	if (ph_scan_text(directory, "stat", worker->text) <= 0)
		return false;
	field = strrchr(worker->text, ')');
	if (field == NULL || field[1] != ' ')
		return false;
	field += 2;
	if (*field == 'Z' || *field == 'X')
		return true;
	for (int i = 3; i < 9 && field != NULL; i++) {
		field = strchr(field, ' ');
		if (field != NULL)
			field++;
	}
	flags = field != NULL ? strtoul(field, NULL, 10) : 0;
	return (flags & kernel_thread) != 0;
}

/* A failure to open that is neither absence nor refusal (EMFILE, ENFILE, ENOMEM) ends the walk. */
static void note_refusal(struct worker *worker, struct ph_scan_process *process, int directory,
                         int code)
{
	if (refusal(code)) {
		if (!hides_nothing(worker, directory))
			refuse(process);
	} else if (!absence(code)) {
		fail_walk(worker->walk, -code);
	}
}

/* Tables of one process that were read, by a thread that has each. */
struct tables {
	pid_t seen[TABLES];
	size_t count;
};

/* Whether this thread's table was read already. It may say no for one that was: holders are counted
 * once all the same. */
static bool table_seen(struct walk *walk, const struct tables *tables, pid_t thread)
{
	if (!walk->kcmp)
		return false;
	for (size_t i = 0; i < tables->count; i++)
		if (syscall(SYS_kcmp, tables->seen[i], thread, KCMP_FILES, 0, 0) == 0)
			return true;
	return false;
}

static void visit_thread_table(struct worker *worker, struct ph_scan_process *process, int tasks,
                               const char *name)
{
	struct table table = { .process = process, .thread = (pid_t)number_of(name) };
	int directory;

	directory = openat(tasks, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		if (!absence(errno))
			fail_walk(worker->walk, -errno);
		return;
	}
	table.fd = openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (table.fd >= 0) {
		visit_table(worker, &table);
		close(table.fd);
	} else {
		note_refusal(worker, process, directory, errno);
	}
	close(directory);
}

static void visit_thread(struct worker *worker, struct ph_scan_process *process, int tasks,
                         const char *name, struct tables *tables)
{
	const struct ph_scan_visitor *visitor = worker->walk->visitor;
	long thread = number_of(name);

	if (thread < 0 || thread == process->pid)
		return;
	if (visitor->thread != NULL)
		fail_walk(worker->walk,
		          visitor->thread(visitor->data, worker->number, process, tasks, name));
	if (table_seen(worker->walk, tables, (pid_t)thread))
		return;
	visit_thread_table(worker, process, tasks, name);
	if (tables->count < TABLES)
		tables->seen[tables->count++] = (pid_t)thread;
}

/*
 * Threads may have unshared their descriptor table (unshare(2), CLONE_FILES), and the first thread
 * may have ended before the others, which leaves /proc/PID/fd empty: each table that is not the
 * process's is read too.
 */
static void visit_threads(struct worker *worker, struct ph_scan_process *process)
{
	struct tables tables = { .seen = { process->pid }, .count = 1 };
	struct stat status;
	int tasks;

	/* The kernel counts the threads in the links of the directory: two of its own, one each. */
	if (fstatat(process->directory, "task", &status, 0) < 0 ||
	    (worker->walk->real && status.st_nlink <= 3))
		return;
	tasks = openat(process->directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tasks < 0) {
		note_refusal(worker, process, process->directory, errno);
		return;
	}
	while (!ended(worker->walk)) {
		ssize_t length = getdents64(tasks, worker->tasks, sizeof(worker->tasks));
		const struct dirent64 *entry;

		if (length <= 0)
			break;
		for (ssize_t at = 0; at < length && !ended(worker->walk); at += entry->d_reclen) {
			entry = (const void *)(worker->tasks + at);
			visit_thread(worker, process, tasks, entry->d_name, &tables);
		}
	}
	close(tasks);
}

static void visit_process(struct worker *worker, struct ph_scan_process *process)
{
	struct walk *walk = worker->walk;
	struct table table;
	char name[12];

	number_to((unsigned)process->pid, name);
	process->directory = openat(walk->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process->directory < 0) {
		if (!absence(errno))
			fail_walk(walk, -errno);
		return;
	}
	process->references = 1;
	if (walk->visitor->enter != NULL)
		fail_walk(walk, walk->visitor->enter(walk->visitor->data, worker->number, process));
	process->table = openat(process->directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	table = own_table(process);
	if (table.fd >= 0)
		visit_table(worker, &table);
	else
		note_refusal(worker, process, process->directory, errno);
	/* Who may not see the first thread's table may not see the others' either. */
	if (!__atomic_load_n(&process->refused, __ATOMIC_RELAXED))
		visit_threads(worker, process);
	release(worker, process);
}

/* Takes a slice or a batch of processes. False: there is nothing left, nor will there be. Called
 * and left with the mutex held. */
static bool work_once(struct worker *worker)
{
	struct walk *walk = worker->walk;
	struct slice *slice = walk->slices;

	if (slice != NULL) {
		walk->slices = slice->next;
		__atomic_sub_fetch(&walk->waiting, 1, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&walk->mutex);
		visit_slice(worker, slice);
		free(slice);
		pthread_mutex_lock(&walk->mutex);
	} else if (walk->next < walk->scan->count && !ended(walk)) {
		size_t first = walk->next, end = first + BATCH;

		if (end > walk->scan->count)
			end = walk->scan->count;
		walk->next = end;
		walk->producing++;
		pthread_mutex_unlock(&walk->mutex);
		for (size_t i = first; i < end && !ended(walk); i++)
			visit_process(worker, &walk->scan->processes[i]);
		pthread_mutex_lock(&walk->mutex);
		if (--walk->producing == 0)
			pthread_cond_broadcast(&walk->changed);
	} else if (walk->producing > 0) {
		pthread_cond_wait(&walk->changed, &walk->mutex);
	} else {
		return false;
	}
	return true;
}

static void work(struct worker *worker, struct walk *walk)
{
	worker->walk = walk;
	pthread_mutex_lock(&walk->mutex);
	worker->number = walk->workers++;
	while (work_once(worker))
		;
	pthread_mutex_unlock(&walk->mutex);
}

static void *help(void *data)
{
	struct worker *worker = malloc(sizeof(*worker));

	/* Without its memory the others do it all. */
	if (worker != NULL)
		work(worker, data);
	free(worker);
	return NULL;
}

/* Only by the calling thread. No signal is delivered to a thread: handlers run in the caller's. */
static void start_threads(struct walk *walk)
{
	sigset_t all, before;

	walk->start_tried = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (walk->started + 1 < walk->most &&
	       pthread_create(&walk->threads[walk->started], NULL, help, walk) == 0)
		__atomic_add_fetch(&walk->started, 1, __ATOMIC_RELAXED);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static unsigned most_threads(const struct ph_context *context)
{
	cpu_set_t set;
	unsigned most = 1;

	if (context->threads != 0)
		most = context->threads;
	else if (sched_getaffinity(0, sizeof(set), &set) == 0)
		most = (unsigned)CPU_COUNT(&set);
	return most < PH_SCAN_WORKERS ? most : PH_SCAN_WORKERS;
}

static int by_pid(const void *a, const void *b)
{
	pid_t first = ((const struct ph_scan_process *)a)->pid;
	pid_t second = ((const struct ph_scan_process *)b)->pid;

	return (first > second) - (first < second);
}

static int add_process(struct ph_scan *scan, long pid)
{
	if (pid <= 0)
		return 0;
	if (ph_reserve(&scan->processes, scan->count, &scan->capacity, sizeof(*scan->processes)) <
	    0)
		return -ENOMEM;
	scan->processes[scan->count++] =
		(struct ph_scan_process){ .pid = (pid_t)pid, .directory = -1, .table = -1 };
	return 0;
}

static int list_processes(struct walk *walk)
{
	_Alignas(struct dirent64) char entries[TASKS_BYTES];
	struct ph_scan *scan = walk->scan;
	const struct dirent64 *entry;
	ssize_t length;

	while ((length = getdents64(walk->proc, entries, sizeof(entries))) > 0) {
		if (ended(walk))
			return walk->failure;
		for (ssize_t at = 0; at < length; at += entry->d_reclen) {
			entry = (const void *)(entries + at);
			if (add_process(scan, number_of(entry->d_name)) < 0)
				return -ENOMEM;
		}
	}
	if (length < 0)
		return -errno;
	if (scan->count > 0)
		qsort(scan->processes, scan->count, sizeof(*scan->processes), by_pid);
	for (size_t i = 0; i < scan->count; i++)
		scan->processes[i].index = (uint32_t)i;
	return 0;
}

/* What this /proc can do: whether it is the kernel's, counts descriptors (Linux 6.2), and has the
 * numbers of our own PID namespace. */
static void know_proc(struct walk *walk)
{
	char own[12], self[16];
	struct statfs system;
	struct stat status;
	ssize_t length;

	walk->real = fstatfs(walk->proc, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
	if (!walk->real)
		return;
	/* There is at least the descriptor of /proc itself. */
	walk->sizes = fstatat(walk->proc, "self/fd", &status, 0) == 0 && status.st_size > 0;
	number_to((unsigned)getpid(), own);
	length = readlinkat(walk->proc, "self", self, sizeof(self) - 1);
	self[length > 0 ? length : 0] = '\0';
	walk->kcmp = strcmp(own, self) == 0;
}

static int run_workers(struct walk *walk)
{
	struct worker *worker = malloc(sizeof(*worker));

	if (worker == NULL)
		return -ENOMEM;
	walk->most = most_threads(walk->context);
	pthread_mutex_init(&walk->mutex, NULL);
	pthread_cond_init(&walk->changed, NULL);
	if (walk->scan->count >= PAYS_OFF)
		start_threads(walk);
	work(worker, walk);
	for (unsigned i = 0; i < walk->started; i++)
		pthread_join(walk->threads[i], NULL);
	pthread_cond_destroy(&walk->changed);
	pthread_mutex_destroy(&walk->mutex);
	free(worker);
	return walk->failure;
}

/* What was not seen, and why. */
static int give_reasons(struct walk *walk)
{
	struct ph_scan *scan = walk->scan;
	size_t hidden = scan->hidden_processes;
	int r;

	r = ph_scan_blind(walk->context, &scan->all_processes, &scan->partial);
	if (r < 0 || hidden == 0)
		return r;
	if (geteuid() != 0)
		return ph_reasons_add(&scan->partial,
		                      "the descriptors of %zu %s could not be seen, since other "
		                      "users run them: run it as root (sudo) to see them",
		                      hidden, hidden == 1 ? "process" : "processes");
	return ph_reasons_add(&scan->partial,
	                      "the descriptors of %zu %s could not be seen, since the kernel "
	                      "refuses them to this root (a container without CAP_SYS_PTRACE, or a "
	                      "security module): run it on the host",
	                      hidden, hidden == 1 ? "process" : "processes");
}

int ph_scan_run(struct ph_context *context, const struct ph_scan_visitor *visitor,
                struct ph_scan *scan, struct ph_error *error)
{
	struct walk walk = { .context = context, .visitor = visitor, .scan = scan };
	int r;

	*scan = (struct ph_scan){ .all_processes = true };
	walk.proc = ph_open_below(context->proc, ".", O_DIRECTORY, error);
	if (walk.proc < 0)
		return walk.proc;
	know_proc(&walk);
	r = list_processes(&walk);
	if (r == 0)
		r = run_workers(&walk);
	scan->hidden_processes = walk.hidden;
	if (r == 0)
		r = give_reasons(&walk);
	close(walk.proc);
	if (r == -EMFILE || r == -ENFILE)
		return ph_fail(error, r,
		               "reading the processes in %s: %s: raise the limit of "
		               "descriptors (ulimit -n)",
		               context->proc, strerror(-r));
	if (r < 0)
		return ph_fail(error, r, "reading the processes in %s: %s", context->proc,
		               strerror(-r));
	return 0;
}

void ph_scan_free(struct ph_scan *scan)
{
	free(scan->processes);
	ph_reasons_free(&scan->partial);
	*scan = (struct ph_scan){ 0 };
}
