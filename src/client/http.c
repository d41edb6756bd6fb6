/* SPDX-License-Identifier: Apache-2.0 */
#include "client/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "format/http1.h"

#define BUF_BYTES 262144U /* as much as a socket holds: 100 MB of output are 400 reads */

struct og_http {
	int fd;
	int interrupt_fd; /* of the call; 0: none */
	struct og_http1_head head;
	struct og_http1_body body;
	size_t start; /* of what was read ahead */
	size_t end;
	char buf[BUF_BYTES];
};

/* ---- hosts ---- */

static int parse_tcp(const char *rest, struct og_host *host)
{
	const char *colon = strrchr(rest, ':');
	size_t len = colon != NULL ? (size_t)(colon - rest) : 0;

	if (len == 0 || colon[1] == '\0' || strchr(rest, '/') != NULL)
		return -EINVAL;
	if (rest[0] == '[' && rest[len - 1] == ']')
		host->address = strndup(rest + 1, len - 2);
	else
		host->address = strndup(rest, len);
	host->port = strdup(colon + 1);
	return host->address != NULL && host->port != NULL ? 0 : -ENOMEM;
}

int og_host_parse(const char *text, struct og_host *ret_host, struct og_err *err)
{
	struct og_host host = { .text = text };
	int r = -EINVAL;

	if (og_starts_with(text, "unix://") && text[7] == '/') {
		host.unix_path = strdup(text + 7);
		r = host.unix_path == NULL ? -ENOMEM : 0;
		if (strlen(text + 7) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
			r = -ENAMETOOLONG;
	} else if (og_starts_with(text, "tcp://")) {
		r = parse_tcp(text + 6, &host);
	}
	if (r < 0) {
		og_host_done(&host);
		return og_fail(err, r, "host '%s' is neither unix:///PATH nor tcp://HOST:PORT",
			       text);
	}
	*ret_host = host;
	return 0;
}

void og_host_done(struct og_host *host)
{
	free(host->unix_path);
	free(host->address);
	free(host->port);
	*host = (struct og_host){};
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	og_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return og_take_fd(&fd);
}

/*
 * Addresses only: looking up names needs the C library's loadable modules, which a static program
 * does not have.
 */
static int connect_tcp(const struct og_host *host)
{
	const char *text = og_streq(host->address, "localhost") ? "127.0.0.1" : host->address;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const struct sockaddr *address = (struct sockaddr *)&v4;
	socklen_t len = sizeof(v4);
	og_auto_fd fd = -EBADF;
	uint64_t port = 0;

	if (og_parse_u64(host->port, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
		if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
			return -EADDRNOTAVAIL;
		address = (struct sockaddr *)&v6;
		len = sizeof(v6);
	}
	fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, address, len) < 0)
		return -errno;
	return og_take_fd(&fd);
}

int og_host_connect(const struct og_host *host, struct og_err *err)
{
	int fd = host->unix_path != NULL ? connect_unix(host->unix_path) : connect_tcp(host);

	if (fd == -EACCES)
		return og_fail_plain(err, fd,
				     "reach the daemon at %s: only root may, and the group that "
				     "'onggid --group' names",
				     host->text);
	return fd < 0 ? og_fail(err, fd, "reach the daemon at %s", host->text) : fd;
}

/* ---- requests ---- */

static int send_head(int fd, const struct og_host *host, const struct og_http_call *call)
{
	og_auto_text head = {};

	og_text_addf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: onggi/" OG_VERSION "\r\n",
		     call->method, call->path, host->unix_path != NULL ? "onggi" : host->address);
	if (call->upgrade)
		og_text_add(&head, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	else
		og_text_add(&head, "Connection: close\r\n");
	for (const char *const *at = call->headers; at != NULL && *at != NULL; at++)
		og_text_addf(&head, "%s\r\n", *at);
	if (call->body_fd > 0)
		og_text_add(&head, "Transfer-Encoding: chunked\r\n"
				   "Content-Type: application/x-tar\r\n\r\n");
	else if (call->body != NULL)
		og_text_addf(&head,
			     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			     strlen(call->body), call->body);
	else
		og_text_add(&head,
			    og_streq(call->method, "POST") ? "Content-Length: 0\r\n\r\n" : "\r\n");
	return head.failed ? -ENOMEM : og_send_all(fd, head.buf, head.len);
}

static int send_chunks(int fd, int from_fd, char *buf, size_t room)
{
	for (;;) {
		char size[24];
		ssize_t n = read(from_fd, buf, room);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -EIO; /* not what the socket says */
		(void)snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
		r = og_send_all(fd, size, strlen(size));
		if (r == 0)
			r = og_send_all(fd, buf, (size_t)n);
		if (r == 0)
			r = og_send_all(fd, "\r\n", 2);
		if (r < 0 || n == 0)
			return r;
	}
}

/* Returns -EINTR when the caller's descriptor is readable before ours. */
static int wait_for_answer(const struct og_http *http)
{
	struct pollfd poll_fds[2] = { { .fd = http->fd, .events = POLLIN },
				      { .fd = http->interrupt_fd, .events = POLLIN } };

	if (http->interrupt_fd <= 0)
		return 0;
	while (poll(poll_fds, 2, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return poll_fds[0].revents == 0 ? -EINTR : 0;
}

/* Reads more behind what is there. Returns the bytes, 0 at the end. */
static ssize_t fill(struct og_http *http)
{
	int r = wait_for_answer(http);

	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = read(http->fd, http->buf + http->end, sizeof(http->buf) - http->end);

		if (n >= 0) {
			http->end += (size_t)n;
			return n;
		}
		if (errno != EINTR)
			return -errno;
	}
}

static int read_head(struct og_http *http)
{
	for (;;) {
		ptrdiff_t used = og_http1_parse_head(http->buf + http->start,
						     http->end - http->start, &http->head);
		ssize_t n;

		if (used < 0)
			return (int)used;
		if (used > 0) {
			http->start += (size_t)used;
			if (http->head.status >= 200 || http->head.status == 101)
				return 0;
			continue; /* 100 Continue and its like */
		}
		n = fill(http);
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
	}
}

int og_http_open(const struct og_host *host, const struct og_http_call *call,
		 struct og_http **ret_http, struct og_err *err)
{
	og_cleanup(og_http_freep) struct og_http *http = malloc(sizeof(*http));
	int r;

	if (http == NULL)
		return og_fail(err, -ENOMEM, "ask the daemon");
	http->start = http->end = 0;
	http->interrupt_fd = call->interrupt_fd;
	http->fd = og_host_connect(host, err);
	if (http->fd < 0)
		return http->fd;
	r = send_head(http->fd, host, call);
	if (r == 0 && call->body_fd > 0)
		r = send_chunks(http->fd, call->body_fd, http->buf, sizeof(http->buf));
	/* A daemon that refuses a body closes early, and its answer says why. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return og_fail(err, r, "send to the daemon at %s", host->text);
	r = read_head(http);
	if (r < 0)
		return og_fail(err, r, "hear from the daemon at %s", host->text);
	og_http1_body_start(&http->body, &http->head, og_streq(call->method, "HEAD"));
	*ret_http = og_take_ptr(http);
	return 0;
}

struct og_http *og_http_free(struct og_http *http)
{
	if (http == NULL)
		return NULL;
	og_close(http->fd);
	free(http);
	return NULL;
}

int og_http_answer_status(const struct og_http *http)
{
	return http->head.status;
}

int og_http_fd(const struct og_http *http)
{
	return http->fd;
}

bool og_http_has_early(const struct og_http *http)
{
	return http->start < http->end;
}

/* After an upgrade there is no framing: all that comes is the stream. */
static ssize_t take_raw(struct og_http *http, void *buf, size_t len)
{
	size_t early = http->end - http->start;

	if (early > 0) {
		early = early < len ? early : len;
		memcpy(buf, http->buf + http->start, early);
		http->start += early;
		return (ssize_t)early;
	}
	for (;;) {
		ssize_t n = read(http->fd, buf, len);

		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
}

static ssize_t take_body(struct og_http *http, void *buf, size_t len)
{
	for (;;) {
		const char *part;
		size_t part_len = 0;
		size_t give = http->end - http->start;
		ptrdiff_t n;

		if (http->body.done)
			return 0;
		if (give == 0) {
			http->start = http->end = 0;
			n = fill(http);
			if (n < 0)
				return n;
			if (n == 0)
				return og_http1_body_close(&http->body);
			continue;
		}
		give = give < len ? give : len; /* content is never longer than what was given */
		n = og_http1_body_next(&http->body, http->buf + http->start, give, &part,
				       &part_len);
		if (n < 0)
			return n;
		http->start += (size_t)n;
		if (part_len > 0) {
			memcpy(buf, part, part_len);
			return (ssize_t)part_len;
		}
	}
}

ssize_t og_http_read(struct og_http *http, void *buf, size_t len, struct og_err *err)
{
	ssize_t n = http->head.status == 101 ? take_raw(http, buf, len) : take_body(http, buf, len);

	if (n < 0 && n != -EAGAIN)
		return og_fail(err, (int)n, "read the daemon's answer");
	return n;
}

int og_http_read_all(struct og_http *http, size_t max_bytes, char **ret_text, size_t *ret_len,
		     struct og_err *err)
{
	og_auto_text text = {};
	og_auto_free char *part = malloc(BUF_BYTES);
	char *taken;
	size_t len;

	if (part == NULL)
		return og_fail(err, -ENOMEM, "read the daemon's answer");
	for (;;) {
		ssize_t n = og_http_read(http, part, BUF_BYTES, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		og_text_add_bytes(&text, part, (size_t)n);
		if (text.len > max_bytes)
			return og_fail(err, -EFBIG, "the daemon's answer");
	}
	len = text.len;
	taken = og_text_take(&text);
	if (taken == NULL)
		return og_fail(err, -ENOMEM, "read the daemon's answer");
	*ret_text = taken;
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}
