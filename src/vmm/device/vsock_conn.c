/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/vsock_conn.h"

#include <errno.h>
#include <string.h>

#include "vmm/device/virtqueue.h"

#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* The guest hears of room as soon as this much is new: it is never stuck, nor told all the time. */
#define UPDATE_BYTES (OG_VSOCK_BUFFER_BYTES / 2)

int og_vsock_read_header(const struct iovec *iov, size_t n, size_t bytes,
			 struct virtio_vsock_hdr *ret_header)
{
	struct virtio_vsock_hdr header;

	if (og_iov_read(iov, n, 0, &header, sizeof(header)) != sizeof(header))
		return -EPROTO;
	if (header.len > bytes - sizeof(header))
		return -EPROTO;
	*ret_header = header;
	return 0;
}

static void hear_credit(struct og_vsock_conn *conn, const struct virtio_vsock_hdr *header)
{
	conn->guest_alloc = header->buf_alloc;
	conn->guest_fwd = header->fwd_cnt;
	conn->asked = false;
}

void og_vsock_begin_guest(struct og_vsock_conn *conn, const struct virtio_vsock_hdr *header)
{
	*conn = (struct og_vsock_conn){
		.state = OG_VSOCK_ASKED,
		.host_port = header->dst_port,
		.guest_port = header->src_port,
		.ring = conn->ring,
	};
	hear_credit(conn, header);
}

void og_vsock_begin_host(struct og_vsock_conn *conn, uint32_t host_port, uint32_t guest_port)
{
	*conn = (struct og_vsock_conn){
		.state = OG_VSOCK_OFFERED,
		.host_port = host_port,
		.guest_port = guest_port,
		.tell = OG_VSOCK_TELL_REQUEST,
		.ring = conn->ring,
	};
}

void og_vsock_granted(struct og_vsock_conn *conn)
{
	conn->state = OG_VSOCK_OPEN;
	conn->tell |= OG_VSOCK_TELL_RESPONSE;
}

static enum og_vsock_event hear_response(struct og_vsock_conn *conn)
{
	if (conn->state != OG_VSOCK_OFFERED || (conn->tell & OG_VSOCK_TELL_REQUEST) != 0)
		return OG_VSOCK_BROKEN;
	conn->state = OG_VSOCK_OPEN;
	return OG_VSOCK_OPENED;
}

static enum og_vsock_event hear_data(struct og_vsock_conn *conn, uint32_t len)
{
	if (conn->state != OG_VSOCK_OPEN || (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0)
		return OG_VSOCK_BROKEN;
	if (len > OG_VSOCK_BUFFER_BYTES - (conn->received - conn->fwd))
		return OG_VSOCK_BROKEN;
	conn->received += len;
	return OG_VSOCK_DATA;
}

enum og_vsock_event og_vsock_hear(struct og_vsock_conn *conn, const struct virtio_vsock_hdr *header)
{
	hear_credit(conn, header);
	if (conn->state == OG_VSOCK_DYING)
		return header->op == VIRTIO_VSOCK_OP_RST ? OG_VSOCK_GONE : OG_VSOCK_NOTHING;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		return hear_response(conn);
	case VIRTIO_VSOCK_OP_RW:
		return hear_data(conn, header->len);
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		conn->guest_shut |= header->flags & SHUT_BOTH;
		return conn->state == OG_VSOCK_OPEN ? OG_VSOCK_SHUT : OG_VSOCK_BROKEN;
	case VIRTIO_VSOCK_OP_RST:
		return OG_VSOCK_GONE;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return OG_VSOCK_NOTHING;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		conn->tell |= OG_VSOCK_TELL_UPDATE;
		return OG_VSOCK_NOTHING;
	default: /* a second REQUEST too */
		return OG_VSOCK_BROKEN;
	}
}

uint32_t og_vsock_room(struct og_vsock_conn *conn)
{
	uint32_t under_way = conn->sent - conn->guest_fwd;

	/* A guest that says it passed on what it never got has an absurd amount under way. */
	if (under_way < conn->guest_alloc)
		return conn->guest_alloc - under_way;
	if (!conn->asked)
		conn->tell |= OG_VSOCK_TELL_ASK;
	conn->asked = true;
	return 0;
}

void og_vsock_passed(struct og_vsock_conn *conn, uint32_t bytes)
{
	conn->fwd += bytes;
	if (conn->fwd - conn->told_fwd >= UPDATE_BYTES)
		conn->tell |= OG_VSOCK_TELL_UPDATE;
}

void og_vsock_shut(struct og_vsock_conn *conn, uint8_t flags)
{
	if ((conn->host_shut | flags) == conn->host_shut)
		return;
	conn->host_shut |= flags;
	conn->tell |= OG_VSOCK_TELL_SHUTDOWN;
}

void og_vsock_compose(struct og_vsock_conn *conn, uint64_t guest_cid, uint32_t bytes,
		      struct virtio_vsock_hdr *ret_header)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_REQUEST,       VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_RST,	       VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_CREDIT_REQUEST
	};
	unsigned tell = conn->tell & -conn->tell;
	uint16_t op = tell != 0 ? ops[__builtin_ctz(tell)] : VIRTIO_VSOCK_OP_RW;

	*ret_header = (struct virtio_vsock_hdr){
		.src_cid = OG_VSOCK_HOST_CID,
		.dst_cid = guest_cid,
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.len = bytes,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? conn->host_shut : 0,
		.buf_alloc = OG_VSOCK_BUFFER_BYTES,
		.fwd_cnt = conn->fwd,
	};
	conn->sent += bytes;
	conn->told_fwd = conn->fwd;
	/* Every packet tells our credit. */
	conn->tell &= ~(tell | OG_VSOCK_TELL_UPDATE);
}

void og_vsock_refuse(const struct virtio_vsock_hdr *heard, struct virtio_vsock_hdr *ret_header)
{
	*ret_header = (struct virtio_vsock_hdr){
		.src_cid = heard->dst_cid,
		.dst_cid = heard->src_cid,
		.src_port = heard->dst_port,
		.dst_port = heard->src_port,
		.type = heard->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

static void hold(struct og_vsock_conn *conn, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		uint32_t at = (conn->first + conn->held) % OG_VSOCK_BUFFER_BYTES;
		uint32_t part = OG_VSOCK_BUFFER_BYTES - at;

		if (part > OG_VSOCK_BUFFER_BYTES - conn->held)
			part = OG_VSOCK_BUFFER_BYTES - conn->held;
		if (part > len)
			part = (uint32_t)len;
		if (part == 0)
			return;
		memcpy(conn->ring + at, bytes, part);
		conn->held += part;
		bytes += part;
		len -= part;
	}
}

void og_vsock_hold(struct og_vsock_conn *conn, const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hold(conn, iov[i].iov_base, iov[i].iov_len);
}

size_t og_vsock_held(const struct og_vsock_conn *conn, struct iovec ret_iov[2])
{
	uint32_t part = OG_VSOCK_BUFFER_BYTES - conn->first;

	if (conn->held == 0)
		return 0;
	if (part > conn->held)
		part = conn->held;
	ret_iov[0] = (struct iovec){ conn->ring + conn->first, part };
	ret_iov[1] = (struct iovec){ conn->ring, conn->held - part };
	return part < conn->held ? 2 : 1;
}

void og_vsock_release(struct og_vsock_conn *conn, uint32_t bytes)
{
	conn->first = (conn->first + bytes) % OG_VSOCK_BUFFER_BYTES;
	conn->held -= bytes;
}

int og_vsock_parse_connect(const char *text, size_t len, uint32_t *ret_port)
{
	static const char word[] = "CONNECT ";
	const size_t before = sizeof(word) - 1;
	uint64_t port = 0;
	size_t at;

	if (memcmp(text, word, len < before ? len : before) != 0)
		return -EPROTO;
	for (at = before; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
		port = port * 10 + (uint64_t)(text[at] - '0');
		if (port > UINT32_MAX)
			return -EPROTO;
	}
	if (at >= len)
		return len < OG_VSOCK_LINE_MAX ? 0 : -EPROTO;
	if (text[at] != '\n' || at == before)
		return -EPROTO;
	*ret_port = (uint32_t)port;
	return (int)at + 1;
}
