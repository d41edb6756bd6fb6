/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to http_*.c: a server, its connections and the threads that serve them.
 *
 * One thread, the front, accepts, and waits for all connections that say nothing: they are parked
 * in its epoll set. One that says something is queued, and a worker takes it: reads the head, runs
 * the handler, sends the answer, and waits a moment for the next request; then it is parked again.
 * So a thread is held by a request, not by a connection, nor by a head that comes slowly. Workers
 * are started as they are needed and used again; there are never more than workers_max.
 *
 * A connection is touched by one thread at a time: the front's while it is parked or queued, else
 * its worker's. Who changes its state holds the server's lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/http_head.h"
#include "base/http_server.h"
#include "base/text.h"
#include "base/tls.h"

#define HTTP_LISTENERS_MAX 16

enum http_source_kind {
	HTTP_SOURCE_STOP,
	HTTP_SOURCE_LISTENER,
	HTTP_SOURCE_CONN,
};

/* What the front's epoll set points to; the first member of each. */
struct http_source {
	enum http_source_kind kind;
};

struct http_listener {
	struct http_source source;
	int fd; /* owned */
	struct og_http_listen options;
};

enum http_conn_state {
	HTTP_RUNNING, /* a worker has it */
	HTTP_PARKED,
	HTTP_QUEUED,
};

struct http_conn {
	struct http_source source;
	struct og_http_server *server;
	const struct http_listener *listener;
	struct http_conn *prev, *next; /* of all */
	struct http_conn *queue_next;
	enum http_conn_state state;
	bool watched; /* it is in the epoll set, perhaps disarmed */
	int fd;	      /* owned, non-blocking */
	int gone_fd;  /* owned; an epoll set of its own, made when somebody asks; or negative */
	struct og_tls *tls;
	bool ready;	   /* the TLS handshake is over, or there is none */
	bool broken;	   /* nothing more can be said to the peer, or is to be */
	bool in_head;	   /* until_ms is the end of patience with a head */
	uint64_t until_ms; /* by og_clock_ms() */
	char peer[48];
	char *buf;   /* owned: what has come and is not used yet, from at to len */
	size_t at;   /* within len */
	size_t len;  /* within room */
	size_t room; /* bytes of buf */
	size_t base; /* where a body's bytes may be put again: behind the head that is being served */
	size_t looked; /* behind at: bytes of a head in which no end was found */
};

enum http_worker_state {
	HTTP_WORKER_FREE,
	HTTP_WORKER_RUNS,
	HTTP_WORKER_ENDED, /* to be joined */
};

struct http_worker {
	struct og_http_server *server;
	pthread_t thread;
	enum http_worker_state state;
};

struct og_http_server {
	struct og_http_config config; /* with no zero left in its limits but min_rate */
	atomic_bool stopping;
	struct http_source stop;
	int stop_fd; /* eventfd: readable for good once the server ends */
	int epoll_fd;
	struct http_listener listeners[HTTP_LISTENERS_MAX];
	size_t listener_count;
	pthread_t front;
	bool front_runs;

	pthread_mutex_t lock; /* of everything below, and of connections' states */
	pthread_cond_t work;
	struct http_conn *conns;
	unsigned conn_count;
	struct http_conn *queue, **queue_end;
	unsigned queued;
	unsigned idle; /* workers that wait */
	unsigned worker_count;
	unsigned workers_max;
	struct http_worker *workers; /* workers_max of them */
};

/* What a worker keeps from one request to the next. */
struct http_scratch {
	struct og_text head; /* of an answer */
	char *block;	     /* HTTP_BLOCK bytes for files over TLS; NULL until it is needed */
};

#define HTTP_BLOCK (128U * 1024U)

/* How much came or went in how much waiting, for min_rate. Zero-initialise it. */
struct http_pace {
	uint64_t bytes;
	uint64_t waited_ms;
};

/* ---- http_conn.c ---- */

/* Takes @fd over. NULL: no memory, or no TLS. */
struct http_conn *http_conn_new(struct og_http_server *server, const struct http_listener *listener,
				int fd, const char *peer);
struct http_conn *http_conn_free(struct http_conn *conn);

/* Waits until @fd, which is not the connection's, is readable. -EPIPE: the peer has left; -ECANCELED. */
int http_conn_wait_for(struct http_conn *conn, int fd);

/* Waits for POLLIN or POLLOUT. 0; -ETIMEDOUT; -ECANCELED: the server ends. @timeout_ms: -1: none. */
int http_conn_wait(struct http_conn *conn, short events, int timeout_ms);

/* Bytes; 0: the peer has ended its side; -EAGAIN: nothing yet; or what is wrong. */
ssize_t http_conn_recv(struct http_conn *conn, void *buf, size_t len);

/* Likewise, but waits as the limits say. */
ssize_t http_conn_recv_wait(struct http_conn *conn, void *buf, size_t len, struct http_pace *pace);

/* Waits until what was -EAGAIN may go on. */
int http_conn_pause(struct http_conn *conn, short events, int timeout_ms, struct http_pace *pace);

/* Sends all of it. @more: further bytes follow at once. @timeout_ms: of one wait. Changes @iov. On
 * an error the connection is broken. */
int http_conn_send(struct http_conn *conn, struct iovec *iov, size_t count, bool more,
		   int timeout_ms, struct http_pace *pace);

/* Sends @len bytes of @fd from @offset. -EIO: it has fewer. */
int http_conn_send_file(struct http_conn *conn, int fd, uint64_t offset, uint64_t len,
			struct http_scratch *scratch, struct http_pace *pace);

/* Makes room for @more bytes behind len. */
int http_conn_make_room(struct http_conn *conn, size_t more);

/* A last answer is sent: waits a little for the peer to read it before the connection is closed. */
void http_conn_linger(struct http_conn *conn, size_t max_bytes);

/* ---- http_serve.c ---- */

enum http_next {
	HTTP_PARK,
	HTTP_CLOSE,
};

/* Serves requests as they come. */
enum http_next http_serve(struct http_conn *conn, struct http_scratch *scratch);

/* ---- http_pool.c ---- */

int http_pool_start(struct og_http_server *server, struct og_err *err);
/* Ends the front and all workers, and frees all connections. stop_fd is readable already. */
void http_pool_stop(struct og_http_server *server);
void http_pool_forget(struct http_conn *conn);

static inline bool http_stops(const struct og_http_server *server)
{
	return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}
