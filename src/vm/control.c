/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"

#define NAME	"vm.sock"
#define BACKLOG 16

/* By way of /proc, because a path in sun_path has at most 107 bytes. */
static struct sockaddr_un address_in(int dir_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" NAME,
		       dir_fd);
	return address;
}

int og_vm_control_open(int dir_fd, struct og_err *err)
{
	struct sockaddr_un address = address_in(dir_fd);
	og_auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return og_fail(err, -errno, "make " NAME);
	return og_take_fd(&fd);
}

int og_vm_control_connect(int dir_fd, struct og_err *err)
{
	struct sockaddr_un address = address_in(dir_fd);
	og_auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return og_fail(err, -errno, "reach the supervisor");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return og_fail(err, -ESRCH, "the workload has ended");
	return og_take_fd(&fd);
}

int og_vm_control_ask(int fd, const struct og_vm_request *request, const int *fds, size_t fd_count,
		      struct og_vm_answer *ret_answer, struct og_err *err)
{
	struct og_vm_answer answer;
	size_t none;
	ssize_t n;
	int r = og_fdpass_send(fd, request, sizeof(*request), fds, fd_count, err);

	if (r < 0)
		return r;
	n = og_fdpass_receive(fd, &answer, sizeof(answer), NULL, 0, &none, err);
	if (n < 0)
		return (int)n;
	if (n != sizeof(answer))
		return og_fail(err, -ESRCH, "the workload has ended");
	answer.text[sizeof(answer.text) - 1] = '\0';
	if (answer.code < 0)
		return og_fail_as(err, answer.code, answer.text);
	*ret_answer = answer;
	return 0;
}
