/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request. */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/http_request.h"

/* What a peer that was refused may still send before it is hung up on. */
#define LINGER_BYTES (256U * 1024U)

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Status";
}

/* RFC 9110, section 5.6.7. */
static void add_date(struct og_text *text)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		og_text_addf(text, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
			     tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
			     tm.tm_min, tm.tm_sec);
}

static bool is_chunked(const struct og_http_request *request)
{
	return request->answer == HTTP_STREAM && request->size < 0 && request->minor == 1 &&
	       !request->head_only;
}

/* False: no memory. */
static bool make_head(struct og_http_request *request)
{
	struct og_text *head = &request->scratch->head;
	int status = request->status;

	if (http_stops(request->conn->server) || (request->size < 0 && request->minor == 0))
		request->keep = false;
	og_text_clear(head);
	og_text_addf(head, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
	add_date(head);
	if (request->type != NULL)
		og_text_addf(head, "Content-Type: %s\r\n", request->type);
	if (request->extra.len > 0)
		og_text_add_bytes(head, request->extra.buf, request->extra.len);
	if (request->answer == HTTP_UPGRADED)
		og_text_add(head, "Connection: Upgrade\r\n");
	else if (!request->keep)
		og_text_add(head, "Connection: close\r\n");
	if (is_chunked(request))
		og_text_add(head, "Transfer-Encoding: chunked\r\n");
	else if (request->size >= 0 && status >= 200 && status != 204 && status != 304)
		og_text_addf(head, "Content-Length: %lld\r\n", (long long)request->size);
	og_text_add(head, "\r\n");
	if (head->failed || request->extra.failed) {
		og_text_done(head);
		return false;
	}
	return true;
}

/* A client of this host's may take its time with a stream: somebody looks at it, say. */
static int patience_ms(const struct og_http_request *request)
{
	const struct http_conn *conn = request->conn;

	if (request->answer == HTTP_STREAM && request->size < 0 &&
	    conn->listener->options.peers != OG_HTTP_ANYBODY)
		return -1;
	return (int)conn->server->config.limits.idle_timeout_s * 1000;
}

/* Sends the head, with the first bytes of a body behind it. */
static int send_head(struct og_http_request *request, const void *body, size_t len, bool more)
{
	const struct og_text *head = &request->scratch->head;
	struct iovec iov[2];
	int r;

	if (!make_head(request)) {
		request->conn->broken = true;
		return -ENOMEM;
	}
	if (request->head_only)
		len = 0;
	iov[0] = (struct iovec){ .iov_base = head->buf, .iov_len = head->len };
	iov[1] = (struct iovec){ .iov_base = (void *)body, .iov_len = len };
	r = http_conn_send(request->conn, iov, len > 0 ? 2 : 1, more, patience_ms(request),
			   &request->out);
	if (r == 0) {
		request->head_sent = true;
		request->sent += len;
	}
	return r;
}

static void set_answer(struct og_http_request *request, enum http_answer answer, int status,
		       const char *type, int64_t size)
{
	assert(request->answer == HTTP_NONE);
	request->answer = answer;
	request->status = status;
	request->type = type == NULL ? NULL : strdup(type);
	request->size = size;
}

/* ---- what a handler says ---- */

void og_http_set_header(struct og_http_request *request, const char *name, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return;
	og_text_addf(&request->extra, "%s: %s\r\n", name, value);
}

void og_http_reply(struct og_http_request *request, int status, const char *type, const void *body,
		   size_t len)
{
	if (len > 0 && !request->head_only) {
		request->body = malloc(len);
		if (request->body == NULL) {
			set_answer(request, HTTP_REPLY, 500, NULL, 0);
			return;
		}
		memcpy(request->body, body, len);
	}
	set_answer(request, HTTP_REPLY, status, type, (int64_t)len);
}

void og_http_reply_file(struct og_http_request *request, int status, const char *type, int fd,
			uint64_t offset, uint64_t len, const struct og_http_hold *hold)
{
	set_answer(request, HTTP_FILE, status, type, (int64_t)len);
	request->file_fd = fd;
	request->file_offset = offset;
	if (hold != NULL)
		request->hold = *hold;
}

static int begin_stream(struct og_http_request *request, int status, const char *type, int64_t size,
			struct og_err *err)
{
	if (request->conn->broken || http_stops(request->conn->server))
		return og_fail(err, -EPIPE, "the client has left");
	set_answer(request, HTTP_STREAM, status, type, size);
	return http_answer_flush(request) < 0 ? og_fail(err, -EPIPE, "the client has left") : 0;
}

int og_http_stream(struct og_http_request *request, int status, const char *type,
		   struct og_err *err)
{
	return begin_stream(request, status, type, -1, err);
}

int og_http_stream_sized(struct og_http_request *request, int status, const char *type,
			 uint64_t len, struct og_err *err)
{
	return begin_stream(request, status, type, (int64_t)len, err);
}

static int send_part(struct og_http_request *request, const void *buf, size_t len)
{
	char size[24];
	struct iovec iov[3] = {
		{ .iov_base = size },
		{ .iov_base = (void *)buf, .iov_len = len },
		{ .iov_base = size },
	};
	int r;

	if (is_chunked(request)) {
		iov[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", len);
		iov[2].iov_base = size + iov[0].iov_len - 2;
		iov[2].iov_len = 2;
	}
	r = http_conn_send(request->conn, iov, 3, false, patience_ms(request), &request->out);
	if (r == 0)
		request->sent += len;
	return r < 0 ? -EPIPE : 0;
}

int http_answer_flush(struct og_http_request *request)
{
	int r = 0;

	if (request->answer != HTTP_STREAM || request->head_sent || !request->body_done)
		return 0;
	r = send_head(request, NULL, 0, false);
	if (r == 0 && request->early.len > 0)
		r = send_part(request, request->early.buf, request->early.len);
	og_text_done(&request->early);
	return r;
}

static bool has_left(const struct http_conn *conn)
{
	struct pollfd gone = { .fd = conn->gone_fd, .events = POLLIN };

	return conn->broken || http_stops(conn->server) ||
	       (conn->gone_fd >= 0 && poll(&gone, 1, 0) > 0);
}

int og_http_write(struct og_http_request *request, const void *buf, size_t len)
{
	assert(request->answer == HTTP_STREAM);
	if (has_left(request->conn))
		return -EPIPE;
	if (len == 0 || request->head_only)
		return 0;
	if (request->size >= 0 &&
	    len > (uint64_t)request->size - request->sent - request->early.len)
		return -EMSGSIZE;
	if (request->head_sent)
		return send_part(request, buf, len);
	if (len > OG_HTTP_EARLY_MAX - request->early.len)
		return -EAGAIN;
	og_text_add_bytes(&request->early, buf, len);
	return request->early.failed ? -ENOMEM : 0;
}

void og_http_break(struct og_http_request *request)
{
	assert(request->answer == HTTP_STREAM);
	request->cut = true;
}

int og_http_upgrade(struct og_http_request *request, const char *protocol, const char *type,
		    struct og_http_raw *ret_raw, struct og_err *err)
{
	struct http_conn *conn = request->conn;
	int flags = fcntl(conn->fd, F_GETFL);

	if (conn->tls != NULL)
		return og_fail(err, -ENOTSUP, "take a connection over that has TLS");
	if (!http_request_drain(request) || http_stops(conn->server))
		return og_fail(err, -EPIPE, "the client has left");
	og_http_set_header(request, "Upgrade", protocol);
	set_answer(request, HTTP_UPGRADED, 101, type, -1);
	request->keep = false;
	if (send_head(request, NULL, 0, false) < 0)
		return og_fail(err, -EPIPE, "the client has left");
	(void)fcntl(conn->fd, F_SETFL, flags & ~O_NONBLOCK);
	*ret_raw = (struct og_http_raw){
		.fd = conn->fd,
		.early = conn->buf + conn->at,
		.early_len = conn->len - conn->at,
		.gone_fd = conn->server->stop_fd,
	};
	return 0;
}

bool og_http_answered(const struct og_http_request *request)
{
	return request->answer != HTTP_NONE;
}

int og_http_answer_status(const struct og_http_request *request)
{
	return request->status;
}

uint64_t og_http_answer_bytes(const struct og_http_request *request)
{
	return request->sent;
}

/* ---- what the server makes of it ---- */

void http_answer_refuse(struct og_http_request *request, int status, const char *text)
{
	const struct og_http_config *config = &request->conn->server->config;
	og_auto_free char *body = config->error_body(status, text);

	og_http_reply(request, status, config->error_type, body == NULL ? "" : body,
		      body == NULL ? 0 : strlen(body));
}

/* The peer shall notice that there was more to come. */
static void cut_off(struct http_conn *conn)
{
	const struct linger reset = { .l_onoff = 1 };

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (conn->tls != NULL) /* no goodbye */
		(void)shutdown(conn->fd, SHUT_RDWR);
	conn->broken = true;
}

static int send_file_part(struct og_http_request *request, uint64_t at, uint64_t len)
{
	return http_conn_send_file(request->conn, request->file_fd, request->file_offset + at, len,
				   request->scratch, &request->out);
}

static void send_file(struct og_http_request *request)
{
	const struct og_http_hold *hold = &request->hold;
	uint64_t size = (uint64_t)request->size, before;
	uint64_t held = hold->bytes < size ? hold->bytes : size;
	int r;

	if (send_head(request, NULL, 0, size > held && !request->head_only) < 0 ||
	    request->head_only)
		return;
	before = request->out.bytes;
	r = send_file_part(request, 0, size - held);
	if (r == 0 && held > 0) {
		r = http_conn_wait_for(request->conn, hold->ready_fd);
		if (r == 0)
			r = hold->verdict(hold->data);
		if (r == 0)
			(void)send_file_part(request, size - held, held);
		else
			cut_off(request->conn);
	}
	request->sent = request->out.bytes - before;
}

static void end_stream(struct og_http_request *request)
{
	static char last[] = "0\r\n\r\n";
	struct iovec iov = { .iov_base = last, .iov_len = sizeof(last) - 1 };

	if (http_answer_flush(request) < 0)
		return;
	if (!request->head_sent || request->cut ||
	    (request->size >= 0 && request->sent < (uint64_t)request->size && !request->head_only))
		cut_off(request->conn);
	else if (is_chunked(request))
		(void)http_conn_send(request->conn, &iov, 1, false, patience_ms(request),
				     &request->out);
}

bool http_answer_finish(struct og_http_request *request)
{
	struct http_conn *conn = request->conn;
	bool drained = request->answer == HTTP_UPGRADED ||
		       (!request->refused && http_request_drain(request));

	if (request->answer == HTTP_NONE)
		http_answer_refuse(request, 500, "no answer was made");
	if (!drained) {
		request->keep = false;
		request->body_done = true; /* as far as an answer is concerned */
	}
	if (request->answer == HTTP_STREAM)
		end_stream(request);
	else if (request->answer == HTTP_FILE)
		send_file(request);
	else if (request->answer == HTTP_REPLY)
		(void)send_head(request, request->body, (size_t)request->size, false);
	if (!drained)
		http_conn_linger(conn, LINGER_BYTES);
	return request->keep && !conn->broken;
}
