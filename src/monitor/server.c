/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.sock: a client sends one line, a JSON object {"op":"...", ...}, and gets one line,
 * {"ok":true, ...} or {"error":"text","code":ERRNO}. Then the connection ends, or carries streams.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "monitor/internal.h"

#define READ_BYTES 65536U

static void free_conn(struct conn *conn)
{
	struct monitor *monitor = conn->monitor;

	for (struct conn **at = &monitor->conns; *at != NULL; at = &(*at)->next) {
		if (*at == conn) {
			*at = conn->next;
			break;
		}
	}
	monitor->conn_count--;
	og_source_remove(conn->source);
	og_close(conn->fd);
	og_text_done(&conn->request);
	free(conn);
	monitor_check_done(monitor);
}

/* Returns whether the answer is on its way: it is short, and the first thing on this socket. */
static bool send_line(struct conn *conn, struct og_json *json)
{
	og_auto_free char *text = og_json_write(json);
	og_auto_free char *line = text == NULL ? NULL : og_strdupf("%s\n", text);

	og_json_free(json);
	return line != NULL && !conn->gone && og_write_all(conn->fd, line, strlen(line)) == 0;
}

void conn_answer(struct conn *conn, struct og_json *json)
{
	(void)send_line(conn, json);
	free_conn(conn);
}

void conn_answer_error(struct conn *conn, const struct og_err *err)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "error", err->text);
	og_json_set_int(json, "code", -err->code);
	conn_answer(conn, json);
}

void conn_answer_and_attach(struct conn *conn, struct og_json *json, struct og_hub *hub,
			    const struct og_monitor_streams *streams, bool front)
{
	size_t early_at = conn->request_len + 1;
	bool wanted = streams->in || streams->out || streams->err;

	if (send_line(conn, json) && wanted) {
		conn->source = og_source_remove(conn->source);
		(void)og_hub_attach(hub, og_take_fd(&conn->fd), streams, front,
				    conn->request.buf + early_at, conn->request.len - early_at,
				    NULL);
	}
	free_conn(conn);
}

void monitor_answer_waiters(struct monitor *monitor, const struct exec *exec,
			    const struct og_monitor_exit *exit)
{
	struct conn *next;

	for (struct conn *conn = monitor->conns; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->waiting && conn->waits_for == exec)
			conn_answer(conn, og_monitor_exit_json(exit));
	}
}

/* ---- requests ---- */

static int read_streams(const struct og_json *request, struct og_monitor_streams *streams,
			struct og_err *err)
{
	int r = og_json_opt_bool(request, "in", &streams->in, err);

	if (r == 0)
		r = og_json_opt_bool(request, "out", &streams->out, err);
	if (r == 0)
		r = og_json_opt_bool(request, "err", &streams->err, err);
	return r;
}

static void attach_request(struct conn *conn, const struct og_json *request)
{
	struct monitor *monitor = conn->monitor;
	struct og_monitor_streams streams = {};
	struct og_json *answer;
	struct og_err err = {};
	int r = read_streams(request, &streams, &err);

	if (r == 0 && og_hub_clients(monitor->hub) >= OG_MONITOR_CLIENTS_MAX)
		r = og_fail(&err, -EBUSY, "attach: %u clients are attached already",
			    OG_MONITOR_CLIENTS_MAX);
	if (r == 0 && monitor->state >= MONITOR_ENDED)
		r = og_fail(&err, -ESRCH, "attach: it has ended");
	if (r < 0) {
		conn_answer_error(conn, &err);
		return;
	}
	answer = og_json_new_object();
	og_json_set_bool(answer, "ok", true);
	conn_answer_and_attach(conn, answer, monitor->hub, &streams,
			       monitor->state < MONITOR_STARTING);
}

static void resize_request(struct conn *conn, const struct og_json *request)
{
	struct monitor *monitor = conn->monitor;
	struct og_hub *hub = monitor->hub;
	const char *exec_id = NULL;
	int64_t rows = 0;
	int64_t columns = 0;
	struct og_err err = {};
	struct og_json *answer;
	int r = og_json_opt_int(request, "rows", 0, UINT16_MAX, &rows, &err);

	if (r == 0)
		r = og_json_opt_int(request, "columns", 0, UINT16_MAX, &columns, &err);
	if (r == 0)
		r = og_json_opt_string(request, "exec", &exec_id, &err);
	if (r == 0 && exec_id != NULL) {
		struct exec *exec = exec_find(monitor, exec_id, &err);

		hub = exec != NULL ? exec_hub(exec) : NULL;
		if (hub == NULL)
			r = exec == NULL ? err.code : og_fail(&err, -ESRCH, "resize: it has ended");
	}
	if (r == 0)
		r = og_hub_resize(hub, (uint16_t)rows, (uint16_t)columns, &err);
	if (r < 0) {
		conn_answer_error(conn, &err);
		return;
	}
	answer = og_json_new_object();
	og_json_set_bool(answer, "ok", true);
	conn_answer(conn, answer);
}

void conn_wait_for(struct conn *conn, const struct og_json *request, struct exec *exec)
{
	struct og_err err = {};

	if (og_json_bool(og_json_get(request, "now"), false)) {
		(void)og_fail(&err, -ETIMEDOUT, "it has not ended");
		conn_answer_error(conn, &err);
		return;
	}
	conn->waiting = true;
	conn->waits_for = exec;
}

static void wait_request(struct conn *conn, const struct og_json *request)
{
	if (conn->monitor->state == MONITOR_DONE)
		conn_answer(conn, og_monitor_exit_json(&conn->monitor->exit));
	else
		conn_wait_for(conn, request, NULL);
}

static const struct {
	const char *op;
	void (*run)(struct conn *conn, const struct og_json *request);
} requests[] = {
	{ "start", monitor_start_request }, { "attach", attach_request },
	{ "resize", resize_request },	    { "kill", monitor_kill_request },
	{ "exec", exec_request },	    { "exec_wait", exec_wait_request },
	{ "wait", wait_request },
};

static void run_request(struct conn *conn)
{
	og_cleanup(og_json_freep) struct og_json *request = NULL;
	struct og_err err = {};
	const char *op;

	if (og_json_parse(conn->request.buf, conn->request_len, &request, &err) < 0) {
		conn_answer_error(conn, &err);
		return;
	}
	op = og_json_string(og_json_get(request, "op"), "");
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (og_streq(op, requests[i].op)) {
			requests[i].run(conn, request);
			return;
		}
	}
	(void)og_fail(&err, -EOPNOTSUPP, "request '%.32s'", op);
	conn_answer_error(conn, &err);
}

/* ---- connections ---- */

static void leave(struct conn *conn)
{
	if (!conn->busy) {
		free_conn(conn);
		return;
	}
	conn->gone = true;
	conn->source = og_source_remove(conn->source);
	conn->fd = og_close(conn->fd);
}

static void read_request(struct conn *conn)
{
	char buf[READ_BYTES];
	ssize_t n = recv(conn->fd, buf, sizeof(buf), 0);
	const char *newline;
	size_t before = conn->request.len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || before + (size_t)n > OG_MONITOR_LINE_MAX) {
		leave(conn);
		return;
	}
	og_text_add_bytes(&conn->request, buf, (size_t)n);
	if (conn->request.failed) {
		leave(conn);
		return;
	}
	newline = memchr(conn->request.buf + before, '\n', (size_t)n);
	if (newline == NULL)
		return;
	conn->request_len = (size_t)(newline - conn->request.buf);
	(void)og_source_watch(conn->source, 0); /* from now on only that it leaves */
	run_request(conn);
}

static void on_conn(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	if ((events & EPOLLIN) != 0)
		read_request(data);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		leave(data);
}

/* The folder's mode keeps others out already; this holds even where somebody opened it up. */
static bool is_one_of_us(int fd)
{
	struct ucred peer = {};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Returns whether there was one. */
static bool accept_one(struct monitor *monitor)
{
	og_auto_fd fd = accept4(monitor->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *conn;

	if (fd < 0)
		return false;
	if (!is_one_of_us(fd) ||
	    monitor->conn_count >= OG_MONITOR_CLIENTS_MAX + OG_MONITOR_EXECS_MAX)
		return true;
	conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		return true;
	conn->monitor = monitor;
	conn->fd = fd;
	if (og_loop_add_fd(monitor->loop, fd, EPOLLIN, on_conn, conn, &conn->source, NULL) < 0) {
		free(conn);
		return true;
	}
	(void)og_take_fd(&fd);
	conn->next = monitor->conns;
	monitor->conns = conn;
	monitor->conn_count++;
	return true;
}

static void on_connect(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	(void)accept_one(data);
}

int monitor_listen(struct monitor *monitor, struct og_err *err)
{
	monitor->listen_fd = console_listen(OG_MONITOR_SOCKET_NAME, err);
	if (monitor->listen_fd < 0)
		return monitor->listen_fd;
	return og_loop_add_fd(monitor->loop, monitor->listen_fd, EPOLLIN, on_connect, monitor,
			      &monitor->listen_source, err);
}

void monitor_stop_listening(struct monitor *monitor)
{
	if (monitor->listen_source == NULL)
		return;
	monitor->listen_source = og_source_remove(monitor->listen_source);
	(void)unlinkat(monitor->dir_fd, OG_MONITOR_SOCKET_NAME, 0);
	/* Who has connected is answered still: a reset connection would look like our death. */
	while (accept_one(monitor))
		;
	monitor->listen_fd = og_close(monitor->listen_fd);
}

void monitor_close_conns(struct monitor *monitor)
{
	while (monitor->conns != NULL)
		free_conn(monitor->conns);
}
