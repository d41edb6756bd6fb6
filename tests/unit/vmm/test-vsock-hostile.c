/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock.h"

TEST(a_program_that_says_anything_else_is_cut_off)
{
	struct machine m;
	int fd;

	begin(&m);
	fd = connect_program(&m, "GET / HTTP/1.1\r\n");
	CHECK(is_closed(fd));
	og_close(fd);
	fd = connect_program(&m, "CONNECT 5");
	CHECK(!is_closed(fd));
	CHECK_OK(shutdown(fd, SHUT_WR));
	og_close(fd);
	og_virtio_work(m.virtio);
	CHECK(!heard_any(&m));
	CHECK_EQ(m.metrics.vsock.conns_added, 2);
	CHECK_EQ(m.metrics.vsock.conns_removed, 2);
	end(&m);
}

TEST(a_guest_that_sends_beyond_its_credit_loses_the_connection)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 0x8000);
	bool reset = false;
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	for (unsigned i = 0; i < 100 && !reset; i++) {
		send_packet(&m, &header, 0);
		while (heard_any(&m))
			reset |= hear(&m, NULL).op == VIRTIO_VSOCK_OP_RST;
	}
	CHECK(reset);
	CHECK(!driver_needs_reset(&m.d));
	og_close(fd);
	end(&m);
}

TEST(a_packet_about_no_connection_is_refused)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_RESPONSE,	VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_SHUTDOWN,	VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0x1234
	};
	struct machine m;
	struct virtio_vsock_hdr header;

	begin(&m);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		send_op(&m, ops[i], PORT);
		header = hear(&m, NULL);
		CHECK_EQ(header.op, VIRTIO_VSOCK_OP_RST);
		CHECK_EQ(header.src_port, PORT);
		CHECK_EQ(header.dst_port, GUEST_PORT);
	}
	send_op(&m, VIRTIO_VSOCK_OP_RST, PORT);
	CHECK(!heard_any(&m));

	header = packet(VIRTIO_VSOCK_OP_REQUEST, PORT, 0);
	header.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	send_packet(&m, &header, 0);
	CHECK_EQ(hear(&m, NULL).type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	header = packet(VIRTIO_VSOCK_OP_REQUEST, PORT, 0);
	header.dst_cid = 7;
	send_packet(&m, &header, 0);
	CHECK_EQ(hear(&m, NULL).src_cid, 7);
	header = packet(VIRTIO_VSOCK_OP_REQUEST, PORT, 0);
	header.src_cid = 7;
	send_packet(&m, &header, 0);
	CHECK(!heard_any(&m));
	CHECK_EQ(m.metrics.vsock.conns_added, 0);
	end(&m);
}

/* A70 */
TEST(a_packet_that_lies_about_its_length_asks_for_a_reset)
{
	static const uint32_t lies[] = { 1, 45, 0x7fffffff, 0xffffffff, 0U - 44U };
	struct machine m;

	begin(&m);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 0);

		header.len = lies[i];
		memcpy(m.d.ram + TX_GPA, &header, sizeof(header));
		driver_desc(&m.d, TX, 0, TX_GPA, sizeof(header), 0, 0);
		driver_offer(&m.d, TX, 0);
		og_virtio_work(m.virtio);
		CHECK(driver_needs_reset(&m.d));
		driver_bring_up(&m.d, m.virtio, 0);
	}
	/* No whole header; one that is to be written. */
	driver_desc(&m.d, TX, 0, TX_GPA, 43, 0, 0);
	driver_offer(&m.d, TX, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	driver_bring_up(&m.d, m.virtio, 0);
	driver_desc(&m.d, TX, 0, TX_GPA, 44, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, TX, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

/* A70 */
TEST(a_header_may_be_split_over_descriptors)
{
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 4), answer;
	struct machine m;
	uint8_t got[8] = {};
	int fd;

	begin_bare(&m);
	/* The guest's own buffer: a byte, 42 bytes, 2000 bytes. */
	driver_desc(&m.d, RX, 0, RX_GPA(0), 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, RX, 1, RX_GPA(0) + 1, 42, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	driver_desc(&m.d, RX, 2, RX_GPA(0) + 43, 2000, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, RX, 0);
	fd = open_from_guest(&m);

	memcpy(m.d.ram + TX_GPA, &header, sizeof(header));
	memcpy(m.d.ram + TX_GPA + sizeof(header), "data", 4);
	driver_desc(&m.d, TX, 0, TX_GPA, 3, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, TX, 1, TX_GPA + 3, 40, VRING_DESC_F_NEXT, 2);
	driver_desc(&m.d, TX, 2, TX_GPA + 43, 3, VRING_DESC_F_NEXT, 3);
	driver_desc(&m.d, TX, 3, TX_GPA + 46, 2, 0, 0);
	driver_offer(&m.d, TX, 0);
	og_virtio_work(m.virtio);
	CHECK_EQ(read(fd, got, sizeof(got)), 4);
	CHECK(memcmp(got, "data", 4) == 0);

	CHECK_EQ(write(fd, "back", 4), 4);
	og_virtio_work(m.virtio);
	answer = hear(&m, NULL);
	CHECK_EQ(answer.len, 4);
	CHECK(memcmp(m.d.ram + RX_GPA(0) + 44, "back", 4) == 0);
	og_close(fd);
	end(&m);
}

TEST(a_buffer_too_small_for_a_packet_asks_for_a_reset)
{
	struct machine m;

	begin_bare(&m);
	driver_desc(&m.d, RX, 0, RX_GPA(0), 44, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, RX, 0);
	send_op(&m, VIRTIO_VSOCK_OP_RW, PORT);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(a_guest_that_takes_nothing_is_not_heard_for_ever)
{
	struct machine m;
	unsigned taken = 0;

	begin_bare(&m);
	for (unsigned i = 0; i < 2 * OG_VIRTQ_SIZE_MAX; i++) {
		send_op(&m, VIRTIO_VSOCK_OP_RW, PORT + i);
		taken = driver_used(&m.d, TX);
		if (taken != i + 1)
			break;
	}
	CHECK_EQ(taken, OG_VIRTQ_SIZE_MAX);
	/* All is answered when it takes the resets. */
	for (unsigned i = 0; i < OG_VIRTQ_SIZE_MAX + 1; i++) {
		driver_desc(&m.d, RX, 0, RX_GPA(0), RX_BYTES, VRING_DESC_F_WRITE, 0);
		driver_offer(&m.d, RX, 0);
		og_virtio_work(m.virtio);
		og_virtio_work(m.virtio); /* the kick */
		CHECK_EQ(driver_used(&m.d, RX), i + 1);
	}
	CHECK_EQ(driver_used(&m.d, TX), OG_VIRTQ_SIZE_MAX + 1);
	end(&m);
}

TEST(connections_are_bounded_and_places_come_back)
{
	struct machine m;
	int fds[OG_VSOCK_CONNS_MAX + 1];

	begin(&m);
	for (unsigned i = 0; i <= OG_VSOCK_CONNS_MAX; i++)
		fds[i] = connect_program(&m, "CONN");
	CHECK_EQ(m.metrics.vsock.conns_added, OG_VSOCK_CONNS_MAX);
	send_op(&m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	fds[0] = og_close(fds[0]);
	og_virtio_work(m.virtio);
	og_virtio_work(m.virtio); /* the kick */
	CHECK_EQ(m.metrics.vsock.conns_added, OG_VSOCK_CONNS_MAX + 1);
	CHECK_EQ(write(fds[OG_VSOCK_CONNS_MAX], "ECT 9\n", 6), 6);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).dst_port, 9);
	og_close_all(fds + 1, OG_VSOCK_CONNS_MAX);
	end(&m);
}

TEST(contexts_that_no_guest_has_are_refused)
{
	static const uint32_t bad[] = { 0, 1, 2, UINT32_MAX };
	struct og_device_world world = { .broker_fd = -EBADF };
	struct og_virtio *virtio;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_virtio_vsock_new(&(struct og_vsock_config){ .guest_cid = bad[i] },
					     &world, &virtio, NULL),
			 -EINVAL);
}

TEST_MAIN(TEST_ENTRY(a_program_that_says_anything_else_is_cut_off),
	  TEST_ENTRY(a_guest_that_sends_beyond_its_credit_loses_the_connection),
	  TEST_ENTRY(a_packet_about_no_connection_is_refused),
	  TEST_ENTRY(a_packet_that_lies_about_its_length_asks_for_a_reset),
	  TEST_ENTRY(a_header_may_be_split_over_descriptors),
	  TEST_ENTRY(a_buffer_too_small_for_a_packet_asks_for_a_reset),
	  TEST_ENTRY(a_guest_that_takes_nothing_is_not_heard_for_ever),
	  TEST_ENTRY(connections_are_bounded_and_places_come_back),
	  TEST_ENTRY(contexts_that_no_guest_has_are_refused))
