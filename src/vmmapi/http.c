/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* 20 digits fill 64 bits. */
#define LENGTH_DIGITS_MAX 19

struct reader {
	const char *at, *end; /* of the head, its last line's CR LF included */
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

/* RFC 9110, section 5.6.2. */
static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_visible(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

static bool is_text(char c)
{
	return is_visible(c) || c == ' ' || c == '\t';
}

static bool same(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

/* The word at the front, up to a blank that is passed over. NULL: there is none. */
static const char *take_word(struct reader *reader, const char *line_end, bool (*good)(char c),
			     size_t *ret_len)
{
	const char *word = reader->at;
	const char *at = word;

	while (at < line_end && good(*at))
		at++;
	if (at == word || at == line_end || *at != ' ')
		return NULL;
	*ret_len = (size_t)(at - word);
	reader->at = at + 1;
	return word;
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

static int read_request_line(struct reader *reader, const char *line_end)
{
	struct og_http_request *request = reader->request;
	size_t target_len;
	const char *target;

	request->method_text = take_word(reader, line_end, is_token, &request->method_len);
	if (request->method_text == NULL)
		return refuse(reader, 400, "Invalid HTTP method.");
	request->method = method_of(request->method_text, request->method_len);
	target = take_word(reader, line_end, is_visible, &target_len);
	if (target == NULL)
		return refuse(reader, 400, "Invalid URI.");
	if (line_end - reader->at != 8 || memcmp(reader->at, "HTTP/1.", 7) != 0 ||
	    (reader->at[7] != '0' && reader->at[7] != '1'))
		return refuse(reader, 400, "Unsupported HTTP version.");
	request->keep_alive = reader->at[7] == '1';
	return set_path(reader, target, target_len);
}

static int set_content_length(struct reader *reader, const char *value, size_t len)
{
	uint64_t length = 0;

	if (reader->request->has_body)
		return refuse(reader, 400, "Content-Length came twice.");
	if (len == 0 || len > LENGTH_DIGITS_MAX)
		return refuse(reader, 400, "Invalid Content-Length.");
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return refuse(reader, 400, "Invalid Content-Length.");
		length = length * 10 + (uint64_t)(value[i] - '0');
	}
	reader->request->has_body = true;
	reader->request->content_length = length;
	return 0;
}

static int set_connection(struct reader *reader, const char *value, size_t len)
{
	if (same(value, len, "close"))
		reader->request->keep_alive = false;
	else if (same(value, len, "keep-alive"))
		reader->request->keep_alive = true;
	return 0;
}

static int set_expect(struct reader *reader, const char *value, size_t len)
{
	if (!same(value, len, "100-continue"))
		return refuse(reader, 417, "Unsupported Expect.");
	reader->request->expects_continue = true;
	return 0;
}

/* A body that is framed in two ways has two ends. */
static int set_transfer_encoding(struct reader *reader, const char *value, size_t len)
{
	if (!same(value, len, "identity"))
		return refuse(reader, 501, "Unsupported Transfer-Encoding.");
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct reader *reader, const char *value, size_t len);
} known[] = {
	{ "content-length", set_content_length },
	{ "connection", set_connection },
	{ "expect", set_expect },
	{ "transfer-encoding", set_transfer_encoding },
};

static int take_header(struct reader *reader, const char *name, size_t name_len, const char *value,
		       size_t len)
{
	for (size_t i = 0; i < reader->n_headers; i++) {
		struct og_http_header *header = &reader->headers[i];

		if (!same(name, name_len, header->name))
			continue;
		if (header->value != NULL)
			return refuse(reader, 400, "A header came twice.");
		header->value = value;
		header->len = len;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (same(name, name_len, known[i].name))
			return known[i].set(reader, value, len);
	return 0;
}

static int read_header(struct reader *reader, const char *line_end)
{
	const char *name = reader->at;
	const char *at = name;
	const char *value;

	while (at < line_end && is_token(*at))
		at++;
	if (at == name || at == line_end || *at != ':')
		return refuse(reader, 400, "Invalid header.");
	value = at + 1;
	for (const char *c = value; c < line_end; c++)
		if (!is_text(*c))
			return refuse(reader, 400, "Invalid header.");
	while (value < line_end && (*value == ' ' || *value == '\t'))
		value++;
	while (line_end > value && (line_end[-1] == ' ' || line_end[-1] == '\t'))
		line_end--;
	return take_header(reader, name, (size_t)(at - name), value, (size_t)(line_end - value));
}

/* The end of the line at the front: its CR. */
static const char *end_of_line(const struct reader *reader)
{
	return memmem(reader->at, (size_t)(reader->end - reader->at), "\r\n", 2);
}

static int read_head(struct reader *reader)
{
	const char *line_end = end_of_line(reader);
	int r = read_request_line(reader, line_end);

	while (r == 0) {
		reader->at = line_end + 2;
		line_end = end_of_line(reader);
		if (line_end == NULL || line_end == reader->at)
			break;
		r = read_header(reader, line_end);
	}
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
		.at = buf,
		.end = blank == NULL ? NULL : blank + 4,
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
	r = read_head(&reader);
	if (r < 0)
		return r;
	*ret_request = request;
	return reader.end - buf;
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
