/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/install.h"
#include "base/io.h"
#include "monitor/client.h"
#include "monitor/config.h"

#define READY_MAX_BYTES 8192U

/* Reads until the monitor closes its end, which it does right after its one line. */
static int read_ready(int fd, int timeout_ms, char *text, size_t room)
{
	uint64_t deadline = og_clock_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
	size_t len = 0;

	while (len < room - 1) {
		uint64_t now = og_clock_ms();
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int left = timeout_ms < 0 ? -1 : deadline > now ? (int)(deadline - now) : 0;
		int n = poll(&poll_fd, 1, left);
		ssize_t bytes;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ETIMEDOUT : -errno;
		bytes = read(fd, text + len, room - 1 - len);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < 0)
			return -errno;
		if (bytes == 0)
			break;
		len += (size_t)bytes;
	}
	text[len] = '\0';
	return (int)len;
}

static int parse_ready(const char *text, struct og_monitor_ready *ret_ready, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *json = NULL;
	const char *error;
	int r;

	if (text[0] == '\0')
		return og_fail(err, -ECONNRESET, "the monitor ended before it was ready");
	r = og_json_parse(text, strlen(text), &json, err);
	if (r < 0)
		return og_fail_in(err, r, "read what the monitor said");
	error = og_json_string(og_json_get(json, "error"), NULL);
	if (error != NULL) {
		int64_t code = og_json_int(og_json_get(json, "code"), EREMOTEIO);

		return og_fail_as(err, code > 0 && code < 4096 ? -(int)code : -EREMOTEIO, error);
	}
	ret_ready->pid = (pid_t)og_json_int(og_json_get(json, "pid"), 0);
	ret_ready->monitor_pid = (pid_t)og_json_int(og_json_get(json, "monitor_pid"), 0);
	return 0;
}

/* Runs the program, whose first process ends at once and leaves the monitor to init. */
static int run_program(const char *program, const char *dir, int lower_fd, int ready_fd,
		       struct og_err *err)
{
	const char *argv[] = { "onggi-monitor", "--dir", dir, NULL };
	const struct og_spawn_fd fds[] = {
		{ OG_MONITOR_READY_FD, ready_fd },
		{ OG_MONITOR_LOWER_FD, lower_fd },
	};
	const struct og_spawn spawn = {
		.path = program,
		.argv = (char *const *)(uintptr_t)argv,
		.cwd = "/",
		.fds = fds,
		.fd_count = lower_fd >= 0 ? 2 : 1,
		.new_session = true,
	};
	int status = og_spawn_wait(&spawn, 0, NULL, err);

	if (status > 0)
		return og_fail(err, -EREMOTEIO, "'%s' ended with status %d", program, status);
	return status;
}

/* The program's and the runtime's paths, where the caller names none. */
static int find_program(const char *given, const char *relative, char **ret_path,
			struct og_err *err)
{
	if (given == NULL)
		return og_install_path(relative, ret_path, err);
	*ret_path = strdup(given);
	return *ret_path == NULL ? og_fail(err, -ENOMEM, "find '%s'", relative) : 0;
}

int og_monitor_spawn(int dir_fd, const char *dir, const struct og_monitor_config *config,
		     int timeout_ms, struct og_monitor_ready *ret_ready, struct og_err *err)
{
	struct og_monitor_config complete = *config;
	og_auto_free char *program = NULL;
	og_auto_free char *runtime = NULL;
	og_auto_fd read_fd = -EBADF;
	og_auto_fd write_fd = -EBADF;
	char text[READY_MAX_BYTES];
	int pipe_fds[2];
	int r;

	r = find_program(config->program, "libexec/onggi/onggi-monitor", &program, err);
	if (r == 0)
		r = find_program(config->runtime, "bin/onggi-runtime", &runtime, err);
	complete.runtime = runtime;
	if (r == 0)
		r = og_monitor_config_write(dir_fd, &complete, err);
	if (r < 0)
		return r;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make pipe");
	read_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	r = run_program(program, dir, config->lower_fd, write_fd, err);
	write_fd = og_close(write_fd);
	if (r < 0)
		return r;
	r = read_ready(read_fd, timeout_ms, text, sizeof(text));
	if (r < 0)
		return og_fail(err, r, "wait for the monitor of '%s'", config->id);
	return parse_ready(text, ret_ready, err);
}
