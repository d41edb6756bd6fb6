/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/test.h"
#include "vmm/device/vsock_conn.h"

#define PORT	   52
#define GUEST_PORT 1024
#define CID	   3

static uint8_t ring[OG_VSOCK_BUFFER_BYTES];

static struct virtio_vsock_hdr packet(uint16_t op, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = OG_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = PORT,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 1000,
	};
}

static enum og_vsock_event hear(struct og_vsock_conn *conn, uint16_t op, uint32_t len)
{
	struct virtio_vsock_hdr header = packet(op, len);

	return og_vsock_hear(conn, &header);
}

static struct virtio_vsock_hdr tell(struct og_vsock_conn *conn, uint32_t bytes)
{
	struct virtio_vsock_hdr header;

	og_vsock_compose(conn, CID, bytes, &header);
	CHECK_EQ(header.src_cid, OG_VSOCK_HOST_CID);
	CHECK_EQ(header.dst_cid, CID);
	CHECK_EQ(header.src_port, PORT);
	CHECK_EQ(header.dst_port, GUEST_PORT);
	CHECK_EQ(header.buf_alloc, OG_VSOCK_BUFFER_BYTES);
	return header;
}

static struct og_vsock_conn open_conn(void)
{
	struct virtio_vsock_hdr request = packet(VIRTIO_VSOCK_OP_REQUEST, 0);
	struct og_vsock_conn conn = { .ring = ring };

	og_vsock_begin_guest(&conn, &request);
	CHECK_EQ(conn.state, OG_VSOCK_ASKED);
	CHECK_EQ(conn.tell, 0);
	og_vsock_granted(&conn);
	CHECK_EQ(tell(&conn, 0).op, VIRTIO_VSOCK_OP_RESPONSE);
	CHECK_EQ(conn.state, OG_VSOCK_OPEN);
	return conn;
}

TEST(a_connection_of_the_hosts_is_open_when_the_guest_took_it)
{
	struct og_vsock_conn conn = { .ring = ring };

	og_vsock_begin_host(&conn, PORT, GUEST_PORT);
	CHECK_EQ(tell(&conn, 0).op, VIRTIO_VSOCK_OP_REQUEST);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RESPONSE, 0), OG_VSOCK_OPENED);
	CHECK_EQ(conn.state, OG_VSOCK_OPEN);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RST, 0), OG_VSOCK_GONE);
}

TEST(what_comes_before_its_time_breaks_the_connection)
{
	static const uint16_t bad_when_asked[] = { VIRTIO_VSOCK_OP_RW,
						   VIRTIO_VSOCK_OP_SHUTDOWN,
						   VIRTIO_VSOCK_OP_REQUEST,
						   VIRTIO_VSOCK_OP_RESPONSE,
						   VIRTIO_VSOCK_OP_INVALID,
						   8,
						   UINT16_MAX };
	struct virtio_vsock_hdr request = packet(VIRTIO_VSOCK_OP_REQUEST, 0);
	struct og_vsock_conn conn = { .ring = ring };

	for (size_t i = 0; i < sizeof(bad_when_asked) / sizeof(bad_when_asked[0]); i++) {
		og_vsock_begin_guest(&conn, &request);
		CHECK_EQ(hear(&conn, bad_when_asked[i], 0), OG_VSOCK_BROKEN);
	}
	/* An answer to a question that was not asked yet. */
	og_vsock_begin_host(&conn, PORT, GUEST_PORT);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RESPONSE, 0), OG_VSOCK_BROKEN);

	conn = open_conn();
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_REQUEST, 0), OG_VSOCK_BROKEN);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RESPONSE, 0), OG_VSOCK_BROKEN);
}

TEST(the_guest_never_has_more_under_way_than_it_was_allowed)
{
	struct og_vsock_conn conn = open_conn();

	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, OG_VSOCK_BUFFER_BYTES + 1), OG_VSOCK_BROKEN);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, UINT32_MAX), OG_VSOCK_BROKEN);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, OG_VSOCK_BUFFER_BYTES), OG_VSOCK_DATA);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_BROKEN);
	og_vsock_passed(&conn, 10);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 11), OG_VSOCK_BROKEN);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 10), OG_VSOCK_DATA);
}

TEST(the_guest_hears_of_room_at_half_a_buffer_and_when_it_asks)
{
	struct og_vsock_conn conn = open_conn();
	struct virtio_vsock_hdr header;

	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, OG_VSOCK_BUFFER_BYTES), OG_VSOCK_DATA);
	og_vsock_passed(&conn, OG_VSOCK_BUFFER_BYTES / 2 - 1);
	CHECK_EQ(conn.tell, 0);
	og_vsock_passed(&conn, 1);
	CHECK_EQ(conn.tell, OG_VSOCK_TELL_UPDATE);
	header = tell(&conn, 0);
	CHECK_EQ(header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	CHECK_EQ(header.fwd_cnt, OG_VSOCK_BUFFER_BYTES / 2);
	CHECK_EQ(conn.tell, 0);

	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0), OG_VSOCK_NOTHING);
	CHECK_EQ(tell(&conn, 0).op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

TEST(the_guest_gets_no_more_than_it_has_room_for_and_is_asked_once)
{
	struct og_vsock_conn conn = open_conn();
	struct virtio_vsock_hdr update = packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);

	CHECK_EQ(og_vsock_room(&conn), 1000);
	CHECK_EQ(tell(&conn, 1000).op, VIRTIO_VSOCK_OP_RW);
	CHECK_EQ(og_vsock_room(&conn), 0);
	CHECK_EQ(tell(&conn, 0).op, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	CHECK_EQ(og_vsock_room(&conn), 0);
	CHECK_EQ(conn.tell, 0);

	update.fwd_cnt = 300;
	CHECK_EQ(og_vsock_hear(&conn, &update), OG_VSOCK_NOTHING);
	CHECK_EQ(og_vsock_room(&conn), 300);
	/* It shrank its buffer below what is under way; it passed on what it never got. */
	update.buf_alloc = 10;
	(void)og_vsock_hear(&conn, &update);
	CHECK_EQ(og_vsock_room(&conn), 0);
	update.buf_alloc = UINT32_MAX - 1;
	update.fwd_cnt = 1001;
	(void)og_vsock_hear(&conn, &update);
	CHECK_EQ(og_vsock_room(&conn), 0);
}

TEST(counters_wrap)
{
	struct og_vsock_conn conn = open_conn();
	struct virtio_vsock_hdr update = packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);

	conn.sent = UINT32_MAX - 100;
	update.fwd_cnt = UINT32_MAX - 100;
	(void)og_vsock_hear(&conn, &update);
	(void)tell(&conn, 500);
	CHECK_EQ(og_vsock_room(&conn), 500);

	conn.received = conn.fwd = conn.told_fwd = UINT32_MAX - 5;
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, OG_VSOCK_BUFFER_BYTES), OG_VSOCK_DATA);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_BROKEN);
	og_vsock_passed(&conn, OG_VSOCK_BUFFER_BYTES);
	CHECK_EQ(conn.tell, OG_VSOCK_TELL_UPDATE);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_DATA);
}

TEST(each_direction_is_shut_by_itself)
{
	struct og_vsock_conn conn = open_conn();
	struct virtio_vsock_hdr shutdown = packet(VIRTIO_VSOCK_OP_SHUTDOWN, 0);

	og_vsock_shut(&conn, VIRTIO_VSOCK_SHUTDOWN_SEND);
	CHECK_EQ(tell(&conn, 0).flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	og_vsock_shut(&conn, VIRTIO_VSOCK_SHUTDOWN_SEND);
	CHECK_EQ(conn.tell, 0);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_DATA);

	shutdown.flags = 0xfffffffcU | VIRTIO_VSOCK_SHUTDOWN_SEND;
	CHECK_EQ(og_vsock_hear(&conn, &shutdown), OG_VSOCK_SHUT);
	CHECK_EQ(conn.guest_shut, VIRTIO_VSOCK_SHUTDOWN_SEND);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_BROKEN);
	og_vsock_shut(&conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	CHECK_EQ(tell(&conn, 0).flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
}

TEST(a_dying_connection_hears_the_last_word_only)
{
	struct og_vsock_conn conn = open_conn();

	conn.state = OG_VSOCK_DYING;
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RW, 1), OG_VSOCK_NOTHING);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_REQUEST, 0), OG_VSOCK_NOTHING);
	CHECK_EQ(hear(&conn, VIRTIO_VSOCK_OP_RST, 0), OG_VSOCK_GONE);
}

/* A70 */
TEST(a_header_promises_no_more_than_there_is)
{
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, 10), out;
	uint8_t bytes[sizeof(header) + 10];
	struct iovec split[sizeof(header)];
	struct iovec whole = { bytes, sizeof(bytes) };
	static const uint32_t bad[] = { 11, 0xffffffffU, 0x80000000U, 0U - 44U, 0U - 34U };

	memcpy(bytes, &header, sizeof(header));
	CHECK_OK(og_vsock_read_header(&whole, 1, sizeof(bytes), &out));
	CHECK_EQ(out.len, 10);
	for (size_t i = 0; i < sizeof(header); i++)
		split[i] = (struct iovec){ bytes + i, 1 };
	split[sizeof(header) - 1].iov_len = 11;
	CHECK_OK(og_vsock_read_header(split, sizeof(header), sizeof(bytes), &out));
	CHECK_EQ(memcmp(&out, &header, sizeof(out)), 0);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		header.len = bad[i];
		memcpy(bytes, &header, sizeof(header));
		CHECK_EQ(og_vsock_read_header(&whole, 1, sizeof(bytes), &out), -EPROTO);
	}
	for (size_t len = 0; len < sizeof(header); len++) {
		whole.iov_len = len;
		CHECK_EQ(og_vsock_read_header(&whole, 1, len, &out), -EPROTO);
	}
}

TEST(what_waits_for_the_host_comes_out_in_order)
{
	struct og_vsock_conn conn = open_conn();
	static uint8_t in[OG_VSOCK_BUFFER_BYTES];
	struct iovec iov[2];
	uint8_t next_in = 0, next_out = 0;

	for (unsigned round = 0; round < 7; round++) {
		size_t len = 40000, n;

		for (size_t i = 0; i < len; i++)
			in[i] = next_in++;
		og_vsock_hold(&conn, &(struct iovec){ in, len }, 1);
		CHECK_EQ(conn.held, len);
		n = og_vsock_held(&conn, iov);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < iov[i].iov_len; k++)
				CHECK_EQ(((uint8_t *)iov[i].iov_base)[k], next_out++);
		og_vsock_release(&conn, (uint32_t)len);
		CHECK_EQ(og_vsock_held(&conn, iov), 0);
	}
	og_vsock_hold(&conn, &(struct iovec){ in, sizeof(in) }, 1);
	og_vsock_hold(&conn, &(struct iovec){ in, sizeof(in) }, 1);
	CHECK_EQ(conn.held, OG_VSOCK_BUFFER_BYTES);
}

TEST(the_first_line_names_a_port)
{
	static const struct {
		const char *text;
		int r;
		uint32_t port;
	} lines[] = {
		{ "CONNECT 52\n", 11, 52 },
		{ "CONNECT 0\n", 10, 0 },
		{ "CONNECT 4294967295\nmore", 19, UINT32_MAX },
		{ "CONNECT 4294967296\n", -EPROTO, 0 },
		{ "CONNECT 99999999999999999999999\n", -EPROTO, 0 },
		{ "CONNECT 52", 0, 0 },
		{ "CONN", 0, 0 },
		{ "CONNECT ", 0, 0 },
		{ "CONNECT \n", -EPROTO, 0 },
		{ "CONNECT -1\n", -EPROTO, 0 },
		{ "CONNECT 52 \n", -EPROTO, 0 },
		{ "CONNECT  52\n", -EPROTO, 0 },
		{ "connect 52\n", -EPROTO, 0 },
		{ "\n", -EPROTO, 0 },
		{ "CONNECT 0000000000000000000000000000052\n", -EPROTO, 0 },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t len = strlen(lines[i].text);
		uint32_t port = 0;

		if (len > OG_VSOCK_LINE_MAX)
			len = OG_VSOCK_LINE_MAX;
		CHECK_EQ(og_vsock_parse_connect(lines[i].text, len, &port), lines[i].r);
		CHECK_EQ(port, lines[i].port);
	}
}

TEST_MAIN(TEST_ENTRY(a_connection_of_the_hosts_is_open_when_the_guest_took_it),
	  TEST_ENTRY(what_comes_before_its_time_breaks_the_connection),
	  TEST_ENTRY(the_guest_never_has_more_under_way_than_it_was_allowed),
	  TEST_ENTRY(the_guest_hears_of_room_at_half_a_buffer_and_when_it_asks),
	  TEST_ENTRY(the_guest_gets_no_more_than_it_has_room_for_and_is_asked_once),
	  TEST_ENTRY(counters_wrap), TEST_ENTRY(each_direction_is_shut_by_itself),
	  TEST_ENTRY(a_dying_connection_hears_the_last_word_only),
	  TEST_ENTRY(a_header_promises_no_more_than_there_is),
	  TEST_ENTRY(what_waits_for_the_host_comes_out_in_order),
	  TEST_ENTRY(the_first_line_names_a_port))
