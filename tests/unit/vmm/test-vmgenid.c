/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/vmgenid.h"

#include <errno.h>

#include "base/test.h"
#include "vmm/x86/layout.h"

static uint8_t memory[OG_HIGH_RAM_GPA];
static struct og_mem mem;

static uint64_t signals(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

TEST(a_new_generation_is_written_and_told)
{
	struct og_vmgenid genid;
	uint8_t first[OG_VMGENID_BYTES];

	og_mem_borrow(&mem, memory, sizeof(memory));
	CHECK_OK(og_vmgenid_init(&genid, &mem, false, NULL));
	memcpy(first, memory + OG_VMGENID_GPA, sizeof(first));
	CHECK(memcmp(first, memory, sizeof(first)) != 0); /* not zeros */
	CHECK_EQ(signals(genid.interrupt_fd), 0);
	CHECK_OK(og_vmgenid_renew(&genid, NULL));
	CHECK(memcmp(first, memory + OG_VMGENID_GPA, sizeof(first)) != 0);
	CHECK_EQ(signals(genid.interrupt_fd), 1);
	CHECK_EQ(memory[OG_VMGENID_GPA - 1], 0);
	CHECK_EQ(memory[OG_VMGENID_GPA + OG_VMGENID_BYTES], 0);
	og_vmgenid_done(&genid);
	og_vmgenid_done(&genid);
}

TEST(without_memory_there_it_fails)
{
	struct og_vmgenid genid;

	og_mem_borrow(&mem, memory, OG_VMGENID_GPA);
	CHECK_EQ(og_vmgenid_init(&genid, &mem, false, NULL), -ENOMEM);
}

TEST_MAIN(TEST_ENTRY(a_new_generation_is_written_and_told),
	  TEST_ENTRY(without_memory_there_it_fails))
