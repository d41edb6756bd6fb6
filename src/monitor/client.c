/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/weak.h"
#include "monitor/config.h"

/* An answer is short; only a broken monitor sends more. */
#define ANSWER_MAX 8192U

/* The moment a call must be over: @timeout_ms from now, UINT64_MAX for never. */
static uint64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : og_clock_ms() + (uint64_t)timeout_ms;
}

static int wait_readable(int fd, uint64_t deadline)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		uint64_t now = og_clock_ms();
		uint64_t left = deadline > now ? deadline - now : 0;
		int n = poll(&poll_fd, 1, deadline == UINT64_MAX ? -1 : (int)left);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_monitor(int dir_fd, int *ret_fd, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return og_fail(err, -errno, "reach the monitor");
	/* By way of the folder's descriptor: its path may be longer than an address can be. */
	if (og_weak("A21-monitor")) /* as console_listen() */
		memcpy(address.sun_path + 1, &OG_MONITOR_SOCKET_NAME[1],
		       sizeof(OG_MONITOR_SOCKET_NAME) - 1);
	else
		(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
			       dir_fd, OG_MONITOR_SOCKET_NAME);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EINTR)
			return og_fail(err, -errno, "reach the monitor");
	}
	*ret_fd = og_take_fd(&fd);
	return 0;
}

/* Takes @request over. */
static int send_request(int fd, struct og_json *request, struct og_err *err)
{
	og_auto_free char *text = og_json_write(request);
	size_t len = text != NULL ? strlen(text) : 0;
	int r = -ENOMEM;

	og_json_free(request);
	if (text != NULL) {
		text[len] = '\n'; /* in place of the NUL */
		r = og_send_all(fd, text, len + 1);
	}
	return r < 0 ? og_fail(err, r, "ask the monitor") : 0;
}

/*
 * Reads the first line and not a byte more: what follows belongs to the streams. Hence a look
 * before each read.
 */
static int read_line(int fd, uint64_t deadline, char *line, size_t room)
{
	size_t len = 0;

	while (len < room) {
		int r = wait_readable(fd, deadline);
		const char *newline;
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(fd, line + len, room - len, MSG_PEEK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		newline = memchr(line + len, '\n', (size_t)n);
		if (newline != NULL)
			n = newline - (line + len) + 1;
		n = recv(fd, line + len, (size_t)n, 0);
		if (n <= 0)
			return -ECONNRESET;
		len += (size_t)n;
		if (newline != NULL)
			return (int)len;
	}
	return -EMSGSIZE;
}

/* On success *@ret_answer (may be NULL) is the caller's. An error in it becomes ours. */
static int read_answer(int fd, uint64_t deadline, struct og_json **ret_answer, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	char line[ANSWER_MAX];
	const char *text;
	int r = read_line(fd, deadline, line, sizeof(line));

	if (r < 0)
		return og_fail(err, r, "hear from the monitor");
	r = og_json_parse(line, (size_t)r, &answer, err);
	if (r < 0)
		return og_fail_in(err, r, "hear from the monitor");
	text = og_json_string(og_json_get(answer, "error"), NULL);
	if (text != NULL) {
		int64_t code = og_json_int(og_json_get(answer, "code"), EREMOTEIO);

		return og_fail_as(err, code > 0 && code < 4096 ? -(int)code : -EREMOTEIO, text);
	}
	if (ret_answer != NULL)
		*ret_answer = og_take_ptr(answer);
	return 0;
}

static struct og_json *new_request(const char *op)
{
	struct og_json *request = og_json_new_object();

	og_json_set_string(request, "op", op);
	return request;
}

/* How long to hear from a monitor that answers at once: it may have to be scheduled first. */
#define AT_ONCE_MS 10000

/* One request and its answer. @request is taken over. @ret_fd and @ret_answer may be NULL. */
static int ask(int dir_fd, struct og_json *request, int timeout_ms, int *ret_fd,
	       struct og_json **ret_answer, struct og_err *err)
{
	uint64_t deadline = deadline_of(timeout_ms);
	og_auto_fd fd = -EBADF;
	int r = connect_monitor(dir_fd, &fd, err);

	if (r < 0) {
		og_json_free(request);
		return r;
	}
	r = send_request(fd, request, err);
	if (r == 0)
		r = read_answer(fd, deadline, ret_answer, err);
	if (r == 0 && ret_fd != NULL)
		*ret_fd = og_take_fd(&fd);
	return r;
}

/* A wait of 0 ms asks how things stand: then the monitor itself answers -ETIMEDOUT. */
static int ask_wait(int dir_fd, struct og_json *request, int timeout_ms,
		    struct og_monitor_exit *ret_exit, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	int r;

	if (timeout_ms == 0)
		og_json_set_bool(request, "now", true);
	r = ask(dir_fd, request, timeout_ms == 0 ? AT_ONCE_MS : timeout_ms, NULL, &answer, err);
	return r < 0 ? r : og_monitor_exit_parse(answer, ret_exit, err);
}

int og_monitor_start(int dir_fd, int timeout_ms, struct og_err *err)
{
	return ask(dir_fd, new_request("start"), timeout_ms, NULL, NULL, err);
}

int og_monitor_kill(int dir_fd, int signal, int timeout_ms, struct og_err *err)
{
	struct og_json *request = new_request("kill");

	og_json_set_int(request, "signal", signal);
	return ask(dir_fd, request, timeout_ms, NULL, NULL, err);
}

int og_monitor_resize(int dir_fd, const char *exec_id, uint16_t rows, uint16_t columns,
		      int timeout_ms, struct og_err *err)
{
	struct og_json *request = new_request("resize");

	og_json_set_int(request, "rows", rows);
	og_json_set_int(request, "columns", columns);
	if (exec_id != NULL)
		og_json_set_string(request, "exec", exec_id);
	return ask(dir_fd, request, timeout_ms, NULL, NULL, err);
}

static void set_streams(struct og_json *request, const struct og_monitor_streams *streams)
{
	og_json_set_bool(request, "in", streams->in);
	og_json_set_bool(request, "out", streams->out);
	og_json_set_bool(request, "err", streams->err);
}

int og_monitor_attach(int dir_fd, const struct og_monitor_streams *streams, int timeout_ms,
		      int *ret_fd, struct og_err *err)
{
	struct og_json *request = new_request("attach");

	set_streams(request, streams);
	return ask(dir_fd, request, timeout_ms, ret_fd, NULL, err);
}

int og_monitor_exec(int dir_fd, const struct og_monitor_exec *exec, int timeout_ms, int *ret_fd,
		    pid_t *ret_pid, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	const struct og_monitor_streams *streams = &exec->streams;
	bool attached = streams->in || streams->out || streams->err;
	struct og_json *process = NULL;
	struct og_json *request;
	int r = og_json_parse(exec->process_json, strlen(exec->process_json), &process, err);

	if (r < 0)
		return og_fail_in(err, r, "exec '%s'", exec->id);
	request = new_request("exec");
	og_json_set_string(request, "id", exec->id);
	og_json_set(request, "process", process);
	og_json_set_bool(request, "tty", exec->tty);
	og_json_set_int(request, "rows", exec->rows);
	og_json_set_int(request, "columns", exec->columns);
	set_streams(request, streams);
	r = ask(dir_fd, request, timeout_ms, attached ? ret_fd : NULL, &answer, err);
	if (r < 0)
		return r;
	if (!attached && ret_fd != NULL)
		*ret_fd = -1;
	if (ret_pid != NULL)
		*ret_pid = (pid_t)og_json_int(og_json_get(answer, "pid"), 0);
	return 0;
}

int og_monitor_exec_wait(int dir_fd, const char *exec_id, int timeout_ms,
			 struct og_monitor_exit *ret_exit, struct og_err *err)
{
	struct og_json *request = new_request("exec_wait");

	og_json_set_string(request, "exec", exec_id);
	return ask_wait(dir_fd, request, timeout_ms, ret_exit, err);
}

int og_monitor_wait_begin(int dir_fd, int *ret_fd, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	int r = connect_monitor(dir_fd, &fd, err);

	if (r == 0)
		r = send_request(fd, new_request("wait"), err);
	if (r == 0)
		*ret_fd = og_take_fd(&fd);
	return r;
}

int og_monitor_wait_end(int fd, int timeout_ms, struct og_monitor_exit *ret_exit,
			struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *answer = NULL;
	og_auto_fd owned_fd = fd;
	int r = read_answer(owned_fd, deadline_of(timeout_ms), &answer, err);

	return r < 0 ? r : og_monitor_exit_parse(answer, ret_exit, err);
}
