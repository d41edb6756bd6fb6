/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fdpass.h"
#include "base/path.h"
#include "guest/become.h"
#include "guest/world.h"

#define WORLD_NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP)

/* What a child says: a failure, or (code 0, with a descriptor) its terminal. */
struct report {
	int code;
	char text[OG_ERR_TEXT_MAX];
};

/* The child's ends of its three streams and of the report socket. */
struct child {
	const struct og_guest_start *start;
	int main_pid_fd;
	int report_fd;
	int fds[3];
};

static void send_report(int report_fd, int code, const char *text, int fd)
{
	struct report report = { .code = code };

	(void)snprintf(report.text, sizeof(report.text), "%s", text);
	(void)og_fdpass_send(report_fd, &report, sizeof(report), &fd, fd >= 0 ? 1 : 0, NULL);
}

int og_launch_report(int report_fd, int *ret_terminal_fd, struct og_err *err)
{
	struct report report;
	og_auto_fd fd = -EBADF;
	size_t fd_count;
	ssize_t n = og_fdpass_receive(report_fd, &report, sizeof(report), &fd, 1, &fd_count, err);

	if (n <= 0)
		return n == 0 ? 1 : (int)n;
	if (report.code < 0)
		return og_fail_as(err, report.code, report.text);
	if (fd_count == 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return og_fail(err, -EPROTO, "a new process sent no terminal");
	*ret_terminal_fd = og_take_fd(&fd);
	return 0;
}

/* A terminal of the workload's own devpts; it becomes the child's three streams. */
static int open_terminal(struct child *child, struct og_err *err)
{
	const struct og_guest_start *start = child->start;
	struct winsize size = { .ws_row = (unsigned short)start->rows,
				.ws_col = (unsigned short)start->columns };
	og_auto_fd master_fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0;
	int fd;

	if (master_fd < 0 || ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
		return og_fail(err, -errno, "open a terminal (/dev/pts/ptmx)");
	if (size.ws_row != 0 || size.ws_col != 0)
		(void)ioctl(master_fd, TIOCSWINSZ, &size);
	fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return og_fail(err, -errno, "open a terminal's other end");
	for (int i = 0; i < 3; i++)
		child->fds[i] = fd;
	send_report(child->report_fd, 0, "", master_fd);
	return 0;
}

/* /dev/console is the terminal of the first process, as in a container. */
static void bind_console(int fd)
{
	og_auto_fd made_fd =
		open("/dev/console", O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (made_fd >= 0)
		(void)mount(og_fd_path(fd).text, "/dev/console", NULL, MS_BIND, NULL);
}

static int take_streams(struct child *child, const struct og_user *user, struct og_err *err)
{
	bool terminal = (child->start->flags & OG_GUEST_F_TERMINAL) != 0;

	if (setsid() < 0)
		return og_fail(err, -errno, "begin a session");
	if (terminal && ioctl(child->fds[0], TIOCSCTTY, 0) < 0)
		return og_fail(err, -errno, "take the terminal");
	for (int i = 0; i < 3; i++) {
		/* So that a user may open /dev/stdout again. */
		int ignored = fchown(child->fds[i], user->uid, (gid_t)-1);

		(void)ignored;
		if (dup2(child->fds[i], i) < 0)
			return og_fail(err, -errno, "set up stream %d", i);
	}
	return 0;
}

static void default_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_run(struct child *child, struct og_err *err)
{
	bool first = child->main_pid_fd < 0;
	struct og_user user;
	int r;

	default_signals();
	if (first)
		r = og_world_enter(child->start, err);
	else if (setns(child->main_pid_fd, CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
		r = og_fail(err, -errno, "join the workload");
	else
		r = 0;
	if (r == 0 && (child->start->flags & OG_GUEST_F_TERMINAL) != 0) {
		r = open_terminal(child, err);
		if (r == 0 && first)
			bind_console(child->fds[0]);
	}
	if (r == 0)
		r = og_become_user(child->start, &user, err);
	if (r == 0)
		r = take_streams(child, &user, err);
	if (r == 0)
		r = og_become(child->start, &user, err);
	return r;
}

static int open_pipes(const struct og_guest_start *start, int ours[3], int theirs[3],
		      struct og_err *err)
{
	if ((start->flags & OG_GUEST_F_TERMINAL) != 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (i == 0 && (start->flags & OG_GUEST_F_STDIN) == 0) {
			theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			if (theirs[0] < 0)
				return og_fail(err, -errno, "open /dev/null");
			continue;
		}
		if (pipe2(ends, O_CLOEXEC) < 0)
			return og_fail(err, -errno, "make a pipe");
		ours[i] = ends[i == 0];
		theirs[i] = ends[i != 0];
		if (fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
			return og_fail(err, -errno, "make a pipe");
	}
	return 0;
}

static void close_three(int fds[3])
{
	for (int i = 0; i < 3; i++)
		fds[i] = og_close(fds[i]);
}

/*
 * A process in the PID namespace of @main_pid_fd must be made by someone whose children live
 * there: init says so of its children, and takes it back at once.
 */
static int fork_into(int main_pid_fd, int *ret_pid_fd, struct og_err *err)
{
	og_auto_fd own_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	og_auto_fd cgroup_fd = open(OG_CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)ret_pid_fd,
		.exit_signal = SIGCHLD,
		.cgroup = (unsigned int)cgroup_fd,
	};
	long pid;

	if (own_fd < 0 || cgroup_fd < 0)
		return og_fail(err, -errno, "open " OG_CGROUP);
	if (main_pid_fd < 0)
		args.flags |= WORLD_NAMESPACES;
	else if (setns(main_pid_fd, CLONE_NEWPID) < 0)
		return og_fail(err, -errno, "join the workload, which has ended");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		return 0;
	if (pid < 0)
		pid = og_fail(err, -errno, "make a process");
	if (main_pid_fd >= 0 && setns(own_fd, CLONE_NEWPID) < 0)
		pid = og_fail(err, -errno, "return to init's own namespace");
	return (int)pid;
}

static void child_main(struct child *child)
{
	struct og_err err = {};
	int r = child_run(child, &err);

	send_report(child->report_fd, r, err.text, -1);
	_exit(127);
}

int og_launch(const struct og_guest_start *start, int main_pid_fd, struct og_launched *ret_launched,
	      struct og_err *err)
{
	struct og_launched launched = { .pid_fd = -1, .report_fd = -1, .fds = { -1, -1, -1 } };
	struct child child = { .start = start, .main_pid_fd = main_pid_fd, .fds = { -1, -1, -1 } };
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return og_fail(err, -errno, "make a socket pair");
	child.report_fd = pair[1];
	r = open_pipes(start, launched.fds, child.fds, err);
	if (r == 0) {
		r = fork_into(main_pid_fd, &launched.pid_fd, err);
		if (r == 0)
			child_main(&child);
	}
	close_three(child.fds);
	(void)og_close(pair[1]);
	if (r < 0) {
		close_three(launched.fds);
		(void)og_close(pair[0]);
		return r;
	}
	launched.pid = r;
	launched.report_fd = pair[0];
	*ret_launched = launched;
	return 0;
}
