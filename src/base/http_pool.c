/* SPDX-License-Identifier: Apache-2.0 */
/* The front and the workers: who accepts, who waits, who works. See http_conn.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/http_conn.h"
#include "base/thread.h"

/* Handlers parse documents of a megabyte and hash with 64 KiB buffers on the stack. */
#define WORKER_STACK (1024U * 1024U)
#define FRONT_STACK  (256U * 1024U)

#define EVENTS_AT_ONCE	64
#define ACCEPTS_AT_ONCE 64
#define SWEEP_MS	1000

/* A worker that had nothing to do for so long ends, unless few are left. */
#define WORKER_IDLE_S 10
#define WORKERS_KEPT  4U

/* ---- workers ---- */

/* With the lock held. */
static struct http_conn *take_queued(struct og_http_server *server)
{
	struct http_conn *conn = server->queue;

	server->queue = conn->queue_next;
	if (server->queue == NULL)
		server->queue_end = &server->queue;
	server->queued--;
	conn->state = HTTP_RUNNING;
	return conn;
}

void http_pool_forget(struct http_conn *conn)
{
	struct og_http_server *server = conn->server;

	(void)pthread_mutex_lock(&server->lock);
	if (conn->prev == NULL)
		server->conns = conn->next;
	else
		conn->prev->next = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	server->conn_count--;
	(void)pthread_mutex_unlock(&server->lock);
	(void)http_conn_free(conn);
}

/* From here on it is the front's. False: it cannot be watched. */
static bool park(struct http_conn *conn)
{
	struct og_http_server *server = conn->server;
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
		.data.ptr = conn,
	};
	int op = conn->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	bool parked;

	if (conn->tls != NULL && !conn->ready && og_tls_wants_write(conn->tls))
		event.events = EPOLLOUT | EPOLLONESHOT;
	(void)pthread_mutex_lock(&server->lock);
	conn->watched = true;
	conn->state = HTTP_PARKED;
	parked = epoll_ctl(server->epoll_fd, op, conn->fd, &event) == 0;
	if (!parked)
		conn->state = HTTP_RUNNING;
	(void)pthread_mutex_unlock(&server->lock);
	return parked;
}

/* With the lock held. False: the worker is to end. */
static bool await_work(struct og_http_server *server)
{
	while (server->queue == NULL && !http_stops(server)) {
		struct timespec until;
		int r;

		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += WORKER_IDLE_S;
		server->idle++;
		r = pthread_cond_timedwait(&server->work, &server->lock, &until);
		server->idle--;
		if (r == ETIMEDOUT && server->queue == NULL && server->worker_count > WORKERS_KEPT)
			return false;
	}
	return !http_stops(server);
}

static void *run_worker(void *data)
{
	struct http_worker *worker = data;
	struct og_http_server *server = worker->server;
	struct http_scratch scratch = {};

	(void)pthread_mutex_lock(&server->lock);
	while (await_work(server)) {
		struct http_conn *conn = take_queued(server);

		(void)pthread_mutex_unlock(&server->lock);
		if (http_serve(conn, &scratch) == HTTP_CLOSE || !park(conn))
			http_pool_forget(conn);
		(void)pthread_mutex_lock(&server->lock);
	}
	server->worker_count--;
	worker->state = HTTP_WORKER_ENDED;
	(void)pthread_mutex_unlock(&server->lock);
	og_text_done(&scratch.head);
	free(scratch.block);
	return NULL;
}

/* With the lock held. Where none can be started, the others have to do. */
static void start_worker(struct og_http_server *server)
{
	for (unsigned i = 0; i < server->workers_max; i++) {
		struct http_worker *worker = &server->workers[i];

		if (worker->state == HTTP_WORKER_RUNS)
			continue;
		if (worker->state == HTTP_WORKER_ENDED)
			(void)pthread_join(worker->thread, NULL);
		worker->server = server;
		worker->state = HTTP_WORKER_RUNS;
		if (og_thread_start(&worker->thread, WORKER_STACK, run_worker, worker) < 0)
			worker->state = HTTP_WORKER_FREE;
		else
			server->worker_count++;
		return;
	}
}

/* ---- the front ---- */

/* With the lock held. */
static void enqueue(struct http_conn *conn)
{
	struct og_http_server *server = conn->server;

	conn->state = HTTP_QUEUED;
	conn->queue_next = NULL;
	*server->queue_end = conn;
	server->queue_end = &conn->queue_next;
	server->queued++;
	if (server->queued > server->idle && server->worker_count < server->workers_max)
		start_worker(server);
	(void)pthread_cond_signal(&server->work);
}

static bool is_local(const struct http_listener *listener)
{
	return listener->options.peers == OG_HTTP_LOCAL;
}

/* One more than there may be: it hears so, where that needs no waiting. */
static void turn_away(const struct og_http_server *server, const struct http_listener *listener,
		      int fd)
{
	const struct og_http_config *config = &server->config;
	og_auto_free char *body = config->error_body(503, "too many connections at a time");
	og_auto_free char *answer = NULL;
	char rest[4096];

	if (body != NULL && listener->options.tls == NULL)
		answer = og_strdupf("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
				    "Retry-After: 1\r\nContent-Type: %s\r\n"
				    "Content-Length: %zu\r\n\r\n%s",
				    config->error_type, strlen(body), body);
	if (answer != NULL) {
		(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)shutdown(fd, SHUT_WR);
		/* Unread bytes would make the close a reset, and the answer be lost. */
		for (int i = 0; i < 16 && recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
			;
	}
	og_close(fd);
}

static void name_peer(const struct sockaddr_storage *address, char ret_name[48])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	ret_name[0] = '\0';
	if (address->ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &v4->sin_addr, ret_name, 48);
	else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		(void)inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], ret_name, 48);
	else if (address->ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, ret_name, 48);
}

static void take_in(struct og_http_server *server, const struct http_listener *listener, int fd,
		    const struct sockaddr_storage *address)
{
	char peer[48] = "";
	struct http_conn *conn;

	if (!is_local(listener))
		name_peer(address, peer);
	conn = http_conn_new(server, listener, fd, peer);
	if (conn == NULL)
		return;
	(void)pthread_mutex_lock(&server->lock);
	conn->next = server->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	server->conns = conn;
	server->conn_count++;
	enqueue(conn);
	(void)pthread_mutex_unlock(&server->lock);
}

static unsigned count_conns(struct og_http_server *server)
{
	unsigned count;

	(void)pthread_mutex_lock(&server->lock);
	count = server->conn_count;
	(void)pthread_mutex_unlock(&server->lock);
	return count;
}

static void accept_some(struct og_http_server *server, const struct http_listener *listener)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_storage address = {};
		socklen_t len = sizeof(address);
		int fd = accept4(listener->fd, (struct sockaddr *)&address, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0 && count_conns(server) >= server->config.limits.connections_max) {
			turn_away(server, listener, fd);
		} else if (fd >= 0) {
			take_in(server, listener, fd, &address);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			struct pollfd stop = { .fd = server->stop_fd, .events = POLLIN };

			(void)poll(&stop, 1, 100); /* until some are given back */
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

static void wake(struct http_conn *conn)
{
	(void)pthread_mutex_lock(&conn->server->lock);
	if (conn->state == HTTP_PARKED)
		enqueue(conn);
	(void)pthread_mutex_unlock(&conn->server->lock);
}

/* With the lock held. */
static bool unqueue(struct http_conn *conn)
{
	struct og_http_server *server = conn->server;

	for (struct http_conn **link = &server->queue; *link != NULL; link = &(*link)->queue_next) {
		if (*link != conn)
			continue;
		*link = conn->queue_next;
		if (server->queue_end == &conn->queue_next)
			server->queue_end = link;
		server->queued--;
		return true;
	}
	return false;
}

/* Lets go of who has said nothing for too long, or waited too long for a worker. */
static void sweep(struct og_http_server *server)
{
	uint64_t now = og_clock_ms();
	struct http_conn *late = NULL;

	(void)pthread_mutex_lock(&server->lock);
	for (struct http_conn *conn = server->conns; conn != NULL; conn = conn->next) {
		if (conn->state == HTTP_RUNNING || now < conn->until_ms ||
		    (conn->state == HTTP_QUEUED && !unqueue(conn)))
			continue;
		conn->state = HTTP_RUNNING;
		conn->queue_next = late;
		late = conn;
	}
	(void)pthread_mutex_unlock(&server->lock);
	while (late != NULL) {
		struct http_conn *conn = late;

		late = conn->queue_next;
		http_pool_forget(conn);
	}
}

static void *run_front(void *data)
{
	struct og_http_server *server = data;
	uint64_t swept_ms = og_clock_ms();

	while (!http_stops(server)) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int n = epoll_wait(server->epoll_fd, events, EVENTS_AT_ONCE,
				   count_conns(server) > 0 ? SWEEP_MS : -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n && !http_stops(server); i++) {
			struct http_source *source = events[i].data.ptr;

			if (source->kind == HTTP_SOURCE_LISTENER)
				accept_some(server, (struct http_listener *)(void *)source);
			else if (source->kind == HTTP_SOURCE_CONN)
				wake((struct http_conn *)(void *)source);
		}
		if (og_clock_ms() - swept_ms >= SWEEP_MS) {
			sweep(server);
			swept_ms = og_clock_ms();
		}
	}
	return NULL;
}

int http_pool_start(struct og_http_server *server, struct og_err *err)
{
	int r;

	if (server->front_runs)
		return 0;
	r = og_thread_start(&server->front, FRONT_STACK, run_front, server);
	if (r < 0)
		return og_fail(err, r, "start HTTP server");
	server->front_runs = true;
	return 0;
}

void http_pool_stop(struct og_http_server *server)
{
	if (server->front_runs)
		(void)pthread_join(server->front, NULL);
	(void)pthread_mutex_lock(&server->lock);
	(void)pthread_cond_broadcast(&server->work);
	(void)pthread_mutex_unlock(&server->lock);
	/* Nobody starts one any more. */
	for (unsigned i = 0; i < server->workers_max; i++) {
		bool started;

		(void)pthread_mutex_lock(&server->lock);
		started = server->workers[i].state != HTTP_WORKER_FREE;
		(void)pthread_mutex_unlock(&server->lock);
		if (started)
			(void)pthread_join(server->workers[i].thread, NULL);
	}
	while (server->conns != NULL)
		http_pool_forget(server->conns);
}
