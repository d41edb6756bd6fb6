/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/mmds/packet.h"

#include <errno.h>
#include <string.h>

#define TYPE_IPV4    0x0800
#define TYPE_ARP     0x0806
#define ARP_ETHERNET 1
#define ARP_REQUEST  1
#define ARP_REPLY    2
#define PROTOCOL_TCP 6
#define TTL	     64
#define NO_FRAGMENTS 0x4000
#define FRAGMENT     0x3fff /* more of them follow, or an offset */

#define OPTION_END	 0
#define OPTION_NOTHING	 1
#define OPTION_MSS	 2
#define OPTION_MSS_BYTES 4U

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

/* RFC 1071, to be folded. */
static uint32_t sum(uint32_t so_far, const uint8_t *bytes, size_t len)
{
	for (; len > 1; bytes += 2, len -= 2)
		so_far += get16(bytes);
	return len > 0 ? so_far + ((uint32_t)bytes[0] << 8) : so_far;
}

static uint16_t fold(uint32_t so_far)
{
	while (so_far >> 16 != 0)
		so_far = (so_far & 0xffff) + (so_far >> 16);
	return (uint16_t)~so_far;
}

/* Over the pseudo header of RFC 9293, 3.1, and the segment. */
static uint16_t tcp_sum(const uint8_t *ip, const uint8_t *tcp, size_t len)
{
	return fold(sum(sum(PROTOCOL_TCP + (uint32_t)len, ip + 12, 8), tcp, len));
}

uint16_t og_packet_kind(const uint8_t *frame, size_t len)
{
	uint16_t type = len >= OG_ETHERNET_BYTES ? get16(frame + 12) : 0;

	return type == TYPE_IPV4 || type == TYPE_ARP ? type : 0;
}

bool og_packet_target(const uint8_t *frame, size_t len, uint32_t *ret_ipv4)
{
	uint16_t kind = og_packet_kind(frame, len);

	if (kind == TYPE_IPV4 && len >= OG_ETHERNET_BYTES + OG_IPV4_BYTES)
		*ret_ipv4 = get32(frame + OG_ETHERNET_BYTES + 16);
	else if (kind == TYPE_ARP && len >= OG_ETHERNET_BYTES + OG_ARP_BYTES)
		*ret_ipv4 = get32(frame + OG_ETHERNET_BYTES + 24);
	else
		return false;
	return true;
}

int og_arp_read(const uint8_t *frame, size_t len, struct og_arp *ret_arp)
{
	const uint8_t *arp = frame + OG_ETHERNET_BYTES;

	if (og_packet_kind(frame, len) != TYPE_ARP || len < OG_ETHERNET_BYTES + OG_ARP_BYTES)
		return -EBADMSG;
	if (get16(arp) != ARP_ETHERNET || get16(arp + 2) != TYPE_IPV4 || arp[4] != OG_MAC_BYTES ||
	    arp[5] != sizeof(uint32_t) || get16(arp + 6) != ARP_REQUEST)
		return -EBADMSG;
	memcpy(ret_arp->mac, arp + 8, OG_MAC_BYTES);
	ret_arp->guest_ipv4 = get32(arp + 14);
	ret_arp->our_ipv4 = get32(arp + 24);
	return 0;
}

static void write_ethernet(const uint8_t *to, const uint8_t *from, uint16_t type,
			   uint8_t *ret_frame)
{
	memcpy(ret_frame, to, OG_MAC_BYTES);
	memcpy(ret_frame + OG_MAC_BYTES, from, OG_MAC_BYTES);
	put16(ret_frame + 12, type);
}

size_t og_arp_write(const struct og_arp *arp, const uint8_t *our_mac, uint8_t *ret_frame)
{
	uint8_t *at = ret_frame + OG_ETHERNET_BYTES;

	write_ethernet(arp->mac, our_mac, TYPE_ARP, ret_frame);
	put16(at, ARP_ETHERNET);
	put16(at + 2, TYPE_IPV4);
	at[4] = OG_MAC_BYTES;
	at[5] = sizeof(uint32_t);
	put16(at + 6, ARP_REPLY);
	memcpy(at + 8, our_mac, OG_MAC_BYTES);
	put32(at + 14, arp->our_ipv4);
	memcpy(at + 18, arp->mac, OG_MAC_BYTES);
	put32(at + 24, arp->guest_ipv4);
	return OG_ETHERNET_BYTES + OG_ARP_BYTES;
}

/* Finds the segment in an IPv4 packet of @len bytes, padding behind it left out. */
static int open_ipv4(const uint8_t *ip, size_t len, const uint8_t **ret_tcp, size_t *ret_len)
{
	size_t header, total;

	if (len < OG_IPV4_BYTES || ip[0] >> 4 != 4)
		return -EBADMSG;
	header = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	if (header < OG_IPV4_BYTES || total < header || total > len)
		return -EBADMSG;
	if (fold(sum(0, ip, header)) != 0 || (get16(ip + 6) & FRAGMENT) != 0)
		return -EBADMSG;
	if (ip[9] != PROTOCOL_TCP)
		return -EPROTONOSUPPORT;
	*ret_tcp = ip + header;
	*ret_len = total - header;
	return 0;
}

/* What cannot be read ends the options; a segment is none the worse for it. */
static uint16_t find_mss(const uint8_t *options, size_t len)
{
	while (len > 0 && options[0] != OPTION_END) {
		size_t bytes = 1;

		if (options[0] != OPTION_NOTHING) {
			if (len < 2 || options[1] < 2 || options[1] > len)
				return 0;
			bytes = options[1];
			if (options[0] == OPTION_MSS && bytes == OPTION_MSS_BYTES)
				return get16(options + 2);
		}
		options += bytes;
		len -= bytes;
	}
	return 0;
}

int og_segment_read(const uint8_t *frame, size_t len, bool summed, struct og_segment *ret_segment)
{
	const uint8_t *ip = frame + OG_ETHERNET_BYTES, *tcp;
	size_t tcp_len, header;
	int r;

	if (og_packet_kind(frame, len) != TYPE_IPV4)
		return -EPROTONOSUPPORT;
	r = open_ipv4(ip, len - OG_ETHERNET_BYTES, &tcp, &tcp_len);
	if (r < 0)
		return r;
	if (tcp_len < OG_TCP_BYTES)
		return -EBADMSG;
	header = (size_t)(tcp[12] >> 4) * 4;
	if (header < OG_TCP_BYTES || header > tcp_len || (summed && tcp_sum(ip, tcp, tcp_len) != 0))
		return -EBADMSG;

	*ret_segment = (struct og_segment){
		.guest_ipv4 = get32(ip + 12),
		.our_ipv4 = get32(ip + 16),
		.guest_port = get16(tcp),
		.our_port = get16(tcp + 2),
		.seq = get32(tcp + 4),
		.ack = get32(tcp + 8),
		.flags = tcp[13],
		.window = get16(tcp + 14),
		.mss = find_mss(tcp + OG_TCP_BYTES, header - OG_TCP_BYTES),
		.data = tcp + header,
		.len = tcp_len - header,
	};
	memcpy(ret_segment->mac, frame + OG_MAC_BYTES, OG_MAC_BYTES);
	return 0;
}

static void write_ipv4(const struct og_segment *segment, size_t tcp_len, uint8_t *ip)
{
	memset(ip, 0, OG_IPV4_BYTES);
	ip[0] = 4 << 4 | OG_IPV4_BYTES / 4;
	put16(ip + 2, (uint16_t)(OG_IPV4_BYTES + tcp_len));
	put16(ip + 6, NO_FRAGMENTS);
	ip[8] = TTL;
	ip[9] = PROTOCOL_TCP;
	put32(ip + 12, segment->our_ipv4);
	put32(ip + 16, segment->guest_ipv4);
	put16(ip + 10, fold(sum(0, ip, OG_IPV4_BYTES)));
}

size_t og_segment_write(const struct og_segment *segment, const uint8_t *our_mac,
			uint8_t *ret_frame)
{
	uint8_t *ip = ret_frame + OG_ETHERNET_BYTES, *tcp = ip + OG_IPV4_BYTES;
	size_t header = OG_TCP_BYTES + (segment->mss != 0 ? OPTION_MSS_BYTES : 0);
	size_t len = header + segment->len;

	write_ethernet(segment->mac, our_mac, TYPE_IPV4, ret_frame);
	write_ipv4(segment, len, ip);
	memset(tcp, 0, header);
	put16(tcp, segment->our_port);
	put16(tcp + 2, segment->guest_port);
	put32(tcp + 4, segment->seq);
	put32(tcp + 8, segment->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = segment->flags;
	put16(tcp + 14, segment->window);
	if (segment->mss != 0) {
		tcp[OG_TCP_BYTES] = OPTION_MSS;
		tcp[OG_TCP_BYTES + 1] = OPTION_MSS_BYTES;
		put16(tcp + OG_TCP_BYTES + 2, segment->mss);
	}
	if (segment->len > 0)
		memmove(tcp + header, segment->data, segment->len);
	put16(tcp + 16, tcp_sum(ip, tcp, len));
	return OG_ETHERNET_BYTES + OG_IPV4_BYTES + len;
}
