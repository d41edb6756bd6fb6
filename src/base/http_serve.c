/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger sends, made unambiguous before a handler sees it. */
#include <poll.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/http_request.h"

#define URI_MAX 8192U /* image names and filters; A38 */

/* A worker waits so long for a connection's next request before it leaves it to the front: who
 * sends several sends the next at once. */
#define NEXT_MS 50

/* Behind a head, for the lines around chunks. */
#define BEHIND_HEAD 4096U

/* ---- paths and queries ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes percent escapes in place. False: a bad escape, or a control character. */
static bool decode(char *text, bool *ret_slash)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;

		if (c == '%') {
			int high = hex_digit(from[1]);
			int low = high < 0 ? -1 : hex_digit(from[2]);

			if (low < 0)
				return false;
			c = (unsigned char)(high * 16 + low);
			*ret_slash |= c == '/';
			from += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		*to++ = (char)c;
	}
	*to = '\0';
	return true;
}

/* No empty, "." or ".." segments: what remains names one thing. */
static bool path_is_plain(const char *path, bool trailing_slash)
{
	if (path[0] != '/')
		return false;
	if (path[1] == '\0')
		return true;
	while (*path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (len == 0 && path[1] == '\0' && trailing_slash)
			return true;
		if (len == 0 || (len == 1 && path[1] == '.') ||
		    (len == 2 && path[1] == '.' && path[2] == '.'))
			return false;
		path += 1 + len;
	}
	return true;
}

static bool read_path(struct og_http_request *request)
{
	request->path = strdup(request->raw_path);
	return request->path != NULL && decode(request->path, &request->slash_escaped) &&
	       path_is_plain(request->path, request->conn->server->config.trailing_slash);
}

/* One "key=value", or "key" alone. */
static bool add_query(struct og_http_request *request, char *text)
{
	char *value = strchr(text, '=');
	bool slash = false; /* nobody asks */

	for (char *c = text; *c != '\0'; c++)
		if (*c == '+')
			*c = ' ';
	if (value != NULL)
		*value++ = '\0';
	if (request->query_count == HTTP_QUERY_MAX || !decode(text, &slash) ||
	    (value != NULL && !decode(value, &slash)))
		return false;
	request->query[request->query_count++] =
		(struct http_pair){ .name = text, .value = value == NULL ? "" : value };
	return true;
}

static bool read_query(struct og_http_request *request, char *text)
{
	char *next;

	while ((next = strsep(&text, "&")) != NULL)
		if (*next != '\0' && !add_query(request, next))
			return false;
	return true;
}

/* ---- headers ---- */

static const char *header_at(const struct og_http_request *request, const char *name, size_t index)
{
	return http_pair_get(request->headers, request->header_count, name, index, true);
}

/* In a list such as "keep-alive, Upgrade". */
static bool names(const char *list, const char *word)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ", \t");

		if (len == strlen(word) && strncasecmp(list, word, len) == 0)
			return true;
		list += len + strspn(list + len, ", \t");
	}
	return false;
}

static bool connection_names(const struct og_http_request *request, const char *word)
{
	const char *value;

	for (size_t i = 0; (value = header_at(request, "Connection", i)) != NULL; i++)
		if (names(value, word))
			return true;
	return false;
}

/* Sets how the body is framed. NULL, or why that may mean two things to two readers (A31, A33). */
static const char *read_framing(struct og_http_request *request)
{
	const char *length = header_at(request, "Content-Length", 0);
	const char *coding = header_at(request, "Transfer-Encoding", 0);
	uint64_t number = 0;

	if (header_at(request, "Content-Length", 1) != NULL)
		return "Content-Length is given twice";
	if (length != NULL &&
	    (!og_http_text_number((struct og_http_text){ length, strlen(length) }, &number) ||
	     number > INT64_MAX))
		return "Content-Length is no number";
	if (length != NULL && coding != NULL)
		return "Content-Length and Transfer-Encoding contradict each other";
	if (header_at(request, "Transfer-Encoding", 1) != NULL ||
	    (coding != NULL && (strcasecmp(coding, "chunked") != 0 || request->minor == 0)))
		return "Transfer-Encoding must be chunked";
	request->content_length = coding != NULL ? -1 : (int64_t)number;
	request->left = number;
	request->body_done = coding == NULL && number == 0;
	return NULL;
}

static const char *read_host(const struct og_http_request *request)
{
	if (header_at(request, "Host", 1) != NULL)
		return "Host is given twice";
	if (request->minor == 1 && header_at(request, "Host", 0) == NULL)
		return "Host is missing";
	return NULL;
}

/* "localhost", "127.0.0.1" or "[::1]", with or without a port. */
static bool host_is_loopback(const char *host)
{
	static const char *const loopbacks[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < sizeof(loopbacks) / sizeof(loopbacks[0]); i++) {
		size_t len = strlen(loopbacks[i]);

		if (strncasecmp(host, loopbacks[i], len) == 0 &&
		    (host[len] == '\0' || host[len] == ':'))
			return true;
	}
	return false;
}

/* What a web page in this machine's browser may send to a loopback address (A35). */
static bool from_web_page(const struct og_http_request *request)
{
	const char *host = header_at(request, "Host", 0);

	return header_at(request, "Origin", 0) != NULL || host == NULL || !host_is_loopback(host);
}

/* ---- one request ---- */

/* Terminates @text within the connection's buffer, over the byte behind it, which is read. */
static char *terminate(struct http_conn *conn, struct og_http_text text)
{
	char *at = conn->buf + (text.at - conn->buf);

	at[text.len] = '\0';
	return at;
}

/* 0, or the status to refuse the request with. */
static int read_lines(struct og_http_request *request, size_t head_len, struct og_http_text *target,
		      const char **ret_why)
{
	struct http_conn *conn = request->conn;
	struct og_http_head head;
	struct og_http_text name, value;
	int more;

	*ret_why = og_http_head_start(&head, conn->buf + conn->at, head_len);
	if (*ret_why != NULL)
		return 400;
	while ((more = og_http_head_next(&head, &name, &value)) > 0) {
		*ret_why = "there are too many headers";
		if (request->header_count == HTTP_HEADERS_MAX)
			return 431;
		request->headers[request->header_count++] = (struct http_pair){
			.name = terminate(conn, name),
			.value = terminate(conn, value),
		};
	}
	*ret_why = "a header is malformed";
	if (more < 0)
		return 400;
	request->method = terminate(conn, head.method);
	request->minor = head.minor;
	*target = head.target;
	return 0;
}

static int read_meaning(struct og_http_request *request, const char **ret_why)
{
	const char *expect = header_at(request, "Expect", 0);

	*ret_why = read_framing(request);
	if (*ret_why == NULL)
		*ret_why = read_host(request);
	if (*ret_why != NULL)
		return 400;
	request->head_only = strcmp(request->method, "HEAD") == 0;
	request->keep = request->minor == 1 && !connection_names(request, "close");
	request->wants_upgrade = header_at(request, "Upgrade", 0) != NULL &&
				 connection_names(request, "upgrade");
	request->expects_continue = expect != NULL && request->minor == 1 && !request->body_done;
	*ret_why = "only 100-continue may be expected";
	return expect != NULL && strcasecmp(expect, "100-continue") != 0 ? 417 : 0;
}

static int read_target(struct og_http_request *request, struct og_http_text target,
		       const char **ret_why)
{
	char *raw = terminate(request->conn, target);
	char *query = strchr(raw, '?');

	if (query != NULL)
		*query++ = '\0';
	request->raw_path = raw;
	*ret_why = "the path is too long";
	if (strlen(raw) > URI_MAX)
		return 414;
	*ret_why = "the query is malformed";
	if (query != NULL && !read_query(request, query))
		return 400;
	*ret_why = "the path is malformed";
	return read_path(request) ? 0 : 400;
}

/* 0: a handler may see it. */
static int check(struct og_http_request *request, size_t head_len, const char **ret_why)
{
	const struct http_conn *conn = request->conn;
	const struct og_http_config *config = &conn->server->config;
	struct og_http_text target;
	int status = read_lines(request, head_len, &target, ret_why);

	if (status == 0)
		status = read_meaning(request, ret_why);
	if (status == 0)
		status = read_target(request, target, ret_why);
	if (status != 0)
		return status;
	*ret_why = "requests from web pages are not served: Host must be this machine's "
		   "loopback address and Origin absent";
	if (conn->listener->options.peers == OG_HTTP_LOOPBACK && from_web_page(request))
		return 403;
	*ret_why = "the request's body is too long";
	request->body_max = config->body_max(request->method, request->path);
	return request->left > request->body_max ? 413 : 0;
}

static void request_done(struct og_http_request *request)
{
	free(request->path);
	free(request->type);
	free(request->body);
	og_text_done(&request->extra);
	og_text_done(&request->early);
	og_close(request->file_fd);
	if (request->hold.free != NULL)
		request->hold.free(request->hold.data);
}

/* False: close the connection. */
static bool refuse(struct http_conn *conn, struct http_scratch *scratch, int status,
		   const char *why)
{
	struct og_http_request request = {
		.conn = conn,
		.scratch = scratch,
		.minor = 1,
		.refused = true,
		.file_fd = -EBADF,
	};

	http_answer_refuse(&request, status, why);
	(void)http_answer_finish(&request);
	request_done(&request);
	return false;
}

static bool serve_one(struct http_conn *conn, size_t head_len, struct http_scratch *scratch)
{
	const struct og_http_config *config = &conn->server->config;
	struct og_http_request request = {
		.conn = conn,
		.scratch = scratch,
		.method = "",
		.file_fd = -EBADF,
	};
	const char *why;
	int status = check(&request, head_len, &why);
	bool keep;

	conn->at += head_len;
	conn->base = conn->at;
	if (status != 0) {
		request.minor = 1;
		request.refused = true;
		http_answer_refuse(&request, status, why);
	} else {
		config->handle(&request, config->data);
	}
	keep = http_answer_finish(&request);
	if (status == 0 && config->done != NULL)
		config->done(&request, config->data);
	request_done(&request);
	return keep;
}

/* ---- one connection ---- */

static void next_head(struct http_conn *conn, unsigned timeout_s, bool in_head)
{
	conn->until_ms = og_clock_ms() + timeout_s * 1000ULL;
	conn->in_head = in_head;
}

/* What has come behind a request is the beginning of the next. */
static void keep_rest(struct http_conn *conn)
{
	const struct og_http_limits *limits = &conn->server->config.limits;

	conn->len -= conn->at;
	if (conn->len > 0)
		memmove(conn->buf, conn->buf + conn->at, conn->len);
	conn->at = conn->looked = 0;
	if (conn->len > 0)
		next_head(conn, limits->head_timeout_s, true);
	else
		next_head(conn, limits->idle_timeout_s, false);
}

/* An idle connection holds no memory for what may come. */
static ssize_t leave(struct http_conn *conn)
{
	if (conn->len == 0) {
		free(conn->buf);
		conn->buf = NULL;
		conn->room = 0;
	}
	return 0;
}

/* Bytes received; 0: leave it to the front; -ECONNRESET: it is over. */
static ssize_t receive(struct http_conn *conn)
{
	ssize_t n;

	/* Between two requests the next one is mostly not there yet, but soon. */
	if (!conn->in_head && conn->tls == NULL) {
		int r = http_conn_wait(conn, POLLIN, NEXT_MS);

		if (r < 0)
			return r == -ETIMEDOUT ? leave(conn) : r;
	}
	if (http_conn_make_room(conn, BEHIND_HEAD) < 0)
		return -ENOMEM;
	n = http_conn_recv(conn, conn->buf + conn->len, conn->room - conn->len);
	if (n == -EAGAIN && !conn->in_head && conn->tls != NULL &&
	    http_conn_wait(conn, POLLIN, NEXT_MS) == 0)
		n = http_conn_recv(conn, conn->buf + conn->len, conn->room - conn->len);
	if (n == -EAGAIN)
		return leave(conn);
	if (n <= 0)
		return -ECONNRESET;
	conn->len += (size_t)n;
	if (!conn->in_head)
		next_head(conn, conn->server->config.limits.head_timeout_s, true);
	return n;
}

/* The length of the head at the front; 0: leave it to the front; -EBADMSG, -E2BIG: refuse it. */
static ptrdiff_t await_head(struct http_conn *conn)
{
	for (;;) {
		ptrdiff_t n = og_http_head_length(conn->buf, conn->len, conn->looked);

		if (n > OG_HTTP_HEAD_MAX || (n == 0 && conn->len >= OG_HTTP_HEAD_MAX))
			return -E2BIG;
		if (n != 0)
			return n;
		conn->looked = conn->len;
		if (conn->in_head && og_clock_ms() > conn->until_ms)
			return -ETIMEDOUT;
		n = receive(conn);
		if (n <= 0)
			return n;
	}
}

/* 0; -EAGAIN: leave it to the front. */
static int shake_hands(struct http_conn *conn)
{
	int r = conn->ready ? 0 : og_tls_handshake(conn->tls);

	if (r == 0)
		conn->ready = true;
	return r;
}

enum http_next http_serve(struct http_conn *conn, struct http_scratch *scratch)
{
	int r = shake_hands(conn);

	if (r < 0)
		return r == -EAGAIN ? HTTP_PARK : HTTP_CLOSE;
	while (!http_stops(conn->server)) {
		ptrdiff_t n = await_head(conn);
		bool keep;

		if (n == 0)
			return HTTP_PARK;
		if (n == -EBADMSG)
			keep = refuse(conn, scratch, 400, "a line ends without carriage return");
		else if (n == -E2BIG)
			keep = refuse(conn, scratch, 431, "the head is too long");
		else
			keep = n > 0 && http_conn_make_room(conn, BEHIND_HEAD) == 0 &&
			       serve_one(conn, (size_t)n, scratch);
		if (!keep)
			return HTTP_CLOSE;
		keep_rest(conn);
	}
	return HTTP_CLOSE;
}
