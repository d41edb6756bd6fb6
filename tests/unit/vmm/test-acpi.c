/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/acpi.h"

#include <errno.h>

#include "base/test.h"
#include "vmm/boot/aml.h"
#include "vmm/x86/layout.h"

#define ROOM 8192
#define GPA  0xe0000ULL

static uint8_t tables[ROOM];

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);
	return value;
}

static uint8_t sum(const uint8_t *at, size_t len)
{
	uint8_t total = 0;

	for (size_t i = 0; i < len; i++)
		total = (uint8_t)(total + at[i]);
	return total;
}

/* The table at a guest's address, once its signature, length and checksum hold. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *at = tables + (gpa - GPA);

	CHECK(gpa >= GPA && gpa - GPA <= ROOM - sizeof(struct og_acpi_header));
	CHECK(memcmp(at, signature, 4) == 0);
	CHECK(get(at + 4, 4) <= ROOM - (gpa - GPA));
	CHECK_EQ(sum(at, get(at + 4, 4)), 0);
	return at;
}

static void write_tables(unsigned cpus, unsigned devices)
{
	struct og_acpi acpi = { .cpus = cpus, .virtio_devices = devices, .serial = true };

	memset(tables, 0, sizeof(tables));
	CHECK_OK(og_acpi_write(&acpi, GPA, tables, sizeof(tables), NULL));
}

static const uint8_t *xsdt_entry(unsigned i, const char *signature)
{
	const uint8_t *xsdt = table(get(tables + 24, 8), "XSDT");

	return table(get(xsdt + 36 + 8 * i, 8), signature);
}

TEST(every_table_is_found_from_the_root_and_sums_to_zero)
{
	const uint8_t *fadt;

	write_tables(4, 3);
	CHECK(memcmp(tables, "RSD PTR ", 8) == 0);
	CHECK_EQ(sum(tables, 20), 0);
	CHECK_EQ(sum(tables, 36), 0);
	fadt = xsdt_entry(0, "FACP");
	CHECK_EQ(get(fadt + 4, 4), 276);
	CHECK_EQ(get(fadt + 112, 4) >> 20 & 1, 1); /* reduced hardware */
	CHECK_EQ(get(fadt + 112, 4) >> 10 & 1, 1); /* with a reset register */
	CHECK_EQ(get(fadt + 40, 4), get(fadt + 140, 8));
	(void)table(get(fadt + 140, 8), "DSDT");
}

TEST(a_keyboard_is_named_where_there_is_one)
{
	static const uint8_t pnp0303[] = { 0x41, 0xd0, 0x03, 0x03 };

	for (unsigned there = 0; there < 2; there++) {
		struct og_acpi acpi = { .cpus = 1, .keyboard = there != 0 };
		const uint8_t *fadt, *dsdt;

		memset(tables, 0, sizeof(tables));
		CHECK_OK(og_acpi_write(&acpi, GPA, tables, sizeof(tables), NULL));
		fadt = xsdt_entry(0, "FACP");
		dsdt = table(get(fadt + 140, 8), "DSDT");
		CHECK_EQ(get(fadt + 109, 2) >> 1 & 1, there); /* IAPC_BOOT_ARCH: 8042 */
		CHECK_EQ(memmem(dsdt, get(dsdt + 4, 4), pnp0303, sizeof(pnp0303)) != NULL, there);
	}
}

TEST(there_is_a_local_apic_for_each_cpu)
{
	for (unsigned cpus = 1; cpus <= 8; cpus++) {
		const uint8_t *madt;
		size_t at = 44;

		write_tables(cpus, 0);
		madt = xsdt_entry(1, "APIC");
		for (unsigned i = 0; i < cpus; i++, at += 8) {
			CHECK_EQ(madt[at], 0);
			CHECK_EQ(madt[at + 3], i);
			CHECK_EQ(get(madt + at + 4, 4), 1);
		}
		CHECK_EQ(madt[at], 1);
		CHECK_EQ(get(madt + at + 4, 4), OG_IOAPIC_GPA);
		CHECK_EQ(get(madt + 4, 4), at + 12);
	}
}

static unsigned count(const uint8_t *at, size_t len, const char *word)
{
	unsigned found = 0;

	for (size_t i = 0; i + strlen(word) <= len; i++)
		found += memcmp(at + i, word, strlen(word)) == 0;
	return found;
}

/* The length of the package at @at, as 20.2.4 has it. */
static size_t package_length(const uint8_t *at)
{
	unsigned more = at[0] >> 6;
	size_t len = more == 0 ? at[0] & 0x3f : at[0] & 0xf;

	for (unsigned i = 0; i < more; i++)
		len |= (size_t)at[1 + i] << (4 + 8 * i);
	return len;
}

TEST(each_device_is_announced_and_the_packages_nest)
{
	const uint8_t *dsdt, *scope, *at, *end;
	unsigned devices = 0;

	write_tables(1, OG_VIRTIO_COUNT_MAX);
	dsdt = table(get(xsdt_entry(0, "FACP") + 140, 8), "DSDT");
	CHECK_EQ(count(dsdt, get(dsdt + 4, 4), "LNRO0005"), OG_VIRTIO_COUNT_MAX);
	CHECK_EQ(count(dsdt, get(dsdt + 4, 4), "_S5_"), 1);

	scope = memmem(dsdt, get(dsdt + 4, 4), "\\_SB_", 5);
	CHECK(scope != NULL);
	at = scope + 5;
	end = scope - 3 + package_length(scope - 3);
	CHECK(end == dsdt + get(dsdt + 4, 4));
	while (at < end) { /* nothing but devices, back to back */
		CHECK(at[0] == 0x5b && at[1] == 0x82);
		at += 2 + package_length(at + 2);
		devices++;
	}
	CHECK(at == end);
	CHECK_EQ(devices, OG_VIRTIO_COUNT_MAX + 1);
}

TEST(a_device_names_its_memory_and_interrupt)
{
	const uint8_t *dsdt, *crs;

	write_tables(1, 2);
	dsdt = table(get(xsdt_entry(0, "FACP") + 140, 8), "DSDT");
	crs = memmem(dsdt, get(dsdt + 4, 4), "VI01", 4);
	CHECK(crs != NULL);
	crs = memmem(crs, 128, "\x86\x09\x00\x01", 4);
	CHECK(crs != NULL);
	CHECK_EQ(get(crs + 4, 4), OG_VIRTIO_GPA + 0x1000);
	CHECK_EQ(get(crs + 8, 4), 0x1000);
	CHECK_EQ(crs[12], 0x89);
	CHECK_EQ(get(crs + 17, 4), OG_VIRTIO_GSI + 1);
	CHECK_EQ(crs[21], 0x79);
}

TEST(a_change_of_the_generation_becomes_a_notification)
{
	/* Method (_EVT, 1, Serialized) { If ((Arg0 == 3)) { Notify (VGEN, 0x80) } } */
	static const uint8_t method[] = {
		0x14, 0x87, 0x01, 0x00, '_', 'E',  'V', 'T', 0x09, 0xa0, 0x8e, 0x00,
		0x00, 0x93, 0x68, 0x0a, 3,   0x86, 'V', 'G', 'E',  'N',	 0x0a, 0x80,
	};
	struct og_acpi acpi = { .cpus = 1, .generation = true };
	const uint8_t *dsdt, *addr;
	size_t len;

	memset(tables, 0, sizeof(tables));
	CHECK_OK(og_acpi_write(&acpi, GPA, tables, sizeof(tables), NULL));
	dsdt = table(get(xsdt_entry(0, "FACP") + 140, 8), "DSDT");
	len = get(dsdt + 4, 4);
	CHECK(memmem(dsdt, len, method, sizeof(method)) != NULL);
	CHECK_EQ(count(dsdt, len, "VM_Gen_Counter"), 2);
	addr = memmem(dsdt, len, "ADDR\x12", 5);
	CHECK(addr != NULL);
	CHECK_EQ(addr[8], 2);
	CHECK_EQ(get(addr + 10, 4), OG_VMGENID_GPA);
	CHECK_EQ(addr[14], 0);
}

TEST(too_little_room_is_an_error_not_an_overrun)
{
	struct og_acpi acpi = { .cpus = 8, .virtio_devices = 4, .serial = true };

	for (size_t room = 0; room < 800; room++) {
		uint8_t *exact = malloc(room > 0 ? room : 1);

		CHECK(exact != NULL);
		CHECK_EQ(og_acpi_write(&acpi, GPA, exact, room, NULL), -ENOSPC);
		free(exact);
	}
}

TEST(an_eisa_id_is_packed_as_the_specification_has_it)
{
	static const uint8_t pnp0501[] = { 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	uint8_t buf[16];
	struct og_aml aml;

	og_aml_init(&aml, buf, sizeof(buf));
	og_aml_eisa_id(&aml, "PNP0501");
	CHECK_EQ(aml.len, 5);
	CHECK(memcmp(buf, pnp0501, 5) == 0);
}

TEST_MAIN(TEST_ENTRY(every_table_is_found_from_the_root_and_sums_to_zero),
	  TEST_ENTRY(a_keyboard_is_named_where_there_is_one),
	  TEST_ENTRY(there_is_a_local_apic_for_each_cpu),
	  TEST_ENTRY(each_device_is_announced_and_the_packages_nest),
	  TEST_ENTRY(a_device_names_its_memory_and_interrupt),
	  TEST_ENTRY(a_change_of_the_generation_becomes_a_notification),
	  TEST_ENTRY(too_little_room_is_an_error_not_an_overrun),
	  TEST_ENTRY(an_eisa_id_is_packed_as_the_specification_has_it))
