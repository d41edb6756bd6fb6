/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_accept.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"

/* What is peeked at stays readable, so poll() cannot wait for more of it. Only who sends a head in
 * pieces pays for this. */
#define PEEK_AGAIN_MS 5

#define PEEK_STACK_BYTES (128U * 1024U)

struct http_acceptor {
	struct og_http_server *server;
	struct MHD_Daemon *daemon;
	int listen_fd;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t peeking; /* threads that look at a head */
};

struct peek {
	struct http_acceptor *acceptor;
	int fd; /* owned */
	struct sockaddr_storage address;
	socklen_t address_len;
};

/* ---- the head ---- */

static bool is_line_start(const char *buf, size_t at)
{
	return at >= 2 && buf[at - 2] == '\r' && buf[at - 1] == '\n';
}

int http_head_check(const char *buf, size_t len, const char **ret_why)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		*ret_why = NULL;
		if (c == '\n' && (i == 0 || buf[i - 1] != '\r'))
			*ret_why = "a line ends without carriage return";
		else if (c == '\r' && i + 1 < len && buf[i + 1] != '\n')
			*ret_why = "a carriage return stands alone";
		else if ((c == ' ' || c == '\t') && is_line_start(buf, i))
			*ret_why = "a header is folded";
		else if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			*ret_why = "the head has control characters";
		if (*ret_why != NULL)
			return 400;
		if (c == '\n' && i >= 3 && is_line_start(buf, i - 1))
			return 0;
	}
	*ret_why = "the head is too long";
	return len >= OG_HTTP_HEAD_MAX ? 431 : -EAGAIN;
}

static void refuse(const struct http_acceptor *acceptor, int fd, int status, const char *why)
{
	const struct og_http_config *config = http_server_config(acceptor->server);
	og_auto_free char *body = config->error_body(status, why);
	og_auto_free char *answer = NULL;
	char rest[4096];

	if (body == NULL)
		return;
	answer = og_strdupf("HTTP/1.1 %d Bad Request\r\nConnection: close\r\nContent-Type: %s\r\n"
			    "Content-Length: %zu\r\n\r\n%s",
			    status, config->error_type, strlen(body), body);
	if (answer != NULL)
		(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	/* Unread bytes would make the close a reset, and the answer be lost. */
	for (int i = 0; i < 64 && recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
		;
}

/* Waits for the first byte, or a moment for further ones. False: the server ends. */
static bool await_bytes(const struct http_acceptor *acceptor, int fd, size_t have, uint64_t left_ms)
{
	struct pollfd fds[] = {
		{ .fd = http_server_stop_fd(acceptor->server), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int wait_ms = have == 0 ? (int)left_ms : PEEK_AGAIN_MS;

	return poll(fds, have == 0 ? 2 : 1, wait_ms) >= 0 ? fds[0].revents == 0 : errno == EINTR;
}

/* Whether libmicrohttpd may have the connection. */
static bool head_is_clean(const struct http_acceptor *acceptor, int fd)
{
	og_auto_free char *buf = malloc(OG_HTTP_HEAD_MAX);
	uint64_t until = og_clock_ms() + HTTP_HEAD_TIMEOUT_MS;
	const char *why;
	size_t have = 0;

	while (buf != NULL) {
		uint64_t now = og_clock_ms();
		ssize_t n;
		int status;

		if (now >= until || !await_bytes(acceptor, fd, have, until - now))
			return false;
		n = recv(fd, buf, OG_HTTP_HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		have = (size_t)n;
		status = http_head_check(buf, have, &why);
		if (status == 0)
			return true;
		if (status > 0) {
			refuse(acceptor, fd, status, why);
			return false;
		}
	}
	return false;
}

/* ---- threads ---- */

static void peek_over(struct http_acceptor *acceptor)
{
	(void)pthread_mutex_lock(&acceptor->lock);
	acceptor->peeking--;
	(void)pthread_cond_broadcast(&acceptor->changed);
	(void)pthread_mutex_unlock(&acceptor->lock);
}

static void *run_peek(void *data)
{
	og_auto_free struct peek *peek = data;
	struct http_acceptor *acceptor = peek->acceptor;

	/* MHD_add_connection() takes the descriptor over in every case. */
	if (head_is_clean(acceptor, peek->fd))
		(void)MHD_add_connection(acceptor->daemon, peek->fd,
					 (const struct sockaddr *)&peek->address,
					 peek->address_len);
	else
		og_close(peek->fd);
	peek_over(acceptor);
	return NULL;
}

static bool may_peek(struct http_acceptor *acceptor)
{
	bool may;

	(void)pthread_mutex_lock(&acceptor->lock);
	may = acceptor->peeking < OG_HTTP_CONNECTIONS_MAX;
	if (may)
		acceptor->peeking++;
	(void)pthread_mutex_unlock(&acceptor->lock);
	return may;
}

static void start_peek(struct http_acceptor *acceptor, const struct peek *peek)
{
	struct peek *copy = may_peek(acceptor) ? malloc(sizeof(*copy)) : NULL;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (copy == NULL) {
		og_close(peek->fd);
		return;
	}
	*copy = *peek;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, PEEK_STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, run_peek, copy);
	(void)pthread_attr_destroy(&attr);
	if (r != 0) {
		og_close(copy->fd);
		free(copy);
		peek_over(acceptor);
	}
}

static void *run_acceptor(void *data)
{
	struct http_acceptor *acceptor = data;
	struct pollfd fds[] = {
		{ .fd = acceptor->listen_fd, .events = POLLIN },
		{ .fd = http_server_stop_fd(acceptor->server), .events = POLLIN },
	};

	for (;;) {
		struct peek peek = { .acceptor = acceptor, .address_len = sizeof(peek.address) };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents != 0)
			return NULL;
		peek.fd = accept4(acceptor->listen_fd, (struct sockaddr *)&peek.address,
				  &peek.address_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (peek.fd >= 0)
			start_peek(acceptor, &peek);
		else if (errno == EMFILE || errno == ENFILE)
			(void)poll(&fds[1], 1, 100); /* until some are given back */
	}
}

int http_acceptor_new(struct og_http_server *server, int listen_fd, struct MHD_Daemon *daemon,
		      struct http_acceptor **ret_acceptor, struct og_err *err)
{
	struct http_acceptor *acceptor = calloc(1, sizeof(*acceptor));
	int r;

	if (acceptor == NULL) {
		og_close(listen_fd);
		return og_fail(err, -ENOMEM, "accept connections");
	}
	acceptor->server = server;
	acceptor->daemon = daemon;
	acceptor->listen_fd = listen_fd;
	(void)pthread_mutex_init(&acceptor->lock, NULL);
	(void)pthread_cond_init(&acceptor->changed, NULL);
	r = -pthread_create(&acceptor->thread, NULL, run_acceptor, acceptor);
	acceptor->started = r == 0;
	if (r < 0) {
		(void)http_acceptor_free(acceptor);
		return og_fail(err, r, "accept connections");
	}
	*ret_acceptor = acceptor;
	return 0;
}

struct http_acceptor *http_acceptor_free(struct http_acceptor *acceptor)
{
	if (acceptor == NULL)
		return NULL;
	if (acceptor->started)
		(void)pthread_join(acceptor->thread, NULL);
	(void)pthread_mutex_lock(&acceptor->lock);
	while (acceptor->peeking > 0)
		(void)pthread_cond_wait(&acceptor->changed, &acceptor->lock);
	(void)pthread_mutex_unlock(&acceptor->lock);
	og_close(acceptor->listen_fd);
	(void)pthread_cond_destroy(&acceptor->changed);
	(void)pthread_mutex_destroy(&acceptor->lock);
	free(acceptor);
	return NULL;
}
