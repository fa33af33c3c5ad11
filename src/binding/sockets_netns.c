/*
 * Sockets of network namespaces: the caller's own, those that were named, or all. Each namespace is
 * visited once, with what would otherwise be read later. No Lua here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "binding/sockets.h"
#include "porthole/namespaces.h"

static int add_name(struct socket_rows *rows, const char *name, struct ph_error *error)
{
	char **larger = reallocarray(rows->netns, rows->netns_count + 1, sizeof(*larger));

	if (larger == NULL)
		return ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	rows->netns = larger;
	larger[rows->netns_count] = strdup(name);
	if (larger[rows->netns_count] == NULL)
		return ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	rows->netns_count++;
	return 0;
}

static int read_own(struct socket_rows *rows, const struct ph_socket_query *query,
                    struct ph_error *error)
{
	struct ph_namespace own = { .fd = -1 };
	int r = ph_namespace_own(rows->context, &own, error);

	/* The sockets can be read without the name. */
	if (r == 0)
		r = add_name(rows, own.name, error);
	else if (r != -ENOMEM && ph_reasons_add(&rows->reasons, "%s", error->message) == 0)
		r = 0;
	ph_namespace_close(&own);
	if (r < 0)
		return ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	return ph_sockets_read(rows->context, query, 0, &rows->sockets, error);
}

/* What is done in a namespace. */
struct visit {
	struct socket_rows *rows;
	const struct ph_socket_query *query;
	struct ph_error *error;
	uint16_t netns;
};

static int visit(void *data)
{
	struct visit *visit = data;
	struct socket_rows *rows = visit->rows;
	int r = ph_sockets_read(rows->context, visit->query, visit->netns, &rows->sockets,
	                        visit->error);

	if (r < 0)
		return r;
	r = socket_rows_add_ifaces(rows, visit->netns);
	return r < 0 ? ph_fail(visit->error, r, "reading devices: %s", strerror(-r)) : 0;
}

/* Visits the namespaces from `first` on. */
static int visit_from(struct socket_rows *rows, const struct ph_socket_query *query,
                      const struct ph_namespaces *namespaces, size_t first, bool all,
                      struct ph_error *error)
{
	for (size_t i = first; i < namespaces->count; i++) {
		struct visit data = {
			.rows = rows,
			.query = query,
			.error = error,
			.netns = (uint16_t)i,
		};
		int r;

		if (i > UINT16_MAX)
			return ph_reasons_add(&rows->reasons,
			                      "only the first %d network namespaces "
			                      "were read",
			                      UINT16_MAX + 1);
		r = add_name(rows, namespaces->items[i].name, error);
		if (r == 0)
			r = ph_namespace_run(&namespaces->items[i], visit, &data, error);
		if (r < 0 && all && r != -ENOMEM && r != -ECANCELED)
			r = ph_reasons_add(&rows->reasons,
			                   "network namespace %s could not be read: %s",
			                   namespaces->items[i].name, error->message);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Namespaces that nothing but a descriptor keeps alive, which the dumps so far have not shown. */
static int visit_held(struct socket_rows *rows, const struct ph_socket_query *query,
                      struct ph_namespaces *namespaces, struct ph_error *error)
{
	size_t count = rows->sockets.count, before = namespaces->count;
	uint32_t *known = reallocarray(NULL, count + 1, sizeof(*known));
	int r;

	if (known == NULL)
		return ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	for (size_t i = 0; i < count; i++)
		known[i] = rows->sockets.items[i].inode;
	r = ph_namespaces_add_held(rows->context, namespaces, known, count, error);
	free(known);
	return r < 0 ? r : visit_from(rows, query, namespaces, before, true, error);
}

int socket_rows_read(struct socket_rows *rows, const struct ph_socket_query *query,
                     struct ph_namespaces *namespaces, bool all, struct ph_error *error)
{
	struct ph_socket_query full = { .proc = query->proc };
	int r;

	if (namespaces == NULL)
		return read_own(rows, query, error);
	/* Which sockets no dump shows can be told only after dumps of everything. */
	if (!all)
		full = *query;
	full.details = true;
	rows->complete = true;
	r = visit_from(rows, &full, namespaces, 0, all, error);
	if (r == 0 && all)
		r = visit_held(rows, &full, namespaces, error);
	if (r == 0 && (ph_reasons_join(&rows->reasons, &namespaces->partial) < 0 ||
	               socket_rows_index_details(rows, &rows->sockets) < 0))
		r = ph_fail(error, -ENOMEM, "reading sockets: out of memory");
	return r;
}
