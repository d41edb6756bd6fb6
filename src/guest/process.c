/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is forgotten when it has ended, and all its streams have. What it has not read of its
 * stdin yet is never more than the window: what it read was credited.
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

#include "base/flow.h"
#include "base/io.h"
#include "guest/launch.h"

/* One that the process writes. */
struct stream {
	struct og_process *process;
	enum og_guest_stream number;
	struct og_flow_in *flow; /* NULL once it has ended */
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
	int terminal_fd; /* for its size; owned by the stream */
	struct og_flow_out *input;
	struct stream output[OG_GUEST_STREAMS]; /* [OG_GUEST_STDIN] is not used */
};

static struct og_process *find(struct og_processes *processes, uint32_t number)
{
	struct og_process *process = processes->first;

	while (process != NULL && process->number != number)
		process = process->next;
	return process;
}

static void end_streams(struct og_process *process)
{
	process->input = og_flow_out_free(process->input);
	for (int i = 0; i < OG_GUEST_STREAMS; i++)
		process->output[i].flow = og_flow_in_free(process->output[i].flow);
	process->terminal_fd = -1;
}

/* Once it has ended and nothing of it is left. */
static void forget_if_over(struct og_process *process)
{
	struct og_process **at = &process->all->first;

	if (process->pid != 0 || process->report_fd >= 0 ||
	    process->output[OG_GUEST_STDOUT].flow != NULL ||
	    process->output[OG_GUEST_STDERR].flow != NULL)
		return;
	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process->all->count--;
	end_streams(process);
	free(process);
}

static void end_output(struct stream *stream)
{
	struct og_process *process = stream->process;

	og_guest_put(process->all->out, OG_GUEST_CLOSE, process->number, stream->number, NULL, 0);
	stream->flow = og_flow_in_free(stream->flow);
	if (process->terminal)
		process->terminal_fd = -1;
	forget_if_over(process);
}

static void written(const void *bytes, size_t len, void *data)
{
	struct stream *stream = data;
	struct og_process *process = stream->process;

	if (len > 0)
		og_guest_put(process->all->out, OG_GUEST_DATA, process->number, stream->number,
			     bytes, len);
	else
		end_output(stream);
}

static void was_read(size_t len, bool ended, void *data)
{
	struct og_process *process = data;

	if (len > 0)
		og_guest_put_numbers(process->all->out, OG_GUEST_CREDIT, process->number,
				     OG_GUEST_STDIN, (uint32_t)len, 0);
	if (ended)
		process->input = og_flow_out_free(process->input);
}

static int take_input(struct og_process *process, const struct og_guest_frame *frame,
		      struct og_err *err)
{
	if (process->input == NULL)
		return 0;
	if (og_flow_out_waiting(process->input) + frame->len > OG_GUEST_WINDOW)
		return og_fail(err, -EPROTO, "guest protocol: more input than credit");
	og_flow_out_add(process->input, frame->payload, frame->len);
	return 0;
}

static int take_credit(struct stream *stream, const struct og_guest_frame *frame,
		       struct og_err *err)
{
	uint32_t more = og_guest_number(frame, 0);

	if (stream->flow == NULL)
		return 0;
	if (more > OG_GUEST_WINDOW - og_flow_in_wanted(stream->flow))
		return og_fail(err, -EPROTO, "guest protocol: credit beyond the window");
	og_flow_in_credit(stream->flow, more);
	return 0;
}

/* A terminal has no end but its hang-up, so that one is not closed from outside. */
static void take_close(struct og_process *process, enum og_guest_stream number)
{
	if (process->terminal)
		return;
	if (number == OG_GUEST_STDIN && process->input != NULL)
		og_flow_out_end(process->input);
	/* Nobody reads any more: the process shall learn it from its next write. */
	if (number != OG_GUEST_STDIN && process->output[number].flow != NULL)
		end_output(&process->output[number]);
}

int og_process_stream(struct og_processes *processes, const struct og_guest_frame *frame,
		      struct og_err *err)
{
	struct og_process *process = find(processes, frame->process);
	bool input = frame->stream == OG_GUEST_STDIN;

	if (process == NULL)
		return 0;
	if (frame->type == OG_GUEST_CLOSE) {
		take_close(process, frame->stream);
		return 0;
	}
	if (input != (frame->type == OG_GUEST_DATA))
		return og_fail(err, -EPROTO, "guest protocol: '%s' for stream %u",
			       og_guest_type_name(frame->type), (unsigned int)frame->stream);
	return input ? take_input(process, frame, err)
		     : take_credit(&process->output[frame->stream], frame, err);
}

static void refuse(struct og_processes *processes, uint32_t number, int code, const char *text)
{
	og_guest_put_failure(processes->out, number, code, text);
}

static void begin_input(struct og_process *process, int fd)
{
	(void)og_flow_out_new(process->all->loop, fd, was_read, process, &process->input, NULL);
}

static void begin_output(struct og_process *process, enum og_guest_stream number, int fd)
{
	struct stream *stream = &process->output[number];

	(void)og_flow_in_new(process->all->loop, fd, OG_GUEST_WINDOW, written, stream,
			     &stream->flow, NULL);
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
		begin_input(process, fcntl(terminal_fd, F_DUPFD_CLOEXEC, 3));
		begin_output(process, OG_GUEST_STDOUT, terminal_fd);
		process->terminal_fd = terminal_fd;
		return true;
	}
	end_report(process);
	if (r > 0) {
		og_guest_put(process->all->out, OG_GUEST_STARTED, process->number, 0, NULL, 0);
		return false;
	}
	process->refused = true;
	end_streams(process);
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
	process->terminal_fd = -1;
	if (launched->fds[OG_GUEST_STDIN] >= 0)
		begin_input(process, launched->fds[OG_GUEST_STDIN]);
	for (int i = OG_GUEST_STDOUT; i < OG_GUEST_STREAMS; i++) {
		process->output[i].process = process;
		process->output[i].number = (enum og_guest_stream)i;
		if (launched->fds[i] >= 0)
			begin_output(process, (enum og_guest_stream)i, launched->fds[i]);
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

	if (process != NULL && process->terminal_fd >= 0)
		(void)ioctl(process->terminal_fd, TIOCSWINSZ, &size);
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
	process->input = og_flow_out_free(process->input);
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
