/*
 * History. Several shells may share the file: each appends with one write under a lock, and who
 * tidies it writes a new one and renames it under the same lock. Under sudo the file is the
 * effective user's: $HOME and $XDG_STATE_HOME are followed only where they are that user's own.
 */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
/* history.h of readline needs stdio.h. */
#include <readline/history.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_ENTRIES     10000
#define MOST_ENTRY_BYTES ((size_t)1 << 20)
#define MOST_FILE_BYTES  ((size_t)32 << 20)
#define FILE_NAME        "history"

struct entry {
	const char *stamp; /* the line "#SECONDS", borrowed from the file's text */
	const char *text; /* borrowed likewise; with the newlines between its lines */
	bool repeated; /* the same comes again below */
};

struct entries {
	struct entry *items;
	size_t count, capacity;
};

/* The directory of the file, for as long as the program runs; -1: history is not kept. */
static int directory = -1;

static bool is_ours(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_uid == geteuid();
}

/* Opens `name` below `parent`, makes it first where it is missing, and closes `parent`. A directory
 * of another user is refused. */
static int step_into(int parent, const char *name)
{
	int fd = -1;

	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, 0700) == 0 || errno == EEXIST)
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(parent);
	if (fd >= 0 && !is_ours(fd)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* An absolute directory of ours, or -1. */
static int open_base(const char *path, bool make)
{
	int fd;

	if (path == NULL || *path != '/') {
		errno = ENOENT;
		return -1;
	}
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !is_ours(fd)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

static int open_home_state(const char *home)
{
	return step_into(step_into(open_base(home, false), ".local"), "state");
}

static int open_directory(void)
{
	int state = open_base(getenv("XDG_STATE_HOME"), true);
	const struct passwd *user;

	if (state < 0)
		state = open_home_state(getenv("HOME"));
	if (state < 0) {
		user = getpwuid(geteuid());
		state = open_home_state(user != NULL ? user->pw_dir : NULL);
	}
	return step_into(state, "porthole");
}

/* Waits a fifth of a second for whoever has the lock; then goes on without: better two shells at
 * once than a line that hangs. */
static void lock(int fd)
{
	for (int i = 0; i < 20 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* The file, locked, ours and nobody else's to read; or -1 with errno. */
static int open_locked(void)
{
	struct stat opened, named;

	for (int attempt = 0; attempt < 5; attempt++) {
		int fd = openat(directory, FILE_NAME,
		                O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		                0600);

		if (fd < 0)
			return -1;
		lock(fd);
		if (fstat(fd, &opened) < 0 || !S_ISREG(opened.st_mode) ||
		    opened.st_uid != geteuid()) {
			close(fd);
			errno = EPERM;
			return -1;
		}
		if ((opened.st_mode & 077) != 0 && fchmod(fd, 0600) < 0) {
			close(fd);
			return -1;
		}
		/* Somebody may have put a new file in its place before the lock was ours. */
		if (fstatat(directory, FILE_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
			return fd;
		close(fd);
	}
	errno = EAGAIN;
	return -1;
}

/* The file's end, at most MOST_FILE_BYTES of it; NULL: not read. */
static char *read_end(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END), skip = 0;
	size_t length = 0;
	char *text;

	if (size < 0)
		return NULL;
	if ((uint64_t)size > MOST_FILE_BYTES)
		skip = size - (off_t)MOST_FILE_BYTES;
	text = malloc((size_t)(size - skip) + 1);
	while (text != NULL && length < (size_t)(size - skip)) {
		ssize_t got = pread(fd, text + length, (size_t)(size - skip) - length,
		                    skip + (off_t)length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	if (text == NULL)
		return NULL;
	/* No chunk has a NUL: it would hide the rest of the file. */
	for (char *nul = text; (nul = memchr(nul, '\0', length - (size_t)(nul - text))) != NULL;)
		*nul = ' ';
	text[length] = '\0';
	return text;
}

static bool is_stamp(const char *line, size_t length)
{
	return length > 1 && line[0] == '#' && strspn(line + 1, "0123456789") == length - 1;
}

static struct entry *add_entry(struct entries *entries)
{
	if (entries->count == entries->capacity) {
		size_t room = entries->capacity ? entries->capacity * 2 : 256;
		struct entry *larger = reallocarray(entries->items, room, sizeof(*larger));

		if (larger == NULL)
			return NULL;
		entries->items = larger;
		entries->capacity = room;
	}
	entries->items[entries->count] = (struct entry){ 0 };
	return &entries->items[entries->count++];
}

/* Cuts the text into entries. What stands before the first time is passed over. */
static void parse(char *text, struct entries *entries)
{
	struct entry *entry = NULL;
	size_t whole = strlen(text);

	/* The last one's newline. */
	if (whole > 0 && text[whole - 1] == '\n')
		text[whole - 1] = '\0';

	for (char *line = text; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		char *next = line[length] != '\0' ? line + length + 1 : line + length;

		if (is_stamp(line, length)) {
			/* The newline before ends the entry above, unless that has no text at all.
			 */
			if (line > text)
				line[-1] = '\0';
			if (entry != NULL && entry->text == line)
				entry->text = line - 1;
			line[length] = '\0';
			entry = add_entry(entries);
			if (entry == NULL)
				return;
			entry->stamp = line;
			entry->text = next;
		}
		line = next;
	}
}

/* FNV-1a. */
static uint64_t hash(const char *text)
{
	uint64_t value = 14695981039346656037u;

	for (; *text != '\0'; text++)
		value = (value ^ (unsigned char)*text) * 1099511628211u;
	return value;
}

/* Where the entry stands in a table of indices (from 1; 0: free), or would stand. */
static size_t slot_of(const struct entries *entries, const size_t *table, size_t slots,
                      const char *text)
{
	size_t slot = hash(text) & (slots - 1);

	while (table[slot] != 0 && strcmp(entries->items[table[slot] - 1].text, text) != 0)
		slot = (slot + 1) & (slots - 1);
	return slot;
}

/* Marks what comes again below, and what is empty. Returns how many stay. */
static size_t mark_repeated(struct entries *entries)
{
	size_t slots = 512, stay = 0, *table;

	while (slots < entries->count * 2)
		slots *= 2;
	table = calloc(slots, sizeof(*table));
	if (table == NULL)
		return entries->count;
	for (size_t i = entries->count; i > 0; i--) {
		struct entry *entry = &entries->items[i - 1];
		size_t slot = slot_of(entries, table, slots, entry->text);

		entry->repeated = table[slot] != 0 || *entry->text == '\0';
		if (table[slot] == 0)
			table[slot] = i;
		stay += !entry->repeated;
	}
	free(table);
	return stay;
}

/* Drops repeated ones, and the oldest above the limit. */
static void tidy(struct entries *entries)
{
	size_t stay = mark_repeated(entries), kept = 0;
	size_t drop = stay > MOST_ENTRIES ? stay - MOST_ENTRIES : 0;

	for (size_t i = 0; i < entries->count; i++) {
		if (entries->items[i].repeated)
			continue;
		if (drop > 0)
			drop--;
		else
			entries->items[kept++] = entries->items[i];
	}
	entries->count = kept;
}

/* Puts a new file with these entries in the place of the old one, whose lock the caller has. */
static void rewrite(const struct entries *entries)
{
	char name[64];
	FILE *file;
	int fd;

	snprintf(name, sizeof(name), FILE_NAME ".%ld", (long)getpid());
	unlinkat(directory, name, 0);
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	file = fdopen(fd, "w");
	if (file == NULL) {
		close(fd);
		unlinkat(directory, name, 0);
		return;
	}
	for (size_t i = 0; i < entries->count; i++)
		fprintf(file, "%s\n%s\n", entries->items[i].stamp, entries->items[i].text);
	/* A file that is not whole never takes the old one's place. */
	if ((fflush(file) != 0) | (ferror(file) != 0) | (fclose(file) != 0) ||
	    renameat(directory, name, directory, FILE_NAME) < 0)
		unlinkat(directory, name, 0);
}

static void load(int fd)
{
	struct entries entries = { 0 };
	char *text = read_end(fd);
	size_t found;

	if (text == NULL)
		return;
	parse(text, &entries);
	found = entries.count;
	tidy(&entries);
	for (size_t i = 0; i < entries.count; i++)
		add_history(entries.items[i].text);
	if (entries.count < found)
		rewrite(&entries);
	free(entries.items);
	free(text);
}

void history_open(void)
{
	int fd = -1;

	directory = open_directory();
	if (directory >= 0)
		fd = open_locked();
	if (fd < 0) {
		fprintf(stderr,
		        "porthole: history is not kept, for want of a state directory of one's "
		        "own: %s\n",
		        strerror(errno));
		if (directory >= 0)
			close(directory);
		directory = -1;
		return;
	}
	close(fd);
}

void history_load(void)
{
	int fd = directory >= 0 ? open_locked() : -1;

	if (fd < 0)
		return;
	load(fd);
	close(fd);
	/* Recalling begins behind the last one. */
	using_history();
}

/* The chunk as it stands in the file; a line of it that looks like a time gets a space. */
static char *as_written(const char *chunk, size_t *length)
{
	FILE *stream;
	char *text = NULL;

	stream = open_memstream(&text, length);
	if (stream == NULL)
		return NULL;
	fprintf(stream, "#%lld\n", (long long)time(NULL));
	for (;;) {
		size_t line = strcspn(chunk, "\n");

		if (is_stamp(chunk, line))
			fputc(' ', stream);
		fwrite(chunk, 1, line, stream);
		fputc('\n', stream);
		if (chunk[line] == '\0')
			break;
		chunk += line + 1;
	}
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void append(const char *chunk)
{
	size_t length;
	char *text = as_written(chunk, &length);
	int fd = text != NULL ? open_locked() : -1;
	ssize_t written;

	if (fd >= 0) {
		do
			written = write(fd, text, length);
		while (written < 0 && errno == EINTR);
		close(fd);
	}
	free(text);
}

/* Takes an older one of the same text out of readline's list. */
static void drop_older(const char *chunk)
{
	for (int i = history_length - 1; i >= 0; i--) {
		HIST_ENTRY *entry = history_get(history_base + i);

		if (entry != NULL && strcmp(entry->line, chunk) == 0) {
			free_history_entry(remove_history(i));
			return;
		}
	}
}

void history_keep(const char *chunk)
{
	HIST_ENTRY *last =
		history_length > 0 ? history_get(history_base + history_length - 1) : NULL;

	if (*chunk == '\0' || strlen(chunk) > MOST_ENTRY_BYTES ||
	    (last != NULL && strcmp(last->line, chunk) == 0))
		return;
	drop_older(chunk);
	add_history(chunk);
	if (directory >= 0)
		append(chunk);
}
