/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/params.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "vmm/x86/layout.h"

unsigned og_memory_map(const struct og_mem *mem, struct og_memory_range map[OG_MEMORY_MAP_MAX])
{
	uint64_t low = og_mem_low_end(mem);
	unsigned n = 0;

	map[n++] = (struct og_memory_range){ 0, OG_LOW_RAM_END, OG_MEMORY_RAM };
	map[n++] = (struct og_memory_range){ OG_LOW_RAM_END, OG_HIGH_RAM_GPA - OG_LOW_RAM_END,
					     OG_MEMORY_RESERVED };
	map[n++] =
		(struct og_memory_range){ OG_HIGH_RAM_GPA, low - OG_HIGH_RAM_GPA, OG_MEMORY_RAM };
	for (unsigned i = 1; i < mem->n_regions; i++)
		map[n++] = (struct og_memory_range){ mem->regions[i].gpa, mem->regions[i].bytes,
						     OG_MEMORY_RAM };
	return n;
}

/* Linux: the zero page (Documentation/arch/x86/zero-page.rst). */
static void write_linux(const struct og_boot_params *p, const struct og_memory_range *map,
			unsigned n_map, void *at)
{
	struct boot_params *zero = at;

	*zero = (struct boot_params){ .hdr = p->plan->setup, .acpi_rsdp_addr = p->acpi_rsdp };
	zero->hdr.cmd_line_ptr = (uint32_t)p->cmdline_gpa;
	zero->hdr.ramdisk_image = (uint32_t)p->initrd_gpa;
	zero->hdr.ramdisk_size = (uint32_t)p->initrd_bytes;
	for (unsigned i = 0; i < n_map; i++)
		zero->e820_table[i] =
			(struct boot_e820_entry){ map[i].gpa, map[i].bytes, map[i].type };
	zero->e820_entries = (uint8_t)n_map;
}

/* PVH: struct hvm_start_info, version 1, and what it points to. */
struct pvh {
	struct {
		uint32_t magic, version, flags, n_modules;
		uint64_t modules, cmdline, rsdp, map;
		uint32_t n_map, reserved;
	} info;

	struct {
		uint64_t gpa, bytes, cmdline, reserved;
	} module;

	struct {
		uint64_t gpa, bytes;
		uint32_t type, reserved;
	} map[OG_MEMORY_MAP_MAX];
};

#define PVH_MAGIC   0x336ec578U
#define PVH_VERSION 1

static void write_pvh(const struct og_boot_params *p, const struct og_memory_range *map,
		      unsigned n_map, void *at)
{
	struct pvh *pvh = at;

	memset(pvh, 0, sizeof(*pvh));
	pvh->info.magic = PVH_MAGIC;
	pvh->info.version = PVH_VERSION;
	pvh->info.cmdline = p->cmdline_gpa;
	pvh->info.rsdp = p->acpi_rsdp;
	pvh->info.map = OG_ZERO_PAGE_GPA + offsetof(struct pvh, map);
	pvh->info.n_map = n_map;
	if (p->initrd_bytes > 0) {
		pvh->info.modules = OG_ZERO_PAGE_GPA + offsetof(struct pvh, module);
		pvh->info.n_modules = 1;
		pvh->module.gpa = p->initrd_gpa;
		pvh->module.bytes = p->initrd_bytes;
	}
	for (unsigned i = 0; i < n_map; i++) {
		pvh->map[i].gpa = map[i].gpa;
		pvh->map[i].bytes = map[i].bytes;
		pvh->map[i].type = map[i].type;
	}
}

/* Multiboot 1: the information structure (3.3), and what it points to. */
struct multiboot {
	struct {
		uint32_t flags, low_kib, high_kib, boot_device, cmdline, n_modules, modules;
		uint32_t symbols[4];
		uint32_t map_bytes, map, drives_bytes, drives, config, loader, apm;
	} info;

	struct {
		uint32_t start, end, text, reserved;
	} module;

	struct {
		uint32_t bytes; /* of what follows */
		uint64_t gpa, len;
		uint32_t type;
	} __attribute__((packed)) map[OG_MEMORY_MAP_MAX];

	char loader[8];
	char text[8]; /* the module's command line */
};

#define MULTIBOOT_MAGIC	  0x2badb002U
#define MULTIBOOT_MEMORY  (1U << 0)
#define MULTIBOOT_CMDLINE (1U << 2)
#define MULTIBOOT_MODULES (1U << 3)
#define MULTIBOOT_MAP	  (1U << 6)
#define MULTIBOOT_LOADER  (1U << 9)

/* Where a part of the structure will be seen. */
#define MULTIBOOT_AT(part) ((uint32_t)(OG_ZERO_PAGE_GPA + offsetof(struct multiboot, part)))

static void write_multiboot(const struct og_boot_params *p, const struct og_memory_range *map,
			    unsigned n_map, void *at)
{
	struct multiboot *mb = at;

	memset(mb, 0, sizeof(*mb));
	mb->info.flags = MULTIBOOT_MEMORY | MULTIBOOT_CMDLINE | MULTIBOOT_MODULES | MULTIBOOT_MAP |
			 MULTIBOOT_LOADER;
	mb->info.low_kib = (uint32_t)(map[0].bytes >> 10);
	mb->info.high_kib = (uint32_t)(map[2].bytes >> 10);
	mb->info.cmdline = (uint32_t)p->cmdline_gpa;
	mb->info.map = MULTIBOOT_AT(map);
	mb->info.map_bytes = n_map * (uint32_t)sizeof(mb->map[0]);
	mb->info.loader = MULTIBOOT_AT(loader);
	memcpy(mb->loader, "onggi", sizeof("onggi"));
	if (p->initrd_bytes > 0) {
		mb->info.n_modules = 1;
		mb->info.modules = MULTIBOOT_AT(module);
		mb->module.start = (uint32_t)p->initrd_gpa;
		mb->module.end = (uint32_t)(p->initrd_gpa + p->initrd_bytes);
		mb->module.text = MULTIBOOT_AT(text);
		memcpy(mb->text, "initrd", sizeof("initrd"));
	}
	for (unsigned i = 0; i < n_map; i++) {
		mb->map[i].bytes = sizeof(mb->map[i]) - sizeof(mb->map[i].bytes);
		mb->map[i].gpa = map[i].gpa;
		mb->map[i].len = map[i].bytes;
		mb->map[i].type = map[i].type;
	}
}

static const struct protocol {
	void (*write)(const struct og_boot_params *p, const struct og_memory_range *map,
		      unsigned n_map, void *at);
	size_t bytes;
	struct og_entry entry; /* but for the address of the first instruction */
} protocols[] = {
	[OG_KERNEL_LINUX] = { write_linux,
			      sizeof(struct boot_params),
			      { .mode = OG_ENTRY_LONG, .rsi = OG_ZERO_PAGE_GPA } },
	[OG_KERNEL_PVH] = { write_pvh,
			    sizeof(struct pvh),
			    { .mode = OG_ENTRY_PROTECTED, .rbx = OG_ZERO_PAGE_GPA } },
	[OG_KERNEL_MULTIBOOT] = { write_multiboot,
				  sizeof(struct multiboot),
				  { .mode = OG_ENTRY_PROTECTED,
				    .timer = true,
				    .rax = MULTIBOOT_MAGIC,
				    .rbx = OG_ZERO_PAGE_GPA } },
};

int og_boot_params_write(const struct og_boot_params *params, const struct og_mem *mem,
			 struct og_entry *ret_entry, struct og_err *err)
{
	const struct protocol *protocol = &protocols[params->plan->protocol];
	void *at = og_mem_at(mem, OG_ZERO_PAGE_GPA, protocol->bytes);
	struct og_memory_range map[OG_MEMORY_MAP_MAX];

	if (at == NULL || og_mem_low_end(mem) <= OG_HIGH_RAM_GPA)
		return og_fail(err, -ENOMEM, "no memory for what a kernel is told");
	protocol->write(params, map, og_memory_map(mem, map), at);
	*ret_entry = protocol->entry;
	ret_entry->rip = params->plan->entry;
	return 0;
}
