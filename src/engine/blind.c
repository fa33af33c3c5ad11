/*
 * Why processes may be missing from /proc altogether: its mount option hidepid, and PID namespaces.
 * Sources: proc(5), "Mount options"; pid_namespaces(7); capabilities(7).
 */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* PROC_PID_INIT_INO, include/linux/proc_ns.h: the first PID namespace, since Linux 3.8. */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"
#define MOUNTS_BYTES          (4 << 20)

/* Whether this /proc shows only a part of the machine: it is that of a PID namespace which is not
 * the first, or of one that does not have us. */
static bool is_inner(int proc)
{
	struct statfs system;
	char text[32];
	ssize_t length;

	length = readlinkat(proc, "self/ns/pid", text, sizeof(text) - 1);
	if (length > 0) {
		text[length] = '\0';
		return strcmp(text, INITIAL_PID_NAMESPACE) != 0;
	}
	/* A recorded tree, or a kernel without PID namespaces, has no such link. */
	return fstatfs(proc, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
	       readlinkat(proc, "self", text, sizeof(text)) < 0;
}

static bool may_trace(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE)) != 0;
}

/* `text` is the option gid=; without it the group is root's, 0. */
static bool in_group(const char *text)
{
	unsigned long wanted = text != NULL ? strtoul(text + strlen("gid="), NULL, 10) : 0;
	gid_t groups[1024];
	int count;

	if (wanted == getegid())
		return true;
	count = getgroups((int)(sizeof(groups) / sizeof(*groups)), groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/*
 * The options of the mount on /proc that is on top, as mountinfo has them: 36 35 98:0 ROOT POINT
 * OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS. `line` is cut at its fields. NULL: not this mount.
 */
static const char *proc_options(char *line)
{
	char *tail = strstr(line, " - proc "), *point = line, *end;

	for (int i = 0; i < 4; i++) {
		point = strchr(point, ' ');
		if (point == NULL)
			return NULL;
		point++;
	}
	end = strchr(point, ' ');
	if (tail == NULL || end == NULL || end > tail || (size_t)(end - point) != strlen("/proc") ||
	    memcmp(point, "/proc", strlen("/proc")) != 0)
		return NULL;
	tail = strchr(tail + strlen(" - proc "), ' ');
	return tail != NULL ? tail + 1 : "";
}

/* Whether the options leave processes out of the directory that this user may not trace. hidepid=1
 * only closes them. */
static bool leaves_out(const char *options)
{
	const char *hide = strstr(options, "hidepid="), *group = strstr(options, "gid=");
	bool traceable;

	if (hide == NULL)
		return false;
	hide += strlen("hidepid=");
	traceable = *hide == '4' || strncmp(hide, "ptraceable", strlen("ptraceable")) == 0;
	if (!traceable && *hide != '2' && strncmp(hide, "invisible", strlen("invisible")) != 0)
		return false;
	return traceable || !in_group(group);
}

static int hides_pids(struct ph_context *context, int proc, bool *hides)
{
	char *text, *line, *rest;
	struct stat status;
	int r;

	*hides = false;
	/* The first process is seen, and with a capability that counts over it: so are all. */
	if (may_trace() && fstatat(proc, "1", &status, 0) == 0)
		return 0;
	r = ph_read_below(context->proc, "self/mountinfo", MOUNTS_BYTES, &text, NULL, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (line = text; line != NULL; line = rest) {
		const char *options;

		rest = strchr(line, '\n');
		if (rest != NULL)
			*rest++ = '\0';
		options = proc_options(line);
		if (options != NULL)
			*hides = leaves_out(options);
	}
	free(text);
	return 0;
}

int ph_scan_blind(struct ph_context *context, bool *all, struct ph_reasons *partial)
{
	bool hides = false;
	int proc, r;

	proc = ph_open_below(context->proc, ".", O_PATH | O_DIRECTORY, NULL);
	if (proc < 0)
		return 0;
	r = hides_pids(context, proc, &hides);
	if (r == 0 && hides) {
		*all = false;
		r = ph_reasons_add(
			partial,
			"%s is mounted with hidepid, which leaves out other users' "
			"processes: run it as root (sudo), or as a member of the group in "
			"the mount's option gid",
			context->proc);
	}
	if (r == 0 && is_inner(proc)) {
		*all = false;
		r = ph_reasons_add(partial,
		                   "%s shows only the processes of a PID namespace inside the host "
		                   "(a container): run it on the host to see the others",
		                   context->proc);
	}
	close(proc);
	return r;
}
