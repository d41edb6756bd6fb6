/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/virtio_blk.h"

#define SIZE	  16
#define SECTORS	  16U
#define HEADER	  DATA_GPA
#define DATA	  (DATA_GPA + 0x1000)
#define STATUS	  (DATA_GPA + 0xf000)
#define UNTOUCHED 0xee

struct machine {
	struct driver d;
	struct og_virtio *blk;
	struct og_disk_part part;
};

/* A file whose every byte is the number of its sector plus one. */
static int disk_file(const char *name, size_t bytes)
{
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = (uint8_t)(i / 512 + 1);

		CHECK_EQ(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	return fd;
}

static void begin(struct machine *m, bool readonly)
{
	struct og_blk_config config = { .id = "an identity that is too long",
					.n_parts = 1,
					.readonly = readonly };

	driver_init(&m->d, SIZE);
	m->part = (struct og_disk_part){ .fd = disk_file("disk", (size_t)SECTORS * 512) };
	config.parts = &m->part;
	CHECK_OK(og_virtio_blk_new(&config, &(struct og_device_world){ .mem = &m->d.mem }, &m->blk,
				   NULL));
	driver_bring_up(&m->d, m->blk, OG_VIRTIO_RING_INDIRECT);
	m->d.ram[STATUS] = UNTOUCHED;
}

static void end(struct machine *m)
{
	(void)og_virtio_free(m->blk);
	og_close(m->part.fd);
	driver_done(&m->d);
}

/* One request of three descriptors; returns the status that the device wrote. */
static uint8_t request(struct machine *m, uint32_t type, uint64_t sector, uint32_t bytes)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	bool fills = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID || type == 999;
	uint16_t in = fills ? VRING_DESC_F_WRITE : 0;

	memcpy(m->d.ram + HEADER, &header, sizeof(header));
	m->d.ram[STATUS] = UNTOUCHED;
	driver_desc(&m->d, 0, 0, HEADER, sizeof(header), VRING_DESC_F_NEXT, 1);
	driver_desc(&m->d, 0, 1, DATA, bytes, (uint16_t)(VRING_DESC_F_NEXT | in), 2);
	driver_desc(&m->d, 0, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, 0, 0);
	og_virtio_work(m->blk);
	return m->d.ram[STATUS];
}

TEST(sectors_are_read_and_written)
{
	struct machine m;
	uint8_t byte;

	begin(&m, false);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 3, 1024), VIRTIO_BLK_S_OK);
	CHECK_EQ(m.d.ram[DATA], 4);
	CHECK_EQ(m.d.ram[DATA + 1023], 5);
	CHECK_EQ(driver_answer(&m.d, 0, 0).len, 1025);
	memset(m.d.ram + DATA, 0xaa, 512);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_OUT, 15, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(driver_answer(&m.d, 0, 1).len, 1);
	CHECK_EQ(pread(m.part.fd, &byte, 1, 15 * 512), 1);
	CHECK_EQ(byte, 0xaa);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	end(&m);
}

/* A73 */
TEST(requests_outside_the_disk_fail_alone)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
	} bad[] = {
		{ SECTORS, 512 },
		{ SECTORS - 1, 1024 },
		{ UINT64_MAX, 512 },
		{ UINT64_MAX / 512, 512 },
		{ UINT64_MAX - 1, 1024 },
		{ 1ULL << 55, 512 },
		{ 0, 511 },
		{ 0, 1 },
		{ 0, (SECTORS + 1) * 512 },
	};
	struct machine m;

	begin(&m, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, bad[i].sector, bad[i].bytes),
			 VIRTIO_BLK_S_IOERR);
		CHECK_EQ(request(&m, VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].bytes),
			 VIRTIO_BLK_S_IOERR);
	}
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

/* A73 */
TEST(a_readonly_disk_says_so_and_is_not_written)
{
	struct machine m;
	uint8_t byte;

	begin(&m, true);
	driver_set(&m.d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	CHECK((driver_get(&m.d, VIRTIO_MMIO_DEVICE_FEATURES) & 1U << VIRTIO_BLK_F_RO) != 0);
	memset(m.d.ram + DATA, 0xaa, 512);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(pread(m.part.fd, &byte, 1, 0), 1);
	CHECK_EQ(byte, 1);
	end(&m);
}

/* A73 */
TEST(a_request_without_header_or_status_asks_for_a_reset)
{
	struct machine m;

	begin(&m, false);
	driver_desc(&m.d, 0, 0, HEADER, 15, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.blk);
	CHECK(driver_needs_reset(&m.d));

	driver_bring_up(&m.d, m.blk, 0);
	set_ram16(&m.d, QUEUE_GPA(0) + 0x1000 + 2, 0);
	driver_desc(&m.d, 0, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, DATA, 512, 0, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.blk);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

/* A68: one that has no bytes takes no room, so their number alone ends it. */
TEST(a_loop_of_empty_descriptors_ends)
{
	struct machine m;

	begin(&m, false);
	driver_desc(&m.d, 0, 0, HEADER, 0, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, HEADER, 0, VRING_DESC_F_NEXT, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.blk);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

/* A73: what a driver may do, though none does. */
TEST(a_header_and_a_status_may_lie_in_pieces)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN, .sector = 2 };
	struct machine m;

	begin(&m, false);
	memcpy(m.d.ram + HEADER, &header, sizeof(header));
	driver_desc(&m.d, 0, 0, HEADER, 3, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, HEADER + 3, 13, VRING_DESC_F_NEXT, 2);
	driver_desc(&m.d, 0, 2, DATA, 100, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	driver_desc(&m.d, 0, 3, DATA + 100, 413, VRING_DESC_F_WRITE,
		    0); /* the status is its last */
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.blk);
	CHECK_EQ(m.d.ram[DATA], 3);
	CHECK_EQ(m.d.ram[DATA + 511], 3);
	CHECK_EQ(m.d.ram[DATA + 512], VIRTIO_BLK_S_OK);
	CHECK_EQ(driver_answer(&m.d, 0, 0).len, 513);
	end(&m);
}

TEST(the_identity_is_cut_and_an_unknown_request_is_said_to_be)
{
	struct machine m;
	size_t last;

	begin(&m, false);
	memset(m.d.ram + DATA, 0, 64);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	CHECK(memcmp(m.d.ram + DATA, "an identity that is ", 20) == 0);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_GET_ID, 0, 4), VIRTIO_BLK_S_OK);
	CHECK_EQ(request(&m, 999, 0, 512), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100, 8), SECTORS);
	/* A76: not behind the configuration, nor into the middle of what is behind it */
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + sizeof(struct virtio_blk_config), 4), 0);
	last = m.blk->config_bytes - 2;
	memset((uint8_t *)&((struct og_virtio_blk *)m.blk->device)->config + last, 0xff, 2);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + last, 2), 0xffff);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100 + last, 4), 0);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100, 16), 0);
	end(&m);
}

/* A73: requests that wait when the driver resets are not worked on afterwards. */
TEST(nothing_is_in_flight_after_a_reset)
{
	struct machine m;

	begin(&m, false);
	driver_desc(&m.d, 0, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
	og_virtio_work(m.blk);
	CHECK_EQ(m.d.ram[STATUS], UNTOUCHED);
	CHECK_EQ(driver_used(&m.d, 0), 0);
	end(&m);
}

/* One request whose data is @n ranges. */
static uint8_t ranges_request(struct machine *m, uint32_t type, const void *ranges, uint32_t bytes)
{
	memcpy(m->d.ram + DATA, ranges, bytes);
	return request(m, type, 0, bytes);
}

static uint8_t disk_byte(const struct machine *m, unsigned sector)
{
	uint8_t byte = UNTOUCHED;

	CHECK_EQ(pread(m->part.fd, &byte, 1, (off_t)sector * 512), 1);
	return byte;
}

TEST(discarded_and_zeroed_ranges_read_as_zeros)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };

	for (unsigned i = 0; i < 2; i++) {
		struct virtio_blk_discard_write_zeroes ranges[] = {
			{ .sector = 2, .num_sectors = 3 }, { .sector = 15, .num_sectors = 1 }
		};
		struct machine m;

		begin(&m, false);
		CHECK_EQ(ranges_request(&m, types[i], ranges, sizeof(ranges)), VIRTIO_BLK_S_OK);
		CHECK_EQ(disk_byte(&m, 1), 2);
		CHECK_EQ(disk_byte(&m, 2), 0);
		CHECK_EQ(disk_byte(&m, 4), 0);
		CHECK_EQ(disk_byte(&m, 5), 6);
		CHECK_EQ(disk_byte(&m, 15), 0);
		end(&m);
	}
}

/* A73: all ranges are judged before the first is served. */
TEST(ranges_outside_the_disk_or_with_strange_flags_change_nothing)
{
	static const struct {
		struct virtio_blk_discard_write_zeroes range;
		uint8_t status;
	} cases[] = {
		{ { .sector = 15, .num_sectors = 2 }, VIRTIO_BLK_S_IOERR },
		{ { .sector = UINT64_MAX, .num_sectors = 2 }, VIRTIO_BLK_S_IOERR },
		{ { .sector = 1, .num_sectors = UINT32_MAX }, VIRTIO_BLK_S_IOERR },
		{ { .sector = 1, .num_sectors = 1, .flags = 1 }, VIRTIO_BLK_S_UNSUPP },
		{ { .sector = 1, .num_sectors = 1, .flags = 2 }, VIRTIO_BLK_S_UNSUPP },
	};
	struct virtio_blk_discard_write_zeroes many[OG_BLK_RANGES_MAX + 1] = {};
	struct machine m;

	begin(&m, false);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_blk_discard_write_zeroes two[] = { { .sector = 3, .num_sectors = 1 },
								 cases[i].range };

		CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_DISCARD, two, sizeof(two)),
			 cases[i].status);
		CHECK_EQ(disk_byte(&m, 3), 4);
	}
	CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_DISCARD, many, sizeof(many)), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_DISCARD, many, 15), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_DISCARD, many, 0), VIRTIO_BLK_S_IOERR);
	end(&m);

	begin(&m, true);
	CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_DISCARD, many, 16), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges_request(&m, VIRTIO_BLK_T_WRITE_ZEROES, many, 16), VIRTIO_BLK_S_IOERR);
	end(&m);
}

TEST(a_request_over_the_limit_waits_where_it_is)
{
	struct og_blk_command command = {
		.limits = { .config.ops = { .size = 1, .refill_time_ms = 3600000 },
			    .set_ops = true },
	};
	struct machine m;

	begin(&m, false);
	CHECK_OK(m.blk->ops->command(m.blk, &command, NULL, 0, NULL, NULL));
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	m.d.ram[STATUS] = UNTOUCHED;
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 1, 512), UNTOUCHED);
	CHECK_EQ(driver_used(&m.d, 0), 1);

	/* Without the limit it goes on, and nothing was lost. */
	command.limits.config.ops = (struct og_bucket_config){};
	CHECK_OK(m.blk->ops->command(m.blk, &command, NULL, 0, NULL, NULL));
	CHECK(is_signalled(m.blk->kick_fd));
	og_virtio_work(m.blk);
	CHECK_EQ(m.d.ram[STATUS], VIRTIO_BLK_S_OK);
	CHECK_EQ(m.d.ram[DATA], 2);
	CHECK_EQ(driver_used(&m.d, 0), 2);
	end(&m);
}

TEST(another_disk_takes_the_place_of_this_one)
{
	struct og_blk_command command = { .swap = true };
	struct machine m;
	int fds[] = { disk_file("other", 2048) }, none[] = { -1 };
	int fd = fds[0];

	begin(&m, false);
	CHECK(m.blk->ops->command(m.blk, &command, none, 1, NULL, NULL) < 0);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100, 8), SECTORS);
	CHECK_OK(m.blk->ops->command(m.blk, &command, fds, 1, NULL, NULL));
	CHECK(fds[0] < 0); /* it is the device's now */
	CHECK_EQ(m.part.fd, fd);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, 0x100, 8), 4);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_CONFIG_GENERATION), 1);
	CHECK((driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG) != 0);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(m.d.ram[DATA], 4);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 4, 512), VIRTIO_BLK_S_IOERR);
	end(&m);
	CHECK(fcntl(fd, F_GETFD) < 0); /* and was closed with it */
}

TEST(a_saved_disk_is_loaded_onto_one_of_its_size_alone)
{
	uint8_t state[1024];
	struct og_unpack unpack;
	struct machine m, small;
	struct og_pack pack;

	begin(&m, false);
	CHECK_EQ(request(&m, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	og_pack_init(&pack, state, sizeof(state));
	CHECK_OK(og_virtio_save(m.blk, &pack, NULL));

	begin(&small, false);
	driver_set(&small.d, VIRTIO_MMIO_STATUS, 0);
	og_unpack_init(&unpack, state, pack.len);
	CHECK_OK(og_virtio_load(small.blk, &unpack, NULL));
	CHECK(og_unpack_done(&unpack));
	CHECK_EQ(driver_get(&small.d, VIRTIO_MMIO_STATUS), driver_get(&m.d, VIRTIO_MMIO_STATUS));
	CHECK_EQ(small.blk->queues[0].next_avail, 1);

	/* Every cut and every changed byte is refused or harmless (ASan looks on). */
	for (size_t len = 0; len < pack.len; len++) {
		og_unpack_init(&unpack, state, len);
		CHECK(og_virtio_load(small.blk, &unpack, NULL) < 0 || !og_unpack_done(&unpack));
	}
	((struct og_virtio_blk *)small.blk->device)->config.capacity--;
	og_unpack_init(&unpack, state, pack.len);
	CHECK_EQ(og_virtio_load(small.blk, &unpack, NULL), -EBADMSG);
	end(&small);
	end(&m);
}

TEST(parts_are_one_disk_with_zeros_between)
{
	struct og_disk_part parts[] = {
		{ .fd = disk_file("one", 700), .offset = 0 },
		{ .fd = disk_file("two", 512), .offset = 2048 },
		{ .fd = disk_file("three", 100), .offset = 2560 },
	};
	uint8_t buf[3072], *at = buf;
	struct og_disk disk;

	CHECK_OK(og_disk_init(&disk, parts, 3, true, NULL));
	CHECK_EQ(disk.bytes, 3072);
	memset(buf, 0x55, sizeof(buf));
	for (unsigned start = 0; start < 3; start++) { /* whole, and from the middle of things */
		struct iovec iov[] = { { at + start * 512, 100 },
				       { at + start * 512 + 100,
					 sizeof(buf) - start * 512 - 100 } };

		CHECK_OK(og_disk_read(&disk, (uint64_t)start * 512, iov, 2));
		CHECK_EQ(buf[start * 512], start < 2 ? start + 1 : 0);
		CHECK_EQ(buf[699], 2);
		CHECK_EQ(buf[700], 0);
		CHECK_EQ(buf[2047], 0);
		CHECK_EQ(buf[2048], 1);
		CHECK_EQ(buf[2560], 1);
		CHECK_EQ(buf[2659], 1);
		CHECK_EQ(buf[2660], 0);
		CHECK_EQ(buf[3071], 0);
	}
	for (unsigned i = 0; i < 3; i++)
		og_close(parts[i].fd);
}

TEST(a_file_that_became_shorter_is_an_error)
{
	struct og_disk_part part = { .fd = disk_file("shrinks", 2048) };
	struct og_disk disk;
	uint8_t buf[512];
	struct iovec iov = { buf, sizeof(buf) };

	CHECK_OK(og_disk_init(&disk, &part, 1, true, NULL));
	CHECK_OK(ftruncate(part.fd, 1024));
	CHECK_EQ(og_disk_read(&disk, 1536, &iov, 1), -EIO);
	og_close(part.fd);
}

TEST(parts_that_make_no_disk_are_refused)
{
	struct og_disk_part overlapping[] = { { .fd = disk_file("a", 1024) },
					      { .fd = disk_file("b", 512), .offset = 512 } };
	struct og_disk_part apart[] = { { .fd = overlapping[0].fd },
					{ .fd = overlapping[1].fd, .offset = 1024 } };
	struct og_disk_part far = { .fd = overlapping[0].fd, .offset = UINT64_MAX - 512 };
	struct og_disk_part null = { .fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
	struct og_disk disk;

	CHECK_EQ(og_disk_init(&disk, overlapping, 2, true, NULL), -EINVAL);
	CHECK_EQ(og_disk_init(&disk, apart, 2, false, NULL), -EINVAL);
	CHECK_EQ(og_disk_init(&disk, &far, 1, true, NULL), -EINVAL);
	CHECK_EQ(og_disk_init(&disk, &null, 1, true, NULL), -EINVAL);
	CHECK_EQ(og_disk_init(&disk, apart, 0, true, NULL), -EINVAL);
	og_close(overlapping[0].fd);
	og_close(overlapping[1].fd);
	og_close(null.fd);
}

TEST_MAIN(TEST_ENTRY(sectors_are_read_and_written),
	  TEST_ENTRY(requests_outside_the_disk_fail_alone),
	  TEST_ENTRY(a_readonly_disk_says_so_and_is_not_written),
	  TEST_ENTRY(a_request_without_header_or_status_asks_for_a_reset),
	  TEST_ENTRY(a_loop_of_empty_descriptors_ends),
	  TEST_ENTRY(a_header_and_a_status_may_lie_in_pieces),
	  TEST_ENTRY(the_identity_is_cut_and_an_unknown_request_is_said_to_be),
	  TEST_ENTRY(nothing_is_in_flight_after_a_reset),
	  TEST_ENTRY(discarded_and_zeroed_ranges_read_as_zeros),
	  TEST_ENTRY(ranges_outside_the_disk_or_with_strange_flags_change_nothing),
	  TEST_ENTRY(a_request_over_the_limit_waits_where_it_is),
	  TEST_ENTRY(another_disk_takes_the_place_of_this_one),
	  TEST_ENTRY(a_saved_disk_is_loaded_onto_one_of_its_size_alone),
	  TEST_ENTRY(parts_are_one_disk_with_zeros_between),
	  TEST_ENTRY(a_file_that_became_shorter_is_an_error),
	  TEST_ENTRY(parts_that_make_no_disk_are_refused))
