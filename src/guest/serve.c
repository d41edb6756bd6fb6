/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/loop.h"
#include "format/guest.h"
#include "guest/launch.h"
#include "guest/process.h"
#include "guest/stats.h"

/* Frames already sent are cut off the queue when this many bytes of them lie before the rest. */
#define SENT_MAX (256U * 1024U)

#define GIVE_UP_TIMEOUT_MS 1000

struct server {
	struct og_loop *loop;
	int port_fd;
	struct og_source *port_source;
	struct og_guest_inbox *inbox;
	struct og_text out;
	size_t out_at;
	struct og_processes processes;
	struct og_err *err;
	int result;
};

static void stop(struct server *server, int result)
{
	server->result = result;
	og_loop_stop(server->loop);
}

/* Sends what the port takes, and asks to be told when it takes more. */
static void flush(struct server *server)
{
	struct og_text *out = &server->out;

	while (server->out_at < out->len) {
		ssize_t n = write(server->port_fd, out->buf + server->out_at,
				  out->len - server->out_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		server->out_at += (size_t)n;
	}
	if (server->out_at == out->len) {
		og_text_clear(out);
		server->out_at = 0;
	} else if (server->out_at >= SENT_MAX) {
		og_text_cut(out, server->out_at);
		server->out_at = 0;
	}
	(void)og_source_watch(server->port_source, out->len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int take_hello(struct server *server, const struct og_guest_frame *frame)
{
	uint32_t version = og_guest_number(frame, 0);

	if (version != OG_GUEST_VERSION)
		return og_fail(server->err, -EPROTO,
			       "the host speaks version %u of the guest protocol, this init %d",
			       version, OG_GUEST_VERSION);
	return 0;
}

static int take_frame(struct server *server, const struct og_guest_frame *frame)
{
	struct og_guest_stats stats;

	switch (frame->type) {
	case OG_GUEST_HELLO:
		return take_hello(server, frame);
	case OG_GUEST_START:
		og_process_start(&server->processes, frame);
		return 0;
	case OG_GUEST_DATA:
	case OG_GUEST_CLOSE:
	case OG_GUEST_CREDIT:
		return og_process_stream(&server->processes, frame, server->err);
	case OG_GUEST_SIGNAL:
		og_process_signal(&server->processes, frame);
		return 0;
	case OG_GUEST_RESIZE:
		og_process_resize(&server->processes, frame);
		return 0;
	case OG_GUEST_STATS:
		og_guest_stats_read(&stats);
		og_guest_put_stats(&server->out, &stats);
		return 0;
	case OG_GUEST_SHUTDOWN:
		og_loop_stop(server->loop);
		return 0;
	case OG_GUEST_FAILED:
	case OG_GUEST_STARTED:
	case OG_GUEST_REFUSED:
	case OG_GUEST_EXITED:
		break; /* the inbox refuses what is not the host's to say */
	}
	return -EPROTO;
}

static int receive(struct server *server)
{
	struct og_guest_frame frame;
	size_t room;
	uint8_t *space = og_guest_inbox_space(server->inbox, &room);
	ssize_t n = read(server->port_fd, space, room);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR
			       ? 0
			       : og_fail(server->err, -errno, "read from the host");
	og_guest_inbox_added(server->inbox, (size_t)n);
	while ((r = og_guest_inbox_next(server->inbox, &frame, server->err)) > 0) {
		r = take_frame(server, &frame);
		if (r < 0)
			return r;
	}
	return r;
}

static void port_ready(struct og_source *source, uint32_t events, void *data)
{
	struct server *server = data;

	(void)source;
	if ((events & EPOLLIN) != 0) {
		int r = receive(server);

		if (r < 0)
			stop(server, r);
	} else if ((events & EPOLLHUP) != 0) {
		stop(server, og_fail(server->err, -EPIPE, "the host has gone away"));
	}
	flush(server);
}

static void child_ended(struct og_source *source, int signal, void *data)
{
	struct server *server = data;

	(void)source;
	(void)signal;
	og_process_reap(&server->processes);
	flush(server);
}

/* Frames that streams added since the loop last waited. */
static void before_wait(void *data)
{
	flush(data);
}

static int make_cgroup(struct og_err *err)
{
	static const char *const controllers[] = { "+pids", "+memory", "+cpu", "+io" };

	/* A guest kernel of the user's own may lack some. */
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
		(void)og_write_file(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control",
				    controllers[i], NULL);
	if (mkdir(OG_CGROUP, 0755) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make " OG_CGROUP);
	return 0;
}

static int prepare(struct server *server, struct og_err *err)
{
	sigset_t children;
	int r;

	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	r = make_cgroup(err);
	if (r == 0)
		r = og_loop_new(&server->loop, err);
	if (r == 0)
		r = og_guest_inbox_new(false, &server->inbox, err);
	if (r == 0)
		r = og_loop_add_signals(server->loop, &children, child_ended, server, err);
	if (r == 0)
		r = og_loop_add_fd(server->loop, server->port_fd, EPOLLIN, port_ready, server,
				   &server->port_source, err);
	if (r == 0)
		og_loop_before_wait(server->loop, before_wait, server);
	return r;
}

int og_guest_serve(int port_fd, struct og_err *err)
{
	struct server server = { .port_fd = port_fd, .err = err };
	int r = prepare(&server, err);

	if (r < 0)
		return r;
	server.processes =
		(struct og_processes){ .loop = server.loop, .out = &server.out, .main_pid_fd = -1 };
	og_guest_put_numbers(&server.out, OG_GUEST_HELLO, 0, 0, OG_GUEST_VERSION, 0);
	r = og_loop_run(server.loop, err);
	return r < 0 ? r : server.result;
}

void og_guest_give_up(int port_fd, const char *text)
{
	struct pollfd poll_fd = { .fd = port_fd, .events = POLLOUT };
	og_auto_text out = {};

	og_guest_put_failure(&out, 0, 0, text);
	if (poll(&poll_fd, 1, GIVE_UP_TIMEOUT_MS) == 1 && (poll_fd.revents & POLLOUT) != 0)
		(void)og_write_all(port_fd, out.buf, out.len);
}
