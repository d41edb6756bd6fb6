/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/net_header.h"

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#define BIT(n) (1ULL << (n))

/* Kernel 6.2 on; not in older headers. */
#define OFFLOAD_USO4   0x20U
#define OFFLOAD_USO6   0x40U
#define GSO_UDP_L4     5
#define GSO_ECN	       0x80U
#define CHECKSUM_BYTES 2U

/* TCP's and IP's own minimum (RFC 879's 68 less headers): no honest segment is smaller. */
#define GSO_SIZE_MIN 48U

/* Datagrams of one send, as the kernel has it (UDP_MAX_SEGMENTS). */
#define USO_SEGMENTS_MAX 128U

/* Kinds of segmentation: what the driver must have agreed on, in each direction. */
static const struct kind {
	uint8_t type;
	uint64_t host, guest;
} kinds[] = {
	{ VIRTIO_NET_HDR_GSO_TCPV4, BIT(VIRTIO_NET_F_HOST_TSO4), BIT(VIRTIO_NET_F_GUEST_TSO4) },
	{ VIRTIO_NET_HDR_GSO_TCPV6, BIT(VIRTIO_NET_F_HOST_TSO6), BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ VIRTIO_NET_HDR_GSO_UDP, BIT(VIRTIO_NET_F_HOST_UFO), BIT(VIRTIO_NET_F_GUEST_UFO) },
	{ GSO_UDP_L4, BIT(OG_NET_F_HOST_USO), BIT(OG_NET_F_GUEST_USO4) | BIT(OG_NET_F_GUEST_USO6) },
};

static const struct kind *find_kind(uint8_t gso_type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == (gso_type & ~GSO_ECN))
			return &kinds[i];
	return NULL;
}

static bool judge_checksum(const struct og_net_header *header, size_t frame_bytes,
			   uint64_t features)
{
	size_t end = (size_t)header->csum_start + header->csum_offset + CHECKSUM_BYTES;

	return (features & BIT(VIRTIO_NET_F_CSUM)) != 0 &&
	       header->csum_start >= OG_NET_ETHERNET_BYTES && end <= frame_bytes;
}

static bool judge_segments(const struct og_net_header *header, size_t frame_bytes,
			   uint64_t features)
{
	const struct kind *kind = find_kind(header->gso_type);
	size_t payload = frame_bytes - header->csum_start;

	if (kind == NULL || (features & kind->host) == 0 || header->hdr_len > frame_bytes ||
	    (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return false;
	if ((header->gso_type & GSO_ECN) != 0 && (features & BIT(VIRTIO_NET_F_HOST_ECN)) == 0)
		return false;
	if (kind->type == GSO_UDP_L4)
		return header->gso_size > 0 && payload / header->gso_size <= USO_SEGMENTS_MAX;
	return header->gso_size >= GSO_SIZE_MIN;
}

bool og_net_judge_header(struct og_net_header *header, size_t frame_bytes, uint64_t features)
{
	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->num_buffers = 0;
	if (header->flags == 0)
		header->csum_start = header->csum_offset = 0;
	else if (!judge_checksum(header, frame_bytes, features))
		return false;

	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return judge_segments(header, frame_bytes, features);
	header->hdr_len = header->gso_size = 0;
	return true;
}

bool og_net_driver_takes(const struct og_net_header *header, uint64_t features)
{
	const struct kind *kind = find_kind(header->gso_type);

	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 &&
	    (features & BIT(VIRTIO_NET_F_GUEST_CSUM)) == 0)
		return false;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	return kind != NULL && (features & kind->guest) != 0;
}

static const struct {
	uint64_t guest;
	unsigned tap;
} offloads[] = {
	{ BIT(VIRTIO_NET_F_GUEST_TSO4), TUN_F_TSO4 },
	{ BIT(VIRTIO_NET_F_GUEST_TSO6), TUN_F_TSO6 },
	{ BIT(VIRTIO_NET_F_GUEST_ECN), TUN_F_TSO_ECN },
	{ BIT(VIRTIO_NET_F_GUEST_UFO), TUN_F_UFO },
	{ BIT(OG_NET_F_GUEST_USO4), OFFLOAD_USO4 },
	{ BIT(OG_NET_F_GUEST_USO6), OFFLOAD_USO6 },
};

unsigned og_net_tap_offloads(uint64_t features)
{
	unsigned tap = TUN_F_CSUM;

	if ((features & BIT(VIRTIO_NET_F_GUEST_CSUM)) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		if ((features & offloads[i].guest) != 0)
			tap |= offloads[i].tap;
	/* The kernel knows the two only together, and ECN only beside TSO. */
	if ((tap & (OFFLOAD_USO4 | OFFLOAD_USO6)) != (OFFLOAD_USO4 | OFFLOAD_USO6))
		tap &= ~(OFFLOAD_USO4 | OFFLOAD_USO6);
	if ((tap & (TUN_F_TSO4 | TUN_F_TSO6)) == 0)
		tap &= ~(unsigned)TUN_F_TSO_ECN;
	return tap;
}

uint64_t og_net_offload_features(unsigned tap_offloads)
{
	uint64_t features = 0;

	if ((tap_offloads & TUN_F_CSUM) == 0)
		return 0;
	features = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM);
	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		if ((tap_offloads & offloads[i].tap) != 0)
			features |= offloads[i].guest;
	if ((tap_offloads & TUN_F_TSO4) != 0)
		features |= BIT(VIRTIO_NET_F_HOST_TSO4);
	if ((tap_offloads & TUN_F_TSO6) != 0)
		features |= BIT(VIRTIO_NET_F_HOST_TSO6);
	if ((tap_offloads & TUN_F_TSO_ECN) != 0)
		features |= BIT(VIRTIO_NET_F_HOST_ECN);
	if ((tap_offloads & TUN_F_UFO) != 0)
		features |= BIT(VIRTIO_NET_F_HOST_UFO);
	if ((tap_offloads & OFFLOAD_USO4) != 0)
		features |= BIT(OG_NET_F_HOST_USO);
	return features;
}
