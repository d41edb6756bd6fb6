/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its two threads. libmicrohttpd pushes the body in and pulls the answer out of
 * callbacks; a handler wants to read, work and write. The piece of body in libmicrohttpd's buffer
 * is lent to the handler until it has copied it, so a body is copied once; the answer's stream is
 * a bounded buffer between the two.
 */
#include "base/http_request.h"
#include "base/text.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* Handlers parse documents of a megabyte and hash with 64 KiB buffers on the stack. */
#define HANDLER_STACK_BYTES (1024U * 1024U)

bool http_pairs_add(struct http_pairs *pairs, const char *name, const char *value)
{
	struct http_pair *items =
		reallocarray(pairs->items, pairs->count + 1, sizeof(*pairs->items));
	struct http_pair pair;

	if (items == NULL) {
		pairs->failed = true;
		return false;
	}
	pairs->items = items;
	pair = (struct http_pair){ .name = strdup(name), .value = strdup(value) };
	pairs->items[pairs->count++] = pair;
	if (pair.name == NULL || pair.value == NULL)
		pairs->failed = true;
	return !pairs->failed;
}

static void pairs_done(struct http_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
}

const char *http_pairs_get(const struct http_pairs *pairs, const char *name, size_t index,
			   bool any_case)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct http_pair *pair = &pairs->items[i];
		int differs = any_case ? strcasecmp(pair->name, name) : strcmp(pair->name, name);

		if (differs == 0 && index-- == 0)
			return pair->value;
	}
	return NULL;
}

struct og_http_request *http_request_new(struct og_http_server *server)
{
	og_cleanup(http_request_freep) struct og_http_request *request =
		calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->server = server;
	request->raw.fd = -EBADF;
	request->file_fd = -EBADF;
	(void)pthread_mutex_init(&request->lock, NULL);
	(void)pthread_cond_init(&request->changed, NULL);
	request->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	request->gone_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (request->wake_fd < 0 || request->gone_fd < 0)
		return NULL;
	return og_take_ptr(request);
}

struct og_http_request *http_request_free(struct og_http_request *request)
{
	if (request == NULL)
		return NULL;
	if (request->thread_started)
		(void)pthread_join(request->thread, NULL);
	og_close(request->wake_fd);
	og_close(request->gone_fd);
	(void)pthread_cond_destroy(&request->changed);
	(void)pthread_mutex_destroy(&request->lock);
	pairs_done(&request->headers);
	pairs_done(&request->query);
	pairs_done(&request->extra);
	free(request->method);
	free(request->path);
	free(request->raw_path);
	og_close(request->file_fd);
	free(request->type);
	free(request->out);
	free(request->early);
	free(request);
	return NULL;
}

/* ---- the handler's thread ---- */

struct start {
	struct og_http_request *request;
	og_http_fn *handle;
	void *data;
};

static void wake(int fd)
{
	(void)eventfd_write(fd, 1);
}

static void *run_handler(void *data)
{
	og_auto_free struct start *start = data;
	struct og_http_request *request = start->request;

	start->handle(request, start->data);

	(void)pthread_mutex_lock(&request->lock);
	request->finished = true;
	(void)pthread_cond_broadcast(&request->changed);
	wake(request->wake_fd);
	(void)pthread_mutex_unlock(&request->lock);
	return NULL;
}

int http_request_start(struct og_http_request *request, og_http_fn *handle, void *data)
{
	og_auto_free struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	int r;

	if (start == NULL)
		return -ENOMEM;
	*start = (struct start){ .request = request, .handle = handle, .data = data };
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, HANDLER_STACK_BYTES);
	r = -pthread_create(&request->thread, &attr, run_handler, start);
	(void)pthread_attr_destroy(&attr);
	if (r < 0)
		return r;
	(void)og_take_ptr(start);
	request->thread_started = true;
	return 0;
}

const char *og_http_method(const struct og_http_request *request)
{
	return request->method;
}

const char *og_http_path(const struct og_http_request *request)
{
	return request->path;
}

const char *og_http_request_header(const struct og_http_request *request, const char *name)
{
	return http_pairs_get(&request->headers, name, 0, true);
}

const char *og_http_query(const struct og_http_request *request, const char *name)
{
	return http_pairs_get(&request->query, name, 0, false);
}

const char *og_http_query_at(const struct og_http_request *request, const char *name, size_t index)
{
	return http_pairs_get(&request->query, name, index, false);
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
	return request->peer;
}

bool og_http_is_tls(const struct og_http_request *request)
{
	(void)request;
	return false;
}

const char *og_http_client_name(const struct og_http_request *request)
{
	(void)request;
	return NULL;
}

int64_t og_http_content_length(const struct og_http_request *request)
{
	const char *length = og_http_request_header(request, "Content-Length");
	int64_t value = 0;

	if (og_http_request_header(request, "Transfer-Encoding") != NULL)
		return -1;
	if (length != NULL)
		(void)og_parse_i64(length, 0, INT64_MAX, &value);
	return value;
}

bool og_http_has_body(const struct og_http_request *request)
{
	return request->has_body;
}

bool og_http_wants_upgrade(const struct og_http_request *request)
{
	return request->wants_upgrade;
}

ssize_t og_http_read(struct og_http_request *request, void *buf, size_t len)
{
	ssize_t n;

	(void)pthread_mutex_lock(&request->lock);
	while (request->chunk_len == 0 && !request->body_done && !request->gone)
		(void)pthread_cond_wait(&request->changed, &request->lock);
	if (request->chunk_len > 0) {
		if (len > request->chunk_len)
			len = request->chunk_len;
		memcpy(buf, request->chunk, len);
		request->chunk += len;
		request->chunk_len -= len;
		if (request->chunk_len == 0)
			(void)pthread_cond_broadcast(&request->changed);
		n = (ssize_t)len;
	} else {
		n = request->body_done ? 0 : -ECONNRESET;
	}
	(void)pthread_mutex_unlock(&request->lock);
	return n;
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
		if (n < 0)
			return og_fail(err, (int)n, "the request's body is incomplete");
		if (n == 0)
			break;
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

void og_http_set_header(struct og_http_request *request, const char *name, const char *value)
{
	(void)http_pairs_add(&request->extra, name, value);
}

/* With the lock held. */
static bool append(struct og_http_request *request, const void *buf, size_t len)
{
	if (request->out_at == request->out_len)
		request->out_at = request->out_len = 0;
	if (len > request->out_room - request->out_len) {
		size_t room = request->out_len + len + 4096;
		char *more = realloc(request->out, room);

		if (more == NULL)
			return false;
		request->out = more;
		request->out_room = room;
	}
	if (len > 0)
		memcpy(request->out + request->out_len, buf, len);
	request->out_len += len;
	return true;
}

/* With the lock held. */
static void set_answer(struct og_http_request *request, enum http_answer answer, int status,
		       const char *type)
{
	request->answer = answer;
	request->status = status;
	request->type = type == NULL ? NULL : strdup(type);
	(void)pthread_cond_broadcast(&request->changed);
}

void og_http_reply(struct og_http_request *request, int status, const char *type, const void *body,
		   size_t len)
{
	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_NONE);
	if (append(request, body, len))
		set_answer(request, HTTP_REPLY, status, type);
	else
		set_answer(request, HTTP_REPLY, 500, NULL);
	(void)pthread_mutex_unlock(&request->lock);
}

void og_http_reply_file(struct og_http_request *request, int status, const char *type, int fd,
			uint64_t offset, uint64_t len)
{
	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_NONE);
	request->file_fd = fd;
	request->file_offset = offset;
	request->size = len;
	set_answer(request, HTTP_FILE, status, type);
	(void)pthread_mutex_unlock(&request->lock);
}

int og_http_stream(struct og_http_request *request, int status, const char *type,
		   struct og_err *err)
{
	return og_http_stream_sized(request, status, type, MHD_SIZE_UNKNOWN, err);
}

int og_http_stream_sized(struct og_http_request *request, int status, const char *type,
			 uint64_t len, struct og_err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_NONE);
	request->size = len;
	if (request->gone)
		r = og_fail(err, -EPIPE, "the client has left");
	else
		set_answer(request, HTTP_STREAM, status, type);
	(void)pthread_mutex_unlock(&request->lock);
	return r;
}

/* With the lock held. 0: there is room for @len more. */
static int await_room(struct og_http_request *request, size_t len)
{
	for (;;) {
		size_t kept = request->out_len - request->out_at;

		if (request->gone)
			return -EPIPE;
		/* Of a request without a body the end may not have been noticed yet. */
		if (!request->body_done && request->has_body)
			return kept + len > OG_HTTP_EARLY_MAX ? -EAGAIN : 0;
		if (kept < HTTP_STREAM_MAX)
			return 0;
		(void)pthread_cond_wait(&request->changed, &request->lock);
	}
}

int og_http_write(struct og_http_request *request, const void *buf, size_t len)
{
	int r;

	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_STREAM);
	r = await_room(request, len);
	if (r == 0 && !append(request, buf, len))
		r = -ENOMEM;
	if (r == 0)
		wake(request->wake_fd);
	(void)pthread_mutex_unlock(&request->lock);
	return r;
}

void og_http_break(struct og_http_request *request)
{
	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_STREAM);
	request->broken = true;
	(void)pthread_mutex_unlock(&request->lock);
}

int og_http_gone_fd(const struct og_http_request *request)
{
	return request->gone_fd;
}

int og_http_upgrade(struct og_http_request *request, const char *protocol, const char *type,
		    struct og_http_raw *ret_raw, struct og_err *err)
{
	int r = 0;

	og_http_set_header(request, "Upgrade", protocol);
	(void)pthread_mutex_lock(&request->lock);
	assert(request->answer == HTTP_NONE);
	set_answer(request, HTTP_UPGRADE, 101, type);
	while (request->answer == HTTP_UPGRADE && !request->gone)
		(void)pthread_cond_wait(&request->changed, &request->lock);
	if (request->answer == HTTP_UPGRADED)
		*ret_raw = request->raw;
	else
		r = og_fail(err, -EPIPE, "the client has left");
	(void)pthread_mutex_unlock(&request->lock);
	return r;
}

bool og_http_answered(const struct og_http_request *request)
{
	return request->answer != HTTP_NONE;
}

int og_http_answer_status(const struct og_http_request *request)
{
	return request->status;
}

/* ---- the connection's thread ---- */

size_t http_request_feed(struct og_http_request *request, const char *buf, size_t len)
{
	size_t left;

	(void)pthread_mutex_lock(&request->lock);
	request->chunk = buf;
	request->chunk_len = len;
	(void)pthread_cond_broadcast(&request->changed);
	while (request->chunk_len > 0 && !request->finished)
		(void)pthread_cond_wait(&request->changed, &request->lock);
	left = request->chunk_len;
	request->chunk_len = 0;
	(void)pthread_mutex_unlock(&request->lock);
	return left;
}

void http_request_body_done(struct og_http_request *request)
{
	(void)pthread_mutex_lock(&request->lock);
	request->body_done = true;
	(void)pthread_cond_broadcast(&request->changed);
	(void)pthread_mutex_unlock(&request->lock);
}

enum http_answer http_request_await(struct og_http_request *request)
{
	enum http_answer answer;

	(void)pthread_mutex_lock(&request->lock);
	while (request->answer == HTTP_NONE && !request->finished)
		(void)pthread_cond_wait(&request->changed, &request->lock);
	answer = request->answer;
	(void)pthread_mutex_unlock(&request->lock);
	return answer;
}

void http_request_set_gone(struct og_http_request *request)
{
	(void)pthread_mutex_lock(&request->lock);
	request->gone = true;
	(void)pthread_cond_broadcast(&request->changed);
	wake(request->gone_fd);
	(void)pthread_mutex_unlock(&request->lock);
}

void http_request_set_raw(struct og_http_request *request, int fd, const char *early, size_t len)
{
	(void)pthread_mutex_lock(&request->lock);
	if (len > 0) {
		request->early = malloc(len);
		if (request->early == NULL)
			request->gone = true;
		else
			memcpy(request->early, early, len);
	}
	request->raw = (struct og_http_raw){
		.fd = fd,
		.early = request->early,
		.early_len = request->early == NULL ? 0 : len,
		.gone_fd = http_server_stop_fd(request->server),
	};
	request->answer = HTTP_UPGRADED;
	(void)pthread_cond_broadcast(&request->changed);
	(void)pthread_mutex_unlock(&request->lock);
}

void http_request_await_finish(struct og_http_request *request)
{
	(void)pthread_mutex_lock(&request->lock);
	while (!request->finished)
		(void)pthread_cond_wait(&request->changed, &request->lock);
	(void)pthread_mutex_unlock(&request->lock);
}

/* With the lock held: bytes moved to @buf; 0: nothing yet, else libmicrohttpd's word for the end. */
static ssize_t take_out(struct og_http_request *request, char *buf, size_t max)
{
	size_t len = request->out_len - request->out_at;

	if (len > max)
		len = max;
	if (len == 0) {
		if (!request->finished)
			return 0;
		return request->broken ? MHD_CONTENT_READER_END_WITH_ERROR
				       : MHD_CONTENT_READER_END_OF_STREAM;
	}
	memcpy(buf, request->out + request->out_at, len);
	request->out_at += len;
	(void)pthread_cond_broadcast(&request->changed);
	return (ssize_t)len;
}

/* Waits for more to send. False: the client has left, or the server ends. */
static bool await_out(struct og_http_request *request)
{
	struct pollfd fds[] = {
		{ .fd = request->wake_fd, .events = POLLIN },
		{ .fd = request->client_fd, .events = POLLRDHUP },
		{ .fd = http_server_stop_fd(request->server), .events = POLLIN },
	};
	eventfd_t count;

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
		return errno == EINTR;
	if (fds[1].revents != 0 || fds[2].revents != 0)
		return false;
	(void)eventfd_read(request->wake_fd, &count);
	return true;
}

ssize_t http_request_drain(void *data, uint64_t offset, char *buf, size_t max)
{
	struct og_http_request *request = data;

	(void)offset;
	for (;;) {
		ssize_t n;

		(void)pthread_mutex_lock(&request->lock);
		n = take_out(request, buf, max);
		(void)pthread_mutex_unlock(&request->lock);
		if (n != 0)
			return n;
		if (!await_out(request)) {
			http_request_set_gone(request);
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
	}
}

uint64_t og_http_answer_bytes(const struct og_http_request *request)
{
	return request->out_len;
}
