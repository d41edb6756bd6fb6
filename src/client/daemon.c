/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon on demand. There is no moment to miss: the socket is tried again and again, at
 * growing distances, until it answers or the daemon that we ran has ended. When somebody else's
 * daemon was quicker, ours ends, and theirs answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/install.h"
#include "base/io.h"
#include "base/spawn.h"
#include "client/session.h"

#define START_MS     30000U /* a first start makes its data root; later ones look it over */
#define TRY_FIRST_MS 2
#define TRY_MOST_MS  50
#define SAID_MAX     4096U

#define ARGUMENTS_MAX 8

/* What the daemon said last, if it ended: the reader needs to see it. */
static void read_last_line(int fd, struct og_err *err)
{
	char text[SAID_MAX];
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = og_pread_upto(fd, text, sizeof(text) - 1, (uint64_t)from);
	char *line;

	if (n <= 0)
		return;
	text[n] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	if (og_starts_with(line, "onggid: "))
		line += strlen("onggid: ");
	if (err != NULL)
		(void)snprintf(err->text, sizeof(err->text), "start the daemon: %.400s", line);
}

static int wait_for_socket(const struct og_host *host, pid_t pid, struct og_err *err)
{
	og_auto_fd pid_fd = pidfd_open(pid, 0);
	uint64_t deadline = og_clock_ms() + START_MS;
	int pause_ms = TRY_FIRST_MS;
	bool ended = false;

	for (;;) {
		struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };
		int fd = og_host_connect(host, err);

		if (fd >= 0) {
			og_close(fd);
			return 0;
		}
		if (ended)
			return fd;
		if (og_clock_ms() > deadline)
			return og_fail(err, -ETIMEDOUT, "start the daemon for %s", host->text);
		/* One more try after it has ended: another daemon may have been quicker. */
		ended = poll(&poll_fd, 1, pause_ms) > 0;
		pause_ms = pause_ms * 2 < TRY_MOST_MS ? pause_ms * 2 : TRY_MOST_MS;
	}
}

static int open_log(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
}

static int run_daemon(const char *program, const struct og_host *host, int log_fd, pid_t *ret_pid,
		      struct og_err *err)
{
	const char *argv[ARGUMENTS_MAX] = { program, "-H", host->text };
	const char *data_root = getenv("ONGGI_DATA_ROOT");
	const char *exec_root = getenv("ONGGI_EXEC_ROOT");
	const struct og_spawn_fd fds[] = { { 1, log_fd }, { 2, log_fd } };
	struct og_spawn spawn = {
		.path = program,
		.argv = (char *const *)(uintptr_t)argv,
		.cwd = "/",
		.fds = fds,
		.fd_count = log_fd >= 0 ? 2 : 0,
		.new_session = true,
	};
	size_t count = 3;

	if (data_root != NULL) {
		argv[count++] = "--data-root";
		argv[count++] = data_root;
	}
	if (exec_root != NULL) {
		argv[count++] = "--exec-root";
		argv[count++] = exec_root;
	}
	return og_spawn(&spawn, ret_pid, err);
}

int og_daemon_start(const struct og_host *host, struct og_err *err)
{
	og_auto_free char *program = NULL;
	og_auto_fd log_fd = -EBADF;
	pid_t pid = 0;
	int r;

	if (geteuid() != 0)
		return og_fail(
			err, -EACCES,
			"reach the daemon at %s: nothing listens there; start onggid as root",
			host->text);
	r = og_install_path("sbin/onggid", &program, err);
	if (r < 0)
		return r;
	if (access(program, X_OK) < 0)
		return og_fail(err, -errno, "start the daemon '%s'", program);
	(void)fprintf(stderr, "onggi: starting the daemon for %s\n", host->text);
	log_fd = open_log();
	r = run_daemon(program, host, log_fd, &pid, err);
	if (r < 0)
		return r;
	r = wait_for_socket(host, pid, err);
	if (r < 0 && log_fd >= 0)
		read_last_line(log_fd, err);
	return r;
}
