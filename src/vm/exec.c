/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller asks the supervisor and hands it the process's streams. Once the process runs, a
 * child of the caller stands for it: it forwards signals and its terminal's size, and ends with
 * the process's status.
 */
#include "vm/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/loop.h"
#include "vm/console.h"
#include "vm/control.h"
#include "vm/start.h"

#define STATUS_KILLED (128 + SIGKILL)

struct stand_in {
	struct og_loop *loop;
	int fd;		 /* the supervisor's */
	int terminal_fd; /* -1 where there is none */
	int status;
};

static void send_request(const struct stand_in *stand_in, const struct og_vm_request *request)
{
	(void)og_fdpass_send(stand_in->fd, request, sizeof(*request), NULL, 0, NULL);
}

static void got_signal(struct og_source *source, int signal, void *data)
{
	struct stand_in *stand_in = data;
	struct winsize size;

	(void)source;
	if (signal != SIGWINCH) {
		send_request(stand_in,
			     &(struct og_vm_request){ .op = OG_VM_SIGNAL, .signal = signal });
	} else if (stand_in->terminal_fd >= 0 &&
		   ioctl(stand_in->terminal_fd, TIOCGWINSZ, &size) == 0) {
		send_request(stand_in, &(struct og_vm_request){ .op = OG_VM_RESIZE,
								.rows = size.ws_row,
								.columns = size.ws_col });
	}
}

static void got_answer(struct og_source *source, uint32_t events, void *data)
{
	struct stand_in *stand_in = data;
	struct og_vm_answer answer;
	size_t none;
	ssize_t n = og_fdpass_receive(stand_in->fd, &answer, sizeof(answer), NULL, 0, &none, NULL);

	(void)source;
	(void)events;
	stand_in->status = n == sizeof(answer) ? (int)answer.status : STATUS_KILLED;
	og_loop_stop(stand_in->loop);
}

/* Our streams are the supervisor's now: kept open here, they would never end. */
static void let_go_of_streams(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		(void)dup2(null_fd, i);
	(void)og_close(null_fd);
}

static void stand_in_run(int fd, int terminal_fd)
{
	static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
					 SIGUSR2, SIGTERM, SIGCONT, SIGWINCH };
	struct stand_in stand_in = { .fd = fd,
				     .terminal_fd = terminal_fd,
				     .status = STATUS_KILLED };
	sigset_t signals;

	let_go_of_streams();
	(void)setsid();
	if (terminal_fd >= 0)
		(void)ioctl(terminal_fd, TIOCSCTTY, 0);
	(void)sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(&signals, forwarded[i]);
	if (og_loop_new(&stand_in.loop, NULL) == 0 &&
	    og_loop_add_signals(stand_in.loop, &signals, got_signal, &stand_in, NULL) == 0 &&
	    og_loop_add_fd(stand_in.loop, fd, EPOLLIN, got_answer, &stand_in, NULL, NULL) == 0) {
		/* The size may have changed before anybody listened for it. */
		got_signal(NULL, SIGWINCH, &stand_in);
		(void)og_loop_run(stand_in.loop, NULL);
	}
	_exit(stand_in.status);
}

/* The start frame's payload as a file. */
static int payload_file(const struct og_vm_start *start, struct og_err *err)
{
	og_auto_fd fd = memfd_create("start", MFD_CLOEXEC);
	og_auto_text frame = {};
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "make start frame");
	r = og_vm_start_put(start, &frame, err);
	if (r < 0)
		return r;
	r = og_pwrite_all(fd, frame.buf + OG_GUEST_HEADER_BYTES, frame.len - OG_GUEST_HEADER_BYTES,
			  0);
	return r < 0 ? og_fail(err, r, "make start frame") : og_take_fd(&fd);
}

static int ask(int control_fd, const struct og_exec_options *options, int terminal_fd,
	       struct og_err *err)
{
	const struct og_oci_process *process = options->process;
	struct og_vm_start start = {
		.number = OG_GUEST_MAIN + 1, /* the supervisor chooses */
		.process = process,
		.has_stdin = true,
		.rows = (uint32_t)process->console_size.height,
		.columns = (uint32_t)process->console_size.width,
	};
	struct og_vm_request request = { .op = OG_VM_EXEC, .terminal = terminal_fd >= 0 };
	og_auto_fd payload_fd = payload_file(&start, err);
	struct og_vm_answer answer;
	int fds[OG_VM_EXEC_FDS] = { 0, 1, 2, payload_fd };

	if (payload_fd < 0)
		return payload_fd;
	if (terminal_fd >= 0) {
		for (int i = 0; i < 3; i++)
			fds[i] = terminal_fd;
	}
	return og_vm_control_ask(control_fd, &request, fds, OG_VM_EXEC_FDS, &answer, err);
}

int og_vm_exec(struct og_workload *workload, const struct og_exec_options *options, pid_t *ret_pid,
	       struct og_err *err)
{
	og_auto_fd terminal_fd = -EBADF;
	og_auto_fd control_fd = og_vm_control_connect(workload->dir_fd, err);
	pid_t pid;
	int r;

	if (control_fd < 0)
		return control_fd;
	if (options->cgroup_count > 0)
		return og_fail(err, -ENOTSUP, "exec --cgroup cannot be done with isolation vm");
	if (options->process->terminal) {
		terminal_fd = og_vm_console_open(options->process, options->console_socket,
						 options->console_fd, err);
		if (terminal_fd < 0)
			return terminal_fd;
	}
	r = ask(control_fd, options, terminal_fd, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		stand_in_run(control_fd, terminal_fd);
	if (pid < 0)
		return og_fail(err, -errno, "make a process");
	*ret_pid = pid;
	return 0;
}
