/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_pmem.h>
#include <sys/mman.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/device/virtio_pmem.h"

#define SIZE   16
#define ANSWER (DATA_GPA + 64)
#define MIB    (1ULL << 20)

struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_device_world world;
	struct og_metrics metrics;
	struct og_pmem_config config;
	uint64_t free_gpa;
};

static void begin(struct machine *m, off_t bytes)
{
	*m = (struct machine){ .free_gpa = OG_GAP_END + 1 };
	driver_init(&m->d, SIZE);
	m->config.fd = memfd_create("pmem", MFD_CLOEXEC);
	CHECK_OK(ftruncate(m->config.fd, bytes));
	m->world = (struct og_device_world){ .mem = &m->d.mem,
					     .metrics = &m->metrics,
					     .free_gpa = &m->free_gpa };
}

static void bring_up(struct machine *m)
{
	CHECK_OK(og_virtio_pmem_new(&m->config, &m->world, &m->virtio, NULL));
	driver_bring_up(&m->d, m->virtio, 0);
}

static void end(struct machine *m)
{
	og_virtio_free(m->virtio);
	og_close(m->config.fd);
	driver_done(&m->d);
}

static uint32_t ask(struct machine *m, uint32_t type)
{
	uint32_t answer;

	memcpy(m->d.ram + DATA_GPA, &type, sizeof(type));
	memset(m->d.ram + ANSWER, 0xee, sizeof(answer));
	driver_desc(&m->d, 0, 0, DATA_GPA, sizeof(type), VRING_DESC_F_NEXT, 1);
	driver_desc(&m->d, 0, 1, ANSWER, sizeof(answer), VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, 0, 0);
	og_virtio_work(m->virtio);
	memcpy(&answer, m->d.ram + ANSWER, sizeof(answer));
	return answer;
}

#define UNANSWERED 0xeeeeeeee

TEST(the_driver_sees_a_place_of_whole_2_mib_behind_all_else)
{
	struct machine m;

	begin(&m, 3 * MIB + 5);
	bring_up(&m);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG, 8), OG_GAP_END + 128 * MIB);
	CHECK_EQ(og_virtio_mmio_read(&m.d.mmio, VIRTIO_MMIO_CONFIG + 8, 8), 4 * MIB);
	CHECK_EQ(m.free_gpa, OG_GAP_END + 132 * MIB);
	CHECK(og_mem_at(&m.d.mem, OG_GAP_END + 128 * MIB, 1) == NULL);
	end(&m);
}

TEST(a_flush_is_answered)
{
	struct machine m;

	begin(&m, MIB);
	bring_up(&m);
	CHECK_EQ(ask(&m, VIRTIO_PMEM_REQ_TYPE_FLUSH), 0);
	CHECK_EQ(driver_answer(&m.d, 0, 0).len, 4);
	CHECK_EQ(ask(&m, 1), 1);
	CHECK_EQ(m.metrics.pmem[0].flush_count, 1);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(half_a_request_asks_for_a_reset)
{
	struct machine m;

	begin(&m, MIB);
	bring_up(&m);
	driver_desc(&m.d, 0, 0, DATA_GPA, 3, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, ANSWER, 4, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	driver_bring_up(&m.d, m.virtio, 0);
	driver_desc(&m.d, 0, 0, DATA_GPA, 4, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, ANSWER, 3, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(flushes_are_limited)
{
	struct og_pmem_command unlimited = { .limit = { .set_ops = true } };
	struct machine m;

	begin(&m, MIB);
	m.config.limit.ops = (struct og_bucket_config){ .size = 2, .refill_time_ms = 3600 * 1000 };
	bring_up(&m);
	CHECK_EQ(ask(&m, VIRTIO_PMEM_REQ_TYPE_FLUSH), 0);
	CHECK_EQ(ask(&m, VIRTIO_PMEM_REQ_TYPE_FLUSH), 0);
	CHECK_EQ(ask(&m, VIRTIO_PMEM_REQ_TYPE_FLUSH), UNANSWERED);
	CHECK_EQ(m.metrics.pmem[0].rate_limiter_throttled_events, 1);
	CHECK(m.virtio->ops->command(m.virtio, &unlimited, NULL, 0, NULL, NULL) >= 0);
	og_virtio_work(m.virtio);
	CHECK_EQ(driver_used(&m.d, 0), 3);
	end(&m);
}

TEST(what_is_no_file_with_something_in_it_is_refused)
{
	struct machine m;

	begin(&m, 0);
	CHECK_EQ(og_virtio_pmem_new(&m.config, &m.world, &m.virtio, NULL), -EINVAL);
	og_close(m.config.fd);
	m.config.fd = open(".", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(og_virtio_pmem_new(&m.config, &m.world, &m.virtio, NULL), -EINVAL);
	og_close(m.config.fd);
	driver_done(&m.d);
}

TEST(a_restored_guest_finds_it_where_it_was)
{
	struct og_virtio *other;
	uint8_t bytes[4096];
	struct og_pack pack;
	struct og_unpack unpack;
	struct machine m;

	begin(&m, MIB);
	m.config.readonly = true;
	bring_up(&m);
	og_pack_init(&pack, bytes, sizeof(bytes));
	CHECK_OK(og_virtio_save(m.virtio, &pack, NULL));
	m.free_gpa = OG_GAP_END + 1;
	CHECK_OK(og_virtio_pmem_new(&m.config, &m.world, &other, NULL));
	og_unpack_init(&unpack, bytes, pack.len);
	CHECK_OK(og_virtio_load(other, &unpack, NULL));
	og_virtio_free(other);

	/* Now elsewhere, then larger, then writable. */
	CHECK_OK(og_virtio_pmem_new(&m.config, &m.world, &other, NULL));
	og_unpack_init(&unpack, bytes, pack.len);
	CHECK_EQ(og_virtio_load(other, &unpack, NULL), -EBADMSG);
	og_virtio_free(other);
	CHECK_OK(ftruncate(m.config.fd, 2 * MIB));
	m.free_gpa = OG_GAP_END + 1;
	CHECK_OK(og_virtio_pmem_new(&m.config, &m.world, &other, NULL));
	og_unpack_init(&unpack, bytes, pack.len);
	CHECK_EQ(og_virtio_load(other, &unpack, NULL), -EBADMSG);
	og_virtio_free(other);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(the_driver_sees_a_place_of_whole_2_mib_behind_all_else),
	  TEST_ENTRY(a_flush_is_answered), TEST_ENTRY(half_a_request_asks_for_a_reset),
	  TEST_ENTRY(flushes_are_limited),
	  TEST_ENTRY(what_is_no_file_with_something_in_it_is_refused),
	  TEST_ENTRY(a_restored_guest_finds_it_where_it_was))
