/* SPDX-License-Identifier: Apache-2.0 */
#include "client/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/detach.h"
#include "client/terminal.h"
#include "format/stdstream.h"

#define OUT_BYTES 262144U
#define IN_BYTES  65536U

/* What is passed on, or ends us. The rest keeps its meaning: SIGCHLD, SIGPIPE, SIGTSTP ... */
static const int passed_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };

struct pump {
	struct og_session *session;
	struct og_http *http;
	const struct og_attach *attach;
	struct og_err *err;
	struct og_detach detach;
	struct og_stdstream frames;
	int signal_fd;
	int out_fds[3]; /* by stream */
	bool stdin_open;
	bool detached;
	int ended_by;	 /* a signal */
	size_t in_start; /* of input that waits for the socket */
	size_t in_len;
	uint8_t in[IN_BYTES + OG_DETACH_KEYS_MAX];
	uint8_t out[OUT_BYTES];
};

static void fill_signal_set(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGWINCH);
	for (size_t i = 0; i < sizeof(passed_signals) / sizeof(passed_signals[0]); i++)
		(void)sigaddset(set, passed_signals[i]);
}

int og_attach_hold_signals(struct og_err *err)
{
	sigset_t set;
	int fd;

	fill_signal_set(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? og_fail(err, -errno, "watch signals") : fd;
}

int og_attach_waiting_signal(int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGWINCH)
			return (int)info.ssi_signo;
	}
	return 0;
}

void og_attach_resize(struct og_session *session, const char *path)
{
	uint16_t rows = 0;
	uint16_t columns = 0;

	if (!og_terminal_size(STDOUT_FILENO, &rows, &columns) || rows == 0 || columns == 0)
		return;
	(void)og_session_ask(session, "POST", NULL, NULL, "%s/resize?h=%u&w=%u", path, rows,
			     columns);
}

static void take_signal(struct pump *pump, int number)
{
	const char *name = sigabbrev_np(number);

	if (number == SIGWINCH) {
		if (pump->attach->tty)
			og_attach_resize(pump->session, pump->attach->path);
	} else if (!pump->attach->pass_signals) {
		pump->ended_by = number;
	} else if (name != NULL) {
		/* It may have ended meanwhile: then its end is seen soon. */
		(void)og_session_ask(pump->session, "POST", NULL, NULL, "%s/kill?signal=SIG%s",
				     pump->attach->path, name);
	}
}

static void take_signals(struct pump *pump)
{
	struct signalfd_siginfo info;

	while (read(pump->signal_fd, &info, sizeof(info)) == sizeof(info))
		take_signal(pump, (int)info.ssi_signo);
}

/* ---- output ---- */

/*
 * A descriptor for our stdout that does not wait: whoever reads it may pause for ever, and signals
 * must be passed on meanwhile. The flag must not be set on what others share, hence a second
 * opening, which sockets and some terminals refuse: those are written as they are.
 */
static int open_output(int fd)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
		return fd;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own < 0 ? fd : own;
}

static void close_output(const struct pump *pump, int stream, int fd)
{
	if (pump->out_fds[stream] != fd)
		og_close(pump->out_fds[stream]);
}

static int write_output(struct pump *pump, int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0 && pump->ended_by == 0) {
		struct pollfd poll_fds[2] = { { .fd = fd, .events = POLLOUT },
					      { .fd = pump->signal_fd, .events = POLLIN } };
		ssize_t n = write(fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE) { /* as if the signal of that name had come: quietly */
			pump->ended_by = SIGPIPE;
			return 0;
		}
		if (errno != EAGAIN)
			return og_fail(pump->err, -errno, "write output");
		(void)poll(poll_fds, 2, -1);
		if (poll_fds[1].revents != 0)
			take_signals(pump);
	}
	return 0;
}

static int write_frames(struct pump *pump, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct og_stdstream_part part;
		ptrdiff_t used = og_stdstream_next(&pump->frames, bytes, len, &part);
		int r;

		if (used < 0)
			return og_fail(pump->err, (int)used, "read the output's frames");
		r = write_output(pump, pump->out_fds[part.id == OG_STDOUT ? OG_STDOUT : OG_STDERR],
				 part.content, part.len);
		if (r < 0)
			return r;
		bytes += used;
		len -= (size_t)used;
	}
	return 0;
}

/* Returns 1 while there is more, 0 at the end. */
static int take_output(struct pump *pump)
{
	ssize_t n = og_http_read(pump->http, pump->out, sizeof(pump->out), pump->err);
	int r;

	if (n == -EAGAIN)
		return 1;
	if (n == -ECONNRESET && og_http_answer_status(pump->http) == 101)
		return 0; /* unread input of ours was thrown away there: an end like others */
	if (n <= 0)
		return (int)n;
	if (pump->attach->tty)
		r = write_output(pump, pump->out_fds[OG_STDOUT], pump->out, (size_t)n);
	else
		r = write_frames(pump, pump->out, (size_t)n);
	return r < 0 ? r : 1;
}

/* ---- input ---- */

static void end_input(struct pump *pump)
{
	pump->stdin_open = false;
	if (pump->in_len == 0)
		(void)shutdown(og_http_fd(pump->http), SHUT_WR);
}

static void send_input(struct pump *pump)
{
	ssize_t n = send(og_http_fd(pump->http), pump->in + pump->in_start, pump->in_len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* it listens no more; what it still says is wanted */
		pump->stdin_open = false;
		pump->in_len = 0;
		return;
	}
	pump->in_start += (size_t)n;
	pump->in_len -= (size_t)n;
	if (pump->in_len == 0 && !pump->stdin_open)
		end_input(pump);
}

static void take_input(struct pump *pump)
{
	uint8_t buf[IN_BYTES];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end_input(pump);
		return;
	}
	pump->in_start = 0;
	if (pump->attach->tty) {
		pump->detached =
			og_detach_filter(&pump->detach, buf, (size_t)n, pump->in, &pump->in_len);
	} else {
		memcpy(pump->in, buf, (size_t)n);
		pump->in_len = (size_t)n;
	}
	if (pump->in_len > 0)
		send_input(pump);
}

/* ---- the pump ---- */

static int pump_once(struct pump *pump)
{
	int socket = og_http_fd(pump->http);
	struct pollfd poll_fds[3] = {
		{ .fd = socket, .events = POLLIN },
		{ .fd = pump->signal_fd, .events = POLLIN },
		{ .fd = pump->stdin_open && pump->in_len == 0 ? STDIN_FILENO : -1,
		  .events = POLLIN },
	};
	int r = 1;

	if (pump->in_len > 0)
		poll_fds[0].events |= POLLOUT;
	if (og_http_has_early(pump->http))
		return take_output(pump);
	if (poll(poll_fds, 3, -1) < 0)
		return errno == EINTR ? 1 : og_fail(pump->err, -errno, "wait for output");
	if (poll_fds[1].revents != 0)
		take_signals(pump);
	if (poll_fds[2].revents != 0)
		take_input(pump);
	if ((poll_fds[0].revents & POLLOUT) != 0 && pump->in_len > 0)
		send_input(pump);
	if ((poll_fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		r = take_output(pump);
	return r;
}

static int run_pump(struct pump *pump)
{
	int r = 1;

	(void)fcntl(og_http_fd(pump->http), F_SETFL, O_RDWR | O_NONBLOCK);
	if (!pump->stdin_open)
		(void)shutdown(og_http_fd(pump->http), SHUT_WR);
	while (r > 0 && pump->ended_by == 0 && !pump->detached)
		r = pump_once(pump);
	if (r < 0)
		return r;
	if (pump->ended_by != 0)
		return 128 + pump->ended_by;
	return pump->detached ? OG_ATTACH_DETACHED : OG_ATTACH_ENDED;
}

int og_attach_run(struct og_session *session, struct og_http *http, const struct og_attach *attach,
		  struct og_err *err)
{
	og_cleanup(og_terminal_restore) struct og_terminal terminal = {};
	og_auto_free struct pump *pump = calloc(1, sizeof(*pump));
	og_auto_fd signal_fd = -EBADF;
	int r = 0;

	if (pump == NULL)
		return og_fail(err, -ENOMEM, "attach");
	*pump = (struct pump){ .session = session,
			       .http = http,
			       .attach = attach,
			       .err = err,
			       .stdin_open = attach->in };
	r = og_detach_parse(attach->detach_keys != NULL ? attach->detach_keys
							: OG_DETACH_KEYS_DEFAULT,
			    &pump->detach, err);
	if (r == 0 && attach->tty && attach->in && isatty(STDIN_FILENO))
		r = og_terminal_make_raw(&terminal, STDIN_FILENO, err);
	if (r < 0)
		return r;
	signal_fd = og_attach_hold_signals(err);
	if (signal_fd < 0)
		return signal_fd;
	pump->signal_fd = signal_fd;
	pump->out_fds[OG_STDOUT] = open_output(STDOUT_FILENO);
	pump->out_fds[OG_STDERR] = open_output(STDERR_FILENO);
	r = run_pump(pump);
	close_output(pump, OG_STDOUT, STDOUT_FILENO);
	close_output(pump, OG_STDERR, STDERR_FILENO);
	return r;
}
