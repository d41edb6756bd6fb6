/* SPDX-License-Identifier: Apache-2.0 */
/*
 * og-mmds-tap TAP [LOSS]: the metadata service's network on a tap, so that Linux's own TCP can be the
 * guest. "GET /N" is answered by N bytes; LOSS in a hundred frames get lost each way. Until it is
 * killed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/device/net_header.h"
#include "vmm/mmds/stack.h"
#include "vmm/tap.h"

#define ANSWER_MAX (1U << 20)

static uint64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static size_t respond(void *data, const char *request, size_t len, uint64_t ms, uint64_t nonce,
		      char *answer, size_t size, struct og_mmds_reply *ret_reply)
{
	const char *end = memmem(request, len, "\r\n\r\n", 4);
	const char *close = memmem(request, len, "Connection: close", 17);
	size_t bytes, head;

	(void)data;
	(void)ms;
	(void)nonce;
	if (end == NULL)
		return 0;
	ret_reply->taken = (size_t)(end - request) + 4;
	ret_reply->keep_alive = close == NULL;
	bytes = strtoul(request + strlen("GET /"), NULL, 10);
	head = (size_t)snprintf(answer, size, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
				bytes);
	if (bytes > size - head)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		answer[head + i] = (char)('a' + i % 23);
	return head + bytes;
}

static bool is_lost(unsigned percent)
{
	return (unsigned)rand() % 100 < percent;
}

static void take_frames(int fd, struct og_mmds_stack *stack, unsigned loss)
{
	uint8_t frame[OG_NET_HEADER_BYTES + OG_MMDS_INPUT_MAX];
	ssize_t got;

	while ((got = read(fd, frame, sizeof(frame))) > (ssize_t)OG_NET_HEADER_BYTES) {
		size_t len = (size_t)got - OG_NET_HEADER_BYTES;

		if (og_mmds_stack_wants(stack, frame + OG_NET_HEADER_BYTES, len) && !is_lost(loss))
			og_mmds_stack_input(stack, frame + OG_NET_HEADER_BYTES, len, true,
					    now_ms());
	}
}

static void give_frames(int fd, struct og_mmds_stack *stack, unsigned loss)
{
	uint8_t frame[OG_NET_HEADER_BYTES + OG_MMDS_FRAME_MAX] = {};
	size_t len;

	while ((len = og_mmds_stack_output(stack, frame + OG_NET_HEADER_BYTES, now_ms())) > 0)
		if (!is_lost(loss))
			(void)!write(fd, frame, len + OG_NET_HEADER_BYTES);
}

static int wait_ms(const struct og_mmds_stack *stack)
{
	uint64_t next = og_mmds_stack_next_ms(stack), now = now_ms();

	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)(next - now) : 0;
}

int main(int argc, char **argv)
{
	static const struct og_mmds_config config = { .respond = respond,
						      .answer_max = ANSWER_MAX };
	unsigned loss = argc > 2 ? (unsigned)atoi(argv[2]) : 0, offloads;
	struct og_mmds_stack *stack = NULL;
	struct og_err err = {};
	og_auto_fd fd = -EBADF;

	if (argc < 2 || og_tap_open(argv[1], &fd, &err) < 0 ||
	    og_tap_prepare(fd, &offloads, &err) < 0 ||
	    og_mmds_stack_new(&config, (uint64_t)getpid(), &stack, &err) < 0) {
		(void)fprintf(stderr, "og-mmds-tap: %s\n", err.text);
		return EXIT_FAILURE;
	}
	puts("ready");
	(void)fflush(stdout);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		(void)poll(&p, 1, wait_ms(stack));
		take_frames(fd, stack, loss);
		give_frames(fd, stack, loss);
	}
}
