/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/http_head.h"

struct reader {
	struct og_http_request *request;
	struct og_http_header *headers;
	size_t n_headers;
	struct og_http_refusal *refusal;
};

static int refuse(struct reader *reader, int status, const char *text)
{
	*reader->refusal = (struct og_http_refusal){ .status = status, .text = text };
	return -EBADMSG;
}

static enum og_http_method method_of(const char *text, size_t len)
{
	static const char *const names[] = { "GET", "PUT", "PATCH" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(text, names[i], len) == 0)
			return (enum og_http_method)i;
	return OG_HTTP_OTHER;
}

/* "/x", or "http://host/x" as a proxy would be asked; a query is left out. */
static int set_path(struct reader *reader, const char *target, size_t len)
{
	static const char scheme[] = "http://";
	const char *query;

	if (len > strlen(scheme) && strncasecmp(target, scheme, strlen(scheme)) == 0) {
		const char *host = target + strlen(scheme);
		const char *slash = memchr(host, '/', len - strlen(scheme));

		if (slash == NULL || slash == host)
			return refuse(reader, 400, "Invalid URI.");
		len -= (size_t)(slash - target);
		target = slash;
	}
	if (*target != '/')
		return refuse(reader, 400, "Invalid URI.");
	query = memchr(target, '?', len);
	reader->request->path = target;
	reader->request->path_len = query == NULL ? len : (size_t)(query - target);
	return 0;
}

static int set_content_length(struct reader *reader, struct og_http_text value)
{
	if (reader->request->has_body)
		return refuse(reader, 400, "Content-Length came twice.");
	if (!og_http_text_number(value, &reader->request->content_length))
		return refuse(reader, 400, "Invalid Content-Length.");
	reader->request->has_body = true;
	return 0;
}

static int set_connection(struct reader *reader, struct og_http_text value)
{
	if (og_http_text_is(value, "close"))
		reader->request->keep_alive = false;
	else if (og_http_text_is(value, "keep-alive"))
		reader->request->keep_alive = true;
	return 0;
}

static int set_expect(struct reader *reader, struct og_http_text value)
{
	if (!og_http_text_is(value, "100-continue"))
		return refuse(reader, 417, "Unsupported Expect.");
	reader->request->expects_continue = true;
	return 0;
}

/* A body that is framed in two ways has two ends. */
static int set_transfer_encoding(struct reader *reader, struct og_http_text value)
{
	if (!og_http_text_is(value, "identity"))
		return refuse(reader, 501, "Unsupported Transfer-Encoding.");
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct reader *reader, struct og_http_text value);
} known[] = {
	{ "content-length", set_content_length },
	{ "connection", set_connection },
	{ "expect", set_expect },
	{ "transfer-encoding", set_transfer_encoding },
};

static int take_header(struct reader *reader, struct og_http_text name, struct og_http_text value)
{
	for (size_t i = 0; i < reader->n_headers; i++) {
		struct og_http_header *header = &reader->headers[i];

		if (!og_http_text_is(name, header->name))
			continue;
		if (header->value != NULL)
			return refuse(reader, 400, "A header came twice.");
		header->value = value.at;
		header->len = value.len;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (og_http_text_is(name, known[i].name))
			return known[i].set(reader, value);
	return 0;
}

static int read_head(struct reader *reader, const char *buf, size_t len)
{
	struct og_http_request *request = reader->request;
	struct og_http_text name, value;
	struct og_http_head head;
	const char *wrong = og_http_head_start(&head, buf, len);
	int more, r;

	if (wrong != NULL)
		return refuse(reader, 400, wrong);
	request->method_text = head.method.at;
	request->method_len = head.method.len;
	request->method = method_of(head.method.at, head.method.len);
	request->keep_alive = head.minor == 1;
	r = set_path(reader, head.target.at, head.target.len);
	while (r == 0 && (more = og_http_head_next(&head, &name, &value)) != 0)
		r = more < 0 ? refuse(reader, 400, "Invalid header.")
			     : take_header(reader, name, value);
	return r;
}

ptrdiff_t og_http_parse(const char *buf, size_t len, struct og_http_request *ret_request,
			struct og_http_header *headers, size_t n_headers,
			struct og_http_refusal *ret_refusal)
{
	const char *blank =
		memmem(buf, len < OG_HTTP_HEAD_MAX ? len : OG_HTTP_HEAD_MAX, "\r\n\r\n", 4);
	struct og_http_request request = {};
	struct reader reader = {
		.request = &request,
		.headers = headers,
		.n_headers = n_headers,
		.refusal = ret_refusal,
	};
	int r;

	if (blank == NULL)
		return len < OG_HTTP_HEAD_MAX
			       ? 0
			       : refuse(&reader, 431, "The request's headers are too long.");
	for (size_t i = 0; i < n_headers; i++)
		headers[i].value = NULL;
	r = read_head(&reader, buf, (size_t)(blank + 4 - buf));
	if (r < 0)
		return r;
	*ret_request = request;
	return blank + 4 - buf;
}

const char *og_http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 100, "Continue" },	       { 200, "OK" },
		{ 204, "No Content" },	       { 400, "Bad Request" },
		{ 401, "Unauthorized" },       { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 413, "Payload Too Large" },
		{ 417, "Expectation Failed" }, { 431, "Request Header Fields Too Large" },
		{ 501, "Not Implemented" },    { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Internal Server Error";
}

size_t og_http_answer_head(char *buf, size_t size, int status, const char *type,
			   size_t content_length, bool keep_alive, const char *more)
{
	char content[120] = "";
	int len;

	if (type != NULL)
		(void)snprintf(content, sizeof(content),
			       "Content-Type: %s\r\nContent-Length: %zu\r\n", type, content_length);
	else if (status != 204 && status >= 200)
		(void)snprintf(content, sizeof(content), "Content-Length: 0\r\n");
	len = snprintf(buf, size,
		       "HTTP/1.1 %d %s\r\nServer: onggi-vmm\r\nConnection: %s\r\n%s%s\r\n", status,
		       og_http_reason(status), keep_alive ? "keep-alive" : "close", content, more);
	return len < 0 || (size_t)len >= size ? 0 : (size_t)len;
}
