/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler sees of a request, and its body. */
#include "base/http_request.h"

#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

const char *http_pair_get(const struct http_pair *pairs, size_t count, const char *name,
			  size_t index, bool any_case)
{
	for (size_t i = 0; i < count; i++) {
		int differs = any_case ? strcasecmp(pairs[i].name, name)
				       : strcmp(pairs[i].name, name);

		if (differs == 0 && index-- == 0)
			return pairs[i].value;
	}
	return NULL;
}

const char *og_http_method(const struct og_http_request *request)
{
	return request->method;
}

const char *og_http_path(const struct og_http_request *request)
{
	return request->path;
}

const char *og_http_raw_path(const struct og_http_request *request)
{
	return request->raw_path;
}

bool og_http_slash_escaped(const struct og_http_request *request)
{
	return request->slash_escaped;
}

const char *og_http_peer_address(const struct og_http_request *request)
{
	return request->conn->peer;
}

bool og_http_is_tls(const struct og_http_request *request)
{
	return request->conn->tls != NULL;
}

const char *og_http_client_name(const struct og_http_request *request)
{
	return request->conn->tls == NULL ? NULL : og_tls_client_name(request->conn->tls);
}

const char *og_http_request_header(const struct og_http_request *request, const char *name)
{
	return http_pair_get(request->headers, request->header_count, name, 0, true);
}

const char *og_http_query(const struct og_http_request *request, const char *name)
{
	return og_http_query_at(request, name, 0);
}

const char *og_http_query_at(const struct og_http_request *request, const char *name, size_t index)
{
	return http_pair_get(request->query, request->query_count, name, index, false);
}

int64_t og_http_content_length(const struct og_http_request *request)
{
	return request->content_length;
}

bool og_http_has_body(const struct og_http_request *request)
{
	return request->content_length != 0;
}

bool og_http_wants_upgrade(const struct og_http_request *request)
{
	return request->wants_upgrade;
}

int og_http_gone_fd(const struct og_http_request *request)
{
	struct http_conn *conn = request->conn;
	struct epoll_event client = { .events = EPOLLRDHUP };
	struct epoll_event stop = { .events = EPOLLIN };

	if (conn->gone_fd >= 0)
		return conn->gone_fd;
	conn->gone_fd = epoll_create1(EPOLL_CLOEXEC);
	if (conn->gone_fd < 0 || epoll_ctl(conn->gone_fd, EPOLL_CTL_ADD, conn->fd, &client) < 0 ||
	    epoll_ctl(conn->gone_fd, EPOLL_CTL_ADD, conn->server->stop_fd, &stop) < 0) {
		conn->gone_fd = og_close(conn->gone_fd);
		return conn->server->stop_fd;
	}
	return conn->gone_fd;
}

/* ---- the body ---- */

/* Who waits for a word before the body gets it when somebody wants to read. */
static int tell_to_continue(struct og_http_request *request)
{
	static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct http_conn *conn = request->conn;

	if (!request->expects_continue)
		return 0;
	request->expects_continue = false;
	if (conn->at < conn->len)
		return 0;
	return http_conn_send(conn, &iov, 1, false,
			      (int)conn->server->config.limits.idle_timeout_s * 1000,
			      &request->out);
}

/* At most @len > 0 bytes of content, which come next. */
static ssize_t read_content(struct og_http_request *request, void *buf, size_t len)
{
	struct http_conn *conn = request->conn;
	size_t have = conn->len - conn->at;
	ssize_t n;

	if (have > 0) {
		if (len > have)
			len = have;
		memcpy(buf, conn->buf + conn->at, len);
		conn->at += len;
		return (ssize_t)len;
	}
	n = http_conn_recv_wait(conn, buf, len, &request->in);
	return n == 0 ? -ECONNRESET : n;
}

/* Puts what comes next behind the head. */
static int refill(struct og_http_request *request)
{
	struct http_conn *conn = request->conn;
	ssize_t n;

	if (conn->at < conn->len)
		return 0;
	conn->at = conn->len = conn->base;
	n = http_conn_recv_wait(conn, conn->buf + conn->len, conn->room - conn->len, &request->in);
	if (n <= 0)
		return n == 0 ? -ECONNRESET : (int)n;
	conn->len += (size_t)n;
	return 0;
}

static ssize_t read_chunked(struct og_http_request *request, void *buf, size_t len)
{
	struct og_http_chunks *chunks = &request->chunks;
	struct http_conn *conn = request->conn;
	ssize_t n;

	while (chunks->left == 0) {
		int r = refill(request);

		if (r < 0)
			return r;
		n = og_http_chunks_skip(chunks, conn->buf + conn->at, conn->len - conn->at);
		if (n < 0)
			return n;
		conn->at += (size_t)n;
		if (chunks->done)
			return 0;
	}
	n = read_content(request, buf, len < chunks->left ? len : (size_t)chunks->left);
	if (n > 0)
		chunks->left -= (uint64_t)n;
	return n;
}

static ssize_t read_plain(struct og_http_request *request, void *buf, size_t len)
{
	ssize_t n = read_content(request, buf, len < request->left ? len : (size_t)request->left);

	if (n > 0)
		request->left -= (uint64_t)n;
	return n;
}

static ssize_t read_some(struct og_http_request *request, void *buf, size_t len)
{
	bool chunked = request->content_length < 0;
	ssize_t n = tell_to_continue(request);

	if (n == 0)
		n = chunked ? read_chunked(request, buf, len) : read_plain(request, buf, len);
	if (n < 0) {
		request->conn->broken = true;
		return -ECONNRESET;
	}
	request->body_read += (uint64_t)n;
	if (chunked ? n == 0 : request->left == 0)
		request->body_done = true;
	return n;
}

ssize_t og_http_read(struct og_http_request *request, void *buf, size_t len)
{
	ssize_t n;

	if (request->body_done || len == 0)
		return 0;
	if (request->conn->broken)
		return -ECONNRESET;
	n = read_some(request, buf, len);
	if (request->body_read > request->body_max)
		return -EFBIG;
	if (request->body_done)
		(void)http_answer_flush(request);
	return n;
}

bool http_request_drain(struct og_http_request *request)
{
	const struct http_conn *conn = request->conn;
	uint64_t max = conn->server->config.limits.drain_max;
	uint64_t start = request->body_read;
	char buf[32768];

	/* Nobody knows whether a client that was not told to continue will. */
	if (!request->body_done && request->expects_continue && conn->at == conn->len)
		return false;
	request->expects_continue = false;
	if (request->left > max)
		return false;
	while (!request->body_done && !conn->broken)
		if (request->body_read - start > max || read_some(request, buf, sizeof(buf)) < 0)
			return false;
	return request->body_done;
}

int og_http_read_body(struct og_http_request *request, size_t max_bytes, char **ret_buf,
		      size_t *ret_len, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - len < 2) {
			char *more;

			room = room == 0 ? 4096 : 2 * room;
			more = realloc(buf, room);
			if (more == NULL)
				return og_fail(err, -ENOMEM, "read the request's body");
			buf = more;
		}
		n = og_http_read(request, buf + len, room - len - 1);
		if (n == -EFBIG)
			len = max_bytes + 1;
		else if (n < 0)
			return og_fail(err, (int)n, "the request's body is incomplete");
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		if (len > max_bytes)
			return og_fail(err, -EFBIG, "the request's body is over %zu bytes",
				       max_bytes);
	}
	buf[len] = '\0';
	*ret_len = len;
	*ret_buf = og_take_ptr(buf);
	return 0;
}
