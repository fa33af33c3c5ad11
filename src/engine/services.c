/*
 * Services: names of ports. Sources: services(5) files, and the IANA Service Name and Transport
 * Protocol Port Number Registry (RFC 6335), which tools/iana.awk makes into tables.
 */
#include "porthole/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT      (4U << 20)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct iana_entry {
	uint32_t name, proto, description; /* offsets in iana_texts */
	uint16_t port, last_port;
};

#include "iana.inc"

#define IANA_COUNT COUNT_OF(iana_entries)
_Static_assert(IANA_COUNT <= UINT16_MAX, "iana_by_name holds 16-bit indices");

struct entry {
	struct ph_service service;
	size_t aliases; /* where its aliases begin in ph_services.aliases */
};

struct port_key {
	uint16_t port;
	uint32_t entry;
};

struct name_key {
	const char *name;
	uint32_t entry;
};

/* One key for each name and alias; sorted when a name is first looked up, since few programs do. */
struct name_index {
	size_t count;
	bool sorted;
	struct name_key keys[];
};

struct ph_services {
	char *texts[2]; /* of the files; the entries point into them */
	size_t text_count;
	struct entry *entries; /* the user's, then those of /etc */
	size_t entry_count, entry_capacity;
	const char **aliases; /* lists that end with NULL; the first one is empty */
	size_t alias_count, alias_capacity;
	size_t name_count; /* of entries and aliases */
	struct port_key *by_port; /* one for each entry */
	struct name_index *by_name;
	struct ph_service *iana; /* IANA_COUNT, each filled when it is first asked for */
};

/* ASCII alone, whatever the locale. */
static int fold(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : (unsigned char)letter;
}

static int compare_folded(const char *a, const char *b)
{
	while (*a != '\0' && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return fold(*a) - fold(*b);
}

static bool is_blank(char letter)
{
	return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

/* Cuts the next word off `*rest` and ends it with a NUL. NULL: none is left. */
static char *next_word(char **rest)
{
	char *word = *rest, *end;

	while (is_blank(*word))
		word++;
	if (*word == '\0')
		return NULL;
	for (end = word; *end != '\0' && !is_blank(*end); end++)
		;
	*rest = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

/* "PORT/PROTO": the protocol, with the port set, or NULL where it is none. */
static const char *parse_port(const char *word, uint16_t *port)
{
	uint32_t value = 0;
	const char *at = word;

	for (; *at >= '0' && *at <= '9' && value <= UINT16_MAX; at++)
		value = value * 10 + (uint32_t)(*at - '0');
	if (*at != '/' || at[1] == '\0' || value == 0 || value > UINT16_MAX)
		return NULL;
	*port = (uint16_t)value;
	return at + 1;
}

static int add_alias(struct ph_services *services, const char *alias)
{
	int r = ph_reserve(&services->aliases, services->alias_count, &services->alias_capacity,
	                   sizeof(*services->aliases));

	if (r < 0)
		return r;
	services->aliases[services->alias_count++] = alias;
	return 0;
}

/* What the rest of a line names besides: the list's beginning is `*start`. */
static int add_aliases(struct ph_services *services, char *rest, size_t *start)
{
	const char *alias = next_word(&rest);

	*start = 0;
	if (alias == NULL)
		return 0;
	*start = services->alias_count;
	for (; alias != NULL; alias = next_word(&rest)) {
		if (add_alias(services, alias) < 0)
			return -ENOMEM;
		services->name_count++;
	}
	return add_alias(services, NULL);
}

/* A comment's text without the blanks around it. */
static const char *trim(char *text)
{
	size_t length;

	while (is_blank(*text))
		text++;
	length = strlen(text);
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* One line, NUL-terminated; no service if it is none. */
static int add_line(struct ph_services *services, char *line, uint8_t source)
{
	struct entry entry = { .service = { .source = source, .description = "" } };
	char *comment = strchr(line, '#'), *word, *rest = line;

	if (comment != NULL)
		*comment = '\0';
	entry.service.name = next_word(&rest);
	word = entry.service.name == NULL ? NULL : next_word(&rest);
	if (word == NULL)
		return 0;
	entry.service.proto = parse_port(word, &entry.service.port);
	if (entry.service.proto == NULL)
		return 0;
	entry.service.last_port = entry.service.port;
	if (comment != NULL)
		entry.service.description = trim(comment + 1);
	if (add_aliases(services, rest, &entry.aliases) < 0 ||
	    ph_reserve(&services->entries, services->entry_count, &services->entry_capacity,
	               sizeof(*services->entries)) < 0)
		return -ENOMEM;
	services->entries[services->entry_count++] = entry;
	services->name_count++;
	return 0;
}

/* Takes over `text`, which has a NUL after its `length` bytes. */
static int add_text(struct ph_services *services, char *text, size_t length, uint8_t source)
{
	char *end = text + length;

	services->texts[services->text_count++] = text;
	for (char *line = text; line < end;) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *stop = newline == NULL ? end : newline;

		*stop = '\0';
		/* A line with a NUL in it is no text. */
		if (strlen(line) == (size_t)(stop - line) && add_line(services, line, source) < 0)
			return -ENOMEM;
		line = stop + 1;
	}
	return 0;
}

static int compare_ports(const void *a, const void *b)
{
	const struct port_key *left = a, *right = b;

	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	return left->entry < right->entry ? -1 : left->entry > right->entry;
}

static int compare_names(const void *a, const void *b)
{
	const struct name_key *left = a, *right = b;
	int order = compare_folded(left->name, right->name);

	if (order != 0)
		return order;
	return left->entry < right->entry ? -1 : left->entry > right->entry;
}

/* Lets the entries point to their aliases, which have found their place, and makes the indices. */
static int index_entries(struct ph_services *services)
{
	struct name_key *key;

	services->by_port = malloc((services->entry_count + 1) * sizeof(*services->by_port));
	services->by_name = malloc(sizeof(*services->by_name) +
	                           services->name_count * sizeof(*services->by_name->keys));
	if (services->by_port == NULL || services->by_name == NULL)
		return -ENOMEM;
	services->by_name->count = services->name_count;
	services->by_name->sorted = false;
	key = services->by_name->keys;
	for (uint32_t i = 0; i < services->entry_count; i++) {
		struct entry *entry = &services->entries[i];
		const char *const *alias = services->aliases + entry->aliases;

		entry->service.aliases = alias;
		services->by_port[i] = (struct port_key){ entry->service.port, i };
		*key++ = (struct name_key){ entry->service.name, i };
		for (; *alias != NULL; alias++)
			*key++ = (struct name_key){ *alias, i };
	}
	qsort(services->by_port, services->entry_count, sizeof(*services->by_port), compare_ports);
	return 0;
}

static int new_services(struct ph_services **services)
{
	*services = calloc(1, sizeof(**services));
	if (*services == NULL)
		return -ENOMEM;
	/* Large enough to be pages that the kernel zeroes when they are touched: it costs nothing.
	 */
	(*services)->iana = calloc(IANA_COUNT, sizeof(*(*services)->iana));
	if ((*services)->iana == NULL)
		return -ENOMEM;
	return add_alias(*services, NULL);
}

static int add_file(struct ph_services *services, const char *root, const char *path,
                    uint8_t source, struct ph_error *error)
{
	size_t length;
	char *text;
	int r = ph_read_below(root, path, FILE_LIMIT, &text, &length, error);

	/* What this user may not read names nothing for him: the other sources still do. */
	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES)
		return 0;
	if (r < 0)
		return r;
	r = add_text(services, text, length, source);
	return r < 0 ? ph_fail(error, r, "reading %s: out of memory", path) : 0;
}

/* A path of the user's own may be relative or not: it is opened as it stands. */
static int add_user_file(struct ph_services *services, const char *path, struct ph_error *error)
{
	/* "." may not be searched, which does not matter to a path from the root. */
	const char *root = path[0] == '/' ? "/" : ".";
	int r = add_file(services, root, path, PH_SERVICE_USER, NULL);

	return r < 0 ? ph_fail(error, r, "reading the services file %s: %s", path, strerror(-r))
	             : 0;
}

static int finish(struct ph_services **services, int r, struct ph_error *error)
{
	if (r == 0 && index_entries(*services) < 0)
		r = ph_fail(error, -ENOMEM, "sorting the services' names: out of memory");
	if (r < 0) {
		ph_services_free(*services);
		*services = NULL;
	}
	return r;
}

int ph_services_load(struct ph_context *context, struct ph_services **services,
                     struct ph_error *error)
{
	int r = new_services(services);

	if (r < 0)
		ph_fail(error, r, "reading the services' names: out of memory");
	if (r == 0 && context->user_services != NULL)
		r = add_user_file(*services, context->user_services, error);
	if (r == 0)
		r = add_file(*services, context->etc, "services", PH_SERVICE_ETC, error);
	return finish(services, r, error);
}

int ph_services_parse(const char *text, size_t length, enum ph_service_source source,
                      struct ph_services **services, struct ph_error *error)
{
	int r = new_services(services);
	char *copy = r < 0 ? NULL : malloc(length + 1);

	if (copy == NULL) {
		r = -ENOMEM;
	} else {
		memcpy(copy, text, length);
		copy[length] = '\0';
		r = add_text(*services, copy, length, (uint8_t)source);
	}
	if (r < 0)
		ph_fail(error, r, "reading services: out of memory");
	return finish(services, r, error);
}

void ph_services_free(struct ph_services *services)
{
	if (services == NULL)
		return;
	for (size_t i = 0; i < services->text_count; i++)
		free(services->texts[i]);
	free(services->entries);
	free(services->aliases);
	free(services->by_port);
	free(services->by_name);
	free(services->iana);
	free(services);
}

static const struct ph_service *iana_at(const struct ph_services *services, size_t index)
{
	static const char *const no_aliases[] = { NULL };
	const struct iana_entry *entry = &iana_entries[index];
	struct ph_service *service = &services->iana[index];

	if (service->name == NULL)
		*service = (struct ph_service){
			.name = iana_texts + entry->name,
			.aliases = no_aliases,
			.proto = iana_texts + entry->proto,
			.description = iana_texts + entry->description,
			.port = entry->port,
			.last_port = entry->last_port,
			.source = PH_SERVICE_IANA,
		};
	return service;
}

/* A lookup's best entry so far, while its source's entries go by. */
struct choice {
	const char *proto; /* the only one, or NULL */
	const struct ph_service *best;
	int rank; /* of the best one */
};

static void consider(struct choice *choice, const struct ph_service *service)
{
	int rank = strcmp(service->proto, "tcp") == 0   ? 0
	           : strcmp(service->proto, "udp") == 0 ? 1
	                                                : 2;

	if (choice->proto != NULL) {
		if (choice->best != NULL || compare_folded(service->proto, choice->proto) != 0)
			return;
	} else if (choice->best != NULL &&
	           (service->source != choice->best->source || rank >= choice->rank)) {
		return;
	}
	choice->best = service;
	choice->rank = rank;
}

static void consider_ports(const struct ph_services *services, uint16_t port, struct choice *choice)
{
	size_t low = 0, high = services->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (services->by_port[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < services->entry_count && services->by_port[low].port == port; low++)
		consider(choice, &services->entries[services->by_port[low].entry].service);
}

static void consider_iana_ports(const struct ph_services *services, uint16_t port,
                                struct choice *choice)
{
	size_t low = 0, high = IANA_COUNT;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (iana_entries[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < IANA_COUNT && iana_entries[low].port == port; low++)
		consider(choice, iana_at(services, low));
	for (size_t i = 0; choice->best == NULL && i < COUNT_OF(iana_ranges); i++) {
		const struct iana_entry *range = &iana_entries[iana_ranges[i]];

		if (port >= range->port && port <= range->last_port)
			consider(choice, iana_at(services, iana_ranges[i]));
	}
}

const struct ph_service *ph_services_by_port(const struct ph_services *services, uint16_t port,
                                             const char *proto)
{
	struct choice choice = { .proto = proto };

	consider_ports(services, port, &choice);
	if (choice.best == NULL)
		consider_iana_ports(services, port, &choice);
	return choice.best;
}

static void consider_names(const struct ph_services *services, const char *name, bool exact,
                           struct choice *choice)
{
	struct name_index *index = services->by_name;
	size_t low = 0, high = index->count;

	if (!index->sorted)
		qsort(index->keys, index->count, sizeof(*index->keys), compare_names);
	index->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_folded(index->keys[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < index->count; low++) {
		const struct name_key *key = &index->keys[low];

		if (compare_folded(key->name, name) != 0)
			break;
		if (!exact || strcmp(key->name, name) == 0)
			consider(choice, &services->entries[key->entry].service);
	}
}

static void consider_iana_names(const struct ph_services *services, const char *name, bool exact,
                                struct choice *choice)
{
	size_t low = 0, high = IANA_COUNT;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct iana_entry *entry = &iana_entries[iana_by_name[middle]];

		if (compare_folded(iana_texts + entry->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < IANA_COUNT; low++) {
		const char *known = iana_texts + iana_entries[iana_by_name[low]].name;

		if (compare_folded(known, name) != 0)
			break;
		if (!exact || strcmp(known, name) == 0)
			consider(choice, iana_at(services, iana_by_name[low]));
	}
}

const struct ph_service *ph_services_by_name(const struct ph_services *services, const char *name,
                                             const char *proto)
{
	struct choice choice = { .proto = proto };

	for (int exact = 1; exact >= 0 && choice.best == NULL; exact--) {
		consider_names(services, name, exact, &choice);
		if (choice.best == NULL)
			consider_iana_names(services, name, exact, &choice);
	}
	return choice.best;
}

const struct ph_service *ph_services_at(const struct ph_services *services, size_t index)
{
	if (index < services->entry_count)
		return &services->entries[index].service;
	index -= services->entry_count;
	return index < IANA_COUNT ? iana_at(services, index) : NULL;
}

size_t ph_services_count(const struct ph_services *services)
{
	return services->entry_count + IANA_COUNT;
}
