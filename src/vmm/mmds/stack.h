/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of the metadata service: one address that answers ARP and serves TCP on port 80 to one
 * guest, frame by frame, without I/O.
 *
 * All memory is there from the beginning: a fixed number of connections, each with room for one request
 * and one answer. What does not fit is not acknowledged, or is answered by a reset. Frames for the guest
 * are made when they are asked for, never queued, so nothing grows.
 *
 * RFC 826 (ARP), RFC 791 (IPv4, without options and fragments), RFC 9293 (TCP: no urgent data, no
 * options but the segment size, segments out of order are dropped and come again).
 */
#pragma once

#include "base/cleanup.h"
#include "vmm/mmds/hook.h"

#define OG_MMDS_CONNS_MAX 16
#define OG_MMDS_PORT	  80

/* No frame of ours is longer: a standard Ethernet's. */
#define OG_MMDS_FRAME_MAX 1514U

/* The longest that is taken: a whole request by a guest that leaves cutting to the device. */
#define OG_MMDS_INPUT_MAX (OG_MMDS_REQUEST_ROOM + 14 + 60 + 60)

/* What og_mmds_stack_wants() looks at: ARP's whole message. */
#define OG_MMDS_HEAD_BYTES 42U

struct og_mmds_counts {
	uint64_t accepted, accepted_err, accepted_unusual; /* frames taken in; wrong; unexpected */
	uint64_t frames, bytes;				   /* made for the guest */
	uint64_t created, destroyed;			   /* connections */
};

struct og_mmds_stack;

/* @config is borrowed. @seed is random: sequence numbers come from it. */
int og_mmds_stack_new(const struct og_mmds_config *config, uint64_t seed,
		      struct og_mmds_stack **ret_stack, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_mmds_stack *og_mmds_stack_free(struct og_mmds_stack *stack);
OG_DEFINE_CLEANUP(struct og_mmds_stack, og_mmds_stack_free)

/* Forgets all connections. */
void og_mmds_stack_reset(struct og_mmds_stack *stack);

/* Whether a frame that begins so is for this service. @len may be as short as it likes. */
bool og_mmds_stack_wants(const struct og_mmds_stack *stack, const uint8_t *head, size_t len);

/*
 * Takes a frame that it wants. @summed: its TCP checksum is to be right; a guest that leaves that to
 * the device says so.
 */
void og_mmds_stack_input(struct og_mmds_stack *stack, const uint8_t *frame, size_t len, bool summed,
			 uint64_t now_ms);

/* Whether og_mmds_stack_output() has a frame now. */
bool og_mmds_stack_has_output(const struct og_mmds_stack *stack, uint64_t now_ms);

/* Makes the next frame for the guest, up to OG_MMDS_FRAME_MAX bytes, or 0. */
size_t og_mmds_stack_output(struct og_mmds_stack *stack, uint8_t *ret_frame, uint64_t now_ms);

/* When to ask for output again, although nothing came in: UINT64_MAX: never. */
uint64_t og_mmds_stack_next_ms(const struct og_mmds_stack *stack);

/* What was counted since the last call. */
struct og_mmds_counts og_mmds_stack_take_counts(struct og_mmds_stack *stack);
