/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/net_header.h"
#include "vmm/device/virtio_net.h"

#define SIZE   64
#define BIT(n) (1ULL << (n))
#define MRG    BIT(VIRTIO_NET_F_MRG_RXBUF)
#define CSUM   (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))

enum {
	RX,
	TX
};

static const uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static const uint8_t peer[6] = { 0x52, 0x54, 0, 9, 9, 9 };

struct machine {
	struct driver d;
	struct og_metrics metrics;
	struct og_virtio *net;
	int fd; /* the host's end */
	int device_fd;
	uint16_t slot[2];
};

static void begin_with(struct machine *m, const struct og_net_config *given, uint64_t features)
{
	struct og_net_config config = *given;
	int fds[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	*m = (struct machine){ .fd = fds[0], .device_fd = fds[1] };
	driver_init(&m->d, SIZE);
	config.tap_fd = fds[1];
	CHECK_OK(og_virtio_net_new(
		&config, &(struct og_device_world){ .mem = &m->d.mem, .metrics = &m->metrics },
		&m->net, NULL));
	driver_bring_up(&m->d, m->net, features);
}

static void begin(struct machine *m, uint64_t features)
{
	struct og_net_config config = {};

	memcpy(config.mac, mac, sizeof(mac));
	begin_with(m, &config, features);
}

static void end(struct machine *m)
{
	og_virtio_free(m->net);
	og_close(m->fd);
	og_close(m->device_fd);
	driver_done(&m->d);
}

static struct og_net_metrics *counts(struct machine *m)
{
	return &m->metrics.net[0];
}

/* A frame of @bytes with its header, from @from. */
static size_t make_frame(uint8_t *at, const uint8_t *from, size_t bytes)
{
	memset(at, 0, OG_NET_HEADER_BYTES);
	at += OG_NET_HEADER_BYTES;
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(i * 7 + bytes);
	memcpy(at, peer, 6);
	memcpy(at + 6, from, 6);
	return bytes + OG_NET_HEADER_BYTES;
}

static void offer_at(struct machine *m, unsigned q, uint32_t gpa, uint32_t len)
{
	uint16_t slot = m->slot[q]++ % SIZE;

	driver_desc(&m->d, q, slot, gpa, len, q == RX ? VRING_DESC_F_WRITE : 0, 0);
	driver_offer(&m->d, q, slot);
}

/* Sends one frame of @bytes with that header. */
static void send_with(struct machine *m, const uint8_t *from, size_t bytes,
		      const struct og_net_header *header)
{
	size_t len = make_frame(m->d.ram + DATA_GPA, from, bytes);

	memcpy(m->d.ram + DATA_GPA, header, sizeof(*header));
	offer_at(m, TX, DATA_GPA, (uint32_t)len);
	og_virtio_work(m->net);
}

static void send_frame(struct machine *m, const uint8_t *from, size_t bytes)
{
	send_with(m, from, bytes, &(struct og_net_header){});
}

static ssize_t host_receive(struct machine *m, void *buf, size_t size)
{
	return recv(m->fd, buf, size, MSG_DONTWAIT);
}

static void host_send(struct machine *m, size_t bytes)
{
	static uint8_t buf[70000];
	size_t len = make_frame(buf, peer, bytes);

	CHECK_EQ(send(m->fd, buf, len, MSG_DONTWAIT), len);
}

TEST(a_frame_goes_out_as_it_is)
{
	static struct machine m;
	static uint8_t buf[2000];

	begin(&m, 0);
	send_frame(&m, mac, 60);
	CHECK_EQ(driver_used(&m.d, TX), 1);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	CHECK(memcmp(buf, m.d.ram + DATA_GPA, 72) == 0);
	CHECK_EQ(counts(&m)->tx_packets_count, 1);
	CHECK_EQ(counts(&m)->tx_bytes_count, 60);
	end(&m);
}

TEST(a_frame_in_many_pieces_is_one_frame)
{
	static struct machine m;
	static uint8_t buf[2000];
	size_t len;

	begin(&m, 0);
	len = make_frame(m.d.ram + DATA_GPA, mac, 30);
	for (uint16_t i = 0; i < len; i++)
		driver_desc(&m.d, TX, i, DATA_GPA + i, 1, i + 1U < len ? VRING_DESC_F_NEXT : 0,
			    (uint16_t)(i + 1));
	driver_offer(&m.d, TX, 0);
	og_virtio_work(m.net);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), len);
	CHECK(memcmp(buf, m.d.ram + DATA_GPA, len) == 0);
	end(&m);
}

/* A74 */
TEST(frames_from_another_address_are_dropped_and_counted)
{
	static struct machine m;
	uint8_t buf[200];

	begin(&m, 0);
	send_frame(&m, peer, 60);
	CHECK_EQ(driver_used(&m.d, TX), 1);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), -1);
	CHECK_EQ(counts(&m)->tx_spoofed_mac_count, 1);
	send_frame(&m, mac, 60);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	end(&m);

	begin_with(&m, &(struct og_net_config){}, 0); /* no address: any will do */
	send_frame(&m, peer, 60);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	end(&m);
}

/* A74: "panic ... expecting VNET header" */
TEST(short_and_wrong_frames_are_dropped_and_the_device_goes_on)
{
	static struct machine m;
	static uint8_t buf[70000];
	uint32_t tries = 0;

	begin(&m, 0);
	for (uint32_t len = 0; len < OG_NET_HEADER_BYTES + OG_NET_ETHERNET_BYTES; len++, tries++) {
		offer_at(&m, TX, RAM_BYTES - len, len);
		og_virtio_work(m.net);
	}
	offer_at(&m, TX, DATA_GPA, OG_NET_FRAME_MAX + OG_NET_HEADER_BYTES + 1);
	driver_desc(&m.d, TX, 60, DATA_GPA, 72, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, TX, 60);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, TX), tries + 2);
	CHECK_EQ(counts(&m)->tx_malformed_frames, tries + 2);
	CHECK(!driver_needs_reset(&m.d));
	send_frame(&m, mac, 14);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 26);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), -1);
	end(&m);
}

/* A74 */
TEST(headers_that_lie_do_not_reach_the_kernel)
{
	enum {
		N = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		T4 = VIRTIO_NET_HDR_GSO_TCPV4,
		USO = 5
	};

	static const struct {
		struct og_net_header header;
		uint64_t features;
		bool good;
	} cases[] = {
		{ { 0, 0, 0, 0, 0, 0, 0 }, 0, true },
		{ { N, 0, 0, 0, 34, 16, 0 }, 0, false }, /* not agreed on */
		{ { N, 0, 0, 0, 34, 16, 0 }, CSUM, true },
		{ { N, 0, 0, 0, 34, 65, 0 }, CSUM, false }, /* behind the end, 100 bytes */
		{ { N, 0, 0, 0, 34, 64, 0 }, CSUM, true },
		{ { N, 0, 0, 0, 65535, 65535, 0 }, CSUM, false },
		{ { N, 0, 0, 0, 13, 16, 0 }, CSUM, false }, /* in the Ethernet header */
		{ { N, T4, 54, 1448, 34, 16, 0 }, CSUM, false },
		{ { N, T4, 54, 1448, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), true },
		{ { 0, T4, 54, 1448, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), false },
		{ { N, T4, 54, 0, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), false },
		{ { N, T4, 54, 1, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), false },
		{ { N, T4, 101, 1448, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), false },
		{ { N, T4 | 0x80, 54, 1448, 34, 16, 0 }, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), false },
		{ { N, T4 | 0x80, 54, 1448, 34, 16, 0 },
		  CSUM | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_ECN),
		  true },
		{ { N, 2, 54, 1448, 34, 16, 0 }, UINT64_MAX, false }, /* no such kind */
		{ { N, 0x7f, 54, 1448, 34, 16, 0 }, UINT64_MAX, false },
		{ { N, 0x80, 54, 1448, 34, 16, 0 }, UINT64_MAX, false },
		{ { N, USO, 42, 1, 34, 6, 0 }, UINT64_MAX, true }, /* 66 datagrams */
		{ { N, USO, 42, 0, 34, 6, 0 }, UINT64_MAX, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_net_header header = cases[i].header;

		if (og_net_judge_header(&header, 100, cases[i].features) != cases[i].good) {
			fprintf(stderr, "case %zu\n", i);
			CHECK(false);
		}
	}
	{
		struct og_net_header many = { N, USO, 42, 1, 34, 6, 0 };

		CHECK(!og_net_judge_header(&many, 200, UINT64_MAX)); /* 166 datagrams */
	}
}

TEST(what_the_tap_is_told_is_a_copy_without_what_is_not_the_drivers_to_say)
{
	static struct machine m;
	struct og_net_header seen;
	uint8_t buf[200];

	begin(&m, 0);
	send_with(&m, mac, 60, &(struct og_net_header){ 0xfe, 0, 7, 8, 9, 10, 11 });
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	memcpy(&seen, buf, sizeof(seen));
	CHECK_EQ(seen.flags | seen.hdr_len | seen.gso_size | seen.csum_start | seen.num_buffers, 0);
	end(&m);
}

TEST(a_host_that_does_not_read_holds_the_guest_back)
{
	static struct machine m;
	static uint8_t buf[70000];
	unsigned seen = 0;

	begin(&m, 0);
	(void)make_frame(m.d.ram + DATA_GPA, mac, 60000);
	for (unsigned i = 0; i < 30; i++)
		offer_at(&m, TX, DATA_GPA, 60012);
	og_virtio_work(m.net);
	CHECK(driver_used(&m.d, TX) < 30);
	CHECK_EQ(counts(&m)->tap_write_fails, 0);
	for (unsigned round = 0; round < 100 && seen < 30; round++) {
		while (host_receive(&m, buf, sizeof(buf)) == 60012)
			seen++;
		og_virtio_work(m.net);
	}
	CHECK_EQ(seen, 30);
	CHECK_EQ(driver_used(&m.d, TX), 30);
	end(&m);
}

/* What could not be written has not used the limit up. */
TEST(a_frame_that_waits_for_the_host_counts_once)
{
	const struct og_net_config config = { .tx_limit.ops = { 40, 0, 1000000 } };
	static struct machine m;
	static uint8_t buf[70000];
	unsigned seen = 0;

	begin_with(&m, &config, 0);
	(void)make_frame(m.d.ram + DATA_GPA, mac, 60000);
	for (unsigned i = 0; i < 40; i++)
		offer_at(&m, TX, DATA_GPA, 60012);
	for (unsigned round = 0; round < 100; round++) {
		og_virtio_work(m.net);
		if (host_receive(&m, buf, sizeof(buf)) == 60012)
			seen++;
	}
	CHECK_EQ(seen, 40);
	end(&m);
}

TEST(a_host_that_is_gone_loses_frames_and_nothing_else)
{
	static struct machine m;

	begin(&m, 0);
	m.fd = og_close(m.fd);
	send_frame(&m, mac, 60);
	CHECK_EQ(driver_used(&m.d, TX), 1);
	CHECK_EQ(counts(&m)->tap_write_fails, 1);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(a_frame_comes_in)
{
	static struct machine m;
	uint16_t buffers;

	begin(&m, 0);
	memset(m.d.ram + DATA_GPA, 0xee, 2000);
	offer_at(&m, RX, DATA_GPA, 2000);
	host_send(&m, 60);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 1);
	CHECK_EQ(driver_answer(&m.d, RX, 0).len, 72);
	memcpy(&buffers, m.d.ram + DATA_GPA + 10, 2);
	CHECK_EQ(buffers, 1);
	CHECK(memcmp(m.d.ram + DATA_GPA + 12, peer, 6) == 0);
	CHECK_EQ(m.d.ram[DATA_GPA + 72], 0xee);
	CHECK_EQ(counts(&m)->rx_packets_count, 1);
	CHECK_EQ(counts(&m)->rx_bytes_count, 60);
	end(&m);
}

TEST(a_large_frame_is_spread_over_merged_buffers)
{
	static struct machine m;
	uint16_t buffers;
	uint8_t whole[5012];
	size_t len = make_frame(whole, peer, 5000);

	begin(&m, MRG);
	for (uint32_t i = 0; i < 60; i++)
		offer_at(&m, RX, DATA_GPA + 4096 * i, 1536);
	host_send(&m, 5000);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 4);
	CHECK_EQ(driver_answer(&m.d, RX, 2).len, 1536);
	CHECK_EQ(driver_answer(&m.d, RX, 3).len, 5012 - 3 * 1536);
	memcpy(&buffers, m.d.ram + DATA_GPA + 10, 2);
	CHECK_EQ(buffers, 4);
	for (size_t i = 12; i < len; i++)
		CHECK_EQ(m.d.ram[DATA_GPA + 4096 * (i / 1536) + i % 1536], whole[i]);
	/* The next frame begins with the next buffer. */
	host_send(&m, 60);
	host_send(&m, 61);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 6);
	CHECK_EQ(m.d.ram[DATA_GPA + 4096 * 4 + 12], peer[0]);
	CHECK_EQ(driver_answer(&m.d, RX, 5).len, 73);
	end(&m);
}

/* A74, CVE-2020-16843: a ring without room, and a queue of the host that is full. */
TEST(without_buffers_frames_wait_and_then_all_come)
{
	static struct machine m;
	unsigned sent = 0;
	uint8_t frame[112];

	begin(&m, MRG);
	og_virtio_work(m.net);
	CHECK_EQ(counts(&m)->no_rx_avail_buffer, 1);
	(void)make_frame(frame, peer, 100);
	while (sent < 40 && send(m.fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		sent++;
	CHECK(sent > 4);
	for (unsigned i = 0; i < sent; i++) {
		offer_at(&m, RX, DATA_GPA + 2048 * (i % 32), 2048);
		og_virtio_work(m.net);
		CHECK_EQ(driver_used(&m.d, RX), i + 1);
	}
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

/* The driver asked to be told only of what comes behind what it offered: it must be. */
TEST(a_driver_that_adds_buffers_to_a_ring_too_small_notifies)
{
	static struct machine m;
	uint16_t event;

	begin(&m, MRG | OG_VIRTIO_RING_EVENT);
	for (uint32_t i = 0; i < 60; i++)
		offer_at(&m, RX, DATA_GPA + 2048 * i, 512);
	host_send(&m, 9000); /* 18 buffers */
	for (unsigned i = 0; i < 42; i++)
		host_send(&m, 500);
	og_virtio_work(m.net);
	/* Now less is left than the longest frame takes, and so much was there before. */
	CHECK_EQ(driver_used(&m.d, RX), 58);
	event = ram16(&m.d, QUEUE_GPA(RX) + 0x2000 + 4 + 8 * SIZE);
	CHECK_EQ(event, m.d.avail[RX]);
	end(&m);
}

TEST(a_frame_larger_than_all_buffers_is_lost_and_the_next_comes)
{
	static struct machine m;

	begin(&m, 0);
	offer_at(&m, RX, DATA_GPA, 200);
	host_send(&m, 5000);
	host_send(&m, 60);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 1);
	CHECK_EQ(driver_answer(&m.d, RX, 0).len, 72);
	CHECK_EQ(counts(&m)->rx_fails, 1);
	end(&m);
}

TEST(frames_that_the_driver_cannot_understand_are_not_given_to_it)
{
	static struct machine m;
	uint8_t frame[112];

	begin(&m, 0);
	(void)make_frame(frame, peer, 100);
	frame[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	offer_at(&m, RX, DATA_GPA, 2000);
	CHECK_EQ(send(m.fd, frame, sizeof(frame), 0), sizeof(frame));
	frame[0] = 0;
	frame[1] = VIRTIO_NET_HDR_GSO_TCPV4;
	CHECK_EQ(send(m.fd, frame, sizeof(frame), 0), sizeof(frame));
	CHECK_EQ(send(m.fd, frame, 25, 0), 25); /* shorter than any frame */
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 0);
	CHECK_EQ(counts(&m)->rx_fails, 3);
	end(&m);
}

TEST(buffers_of_the_wrong_direction_or_too_small_ask_for_a_reset)
{
	static struct machine m;

	begin(&m, MRG);
	driver_desc(&m.d, RX, 0, DATA_GPA, 2000, 0, 0);
	driver_offer(&m.d, RX, 0);
	og_virtio_work(m.net);
	CHECK(driver_needs_reset(&m.d));
	end(&m);

	begin(&m, MRG);
	offer_at(&m, RX, DATA_GPA, 11);
	og_virtio_work(m.net);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

/* A ring full of chains that are as long as can be: no write behind the arrays (ASan). */
TEST(chains_of_every_length_fit)
{
	static struct machine m;

	begin(&m, MRG | OG_VIRTIO_RING_INDIRECT);
	for (uint16_t slot = 0; slot < SIZE; slot++) {
		uint32_t table = 0x80000 + 0x1000U * slot;

		for (uint16_t i = 0; i < 256; i++) {
			struct vring_desc desc = {
				.addr = DATA_GPA + 256U * slot + i,
				.len = 1,
				.flags = (uint16_t)(VRING_DESC_F_WRITE |
						    (i < 255 ? VRING_DESC_F_NEXT : 0)),
				.next = (uint16_t)(i + 1),
			};

			memcpy(m.d.ram + table + sizeof(desc) * i, &desc, sizeof(desc));
		}
		driver_desc(&m.d, RX, slot, table, 4096, VRING_DESC_F_INDIRECT, 0);
		driver_offer(&m.d, RX, slot);
	}
	host_send(&m, 700);
	host_send(&m, 60);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, RX), 4); /* 3 of 256 bytes, and 1 */
	end(&m);
}

TEST(limits_hold_frames_back_without_losing_them)
{
	const struct og_net_config config = {
		.tx_limit.ops = { 2, 0, 100000 },
		.rx_limit.ops = { 3, 0, 100000 },
	};
	struct og_net_command lift = { .tx.set_ops = true, .rx.set_ops = true };
	static struct machine m;
	uint8_t buf[200];

	begin_with(&m, &config, MRG);
	for (unsigned i = 0; i < 5; i++) {
		send_frame(&m, mac, 60);
		host_send(&m, 60);
	}
	for (uint32_t i = 0; i < 5; i++)
		offer_at(&m, RX, DATA_GPA + 4096 * (i + 1), 2000);
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, TX), 2);
	CHECK_EQ(driver_used(&m.d, RX), 3);
	CHECK(counts(&m)->tx_rate_limiter_throttled > 0);
	CHECK(counts(&m)->rx_rate_limiter_throttled > 0);
	CHECK_OK(m.net->ops->command(m.net, &lift, NULL, 0, NULL, NULL));
	CHECK(is_signalled(m.net->kick_fd));
	og_virtio_work(m.net);
	CHECK_EQ(driver_used(&m.d, TX), 5);
	CHECK_EQ(driver_used(&m.d, RX), 5);
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	end(&m);
}

/* Each second a bucket of 10000: of 100 frames of 1000 few pass at once. */
TEST(bytes_are_limited_both_ways)
{
	const struct og_net_config config = {
		.tx_limit.bytes = { 10000, 0, 1000 },
		.rx_limit.bytes = { 10000, 0, 1000 },
	};
	static struct machine m;

	begin_with(&m, &config, MRG);
	for (unsigned i = 0; i < 20; i++) {
		send_frame(&m, mac, 1000);
		host_send(&m, 1000);
		offer_at(&m, RX, DATA_GPA + 4096 * (i + 1), 2000);
	}
	og_virtio_work(m.net);
	CHECK(driver_used(&m.d, TX) >= 10 && driver_used(&m.d, TX) < 15);
	CHECK(driver_used(&m.d, RX) >= 10 && driver_used(&m.d, RX) < 15);
	end(&m);
}

TEST(the_configuration_says_address_and_mtu)
{
	struct og_net_config config = { .mtu = 9000 };
	struct og_net_command change = { .set_mac = true };
	static struct machine m;
	uint8_t buf[200];
	uint32_t generation;

	memcpy(config.mac, mac, sizeof(mac));
	memcpy(change.mac, peer, sizeof(peer));
	begin_with(&m, &config, BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MTU));
	CHECK((og_virtio_offers(m.net) & BIT(VIRTIO_NET_F_MAC)) != 0);
	CHECK((og_virtio_offers(m.net) & BIT(VIRTIO_NET_F_MTU)) != 0);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + 5, 1), mac[5]);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + 10, 2), 9000);

	generation = driver_get(&m.d, VIRTIO_MMIO_CONFIG_GENERATION);
	CHECK_OK(m.net->ops->command(m.net, &change, NULL, 0, NULL, NULL));
	CHECK(driver_get(&m.d, VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	CHECK((driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG) != 0);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + 5, 1), peer[5]);
	send_frame(&m, mac, 60); /* its old address is another's now */
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), -1);
	send_frame(&m, peer, 60);
	CHECK_EQ(host_receive(&m, buf, sizeof(buf)), 72);
	end(&m);
}

TEST(numbers_out_of_range_and_other_descriptors_are_refused)
{
	const struct og_device_world world = { 0 };
	struct og_virtio *net;
	struct og_err err;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHECK_EQ(og_virtio_net_new(&(struct og_net_config){ .tap_fd = null, .mtu = 67 }, &world,
				   &net, &err),
		 -EINVAL);
	CHECK_EQ(og_virtio_net_new(&(struct og_net_config){ .tap_fd = null, .mac = { 1 } }, &world,
				   &net, &err),
		 -EINVAL);
	CHECK_EQ(og_virtio_net_new(&(struct og_net_config){ .tap_fd = null }, &world, &net, &err),
		 -EINVAL);
	CHECK(strstr(err.text, "no tap") != NULL);
	CHECK_EQ(og_virtio_net_new(&(struct og_net_config){ .tap_fd = -1 }, &world, &net, &err),
		 -EBADF);
	og_close(null);
}

static size_t saved(struct machine *m, uint8_t *buf, size_t size)
{
	struct og_pack pack;

	og_pack_init(&pack, buf, size);
	CHECK_OK(og_virtio_save(m->net, &pack, NULL));
	CHECK(!pack.failed);
	return pack.len;
}

TEST(a_restored_card_goes_on_and_tells_of_a_new_address)
{
	struct og_net_config config = { .tx_limit.ops = { 2, 0, 100000 } };
	static struct machine m, again;
	uint8_t buf[4096];
	struct og_unpack unpack;
	size_t len;

	memcpy(config.mac, mac, sizeof(mac));
	begin_with(&m, &config, MRG | BIT(VIRTIO_NET_F_MAC));
	send_frame(&m, mac, 60);
	len = saved(&m, buf, sizeof(buf));

	memcpy(config.mac, peer, sizeof(peer));
	begin_with(&again, &config, 0);
	driver_set(&again.d, VIRTIO_MMIO_STATUS, 0);
	memcpy(again.d.ram, m.d.ram, RAM_BYTES);
	memcpy(again.d.avail, m.d.avail, sizeof(m.d.avail));
	memcpy(again.slot, m.slot, sizeof(m.slot));
	og_unpack_init(&unpack, buf, len);
	CHECK_OK(og_virtio_load(again.net, &unpack, NULL));
	again.net->ops->resumed(again.net);
	CHECK((driver_get(&again.d, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG) != 0);
	send_frame(&again, peer, 60);
	CHECK_EQ(driver_used(&again.d, TX), 2);
	send_frame(&again, peer, 60);
	CHECK_EQ(driver_used(&again.d, TX), 2); /* one of two was used up before */
	end(&again);

	/* A state that was cut is refused, wherever. */
	for (size_t cut = 0; cut < len; cut++) {
		begin_with(&again, &config, 0);
		driver_set(&again.d, VIRTIO_MMIO_STATUS, 0);
		og_unpack_init(&unpack, buf, cut);
		CHECK(og_virtio_load(again.net, &unpack, NULL) < 0);
		end(&again);
	}
	end(&m);
}

TEST(offloads_of_the_tap_follow_what_the_driver_agreed_on)
{
	uint64_t all = og_net_offload_features(0x7f);
	unsigned tso = TUN_F_CSUM | TUN_F_TSO4;

	CHECK_EQ(og_net_tap_offloads(0), 0);
	CHECK_EQ(og_net_tap_offloads(BIT(VIRTIO_NET_F_GUEST_TSO4)), 0); /* not without checksums */
	CHECK_EQ(og_net_tap_offloads(CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4)), tso);
	CHECK_EQ(og_net_tap_offloads(CSUM | BIT(VIRTIO_NET_F_GUEST_ECN)), TUN_F_CSUM);
	CHECK_EQ(og_net_tap_offloads(CSUM | BIT(OG_NET_F_GUEST_USO4)), TUN_F_CSUM);
	CHECK_EQ(og_net_tap_offloads(all), 0x7f);
	CHECK_EQ(og_net_offload_features(0), 0);
	CHECK((og_net_offload_features(tso) & BIT(VIRTIO_NET_F_HOST_UFO)) == 0);
}

TEST_MAIN(TEST_ENTRY(a_frame_goes_out_as_it_is), TEST_ENTRY(a_frame_in_many_pieces_is_one_frame),
	  TEST_ENTRY(frames_from_another_address_are_dropped_and_counted),
	  TEST_ENTRY(short_and_wrong_frames_are_dropped_and_the_device_goes_on),
	  TEST_ENTRY(headers_that_lie_do_not_reach_the_kernel),
	  TEST_ENTRY(what_the_tap_is_told_is_a_copy_without_what_is_not_the_drivers_to_say),
	  TEST_ENTRY(a_host_that_does_not_read_holds_the_guest_back),
	  TEST_ENTRY(a_frame_that_waits_for_the_host_counts_once),
	  TEST_ENTRY(a_host_that_is_gone_loses_frames_and_nothing_else),
	  TEST_ENTRY(a_frame_comes_in), TEST_ENTRY(a_large_frame_is_spread_over_merged_buffers),
	  TEST_ENTRY(without_buffers_frames_wait_and_then_all_come),
	  TEST_ENTRY(a_driver_that_adds_buffers_to_a_ring_too_small_notifies),
	  TEST_ENTRY(a_frame_larger_than_all_buffers_is_lost_and_the_next_comes),
	  TEST_ENTRY(frames_that_the_driver_cannot_understand_are_not_given_to_it),
	  TEST_ENTRY(buffers_of_the_wrong_direction_or_too_small_ask_for_a_reset),
	  TEST_ENTRY(chains_of_every_length_fit),
	  TEST_ENTRY(limits_hold_frames_back_without_losing_them),
	  TEST_ENTRY(bytes_are_limited_both_ways),
	  TEST_ENTRY(the_configuration_says_address_and_mtu),
	  TEST_ENTRY(numbers_out_of_range_and_other_descriptors_are_refused),
	  TEST_ENTRY(a_restored_card_goes_on_and_tells_of_a_new_address),
	  TEST_ENTRY(offloads_of_the_tap_follow_what_the_driver_agreed_on))
