/*
 * Netlink sessions: recorded from the kernel or written by a test, and replayed.
 *
 * A session is a list of records, each a kind and a length (4 bytes each, this machine's order) and
 * as many bytes: a request, then what answers it, in datagrams or errors of receiving. A request is
 * answered by the record of the first request with the same type, family and protocol, however its
 * filters differ; one that was not recorded, by ENOENT. Sequence and port of the recorded request
 * are replaced in its answers by those of the real one.
 */
#ifndef SUPPORT_REPLAY_H
#define SUPPORT_REPLAY_H

#include "porthole/netlink.h"
#include "support.h"

struct replay {
	unsigned char *bytes; /* owned; the session */
	size_t length;
	int open_result; /* < 0: opening fails with it */
	int send_result; /* < 0: sending fails with it */
	int (*refuse)(const struct nlmsghdr *request); /* -errno to answer with; NULL: none */
	unsigned interruptions; /* as many dumps end with NLM_F_DUMP_INTR */
	void (*change)(unsigned char *bytes, size_t length); /* of each datagram; NULL: none */
	unsigned opened, closed, requests;
	unsigned char request[20480]; /* the last one */
	/* The answer that is being given. */
	size_t position;
	bool recorded;
	int refusal;
	struct nlmsghdr was; /* the recorded request's header */
};

#define REPLAY_PORT 4711

/* Lets the context use an empty session. replay_free() releases it. */
void replay_start(struct replay *replay, struct ph_context *context);
/* The same with a recorded one; fails the test when the file cannot be read. */
void replay_load(struct replay *replay, const char *path, struct ph_context *context);
void replay_free(struct replay *replay);

/* Writing a session. The request's answers follow it. */
void replay_add_request(struct replay *replay, const struct nlmsghdr *request);
void replay_add_datagram(struct replay *replay, const void *bytes, size_t length);
void replay_add_error(struct replay *replay, int error);

/* Lets the context ask the kernel and adds all that is said to the session. */
void replay_record(struct replay *replay, struct ph_context *context);
void replay_save(const struct replay *replay, const char *path);

#endif
