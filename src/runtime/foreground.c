/* SPDX-License-Identifier: Apache-2.0 */
/* `run` and `exec` in the foreground: signals, terminal and exit status as if it ran right here. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "runtime/commands.h"

#define CHUNK 16384 /* a pty holds 4096 bytes at a time */

struct raw_terminal {
	bool changed;
	struct termios before;
};

static void terminal_restore(struct raw_terminal *terminal)
{
	if (terminal->changed)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
}

static void terminal_make_raw(struct raw_terminal *terminal)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal->before) < 0)
		return;
	raw = terminal->before;
	cfmakeraw(&raw);
	terminal->changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void copy_size(int terminal_fd)
{
	struct winsize size;

	if (terminal_fd >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(terminal_fd, TIOCSWINSZ, &size);
}

/* Returns whether there may be more. */
static bool copy_some(int from, int to)
{
	char buf[CHUNK];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	return n > 0 && og_write_all(to, buf, (size_t)n) == 0;
}

/* Returns 1 when the child has ended. */
static int take_signal(int signal_fd, pid_t pid, int terminal_fd, int *ret_status)
{
	struct signalfd_siginfo info;
	int status;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGCHLD) {
		while (waitpid(pid, &status, WNOHANG) == pid) {
			if (!WIFEXITED(status) && !WIFSIGNALED(status))
				continue;
			*ret_status = WIFEXITED(status) ? WEXITSTATUS(status)
							: 128 + WTERMSIG(status);
			return 1;
		}
		return 0;
	}
	if (info.ssi_signo == SIGWINCH)
		copy_size(terminal_fd);
	else
		(void)kill(pid, (int)info.ssi_signo);
	return 0;
}

/* What the workload wrote last is still in the terminal when it has ended. */
static void drain(int terminal_fd)
{
	if (terminal_fd < 0 || fcntl(terminal_fd, F_SETFL, O_NONBLOCK) < 0)
		return;
	for (;;) {
		char buf[CHUNK];
		ssize_t n = read(terminal_fd, buf, sizeof(buf));

		if (n <= 0 || og_write_all(STDOUT_FILENO, buf, (size_t)n) < 0)
			return;
	}
}

static int carry(pid_t pid, int signal_fd, int terminal_fd, struct og_err *err)
{
	struct pollfd fds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = terminal_fd, .events = POLLIN },
		{ .fd = terminal_fd >= 0 ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int status = 0;

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return og_fail(err, -errno, "wait");
		if (fds[1].revents != 0 && !copy_some(terminal_fd, STDOUT_FILENO))
			fds[1].fd = -1;
		if (fds[2].revents != 0 && !copy_some(STDIN_FILENO, terminal_fd))
			fds[2].fd = -1;
		if (fds[0].revents != 0 && take_signal(signal_fd, pid, terminal_fd, &status) > 0)
			break;
	}
	drain(fds[1].fd);
	return status;
}

static sigset_t held_signals(void)
{
	sigset_t held;

	(void)sigfillset(&held);
	(void)sigdelset(&held, SIGSEGV);
	(void)sigdelset(&held, SIGABRT);
	return held;
}

void og_foreground_begin(void)
{
	sigset_t held = held_signals();

	(void)sigprocmask(SIG_BLOCK, &held, NULL);
}

int og_foreground(pid_t pid, int terminal_fd, struct og_err *err)
{
	og_cleanup(terminal_restore) struct raw_terminal terminal = {};
	og_until_exec signal_fd = -EBADF; /* this process ends soon */
	int status = 0;
	sigset_t held = held_signals();

	signal_fd = signalfd(-1, &held, SFD_CLOEXEC);
	if (signal_fd < 0)
		return og_fail(err, -errno, "listen for signals");
	/* It may have ended before signals were listened for. */
	switch (waitpid(pid, &status, WNOHANG)) {
	case 0:
		break;
	case -1:
		return og_fail(err, -errno, "wait for process %d", (int)pid);
	default:
		drain(terminal_fd);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (terminal_fd >= 0) {
		terminal_make_raw(&terminal);
		copy_size(terminal_fd);
	}
	return carry(pid, signal_fd, terminal_fd, err);
}
