/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver says of a frame that it sends, in front of it (Virtual I/O Device 1.2, 5.1.6): judged
 * before the kernel sees it. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Newer than the headers of the oldest system that this is built on. */
#define OG_NET_F_GUEST_USO4 54
#define OG_NET_F_GUEST_USO6 55
#define OG_NET_F_HOST_USO   56

/* struct virtio_net_hdr_v1, little endian as this machine is. */
struct og_net_header {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

#define OG_NET_HEADER_BYTES   12U
#define OG_NET_ETHERNET_BYTES 14U

/* 5.1.6.3.1: the longest that a segmented packet may be, VLAN tag included. */
#define OG_NET_FRAME_MAX 65550U

/*
 * Judges the header of a frame of @frame_bytes (its own not counted) that the driver with @features
 * sends, and leaves in it only what the tap may be told. Returns false where it lies: an offset or
 * length outside of the frame, what was not agreed on, segments so small or so many that they would
 * keep the host's kernel busy.
 */
bool og_net_judge_header(struct og_net_header *header, size_t frame_bytes, uint64_t features);

/* Whether a frame for the driver has a header that it can understand. */
bool og_net_driver_takes(const struct og_net_header *header, uint64_t features);

/* The offloads of a tap (TUN_F_*) that a driver with @features takes frames of. */
unsigned og_net_tap_offloads(uint64_t features);

/* All features that a tap with these offloads can have. */
uint64_t og_net_offload_features(unsigned tap_offloads);
