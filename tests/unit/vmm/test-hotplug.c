/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/test.h"
#include "vmm/memory.h"

#define MIB	   (1ULL << 20)
#define SLOT_BYTES (128 * MIB)

TEST(hotplug_memory_lies_behind_all_other_on_a_whole_block_of_linux)
{
	struct og_mem mem;

	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_EQ(og_mem_end(&mem), 16 * MIB);
	CHECK_OK(og_mem_add_hotplug(&mem, 4 * SLOT_BYTES, SLOT_BYTES, NULL));
	CHECK_EQ(mem.hotplug.region.gpa, OG_GAP_END);
	CHECK_EQ(og_mem_end(&mem), OG_GAP_END + 4 * SLOT_BYTES);
	CHECK(og_mem_region(&mem, 0) == &mem.regions[0]);
	CHECK(og_mem_region(&mem, 1) == &mem.hotplug.region);
	CHECK(og_mem_region(&mem, 2) == NULL);
	og_mem_done(&mem);

	CHECK_OK(og_mem_init(&mem, 4096 * MIB, NULL));
	CHECK_OK(og_mem_add_hotplug(&mem, SLOT_BYTES, SLOT_BYTES, NULL));
	CHECK_EQ(mem.hotplug.region.gpa, 6ULL << 30);
	og_mem_done(&mem);
}

TEST(only_present_slots_can_be_reached)
{
	struct og_mem mem;
	uint64_t gpa;

	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_OK(og_mem_add_hotplug(&mem, 4 * SLOT_BYTES, SLOT_BYTES, NULL));
	gpa = mem.hotplug.region.gpa;
	CHECK(og_mem_at(&mem, gpa, 1) == NULL);

	og_mem_set_present(&mem, 1, true);
	og_mem_set_present(&mem, 2, true);
	CHECK(og_mem_is_present(&mem, 1) && !og_mem_is_present(&mem, 0));
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES, 2 * SLOT_BYTES) ==
	      mem.hotplug.region.host + SLOT_BYTES);
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES - 1, 1) == NULL);
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES - 1, 2) == NULL);
	CHECK(og_mem_at(&mem, gpa + 3 * SLOT_BYTES - 1, 2) == NULL);
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES, 3 * SLOT_BYTES) == NULL);
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES, UINT64_MAX) == NULL);
	CHECK(og_mem_at(&mem, UINT64_MAX - 1, 4) == NULL);

	og_mem_set_present(&mem, 1, false);
	CHECK(og_mem_at(&mem, gpa + SLOT_BYTES, 1) == NULL);
	og_mem_done(&mem);
}

TEST(too_many_slots_are_refused)
{
	struct og_mem mem;

	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_EQ(og_mem_add_hotplug(&mem, (OG_MEM_SLOTS_MAX + 1) * SLOT_BYTES, SLOT_BYTES, NULL),
		 -E2BIG);
	og_mem_done(&mem);
}

/* A72 */
TEST(only_whole_pages_of_the_guests_are_discarded)
{
	static const struct {
		uint64_t gpa, bytes;
	} bad[] = {
		{ 16 * MIB - 4096, 8192 },
		{ 16 * MIB, 4096 },
		{ 4096, UINT64_MAX & ~4095ULL },
		{ UINT64_MAX & ~4095ULL, 8192 },
		{ 1, 4096 },
		{ 0, 4095 },
		{ OG_GAP_END, 4096 },
	};
	struct og_mem mem;
	uint8_t *host;

	CHECK_OK(og_mem_init(&mem, 16 * MIB, NULL));
	CHECK_OK(og_mem_add_hotplug(&mem, SLOT_BYTES, SLOT_BYTES, NULL));
	host = mem.regions[0].host;
	for (uint64_t at = 0; at < 16 * MIB; at += 4096)
		host[at] = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_mem_discard(&mem, bad[i].gpa, bad[i].bytes), -EFAULT);
	CHECK_OK(og_mem_discard(&mem, 8192, 8192));
	for (uint64_t at = 0; at < 16 * MIB; at += 4096)
		CHECK_EQ(host[at], at == 8192 || at == 12288 ? 0 : 1);
	og_mem_done(&mem);
}

TEST_MAIN(TEST_ENTRY(hotplug_memory_lies_behind_all_other_on_a_whole_block_of_linux),
	  TEST_ENTRY(only_present_slots_can_be_reached), TEST_ENTRY(too_many_slots_are_refused),
	  TEST_ENTRY(only_whole_pages_of_the_guests_are_discarded))
