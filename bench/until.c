/* SPDX-License-Identifier: Apache-2.0 */
/*
 * until MARKER COMMAND...: runs the command, prints the nanoseconds from before it was started to
 * when MARKER came out of its standard output, and ends it. For `make bench`, inside the lab.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEEN_MAX 65536 /* a kernel that says more before its first process is not quiet */

static long long now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static pid_t start(char **words, int *ret_fd)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe(pipe_fds) < 0)
		return -1;
	pid = vfork();
	if (pid == 0) {
		(void)dup2(pipe_fds[1], 1);
		(void)execvp(words[0], words);
		_exit(127);
	}
	(void)close(pipe_fds[1]);
	*ret_fd = pipe_fds[0];
	return pid;
}

int main(int argc, char **argv)
{
	static char seen[SEEN_MAX + 1];
	long long begin = now_ns(), end = -1;
	size_t len = 0;
	int fd = -1;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = start(argv + 2, &fd);
	while (pid > 0 && end < 0 && len < SEEN_MAX) {
		ssize_t n = read(fd, seen + len, SEEN_MAX - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memmem(seen, len, argv[1], strlen(argv[1])) != NULL)
			end = now_ns();
	}
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	if (end < 0) {
		fprintf(stderr, "until: no '%s' in: %s\n", argv[1], seen);
		return 1;
	}
	printf("until %lld\n", end - begin);
	return 0;
}
