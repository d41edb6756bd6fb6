/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure RUNS WARM PAUSE_MS CLEANUP... --- COMMAND... [--- COMMAND...]
 *
 * Runs the commands in turn, RUNS times, each after WARM runs of itself that are not measured, a
 * pause, and without streams, and prints a line a run: which command, wall clock in us until it
 * ended, CPU in us of it and of everything it waited for or left to us, peak memory in KiB of the
 * largest of these processes, exit status. CLEANUP, if not empty, runs after
 * each and is not measured. Small on purpose: a child begins with its parent's peak memory.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16 /* as many as anyone wants to compare */
#define ORPHANS_MAX_MS 50 /* a container's processes end with it; a daemon stays */

extern char **environ;

static long long now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long us(struct timeval tv)
{
	return (long long)tv.tv_sec * 1000000LL + tv.tv_usec;
}

/* Splits the words behind `words` at "---"; returns the number of commands. */
static int split(char **words, char ***ret_commands)
{
	int count = 0;

	ret_commands[count++] = words;
	for (; *words != NULL; words++) {
		if (strcmp(*words, "---") == 0 && count < COMMANDS_MAX) {
			*words = NULL;
			ret_commands[count++] = words + 1;
		}
	}
	return count;
}

static pid_t start(char **words, const posix_spawn_file_actions_t *streams)
{
	pid_t pid;

	return posix_spawnp(&pid, words[0], streams, NULL, words, environ) == 0 ? pid : -1;
}

static int end(pid_t pid, struct rusage *ret_usage)
{
	int status = 0;

	if (pid < 0)
		return 127;
	if (wait4(pid, &status, 0, ret_usage) != pid)
		return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Adds what the command's orphans have used: they are ours (PR_SET_CHILD_SUBREAPER). */
static void take_orphans(struct rusage *usage)
{
	for (int i = 0; i < ORPHANS_MAX_MS; i++) {
		struct rusage more;
		pid_t pid;

		while ((pid = wait4(-1, NULL, WNOHANG, &more)) > 0) {
			timeradd(&usage->ru_utime, &more.ru_utime, &usage->ru_utime);
			timeradd(&usage->ru_stime, &more.ru_stime, &usage->ru_stime);
			if (more.ru_maxrss > usage->ru_maxrss)
				usage->ru_maxrss = more.ru_maxrss;
		}
		if (pid < 0)
			return;
		(void)usleep(1000);
	}
}

static int run(char **words, const posix_spawn_file_actions_t *streams)
{
	struct rusage unused = { 0 };
	int status = end(start(words, streams), &unused);

	take_orphans(&unused);
	return status;
}

static void measure(int index, char **words, const posix_spawn_file_actions_t *streams)
{
	struct rusage usage = { 0 };
	long long begin = now_ns();
	int status = end(start(words, streams), &usage);
	long long wall_ns = now_ns() - begin;

	take_orphans(&usage);
	printf("%d %lld %lld %ld %d\n", index, wall_ns / 1000,
	       us(usage.ru_utime) + us(usage.ru_stime), usage.ru_maxrss, status);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	char **commands[COMMANDS_MAX];
	posix_spawn_file_actions_t streams;
	int count, runs, warm;
	long pause_ms;

	if (argc < 5) {
		fprintf(stderr, "usage: measure RUNS WARM PAUSE_MS CLEANUP... --- COMMAND...\n");
		return 2;
	}
	runs = atoi(argv[1]);
	warm = atoi(argv[2]);
	pause_ms = atol(argv[3]);
	count = split(argv + 4, commands);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)posix_spawn_file_actions_init(&streams);
	(void)posix_spawn_file_actions_addopen(&streams, 0, "/dev/null", 0, 0);
	(void)posix_spawn_file_actions_addopen(&streams, 1, "/dev/null", 1, 0);
	for (int i = 0; i < runs; i++) {
		for (int k = 1; k < count; k++) {
			for (int w = 0; w < warm; w++)
				(void)run(commands[k], &streams);
			if (pause_ms > 0)
				(void)usleep((useconds_t)pause_ms * 1000);
			measure(k - 1, commands[k], &streams);
			if (commands[0][0] != NULL)
				(void)run(commands[0], &streams);
		}
	}
	return 0;
}
