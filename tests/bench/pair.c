/*
 * pair [-s LISTENERS] [-n RUNS] OURS... -- THEIRS...
 * Runs two commands alternately and prints the median wall time of each, and the median of the
 * ratios pair by pair. First it opens LISTENERS sockets on loopback, in the namespace that it was
 * started in, and holds them.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("lo");
	close(fd);
}

static void open_listeners(int count)
{
	struct rlimit limit = { (rlim_t)count + 100, (rlim_t)count + 100 };

	if (count + 100 > 1024 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("descriptors");
	for (int i = 0; i < count; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET,
			                       .sin_port = htons((in_port_t)(10000 + i % 50000)) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (in_addr_t)(i / 50000));
		if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    listen(fd, 8) < 0)
			die("a listener");
	}
}

/* One run's wall time in milliseconds. */
static double run(char **command)
{
	posix_spawn_file_actions_t actions;
	struct timespec start, end;
	int status;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (posix_spawnp(&child, command[0], &actions, NULL, command, environ) != 0)
		die(command[0]);
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	clock_gettime(CLOCK_MONOTONIC, &end);
	posix_spawn_file_actions_destroy(&actions);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "pair: %s ended with status %d\n", command[0], status);
		exit(1);
	}
	return (double)(end.tv_sec - start.tv_sec) * 1e3 +
	       (double)(end.tv_nsec - start.tv_nsec) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

int main(int argc, char **argv)
{
	int runs = 41, listeners = 0, option;
	double *ours, *theirs, *ratios;
	char **other;

	while ((option = getopt(argc, argv, "+s:n:")) != -1) {
		if (option == 's')
			listeners = atoi(optarg);
		else if (option == 'n')
			runs = atoi(optarg);
		else
			return 2;
	}
	for (other = argv + optind; *other != NULL && strcmp(*other, "--") != 0; other++)
		;
	if (*other == NULL || runs < 1)
		return 2;
	*other++ = NULL;
	loopback_up();
	open_listeners(listeners);
	ours = calloc((size_t)runs * 3, sizeof(*ours));
	if (ours == NULL)
		die("memory");
	theirs = ours + runs;
	ratios = theirs + runs;
	run(argv + optind);
	run(other);
	for (int i = 0; i < runs; i++) {
		ours[i] = run(argv + optind);
		theirs[i] = run(other);
		ratios[i] = ours[i] / theirs[i];
	}
	printf("%.2f / %.2f = %.2f\n", median(ours, (size_t)runs), median(theirs, (size_t)runs),
	       median(ratios, (size_t)runs));
	free(ours);
	return 0;
}
