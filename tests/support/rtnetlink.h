/*
 * rtnetlink replayed: answers a dump of RTM_GETx with the recorded messages of RTM_NEWx. A
 * recording is the messages of the dumps RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE and
 * RTM_GETNEIGH (AF_UNSPEC) one after another, as the kernel sent them, each padded to 4 bytes.
 */
#ifndef SUPPORT_RTNETLINK_H
#define SUPPORT_RTNETLINK_H

#include "porthole/netlink.h"
#include "support.h"

struct rtnetlink {
	unsigned char *bytes; /* owned */
	size_t length;
	int open_result; /* < 0: opening fails with it */
	uint16_t refused; /* the request's type that is answered with... */
	int refusal; /* ... this error, -errno */
	uint16_t interrupted; /* the request's type whose dump is interrupted... */
	unsigned interruptions; /* ... so many times */
	unsigned opened, closed;
	/* The dump that is being answered. */
	uint32_t sequence;
	uint16_t type;
	size_t position;
};

/* Loads the recording (fails the test if it cannot) and lets the context use it. */
void rtnetlink_load(struct rtnetlink *replay, const char *path, struct ph_context *context);
void rtnetlink_free(struct rtnetlink *replay);

/* The nth recorded message of this type; NULL beyond the last. It may be changed. */
struct nlmsghdr *rtnetlink_message(struct rtnetlink *replay, uint16_t type, size_t nth);

/* Runs `attempt` on each recording that has one byte of a message of `type` changed. */
void rtnetlink_change_each_byte(struct rtnetlink *replay, uint16_t type,
                                void (*attempt)(void *data), void *data);

/* Enters a user and a network namespace of its own, as root there. False: this machine does not
 * allow it. */
bool enter_own_network(void);

/* Runs `run` in a child process, which may enter namespaces; its result, which is the exit status.
 */
int run_in_child(int (*run)(void));
#define CANNOT_RUN 77

#endif
