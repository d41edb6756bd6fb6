/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/mmds/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/mmds/packet.h"
#include "vmm/mmds/tcp.h"

/* A locally administered address, as Firecracker's. */
static const uint8_t our_mac[OG_MAC_BYTES] = { 0x06, 0x01, 0x23, 0x45, 0x67, 0x01 };

/* Resets for strangers that wait to be sent; a guest that sends nothing else loses some. */
#define RESETS_MAX 8

/* When all connections are taken, one that was silent for so long makes room for a new one. */
#define IDLE_MS 1000U

struct og_mmds_stack {
	const struct og_mmds_config *config;
	uint32_t ipv4;
	uint64_t random;

	bool arp_waits; /* one answer: the guest asks again for those that came too fast */
	struct og_arp arp;

	struct og_segment resets[RESETS_MAX];
	unsigned n_resets;

	struct og_tcp conns[OG_MMDS_CONNS_MAX];
	unsigned next; /* whose turn it is to send */
	char *buffers;

	struct og_mmds_counts counts;
};

/* splitmix64: numbers that do not repeat; the guest is the only one that they are for. */
static uint64_t draw(struct og_mmds_stack *stack)
{
	uint64_t z = stack->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

int og_mmds_stack_new(const struct og_mmds_config *config, uint64_t seed,
		      struct og_mmds_stack **ret_stack, struct og_err *err)
{
	og_cleanup(og_mmds_stack_freep) struct og_mmds_stack *stack = calloc(1, sizeof(*stack));
	size_t each = OG_MMDS_REQUEST_ROOM + config->answer_max;

	if (stack == NULL)
		return og_fail(err, -ENOMEM, "make metadata service");
	stack->buffers = calloc(OG_MMDS_CONNS_MAX, each);
	if (stack->buffers == NULL)
		return og_fail(err, -ENOMEM, "make buffers of the metadata service");
	for (size_t i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		stack->conns[i].request = stack->buffers + i * each;
		stack->conns[i].answer = stack->conns[i].request + OG_MMDS_REQUEST_ROOM;
	}
	stack->config = config;
	stack->ipv4 = config->ipv4 != 0 ? config->ipv4 : OG_MMDS_IPV4_DEFAULT;
	stack->random = seed;
	*ret_stack = og_take_ptr(stack);
	return 0;
}

struct og_mmds_stack *og_mmds_stack_free(struct og_mmds_stack *stack)
{
	if (stack != NULL)
		free(stack->buffers);
	free(stack);
	return NULL;
}

void og_mmds_stack_reset(struct og_mmds_stack *stack)
{
	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		stack->counts.destroyed += stack->conns[i].state != OG_TCP_FREE;
		stack->conns[i].state = OG_TCP_FREE;
	}
	stack->n_resets = 0;
	stack->arp_waits = false;
}

bool og_mmds_stack_wants(const struct og_mmds_stack *stack, const uint8_t *head, size_t len)
{
	uint32_t target;

	return og_packet_target(head, len, &target) && target == stack->ipv4;
}

static struct og_tcp *find(struct og_mmds_stack *stack, const struct og_segment *segment)
{
	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		struct og_tcp *tcp = &stack->conns[i];

		if (tcp->state != OG_TCP_FREE && tcp->guest_port == segment->guest_port &&
		    tcp->guest_ipv4 == segment->guest_ipv4)
			return tcp;
	}
	return NULL;
}

/* A free place, or that of the connection that was silent longest, if it was for long. */
static struct og_tcp *find_place(struct og_mmds_stack *stack, uint64_t now_ms)
{
	struct og_tcp *oldest = &stack->conns[0];

	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		if (stack->conns[i].state == OG_TCP_FREE)
			return &stack->conns[i];
		if (stack->conns[i].active_ms < oldest->active_ms)
			oldest = &stack->conns[i];
	}
	if (now_ms < oldest->active_ms + IDLE_MS)
		return NULL;
	stack->counts.destroyed++;
	return oldest;
}

/* RFC 9293, 3.5.2: what to say to a segment of no connection. */
static void refuse(struct og_mmds_stack *stack, const struct og_segment *segment)
{
	struct og_segment *reset = &stack->resets[stack->n_resets];
	uint32_t len = (uint32_t)segment->len + ((segment->flags & OG_TCP_SYN) != 0) +
		       ((segment->flags & OG_TCP_FIN) != 0);

	stack->counts.accepted_unusual++;
	if ((segment->flags & OG_TCP_RST) != 0 || stack->n_resets == RESETS_MAX)
		return;
	*reset = *segment;
	reset->data = NULL;
	reset->len = 0;
	reset->mss = 0;
	reset->window = 0;
	if ((segment->flags & OG_TCP_ACK) != 0) {
		reset->flags = OG_TCP_RST;
		reset->seq = segment->ack;
		reset->ack = 0;
	} else {
		reset->flags = OG_TCP_RST | OG_TCP_ACK;
		reset->seq = 0;
		reset->ack = segment->seq + len;
	}
	stack->n_resets++;
}

static void open_connection(struct og_mmds_stack *stack, const struct og_segment *segment,
			    uint64_t now_ms)
{
	uint8_t kind = segment->flags & (OG_TCP_SYN | OG_TCP_ACK | OG_TCP_RST | OG_TCP_FIN);
	struct og_tcp *place = NULL;

	if (segment->our_port == OG_MMDS_PORT && kind == OG_TCP_SYN)
		place = find_place(stack, now_ms);
	if (place == NULL) {
		refuse(stack, segment);
		return;
	}
	og_tcp_open(place, segment, (uint32_t)draw(stack), now_ms);
	stack->counts.created++;
}

static void take_segment(struct og_mmds_stack *stack, const struct og_segment *segment,
			 uint64_t now_ms)
{
	struct og_tcp *tcp = segment->our_port == OG_MMDS_PORT ? find(stack, segment) : NULL;

	if (tcp == NULL) {
		open_connection(stack, segment, now_ms);
		return;
	}
	og_tcp_input(tcp, segment, stack->config, draw(stack), now_ms);
	stack->counts.destroyed += tcp->state == OG_TCP_FREE;
}

void og_mmds_stack_input(struct og_mmds_stack *stack, const uint8_t *frame, size_t len, bool summed,
			 uint64_t now_ms)
{
	struct og_segment segment;

	stack->counts.accepted++;
	if (og_arp_read(frame, len, &stack->arp) == 0)
		stack->arp_waits = true;
	else if (og_segment_read(frame, len, summed, &segment) == 0)
		take_segment(stack, &segment, now_ms);
	else
		stack->counts.accepted_err++;
}

bool og_mmds_stack_has_output(const struct og_mmds_stack *stack, uint64_t now_ms)
{
	if (stack->arp_waits || stack->n_resets > 0)
		return true;
	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++)
		if (og_tcp_has_output(&stack->conns[i], now_ms))
			return true;
	return false;
}

static size_t write_segment(const struct og_mmds_stack *stack, struct og_segment *segment,
			    uint8_t *ret_frame)
{
	segment->our_ipv4 = stack->ipv4;
	return og_segment_write(segment, our_mac, ret_frame);
}

/* Takes turns, so that one connection's long answer does not hold up the others. */
static size_t output_conns(struct og_mmds_stack *stack, uint8_t *ret_frame, uint64_t now_ms)
{
	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++) {
		struct og_tcp *tcp = &stack->conns[stack->next++ % OG_MMDS_CONNS_MAX];
		bool was_used = tcp->state != OG_TCP_FREE;
		struct og_segment segment;
		bool got = og_tcp_output(tcp, now_ms, &segment);

		stack->counts.destroyed += was_used && tcp->state == OG_TCP_FREE;
		if (got) {
			segment.our_port = OG_MMDS_PORT;
			return write_segment(stack, &segment, ret_frame);
		}
	}
	return 0;
}

size_t og_mmds_stack_output(struct og_mmds_stack *stack, uint8_t *ret_frame, uint64_t now_ms)
{
	size_t len;

	if (stack->arp_waits) {
		stack->arp_waits = false;
		len = og_arp_write(&stack->arp, our_mac, ret_frame);
	} else if (stack->n_resets > 0) {
		len = write_segment(stack, &stack->resets[--stack->n_resets], ret_frame);
	} else {
		len = output_conns(stack, ret_frame, now_ms);
	}
	stack->counts.frames += len > 0;
	stack->counts.bytes += len;
	return len;
}

uint64_t og_mmds_stack_next_ms(const struct og_mmds_stack *stack)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < OG_MMDS_CONNS_MAX; i++)
		if (stack->conns[i].state != OG_TCP_FREE && stack->conns[i].again_ms < next)
			next = stack->conns[i].again_ms;
	return next;
}

struct og_mmds_counts og_mmds_stack_take_counts(struct og_mmds_stack *stack)
{
	struct og_mmds_counts counts = stack->counts;

	stack->counts = (struct og_mmds_counts){};
	return counts;
}
