/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event loop, one phase at a time (enum og_phase). The hypervisor's end ends everything: with
 * the workload's status when that is known, else as if it had been killed. What the guest sends
 * is checked by the inbox and the relays; a guest that breaks the protocol is switched off.
 */
#include "vm/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "runtime/gate.h"
#include "vm/supervisor_parts.h"

#define SENT_MAX      (256U * 1024U) /* sent frames are cut off the queue beyond this */
#define STATUS_KILLED (128 + SIGKILL)
#define BOOT_LIMIT_MS 180000 /* a kernel under software emulation, on a busy machine */
#define OFF_LIMIT_MS  20000  /* to write its data and switch off */

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT };

static void end_with(struct og_supervisor *supervisor, unsigned int status)
{
	supervisor->status = status;
	supervisor->phase = OG_PHASE_ENDING;
}

static void kill_hypervisor(struct og_supervisor *supervisor)
{
	if (supervisor->hypervisor_pid != 0)
		(void)syscall(SYS_pidfd_send_signal, supervisor->hypervisor_fd, SIGKILL, NULL, 0);
}

static void say_ready(struct og_supervisor *supervisor, int code, const char *text)
{
	struct og_supervisor_ready ready = { .code = code };
	int *fd = &supervisor->setup->ready_fd;

	if (*fd < 0)
		return;
	(void)snprintf(ready.text, sizeof(ready.text), "%s", text);
	(void)og_write_all(*fd, &ready, sizeof(ready));
	*fd = og_close(*fd);
}

static void say_started(struct og_supervisor *supervisor, int code, const char *text)
{
	if (supervisor->start_fd < 0)
		return;
	if (code < 0)
		og_gate_fail(supervisor->start_fd, code, text);
	supervisor->start_fd = og_close(supervisor->start_fd);
}

/* Whoever waits for something gets this answer; then the machine goes. */
static void fail(struct og_supervisor *supervisor, int code, const char *text)
{
	say_ready(supervisor, code, text);
	say_started(supervisor, code, text);
	if (supervisor->phase != OG_PHASE_ENDING)
		end_with(supervisor, STATUS_KILLED);
	kill_hypervisor(supervisor);
}

static void flush(void *data)
{
	struct og_supervisor *supervisor = data;
	struct og_text *out = &supervisor->out;

	while (supervisor->out_at < out->len) {
		ssize_t n = send(supervisor->port_fd, out->buf + supervisor->out_at,
				 out->len - supervisor->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		supervisor->out_at += (size_t)n;
	}
	if (supervisor->out_at == out->len) {
		og_text_clear(out);
		supervisor->out_at = 0;
	} else if (supervisor->out_at >= SENT_MAX) {
		og_text_cut(out, supervisor->out_at);
		supervisor->out_at = 0;
	}
	if (supervisor->port_source != NULL)
		(void)og_source_watch(supervisor->port_source,
				      out->len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void tell_size(struct og_supervisor *supervisor)
{
	struct winsize size;

	if (supervisor->workload != NULL && supervisor->terminal_fd >= 0 &&
	    ioctl(supervisor->terminal_fd, TIOCGWINSZ, &size) == 0 &&
	    (size.ws_row != 0 || size.ws_col != 0))
		og_relay_resize(supervisor->workload, size.ws_row, size.ws_col);
}

static void too_slow(struct og_source *source, void *data)
{
	(void)source;
	kill_hypervisor(data);
}

static void workload_done(struct og_relay *relay, unsigned int status, void *data)
{
	struct og_supervisor *supervisor = data;

	supervisor->workload = og_relay_free(relay);
	end_with(supervisor, status);
	og_guest_put(&supervisor->out, OG_GUEST_SHUTDOWN, 0, 0, NULL, 0);
	(void)og_loop_add_timer(supervisor->loop, OFF_LIMIT_MS, too_slow, supervisor, NULL, NULL);
}

/* `start` has come. */
static void gate_ready(struct og_source *source, uint32_t events, void *data)
{
	struct og_supervisor *supervisor = data;
	struct og_supervisor_setup *setup = supervisor->setup;
	struct og_err err = {};
	int r;

	(void)source;
	(void)events;
	supervisor->start_fd = og_gate_wait(setup->gate_fd);
	supervisor->gate_source = og_source_remove(supervisor->gate_source);
	setup->gate_fd = og_close(setup->gate_fd);
	if (supervisor->start_fd < 0)
		return;
	if (setup->terminal)
		supervisor->terminal_fd = fcntl(setup->streams[0], F_DUPFD_CLOEXEC, 3);
	r = og_relay_new(supervisor->loop, &supervisor->out, OG_GUEST_MAIN, setup->streams,
			 setup->terminal, workload_done, supervisor, &supervisor->workload, &err);
	if (r < 0) {
		fail(supervisor, r, err.text);
		return;
	}
	supervisor->phase = OG_PHASE_STARTING;
	og_guest_put(&supervisor->out, OG_GUEST_START, OG_GUEST_MAIN, 0, setup->start_payload,
		     setup->start_len);
	tell_size(supervisor);
}

static int take_hello(struct og_supervisor *supervisor, const struct og_guest_frame *frame,
		      struct og_err *err)
{
	uint32_t version = og_guest_number(frame, 0);

	if (version != OG_GUEST_VERSION || supervisor->phase != OG_PHASE_BOOTING)
		return og_fail(
			err, -EPROTO,
			"the guest's init speaks version %u of the guest protocol, not %d; is lib/onggi/guest/initramfs.cpio of this installation?",
			version, OG_GUEST_VERSION);
	supervisor->phase = OG_PHASE_CREATED;
	say_ready(supervisor, 0, "");
	return og_loop_add_fd(supervisor->loop, supervisor->setup->gate_fd, EPOLLIN, gate_ready,
			      supervisor, &supervisor->gate_source, err);
}

static void take_refusal(struct og_supervisor *supervisor, const struct og_guest_frame *frame)
{
	og_auto_free char *text = og_guest_failure_text(frame);
	int code = -(int)og_guest_number(frame, 0);

	end_with(supervisor, code == -ENOENT ? 127 : 126);
	fail(supervisor, code < 0 ? code : -EPROTO, text != NULL ? text : "");
}

static int take_workload_frame(struct og_supervisor *supervisor, const struct og_guest_frame *frame,
			       struct og_err *err)
{
	if (supervisor->workload == NULL)
		return 0;
	if (frame->type == OG_GUEST_STARTED) {
		supervisor->phase = OG_PHASE_RUNNING;
		say_started(supervisor, 0, "");
		og_relay_started(supervisor->workload);
		tell_size(supervisor);
		return 0;
	}
	if (frame->type == OG_GUEST_REFUSED) {
		take_refusal(supervisor, frame);
		return 0;
	}
	return og_relay_frame(supervisor->workload, frame, err);
}

static int take_frame(struct og_supervisor *supervisor, const struct og_guest_frame *frame,
		      struct og_err *err)
{
	struct og_guest_stats stats;
	og_auto_free char *text = NULL;

	if (frame->process == OG_GUEST_MAIN)
		return take_workload_frame(supervisor, frame, err);
	if (frame->process != 0)
		return og_supervisor_exec_frame(supervisor, frame, err);
	if (frame->type == OG_GUEST_HELLO)
		return take_hello(supervisor, frame, err);
	if (frame->type == OG_GUEST_STATS) {
		int r = og_guest_get_stats(frame, &stats, err);

		if (r == 0)
			og_supervisor_stats_frame(supervisor, &stats);
		return r;
	}
	text = og_guest_failure_text(frame);
	return og_fail_as(err, -EIO, text != NULL ? text : "the guest failed");
}

static int receive(struct og_supervisor *supervisor, struct og_err *err)
{
	struct og_guest_frame frame;
	size_t room;
	uint8_t *space = og_guest_inbox_space(supervisor->inbox, &room);
	ssize_t n = recv(supervisor->port_fd, space, room, MSG_DONTWAIT);
	int r;

	if (n <= 0) {
		/* The hypervisor has closed it: its end is on the way. */
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			supervisor->port_source = og_source_remove(supervisor->port_source);
		return 0;
	}
	og_guest_inbox_added(supervisor->inbox, (size_t)n);
	while ((r = og_guest_inbox_next(supervisor->inbox, &frame, err)) > 0) {
		r = take_frame(supervisor, &frame, err);
		if (r < 0)
			break;
	}
	return r;
}

static void port_ready(struct og_source *source, uint32_t events, void *data)
{
	struct og_supervisor *supervisor = data;
	struct og_err err = {};
	int r;

	(void)source;
	if ((events & (EPOLLIN | EPOLLHUP)) == 0)
		return;
	r = receive(supervisor, &err);
	if (r < 0)
		fail(supervisor, r, err.text);
}

static void log_ready(struct og_source *source, uint32_t events, void *data)
{
	struct og_supervisor *supervisor = data;
	char buf[OG_LAST_WORDS_ROOM];
	ssize_t n = read(supervisor->log_fd, buf, sizeof(buf));

	(void)events;
	if (n > 0)
		og_last_words_add(&supervisor->words, buf, (size_t)n);
	else if (n == 0)
		og_source_remove(source);
}

static void hypervisor_ended(struct og_source *source, uint32_t events, void *data)
{
	struct og_supervisor *supervisor = data;
	const char *name = supervisor->setup->choice->name;
	char line[256], text[OG_ERR_TEXT_MAX];
	int status = 0;

	(void)events;
	og_source_remove(source);
	(void)waitpid(supervisor->hypervisor_pid, &status, 0);
	supervisor->hypervisor_pid = 0;
	/* What it said last may still be in the pipe, and the guest's last frames in the socket. */
	if (supervisor->port_source != NULL)
		port_ready(source, EPOLLIN, supervisor);
	log_ready(NULL, 0, supervisor);
	og_last_words_line(&supervisor->words, line, sizeof(line));
	(void)snprintf(text, sizeof(text), "%s ended before the guest was up: %s", name,
		       *line != '\0' ? line : "it said nothing");
	if (supervisor->phase != OG_PHASE_ENDING)
		fail(supervisor, -EIO, text);
	og_loop_stop(supervisor->loop);
}

void og_supervisor_signal(struct og_supervisor *supervisor, int signal, bool all)
{
	if (supervisor->phase == OG_PHASE_RUNNING || supervisor->phase == OG_PHASE_STARTING) {
		/* A guest whose kernel no longer listens is killed all the same. */
		if (signal == SIGKILL)
			(void)og_loop_add_timer(supervisor->loop, OFF_LIMIT_MS, too_slow,
						supervisor, NULL, NULL);
		og_guest_put_numbers(&supervisor->out, OG_GUEST_SIGNAL, OG_GUEST_MAIN, 0,
				     (uint32_t)signal, all ? 1 : 0);
		return;
	}
	/* No program is there yet that could handle it. */
	if (supervisor->phase != OG_PHASE_ENDING && signal != SIGCONT && signal != SIGWINCH) {
		end_with(supervisor, 128 + (unsigned int)signal);
		fail(supervisor, -EINTR, "killed before it was started");
	}
}

static void got_signal(struct og_source *source, int signal, void *data)
{
	(void)source;
	if (signal == SIGWINCH)
		tell_size(data);
	else
		og_supervisor_signal(data, signal, false);
}

static void boot_limit(struct og_source *source, void *data)
{
	struct og_supervisor *supervisor = data;
	char line[256], text[OG_ERR_TEXT_MAX];

	(void)source;
	if (supervisor->phase != OG_PHASE_BOOTING)
		return;
	og_last_words_line(&supervisor->words, line, sizeof(line));
	(void)snprintf(text, sizeof(text),
		       "the guest was not up after %d seconds; its last words: %s",
		       BOOT_LIMIT_MS / 1000, *line != '\0' ? line : "none");
	fail(supervisor, -ETIMEDOUT, text);
}

static int start_hypervisor(struct og_supervisor *supervisor, struct og_err *err)
{
	struct og_supervisor_setup *setup = supervisor->setup;
	int sockets[2], pipe_fds[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 ||
	    pipe2(pipe_fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make the guest's console");
	supervisor->port_fd = sockets[0];
	supervisor->log_fd = pipe_fds[0];
	(void)fcntl(supervisor->log_fd, F_SETFL, O_NONBLOCK);
	setup->machine.console_fd = sockets[1];
	setup->machine.log_fd = pipe_fds[1];
	r = og_vm_spawn(setup->choice, &setup->machine, &supervisor->hypervisor_pid, err);
	(void)og_close(sockets[1]);
	(void)og_close(pipe_fds[1]);
	if (r < 0)
		return r;
	supervisor->hypervisor_fd = pidfd_open(supervisor->hypervisor_pid, 0);
	return supervisor->hypervisor_fd < 0 ? og_fail(err, -errno, "watch the hypervisor") : 0;
}

static int watch_all(struct og_supervisor *supervisor, struct og_err *err)
{
	struct og_loop *loop = supervisor->loop;
	sigset_t signals;
	int r;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGWINCH);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(&signals, forwarded[i]);
	r = og_loop_add_signals(loop, &signals, got_signal, supervisor, err);
	if (r == 0)
		r = og_loop_add_fd(loop, supervisor->hypervisor_fd, EPOLLIN, hypervisor_ended,
				   supervisor, NULL, err);
	if (r == 0)
		r = og_loop_add_fd(loop, supervisor->port_fd, EPOLLIN, port_ready, supervisor,
				   &supervisor->port_source, err);
	if (r == 0)
		r = og_loop_add_fd(loop, supervisor->log_fd, EPOLLIN, log_ready, supervisor, NULL,
				   err);
	if (r == 0)
		r = og_loop_add_timer(loop, BOOT_LIMIT_MS, boot_limit, supervisor, NULL, err);
	if (r == 0)
		r = og_supervisor_listen(supervisor, err);
	return r;
}

static int prepare(struct og_supervisor *supervisor, struct og_err *err)
{
	int r = og_loop_new(&supervisor->loop, err);

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (r == 0)
		r = og_guest_inbox_new(true, &supervisor->inbox, err);
	if (r == 0)
		r = start_hypervisor(supervisor, err);
	if (r == 0)
		r = watch_all(supervisor, err);
	if (r < 0)
		return r;
	og_loop_before_wait(supervisor->loop, flush, supervisor);
	og_guest_put_numbers(&supervisor->out, OG_GUEST_HELLO, 0, 0, OG_GUEST_VERSION, 0);
	return 0;
}

/* Nothing of whoever made us stays open, and our name for stdio is no longer theirs. */
static void leave(struct og_supervisor_setup *setup)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		if (!setup->terminal)
			setup->streams[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
		(void)dup2(null_fd, i);
	}
	(void)og_close(null_fd);
	setup->state_fd = og_close(setup->state_fd);
	(void)setsid();
	if (setup->terminal)
		(void)ioctl(setup->streams[0], TIOCSCTTY, 0);
}

void og_supervisor_run(struct og_supervisor_setup *setup)
{
	struct og_supervisor supervisor = {
		.setup = setup, .port_fd = -1, .start_fd = -1, .terminal_fd = -1
	};
	struct og_err err = {};
	char go;
	int r;

	leave(setup);
	if (og_read_upto(setup->go_fd, &go, 1) != 1)
		_exit(STATUS_KILLED);
	r = prepare(&supervisor, &err);
	if (r == 0)
		r = og_loop_run(supervisor.loop, &err);
	if (r < 0)
		fail(&supervisor, r, err.text);
	/* An exec that is still waiting learns from our end that its process is gone. */
	_exit((int)supervisor.status);
}
