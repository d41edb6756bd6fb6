/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor that wants nothing is taken out of the loop: epoll reports a hang-up even to those
 * who watch for nothing, and would again and again.
 */
#include "base/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/text.h"

struct og_flow_in {
	struct og_loop *loop;
	int fd; /* owned; negative after the end */
	size_t credit;
	og_flow_data_fn *fn;
	void *data;
	struct og_source *source; /* while it is watched; a timer where epoll refuses */
};

struct og_flow_out {
	struct og_loop *loop;
	int fd; /* owned; negative after the end */
	struct og_text waiting;
	size_t waiting_at;
	bool ends, broken;
	og_flow_passed_fn *fn;
	void *data;
	struct og_source *source;
};

static void in_watch(struct og_flow_in *flow);

static void in_read(struct og_flow_in *flow)
{
	char buf[OG_FLOW_CHUNK];
	size_t most = flow->credit < sizeof(buf) ? flow->credit : sizeof(buf);
	ssize_t n = read(flow->fd, buf, most);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	else if (n <= 0) /* a terminal says EIO when nobody has its other end */
		n = -1;
	if (n > 0) {
		flow->credit -= (size_t)n;
		if (flow->credit == 0)
			flow->source = og_source_remove(flow->source);
	} else if (n < 0) {
		flow->source = og_source_remove(flow->source);
		flow->fd = og_close(flow->fd);
	}
	in_watch(flow);
	if (n != 0)
		flow->fn(buf, n > 0 ? (size_t)n : 0, flow->data);
}

static void in_ready(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	in_read(data);
}

static void in_turn(struct og_source *source, void *data)
{
	struct og_flow_in *flow = data;

	(void)source;
	flow->source = NULL;
	in_read(flow);
}

static void in_watch(struct og_flow_in *flow)
{
	if (flow->fd < 0 || flow->source != NULL || flow->credit == 0)
		return;
	/* A file is always ready: it takes turns with all others. */
	if (og_loop_add_fd(flow->loop, flow->fd, EPOLLIN, in_ready, flow, &flow->source, NULL) ==
	    -EPERM)
		(void)og_loop_add_timer(flow->loop, 0, in_turn, flow, &flow->source, NULL);
}

int og_flow_in_new(struct og_loop *loop, int fd, size_t credit, og_flow_data_fn *fn, void *data,
		   struct og_flow_in **ret_flow, struct og_err *err)
{
	struct og_flow_in *flow = malloc(sizeof(*flow));

	if (flow == NULL) {
		(void)og_close(fd);
		return og_fail(err, -ENOMEM, "allocate a stream");
	}
	*flow = (struct og_flow_in){
		.loop = loop, .fd = fd, .credit = credit, .fn = fn, .data = data
	};
	in_watch(flow);
	*ret_flow = flow;
	return 0;
}

void og_flow_in_credit(struct og_flow_in *flow, size_t more)
{
	flow->credit += more;
	in_watch(flow);
}

size_t og_flow_in_wanted(const struct og_flow_in *flow)
{
	return flow->credit;
}

struct og_flow_in *og_flow_in_free(struct og_flow_in *flow)
{
	if (flow == NULL)
		return NULL;
	(void)og_source_remove(flow->source);
	(void)og_close(flow->fd);
	free(flow);
	return NULL;
}

/* Writes what the descriptor takes. Returns the bytes that are done with. */
static size_t out_drain(struct og_flow_out *flow)
{
	size_t passed = 0;

	while (flow->waiting_at < flow->waiting.len) {
		size_t left = flow->waiting.len - flow->waiting_at;
		ssize_t n = flow->fd < 0
				    ? -1
				    : write(flow->fd, flow->waiting.buf + flow->waiting_at, left);

		if (n < 0 && flow->fd >= 0 && errno == EINTR)
			continue;
		if (n < 0 && flow->fd >= 0 && errno == EAGAIN)
			return passed;
		if (n < 0) {
			flow->broken = true;
			n = (ssize_t)left;
		}
		flow->waiting_at += (size_t)n;
		passed += (size_t)n;
	}
	og_text_clear(&flow->waiting);
	flow->waiting_at = 0;
	return passed;
}

static void out_write(struct og_flow_out *flow);

static void out_ready(struct og_source *source, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	out_write(data);
}

static void out_write(struct og_flow_out *flow)
{
	size_t passed = out_drain(flow);
	bool empty = flow->waiting.len == 0;
	bool ended = empty && flow->ends && flow->fd >= 0;

	if (empty)
		flow->source = og_source_remove(flow->source);
	else if (flow->source == NULL)
		(void)og_loop_add_fd(flow->loop, flow->fd, EPOLLOUT, out_ready, flow, &flow->source,
				     NULL);
	if (ended)
		flow->fd = og_close(flow->fd);
	if (passed > 0 || ended)
		flow->fn(passed, ended, flow->data);
}

int og_flow_out_new(struct og_loop *loop, int fd, og_flow_passed_fn *fn, void *data,
		    struct og_flow_out **ret_flow, struct og_err *err)
{
	struct og_flow_out *flow = malloc(sizeof(*flow));

	if (flow == NULL) {
		(void)og_close(fd);
		return og_fail(err, -ENOMEM, "allocate a stream");
	}
	*flow = (struct og_flow_out){ .loop = loop, .fd = fd, .fn = fn, .data = data };
	*ret_flow = flow;
	return 0;
}

/* Who reads slowly may leave something waiting for ever: what was written goes when it is more than that. */
static void forget_written(struct og_flow_out *flow)
{
	if (flow->waiting_at <= og_flow_out_waiting(flow))
		return;
	og_text_cut(&flow->waiting, flow->waiting_at);
	flow->waiting_at = 0;
}

void og_flow_out_add(struct og_flow_out *flow, const void *bytes, size_t len)
{
	forget_written(flow);
	og_text_add_bytes(&flow->waiting, bytes, len);
	if (flow->source == NULL)
		out_write(flow);
}

void og_flow_out_end(struct og_flow_out *flow)
{
	flow->ends = true;
	if (flow->source == NULL)
		out_write(flow);
}

size_t og_flow_out_waiting(const struct og_flow_out *flow)
{
	return flow->waiting.len - flow->waiting_at;
}

bool og_flow_out_broken(const struct og_flow_out *flow)
{
	return flow->broken;
}

struct og_flow_out *og_flow_out_free(struct og_flow_out *flow)
{
	if (flow == NULL)
		return NULL;
	(void)og_source_remove(flow->source);
	(void)og_close(flow->fd);
	og_text_done(&flow->waiting);
	free(flow);
	return NULL;
}
