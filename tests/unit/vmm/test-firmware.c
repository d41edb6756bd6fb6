/* SPDX-License-Identifier: Apache-2.0 */
/* What firmware reads of the machine: fw_cfg, the clock's memory, the table loader. */
#include <endian.h>
#include <errno.h>

#include "base/test.h"
#include "vmm/boot/table_loader.h"
#include "vmm/device/acpi_pm.h"
#include "vmm/device/cmos.h"
#include "vmm/device/fw_cfg.h"

#define RAM_BYTES 65536U

static uint8_t ram[RAM_BYTES];
static struct og_mem mem;
static struct og_fw_cfg fw;

static void make(void)
{
	og_mem_borrow(&mem, ram, RAM_BYTES);
	og_fw_cfg_init(&fw, &mem, 3);
	og_fw_cfg_add(&fw, "etc/hello", "hello", 5);
	og_fw_cfg_add(&fw, "etc/second", "2", 1);
}

static uint8_t next_byte(void)
{
	uint64_t value = UINT64_MAX;

	og_fw_cfg_access(&fw, 1, &value, 1, false);
	return (uint8_t)value;
}

static void choose(uint16_t item)
{
	uint64_t value = item;

	og_fw_cfg_access(&fw, 0, &value, 2, true);
}

static uint32_t dma_at(uint64_t gpa)
{
	uint64_t value = htobe32((uint32_t)(gpa >> 32));
	uint32_t control;

	og_fw_cfg_access(&fw, 4, &value, 4, true);
	value = htobe32((uint32_t)gpa);
	og_fw_cfg_access(&fw, 8, &value, 4, true);
	memcpy(&control, ram + 256, sizeof(control));
	return be32toh(control);
}

static uint32_t dma(uint32_t control, uint32_t bytes, uint64_t gpa)
{
	uint32_t words[2] = { htobe32(control), htobe32(bytes) };
	uint64_t where = htobe64(gpa);

	memcpy(ram + 256, words, sizeof(words));
	memcpy(ram + 264, &where, sizeof(where));
	return dma_at(256);
}

TEST(a_firmware_finds_the_device_and_its_files)
{
	uint8_t head[8];

	make();
	choose(0);
	for (unsigned i = 0; i < 4; i++)
		head[i] = next_byte();
	CHECK(memcmp(head, "QEMU", 4) == 0);
	CHECK_EQ(next_byte(), 0); /* behind the end */
	choose(1);
	CHECK_EQ(next_byte(), 3);
	choose(OG_FW_CFG_CPUS);
	CHECK_EQ(next_byte(), 3);
	choose(0x19);
	CHECK_EQ(next_byte() + next_byte() + next_byte(), 0);
	CHECK_EQ(next_byte(), 2);
	for (unsigned i = 0; i < 8; i++)
		head[i] = next_byte();
	CHECK_EQ(head[3], 5);
	CHECK_EQ(head[5], 0x20);
	CHECK_EQ(next_byte(), 'e');
}

TEST(a_file_is_copied_at_once)
{
	make();
	memset(ram + 512, 0xee, 16);
	CHECK_EQ(dma(0x20 << 16 | 8 | 2, 8, 512), 0);
	CHECK(memcmp(ram + 512, "hello\0\0\0\xee", 9) == 0);
	CHECK_EQ(dma(0x20 << 16 | 8 | 4, 2, 0), 0); /* skip */
	CHECK_EQ(dma(2, 3, 512), 0);
	CHECK(memcmp(ram + 512, "llo", 3) == 0);
	CHECK_EQ(dma(0x7fff << 16 | 8 | 2, 2, 512), 0); /* there is no such item: zeros */
	CHECK_EQ(ram[512], 0);
}

/* A67: what a guest asks to be copied where */
TEST(a_copy_to_where_no_memory_is_fails)
{
	make();
	CHECK_EQ(dma(0x20 << 16 | 8 | 2, 8, RAM_BYTES - 4), 1);
	CHECK_EQ(dma(2, UINT32_MAX, 512), 1);
	CHECK_EQ(dma(2, 8, UINT64_MAX - 2), 1);
	CHECK_EQ(dma(16, 8, 512), 1); /* nothing is written to an item */
	CHECK_EQ(dma(4, UINT32_MAX, 0), 0);
	CHECK_EQ(dma(4, UINT32_MAX, 0), 0); /* farther than any end */
	CHECK_EQ(dma(2, 4, 512), 0);
	(void)dma_at(UINT64_MAX); /* the request itself */
	(void)dma_at(RAM_BYTES - 8);
}

static uint8_t cmos(struct og_cmos *c, uint8_t index)
{
	uint64_t value = index;

	og_cmos_access(c, 0, &value, 1, true);
	og_cmos_access(c, 1, &value, 1, false);
	return (uint8_t)value;
}

static int leap_day(struct timespec *ret_now)
{
	ret_now->tv_sec = 1709251199; /* 2024-02-29 23:59:59, a Thursday */
	return 0;
}

TEST(the_clock_tells_the_time_and_the_memory)
{
	static const uint8_t wanted[][2] = { { 0, 0x59 }, { 2, 0x59 },	  { 4, 0x23 },
					     { 6, 5 },	  { 7, 0x29 },	  { 8, 0x02 },
					     { 9, 0x24 }, { 0x32, 0x20 }, { 0xa, 0x26 },
					     { 0xb, 2 },  { 0xd, 0x80 } };
	struct og_cmos c;

	og_cmos_init(&c, 3ULL << 30, 1ULL << 30);
	c.now = leap_day;
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		CHECK_EQ(cmos(&c, wanted[i][0]), wanted[i][1]);
	CHECK_EQ(cmos(&c, 0x34) | cmos(&c, 0x35) << 8, ((3 << 10) - 16) * 16);
	CHECK_EQ(cmos(&c, 0x5b) | cmos(&c, 0x5c) << 8, 16384);
	CHECK_EQ(cmos(&c, 0x17) | cmos(&c, 0x18) << 8, 0xffff);
	CHECK_EQ(cmos(&c, 0x8f), cmos(&c, 0x0f)); /* the NMI bit is none of the index */
}

TEST(firmware_keeps_bytes_there_but_does_not_set_the_clock)
{
	uint64_t value = 0x0f;
	struct og_cmos c;

	og_cmos_init(&c, 16 << 20, 0);
	c.now = leap_day;
	value = 0x40;
	og_cmos_access(&c, 0, &value, 1, true);
	value = 0x5a;
	og_cmos_access(&c, 1, &value, 1, true);
	CHECK_EQ(cmos(&c, 0x40), 0x5a);
	value = 4;
	og_cmos_access(&c, 0, &value, 1, true);
	value = 0;
	og_cmos_access(&c, 1, &value, 1, true);
	CHECK_EQ(cmos(&c, 4), 0x23);
}

TEST(the_timer_goes_on)
{
	uint64_t first = 0, second = 0;

	og_pm_timer_access(NULL, 0, &first, 4, false);
	do
		og_pm_timer_access(NULL, 0, &second, 4, false);
	while (second == first);
	CHECK(first < 1 << 24 && second < 1 << 24);
}

TEST(what_is_enabled_reads_back_and_the_control_register_powers_off)
{
	struct og_power power = { .stop_fd = -1 };
	uint16_t enabled = 0;
	uint64_t value = 0x20;

	og_pm_event_access(&enabled, 2, &value, 2, true);
	value = 0;
	og_pm_event_access(&enabled, 2, &value, 2, false);
	CHECK_EQ(value, 0x20);
	og_pm_event_access(&enabled, 0, &value, 2, false);
	CHECK_EQ(value, 0); /* nothing ever happens */
	og_pm_control_access(&power, 0, &value, 2, false);
	CHECK_EQ(value, 1);
	value = 3 << 10 | 1 << 13;
	og_pm_control_access(&power, 0, &value, 2, true);
	CHECK_EQ(power.outcome, OG_RUNNING);
	value = 5 << 10 | 1 << 13;
	og_pm_control_access(&power, 0, &value, 2, true);
	CHECK_EQ(power.outcome, OG_POWERED_OFF);
}

/* A firmware in small: places the files, adds addresses, sums up. */
static uint8_t place[2][OG_LOADER_TABLES_BYTES];
static struct og_table_loader loader;

static unsigned file_of(const uint8_t *name)
{
	return strcmp((const char *)name, OG_LOADER_TABLES_FILE) == 0;
}

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint8_t sum(const uint8_t *at, size_t len)
{
	uint8_t total = 0;

	for (size_t i = 0; i < len; i++)
		total = (uint8_t)(total + at[i]);
	return total;
}

#define BASE 0x7fe0000ULL

static void run(const uint8_t *command)
{
	uint8_t *file = place[file_of(command + 4)];
	uint64_t value = 0;

	if (word(command) == 2) {
		uint8_t *at = file + word(command + 116);

		CHECK(file_of(command + 60));
		memcpy(&value, at, command[120]);
		value += BASE;
		memcpy(at, &value, command[120]);
	} else if (word(command) == 3) {
		uint8_t *at = file + word(command + 60);

		*at = 0;
		*at = (uint8_t)-sum(file + word(command + 64), word(command + 68));
	}
}

static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *at = place[1] + (gpa - BASE);

	CHECK(gpa >= BASE && gpa - BASE < loader.tables_bytes);
	CHECK(memcmp(at, signature, 4) == 0);
	CHECK_EQ(sum(at, word(at + 4)), 0);
	return at;
}

static uint64_t pointer(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

TEST(a_firmware_places_the_tables)
{
	struct og_acpi acpi = { .cpus = 32, .pci = true, .pc = true, .pci_gpa = 1U << 31 };
	const uint8_t *xsdt, *fadt;

	CHECK_OK(og_table_loader_write(&acpi, &loader, NULL));
	memcpy(place[0], loader.rsdp, sizeof(loader.rsdp));
	memcpy(place[1], loader.tables, loader.tables_bytes);
	for (unsigned i = 0; i < loader.n_commands; i++)
		run(loader.commands[i]);
	CHECK_EQ(sum(place[0], 20), 0);
	CHECK_EQ(sum(place[0], 36), 0);
	xsdt = table(pointer(place[0] + 24), "XSDT");
	CHECK_EQ(word(xsdt + 4), 36 + 2 * 8); /* no MCFG on such a machine */
	fadt = table(pointer(xsdt + 36), "FACP");
	(void)table(pointer(xsdt + 44), "APIC");
	(void)table(pointer(fadt + 140), "DSDT");
	CHECK_EQ(word(fadt + 40), pointer(fadt + 140));
	CHECK_EQ(word(fadt + 36), BASE); /* aligned as the file is */
	CHECK(memcmp(place[1], "FACS", 4) == 0);
	CHECK_EQ(word(fadt + 112) >> 20 & 1, 0); /* hardware as of a PC */
	CHECK_EQ(word(fadt + 64), OG_PM_CONTROL_PORT);
}

TEST_MAIN(TEST_ENTRY(a_firmware_finds_the_device_and_its_files),
	  TEST_ENTRY(a_file_is_copied_at_once), TEST_ENTRY(a_copy_to_where_no_memory_is_fails),
	  TEST_ENTRY(the_clock_tells_the_time_and_the_memory),
	  TEST_ENTRY(firmware_keeps_bytes_there_but_does_not_set_the_clock),
	  TEST_ENTRY(the_timer_goes_on),
	  TEST_ENTRY(what_is_enabled_reads_back_and_the_control_register_powers_off),
	  TEST_ENTRY(a_firmware_places_the_tables))
