/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "monitor/queue.h"

/* One read of output or input. */
#define READ_BYTES (128U * 1024U)

/* More than a pipe's 64 KiB lets a busy workload run while we write its log. */
#define PIPE_BYTES (1024 * 1024)

/* Clients get the end of a stream through shutdown(); a client that ignores it has this long. */
#define FAREWELL_MS 2000U

/*
 * A process has ended, but another holds its pipe still: a child of its, or a VM's supervisor, which
 * has more to deliver. It is heard until it is silent for so long.
 */
#define SILENCE_MS 2000U

struct client {
	struct og_hub *hub;
	struct client *next;
	int fd;
	struct og_source *source;
	struct og_queue queue;
	struct og_monitor_streams streams;
	bool front;
	bool input_ended;     /* it has said all it has to say */
	bool farewell;	      /* all is sent and our side is shut down */
	uint64_t progress_ms; /* when it last took something, while it holds the process up */
};

struct outlet {
	struct og_hub *hub;
	enum og_stdstream_id id;
	int fd;
	struct og_source *source; /* NULL: not read now */
};

struct og_hub {
	struct og_hub_setup setup;
	int child_fds[3];
	struct outlet outlets[2]; /* stdout (or the terminal), stderr */
	int tty_peer_fd; /* kept open: a terminal with no process on it is no end of file */
	int stdin_fd;
	struct og_source *stdin_source; /* while the process is slow to read */
	struct og_queue stdin_queue;
	bool stdin_ending; /* close it when its queue is empty */
	struct client *clients;
	size_t client_count;
	struct og_source *stall_timer;
	struct og_source *farewell_timer;
	struct og_source *silence_timer;
	bool open;
	bool paused; /* a client's queue is full */
	bool ended;  /* the process; */
	bool over;   /* and its output too */
	uint8_t buf[READ_BYTES];
};

static void drop_client(struct client *client);
static void on_client(struct og_source *source, uint32_t events, void *data);

static void set_nonblocking(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int make_pipe(int *ours, int *theirs, int our_end, struct og_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make pipe");
	*ours = fds[our_end];
	*theirs = fds[1 - our_end];
	set_nonblocking(*ours);
	(void)fcntl(*ours, F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static int make_pipes(struct og_hub *hub, struct og_err *err)
{
	int r = 0;

	if (hub->setup.tty)
		return 0;
	if (hub->setup.open_stdin)
		r = make_pipe(&hub->stdin_fd, &hub->child_fds[0], 1, err);
	if (r == 0)
		r = make_pipe(&hub->outlets[0].fd, &hub->child_fds[1], 0, err);
	if (r == 0)
		r = make_pipe(&hub->outlets[1].fd, &hub->child_fds[2], 0, err);
	return r;
}

int og_hub_new(const struct og_hub_setup *setup, struct og_hub **ret_hub, struct og_err *err)
{
	og_cleanup(og_hub_freep) struct og_hub *hub = calloc(1, sizeof(*hub));
	int r;

	if (hub == NULL)
		return og_fail(err, -ENOMEM, "make streams");
	hub->setup = *setup;
	hub->stdin_fd = hub->tty_peer_fd = -EBADF;
	for (int i = 0; i < 3; i++)
		hub->child_fds[i] = -EBADF;
	hub->outlets[0] = (struct outlet){ .hub = hub, .id = OG_STDOUT, .fd = -EBADF };
	hub->outlets[1] = (struct outlet){ .hub = hub, .id = OG_STDERR, .fd = -EBADF };
	r = make_pipes(hub, err);
	if (r < 0)
		return r;
	*ret_hub = og_take_ptr(hub);
	return 0;
}

static void close_outlet(struct outlet *outlet)
{
	outlet->source = og_source_remove(outlet->source);
	outlet->fd = og_close(outlet->fd);
}

static void close_stdin(struct og_hub *hub)
{
	hub->stdin_source = og_source_remove(hub->stdin_source);
	hub->stdin_fd = og_close(hub->stdin_fd);
	og_queue_done(&hub->stdin_queue);
}

struct og_hub *og_hub_free(struct og_hub *hub)
{
	if (hub == NULL)
		return NULL;
	hub->setup.drained = NULL;
	while (hub->clients != NULL)
		drop_client(hub->clients);
	og_source_remove(hub->stall_timer);
	og_source_remove(hub->farewell_timer);
	og_source_remove(hub->silence_timer);
	close_outlet(&hub->outlets[0]);
	close_outlet(&hub->outlets[1]);
	close_stdin(hub);
	og_close(hub->tty_peer_fd);
	og_hub_close_child_fds(hub);
	free(hub);
	return NULL;
}

const int *og_hub_child_fds(const struct og_hub *hub)
{
	return hub->child_fds;
}

void og_hub_close_child_fds(struct og_hub *hub)
{
	for (int i = 0; i < 3; i++)
		hub->child_fds[i] = og_close(hub->child_fds[i]);
}

int og_hub_set_terminal(struct og_hub *hub, int master_fd, struct og_err *err)
{
	hub->outlets[0].fd = master_fd;
	set_nonblocking(master_fd);
	hub->tty_peer_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (!hub->setup.open_stdin)
		return 0;
	hub->stdin_fd = fcntl(master_fd, F_DUPFD_CLOEXEC, 3);
	return hub->stdin_fd < 0 ? og_fail(err, -errno, "open terminal") : 0;
}

int og_hub_resize(struct og_hub *hub, uint16_t rows, uint16_t columns, struct og_err *err)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (!hub->setup.tty)
		return og_fail(err, -ENOTTY, "resize: it was started without a terminal");
	if (hub->outlets[0].fd < 0 || ioctl(hub->outlets[0].fd, TIOCSWINSZ, &size) < 0)
		return og_fail(err, hub->outlets[0].fd < 0 ? -ESRCH : -errno, "resize terminal");
	return 0;
}

size_t og_hub_clients(const struct og_hub *hub)
{
	return hub->client_count;
}

/* ---- output ---- */

static bool wants(const struct client *client, enum og_stdstream_id id)
{
	return id == OG_STDERR ? client->streams.err : client->streams.out;
}

static bool over_limit(const struct client *client)
{
	return client->queue.len > OG_MONITOR_QUEUE_MAX;
}

/* The process is slow to read, so this client's further input waits in its socket. */
static bool is_held(const struct client *client)
{
	return client->streams.in && !client->input_ended && client->hub->stdin_queue.len > 0;
}

static void watch_client(struct client *client)
{
	uint32_t events = client->queue.len > 0 ? EPOLLOUT : 0;

	if (!client->input_ended && !is_held(client))
		events |= EPOLLIN;
	if (client->source != NULL)
		(void)og_source_watch(client->source, events);
	else if (!is_held(client))
		(void)og_loop_add_fd(client->hub->setup.loop, client->fd, events, on_client, client,
				     &client->source, NULL);
}

static void watch_clients(struct og_hub *hub)
{
	for (struct client *client = hub->clients; client != NULL; client = client->next)
		watch_client(client);
}

static void send_to(struct client *client, enum og_stdstream_id id, const uint8_t *bytes,
		    size_t len)
{
	uint8_t header[OG_STDSTREAM_HEADER];
	struct iovec iov[2] = {
		{ .iov_base = header, .iov_len = client->hub->setup.tty ? 0 : sizeof(header) },
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = len },
	};
	bool was_empty = client->queue.len == 0;

	og_stdstream_put(header, id, (uint32_t)len);
	if (og_queue_send(&client->queue, client->fd, iov, 2) < 0) {
		drop_client(client);
		return;
	}
	if (was_empty && client->queue.len > 0) {
		client->progress_ms = og_clock_ms();
		watch_client(client);
	}
}

static void send_to_all(struct og_hub *hub, enum og_stdstream_id id, const uint8_t *bytes,
			size_t len)
{
	struct client *next;

	og_log_write(hub->setup.log, id, bytes, len);
	for (struct client *client = hub->clients; client != NULL; client = next) {
		next = client->next;
		if (wants(client, id))
			send_to(client, id, bytes, len);
	}
}

static void read_outlet(struct og_source *source, uint32_t events, void *data);
static void update_flow(struct og_hub *hub);
static void await_silence(struct og_hub *hub);

static void on_stall(struct og_source *source, void *data)
{
	struct og_hub *hub = data;
	struct client *next;
	uint64_t now = og_clock_ms();

	(void)source;
	hub->stall_timer = NULL;
	for (struct client *client = hub->clients; client != NULL; client = next) {
		next = client->next;
		if (!client->front && over_limit(client) &&
		    now - client->progress_ms >= OG_MONITOR_STALL_MS)
			drop_client(client);
	}
	update_flow(hub);
}

static bool someone_is_behind(const struct og_hub *hub)
{
	for (const struct client *client = hub->clients; client != NULL; client = client->next) {
		if (over_limit(client))
			return true;
	}
	return false;
}

/* Reads the process's output or lets it wait: its sources exist only while it is read. */
static void update_flow(struct og_hub *hub)
{
	hub->paused = someone_is_behind(hub);
	for (int i = 0; i < 2; i++) {
		struct outlet *outlet = &hub->outlets[i];

		if (hub->paused || !hub->open)
			outlet->source = og_source_remove(outlet->source);
		else if (outlet->fd >= 0 && outlet->source == NULL)
			(void)og_loop_add_fd(hub->setup.loop, outlet->fd, EPOLLIN, read_outlet,
					     outlet, &outlet->source, NULL);
	}
	if (hub->paused && hub->stall_timer == NULL)
		(void)og_loop_add_timer(hub->setup.loop, OG_MONITOR_STALL_MS, on_stall, hub,
					&hub->stall_timer, NULL);
	if (!hub->paused)
		hub->stall_timer = og_source_remove(hub->stall_timer);
}

/* Returns the bytes read, 0 at the end of the stream, or -EAGAIN. */
static ptrdiff_t read_some(struct outlet *outlet)
{
	struct og_hub *hub = outlet->hub;

	for (;;) {
		ssize_t n = read(outlet->fd, hub->buf, sizeof(hub->buf));

		if (n > 0)
			send_to_all(hub, outlet->id, hub->buf, (size_t)n);
		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return -EAGAIN;
		if (errno != EINTR)
			return 0; /* EIO: the terminal's other side is closed */
	}
}

static void read_outlet(struct og_source *source, uint32_t events, void *data)
{
	struct outlet *outlet = data;

	(void)source;
	(void)events;
	if (read_some(outlet) == 0)
		close_outlet(outlet);
	if (outlet->hub->ended)
		await_silence(outlet->hub); /* may free the hub */
	else
		update_flow(outlet->hub);
}

void og_hub_open(struct og_hub *hub)
{
	hub->open = true;
	update_flow(hub);
}

/* ---- input ---- */

static void on_stdin(struct og_source *source, uint32_t events, void *data);

static void flush_stdin(struct og_hub *hub)
{
	if (hub->stdin_fd < 0)
		return;
	if (og_queue_flush(&hub->stdin_queue, hub->stdin_fd) < 0) {
		close_stdin(hub); /* the process reads no more */
	} else if (hub->stdin_queue.len > 0) {
		if (hub->stdin_source == NULL)
			(void)og_loop_add_fd(hub->setup.loop, hub->stdin_fd, EPOLLOUT, on_stdin,
					     hub, &hub->stdin_source, NULL);
	} else {
		hub->stdin_source = og_source_remove(hub->stdin_source);
		if (hub->stdin_ending)
			close_stdin(hub);
	}
	watch_clients(hub);
}

static void on_stdin(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	flush_stdin(data);
}

static void take_input(struct client *client, const void *bytes, size_t len)
{
	struct og_hub *hub = client->hub;

	if (!client->streams.in || hub->stdin_fd < 0 || hub->stdin_ending)
		return;
	if (og_queue_add(&hub->stdin_queue, bytes, len) == 0)
		flush_stdin(hub);
}

static void end_input(struct client *client)
{
	struct og_hub *hub = client->hub;

	if (client->input_ended)
		return;
	client->input_ended = true;
	if (client->streams.in && hub->setup.end_stdin && !hub->setup.tty && !hub->stdin_ending) {
		hub->stdin_ending = true;
		flush_stdin(hub);
	}
}

static void read_client(struct client *client)
{
	struct og_hub *hub = client->hub;
	ssize_t n = recv(client->fd, hub->buf, sizeof(hub->buf), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		take_input(client, hub->buf, (size_t)n);
	if (n == 0)
		end_input(client);
	if (n < 0 || (n == 0 && client->farewell))
		drop_client(client);
	else
		watch_client(client);
}

/* ---- clients ---- */

static void check_drained(struct og_hub *hub)
{
	if (hub->over && hub->clients == NULL && hub->setup.drained != NULL)
		hub->setup.drained(hub->setup.data);
}

/* May free the hub, by way of `drained`. */
static void drop_client(struct client *client)
{
	struct og_hub *hub = client->hub;

	end_input(client);
	for (struct client **at = &hub->clients; *at != NULL; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	hub->client_count--;
	og_source_remove(client->source);
	og_close(client->fd);
	og_queue_done(&client->queue);
	free(client);
}

static void on_farewell(struct og_source *source, void *data)
{
	struct og_hub *hub = data;
	struct client *next;

	(void)source;
	hub->farewell_timer = NULL;
	for (struct client *client = hub->clients; client != NULL; client = next) {
		next = client->next;
		if (client->farewell)
			drop_client(client);
	}
	check_drained(hub);
}

/*
 * All of it is sent. The client is told so and closes in its own time: were we to close first,
 * input of its that nobody read would turn its end of file into a reset connection.
 */
static void say_farewell(struct client *client)
{
	struct og_hub *hub = client->hub;

	if (client->input_ended) {
		drop_client(client);
		return;
	}
	client->farewell = true;
	(void)shutdown(client->fd, SHUT_WR);
	if (hub->farewell_timer == NULL)
		(void)og_loop_add_timer(hub->setup.loop, FAREWELL_MS, on_farewell, hub,
					&hub->farewell_timer, NULL);
	watch_client(client);
}

static void flush_client(struct client *client)
{
	ptrdiff_t n = og_queue_flush(&client->queue, client->fd);

	if (n > 0)
		client->progress_ms = og_clock_ms();
	if (n < 0)
		drop_client(client);
	else if (client->queue.len == 0 && client->hub->over)
		say_farewell(client);
	else
		watch_client(client);
}

static void on_client(struct og_source *source, uint32_t events, void *data)
{
	struct client *client = data;
	struct og_hub *hub = client->hub;

	(void)source;
	if ((events & EPOLLIN) != 0)
		read_client(client);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0 && is_held(client))
		client->source = og_source_remove(client->source); /* its input is still wanted */
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		drop_client(client);
	else if ((events & EPOLLOUT) != 0)
		flush_client(client);
	if (!hub->over)
		update_flow(hub);
	check_drained(hub);
}

int og_hub_attach(struct og_hub *hub, int fd, const struct og_monitor_streams *streams, bool front,
		  const void *early, size_t early_len, struct og_err *err)
{
	struct client *client = calloc(1, sizeof(*client));
	int r;

	if (client == NULL) {
		og_close(fd);
		return og_fail(err, -ENOMEM, "attach");
	}
	client->hub = hub;
	client->fd = fd;
	client->streams = *streams;
	client->front = front;
	r = og_loop_add_fd(hub->setup.loop, fd, EPOLLIN, on_client, client, &client->source, err);
	if (r < 0) {
		og_close(fd);
		free(client);
		return r;
	}
	client->next = hub->clients;
	hub->clients = client;
	hub->client_count++;
	if (early_len > 0)
		take_input(client, early, early_len);
	return 0;
}

/* Nothing more will come: each client is sent what waits for it, and its end. */
static void end_output(struct og_hub *hub)
{
	struct client *next;

	hub->over = true;
	hub->stall_timer = og_source_remove(hub->stall_timer);
	hub->silence_timer = og_source_remove(hub->silence_timer);
	close_outlet(&hub->outlets[0]);
	close_outlet(&hub->outlets[1]);
	og_log_finish(hub->setup.log);
	for (struct client *client = hub->clients; client != NULL; client = next) {
		next = client->next;
		if (client->queue.len == 0)
			say_farewell(client);
	}
	check_drained(hub);
}

static void on_silence(struct og_source *source, void *data)
{
	struct og_hub *hub = data;

	(void)source;
	hub->silence_timer = NULL;
	if (hub->paused)
		await_silence(hub); /* it is not read, so nobody knows */
	else
		end_output(hub);
}

/* Goes on reading as long as something comes. May free the hub, by way of `drained`. */
static void await_silence(struct og_hub *hub)
{
	hub->silence_timer = og_source_remove(hub->silence_timer);
	if (hub->outlets[0].fd < 0 && hub->outlets[1].fd < 0) {
		end_output(hub);
		return;
	}
	update_flow(hub);
	if (og_loop_add_timer(hub->setup.loop, SILENCE_MS, on_silence, hub, &hub->silence_timer,
			      NULL) < 0)
		end_output(hub);
}

/* What the process wrote is in the kernel's hands by now, and no more than a pipe holds. */
static void read_rest(struct outlet *outlet)
{
	size_t most = PIPE_BYTES;

	while (outlet->fd >= 0 && most > 0) {
		ptrdiff_t n = read_some(outlet);

		if (n == 0)
			close_outlet(outlet);
		if (n < 0)
			return;
		most -= (size_t)n < most ? (size_t)n : most;
	}
}

void og_hub_end(struct og_hub *hub)
{
	if (hub->ended)
		return;
	hub->ended = true;
	hub->open = true;
	hub->tty_peer_fd = og_close(hub->tty_peer_fd);
	close_stdin(hub);
	read_rest(&hub->outlets[0]);
	read_rest(&hub->outlets[1]);
	og_log_finish(hub->setup.log);
	await_silence(hub);
}
