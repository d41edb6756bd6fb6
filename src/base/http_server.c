/* SPDX-License-Identifier: Apache-2.0 */
/* A server's making and its end. */
#include "base/http_server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/http_conn.h"

static void set_limits(struct og_http_limits *limits)
{
	if (limits->connections_max == 0)
		limits->connections_max = OG_HTTP_CONNECTIONS_MAX;
	if (limits->head_timeout_s == 0)
		limits->head_timeout_s = OG_HTTP_HEAD_TIMEOUT_S;
	if (limits->idle_timeout_s == 0)
		limits->idle_timeout_s = OG_HTTP_IDLE_S;
	if (limits->drain_max == 0)
		limits->drain_max = OG_HTTP_DRAIN_MAX;
}

static int watch(struct og_http_server *server, int fd, struct http_source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int og_http_server_new(const struct og_http_config *config, struct og_http_server **ret_server,
		       struct og_err *err)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return og_fail(err, -ENOMEM, "make HTTP server");
	server->config = *config;
	set_limits(&server->config.limits);
	server->stop.kind = HTTP_SOURCE_STOP;
	server->queue_end = &server->queue;
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)pthread_cond_init(&server->work, NULL);
	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->stop_fd < 0 || server->epoll_fd < 0 ||
	    watch(server, server->stop_fd, &server->stop) < 0)
		return og_fail(err, -errno, "make HTTP server");
	server->workers_max = server->config.limits.connections_max;
	if (server->workers_max > OG_HTTP_CONNECTIONS_MAX)
		server->workers_max = OG_HTTP_CONNECTIONS_MAX;
	server->workers = calloc(server->workers_max, sizeof(*server->workers));
	if (server->workers == NULL)
		return og_fail(err, -ENOMEM, "make HTTP server");
	*ret_server = og_take_ptr(server);
	return 0;
}

int og_http_server_listen(struct og_http_server *server, int listen_fd,
			  const struct og_http_listen *options, struct og_err *err)
{
	og_auto_fd fd = listen_fd;
	struct http_listener *listener = &server->listeners[server->listener_count];
	int r;

	if (server->listener_count == HTTP_LISTENERS_MAX)
		return og_fail(err, -E2BIG, "more than %d listeners", HTTP_LISTENERS_MAX);
	r = http_pool_start(server, err);
	if (r < 0)
		return r;
	listener->source.kind = HTTP_SOURCE_LISTENER;
	listener->options = *options;
	listener->fd = fd;
	r = watch(server, fd, &listener->source);
	if (r < 0)
		return og_fail(err, r, "listen");
	(void)og_take_fd(&fd);
	server->listener_count++;
	return 0;
}

struct og_http_server *og_http_server_free(struct og_http_server *server)
{
	if (server == NULL)
		return NULL;
	atomic_store(&server->stopping, true);
	(void)eventfd_write(server->stop_fd, 1);
	for (size_t i = 0; i < server->listener_count; i++)
		og_close(server->listeners[i].fd);
	http_pool_stop(server);
	og_close(server->epoll_fd);
	og_close(server->stop_fd);
	(void)pthread_cond_destroy(&server->work);
	(void)pthread_mutex_destroy(&server->lock);
	free(server->workers);
	free(server);
	return NULL;
}
