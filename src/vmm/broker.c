/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/jail.h"

/* Programs of the host that may wait until the guest's driver is there. */
#define BACKLOG 64

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int og_broker_ask(int fd, const struct og_broker_request *request)
{
	struct iovec iov = { (void *)(uintptr_t)request, sizeof(*request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int fd = -EBADF;

	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int og_broker_hear(int fd, struct og_broker_answer *ret_answer, int *ret_fd)
{
	struct og_broker_answer answer;
	struct iovec iov = { &answer, sizeof(answer) };
	union control control = {};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n != sizeof(answer))
		return -EPIPE;

	*ret_answer = answer;
	*ret_fd = take_fd(&msg);
	if (answer.code == 0 && *ret_fd < 0)
		ret_answer->code = -EPROTO;
	return 1;
}

/* A stream to the Unix socket at @path_@port, that never waits: a full backlog refuses. */
static int connect_port(const char *path, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = -EBADF;
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", path, port);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return og_take_fd(&fd);
}

static void answer(int fd, uint64_t tag, int result)
{
	struct og_broker_answer message = { .tag = tag, .code = result < 0 ? result : 0 };
	struct iovec iov = { &message, sizeof(message) };
	union control control = {};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (result >= 0) {
		control.header.cmsg_len = CMSG_LEN(sizeof(result));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), &result, sizeof(result));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
	}
	/* A machine that does not listen loses its answers; it has a deadline for them. */
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int og_broker_serve(int fd, const char *vsock_path)
{
	struct og_broker_request request;
	og_auto_fd stream = -EBADF;
	ssize_t n;

	do {
		n = recv(fd, &request, sizeof(request), MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -EPIPE;
	if (n != sizeof(request))
		return -EPIPE;

	stream = request.kind == OG_BROKER_VSOCK_CONNECT ? connect_port(vsock_path, request.port)
							 : -ENOSYS;
	answer(fd, request.tag, stream);
	return 1;
}

int og_broker_pair(int ret_fds[2], struct og_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return og_fail(err, -errno, "make pair of sockets");
	return 0;
}

#define SERVED_FD 3

/* Keeps its socket alone; standard input, output and error lead nowhere. */
static int keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || (fd != SERVED_FD && dup2(fd, SERVED_FD) < 0))
		return -errno;
	for (int i = 0; i < SERVED_FD; i++)
		if (dup2(null, i) < 0)
			return -errno;
	return syscall(SYS_close_range, SERVED_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

__attribute__((noreturn)) static void serve_for_ever(int fd, const char *vsock_path)
{
	struct pollfd p = { .fd = SERVED_FD, .events = POLLIN };
	int r;

	(void)prctl(PR_SET_NAME, "onggi-vsock");
	(void)signal(SIGINT, SIG_IGN); /* the machine's end is its own */
	if (keep_only(fd) < 0 || og_jail_prepare(NULL) < 0 || og_jail_broker(NULL) < 0)
		_exit(1);
	do {
		while ((r = poll(&p, 1, -1)) < 0 && errno == EINTR)
			;
		r = og_broker_serve(p.fd, vsock_path);
	} while (r >= 0);
	_exit(0);
}

int og_broker_start(const char *vsock_path, int *ret_fd, struct og_err *err)
{
	int fds[2];
	pid_t pid;
	int r = og_broker_pair(fds, err);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		serve_for_ever(fds[1], vsock_path);
	if (pid < 0) {
		r = og_fail(err, -errno, "start the process that connects to sockets");
		og_close(fds[0]);
		og_close(fds[1]);
		return r;
	}
	og_close(fds[1]);
	*ret_fd = fds[0];
	return 0;
}

int og_broker_listen(const char *path, int *ret_fd, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = -EBADF;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(address.sun_path))
		return og_fail(err, -ENAMETOOLONG, "a socket's path has up to %zu bytes, not %zu",
			       sizeof(address.sun_path) - 1, len);
	memcpy(address.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return og_fail(err, -errno, "listen at '%s'", path);
	*ret_fd = og_take_fd(&fd);
	return 0;
}
