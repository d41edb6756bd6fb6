/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet, ARP, IPv4 and TCP headers to and from bytes, as far as the metadata service needs them. The
 * readers take a guest's bytes: every length is checked against what is there. No I/O, no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_MAC_BYTES	  6
#define OG_ETHERNET_BYTES 14U
#define OG_ARP_BYTES	  28U
#define OG_IPV4_BYTES	  20U /* without options */
#define OG_TCP_BYTES	  20U

enum {
	OG_TCP_FIN = 1,
	OG_TCP_SYN = 2,
	OG_TCP_RST = 4,
	OG_TCP_PSH = 8,
	OG_TCP_ACK = 16
};

/* A segment of TCP with whom it is from; in the host's byte order. */
struct og_segment {
	uint8_t mac[OG_MAC_BYTES]; /* the guest's */
	uint32_t guest_ipv4, our_ipv4;
	uint16_t guest_port, our_port;
	uint32_t seq, ack;
	uint16_t window;
	uint16_t mss; /* as its option says; 0: there is none */
	uint8_t flags;
	const uint8_t *data; /* inside of the frame */
	size_t len;
};

/* Who asks by ARP for which address. */
struct og_arp {
	uint8_t mac[OG_MAC_BYTES];
	uint32_t guest_ipv4, our_ipv4;
};

/* 0: some other protocol; otherwise 0x0800 or 0x0806. @len may be as short as it likes. */
uint16_t og_packet_kind(const uint8_t *frame, size_t len);

/* The IPv4 address that a frame is for, or asks for by ARP. False: neither. */
bool og_packet_target(const uint8_t *frame, size_t len, uint32_t *ret_ipv4);

/* Errors: -EBADMSG (no request of ARP, or a broken one). */
int og_arp_read(const uint8_t *frame, size_t len, struct og_arp *ret_arp);

/* The answer, from a guest's to its own. Returns its bytes. */
size_t og_arp_write(const struct og_arp *arp, const uint8_t *our_mac, uint8_t *ret_frame);

/*
 * @summed: the checksum of TCP must be right. Errors: -EBADMSG (lengths that lie, a wrong checksum, a
 * fragment), -EPROTONOSUPPORT (not TCP).
 */
int og_segment_read(const uint8_t *frame, size_t len, bool summed, struct og_segment *ret_segment);

/*
 * Writes the frame of a segment to the guest, with @mss as its option unless that is 0. Its data,
 * @segment->data, may be in the frame already, where it belongs. Returns its bytes.
 */
size_t og_segment_write(const struct og_segment *segment, const uint8_t *our_mac,
			uint8_t *ret_frame);
