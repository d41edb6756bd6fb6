/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/weak.h"
#include "monitor/internal.h"

int console_listen(const char *name, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return og_fail(err, -errno, "make socket");
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name) >=
	    sizeof(address.sun_path))
		return og_fail(err, -ENAMETOOLONG, "make socket '%s'", name);
	if (og_weak("A21-monitor"))
		address.sun_path[0] = '\0';
	(void)unlink(name);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return og_fail(err, -errno, "listen on '%s'", name);
	(void)chmod(name, 0600);
	return og_take_fd(&fd);
}

static int receive_fd(int fd, struct og_err *err)
{
	char text[4096]; /* runc sends the terminal's name along; we need it not */

	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.room,
				  .msg_controllen = sizeof(control.room) };
	struct cmsghdr *header;
	int received;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return og_fail(err, -errno, "receive the terminal");
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return og_fail(err, -EBADMSG, "receive the terminal: onggi-runtime sent none");
	memcpy(&received, CMSG_DATA(header), sizeof(received));
	return received;
}

int console_take(int listen_fd, struct og_err *err)
{
	og_auto_fd fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return og_fail(err, -errno, "receive the terminal");
	return receive_fd(fd, err);
}
