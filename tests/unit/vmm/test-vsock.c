/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock.h"

TEST(the_driver_reads_its_context)
{
	struct machine m;

	begin(&m);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG, 4), CID);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + 4, 4), 0);
	end(&m);
}

TEST(bytes_go_both_ways_from_a_program_of_the_host)
{
	struct machine m;
	struct virtio_vsock_hdr header;
	const uint8_t *data;
	uint8_t got[16] = {};
	uint32_t port;
	int fd;

	begin(&m);
	fd = open_from_host(&m, &port);
	CHECK(port >= 1U << 30);
	CHECK_EQ(write(fd, "hello", 5), 5);
	og_virtio_work(m.virtio);
	header = hear(&m, &data);
	CHECK_EQ(header.op, VIRTIO_VSOCK_OP_RW);
	CHECK_EQ(header.len, 5);
	CHECK(memcmp(data, "hello", 5) == 0);

	header = packet(VIRTIO_VSOCK_OP_RW, port, 7);
	send_packet(&m, &header, 'x');
	CHECK_EQ(read(fd, got, sizeof(got)), 7);
	CHECK(memcmp(got, "xxxxxxx", 7) == 0);
	CHECK_EQ(m.metrics.vsock.rx_bytes_count, 5);
	CHECK_EQ(m.metrics.vsock.tx_bytes_count, 7);
	og_close(fd);
	end(&m);
}

TEST(what_follows_the_first_line_is_for_the_guest)
{
	struct machine m;
	const uint8_t *data;
	uint32_t port;
	int fd;

	begin(&m);
	fd = connect_program(&m, "CONN");
	CHECK(!heard_any(&m));
	CHECK_EQ(write(fd, "ECT 1024\nearly", 14), 14);
	og_virtio_work(m.virtio);
	port = hear(&m, NULL).src_port;
	CHECK(!heard_any(&m));
	send_op(&m, VIRTIO_VSOCK_OP_RESPONSE, port);
	CHECK_EQ(hear(&m, &data).len, 5);
	CHECK(memcmp(data, "early", 5) == 0);
	og_close(fd);
	end(&m);
}

TEST(a_guest_where_nobody_listens_cuts_the_program_off)
{
	struct machine m;
	int fd;

	begin(&m);
	fd = connect_program(&m, "CONNECT 1024\n");
	send_op(&m, VIRTIO_VSOCK_OP_RST, hear(&m, NULL).src_port);
	CHECK(is_closed(fd));
	og_close(fd);
	end(&m);
}

TEST(a_guest_that_does_not_answer_is_not_waited_for)
{
	struct machine m;
	int fd;

	begin(&m);
	fd = connect_program(&m, "CONNECT 1024\n");
	(void)hear(&m, NULL);
	(void)usleep(2100 * 1000);
	og_virtio_work(m.virtio);
	CHECK(is_closed(fd));
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	og_close(fd);
	end(&m);
}

TEST(bytes_go_both_ways_from_a_program_of_the_guest)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 1000);
	uint8_t got[2000];
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	send_packet(&m, &header, 'y');
	CHECK_EQ(read(fd, got, sizeof(got)), 1000);
	CHECK_EQ(write(fd, "answer", 6), 6);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).len, 6);
	og_close(fd);
	end(&m);
}

TEST(a_port_that_nobody_listens_at_is_refused)
{
	struct machine m;

	begin(&m);
	send_op(&m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	CHECK(!heard_any(&m));
	CHECK_EQ(og_broker_serve(m.broker_fd, PATH), 1);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	CHECK_EQ(m.metrics.vsock.conns_removed, 1);
	end(&m);
}

TEST(an_answer_that_comes_too_late_is_closed)
{
	struct machine m;
	int listener = listen_port(PATH "_52"), fd;

	begin(&m);
	send_op(&m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	send_op(&m, VIRTIO_VSOCK_OP_RST, PORT);
	send_op(&m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	CHECK_EQ(og_broker_serve(m.broker_fd, PATH), 1);
	og_virtio_work(m.virtio);
	CHECK(!heard_any(&m));
	fd = accept(listener, NULL, NULL);
	CHECK(is_closed(fd));
	og_close(fd);
	CHECK_EQ(og_broker_serve(m.broker_fd, PATH), 1);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RESPONSE);
	og_close(listener);
	end(&m);
}

TEST(without_a_broker_every_wish_is_refused)
{
	struct machine m;

	begin(&m);
	m.broker_fd = og_close(m.broker_fd);
	send_op(&m, VIRTIO_VSOCK_OP_REQUEST, PORT);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	end(&m);
}

TEST(what_the_host_does_not_read_waits_and_is_bounded_by_credit)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 0x8000);
	static uint8_t got[1U << 20];
	size_t sent = 0, read_bytes = 0;
	uint32_t fwd = 0;
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	/* As much as an honest guest may send before it hears of room. */
	for (;;) {
		while (heard_any(&m)) {
			struct virtio_vsock_hdr update = hear(&m, NULL);

			CHECK_EQ(update.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			fwd = update.fwd_cnt;
		}
		if (sent - fwd + header.len > OG_VSOCK_BUFFER_BYTES)
			break;
		send_packet(&m, &header, 'z');
		sent += header.len;
	}
	CHECK(sent > OG_VSOCK_BUFFER_BYTES);
	CHECK(sent < sizeof(got));
	/* It breaks the rules: one byte more. */
	while (read_bytes < sent) {
		ssize_t r = recv(fd, got + read_bytes, sizeof(got) - read_bytes, MSG_DONTWAIT);

		CHECK(r > 0);
		read_bytes += (size_t)r;
		og_virtio_work(m.virtio);
	}
	CHECK_EQ(read_bytes, sent);
	for (size_t i = 0; i < sent; i++)
		CHECK_EQ(got[i], 'z');
	og_close(fd);
	end(&m);
}

TEST(the_guest_gets_as_much_as_it_has_room_for)
{
	struct machine m;
	struct virtio_vsock_hdr header;
	uint8_t data[3000] = {};
	uint32_t port, before;
	int fd;

	begin(&m);
	fd = open_from_host(&m, &port);
	header = packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, 0);
	header.buf_alloc = 1000;
	send_packet(&m, &header, 0);
	CHECK_EQ(write(fd, data, sizeof(data)), (ssize_t)sizeof(data));
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).len, 1000);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	og_virtio_work(m.virtio);
	CHECK(!heard_any(&m));
	before = m.received;
	header.fwd_cnt = before;
	send_packet(&m, &header, 0);
	CHECK_EQ(hear(&m, NULL).len, 1000);
	og_close(fd);
	end(&m);
}

TEST(a_program_may_shut_one_direction)
{
	struct machine m;
	struct virtio_vsock_hdr header;
	uint8_t got[8];
	uint32_t port;
	int fd;

	begin(&m);
	fd = open_from_host(&m, &port);
	CHECK_EQ(write(fd, "last", 4), 4);
	CHECK_OK(shutdown(fd, SHUT_WR));
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).len, 4);
	header = hear(&m, NULL);
	CHECK_EQ(header.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	CHECK_EQ(header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);

	header = packet(VIRTIO_VSOCK_OP_RW, port, 3);
	send_packet(&m, &header, 'a');
	CHECK_EQ(read(fd, got, sizeof(got)), 3);

	og_close(fd);
	og_virtio_work(m.virtio);
	header = hear(&m, NULL);
	CHECK_EQ(header.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	CHECK_EQ(header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	send_op(&m, VIRTIO_VSOCK_OP_RST, port);
	CHECK_EQ(m.metrics.vsock.conns_removed, 1);
	end(&m);
}

TEST(a_guest_may_shut_one_direction)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_SHUTDOWN, PORT, 0);
	uint8_t got[8];
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	header.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
	send_packet(&m, &header, 0);
	CHECK_EQ(read(fd, got, sizeof(got)), 0);
	CHECK_EQ(write(fd, "still", 5), 5);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).len, 5);

	header.flags = VIRTIO_VSOCK_SHUTDOWN_RCV;
	send_packet(&m, &header, 0);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	CHECK_EQ(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	og_close(fd);
	end(&m);
}

TEST(what_the_guest_sent_before_it_shut_is_delivered)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 0x8000);
	static uint8_t got[1U << 20];
	size_t sent = 0, read_bytes = 0;
	ssize_t r;
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	do {
		while (heard_any(&m))
			(void)hear(&m, NULL);
		send_packet(&m, &header, 0);
		sent += header.len;
	} while (heard_any(&m));
	header = packet(VIRTIO_VSOCK_OP_SHUTDOWN, PORT, 0);
	header.flags = VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV;
	send_packet(&m, &header, 0);
	CHECK(!heard_any(&m));
	while (read_bytes < sent && (r = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0) {
		read_bytes += (size_t)r;
		og_virtio_work(m.virtio);
	}
	CHECK_EQ(read_bytes, sent);
	CHECK(is_closed(fd));
	while (heard_any(&m) && hear(&m, NULL).op != VIRTIO_VSOCK_OP_RST)
		;
	CHECK_EQ(m.metrics.vsock.conns_removed, 1);
	og_close(fd);
	end(&m);
}

TEST(a_program_that_is_gone_makes_no_noise)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_RW, PORT, 100);
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	CHECK_EQ(write(fd, "unread", 6), 6);
	og_close(fd);
	send_packet(&m, &header, 0);
	send_packet(&m, &header, 0);
	while (heard_any(&m))
		(void)hear(&m, NULL);
	(void)usleep(2100 * 1000);
	og_virtio_work(m.virtio);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	CHECK_EQ(m.metrics.vsock.conns_removed, 1);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

/* Nothing is read for such a guest, so it hears that the program has gone by that alone. */
TEST(a_guest_that_takes_no_more_hears_that_the_program_is_gone)
{
	struct machine m;
	struct virtio_vsock_hdr header = packet(VIRTIO_VSOCK_OP_SHUTDOWN, PORT, 0);
	int fd;

	begin(&m);
	fd = open_from_guest(&m);
	header.flags = VIRTIO_VSOCK_SHUTDOWN_RCV;
	send_packet(&m, &header, 0);
	CHECK(!heard_any(&m));
	og_close(fd);
	og_virtio_work(m.virtio);
	header = hear(&m, NULL);
	CHECK_EQ(header.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	CHECK_EQ(header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	send_op(&m, VIRTIO_VSOCK_OP_RST, PORT);
	CHECK_EQ(m.metrics.vsock.conns_removed, 1);
	end(&m);
}

TEST(a_reset_of_the_device_closes_what_was_open)
{
	struct machine m;
	uint32_t port;
	int fd;

	begin(&m);
	fd = open_from_host(&m, &port);
	driver_bring_up(&m.d, m.virtio, 0);
	og_virtio_work(m.virtio);
	CHECK(is_closed(fd));
	og_close(fd);
	end(&m);
}

TEST(a_machine_that_goes_on_elsewhere_tells_its_guest)
{
	struct machine m;
	struct og_vsock_config config = { .present = true, .guest_cid = CID, .listen_fd = -EBADF };
	struct og_virtio *other;
	uint8_t state[4096];
	struct og_pack pack;
	struct og_unpack unpack;
	uint32_t port, id;
	int fd;

	begin(&m);
	driver_desc(&m.d, EVENT, 0, 0x60000, 4, VRING_DESC_F_WRITE, 0);
	memset(m.d.ram + 0x60000, 0xee, 4);
	driver_offer(&m.d, EVENT, 0);
	fd = open_from_host(&m, &port);
	og_pack_init(&pack, state, sizeof(state));
	CHECK_OK(og_virtio_save(m.virtio, &pack, NULL));

	m.world.broker_fd = og_close(m.world.broker_fd);
	CHECK_OK(og_virtio_vsock_new(&config, &m.world, &other, NULL));
	og_unpack_init(&unpack, state, pack.len);
	CHECK_OK(og_virtio_load(other, &unpack, NULL));
	other->ops->resumed(other);
	og_virtio_work(other);
	memcpy(&id, m.d.ram + 0x60000, 4);
	CHECK_EQ(id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	CHECK_EQ(driver_used(&m.d, EVENT), 1);
	/* Its ports go on where they were, and what the guest still says of old ones is refused. */
	og_virtio_free(m.virtio);
	m.virtio = other;
	CHECK(is_closed(fd));
	send_op(&m, VIRTIO_VSOCK_OP_RW, port);
	CHECK_EQ(hear(&m, NULL).op, VIRTIO_VSOCK_OP_RST);
	og_close(fd);

	config.guest_cid = CID + 1;
	CHECK_OK(og_virtio_vsock_new(&config, &m.world, &other, NULL));
	og_unpack_init(&unpack, state, pack.len);
	CHECK_EQ(og_virtio_load(other, &unpack, NULL), -EBADMSG);
	og_virtio_free(other);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(the_driver_reads_its_context),
	  TEST_ENTRY(bytes_go_both_ways_from_a_program_of_the_host),
	  TEST_ENTRY(what_follows_the_first_line_is_for_the_guest),
	  TEST_ENTRY(a_guest_where_nobody_listens_cuts_the_program_off),
	  TEST_ENTRY(a_guest_that_does_not_answer_is_not_waited_for),
	  TEST_ENTRY(bytes_go_both_ways_from_a_program_of_the_guest),
	  TEST_ENTRY(a_port_that_nobody_listens_at_is_refused),
	  TEST_ENTRY(an_answer_that_comes_too_late_is_closed),
	  TEST_ENTRY(without_a_broker_every_wish_is_refused),
	  TEST_ENTRY(what_the_host_does_not_read_waits_and_is_bounded_by_credit),
	  TEST_ENTRY(the_guest_gets_as_much_as_it_has_room_for),
	  TEST_ENTRY(a_program_may_shut_one_direction), TEST_ENTRY(a_guest_may_shut_one_direction),
	  TEST_ENTRY(what_the_guest_sent_before_it_shut_is_delivered),
	  TEST_ENTRY(a_guest_that_takes_no_more_hears_that_the_program_is_gone),
	  TEST_ENTRY(a_program_that_is_gone_makes_no_noise),
	  TEST_ENTRY(a_reset_of_the_device_closes_what_was_open),
	  TEST_ENTRY(a_machine_that_goes_on_elsewhere_tells_its_guest))
