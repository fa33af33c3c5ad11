/* Port specifications: nmap's -p grammar. */
#include "porthole/portspec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static const char services_text[] = "http 80/tcp www\nhttp 80/udp\nhttps 443/tcp\nhttps 443/udp\n"
				    "only-udp 7777/udp\n3com-x 106/tcp\nhttp 8080/tcp\n";

struct fixture {
	char etc[64];
	struct ph_context context;
	struct ph_services *services;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));
	char path[96];
	FILE *file;

	strcpy(fixture->etc, "/tmp/porthole-portspec-XXXXXX");
	assert_non_null(mkdtemp(fixture->etc));
	snprintf(path, sizeof(path), "%s/services", fixture->etc);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(services_text, file);
	fclose(file);
	assert_int_equal(ph_context_open(&fixture->context, NULL), 0);
	fixture->context.etc = fixture->etc;
	assert_int_equal(ph_services_load(&fixture->context, &fixture->services, NULL), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/services", fixture->etc);
	unlink(path);
	rmdir(fixture->etc);
	ph_services_free(fixture->services);
	ph_context_close(&fixture->context);
	test_free(fixture);
	return 0;
}

/* The set as text: "22-25,80". */
static const char *ports_text(const struct ph_ports *ports)
{
	static char text[4096];
	size_t length = 0;

	text[0] = '\0';
	for (int low = ph_ports_next(ports, 0); low >= 0;) {
		int high = low;

		while (ph_ports_has(ports, (unsigned)high + 1))
			high++;
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		                           low < high ? "%s%d-%d" : "%s%d", length ? "," : "", low,
		                           high);
		if (length >= sizeof(text) - 16)
			break;
		low = ph_ports_next(ports, (unsigned)high + 1);
	}
	return text;
}

static void assert_ports(const struct fixture *fixture, const char *text, const char *tcp,
                         const char *udp)
{
	struct ph_portspec spec;
	struct ph_error error = { 0 };

	if (ph_portspec_parse(text, strlen(text), PH_PORTS_TCP, fixture->services, &spec, &error) <
	    0)
		fail_msg("%s: %s", text, error.message);
	assert_string_equal(ports_text(&spec.tcp), tcp);
	assert_string_equal(ports_text(&spec.udp), udp);
}

static void lists_and_ranges_are_read_as_nmap_reads_them(void **state)
{
	assert_ports(*state, "22", "22", "");
	assert_ports(*state, "80,22,23,22", "22-23,80", "");
	assert_ports(*state, "-100", "1-100", "");
	assert_ports(*state, "60000-", "60000-65535", "");
	assert_ports(*state, "-", "1-65535", "");
	assert_ports(*state, "0", "0", "");
	assert_ports(*state, "0-65535", "0-65535", "");
	assert_ports(*state, " 22 , 23 ", "22-23", "");
	assert_ports(*state, "22,", "22", "");
}

static void sections_hold_until_the_next_one(void **state)
{
	assert_ports(*state, "1-1024,T:3306,U:53,54", "1-1024,3306", "53-54");
	assert_ports(*state, "U:53,T:80,U:", "80", "53");
}

static void plain_ports_mean_the_protocols_that_are_asked_for(void **state)
{
	struct fixture *fixture = *state;
	struct ph_portspec spec;

	assert_int_equal(ph_portspec_parse("53,T:80", 7, PH_PORTS_TCP | PH_PORTS_UDP,
	                                   fixture->services, &spec, NULL),
	                 0);
	assert_string_equal(ports_text(&spec.tcp), "53,80");
	assert_string_equal(ports_text(&spec.udp), "53");
}

static void names_and_masks_come_from_the_registry(void **state)
{
	struct ph_portspec spec;
	struct fixture *fixture = *state;

	/* The file's own entries for a name replace those of the IANA. */
	assert_ports(*state, "http", "80,8080", "");
	assert_ports(*state, "HTTP,U:www", "80,8080", "80");
	assert_ports(*state, "3com-x", "106", "");
	assert_ports(*state, "U:only-udp", "", "7777");
	assert_int_equal(
		ph_portspec_parse("http*", 5, PH_PORTS_TCP, fixture->services, &spec, NULL), 0);
	assert_true(ph_ports_has(&spec.tcp, 80) && ph_ports_has(&spec.tcp, 443));
	assert_true(ph_ports_has(&spec.tcp, 8008) && !ph_ports_has(&spec.tcp, 22));
	assert_int_equal(
		ph_portspec_parse("htt?s", 5, PH_PORTS_TCP, fixture->services, &spec, NULL), 0);
	assert_string_equal(ports_text(&spec.tcp), "443");
}

static void brackets_mean_registered_ports(void **state)
{
	/* 4 is unassigned at the IANA, 5 is rje. */
	assert_ports(*state, "[4-5]", "5", "");
	assert_ports(*state, "4,[4-5,7],U:[4-5]", "4-5,7", "5");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "names no port" },
		{ "T:", "names no port" },
		{ ",22", "empty item" },
		{ "22,,23", "empty item" },
		{ "65536", "\"65536\" is above 65535" },
		{ "1-99999999999999999999", "above 65535" },
		{ "100-50", "\"100-50\" is backwards" },
		{ "-0", "backwards" },
		{ "1-2-3", "neither a port nor a range" },
		{ "22 23", "without a comma" },
		{ "t:22", "\"t:\" is no protocol" },
		{ "S:22", "only T: (TCP) and U: (UDP)" },
		{ "[22-25", "bracket that is not closed" },
		{ "22]", "closes no bracket" },
		{ "[22,[23]]", "inside of brackets" },
		{ "[[22]]", "empty item" },
		{ "no-such-service", "no service that the registry knows" },
		{ "only-udp", "write U: before it" },
		{ "2\0332", "\"2?2\" is no port" },
		{ "22;id", "is no port, range, or service name" },
	};
	struct fixture *fixture = *state;
	struct ph_portspec spec;
	struct ph_error error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error = (struct ph_error){ 0 };
		assert_failure(ph_portspec_parse(cases[i].text, strlen(cases[i].text), PH_PORTS_TCP,
		                                 fixture->services, &spec, &error),
		               -EINVAL, error, cases[i].message);
	}
	assert_failure(ph_portspec_parse("2\0002", 3, PH_PORTS_TCP, NULL, &spec, &error), -EINVAL,
	               error, "is no port");
}

static void without_a_registry_there_are_no_names(void **state)
{
	struct ph_portspec spec;
	struct ph_error error;

	(void)state;
	assert_failure(ph_portspec_parse("http", 4, PH_PORTS_TCP, NULL, &spec, &error), -EINVAL,
	               error, "no service");
}

static void a_mask_of_many_stars_ends_soon(void **state)
{
	struct fixture *fixture = *state;
	char mask[513];
	struct ph_portspec spec;

	memset(mask, '*', 512);
	for (size_t i = 1; i < 512; i += 2)
		mask[i] = 'e';
	assert_int_equal(ph_portspec_parse(mask, 512, PH_PORTS_TCP, fixture->services, &spec, NULL),
	                 -EINVAL);
}

static void ports_are_counted(void **state)
{
	struct ph_ports ports = { 0 };

	(void)state;
	assert_int_equal(ph_ports_next(&ports, 0), -1);
	ph_ports_add(&ports, 0, 65535);
	assert_int_equal(ph_ports_count(&ports), 65536);
	assert_int_equal(ph_ports_next(&ports, 65535), 65535);
	assert_int_equal(ph_ports_next(&ports, 65536), -1);
	assert_false(ph_ports_has(&ports, 65536));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_ranges_are_read_as_nmap_reads_them),
		cmocka_unit_test(sections_hold_until_the_next_one),
		cmocka_unit_test(plain_ports_mean_the_protocols_that_are_asked_for),
		cmocka_unit_test(names_and_masks_come_from_the_registry),
		cmocka_unit_test(brackets_mean_registered_ports),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(without_a_registry_there_are_no_names),
		cmocka_unit_test(a_mask_of_many_stars_ends_soon),
		cmocka_unit_test(ports_are_counted),
	};

	return cmocka_run_group_tests_name("portspec", tests, setup, teardown);
}
