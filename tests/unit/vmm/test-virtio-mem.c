/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_mem.h>

#include "base/test.h"
#include "driver.h"
#include "vmm/device/mem_blocks.h"
#include "vmm/device/virtio_mem.h"

#define SIZE   16
#define MIB    (1ULL << 20)
#define BLOCK  (2 * MIB)
#define SLOT   (128 * MIB)
#define SLOTS  4U
#define ANSWER (DATA_GPA + 64)

static const struct og_hotplug_config sizes = { .total_mib = SLOTS * 128,
						.block_mib = 2,
						.slot_mib = 128 };

struct machine {
	struct driver d;
	struct og_virtio *virtio;
	struct og_device_world world;
	struct og_metrics metrics;
	struct og_hotplug_status status;
	uint64_t gpa;
};

static void begin(struct machine *m)
{
	*m = (struct machine){};
	driver_init_mapped(&m->d, SIZE);
	CHECK_OK(og_mem_add_hotplug(&m->d.mem, SLOTS * SLOT, SLOT, NULL));
	m->gpa = m->d.mem.hotplug.region.gpa;
	m->world = (struct og_device_world){ .mem = &m->d.mem, .metrics = &m->metrics };
	CHECK_OK(og_virtio_mem_new(&sizes, &m->world, &m->virtio, NULL));
	driver_bring_up(&m->d, m->virtio, og_virtio_offers(m->virtio) & 0xffffff);
}

static void end(struct machine *m)
{
	og_virtio_free(m->virtio);
	driver_done(&m->d);
}

static int command(struct machine *m, uint32_t kind, uint64_t mib)
{
	const struct og_hotplug_command what = { .kind = kind, .requested_mib = mib };

	return m->virtio->ops->command(m->virtio, &what, NULL, 0, &m->status, NULL);
}

static uint16_t ask(struct machine *m, uint16_t type, uint64_t gpa, uint16_t blocks)
{
	struct virtio_mem_req request = { .type = type, .u.plug = { gpa, blocks, {} } };

	memcpy(m->d.ram + DATA_GPA, &request, sizeof(request));
	memset(m->d.ram + ANSWER, 0xee, sizeof(struct virtio_mem_resp));
	driver_desc(&m->d, 0, 0, DATA_GPA, sizeof(request), VRING_DESC_F_NEXT, 1);
	driver_desc(&m->d, 0, 1, ANSWER, sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, 0);
	driver_offer(&m->d, 0, 0);
	og_virtio_work(m->virtio);
	return ram16(&m->d, ANSWER);
}

static uint16_t state(struct machine *m, uint64_t gpa, uint16_t blocks)
{
	CHECK_EQ(ask(m, VIRTIO_MEM_REQ_STATE, gpa, blocks), VIRTIO_MEM_RESP_ACK);
	return ram16(&m->d, ANSWER + 8);
}

static uint64_t space64(struct machine *m, unsigned offset)
{
	return og_virtio_mmio_read(&m->d.mmio, VIRTIO_MMIO_CONFIG + offset, 8);
}

#define USABLE	  32
#define PLUGGED	  40
#define REQUESTED 48

TEST(blocks_are_counted_and_told_apart)
{
	struct og_mem_blocks blocks;

	CHECK_OK(og_mem_blocks_init(&blocks, 130, NULL));
	CHECK_EQ(og_mem_blocks_state(&blocks, 0, 130), OG_BLOCKS_UNPLUGGED);
	og_mem_blocks_set(&blocks, 60, 70, true);
	og_mem_blocks_set(&blocks, 60, 10, true);
	CHECK_EQ(blocks.plugged, 70);
	CHECK_EQ(og_mem_blocks_state(&blocks, 60, 70), OG_BLOCKS_PLUGGED);
	CHECK_EQ(og_mem_blocks_state(&blocks, 59, 2), OG_BLOCKS_MIXED);
	CHECK_EQ(og_mem_blocks_state(&blocks, 129, 1), OG_BLOCKS_PLUGGED);
	og_mem_blocks_set(&blocks, 61, 1, false);
	CHECK_EQ(og_mem_blocks_state(&blocks, 60, 70), OG_BLOCKS_MIXED);
	CHECK_EQ(blocks.plugged, 69);
	og_mem_blocks_done(&blocks);
}

TEST(the_driver_sees_a_region_with_nothing_in_it)
{
	struct machine m;

	begin(&m);
	CHECK_EQ(space64(&m, 0), BLOCK);
	CHECK_EQ(space64(&m, 16), m.gpa);
	CHECK_EQ(space64(&m, 24), SLOTS * SLOT);
	CHECK_EQ(space64(&m, USABLE), 256 * MIB);
	CHECK_EQ(space64(&m, PLUGGED), 0);
	CHECK_EQ(space64(&m, REQUESTED), 0);
	CHECK(og_mem_at(&m.d.mem, m.gpa, 1) == NULL);
	end(&m);
}

TEST(memory_is_plugged_as_far_as_it_is_asked_for)
{
	struct machine m;

	begin(&m);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa, 1), VIRTIO_MEM_RESP_NACK);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 130) > 0);
	CHECK_EQ(driver_get(&m.d, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG,
		 VIRTIO_MMIO_INT_CONFIG);
	CHECK_EQ(space64(&m, REQUESTED), 130 * MIB);
	CHECK_EQ(space64(&m, USABLE), 386 * MIB);

	/* The last block of the first slot and all of the second. */
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa + SLOT - BLOCK, 65), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(space64(&m, PLUGGED), 130 * MIB);
	CHECK(og_mem_at(&m.d.mem, m.gpa, 2 * SLOT) == m.d.mem.hotplug.region.host);
	CHECK(og_mem_at(&m.d.mem, m.gpa + 2 * SLOT, 1) == NULL);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa, 1), VIRTIO_MEM_RESP_NACK);
	CHECK_EQ(state(&m, m.gpa, 10), VIRTIO_MEM_STATE_UNPLUGGED);
	CHECK_EQ(state(&m, m.gpa + SLOT, 64), VIRTIO_MEM_STATE_PLUGGED);
	CHECK_EQ(state(&m, m.gpa, 64), VIRTIO_MEM_STATE_MIXED);
	CHECK(command(&m, OG_HOTPLUG_GET, 0) > 0);
	CHECK_EQ(m.status.plugged_mib, 130);
	CHECK_EQ(m.status.requested_mib, 130);
	CHECK_EQ(m.metrics.mem_hotplug.plug_bytes, 130 * MIB);
	CHECK_EQ(m.metrics.mem_hotplug.plug_fails, 2);
	end(&m);
}

TEST(what_is_unplugged_is_gone)
{
	struct machine m;
	uint8_t *host;

	begin(&m);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 256) > 0);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa, 128), VIRTIO_MEM_RESP_ACK);
	host = og_mem_at(&m.d.mem, m.gpa, 256 * MIB);
	host[0] = host[BLOCK] = host[SLOT] = 1;

	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG, m.gpa, 1), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(host[0], 0);
	CHECK_EQ(host[BLOCK], 1);
	CHECK(og_mem_at(&m.d.mem, m.gpa, 1) != NULL);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG, m.gpa + BLOCK, 63), VIRTIO_MEM_RESP_ACK);
	CHECK(og_mem_at(&m.d.mem, m.gpa, 1) == NULL);
	CHECK_EQ(host[SLOT], 1);
	CHECK_EQ(space64(&m, PLUGGED), 128 * MIB);

	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(host[SLOT], 0);
	CHECK(og_mem_at(&m.d.mem, m.gpa + SLOT, 1) == NULL);
	CHECK_EQ(space64(&m, PLUGGED), 0);
	end(&m);
}

TEST(the_usable_region_shrinks_when_all_is_unplugged)
{
	struct machine m;

	begin(&m);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 512) > 0);
	CHECK_EQ(space64(&m, USABLE), 512 * MIB);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 0) > 0);
	CHECK_EQ(space64(&m, USABLE), 512 * MIB);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(space64(&m, USABLE), 256 * MIB);
	end(&m);
}

TEST(requests_about_what_is_not_there_are_errors)
{
	struct machine m;

	begin(&m);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 4) > 0);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa, 1), VIRTIO_MEM_RESP_ACK);
	for (uint16_t type = VIRTIO_MEM_REQ_PLUG; type <= VIRTIO_MEM_REQ_STATE + 1; type++) {
		if (type == VIRTIO_MEM_REQ_UNPLUG_ALL)
			continue;
		CHECK_EQ(ask(&m, type, m.gpa + 2 * BLOCK, 0), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, m.gpa + 1, 1), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, m.gpa - BLOCK, 1), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, 0, 1), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, UINT64_MAX & ~(BLOCK - 1), 1), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, m.gpa + 260 * MIB, 1), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, m.gpa, 131), VIRTIO_MEM_RESP_ERROR);
		CHECK_EQ(ask(&m, type, m.gpa, UINT16_MAX), VIRTIO_MEM_RESP_ERROR);
	}
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa, 1), VIRTIO_MEM_RESP_ERROR);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG, m.gpa + BLOCK, 1), VIRTIO_MEM_RESP_ERROR);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_UNPLUG, m.gpa, 2), VIRTIO_MEM_RESP_ERROR);
	CHECK(!driver_needs_reset(&m.d));
	end(&m);
}

TEST(half_a_request_asks_for_a_reset)
{
	struct machine m;

	begin(&m);
	driver_desc(&m.d, 0, 0, DATA_GPA, sizeof(struct virtio_mem_req) - 1, VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, ANSWER, sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	driver_bring_up(&m.d, m.virtio, 0);
	driver_desc(&m.d, 0, 0, DATA_GPA, sizeof(struct virtio_mem_req), VRING_DESC_F_NEXT, 1);
	driver_desc(&m.d, 0, 1, ANSWER, sizeof(struct virtio_mem_resp) - 1, VRING_DESC_F_WRITE, 0);
	driver_offer(&m.d, 0, 0);
	og_virtio_work(m.virtio);
	CHECK(driver_needs_reset(&m.d));
	end(&m);
}

TEST(the_operator_asks_for_what_can_be)
{
	static const struct og_hotplug_config bad[] = {
		{ .total_mib = 512, .block_mib = 1, .slot_mib = 128 },
		{ .total_mib = 512, .block_mib = 3, .slot_mib = 129 },
		{ .total_mib = 512, .block_mib = 2, .slot_mib = 64 },
		{ .total_mib = 512, .block_mib = 256, .slot_mib = 128 },
		{ .total_mib = 500, .block_mib = 2, .slot_mib = 128 },
		{ .total_mib = 0, .block_mib = 2, .slot_mib = 128 },
		{ .total_mib = UINT64_MAX - 127, .block_mib = 2, .slot_mib = 128 },
		{ .total_mib = 512 * 1024, .block_mib = 2, .slot_mib = 128 },
	};
	struct machine m;

	CHECK_OK(og_hotplug_check(&sizes, NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_hotplug_check(&bad[i], NULL), -EINVAL);
	begin(&m);
	CHECK_EQ(command(&m, OG_HOTPLUG_REQUEST, 514), -EINVAL);
	CHECK_EQ(command(&m, OG_HOTPLUG_REQUEST, 3), -EINVAL);
	CHECK_EQ(command(&m, OG_HOTPLUG_REQUEST, UINT64_MAX - 1), -EINVAL);
	CHECK_EQ(command(&m, 7, 2), -EINVAL);
	end(&m);
}

TEST(plugged_memory_is_there_again_after_a_restore)
{
	struct og_virtio *other;
	uint8_t bytes[4096];
	struct og_pack pack;
	struct og_unpack unpack;
	struct machine m;

	begin(&m);
	CHECK(command(&m, OG_HOTPLUG_REQUEST, 256) > 0);
	CHECK_EQ(ask(&m, VIRTIO_MEM_REQ_PLUG, m.gpa + SLOT, 1), VIRTIO_MEM_RESP_ACK);
	og_pack_init(&pack, bytes, sizeof(bytes));
	CHECK_OK(og_virtio_save(m.virtio, &pack, NULL));
	og_virtio_free(m.virtio);
	og_mem_set_present(&m.d.mem, 1, false);

	for (size_t len = 0; len < pack.len; len += 5) {
		CHECK_OK(og_virtio_mem_new(&sizes, &m.world, &other, NULL));
		og_unpack_init(&unpack, bytes, len);
		CHECK(og_virtio_load(other, &unpack, NULL) < 0);
		og_virtio_free(other);
	}
	CHECK(og_mem_at(&m.d.mem, m.gpa + SLOT, 1) == NULL);
	CHECK_OK(og_virtio_mem_new(&sizes, &m.world, &m.virtio, NULL));
	og_unpack_init(&unpack, bytes, pack.len);
	CHECK_OK(og_virtio_load(m.virtio, &unpack, NULL));
	m.d.mmio.virtio = m.virtio;
	CHECK(og_mem_at(&m.d.mem, m.gpa + SLOT, SLOT) != NULL);
	CHECK(og_mem_at(&m.d.mem, m.gpa, 1) == NULL);
	CHECK_EQ(state(&m, m.gpa + SLOT, 1), VIRTIO_MEM_STATE_PLUGGED);
	CHECK_EQ(space64(&m, PLUGGED), BLOCK);
	CHECK_EQ(space64(&m, REQUESTED), 256 * MIB);
	end(&m);
}

TEST_MAIN(TEST_ENTRY(blocks_are_counted_and_told_apart),
	  TEST_ENTRY(the_driver_sees_a_region_with_nothing_in_it),
	  TEST_ENTRY(memory_is_plugged_as_far_as_it_is_asked_for),
	  TEST_ENTRY(what_is_unplugged_is_gone),
	  TEST_ENTRY(the_usable_region_shrinks_when_all_is_unplugged),
	  TEST_ENTRY(requests_about_what_is_not_there_are_errors),
	  TEST_ENTRY(half_a_request_asks_for_a_reset),
	  TEST_ENTRY(the_operator_asks_for_what_can_be),
	  TEST_ENTRY(plugged_memory_is_there_again_after_a_restore))
