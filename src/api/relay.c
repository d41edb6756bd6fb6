/* SPDX-License-Identifier: Apache-2.0 */
#include "api/relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/http_server.h"

/* Not less than what the HTTP server may have read ahead. */
#define BUFFER_BYTES (2 * OG_HTTP_HEAD_MAX)

/* One direction: what was read and not yet written. */
struct flow {
	int from, to;
	char buf[BUFFER_BYTES];
	size_t at, len;
	bool ended;  /* nothing more comes from `from` */
	bool closed; /* and `to` was told so */
};

struct flows {
	struct flow up;	  /* client to workload */
	struct flow down; /* workload to client */
};

static bool is_empty(const struct flow *flow)
{
	return flow->at == flow->len;
}

static bool again(int code)
{
	return code == EAGAIN || code == EINTR;
}

/* False: `to` takes nothing any more. */
static bool drain(struct flow *flow)
{
	while (!is_empty(flow)) {
		ssize_t n = send(flow->to, flow->buf + flow->at, flow->len - flow->at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return again(errno);
		flow->at += (size_t)n;
	}
	flow->at = flow->len = 0;
	return true;
}

/* False: `from` is broken. */
static bool fill(struct flow *flow)
{
	ssize_t n = recv(flow->from, flow->buf, sizeof(flow->buf), MSG_DONTWAIT);

	if (n < 0)
		return again(errno);
	flow->at = 0;
	flow->len = (size_t)n;
	flow->ended = n == 0;
	return true;
}

static short events_of(const struct flow *reads, const struct flow *writes)
{
	short events = 0;

	if (!reads->ended && is_empty(reads))
		events |= POLLIN;
	if (!is_empty(writes))
		events |= POLLOUT;
	return events;
}

static void pass_end(struct flow *up, bool in)
{
	if (!up->ended || up->closed || !is_empty(up))
		return;
	if (in)
		(void)shutdown(up->to, SHUT_WR);
	up->closed = true;
}

/* One round. False: it is over. */
static bool step(struct flows *flows, const struct relay *relay)
{
	struct flow *up = &flows->up, *down = &flows->down;
	struct pollfd fds[] = {
		{ .fd = relay->client_fd, .events = events_of(up, down) },
		{ .fd = relay->stream_fd, .events = events_of(down, up) },
		{ .fd = relay->gone_fd, .events = POLLIN },
	};

	if (poll(fds, 3, -1) < 0)
		return errno == EINTR;
	if (fds[2].revents != 0 || (fds[0].revents & (POLLERR | POLLNVAL)) != 0)
		return false;
	/* Both directions are closed: it has left. */
	if ((fds[0].revents & POLLHUP) != 0 && (fds[0].revents & POLLIN) == 0)
		return false;
	if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && is_empty(down) &&
	    !down->ended && !fill(down))
		down->ended = true;
	if (!drain(down))
		return false;
	if (down->ended && is_empty(down))
		return false;
	if ((fds[0].revents & POLLIN) != 0 && is_empty(up) && !up->ended && !fill(up))
		return false;
	if (!relay->in)
		up->at = up->len = 0;
	if (!drain(up))
		up->at = up->len = 0; /* the workload reads no more; what it writes still counts */
	pass_end(up, relay->in);
	return true;
}

void relay_run(const struct relay *relay)
{
	og_auto_free struct flows *flows = calloc(1, sizeof(*flows));

	if (flows == NULL)
		return;
	flows->up.from = flows->down.to = relay->client_fd;
	flows->up.to = flows->down.from = relay->stream_fd;
	if (relay->in && relay->early_len <= sizeof(flows->up.buf) && relay->early_len > 0) {
		memcpy(flows->up.buf, relay->early, relay->early_len);
		flows->up.len = relay->early_len;
	}
	while (step(flows, relay))
		;
	(void)shutdown(relay->client_fd, SHUT_WR);
}
