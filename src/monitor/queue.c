/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A queue that is empty again keeps no more than this. */
#define KEPT_ROOM_MAX 65536U

void og_queue_done(struct og_queue *queue)
{
	free(queue->buf);
	*queue = (struct og_queue){};
}

static int make_room(struct og_queue *queue, size_t len)
{
	size_t needed = queue->len + len;
	size_t room = queue->room == 0 ? 4096 : queue->room;
	uint8_t *buf;

	if (queue->start > 0) {
		memmove(queue->buf, queue->buf + queue->start, queue->len);
		queue->start = 0;
	}
	while (room < needed)
		room *= 2;
	if (room == queue->room)
		return 0;
	buf = realloc(queue->buf, room);
	if (buf == NULL)
		return -ENOMEM;
	queue->buf = buf;
	queue->room = room;
	return 0;
}

int og_queue_add(struct og_queue *queue, const void *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (queue->start + queue->len + len > queue->room && make_room(queue, len) < 0)
		return -ENOMEM;
	memcpy(queue->buf + queue->start + queue->len, bytes, len);
	queue->len += len;
	return 0;
}

/* The monitor ignores SIGPIPE. */
static ptrdiff_t write_now(int fd, struct iovec *iov, int iov_count)
{
	for (;;) {
		ssize_t n = writev(fd, iov, iov_count);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

ptrdiff_t og_queue_flush(struct og_queue *queue, int fd)
{
	struct iovec iov = { .iov_base = queue->buf + queue->start, .iov_len = queue->len };
	ptrdiff_t n;

	if (queue->len == 0)
		return 0;
	n = write_now(fd, &iov, 1);
	if (n <= 0)
		return n;
	queue->start += (size_t)n;
	queue->len -= (size_t)n;
	if (queue->len == 0) {
		queue->start = 0;
		if (queue->room > KEPT_ROOM_MAX)
			og_queue_done(queue);
	}
	return n;
}

int og_queue_send(struct og_queue *queue, int fd, struct iovec *iov, int iov_count)
{
	ptrdiff_t n = 0;

	if (queue->len == 0)
		n = write_now(fd, iov, iov_count);
	if (n < 0)
		return (int)n;
	for (int i = 0; i < iov_count; i++) {
		size_t written = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

		n -= (ptrdiff_t)written;
		if (og_queue_add(queue, (uint8_t *)iov[i].iov_base + written,
				 iov[i].iov_len - written) < 0)
			return -ENOMEM;
	}
	return 0;
}
