/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_conn.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/clock.h"

#define FIRST_ROOM 4096U

/* A TLS record; several small pieces become one. */
#define RECORD_BYTES 16384U

/* What is longer is read ahead of what is sent: from the disk, 1 GiB comes in 1 s in place of 3.6. */
#define READ_AHEAD_FROM (1U << 20)

/* How long a peer that is hung up on may take to read why. */
#define LINGER_MS 500U

struct http_conn *http_conn_new(struct og_http_server *server, const struct http_listener *listener,
				int fd, const char *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		og_close(fd);
		return NULL;
	}
	conn->source.kind = HTTP_SOURCE_CONN;
	conn->server = server;
	conn->listener = listener;
	conn->fd = fd;
	conn->gone_fd = -EBADF;
	conn->ready = listener->options.tls == NULL;
	conn->in_head = true;
	conn->until_ms = og_clock_ms() + server->config.limits.head_timeout_s * 1000ULL;
	memcpy(conn->peer, peer, strnlen(peer, sizeof(conn->peer) - 1));
	if (listener->options.peers != OG_HTTP_LOCAL)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (!conn->ready && og_tls_accept(listener->options.tls, fd, &conn->tls) < 0) {
		og_close(fd);
		free(conn);
		return NULL;
	}
	return conn;
}

struct http_conn *http_conn_free(struct http_conn *conn)
{
	if (conn == NULL)
		return NULL;
	(void)og_tls_free(conn->tls);
	og_close(conn->gone_fd);
	og_close(conn->fd);
	free(conn->buf);
	free(conn);
	return NULL;
}

int http_conn_make_room(struct http_conn *conn, size_t more)
{
	size_t room = conn->room == 0 ? FIRST_ROOM : conn->room;
	char *buf;

	if (conn->room - conn->len >= more)
		return 0;
	while (room - conn->len < more)
		room *= 2;
	buf = realloc(conn->buf, room);
	if (buf == NULL)
		return -ENOMEM;
	conn->buf = buf;
	conn->room = room;
	return 0;
}

/* ---- waiting ---- */

int http_conn_wait(struct http_conn *conn, short events, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = conn->fd, .events = events },
		{ .fd = conn->server->stop_fd, .events = POLLIN },
	};
	int r;

	do {
		r = poll(fds, 2, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (fds[1].revents != 0)
		return -ECANCELED;
	return r == 0 ? -ETIMEDOUT : 0;
}

int http_conn_wait_for(struct http_conn *conn, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = conn->server->stop_fd, .events = POLLIN },
		{ .fd = conn->fd }, /* for POLLHUP and POLLERR alone: a peer may have said all it will */
	};
	int r;

	do {
		r = poll(fds, 3, -1);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (fds[1].revents != 0)
		return -ECANCELED;
	return fds[0].revents != 0 ? 0 : -EPIPE;
}

int http_conn_pause(struct http_conn *conn, short events, int timeout_ms, struct http_pace *pace)
{
	const struct og_http_limits *limits = &conn->server->config.limits;
	uint64_t before = og_clock_ms();
	int r;

	if (conn->tls != NULL && og_tls_wants_write(conn->tls))
		events = POLLOUT;
	else if (conn->tls != NULL && events == POLLOUT)
		events = POLLIN | POLLOUT;
	r = http_conn_wait(conn, events, timeout_ms);
	pace->waited_ms += og_clock_ms() - before;
	if (r == 0 && timeout_ms >= 0 && limits->min_rate > 0 &&
	    pace->waited_ms > limits->idle_timeout_s * 1000ULL &&
	    pace->bytes * 1000 / pace->waited_ms < limits->min_rate)
		r = -ETIMEDOUT;
	return r;
}

/* ---- in ---- */

ssize_t http_conn_recv(struct http_conn *conn, void *buf, size_t len)
{
	ssize_t n;

	if (conn->tls != NULL)
		return og_tls_read(conn->tls, buf, len);
	do {
		n = recv(conn->fd, buf, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t http_conn_recv_wait(struct http_conn *conn, void *buf, size_t len, struct http_pace *pace)
{
	int timeout_ms = (int)conn->server->config.limits.idle_timeout_s * 1000;

	for (;;) {
		ssize_t n = http_stops(conn->server) ? -ECANCELED : http_conn_recv(conn, buf, len);
		int r;

		if (n >= 0)
			pace->bytes += (uint64_t)n;
		if (n != -EAGAIN)
			return n;
		r = http_conn_pause(conn, POLLIN, timeout_ms, pace);
		if (r < 0)
			return r;
	}
}

/* ---- out ---- */

static ssize_t send_some(struct http_conn *conn, struct iovec *iov, size_t count, bool more)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	if (conn->tls != NULL) {
		og_tls_more(conn->tls, more || count > 1);
		return og_tls_write(conn->tls, iov->iov_base, iov->iov_len);
	}
	do {
		n = sendmsg(conn->fd, &message,
			    MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_all(struct http_conn *conn, struct iovec *iov, size_t count, bool more,
		    int timeout_ms, struct http_pace *pace)
{
	while (count > 0) {
		ssize_t n = iov->iov_len == 0 ? 0 : send_some(conn, iov, count, more);

		if (n == -EAGAIN)
			n = http_conn_pause(conn, POLLOUT, timeout_ms, pace);
		if (n < 0)
			return (int)n;
		pace->bytes += (uint64_t)n;
		for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* @r: why. What a peer does not take stays in the kernel's memory unless the connection is reset. */
static void give_up(struct http_conn *conn, int r)
{
	const struct linger reset = { .l_onoff = 1 };

	conn->broken = true;
	if (r == -ETIMEDOUT)
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

int http_conn_send(struct http_conn *conn, struct iovec *iov, size_t count, bool more,
		   int timeout_ms, struct http_pace *pace)
{
	char record[RECORD_BYTES];
	struct iovec one = { .iov_base = record };
	size_t total = 0;
	int r;

	/* The last one that is sent says that no more follows. */
	while (count > 0 && iov[count - 1].iov_len == 0)
		count--;
	for (size_t i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (conn->broken)
		return -EPIPE;
	if (conn->tls != NULL && count > 1 && total <= sizeof(record)) {
		for (size_t i = 0; i < count; i++) {
			memcpy(record + one.iov_len, iov[i].iov_base, iov[i].iov_len);
			one.iov_len += iov[i].iov_len;
		}
		r = send_all(conn, &one, 1, more, timeout_ms, pace);
	} else {
		r = send_all(conn, iov, count, more, timeout_ms, pace);
	}
	if (r < 0)
		give_up(conn, r);
	return r;
}

static ssize_t send_block(struct http_conn *conn, int fd, uint64_t offset, uint64_t len,
			  struct http_scratch *scratch, struct http_pace *pace)
{
	struct iovec iov;
	ssize_t n;
	int r;

	if (scratch->block == NULL)
		scratch->block = malloc(HTTP_BLOCK);
	if (scratch->block == NULL)
		return -ENOMEM;
	n = pread(fd, scratch->block, len < HTTP_BLOCK ? len : HTTP_BLOCK, (off_t)offset);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	iov = (struct iovec){ .iov_base = scratch->block, .iov_len = (size_t)n };
	r = http_conn_send(conn, &iov, 1, (uint64_t)n < len,
			   (int)conn->server->config.limits.idle_timeout_s * 1000, pace);
	return r < 0 ? r : n;
}

static ssize_t send_file_some(struct http_conn *conn, int fd, uint64_t offset, uint64_t len)
{
	off_t at = (off_t)offset;
	ssize_t n = sendfile(conn->fd, fd, &at, len < INT_MAX ? len : INT_MAX);

	return n < 0 ? -errno : n;
}

int http_conn_send_file(struct http_conn *conn, int fd, uint64_t offset, uint64_t len,
			struct http_scratch *scratch, struct http_pace *pace)
{
	int timeout_ms = (int)conn->server->config.limits.idle_timeout_s * 1000;
	int r = 0;

	if (len >= READ_AHEAD_FROM)
		(void)posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_SEQUENTIAL);
	while (len > 0 && r >= 0) {
		ssize_t n = conn->tls != NULL ? send_block(conn, fd, offset, len, scratch, pace)
					      : send_file_some(conn, fd, offset, len);

		if (http_stops(conn->server))
			r = -ECANCELED;
		else if (n == 0)
			r = -EIO;
		else if (n == -EAGAIN)
			r = http_conn_pause(conn, POLLOUT, timeout_ms, pace);
		else if (n < 0 && n != -EINTR)
			r = (int)n;
		if (n > 0) {
			offset += (uint64_t)n;
			len -= (uint64_t)n;
			pace->bytes += conn->tls != NULL ? 0 : (uint64_t)n;
		}
	}
	if (r < 0)
		give_up(conn, r);
	return r;
}

void http_conn_linger(struct http_conn *conn, size_t max_bytes)
{
	uint64_t until = og_clock_ms() + LINGER_MS;
	char rest[4096];
	size_t got = 0;

	if (conn->broken || shutdown(conn->fd, SHUT_WR) < 0)
		return;
	while (got < max_bytes && !http_stops(conn->server)) {
		uint64_t now = og_clock_ms();
		/* Under TLS too: only what was sent matters now. */
		ssize_t n = recv(conn->fd, rest, sizeof(rest), MSG_DONTWAIT);

		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR) || now >= until ||
			 http_conn_wait(conn, POLLIN, (int)(until - now)) < 0)
			return;
		if (now >= until)
			return;
	}
}
