/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"

#define REPLY_MAX 4096 /* bytes: a path or a sentence */
#define FLAG	  "--systemd-cgroup"

int og_systemd_open(const char *helper, bool user, struct og_systemd *ret_systemd,
		    struct og_err *err)
{
	char *argv[] = { (char[]){ "onggi-systemd" }, user ? (char[]){ "--user" } : NULL, NULL };
	og_auto_fd own_fd = -EBADF;
	og_auto_fd its_fd = -EBADF;
	struct og_spawn spawn = { .path = helper, .argv = argv, .fd_count = 2 };
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return og_fail(err, -errno, "make socket pair");
	own_fd = pair[0];
	its_fd = pair[1];
	spawn.fds = (struct og_spawn_fd[]){ { 0, its_fd }, { 1, its_fd } };
	r = og_spawn(&spawn, &ret_systemd->pid, err);
	if (r < 0)
		return og_fail_in(err, r, FLAG);
	ret_systemd->fd = og_take_fd(&own_fd);
	return 0;
}

void og_systemd_close(struct og_systemd *systemd)
{
	if (systemd->pid <= 0)
		return;
	/* Children that were made meanwhile may still have it. */
	(void)shutdown(systemd->fd, SHUT_RDWR);
	systemd->fd = og_close(systemd->fd);
	(void)og_wait_status(systemd->pid);
	systemd->pid = 0;
}

static uint64_t timeout_ms(void)
{
	const char *given = getenv("ONGGI_SYSTEMD_TIMEOUT");
	uint64_t seconds = OG_SYSTEMD_TIMEOUT_S;

	if (given != NULL)
		(void)og_parse_u64(given, 1, 600, &seconds);
	return seconds * 1000;
}

/* Reads one line without its end. */
static int read_line(int fd, char buf[REPLY_MAX], uint64_t end)
{
	size_t len = 0;

	while (len < REPLY_MAX - 1) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		uint64_t now = og_clock_ms();
		int r = poll(&wait, 1, now < end ? (int)(end - now) : 0);
		ssize_t n;

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r == 0 ? -ETIMEDOUT : -errno;
		n = read(fd, buf + len, REPLY_MAX - 1 - len);
		if (n <= 0)
			return n == 0 ? -EPIPE : -errno;
		len += (size_t)n;
		if (buf[len - 1] == '\n') {
			buf[len - 1] = '\0';
			return 0;
		}
	}
	return -EMSGSIZE;
}

/* What hangs may hang for ever. */
static int give_up(struct og_systemd *systemd, int code, struct og_err *err)
{
	if (systemd->pid > 0)
		(void)kill(systemd->pid, SIGKILL);
	og_systemd_close(systemd);
	if (code == -ETIMEDOUT)
		return og_fail_plain(err, code,
				     FLAG ": systemd has not answered after %d s: use the cgroupfs "
					  "driver, or look at what systemd is waiting for",
				     (int)(timeout_ms() / 1000));
	return og_fail(err, code, FLAG ": onggi-systemd ended without an answer");
}

static int failed(const struct og_json *reply, struct og_err *err)
{
	int code = (int)og_json_int(og_json_get(reply, "code"), 0);
	const char *text = og_json_string(og_json_get(reply, "error"), "");

	if (code >= 0)
		return 0;
	return og_fail_plain(err, code, FLAG ": %s%s", text,
			     code == -ENOTCONN ? ": use the cgroupfs driver" : "");
}

int og_systemd_ask(struct og_systemd *systemd, struct og_json *request, struct og_json **ret_reply,
		   struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *owned = request;
	og_cleanup(og_json_freep) struct og_json *reply = NULL;
	og_auto_free char *text = og_json_write(owned);
	og_auto_free char *line = text != NULL ? og_strdupf("%s\n", text) : NULL;
	char buf[REPLY_MAX];
	int r;

	if (line == NULL)
		return og_fail(err, -ENOMEM, FLAG);
	if (systemd->pid <= 0)
		return og_fail(err, -EPIPE, FLAG ": onggi-systemd is gone");
	r = og_send_all(systemd->fd, line, strlen(line));
	if (r == 0)
		r = read_line(systemd->fd, buf, og_clock_ms() + timeout_ms());
	if (r < 0)
		return give_up(systemd, r, err);
	r = og_json_parse(buf, strlen(buf), &reply, err);
	if (r == 0)
		r = failed(reply, err);
	if (r == 0 && ret_reply != NULL)
		*ret_reply = og_take_ptr(reply);
	return r;
}
