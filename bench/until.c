/* SPDX-License-Identifier: Apache-2.0 */
/*
 * until [-s SOCKET [-r "METHOD PATH BODY"]... [-w]] MARKER COMMAND...: runs the command, sends the requests to its
 * API as soon as that listens at SOCKET, prints the nanoseconds until MARKER came out of its standard output,
 * and ends it with all that it started. They are counted from before the command was started; with -w, from
 * the first request, before which it has had time to be ready. For `make bench`, inside the lab.
 */
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEEN_MAX 65536 /* a kernel that says more before its first process is not quiet */
#define REQUESTS_MAX 8
#define TRIES_MAX 100000
#define TRY_NS 20000
#define READY_NS 500000000

static long long now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void pause_ns(long ns)
{
	const struct timespec pause = { .tv_nsec = ns };

	(void)nanosleep(&pause, NULL);
}

/* In a group of its own, so that all of it can be ended. */
static pid_t start(char **words, int *ret_fd)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe(pipe_fds) < 0)
		return -1;
	pid = vfork();
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)dup2(pipe_fds[1], 1);
		(void)execvp(words[0], words);
		_exit(127);
	}
	(void)close(pipe_fds[1]);
	*ret_fd = pipe_fds[0];
	return pid;
}

/* Told of new files, for to try again and again would be counted, too; it may be there and not listen yet. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), watch = inotify_init();
	char folder[sizeof(address.sun_path)] = {}, event[4096];

	(void)strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	(void)strncpy(folder, path, sizeof(folder) - 1);
	if (inotify_add_watch(watch, dirname(folder), IN_CREATE) < 0)
		return -1;
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		if (errno == ENOENT)
			(void)!read(watch, event, sizeof(event));
		else
			pause_ns(TRY_NS);
	}
	return -1;
}

/* "METHOD PATH BODY"; whether the answer is a success. */
static bool ask(int fd, const char *request)
{
	int head = (int)strcspn(strchr(request, ' ') + 1, " ") + (int)strcspn(request, " ") + 1;
	const char *body = request[head] == ' ' ? request + head + 1 : "";
	char text[8192];
	int len = snprintf(text, sizeof(text),
			   "%.*s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", head,
			   request, strlen(body), body);
	ssize_t got;

	if (write(fd, text, (size_t)len) != len)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	if (got > 12 && text[9] == '2')
		return true;
	fprintf(stderr, "until: %s: %s\n", request, text);
	return false;
}

struct asked {
	const char *socket, *requests[REQUESTS_MAX];
	unsigned n;
	bool waits;
};

/* Returns when the clock begins; negative: an answer was no success. */
static long long ask_all(const struct asked *asked, long long begin)
{
	int fd = asked->socket == NULL ? -1 : connect_to(asked->socket);

	if (asked->waits) {
		pause_ns(READY_NS);
		begin = now_ns();
	}
	for (unsigned i = 0; i < asked->n; i++)
		if (!ask(fd, asked->requests[i]))
			return -1;
	return begin; /* the connection ends with this process */
}

static char **parse(int argc, char **argv, struct asked *asked)
{
	int c;

	while ((c = getopt(argc, argv, "+s:r:w")) >= 0) {
		if (c == 's')
			asked->socket = optarg;
		else if (c == 'r' && asked->n < REQUESTS_MAX && strchr(optarg, ' ') != NULL)
			asked->requests[asked->n++] = optarg;
		else if (c == 'w')
			asked->waits = true;
		else
			return NULL;
	}
	return argc - optind < 2 || (asked->socket == NULL && asked->n > 0) ? NULL : argv + optind;
}

int main(int argc, char **argv)
{
	static char seen[SEEN_MAX + 1];
	struct asked asked = {};
	char **words = parse(argc, argv, &asked);
	long long begin = now_ns(), end = -1;
	size_t len = 0;
	int fd = -1;
	pid_t pid;

	if (words == NULL)
		return 2;
	pid = start(words + 1, &fd);
	if (pid > 0)
		begin = ask_all(&asked, begin);
	while (pid > 0 && begin >= 0 && end < 0 && len < SEEN_MAX) {
		ssize_t n = read(fd, seen + len, SEEN_MAX - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memmem(seen, len, words[0], strlen(words[0])) != NULL)
			end = now_ns();
	}
	if (pid > 0) {
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	if (end < 0) {
		fprintf(stderr, "until: no '%s' in: %s\n", words[0], seen);
		return 1;
	}
	printf("until %lld\n", end - begin);
	return 0;
}
