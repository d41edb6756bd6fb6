/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/table_loader.h"

#include <assert.h>
#include <string.h>

#define NAME_BYTES 56

enum {
	ALLOCATE = 1,
	ADD_POINTER = 2,
	ADD_CHECKSUM = 3
};

enum {
	ZONE_HIGH = 1,
	ZONE_F_SEGMENT = 2
};

/* A command, of which each has one of the forms; the rest of its bytes are zeros. */
struct command {
	uint32_t what;

	union {
		struct {
			char file[NAME_BYTES];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) allocate;

		struct {
			char file[NAME_BYTES], target[NAME_BYTES];
			uint32_t offset;
			uint8_t bytes;
		} __attribute__((packed)) pointer;

		struct {
			char file[NAME_BYTES];
			uint32_t offset, start, bytes;
		} __attribute__((packed)) checksum;

		uint8_t all[OG_LOADER_COMMAND_BYTES - 4];
	};
} __attribute__((packed));

_Static_assert(sizeof(struct command) == OG_LOADER_COMMAND_BYTES, "as firmware reads it");

static void add(struct og_table_loader *loader, const struct command *command)
{
	assert(loader->n_commands < OG_LOADER_COMMANDS_MAX);
	memcpy(loader->commands[loader->n_commands++], command, sizeof(*command));
}

static void allocate(struct og_table_loader *loader, const char *file, uint32_t align, uint8_t zone)
{
	struct command c = { .what = ALLOCATE };

	memcpy(c.allocate.file, file, strlen(file));
	c.allocate.align = align;
	c.allocate.zone = zone;
	add(loader, &c);
}

static void point(struct og_table_loader *loader, const char *file, size_t offset, uint8_t bytes)
{
	struct command c = { .what = ADD_POINTER };

	memcpy(c.pointer.file, file, strlen(file));
	memcpy(c.pointer.target, OG_LOADER_TABLES_FILE, sizeof(OG_LOADER_TABLES_FILE));
	c.pointer.offset = (uint32_t)offset;
	c.pointer.bytes = bytes;
	add(loader, &c);
}

/* The byte is left 0: OVMF sums it up with the rest. */
static void sum_up(struct og_table_loader *loader, const char *file, size_t offset, size_t start,
		   size_t bytes)
{
	struct command c = { .what = ADD_CHECKSUM };
	bool root = strcmp(file, OG_LOADER_RSDP_FILE) == 0;

	(root ? loader->rsdp : loader->tables)[offset] = 0;

	memcpy(c.checksum.file, file, strlen(file));
	c.checksum.offset = (uint32_t)offset;
	c.checksum.start = (uint32_t)start;
	c.checksum.bytes = (uint32_t)bytes;
	add(loader, &c);
}

/* Tables are written at addresses that are their offsets in the file: firmware adds the rest. */
#define TABLES_OFFSET 48 /* the root pointer before them, aligned */

#define RSDP_CHECKSUM	   8
#define RSDP_XSDT	   24
#define RSDP_CHECKSUM_MORE 32
#define RSDP_V1_BYTES	   20
#define FADT_FACS	   36
#define FADT_DSDT	   40
#define FADT_X_DSDT	   140

static uint64_t number(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static size_t length(const struct og_table_loader *loader, uint64_t table)
{
	struct og_acpi_header header;

	memcpy(&header, loader->tables + table, sizeof(header));
	return header.length;
}

static void sum_up_table(struct og_table_loader *loader, uint64_t table)
{
	sum_up(loader, OG_LOADER_TABLES_FILE, table + offsetof(struct og_acpi_header, checksum),
	       table, length(loader, table));
}

static void link_fadt(struct og_table_loader *loader, uint64_t fadt)
{
	uint64_t dsdt = number(loader->tables + fadt + FADT_X_DSDT);

	sum_up_table(loader, dsdt);
	point(loader, OG_LOADER_TABLES_FILE, fadt + FADT_FACS, 4);
	point(loader, OG_LOADER_TABLES_FILE, fadt + FADT_DSDT, 4);
	point(loader, OG_LOADER_TABLES_FILE, fadt + FADT_X_DSDT, 8);
}

static void link_tables(struct og_table_loader *loader)
{
	uint64_t xsdt = number(loader->rsdp + RSDP_XSDT);
	size_t end = xsdt + length(loader, xsdt);

	for (size_t at = xsdt + sizeof(struct og_acpi_header); at < end; at += 8) {
		uint64_t table = number(loader->tables + at);

		if (memcmp(loader->tables + table, "FACP", 4) == 0)
			link_fadt(loader, table);
		sum_up_table(loader, table);
		point(loader, OG_LOADER_TABLES_FILE, at, 8);
	}
	sum_up_table(loader, xsdt);
	point(loader, OG_LOADER_RSDP_FILE, RSDP_XSDT, 8);
	sum_up(loader, OG_LOADER_RSDP_FILE, RSDP_CHECKSUM, 0, RSDP_V1_BYTES);
	sum_up(loader, OG_LOADER_RSDP_FILE, RSDP_CHECKSUM_MORE, 0, OG_LOADER_RSDP_BYTES);
}

int og_table_loader_write(const struct og_acpi *acpi, struct og_table_loader *loader,
			  struct og_err *err)
{
	uint8_t all[TABLES_OFFSET + OG_LOADER_TABLES_BYTES] = {};
	uint64_t xsdt;
	int r = og_acpi_write(acpi, (uint64_t)-TABLES_OFFSET, all, sizeof(all), err);

	if (r < 0)
		return r;
	loader->n_commands = 0;
	memcpy(loader->rsdp, all, sizeof(loader->rsdp));
	memcpy(loader->tables, all + TABLES_OFFSET, sizeof(loader->tables));
	xsdt = number(loader->rsdp + RSDP_XSDT); /* the last of them */
	loader->tables_bytes = xsdt + length(loader, xsdt);
	allocate(loader, OG_LOADER_RSDP_FILE, 16, ZONE_F_SEGMENT);
	allocate(loader, OG_LOADER_TABLES_FILE, 64, ZONE_HIGH);
	link_tables(loader);
	return 0;
}
