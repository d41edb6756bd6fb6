/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata service's network as a hostile guest sees it. Steps: 0 a frame of the input's own bytes
 * (length u8), 1 a segment (flags, port, 128 + offset to what is expected, data's length), with right lengths
 * and checksums, 2 take a frame, 3 time passes, 4 the driver resets.
 */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/mmds/packet.h"
#include "vmm/mmds/stack.h"

#define ANSWER_MAX 9000U

struct input {
	const uint8_t *at;
	size_t left;
};

static uint32_t take(struct input *in, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->at++, in->left--)
		value |= (uint32_t)*in->at << (8 * i);
	return value;
}

static size_t respond(void *data, const char *request, size_t len, uint64_t now_ms, uint64_t nonce,
		      char *answer, size_t size, struct og_mmds_reply *ret_reply)
{
	size_t bytes;

	(void)data;
	(void)now_ms;
	(void)nonce;
	if (len < 4)
		return 0;
	ret_reply->taken = (uint8_t)request[0];
	ret_reply->keep_alive = (request[1] & 1) != 0;
	bytes = (size_t)(uint8_t)request[2] * 40;
	memset(answer, 'a', bytes < size ? bytes : size);
	return bytes;
}

struct guest {
	struct og_mmds_stack *stack;
	uint64_t now_ms;
	uint32_t seq, ack;
};

static void send_raw(struct guest *g, struct input *in)
{
	size_t len = take(in, 1);
	uint8_t *frame;

	if (len > in->left)
		len = in->left;
	frame = malloc(len > 0 ? len : 1);
	if (frame == NULL)
		abort();
	memcpy(frame, in->at, len);
	in->at += len;
	in->left -= len;
	(void)og_mmds_stack_wants(g->stack, frame, len);
	og_mmds_stack_input(g->stack, frame, len, false, g->now_ms);
	free(frame);
}

static void send_segment(struct guest *g, struct input *in)
{
	static const uint8_t mac[6] = { 2 };
	static uint8_t data[256];
	uint8_t frame[600];
	struct og_segment s = {
		.guest_ipv4 = OG_MMDS_IPV4_DEFAULT,
		.our_ipv4 = 1,
		.guest_port = OG_MMDS_PORT,
		.flags = (uint8_t)take(in, 1),
		.our_port = (uint16_t)(take(in, 1) % 24),
		.window = (uint16_t)(take(in, 1) << 6),
		.data = data,
	};

	s.seq = g->seq + take(in, 1) - 128;
	s.ack = g->ack + take(in, 1) - 128;
	s.len = take(in, 1);
	memset(data, (int)(s.len + s.flags), sizeof(data));
	s.mss = (s.flags & OG_TCP_SYN) != 0 ? (uint16_t)(s.len << 4) : 0;
	g->seq = s.seq + (uint32_t)s.len + ((s.flags & (OG_TCP_SYN | OG_TCP_FIN)) != 0);
	og_mmds_stack_input(g->stack, frame, og_segment_write(&s, mac, frame), true, g->now_ms);
}

static void receive(struct guest *g)
{
	uint8_t *frame = malloc(OG_MMDS_FRAME_MAX);
	struct og_segment s;
	bool has = og_mmds_stack_has_output(g->stack, g->now_ms);
	size_t len;

	if (frame == NULL)
		abort();
	len = og_mmds_stack_output(g->stack, frame, g->now_ms);
	if (len > OG_MMDS_FRAME_MAX || (len > 0 && !has))
		abort();
	/* What it says is well formed. */
	if (len > 42 && og_segment_read(frame, len, true, &s) < 0)
		abort();
	if (len > 42)
		g->ack = s.seq + (uint32_t)s.len + ((s.flags & (OG_TCP_SYN | OG_TCP_FIN)) != 0);
	free(frame);
}

/* However it was left: it falls silent, by itself. */
static void fall_silent(struct guest *g)
{
	uint8_t frame[OG_MMDS_FRAME_MAX];
	unsigned frames = 0;

	for (unsigned round = 0; round < 2000; round++) {
		while (og_mmds_stack_output(g->stack, frame, g->now_ms) > 0)
			if (++frames > 20000)
				abort();
		if (og_mmds_stack_next_ms(g->stack) == UINT64_MAX)
			return;
		g->now_ms = og_mmds_stack_next_ms(g->stack);
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct og_mmds_config config = { .respond = respond, .answer_max = ANSWER_MAX };
	struct guest g = { .now_ms = 1, .seq = 100 };
	struct input in = { bytes, size };

	if (og_mmds_stack_new(&config, 1, &g.stack, NULL) < 0)
		abort();
	while (in.left > 0) {
		switch (take(&in, 1) % 5) {
		case 0:
			send_raw(&g, &in);
			break;
		case 1:
			send_segment(&g, &in);
			break;
		case 2:
			receive(&g);
			break;
		case 3:
			g.now_ms += take(&in, 1) * 20;
			break;
		default:
			og_mmds_stack_reset(g.stack);
			break;
		}
	}
	fall_silent(&g);
	og_mmds_stack_free(g.stack);
	return 0;
}
