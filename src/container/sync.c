/* SPDX-License-Identifier: Apache-2.0 */
#include "container/sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct message {
	int what;
	int code;
	char text[OG_ERR_TEXT_MAX];
};

int og_sync_open(struct og_sync_pair *ret_pair, struct og_err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return og_fail(err, -errno, "make socket pair");
	*ret_pair = (struct og_sync_pair){ .parent_fd = fds[0], .child_fd = fds[1] };
	return 0;
}

int og_sync_send(int fd, enum og_sync what, struct og_err *err)
{
	int word = what;

	if (send(fd, &word, sizeof(word), MSG_NOSIGNAL) < 0)
		return og_fail(err, -errno, "the other process is gone");
	return 0;
}

static int send_message(int fd, const struct message *message, struct og_err *err)
{
	if (send(fd, message, sizeof(*message), MSG_NOSIGNAL) < 0)
		return og_fail(err, -errno, "the other process is gone");
	return 0;
}

int og_sync_ready(int fd, const struct og_notes *notes, size_t first, struct og_err *err)
{
	struct message message = { .what = OG_SYNC_READY };

	for (size_t i = first; i < notes->count; i++) {
		size_t len = strlen(message.text);

		(void)snprintf(message.text + len, sizeof(message.text) - len, "%s\n",
			       notes->lines[i]);
	}
	return send_message(fd, &message, err);
}

int og_sync_send_pid(int fd, pid_t pid, struct og_err *err)
{
	struct message message = { .what = OG_SYNC_PID, .code = pid };

	return send_message(fd, &message, err);
}

void og_sync_fail(int fd, const struct og_err *err)
{
	struct message message = { .what = OG_SYNC_FAIL, .code = err->code };

	memcpy(message.text, err->text, sizeof(message.text));
	(void)send(fd, &message, sizeof(message), MSG_NOSIGNAL);
}

static ssize_t receive(int fd, struct message *message)
{
	ssize_t n;

	do {
		n = recv(fd, message, sizeof(*message), 0);
	} while (n < 0 && errno == EINTR);
	message->text[sizeof(message->text) - 1] = '\0';
	return n;
}

static int failed(const struct message *message, struct og_err *err)
{
	return og_fail_as(err, message->code < 0 ? message->code : -EIO, message->text);
}

static int expect(int fd, enum og_sync what, struct message *message, struct og_err *err)
{
	ssize_t n = receive(fd, message);

	if (n >= (ssize_t)sizeof(int) && message->what == (int)what)
		return 0;
	if (n == sizeof(*message) && message->what == OG_SYNC_FAIL)
		return failed(message, err);
	return og_fail(err, -EPIPE, "the workload's first process died while it was set up");
}

int og_sync_expect(int fd, enum og_sync what, struct og_err *err)
{
	struct message message = {};

	return expect(fd, what, &message, err);
}

int og_sync_expect_ready(int fd, struct og_notes *notes, struct og_err *err)
{
	struct message message = {};
	int r = expect(fd, OG_SYNC_READY, &message, err);
	char *rest = message.text;

	for (char *line; r == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] != '\0')
			og_note(notes, "%s", line);
	}
	return r;
}

int og_sync_expect_pid(int fd, pid_t *ret_pid, struct og_err *err)
{
	struct message message = {};
	int r = expect(fd, OG_SYNC_PID, &message, err);

	if (r == 0)
		*ret_pid = message.code;
	return r;
}

int og_sync_closed(int fd, struct og_err *err)
{
	struct message message = {};
	ssize_t n = receive(fd, &message);

	if (n == 0)
		return 0;
	if (n == sizeof(message) && message.what == OG_SYNC_FAIL)
		return failed(&message, err);
	return og_fail(err, -EPROTO, "the workload's first process does not answer");
}
