/* SPDX-License-Identifier: Apache-2.0 */
/* A disk whose requests are in flight (io_uring). */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/virtio_blk.h"

#define SIZE	  256
#define SECTORS	  4096U
#define HEADERS	  DATA_GPA
#define STATUSES  (DATA_GPA + 0x2000)
#define DATA	  (DATA_GPA + 0x10000)
#define MANY	  64U
#define BYTES	  4096U
#define UNTOUCHED 0xee

struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_virtio_blk *blk;
	struct og_disk_part part;
};

/* Around the page cache where the file system can do that: then reading takes a while. */
static int disk_file(const char *name, uint8_t byte)
{
	static uint8_t bytes[SECTORS * 512] __attribute__((aligned(4096)));
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), direct;

	memset(bytes, byte, sizeof(bytes));
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	CHECK_OK(fsync(fd));
	direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (direct < 0)
		return fd;
	og_close(fd);
	return direct;
}

static void begin(struct machine *m)
{
	struct og_err why = {};
	struct og_blk_config config = {
		.id = "async", .parts = &m->part, .n_parts = 1, .async = true, .ret_sync = &why
	};

	driver_init_mapped(&m->d, SIZE);
	m->part = (struct og_disk_part){ .fd = disk_file("disk", 1) };
	CHECK_OK(og_virtio_blk_new(&config, &(struct og_device_world){ .mem = &m->d.mem },
				   &m->virtio, NULL));
	m->blk = m->virtio->device;
	if (m->blk->async == NULL) {
		fprintf(stderr, "no io_uring here: %s\n", why.text);
		exit(TEST_SKIP_STATUS);
	}
	driver_bring_up(&m->d, m->virtio, 0);
}

static void end(struct machine *m)
{
	(void)og_virtio_free(m->virtio);
	og_close(m->part.fd);
	driver_done(&m->d);
}

/* The @nth of many, each with its own header, data and status. */
static void offer(struct machine *m, unsigned nth, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	uint32_t at = HEADERS + nth * 16, status = STATUSES + nth;
	uint16_t first = (uint16_t)(nth * 3), in = type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0;

	memcpy(m->d.ram + at, &header, sizeof(header));
	m->d.ram[status] = UNTOUCHED;
	driver_desc(&m->d, 0, first, at, sizeof(header), VRING_DESC_F_NEXT, first + 1);
	driver_desc(&m->d, 0, first + 1, DATA + nth * BYTES, BYTES,
		    (uint16_t)(VRING_DESC_F_NEXT | in), first + 2);
	driver_desc(&m->d, 0, first + 2, status, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, 0, first);
}

static void offer_many(struct machine *m, uint32_t type)
{
	memset(m->d.ram + DATA, UNTOUCHED, (size_t)MANY * BYTES);
	for (unsigned i = 0; i < MANY; i++)
		offer(m, i, type, i * (BYTES / 512));
}

static void work_until_used(struct machine *m, uint16_t used)
{
	struct pollfd p = { .fd = m->blk->async->ring.event_fd, .events = POLLIN };

	og_virtio_work(m->virtio);
	while (driver_used(&m->d, 0) != used) {
		CHECK_EQ(poll(&p, 1, 10000), 1);
		og_virtio_work(m->virtio);
	}
}

TEST(many_requests_are_in_flight_and_all_are_answered)
{
	struct machine m;

	begin(&m);
	offer_many(&m, VIRTIO_BLK_T_IN);
	work_until_used(&m, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK_EQ(m.d.ram[STATUSES + i], VIRTIO_BLK_S_OK);
		CHECK_EQ(m.d.ram[DATA + i * BYTES + BYTES - 1], 1);
		CHECK_EQ(driver_answer(&m.d, 0, (uint16_t)i).len, BYTES + 1);
	}
	offer_many(&m, VIRTIO_BLK_T_OUT);
	work_until_used(&m, 2 * MANY);
	offer(&m, 0, VIRTIO_BLK_T_FLUSH, 0);
	offer(&m, 1, VIRTIO_BLK_T_IN, 8);
	offer(&m, 2, VIRTIO_BLK_T_IN, SECTORS - 1);
	work_until_used(&m, 2 * MANY + 3);
	CHECK_EQ(m.d.ram[STATUSES], VIRTIO_BLK_S_OK);
	CHECK_EQ(m.d.ram[DATA + BYTES], UNTOUCHED); /* what was written */
	CHECK_EQ(m.d.ram[STATUSES + 2], VIRTIO_BLK_S_IOERR);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

/* More than the ring takes: the rest waits in the queue. */
TEST(a_full_ring_makes_requests_wait)
{
	struct machine m;

	begin(&m);
	for (unsigned i = 0; i < SIZE; i++) {
		offer(&m, 0, VIRTIO_BLK_T_IN, 0); /* the same, again and again */
	}
	work_until_used(&m, SIZE);
	CHECK(m.blk->no_metrics.io_engine_throttled_events > 0);
	CHECK_EQ(m.blk->async->in_flight, 0);
	end(&m);
}

/* A73, CVE-2026-45782 */
TEST(nothing_is_written_into_memory_after_a_reset)
{
	struct machine m;

	begin(&m);
	for (unsigned round = 0; round < 20; round++) {
		driver_bring_up(&m.d, m.virtio, 0);
		set_ram16(&m.d, QUEUE_GPA(0) + 0x1000 + 2, 0);
		set_ram16(&m.d, QUEUE_GPA(0) + 0x2000 + 2, 0);
		offer_many(&m, VIRTIO_BLK_T_IN);
		og_virtio_work(m.virtio);
		driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
		CHECK_EQ(m.blk->async->in_flight, 0);
		memset(m.d.ram, UNTOUCHED, RAM_BYTES);
		(void)usleep(3000);
		og_virtio_work(m.virtio);
		for (unsigned i = 0; i < RAM_BYTES; i++)
			if (m.d.ram[i] != UNTOUCHED)
				CHECK_EQ(m.d.ram[i], UNTOUCHED);
	}
	end(&m);
}

static void *reset_again_and_again(void *data)
{
	struct machine *m = data;

	for (unsigned i = 0; i < 2000; i++) {
		driver_set(&m->d, VIRTIO_MMIO_STATUS, 0);
		(void)usleep(i % 7 * 20);
	}
	return NULL;
}

/* A73: another vCPU resets while the I/O thread works. */
TEST(a_racing_reset_finds_nothing_in_flight)
{
	pthread_t thread;
	struct machine m;

	begin(&m);
	CHECK_OK(pthread_create(&thread, NULL, reset_again_and_again, &m));
	for (unsigned round = 0; round < 300; round++) {
		driver_bring_up(&m.d, m.virtio, 0);
		set_ram16(&m.d, QUEUE_GPA(0) + 0x1000 + 2, 0);
		offer_many(&m, round % 2 == 0 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT);
		og_virtio_work(m.virtio);
		og_virtio_work(m.virtio);
	}
	CHECK_OK(pthread_join(thread, NULL));
	driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
	CHECK_EQ(m.blk->async->in_flight, 0);
	end(&m);
}

TEST(a_paused_disk_has_nothing_in_flight)
{
	struct machine m;

	begin(&m);
	offer_many(&m, VIRTIO_BLK_T_IN);
	og_virtio_work(m.virtio);
	og_virtio_stop(m.virtio);
	CHECK_EQ(m.blk->async->in_flight, 0);
	CHECK_EQ(driver_used(&m.d, 0), MANY);
	og_virtio_go_on(m.virtio);
	offer(&m, 0, VIRTIO_BLK_T_IN, 0);
	work_until_used(&m, MANY + 1);
	end(&m);
}

TEST(a_swap_waits_for_what_is_in_flight)
{
	struct og_blk_command command = { .swap = true };
	int fds[] = { disk_file("other", 2) };
	struct machine m;

	begin(&m);
	offer_many(&m, VIRTIO_BLK_T_IN);
	og_virtio_work(m.virtio);
	CHECK_OK(m.virtio->ops->command(m.virtio, &command, fds, 1, NULL, NULL));
	CHECK_EQ(driver_used(&m.d, 0), MANY);
	CHECK_EQ(m.d.ram[DATA + (MANY - 1) * BYTES], 1);
	offer_many(&m, VIRTIO_BLK_T_IN);
	work_until_used(&m, 2 * MANY);
	CHECK_EQ(m.d.ram[DATA + (MANY - 1) * BYTES], 2);
	end(&m);
}

/* A80: what seccomp forbids cannot be had through the ring. */
TEST(a_ring_does_nothing_but_read_and_write_its_file)
{
	static const uint8_t others[] = { IORING_OP_NOP,    IORING_OP_OPENAT,	 IORING_OP_CONNECT,
					  IORING_OP_SOCKET, IORING_OP_FALLOCATE, IORING_OP_READ };
	char buf[16];
	const struct iovec iov = { buf, sizeof(buf) };
	struct machine m;
	struct og_ring *ring;

	begin(&m);
	ring = &m.blk->async->ring;
	for (unsigned i = 0; i <= sizeof(others); i++) {
		uint32_t slot = *ring->sq_tail & *ring->sq_mask;
		uint64_t id;
		int32_t result;

		og_ring_queue(ring, OG_RING_READ, i, &iov, 1, 0);
		if (i < sizeof(others))
			ring->sqes[slot].opcode = others[i];
		else
			ring->sqes[slot].flags = 0; /* descriptor 0 of the process */
		CHECK_OK(og_ring_submit(ring, 1));
		CHECK(og_ring_take(ring, &id, &result));
		CHECK_EQ(id, i);
		CHECK_EQ(result, -EACCES);
	}
	end(&m);
}

TEST_MAIN(TEST_ENTRY(many_requests_are_in_flight_and_all_are_answered),
	  TEST_ENTRY(a_full_ring_makes_requests_wait),
	  TEST_ENTRY(nothing_is_written_into_memory_after_a_reset),
	  TEST_ENTRY(a_racing_reset_finds_nothing_in_flight),
	  TEST_ENTRY(a_paused_disk_has_nothing_in_flight),
	  TEST_ENTRY(a_swap_waits_for_what_is_in_flight),
	  TEST_ENTRY(a_ring_does_nothing_but_read_and_write_its_file))
