/* The dump loop: whole dumps, interruptions, failures with the kernel's words, hostile messages. */
#include "porthole/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

#define TYPE   SOCK_DIAG_BY_FAMILY
#define DUMPED 3 /* messages of the dump that write_dump() writes */

struct fixture {
	struct ph_context context;
	struct replay replay;
	struct ph_netlink *netlink;
	struct ph_error error;
	uint32_t request[16];
	unsigned seen, restarts;
	int fail_at; /* message at which `each` fails with -EUCLEAN; 0: none */
};

static struct nlmsghdr *request_of(struct fixture *f)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(f->request);

	request->nlmsg_type = TYPE;
	request->nlmsg_seq = 1;
	memset(mnl_nlmsg_put_extra_header(request, 8), 0, 8);
	return request;
}

static void start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(ph_context_open(&f->context, NULL), 0);
	replay_start(&f->replay, &f->context);
	replay_add_request(&f->replay, request_of(f));
	assert_int_equal(ph_netlink_open(&f->context, NETLINK_SOCK_DIAG, &f->netlink, &f->error),
	                 0);
}

static void stop(struct fixture *f)
{
	ph_netlink_close(f->netlink);
	ph_context_close(&f->context);
	replay_free(&f->replay);
}

/* A message with `length` bytes of payload, at the end of the datagram. */
static size_t put(unsigned char *datagram, size_t at, uint16_t type, uint16_t flags,
                  const void *payload, size_t length)
{
	struct nlmsghdr header = {
		.nlmsg_len = (uint32_t)(sizeof(header) + length),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
		.nlmsg_seq = 1,
	};

	memcpy(datagram + at, &header, sizeof(header));
	memcpy(datagram + at + sizeof(header), payload, length);
	memset(datagram + at + header.nlmsg_len, 0, NLMSG_ALIGN(length) - length);
	return at + NLMSG_ALIGN(header.nlmsg_len);
}

static void add_rows(struct fixture *f, unsigned count, uint16_t flags)
{
	unsigned char datagram[256];
	size_t length = 0;

	for (unsigned i = 0; i < count; i++)
		length = put(datagram, length, TYPE, NLM_F_MULTI | flags, "abcdefg", 7);
	replay_add_datagram(&f->replay, datagram, length);
}

static void add_done(struct fixture *f, int ending, uint16_t flags)
{
	unsigned char datagram[64];

	replay_add_datagram(
		&f->replay, datagram,
		put(datagram, 0, NLMSG_DONE, NLM_F_MULTI | flags, &ending, sizeof(ending)));
}

static int each(const struct nlmsghdr *message, void *data)
{
	struct fixture *f = data;

	assert_int_equal(message->nlmsg_type, TYPE);
	f->seen++;
	return f->fail_at != 0 && f->seen == (unsigned)f->fail_at ? -EUCLEAN : 0;
}

static void restart(void *data)
{
	struct fixture *f = data;

	f->restarts++;
	f->seen = 0;
}

static int dump(struct fixture *f)
{
	const struct ph_dump how = { each, restart, f, "reading the test's things" };

	return ph_netlink_dump(&f->context, f->netlink, request_of(f), &how, &f->error);
}

static void a_dump_of_several_datagrams_is_given_whole(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	add_rows(&f, 2, 0);
	add_rows(&f, 1, 0);
	add_done(&f, 0, 0);
	assert_int_equal(dump(&f), 0);
	assert_int_equal(f.seen, DUMPED);
	assert_int_equal(((struct nlmsghdr *)f.request)->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	stop(&f);
}

static void an_interrupted_dump_is_asked_again(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	add_rows(&f, DUMPED, 0);
	add_done(&f, 0, 0);
	f.replay.interruptions = 2;
	assert_int_equal(dump(&f), 0);
	assert_int_equal(f.restarts, 2);
	assert_int_equal(f.seen, DUMPED);
	assert_int_equal(f.replay.requests, 3);
	stop(&f);
}

static void a_dump_that_never_comes_to_rest_says_so_and_keeps_what_came(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	add_rows(&f, DUMPED, NLM_F_DUMP_INTR);
	add_done(&f, 0, 0);
	assert_int_equal(dump(&f), 1);
	assert_int_equal(f.restarts, 8);
	assert_int_equal(f.seen, DUMPED);
	stop(&f);
}

static void lost_messages_and_overruns_count_as_interruptions(void **state)
{
	struct fixture f;
	unsigned char datagram[32];

	(void)state;
	start(&f);
	replay_add_error(&f.replay, -ENOBUFS);
	add_rows(&f, 1, 0);
	add_done(&f, 0, 0);
	assert_int_equal(dump(&f), 1);
	assert_int_equal(f.seen, 1);
	stop(&f);
	start(&f);
	replay_add_datagram(&f.replay, datagram, put(datagram, 0, NLMSG_OVERRUN, 0, "0123", 4));
	add_done(&f, 0, 0);
	assert_int_equal(dump(&f), 1);
	stop(&f);
}

static void an_endless_loss_of_messages_ends(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	for (int i = 0; i < 100; i++)
		replay_add_error(&f.replay, -ENOBUFS);
	assert_int_equal(dump(&f), -ENOBUFS);
	stop(&f);
}

static void answers_to_others_are_passed_over(void **state)
{
	struct fixture f;
	unsigned char datagram[256];
	struct nlmsghdr header;
	size_t length = 0, second;

	(void)state;
	start(&f);
	length = put(datagram, length, TYPE, NLM_F_MULTI, "old", 3);
	second = length;
	length = put(datagram, length, TYPE, NLM_F_MULTI, "not ours", 8);
	memcpy(&header, datagram, sizeof(header));
	header.nlmsg_seq = 99;
	memcpy(datagram, &header, sizeof(header));
	memcpy(&header, datagram + second, sizeof(header));
	header.nlmsg_pid = REPLAY_PORT + 1;
	memcpy(datagram + second, &header, sizeof(header));
	length = put(datagram, length, NLMSG_NOOP, 0, "", 0);
	length = put(datagram, length, TYPE, NLM_F_MULTI, "ours", 4);
	replay_add_datagram(&f.replay, datagram, length);
	add_done(&f, 0, 0);
	assert_int_equal(dump(&f), 0);
	assert_int_equal(f.seen, 1);
	stop(&f);
}

/* An NLMSG_ERROR with the kernel's words, of `length` bytes. */
static void add_error(struct fixture *f, int error, const char *words, size_t length)
{
	unsigned char datagram[512], payload[256] = { 0 };
	struct nlmsgerr failure = { .error = error };
	struct nlattr attribute = {
		.nla_len = (uint16_t)(sizeof(attribute) + length),
		.nla_type = NLMSGERR_ATTR_MSG,
	};

	failure.msg.nlmsg_len = sizeof(failure.msg);
	memcpy(payload, &failure, sizeof(failure));
	memcpy(payload + sizeof(failure), &attribute, sizeof(attribute));
	memcpy(payload + sizeof(failure) + sizeof(attribute), words, length);
	replay_add_datagram(&f->replay, datagram,
	                    put(datagram, 0, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, payload,
	                        sizeof(failure) + NLMSG_ALIGN(sizeof(attribute) + length)));
}

static void a_failure_carries_the_kernels_words_as_plain_text(void **state)
{
	static const char words[] = "bad \x1b[31m state\n";
	struct fixture f;

	(void)state;
	start(&f);
	add_error(&f, -EINVAL, words, sizeof(words));
	assert_failure(dump(&f), -EINVAL, f.error, "reading the test's things: Invalid argument");
	assert_non_null(strstr(f.error.message, "bad ?[31m state?"));
	assert_null(strchr(f.error.message, '\n'));
	stop(&f);
}

static void a_whole_request_in_the_error_is_passed_over(void **state)
{
	struct fixture f;
	unsigned char datagram[128];
	struct {
		struct nlmsgerr error;
		char request[8];
		struct nlattr attribute;
		char words[8];
	} payload = {
		.error = { .error = -EPERM, .msg = { .nlmsg_len = sizeof(struct nlmsghdr) + 8 } },
		.attribute = { .nla_len = sizeof(struct nlattr) + 8,
		               .nla_type = NLMSGERR_ATTR_MSG },
		.words = "no way",
	};

	(void)state;
	start(&f);
	replay_add_datagram(
		&f.replay, datagram,
		put(datagram, 0, NLMSG_ERROR, NLM_F_ACK_TLVS, &payload, sizeof(payload)));
	assert_failure(dump(&f), -EPERM, f.error, "the kernel says: no way");
	stop(&f);
}

static void a_dump_that_ends_with_an_error_fails_with_it(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	add_rows(&f, 1, 0);
	add_done(&f, -ENOENT, 0);
	assert_failure(dump(&f), -ENOENT, f.error, "reading the test's things");
	stop(&f);
}

static void an_error_of_the_reader_ends_the_dump_after_its_rest_was_read(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	add_rows(&f, 2, 0);
	add_rows(&f, 1, 0);
	add_done(&f, 0, 0);
	f.fail_at = 1;
	assert_int_equal(dump(&f), -EUCLEAN);
	assert_int_equal(f.seen, 1);
	assert_int_equal(f.replay.position, f.replay.length);
	stop(&f);
}

/* The header of the one message in `datagram`, changed. */
static int dump_of_length(uint32_t claimed, size_t given)
{
	unsigned char datagram[128];
	struct nlmsghdr header;
	struct fixture f;
	int r;

	start(&f);
	put(datagram, 0, TYPE, NLM_F_MULTI, "0123456789abcdef0123456789abcdef", 32);
	memcpy(&header, datagram, sizeof(header));
	header.nlmsg_len = claimed;
	memcpy(datagram, &header, sizeof(header));
	replay_add_datagram(&f.replay, datagram, given);
	add_done(&f, 0, 0);
	r = dump(&f);
	if (r < 0)
		assert_non_null(strstr(f.error.message, "not netlink"));
	stop(&f);
	return r;
}

static void messages_that_are_cut_short_are_refused(void **state)
{
	(void)state;
	assert_int_equal(dump_of_length(48, 48), 0);
	assert_int_equal(dump_of_length(48, 47), -EBADMSG);
	assert_int_equal(dump_of_length(48, 17), -EBADMSG);
	assert_int_equal(dump_of_length(48, 15), -EBADMSG);
	assert_int_equal(dump_of_length(48, 1), -EBADMSG);
	assert_int_equal(dump_of_length(48, 0), -EBADMSG);
	assert_int_equal(dump_of_length(15, 48), -EBADMSG);
	assert_int_equal(dump_of_length(0, 48), -EBADMSG);
	assert_int_equal(dump_of_length(49, 48), -EBADMSG);
	assert_int_equal(dump_of_length(0x80000030, 48), -EBADMSG);
	assert_int_equal(dump_of_length(UINT32_MAX, 48), -EBADMSG);
	/* What is left over must be a message too. */
	assert_int_equal(dump_of_length(20, 48), -EBADMSG);
}

static void a_datagram_that_does_not_fit_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	replay_add_error(&f.replay, -EMSGSIZE);
	assert_int_equal(dump(&f), -EBADMSG);
	stop(&f);
}

static void impossible_errors_are_refused(void **state)
{
	static const int impossible[] = { 1, -5000, INT32_MIN };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		start(&f);
		add_error(&f, impossible[i], "x", 1);
		assert_int_equal(dump(&f), -EBADMSG);
		stop(&f);
	}
	start(&f);
	add_done(&f, -5000, 0);
	assert_int_equal(dump(&f), -EBADMSG);
	stop(&f);
	start(&f);
	replay_add_datagram(&f.replay, (unsigned char[20]){ 20, 0, 0, 0, NLMSG_ERROR, 0, 0, 0, 1 },
	                    20);
	assert_int_equal(dump(&f), -EBADMSG);
	stop(&f);
}

static int count(const struct nlmsghdr *message, void *data)
{
	(void)message;
	++*(int *)data;
	return 0;
}

static void one_question_is_answered_until_its_acknowledgement(void **state)
{
	struct fixture f;
	int seen = 0;

	(void)state;
	start(&f);
	add_rows(&f, 2, 0);
	add_error(&f, 0, "", 0);
	assert_int_equal(
		ph_netlink_ask(&f.context, f.netlink, request_of(&f), count, &seen, &f.error), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(((struct nlmsghdr *)f.request)->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	stop(&f);
	start(&f);
	replay_add_error(&f.replay, -ENOBUFS);
	add_error(&f, 0, "", 0);
	assert_int_equal(
		ph_netlink_ask(&f.context, f.netlink, request_of(&f), NULL, NULL, &f.error),
		-ENOBUFS);
	stop(&f);
}

static void refusals_of_the_transport_are_reported(void **state)
{
	struct ph_netlink *netlink;
	struct fixture f;

	(void)state;
	start(&f);
	f.replay.send_result = -EPERM;
	assert_failure(dump(&f), -EPERM, f.error, "Operation not permitted");
	f.replay.open_result = -EMFILE;
	assert_failure(ph_netlink_open(&f.context, NETLINK_ROUTE, &netlink, &f.error), -EMFILE,
	               f.error, "opening netlink");
	assert_null(netlink);
	fail_allocation(1);
	assert_int_equal(ph_netlink_open(&f.context, NETLINK_ROUTE, &netlink, &f.error), -ENOMEM);
	fail_allocation(0);
	assert_null(netlink);
	ph_netlink_close(NULL);
	stop(&f);
}

/* ------------------------------------------------------------ the kernel's transport */

static void *cancel_soon(void *context)
{
	const struct timespec soon = { .tv_nsec = 50 * 1000 * 1000 };

	nanosleep(&soon, NULL);
	ph_cancel(context);
	return NULL;
}

static int open_kernel(struct ph_context *context, int protocol, struct ph_netlink **netlink)
{
	struct ph_error error;

	assert_int_equal(ph_context_open(context, &error), 0);
	return ph_netlink_open(context, protocol, netlink, &error);
}

static void waiting_ends_when_the_context_is_cancelled(void **state)
{
	struct ph_context context;
	struct ph_netlink *netlink;
	struct ph_error error;
	/* Without NLM_F_ACK and for NETLINK_USERSOCK, nobody answers. */
	struct nlmsghdr request = { .nlmsg_len = sizeof(request), .nlmsg_type = TYPE };
	struct timespec begin, end;
	pthread_t thread;
	int r;

	(void)state;
	r = open_kernel(&context, NETLINK_USERSOCK, &netlink);
	assert_int_equal(r, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &context), 0);
	r = ph_netlink_ask(&context, netlink, &request, NULL, NULL, &error);
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* Where the kernel refuses to send to nobody, there was nothing to wait for. */
	if (r != -ECONNREFUSED)
		assert_failure(r, -ECANCELED, error, "cancelled");
	assert_true(end.tv_sec - begin.tv_sec < 5);
	assert_int_equal(ph_netlink_ask(&context, netlink, &request, NULL, NULL, &error),
	                 -ECANCELED);
	ph_netlink_close(netlink);
	ph_context_close(&context);
}

static void the_kernel_answers_a_dump_and_refuses_nonsense_in_its_words(void **state)
{
	struct ph_context context;
	struct ph_netlink *netlink;
	struct ph_error error;
	uint32_t room[32];
	struct nlmsghdr *request = mnl_nlmsg_put_header(room);
	struct rtgenmsg *wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	int links = 0;
	const struct ph_dump how = { count, NULL, &links, "reading links" };
	int r;

	(void)state;
	r = open_kernel(&context, NETLINK_ROUTE, &netlink);
	if (r < 0) {
		print_message("no NETLINK_ROUTE here: %s\n", strerror(-r));
		ph_context_close(&context);
		skip();
	}
	assert_int_not_equal(ph_netlink_port(netlink), 0);
	request->nlmsg_type = RTM_GETLINK;
	wanted->rtgen_family = AF_UNSPEC;
	assert_int_equal(ph_netlink_dump(&context, netlink, request, &how, &error), 0);
	assert_true(links > 0);
	request->nlmsg_type = RTM_MAX + 100;
	assert_int_equal(ph_netlink_ask(&context, netlink, request, NULL, NULL, &error),
	                 -EOPNOTSUPP);
	ph_netlink_close(netlink);
	ph_context_close(&context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_of_several_datagrams_is_given_whole),
		cmocka_unit_test(an_interrupted_dump_is_asked_again),
		cmocka_unit_test(a_dump_that_never_comes_to_rest_says_so_and_keeps_what_came),
		cmocka_unit_test(lost_messages_and_overruns_count_as_interruptions),
		cmocka_unit_test(an_endless_loss_of_messages_ends),
		cmocka_unit_test(answers_to_others_are_passed_over),
		cmocka_unit_test(a_failure_carries_the_kernels_words_as_plain_text),
		cmocka_unit_test(a_whole_request_in_the_error_is_passed_over),
		cmocka_unit_test(a_dump_that_ends_with_an_error_fails_with_it),
		cmocka_unit_test(an_error_of_the_reader_ends_the_dump_after_its_rest_was_read),
		cmocka_unit_test(messages_that_are_cut_short_are_refused),
		cmocka_unit_test(a_datagram_that_does_not_fit_is_refused),
		cmocka_unit_test(impossible_errors_are_refused),
		cmocka_unit_test(one_question_is_answered_until_its_acknowledgement),
		cmocka_unit_test(refusals_of_the_transport_are_reported),
		cmocka_unit_test(waiting_ends_when_the_context_is_cancelled),
		cmocka_unit_test(the_kernel_answers_a_dump_and_refuses_nonsense_in_its_words),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
