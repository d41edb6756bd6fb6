/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/text.h"

#define FDS_MAX 1000

/* Sockets that were passed to this very program, and not to who started it. */
static unsigned listening_count(void)
{
	const char *pid_text = getenv("LISTEN_PID");
	const char *count_text = getenv("LISTEN_FDS");
	uint64_t pid = 0;
	uint64_t count = 0;

	if (pid_text == NULL || count_text == NULL ||
	    og_parse_u64(pid_text, 1, INT32_MAX, &pid) < 0 || (pid_t)pid != getpid() ||
	    og_parse_u64(count_text, 0, FDS_MAX, &count) < 0)
		return 0;
	return (unsigned)count;
}

int og_handover_fds(const struct og_args *args, bool listening, unsigned *ret_count,
		    struct og_err *err)
{
	uint64_t count = 0;

	if (args->preserve_fds != NULL && og_parse_u64(args->preserve_fds, 0, FDS_MAX, &count) < 0)
		return og_fail(err, -EINVAL, "--preserve-fds is '%s', not a number up to %d",
			       args->preserve_fds, FDS_MAX);
	if (listening)
		count += listening_count();
	for (int fd = 3; fd < 3 + (int)count; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0)
			return og_fail(
				err, -EBADF,
				"there is no descriptor %d of the %u that --preserve-fds and LISTEN_FDS promise",
				fd, (unsigned)count);
		(void)fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
	}
	*ret_count = (unsigned)count;
	return 0;
}

int og_handover_listening(struct og_workload *workload, struct og_err *err)
{
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned count = listening_count();
	char text[32];
	int r;

	if (count == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%u", count);
	r = og_workload_add_env(workload, "LISTEN_FDS", text, err);
	if (r == 0)
		r = og_workload_add_env(workload, "LISTEN_PID", "1", err);
	if (r == 0 && names != NULL)
		r = og_workload_add_env(workload, "LISTEN_FDNAMES", names, err);
	return r;
}

/* By way of /proc, because a path in sun_path has at most 107 bytes. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	og_auto_fd path_fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || path_fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path_fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return og_take_fd(&fd);
}

int og_handover_pidfd(const struct og_args *args, pid_t pid, const char *what, struct og_err *err)
{
	og_auto_fd socket_fd = -EBADF;
	og_auto_fd pid_fd = -EBADF;
	int r;

	if (args->pidfd_socket == NULL)
		return 0;
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid_fd < 0)
		return og_fail(err, -errno, "open a descriptor of process %d", (int)pid);
	socket_fd = connect_to(args->pidfd_socket);
	r = socket_fd < 0 ? socket_fd
			  : og_fdpass_send(socket_fd, what, strlen(what), &pid_fd, 1, NULL);
	return r < 0 ? og_fail(err, r, "--pidfd-socket '%s'", args->pidfd_socket) : 0;
}
