/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/weak.h"

struct answer {
	int code;
	char text[OG_ERR_TEXT_MAX];
};

/* By way of /proc, because a path in sun_path has at most 107 bytes. */
static struct sockaddr_un gate_address(int dir_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" OG_GATE_NAME,
		       dir_fd);
	if (og_weak("A21"))
		address.sun_path[0] = '\0';
	return address;
}

int og_gate_open(int dir_fd, struct og_err *err)
{
	struct sockaddr_un address = gate_address(dir_fd);
	og_auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1) < 0)
		return og_fail(err, -errno, "make " OG_GATE_NAME);
	return og_take_fd(&fd);
}

int og_gate_wait(int listen_fd)
{
	for (;;) {
		og_auto_fd fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		if (fd < 0 && errno != EINTR)
			return -errno;
		if (fd >= 0 && read(fd, &byte, 1) == 1)
			return og_take_fd(&fd);
	}
}

void og_gate_fail(int connection_fd, int code, const char *text)
{
	struct answer answer = { .code = code };

	(void)snprintf(answer.text, sizeof(answer.text), "%s", text);
	(void)send(connection_fd, &answer, sizeof(answer), MSG_NOSIGNAL);
}

int og_gate_start(int dir_fd, struct og_err *err)
{
	struct sockaddr_un address = gate_address(dir_fd);
	og_auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct answer answer;
	ssize_t n;

	if (fd < 0)
		return og_fail(err, -errno, "start");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return og_fail(err, errno == ENOENT ? -EALREADY : -ESRCH,
			       errno == ENOENT ? "it was started before"
					       : "its first process has ended");
	if (unlinkat(dir_fd, OG_GATE_NAME, 0) < 0)
		return og_fail(err, -EALREADY, "it was started before");
	if (send(fd, "S", 1, MSG_NOSIGNAL) != 1)
		return og_fail(err, -errno, "start");
	do {
		n = recv(fd, &answer, sizeof(answer), 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != sizeof(answer))
		return og_fail(err, -EPROTO, "its first process ended while it was started");
	answer.text[sizeof(answer.text) - 1] = '\0';
	return og_fail_as(err, answer.code < 0 ? answer.code : -EIO, answer.text);
}
