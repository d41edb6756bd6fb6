/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdpass.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(OG_FDPASS_MAX * sizeof(int))];
};

int og_fdpass_send(int socket_fd, const void *bytes, size_t len, const int *fds, size_t fd_count,
		   struct og_err *err)
{
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	union control control = {};
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	assert(len > 0 && fd_count <= OG_FDPASS_MAX);
	if (fd_count > 0) {
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	do {
		n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return og_fail(err, -errno, "send over a socket");
	return (size_t)n == len ? 0 : og_fail(err, -EMSGSIZE, "send over a socket");
}

/* Takes what there is room for and closes the rest. */
static size_t take_fds(struct msghdr *message, int *fds, size_t room)
{
	size_t taken = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (taken < room)
				fds[taken++] = fd;
			else
				(void)og_close(fd);
		}
	}
	return taken;
}

ssize_t og_fdpass_receive(int socket_fd, void *bytes, size_t size, int *fds, size_t fd_room,
			  size_t *ret_fd_count, struct og_err *err)
{
	struct iovec part = { bytes, size };
	union control control = {};
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	do {
		n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return og_fail(err, -errno, "receive from a socket");
	*ret_fd_count = take_fds(&message, fds, fd_room);
	return n;
}
