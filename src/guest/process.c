/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream towards the host is watched while it has credit and is taken out of the loop while it
 * has none (a hang-up is reported even to those who watch for nothing). A stream from the host
 * keeps what its process has not read yet, never more than its window; what was read is credited.
 * A process is forgotten when it has ended and all its streams have.
 */
#include "guest/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "guest/launch.h"

struct stream {
	struct og_process *process;
	enum og_guest_stream number;
	int fd;			  /* owned; negative once it has ended */
	struct og_source *source; /* NULL while it is not watched */
	uint32_t credit;	  /* towards the host: may still be sent */
	struct og_text pending;	  /* from the host: not written yet */
	size_t pending_at;
	bool ends; /* from the host: nothing comes after what is pending */
};

struct og_process {
	struct og_processes *all;
	struct og_process *next;
	uint32_t number;
	pid_t pid; /* 0 once it was reaped */
	int pid_fd;
	int report_fd;
	struct og_source *report_source;
	bool refused; /* its program never ran: the host knows already */
	bool terminal;
	struct stream streams[OG_GUEST_STREAMS];
};

static struct og_process *find(struct og_processes *processes, uint32_t number)
{
	struct og_process *process = processes->first;

	while (process != NULL && process->number != number)
		process = process->next;
	return process;
}

static void stream_unwatch(struct stream *stream)
{
	stream->source = og_source_remove(stream->source);
}

static void stream_end(struct stream *stream)
{
	stream_unwatch(stream);
	stream->fd = og_close(stream->fd);
	og_text_done(&stream->pending);
	stream->pending_at = 0;
}

/* Once it has ended and nothing of it is left. */
static void forget_if_over(struct og_process *process)
{
	struct og_process **at = &process->all->first;

	if (process->pid != 0 || process->report_fd >= 0)
		return;
	for (int i = 0; i < OG_GUEST_STREAMS; i++) {
		if (process->streams[i].fd >= 0)
			return;
	}
	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process->all->count--;
	free(process);
}

/* What the process wrote, as far as there is credit. */
static void stream_readable(struct og_source *source, uint32_t events, void *data)
{
	struct stream *stream = data;
	struct og_process *process = stream->process;
	uint8_t buf[OG_GUEST_DATA_MAX];
	size_t most = stream->credit < sizeof(buf) ? stream->credit : sizeof(buf);
	ssize_t n = read(stream->fd, buf, most);

	(void)source;
	(void)events;
	if (n > 0) {
		og_guest_put(process->all->out, OG_GUEST_DATA, process->number, stream->number, buf,
			     (size_t)n);
		stream->credit -= (uint32_t)n;
		if (stream->credit == 0)
			stream_unwatch(stream);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A terminal says EIO when the last process has let go of it. */
	og_guest_put(process->all->out, OG_GUEST_CLOSE, process->number, stream->number, NULL, 0);
	stream_end(stream);
	forget_if_over(process);
}

/* Returns 0 when nothing is left to write, 1 when the process has to read first. */
static int stream_write(struct stream *stream)
{
	uint32_t passed_on = 0;
	int r = 0;

	while (stream->pending_at < stream->pending.len) {
		ssize_t n = write(stream->fd, stream->pending.buf + stream->pending_at,
				  stream->pending.len - stream->pending_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = 1;
			break;
		}
		if (n < 0) /* nobody reads: what comes is dropped, and credited */
			n = (ssize_t)(stream->pending.len - stream->pending_at);
		stream->pending_at += (size_t)n;
		passed_on += (uint32_t)n;
	}
	if (r == 0) {
		og_text_clear(&stream->pending);
		stream->pending_at = 0;
	}
	if (passed_on > 0)
		og_guest_put_numbers(stream->process->all->out, OG_GUEST_CREDIT,
				     stream->process->number, stream->number, passed_on, 0);
	return r;
}

static void stream_writable(struct og_source *source, uint32_t events, void *data)
{
	struct stream *stream = data;

	(void)source;
	(void)events;
	if (stream_write(stream) != 0)
		return;
	stream_unwatch(stream);
	if (stream->ends) {
		struct og_process *process = stream->process;

		stream_end(stream);
		forget_if_over(process);
	}
}

static void stream_watch(struct stream *stream)
{
	bool in = stream->number == OG_GUEST_STDIN;
	bool wanted = in ? stream->pending_at < stream->pending.len || stream->ends
			 : stream->credit > 0;

	if (stream->fd < 0 || stream->source != NULL || !wanted)
		return;
	if (og_loop_add_fd(stream->process->all->loop, stream->fd, in ? EPOLLOUT : EPOLLIN,
			   in ? stream_writable : stream_readable, stream, &stream->source,
			   NULL) < 0)
		stream_end(stream);
}

/* The host closed stdin; a terminal has no end but its hang-up. */
static void stream_close(struct stream *stream)
{
	struct og_process *process = stream->process;

	if (stream->number == OG_GUEST_STDIN) {
		if (process->terminal)
			return;
		stream->ends = true;
		stream_watch(stream);
		return;
	}
	/* Nobody reads any more: the process shall learn it from its next write. */
	if (stream->fd >= 0 && !process->terminal) {
		og_guest_put(process->all->out, OG_GUEST_CLOSE, process->number, stream->number,
			     NULL, 0);
		stream_end(stream);
		forget_if_over(process);
	}
}

int og_process_stream(struct og_processes *processes, const struct og_guest_frame *frame,
		      struct og_err *err)
{
	struct og_process *process = find(processes, frame->process);
	struct stream *stream = process != NULL ? &process->streams[frame->stream] : NULL;
	bool in = frame->stream == OG_GUEST_STDIN;

	if (stream == NULL || stream->fd < 0)
		return 0;
	if (frame->type == OG_GUEST_CLOSE) {
		stream_close(stream);
		return 0;
	}
	if (in != (frame->type == OG_GUEST_DATA))
		return og_fail(err, -EPROTO, "guest protocol: '%s' for stream %u",
			       og_guest_type_name(frame->type), (unsigned int)frame->stream);
	if (in) {
		if (stream->pending.len - stream->pending_at + frame->len > OG_GUEST_WINDOW)
			return og_fail(err, -EPROTO, "guest protocol: more input than credit");
		og_text_add_bytes(&stream->pending, frame->payload, frame->len);
	} else {
		uint32_t more = og_guest_number(frame, 0);

		if (more > OG_GUEST_WINDOW - stream->credit)
			return og_fail(err, -EPROTO, "guest protocol: credit beyond the window");
		stream->credit += more;
	}
	stream_watch(stream);
	return 0;
}

static void refuse(struct og_processes *processes, uint32_t number, int code, const char *text)
{
	og_guest_put_failure(processes->out, number, code, text);
}

static void stream_begin(struct og_process *process, enum og_guest_stream number, int fd)
{
	struct stream *stream = &process->streams[number];

	stream->fd = fd;
	stream->credit = OG_GUEST_WINDOW;
	stream_watch(stream);
}

static void end_report(struct og_process *process)
{
	process->report_source = og_source_remove(process->report_source);
	process->report_fd = og_close(process->report_fd);
}

/* Takes one word of the child's. Returns false when it was the last. */
static bool take_report(struct og_process *process)
{
	struct og_err err = {};
	int terminal_fd = -1;
	int r = og_launch_report(process->report_fd, &terminal_fd, &err);

	if (r == 0) {
		stream_begin(process, OG_GUEST_STDIN, fcntl(terminal_fd, F_DUPFD_CLOEXEC, 3));
		stream_begin(process, OG_GUEST_STDOUT, terminal_fd);
		return true;
	}
	end_report(process);
	if (r > 0) {
		og_guest_put(process->all->out, OG_GUEST_STARTED, process->number, 0, NULL, 0);
		return false;
	}
	process->refused = true;
	for (int i = 0; i < OG_GUEST_STREAMS; i++)
		stream_end(&process->streams[i]);
	refuse(process->all, process->number, r, err.text);
	return false;
}

static void report_readable(struct og_source *source, uint32_t events, void *data)
{
	struct og_process *process = data;

	(void)source;
	(void)events;
	if (!take_report(process))
		forget_if_over(process);
}

static void adopt(struct og_processes *processes, struct og_process *process,
		  const struct og_launched *launched)
{
	process->pid = launched->pid;
	process->pid_fd = launched->pid_fd;
	process->report_fd = launched->report_fd;
	process->next = processes->first;
	processes->first = process;
	processes->count++;
	for (int i = 0; i < OG_GUEST_STREAMS; i++) {
		process->streams[i].process = process;
		process->streams[i].number = (enum og_guest_stream)i;
		process->streams[i].fd = -1;
		if (launched->fds[i] >= 0)
			stream_begin(process, (enum og_guest_stream)i, launched->fds[i]);
	}
	if (process->number == OG_GUEST_MAIN) {
		processes->main_was_started = true;
		processes->main_pid_fd = fcntl(launched->pid_fd, F_DUPFD_CLOEXEC, 3);
	}
	(void)og_loop_add_fd(processes->loop, process->report_fd, EPOLLIN, report_readable, process,
			     &process->report_source, NULL);
}

static int check_start(const struct og_processes *processes, uint32_t number, struct og_err *err)
{
	if (number == OG_GUEST_MAIN && processes->main_was_started)
		return og_fail(err, -EEXIST, "the workload was started already");
	if (number != OG_GUEST_MAIN && processes->main_pid_fd < 0)
		return og_fail(err, -ESRCH, "the workload is not running");
	if (processes->count >= OG_GUEST_PROCESSES)
		return og_fail(err, -EAGAIN, "%u processes are running already",
			       OG_GUEST_PROCESSES);
	return 0;
}

/* Of the host's numbers, before the first process is there. */
static int limit_processes(const struct og_guest_start *start, struct og_err *err)
{
	char text[16];

	if (start->pids_limit == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%u", start->pids_limit);
	return og_write_file(AT_FDCWD, OG_CGROUP "/pids.max", text, err);
}

static void set_oom_score(const struct og_guest_start *start, pid_t pid)
{
	char path[48], text[16];

	if (start->oom_score == 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	(void)snprintf(text, sizeof(text), "%d", (int)start->oom_score - 1000);
	(void)og_write_file(AT_FDCWD, path, text, NULL);
}

void og_process_start(struct og_processes *processes, const struct og_guest_frame *frame)
{
	struct og_guest_start start = {};
	struct og_launched launched;
	struct og_process *process = calloc(1, sizeof(*process));
	struct og_err err = {};
	int r;

	r = process == NULL ? og_fail(&err, -ENOMEM, "allocate a process") : 0;
	if (r == 0 && find(processes, frame->process) != NULL)
		r = og_fail(&err, -EEXIST, "process %u is running already", frame->process);
	if (r == 0)
		r = check_start(processes, frame->process, &err);
	if (r == 0)
		r = og_guest_get_start(frame, &start, &err);
	if (r == 0 && frame->process == OG_GUEST_MAIN)
		r = limit_processes(&start, &err);
	if (r == 0)
		r = og_launch(&start, frame->process == OG_GUEST_MAIN ? -1 : processes->main_pid_fd,
			      &launched, &err);
	if (r < 0) {
		free(process);
		refuse(processes, frame->process, r, err.text);
	} else {
		process->all = processes;
		process->number = frame->process;
		process->terminal = (start.flags & OG_GUEST_F_TERMINAL) != 0;
		set_oom_score(&start, launched.pid);
		adopt(processes, process, &launched);
	}
	og_guest_start_done(&start);
}

void og_process_signal(struct og_processes *processes, const struct og_guest_frame *frame)
{
	struct og_process *process = find(processes, frame->process);
	int signal = (int)og_guest_number(frame, 0);

	if (signal <= 0 || signal >= NSIG)
		return;
	/* From init, "everyone" is all but init itself: the workload and nothing else. */
	if (og_guest_number(frame, 1) != 0)
		(void)kill(-1, signal);
	else if (process != NULL && process->pid != 0)
		(void)syscall(SYS_pidfd_send_signal, process->pid_fd, signal, NULL, 0);
}

void og_process_resize(struct og_processes *processes, const struct og_guest_frame *frame)
{
	struct og_process *process = find(processes, frame->process);
	struct winsize size = { .ws_row = (unsigned short)og_guest_number(frame, 0),
				.ws_col = (unsigned short)og_guest_number(frame, 1) };

	if (process != NULL && process->terminal && process->streams[OG_GUEST_STDOUT].fd >= 0)
		(void)ioctl(process->streams[OG_GUEST_STDOUT].fd, TIOCSWINSZ, &size);
}

static void ended(struct og_process *process, int status)
{
	uint32_t code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0;
	uint32_t signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;

	/* It may have had something to say that nobody has read yet. */
	while (process->report_fd >= 0 && take_report(process))
		;
	process->pid = 0;
	process->pid_fd = og_close(process->pid_fd);
	if (process->number == OG_GUEST_MAIN)
		process->all->main_pid_fd = og_close(process->all->main_pid_fd);
	stream_end(&process->streams[OG_GUEST_STDIN]);
	if (!process->refused)
		og_guest_put_numbers(process->all->out, OG_GUEST_EXITED, process->number, 0, code,
				     signal);
	forget_if_over(process);
}

void og_process_reap(struct og_processes *processes)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct og_process *process = processes->first;

		while (process != NULL && process->pid != pid)
			process = process->next;
		if (process != NULL)
			ended(process, status);
	}
}
