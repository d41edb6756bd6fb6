/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/params.h"

#include <asm/bootparam.h>
#include <errno.h>

#include "base/test.h"
#include "vmm/x86/layout.h"

#define MEMORY_BYTES (4ULL << 20)

static uint8_t memory[MEMORY_BYTES];
static struct og_mem mem;

static struct og_entry write_for(enum og_kernel_protocol protocol, uint64_t initrd_bytes)
{
	static struct og_kernel_plan plan;
	struct og_boot_params params = {
		.plan = &plan,
		.cmdline_gpa = OG_CMDLINE_GPA,
		.initrd_gpa = 0x300000,
		.initrd_bytes = initrd_bytes,
		.acpi_rsdp = OG_ACPI_GPA,
	};
	struct og_entry entry = {};

	plan = (struct og_kernel_plan){ .protocol = protocol, .entry = 0x123456 };
	memset(memory, 0xee, sizeof(memory));
	og_mem_borrow(&mem, memory, MEMORY_BYTES);
	CHECK_OK(og_boot_params_write(&params, &mem, &entry, NULL));
	CHECK_EQ(entry.rip, 0x123456);
	return entry;
}

static uint32_t word(uint64_t gpa)
{
	uint32_t value;

	memcpy(&value, memory + gpa, sizeof(value));
	return value;
}

TEST(linux_gets_a_zero_page)
{
	struct og_entry entry = write_for(OG_KERNEL_LINUX, 5000);
	const struct boot_params *zero = (const void *)(memory + OG_ZERO_PAGE_GPA);

	CHECK_EQ(entry.mode, OG_ENTRY_LONG);
	CHECK_EQ(entry.rsi, OG_ZERO_PAGE_GPA);
	CHECK_EQ(zero->hdr.cmd_line_ptr, OG_CMDLINE_GPA);
	CHECK_EQ(zero->hdr.ramdisk_image, 0x300000);
	CHECK_EQ(zero->hdr.ramdisk_size, 5000);
	CHECK_EQ(zero->acpi_rsdp_addr, OG_ACPI_GPA);
	CHECK_EQ(zero->e820_entries, 3);
	CHECK_EQ(zero->e820_table[2].addr + zero->e820_table[2].size, MEMORY_BYTES);
}

TEST(pvh_gets_a_start_info)
{
	struct og_entry entry = write_for(OG_KERNEL_PVH, 5000);
	uint64_t at = OG_ZERO_PAGE_GPA;

	CHECK_EQ(entry.mode, OG_ENTRY_PROTECTED);
	CHECK_EQ(entry.rbx, at);
	CHECK_EQ(word(at), 0x336ec578);
	CHECK_EQ(word(at + 4), 1);
	CHECK_EQ(word(at + 12), 1);
	CHECK_EQ(word(word(at + 16)), 0x300000);
	CHECK_EQ(word(word(at + 16) + 8), 5000);
	CHECK_EQ(word(at + 24), OG_CMDLINE_GPA);
	CHECK_EQ(word(at + 32), OG_ACPI_GPA);
	CHECK_EQ(word(at + 48), 3);
	CHECK_EQ(word(word(at + 40) + 24 + 16), OG_MEMORY_RESERVED);
	write_for(OG_KERNEL_PVH, 0);
	CHECK_EQ(word(at + 12), 0);
}

TEST(multiboot_gets_an_information_structure)
{
	struct og_entry entry = write_for(OG_KERNEL_MULTIBOOT, 5000);
	uint64_t at = OG_ZERO_PAGE_GPA;

	CHECK_EQ(entry.mode, OG_ENTRY_PROTECTED);
	CHECK_EQ(entry.rax, 0x2badb002);
	CHECK_EQ(entry.rbx, at);
	CHECK_EQ(word(at), 0x24d);
	CHECK_EQ(word(at + 4), 639);
	CHECK_EQ(word(at + 8), (MEMORY_BYTES - 0x100000) / 1024);
	CHECK_EQ(word(at + 16), OG_CMDLINE_GPA);
	CHECK_EQ(word(at + 20), 1);
	CHECK_EQ(word(word(at + 24)), 0x300000);
	CHECK_EQ(word(word(at + 24) + 4), 0x300000 + 5000);
	CHECK(strcmp((const char *)memory + word(word(at + 24) + 8), "initrd") == 0);
	CHECK_EQ(word(at + 44), 3 * 24);
	CHECK_EQ(word(word(at + 48)), 20);
	CHECK_EQ(word(word(at + 48) + 24 + 20), OG_MEMORY_RESERVED);
	write_for(OG_KERNEL_MULTIBOOT, 0);
	CHECK_EQ(word(at + 20), 0);
}

TEST(memory_above_the_gap_is_told_too)
{
	struct og_memory_range map[OG_MEMORY_MAP_MAX];

	og_mem_borrow(&mem, memory, 5ULL << 30); /* nothing of it is touched */
	CHECK_EQ(og_memory_map(&mem, map), 4);
	CHECK_EQ(map[2].gpa + map[2].bytes, OG_GAP_START);
	CHECK_EQ(map[3].gpa, OG_GAP_END);
	CHECK_EQ(map[3].bytes, 2ULL << 30);
}

TEST(too_little_memory_is_said)
{
	struct og_kernel_plan plan = { .protocol = OG_KERNEL_PVH };
	struct og_boot_params params = { .plan = &plan };
	struct og_entry entry;

	og_mem_borrow(&mem, memory, OG_HIGH_RAM_GPA);
	CHECK_EQ(og_boot_params_write(&params, &mem, &entry, NULL), -ENOMEM);
}

TEST_MAIN(TEST_ENTRY(linux_gets_a_zero_page), TEST_ENTRY(pvh_gets_a_start_info),
	  TEST_ENTRY(multiboot_gets_an_information_structure),
	  TEST_ENTRY(memory_above_the_gap_is_told_too), TEST_ENTRY(too_little_memory_is_said))
