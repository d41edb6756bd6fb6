/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/text.h"
#include "vmmapi/http.h"
#include "vmmapi/socket_file.h"

/* Most requests fit; a longer one makes it grow up to what is allowed. */
#define FIRST_BYTES 2048U

/* Who comes while a request takes its time, as to write a snapshot, waits instead of being refused. */
#define BACKLOG 128

struct client {
	struct og_server *server;
	int fd; /* owned; negative: this place is free */
	struct og_source *source;
	char *in; /* owned; NULL while nothing is waited for */
	size_t in_len, in_room;
	struct og_text out;
	size_t out_sent;
	bool continued; /* it was told that it may send its body */
	bool last;	/* no further request is read */
	bool refused; /* what it still sends is not looked at: it hears why before it hears the end */
};

struct og_server {
	struct og_loop *loop;
	struct og_vmmapi *api;
	size_t payload_max;
	struct og_socket_file file;
	int fd;
	struct og_source *source;
	struct client clients[OG_SERVER_CLIENTS_MAX];
};

static void close_client(struct client *client)
{
	client->source = og_source_remove(client->source);
	client->fd = og_close(client->fd);
	free(client->in);
	client->in = NULL;
	client->in_len = client->in_room = client->out_sent = 0;
	client->continued = client->last = client->refused = false;
	og_text_done(&client->out);
}

/* Sends what there is to send. False: the client is gone. */
static bool send_out(struct client *client)
{
	while (client->out_sent < client->out.len) {
		ssize_t n = send(client->fd, client->out.buf + client->out_sent,
				 client->out.len - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			return og_source_watch(client->source, EPOLLOUT) == 0;
		client->out_sent += (size_t)n;
	}
	og_text_done(&client->out);
	client->out_sent = 0;
	if (client->refused)
		(void)shutdown(client->fd, SHUT_WR);
	return (!client->last || client->refused) && og_source_watch(client->source, EPOLLIN) == 0;
}

static void queue_answer(struct client *client, int status, const char *body, const char *more,
			 bool keep_alive)
{
	char head[512];
	size_t len = body == NULL ? 0 : strlen(body);

	client->last |= !keep_alive;
	(void)og_http_answer_head(head, sizeof(head), status,
				  body == NULL ? NULL : "application/json", len, keep_alive, more);
	og_text_add(&client->out, head);
	if (body != NULL)
		og_text_add_bytes(&client->out, body, len);
}

/* What cannot even be read as a request; where the next one begins is not known then. */
static void refuse(struct client *client, int status, const char *text)
{
	og_auto_free char *body = og_vmmapi_fault(text);

	og_log(&client->server->api->logger, OG_LEVEL_ERROR, "api_server",
	       "A request was refused: %s", text);
	queue_answer(client, status, body, "", false);
	client->in_len = 0;
	client->refused = true;
}

static void serve(struct client *client, const struct og_http_request *request, const char *body)
{
	struct og_api_reply reply;

	og_vmmapi_request(client->server->api, request, body, &reply);
	queue_answer(client, reply.status, reply.body,
		     reply.deprecated ? "Deprecation: true\r\n" : "", request->keep_alive);
	free(reply.body);
}

/* Serves the request at the front, if it is complete. Returns whether another may follow. */
static bool take_request(struct client *client)
{
	struct og_http_request request;
	struct og_http_refusal refusal;
	ptrdiff_t head = og_http_parse(client->in, client->in_len, &request, NULL, 0, &refusal);
	size_t whole;

	if (head == 0)
		return false;
	if (head < 0) {
		refuse(client, refusal.status, refusal.text);
		return false;
	}
	if (request.content_length > client->server->payload_max) {
		char text[120];

		(void)snprintf(text, sizeof(text),
			       "Request payload with size %llu is larger than the limit of %zu "
			       "allowed by server.",
			       (unsigned long long)request.content_length,
			       client->server->payload_max);
		refuse(client, 413, text);
		return false;
	}
	whole = (size_t)head + (size_t)request.content_length;
	if (client->in_len < whole) {
		if (request.expects_continue && !client->continued)
			og_text_add(&client->out, "HTTP/1.1 100 Continue\r\n\r\n");
		client->continued |= request.expects_continue;
		return false;
	}
	serve(client, &request, client->in + head);
	client->continued = false;
	client->in_len -= whole;
	memmove(client->in, client->in + whole, client->in_len);
	return !client->last;
}

/* Room for one byte more, at least. False: no memory, or more than any request has. */
static bool make_room(struct client *client)
{
	size_t most = OG_HTTP_HEAD_MAX + client->server->payload_max;
	size_t room = client->in_room == 0 ? FIRST_BYTES : client->in_room * 2;
	char *in;

	if (client->in_len < client->in_room)
		return true;
	if (client->in_room >= most)
		return false;
	in = realloc(client->in, room < most ? room : most);
	if (in == NULL)
		return false;
	client->in = in;
	client->in_room = room < most ? room : most;
	return true;
}

/* Takes requests, each once the answer before it has left. False: the client is gone. */
static bool go_on(struct client *client)
{
	do {
		if (client->out.failed || (client->out.len > 0 && !send_out(client)))
			return false;
		if (client->out.len > 0)
			return true;
	} while (!client->refused && (take_request(client) || client->out.len > 0));
	if (client->in_len == 0) { /* nothing is held for who only waits */
		free(client->in);
		client->in = NULL;
		client->in_room = 0;
	}
	return true;
}

/* False: the client is gone. */
static bool receive(struct client *client)
{
	ssize_t n;

	if (client->refused)
		client->in_len = 0;
	if (!make_room(client))
		return false;
	n = recv(client->fd, client->in + client->in_len, client->in_room - client->in_len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	client->in_len += (size_t)n;
	return go_on(client);
}

static void on_client(struct og_source *source, uint32_t events, void *data)
{
	struct client *client = data;
	bool there;

	(void)source;
	if ((events & EPOLLOUT) != 0)
		there = go_on(client);
	else
		there = receive(client);
	if (!there || (events & EPOLLERR) != 0)
		close_client(client);
}

static struct client *free_place(struct og_server *server)
{
	for (size_t i = 0; i < OG_SERVER_CLIENTS_MAX; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	return NULL;
}

static void turn_away(int fd)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nServer: onggi-vmm\r\n"
				   "Connection: close\r\nContent-Length: 0\r\n\r\n";

	(void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)og_close(fd);
}

static void on_accept(struct og_source *source, uint32_t events, void *data)
{
	struct og_server *server = data;
	struct client *client = free_place(server);
	int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (fd < 0)
		return;
	if (client == NULL) {
		turn_away(fd);
		return;
	}
	client->fd = fd;
	if (og_loop_add_fd(server->loop, fd, EPOLLIN, on_client, client, &client->source, NULL) < 0)
		close_client(client);
}

static int listen_at(struct og_server *server, const char *path, struct og_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return og_fail(err, -ENAMETOOLONG, "API socket '%s'", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return og_fail(err, -errno, "make the API socket");
	mask = umask(077); /* whoever may connect owns the machine */
	r = bind(server->fd, (struct sockaddr *)&address, sizeof(address));
	(void)umask(mask);
	if (r < 0)
		return og_fail(err, -errno, "API socket '%s'", path);
	og_socket_file_note(&server->file, path);
	if (listen(server->fd, BACKLOG) < 0)
		return og_fail(err, -errno, "listen at '%s'", path);
	return 0;
}

int og_server_new(struct og_loop *loop, const char *path, struct og_vmmapi *api, size_t payload_max,
		  struct og_server **ret_server, struct og_err *err)
{
	og_cleanup(og_server_freep) struct og_server *server = calloc(1, sizeof(*server));
	int r;

	if (server == NULL)
		return og_fail(err, -ENOMEM, "make the API's server");
	server->loop = loop;
	server->api = api;
	server->payload_max = payload_max;
	server->fd = -EBADF;
	for (size_t i = 0; i < OG_SERVER_CLIENTS_MAX; i++) {
		server->clients[i].server = server;
		server->clients[i].fd = -EBADF;
	}
	r = listen_at(server, path, err);
	if (r == 0)
		r = og_loop_add_fd(loop, server->fd, EPOLLIN, on_accept, server, &server->source,
				   err);
	if (r < 0)
		return r;
	*ret_server = og_take_ptr(server);
	return 0;
}

struct og_server *og_server_free(struct og_server *server)
{
	if (server == NULL)
		return NULL;
	for (size_t i = 0; i < OG_SERVER_CLIENTS_MAX; i++)
		if (server->clients[i].fd >= 0)
			close_client(&server->clients[i]);
	(void)og_source_remove(server->source);
	(void)og_close(server->fd);
	og_socket_file_remove(&server->file);
	free(server);
	return NULL;
}
