/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fdpass.h"

_Static_assert(OG_COMMAND_FDS_MAX <= OG_FDPASS_MAX, "a command's descriptors go in one message");

int og_control_pair(int ret_fds[2], struct og_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return og_fail(err, -errno, "make a pair of sockets for commands");
	(void)fcntl(ret_fds[1], F_SETFL, O_NONBLOCK);
	return 0;
}

int og_control_wait(int fd, struct og_answer *ret_answer, struct og_err *err)
{
	size_t n_fds;
	ssize_t got;

	do {
		got = og_fdpass_receive(fd, ret_answer, sizeof(*ret_answer), NULL, 0, &n_fds, err);
	} while (got == -EINTR);
	if (got == 0 || got == -ECONNRESET)
		return og_fail(err, -EPIPE, "the machine has ended");
	if (got < 0)
		return (int)got;
	if (got != sizeof(*ret_answer) || ret_answer->bytes > sizeof(ret_answer->body))
		return og_fail(err, -EPROTO, "the machine's answer cannot be");
	ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
	return ret_answer->code < 0 ? og_fail_as(err, ret_answer->code, ret_answer->text) : 0;
}

int og_control_call(int fd, const struct og_command *command, const int *fds, unsigned n_fds,
		    struct og_answer *ret_answer, struct og_err *err)
{
	int r = og_fdpass_send(fd, command, sizeof(*command), fds, n_fds, err);

	if (r == -ECONNRESET || r == -EPIPE)
		return og_fail(err, -EPIPE, "the machine has ended");
	return r < 0 ? r : og_control_wait(fd, ret_answer, err);
}

int og_control_tell(int fd, enum og_command_kind kind, struct og_err *err)
{
	struct og_command command = { .kind = kind };
	struct og_answer answer;

	return og_control_call(fd, &command, NULL, 0, &answer, err);
}

int og_control_receive(int fd, struct og_command *ret_command, int *ret_fds, unsigned *ret_n_fds,
		       struct og_err *err)
{
	size_t n_fds = 0;
	ssize_t got = og_fdpass_receive(fd, ret_command, sizeof(*ret_command), ret_fds,
					OG_COMMAND_FDS_MAX, &n_fds, err);

	for (size_t i = n_fds; i < OG_COMMAND_FDS_MAX; i++)
		ret_fds[i] = -EBADF;
	*ret_n_fds = (unsigned)n_fds;
	if (got == -EAGAIN || got == -EINTR)
		return 0;
	if (got == 0 || got == -ECONNRESET)
		return og_fail(err, -EPIPE, "whoever gave commands has ended");
	if (got < 0)
		return (int)got;
	if (got != sizeof(*ret_command) || ret_command->bytes > sizeof(ret_command->body) ||
	    ret_command->kind >= OG_COMMAND_KINDS ||
	    memchr(ret_command->id, '\0', sizeof(ret_command->id)) == NULL) {
		og_close_all(ret_fds, n_fds);
		return og_fail(err, -EPROTO, "no command is like this");
	}
	return 1;
}

int og_control_answer(int fd, const struct og_answer *answer)
{
	return og_fdpass_send(fd, answer, sizeof(*answer), NULL, 0, NULL);
}
