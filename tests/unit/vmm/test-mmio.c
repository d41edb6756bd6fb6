/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/device/bus.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio_rng.h"

#define SIZE 8

#define DRIVER_READY (STATUS_KNOWN | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

struct machine {
	struct driver d;
	struct og_virtio *rng;
};

static void begin(struct machine *m)
{
	driver_init(&m->d, SIZE);
	CHECK_OK(og_virtio_rng_new(&(struct og_rng_config){},
				   &(struct og_device_world){ .mem = &m->d.mem }, &m->rng, NULL));
	m->d.mmio = (struct og_virtio_mmio){ .virtio = m->rng };
}

static void end(struct machine *m)
{
	(void)og_virtio_free(m->rng);
	driver_done(&m->d);
}

TEST(a_driver_that_keeps_the_order_is_served)
{
	struct machine m;

	begin(&m);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_VERSION), 2);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_DEVICE_ID), 4);
	driver_bring_up(&m.d, m.rng, OG_VIRTIO_RING_EVENT);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), DRIVER_READY);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 1);

	driver_desc(&m.d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	CHECK(is_signalled(m.rng->kick_fd));
	og_virtio_work(m.rng);
	CHECK_EQ(driver_used(&m.d, 0), 1);
	CHECK(is_signalled(m.rng->interrupt_fd));
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	driver_set(&m.d, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	end(&m);
}

/* A71 */
TEST(status_bits_out_of_order_are_refused)
{
	static const uint8_t bad[] = {
		VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_DRIVER_OK,
		VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER_OK,
		STATUS_KNOWN | VIRTIO_CONFIG_S_DRIVER_OK,
	};
	struct machine m;

	begin(&m);
	for (size_t i = 0; i < sizeof(bad); i++) {
		driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
		driver_set(&m.d, VIRTIO_MMIO_STATUS, bad[i]);
		CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), 0);
	}
	end(&m);
}

/* A71 */
TEST(bits_are_taken_back_only_by_a_reset)
{
	struct machine m;

	begin(&m);
	driver_bring_up(&m.d, m.rng, 0);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, STATUS_KNOWN);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), DRIVER_READY);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	end(&m);
}

/* A71 */
TEST(features_that_were_not_offered_are_refused)
{
	struct machine m;

	begin(&m);
	driver_negotiate(&m.d, 1ULL << 7);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), STATUS_KNOWN);
	driver_negotiate(&m.d, 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), STATUS_KNOWN | VIRTIO_CONFIG_S_FEATURES_OK);

	/* A driver of before version 1 is told so. */
	driver_set(&m.d, VIRTIO_MMIO_STATUS, 0);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, STATUS_KNOWN);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, STATUS_KNOWN | VIRTIO_CONFIG_S_FEATURES_OK);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), STATUS_KNOWN);
	end(&m);
}

/* A71 */
TEST(a_queue_starts_only_with_a_size_and_a_place)
{
	static const uint32_t sizes[] = { 0, 3, 257, 65535, 65536 + 8, UINT32_MAX };
	struct machine m;

	begin(&m);
	driver_negotiate(&m.d, 0);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 1); /* before its addresses */
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		driver_set(&m.d, VIRTIO_MMIO_QUEUE_NUM, sizes[i]);
		driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 1);
		CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 1);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	driver_set_up_queue(&m.d, 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 1);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_SEL, 1); /* there is none */
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 1);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	end(&m);
}

/* A71 */
TEST(a_queue_does_not_move_while_the_driver_is_ready)
{
	struct machine m;

	begin(&m);
	driver_bring_up(&m.d, m.rng, 0);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0xdead000);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_NUM, 4);
	CHECK_EQ(m.rng->queues[0].desc_gpa, QUEUE_GPA(0));
	CHECK_EQ(m.rng->queues[0].size, SIZE);
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 0); /* it may only be put to rest */
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0xdead000);
	CHECK_EQ(m.rng->queues[0].desc_gpa, QUEUE_GPA(0));
	driver_set(&m.d, VIRTIO_MMIO_QUEUE_READY, 1);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_QUEUE_READY), 0);
	end(&m);
}

/* A67 to A69: what the module finds shows as a bit, an interrupt and a device that rests. */
TEST(a_broken_rule_asks_for_a_reset_and_a_reset_helps)
{
	struct machine m;

	begin(&m);
	driver_bring_up(&m.d, m.rng, 0);
	driver_desc(&m.d, 0, 0, UINT64_MAX, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.rng);
	CHECK(driver_needs_reset(&m.d));
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);

	driver_desc(&m.d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	og_virtio_work(m.rng);
	CHECK_EQ(driver_used(&m.d, 0), 0);
	driver_set(&m.d, VIRTIO_MMIO_STATUS, DRIVER_READY); /* the bit is not the driver's */
	CHECK(driver_needs_reset(&m.d));

	memset(m.d.ram, 0, RAM_BYTES);
	driver_bring_up(&m.d, m.rng, 0);
	driver_desc(&m.d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.rng);
	CHECK_EQ(driver_used(&m.d, 0), 1);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

/* A72 */
TEST(entropy_is_bounded_and_its_requests_are_judged)
{
	struct machine m;

	begin(&m);
	driver_bring_up(&m.d, m.rng, 0);
	driver_desc(&m.d, 0, 0, DATA_GPA, 65536, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, DATA_GPA, RAM_BYTES - DATA_GPA, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.rng);
	CHECK_EQ(driver_answer(&m.d, 0, 0).len, OG_RNG_FILL_MAX);

	driver_desc(&m.d, 0, 0, DATA_GPA, 64, 0, 0); /* nothing to fill */
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.rng);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(entropy_over_its_limit_waits)
{
	const struct og_rng_config config = {
		.limits.bytes = { .size = 100, .refill_time_ms = 3600000 },
	};
	struct og_virtio *rng;
	struct driver d;

	driver_init(&d, SIZE);
	CHECK_OK(
		og_virtio_rng_new(&config, &(struct og_device_world){ .mem = &d.mem }, &rng, NULL));
	driver_bring_up(&d, rng, 0);
	for (unsigned i = 0; i < 3; i++) {
		driver_desc(&d, 0, 0, DATA_GPA, 40, VRING_DESC_F_WRITE, 0);
		driver_offer(&d, 0, 0);
		og_virtio_work(rng);
	}
	CHECK_EQ(driver_used(&d, 0), 2); /* 80 bytes of 100 */
	CHECK(!driver_needs_reset(&d));
	(void)og_virtio_free(rng);
	driver_done(&d);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A76 */
TEST(a_million_accesses_of_any_width_and_place_do_no_harm)
{
	static const unsigned widths[] = { 1, 2, 4, 8, 3, 0, 16 };
	uint64_t state = 88172645463325252ULL;
	struct machine m;

	begin(&m);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t r = next_random(&state);
		uint64_t offset = r % 5 == 0 ? r >> 8 : (r >> 8) % 0x200;
		unsigned len = widths[(r >> 40) % 7];
		uint64_t value = next_random(&state);

		if (r % 3 == 0)
			value %= 300;
		if (r % 16 < 8)
			og_virtio_mmio_write(&m.d.mmio, offset, value, len);
		else
			(void)og_virtio_mmio_read(&m.d.mmio, offset, len);
		if (r % 1024 == 1)
			og_virtio_work(m.rng);
		if (r % 1024 == 2)
			driver_bring_up(&m.d, m.rng, 0);
	}
	driver_bring_up(&m.d, m.rng, 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_STATUS), DRIVER_READY);
	end(&m);
}

static void remember(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	uint64_t *seen = device;

	seen[0] = offset;
	seen[1] = len;
	if (write)
		seen[2] = *value;
	else
		*value = 0x1122334455667788;
}

TEST(where_nobody_answers_reads_are_all_ones)
{
	struct og_bus bus = {};
	uint64_t seen[3] = {};
	uint8_t data[8];

	og_bus_add(&bus, 0x1000, 0x10, remember, seen);
	og_bus_access(&bus, 0x100f, data, 4, false);
	CHECK_EQ(seen[0], 0xf);
	CHECK_EQ(data[0], 0x88);
	og_bus_access(&bus, 0x1010, data, 8, false);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(data[i], 0xff);
	memcpy(data, "\1\2\3\4\5\6\7\10", 8);
	og_bus_access(&bus, 0x1000, data, 2, true);
	CHECK_EQ(seen[2], 0x0201);
	og_bus_access(&bus, UINT64_MAX, data, 8, true);
	og_bus_access(&bus, 0x1000, data, 0, true);
	og_bus_access(&bus, 0x1000, data, 9, true);
}

TEST_MAIN(TEST_ENTRY(a_driver_that_keeps_the_order_is_served),
	  TEST_ENTRY(status_bits_out_of_order_are_refused),
	  TEST_ENTRY(bits_are_taken_back_only_by_a_reset),
	  TEST_ENTRY(features_that_were_not_offered_are_refused),
	  TEST_ENTRY(a_queue_starts_only_with_a_size_and_a_place),
	  TEST_ENTRY(a_queue_does_not_move_while_the_driver_is_ready),
	  TEST_ENTRY(a_broken_rule_asks_for_a_reset_and_a_reset_helps),
	  TEST_ENTRY(entropy_is_bounded_and_its_requests_are_judged),
	  TEST_ENTRY(entropy_over_its_limit_waits),
	  TEST_ENTRY(a_million_accesses_of_any_width_and_place_do_no_harm),
	  TEST_ENTRY(where_nobody_answers_reads_are_all_ones))
