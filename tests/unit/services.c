/* Services: names of ports, from files and from the registry of the IANA. */
#include "porthole/services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtnetlink.h"

#define PARSE(text, services) \
	ph_services_parse((text), sizeof(text) - 1, PH_SERVICE_ETC, (services), NULL)

static const char two_files_user[] = "myweb 80/tcp # mine\nHTTP 8000/udp\n";
static const char two_files_etc[] = "http 80/tcp www # World Wide Web\nhttp 80/udp www\n"
				    "dns 53/udp\ndns 53/tcp\nslp 427/sctp\nslp 427/udp\n"
				    "weird 4/x\nblackjack 1025/tcp\n";

struct fixture {
	char directory[256];
	char services_file[300], user_file[300];
	struct ph_context context;
	struct ph_error error;
};

static void write_file(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *temporary = getenv("TMPDIR");

	snprintf(f->directory, sizeof(f->directory), "%s/porthole-services-XXXXXX",
	         temporary != NULL ? temporary : "/tmp");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->services_file, sizeof(f->services_file), "%s/services", f->directory);
	snprintf(f->user_file, sizeof(f->user_file), "%s/mine", f->directory);
	f->context = (struct ph_context){ .etc = f->directory, .cancel_fd = -1 };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->services_file);
	unlink(f->user_file);
	rmdir(f->user_file);
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
	return 0;
}

static void use_two_files(struct fixture *f)
{
	write_file(f->services_file, two_files_etc, sizeof(two_files_etc) - 1);
	write_file(f->user_file, two_files_user, sizeof(two_files_user) - 1);
	f->context.user_services = f->user_file;
}

static void the_users_file_comes_first_then_etc_then_the_registry(void **state)
{
	struct fixture *f = *state;
	struct ph_services *services;
	const struct ph_service *found;

	use_two_files(f);
	assert_int_equal(ph_services_load(&f->context, &services, &f->error), 0);
	found = ph_services_by_port(services, 80, NULL);
	assert_string_equal(found->name, "myweb");
	assert_int_equal(found->source, PH_SERVICE_USER);
	assert_string_equal(found->description, "mine");
	found = ph_services_by_port(services, 80, "udp");
	assert_string_equal(found->name, "http");
	assert_int_equal(found->source, PH_SERVICE_ETC);
	found = ph_services_by_port(services, 80, "sctp");
	assert_string_equal(found->name, "http");
	assert_int_equal(found->source, PH_SERVICE_IANA);
	assert_null(*found->aliases);
	assert_string_equal(ph_services_at(services, 0)->name, "myweb");
	assert_string_equal(ph_services_at(services, 2)->name, "http");
	assert_null(ph_services_at(services, ph_services_count(services)));
	ph_services_free(services);
}

static void without_a_protocol_tcp_precedes_udp_precedes_others(void **state)
{
	struct ph_services *services;

	(void)state;
	assert_int_equal(PARSE(two_files_etc, &services), 0);
	assert_string_equal(ph_services_by_port(services, 53, NULL)->proto, "tcp");
	assert_string_equal(ph_services_by_port(services, 427, NULL)->proto, "udp");
	assert_string_equal(ph_services_by_port(services, 4, NULL)->proto, "x");
	assert_string_equal(ph_services_by_name(services, "dns", NULL)->proto, "tcp");
	assert_string_equal(ph_services_by_name(services, "slp", "SCTP")->proto, "sctp");
	assert_null(ph_services_by_name(services, "blackjack", "x"));
	ph_services_free(services);
}

static void names_and_aliases_fold_case_only_where_none_is_exact(void **state)
{
	struct fixture *f = *state;
	struct ph_services *services;

	use_two_files(f);
	assert_int_equal(ph_services_load(&f->context, &services, &f->error), 0);
	assert_int_equal(ph_services_by_name(services, "HTTP", NULL)->port, 8000);
	assert_int_equal(ph_services_by_name(services, "http", NULL)->port, 80);
	assert_int_equal(ph_services_by_name(services, "Http", NULL)->port, 8000);
	assert_int_equal(ph_services_by_name(services, "www", "udp")->port, 80);
	assert_int_equal(ph_services_by_name(services, "WWW", NULL)->port, 80);
	assert_string_equal(ph_services_by_name(services, "www", NULL)->aliases[0], "www");
	/* Only the registry knows these. */
	assert_int_equal(ph_services_by_name(services, "x11", NULL)->port, 6000);
	assert_int_equal(ph_services_by_name(services, "MySQL", "tcp")->port, 3306);
	assert_null(ph_services_by_name(services, "", NULL));
	assert_null(ph_services_by_name(services, "no-such-service", NULL));
	ph_services_free(services);
}

static void a_range_of_the_registry_names_each_of_its_ports(void **state)
{
	struct ph_services *services;
	const struct ph_service *found;

	(void)state;
	assert_int_equal(PARSE("", &services), 0);
	for (uint16_t port = 6000; port <= 6063; port++) {
		found = ph_services_by_port(services, port, "udp");
		assert_string_equal(found->name, "x11");
		assert_int_equal(found->port, 6000);
		assert_int_equal(found->last_port, 6063);
	}
	assert_string_not_equal(ph_services_by_port(services, 6064, "udp")->name, "x11");
	found = ph_services_by_port(services, 22, "tcp");
	assert_int_equal(found->last_port, 22);
	ph_services_free(services);
}

/* Every entry of the registry is found again, by its port and by its name. */
static void every_entry_is_found_by_port_and_by_name(void **state)
{
	struct ph_services *services;
	unsigned previous = 0;

	(void)state;
	assert_int_equal(PARSE("", &services), 0);
	assert_true(ph_services_count(services) > 11000);
	for (size_t i = 0; i < ph_services_count(services); i++) {
		const struct ph_service *entry = ph_services_at(services, i), *found;

		assert_true(entry->port >= previous);
		previous = entry->port;
		found = ph_services_by_port(services, entry->port, entry->proto);
		assert_int_equal(found->port, entry->port);
		found = ph_services_by_name(services, entry->name, entry->proto);
		assert_string_equal(found->name, entry->name);
		assert_string_equal(found->proto, entry->proto);
	}
	ph_services_free(services);
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char text[] = "# a comment\n\n   \nzero 0/tcp\nbig 70000/tcp\nbig 65536/tcp\n"
				   "huge 99999999999999999999/tcp\ntext x/tcp\nhalf 12x/tcp\n"
				   "bare 13\nslash 14/\nneg -1/tcp\nlonely\nnul 15/tcp a\0b\n"
				   "hash 16#/tcp\n\t good\t17/tcp\v a1\fa2 \r\nlast 65535/udp#c";
	struct ph_services *services;
	const struct ph_service *good, *last;

	(void)state;
	assert_int_equal(PARSE(text, &services), 0);
	good = ph_services_at(services, 0);
	assert_string_equal(good->name, "good");
	assert_int_equal(good->port, 17);
	assert_string_equal(good->aliases[0], "a1");
	assert_string_equal(good->aliases[1], "a2");
	assert_null(good->aliases[2]);
	last = ph_services_at(services, 1);
	assert_string_equal(last->name, "last");
	assert_int_equal(last->port, 65535);
	assert_string_equal(last->description, "c");
	assert_int_equal(ph_services_at(services, 2)->source, PH_SERVICE_IANA);
	ph_services_free(services);
}

/* A line of 1 MB with 500,000 aliases, and bytes that are no UTF-8. */
static void huge_and_hostile_lines_are_kept_as_bytes(void **state)
{
	size_t length = 1 << 20;
	char *text = malloc(length);
	struct ph_services *services;
	const struct ph_service *found;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < length; i++)
		text[i] = i % 2 ? ' ' : 'a';
	memcpy(text, "\xff\x1b[0m 9/tcp ", 12);
	assert_int_equal(ph_services_parse(text, length, PH_SERVICE_USER, &services, NULL), 0);
	free(text);
	found = ph_services_by_name(services, "a", NULL);
	assert_string_equal(found->name, "\xff\x1b[0m");
	while (found->aliases[count] != NULL)
		count++;
	assert_int_equal(count, (length - 12) / 2);
	ph_services_free(services);
}

static void a_missing_file_is_no_error_but_an_unreadable_one_is(void **state)
{
	struct fixture *f = *state;
	struct ph_services *services;

	f->context.user_services = f->user_file;
	assert_int_equal(ph_services_load(&f->context, &services, &f->error), 0);
	assert_string_equal(ph_services_by_port(services, 22, "tcp")->name, "ssh");
	ph_services_free(services);
	assert_int_equal(mkdir(f->user_file, 0700), 0);
	assert_failure(ph_services_load(&f->context, &services, &f->error), -EISDIR, f->error,
	               "/mine");
	assert_null(services);
}

/* In a child, as a user who may not enter the directory. 0: the file was passed over. */
static int load_as_another_user(void)
{
	struct ph_context context = { .etc = "/etc", .user_services = NULL, .cancel_fd = -1 };
	const char *temporary = getenv("TMPDIR");
	char directory[256], path[300];
	struct ph_services *services;
	int r;

	snprintf(directory, sizeof(directory), "%s/porthole-closed-XXXXXX",
	         temporary != NULL ? temporary : "/tmp");
	if (mkdtemp(directory) == NULL || chmod(directory, 0) < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/services", directory);
	context.user_services = path;
	if (geteuid() == 0 && seteuid(65534) < 0)
		return CANNOT_RUN;
	r = ph_services_load(&context, &services, NULL);
	if (geteuid() != getuid() && seteuid(getuid()) < 0)
		return 2;
	if (r == 0)
		ph_services_free(services);
	rmdir(directory);
	return r == 0 ? 0 : 3;
}

static void a_users_file_in_a_closed_directory_is_passed_over(void **state)
{
	int result = run_in_child(load_as_another_user);

	(void)state;
	if (result == CANNOT_RUN) {
		print_message("skipped: root here may not become another user\n");
		skip();
	}
	assert_int_equal(result, 0);
}

static void a_file_over_4_mib_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ph_services *services;

	write_file(f->services_file, "", 0);
	assert_int_equal(truncate(f->services_file, (4 << 20) + 1), 0);
	assert_failure(ph_services_load(&f->context, &services, &f->error), -EFBIG, f->error,
	               "services");
	assert_int_equal(truncate(f->services_file, 4 << 20), 0);
	assert_int_equal(ph_services_load(&f->context, &services, &f->error), 0);
	ph_services_free(services);
}

static int load_and_look_up(void *data)
{
	struct fixture *f = data;
	struct ph_services *services;
	int r = ph_services_load(&f->context, &services, &f->error);

	if (r < 0) {
		assert_null(services);
		assert_int_equal(f->error.code, r);
		return r;
	}
	assert_non_null(ph_services_by_name(services, "www", NULL));
	ph_services_free(services);
	r = ph_services_parse("a 1/t b\n", 8, PH_SERVICE_USER, &services, &f->error);
	ph_services_free(services);
	return r;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;

	use_two_files(f);
	fail_each_allocation(load_and_look_up, f);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(the_users_file_comes_first_then_etc_then_the_registry),
		cmocka_unit_test(without_a_protocol_tcp_precedes_udp_precedes_others),
		WITH_FILES(names_and_aliases_fold_case_only_where_none_is_exact),
		cmocka_unit_test(a_range_of_the_registry_names_each_of_its_ports),
		cmocka_unit_test(every_entry_is_found_by_port_and_by_name),
		cmocka_unit_test(lines_that_are_none_are_passed_over),
		cmocka_unit_test(huge_and_hostile_lines_are_kept_as_bytes),
		WITH_FILES(a_missing_file_is_no_error_but_an_unreadable_one_is),
		cmocka_unit_test(a_users_file_in_a_closed_directory_is_passed_over),
		WITH_FILES(a_file_over_4_mib_is_refused),
		WITH_FILES(failed_allocations_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
