/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-monitor(8): holds the streams, the log and the exit status of one workload. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "monitor/config.h"
#include "monitor/monitor.h"

static int usage(void)
{
	(void)fputs("usage: onggi-monitor --dir DIR\n"
		    "onggid runs it, one for each workload. See onggi-monitor(8).\n",
		    stderr);
	return EXIT_FAILURE;
}

/* A descriptor that we were started with, or -1. */
static int inherited(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

/* It is the workload's end that ends a monitor, not a signal to the daemon's group or terminal. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_IGN);
}

int main(int argc, char **argv)
{
	struct og_err err = {};
	int lower_fd = inherited(OG_MONITOR_LOWER_FD);
	int ready_fd = inherited(OG_MONITOR_READY_FD);
	pid_t pid;
	int r;

	if (argc == 2 && og_streq(argv[1], "--version")) {
		(void)puts("onggi-monitor " OG_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc != 3 || !og_streq(argv[1], "--dir") || argv[2][0] != '/')
		return usage();

	/* The engine waits for this process; the monitor is to be nobody's child. */
	pid = fork();
	if (pid < 0) {
		perror("onggi-monitor: fork");
		return EXIT_FAILURE;
	}
	if (pid > 0)
		return EXIT_SUCCESS;

	ignore_signals();
	(void)umask(022);
	r = og_monitor_run(argv[2], lower_fd, ready_fd, &err);
	if (r < 0 && r != -EREMOTEIO)
		(void)fprintf(stderr, "onggi-monitor: %s\n", err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
