/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel.h"

#include <errno.h>
#include <string.h>

#include "vmm/boot/formats.h"
#include "vmm/x86/layout.h"

#define SECTOR_BYTES	   512ULL
#define PARAGRAPH_BYTES	   16ULL
#define SETUP_OFFSET	   0x1f1
#define SETUP_SECTS_LEGACY 4	      /* what 0 means */
#define HEADER_MAGIC	   0x53726448 /* "HdrS" */
#define HEADER_VERSION_MIN 0x020c
#define ENTRY_64_OFFSET	   0x200
#define LOADED_HIGH_FLAG   1
#define KASLR_USED_FLAG	   2
#define XLF_KERNEL_64_FLAG 1

/* What a kernel without a bzImage's header is told in its place. */
#define CMDLINE_MAX	 2047
#define INITRD_END_MAX	 0x7fffffffULL
#define LOADER_UNDEFINED 0xff

int og_kernel_refuse(struct og_err *err, const char *why)
{
	return og_fail(err, -ENOEXEC, "%s", why);
}

static int too_small(struct og_err *err, uint64_t end)
{
	return og_fail(err, -ENOMEM, "kernel needs %llu MiB of memory below 3 GiB",
		       (unsigned long long)((end + 0xfffff) >> 20));
}

int og_kernel_add_segment(const struct og_kernel_file *file, struct og_kernel_plan *plan,
			  uint64_t offset, uint64_t file_bytes, uint64_t gpa, uint64_t memory_bytes,
			  struct og_err *err)
{
	if (offset > file->bytes || file_bytes > file->bytes - offset)
		return og_kernel_refuse(err, "kernel segment ends behind the file");
	if (file_bytes > memory_bytes)
		return og_kernel_refuse(err, "kernel segment is larger in the file than in memory");
	if (gpa < OG_HIGH_RAM_GPA)
		return og_kernel_refuse(err, "kernel segment below 1 MiB");
	if (gpa > OG_ADDRESS_MAX || memory_bytes > OG_ADDRESS_MAX)
		return og_kernel_refuse(err, "kernel segment beyond any memory");
	if (gpa + memory_bytes > file->memory_end)
		return too_small(err, gpa + memory_bytes);
	if (plan->n_segments == OG_KERNEL_SEGMENTS_MAX)
		return og_kernel_refuse(err, "kernel with too many segments");

	plan->segments[plan->n_segments++] = (struct og_kernel_segment){ offset, file_bytes, gpa };
	if (gpa + memory_bytes > plan->end)
		plan->end = gpa + memory_bytes;
	return 0;
}

bool og_kernel_plan_loads(const struct og_kernel_plan *plan, uint64_t gpa)
{
	for (unsigned i = 0; i < plan->n_segments; i++)
		if (gpa >= plan->segments[i].gpa &&
		    gpa - plan->segments[i].gpa < plan->segments[i].file_bytes)
			return true;
	return false;
}

static bool is_bzimage(const struct og_kernel_file *file, struct setup_header *ret_setup)
{
	size_t bytes;

	if (file->head_bytes < SETUP_OFFSET + sizeof(*ret_setup))
		return false;
	memcpy(ret_setup, file->head + SETUP_OFFSET, sizeof(*ret_setup));
	if (ret_setup->boot_flag != 0xaa55 || ret_setup->header != HEADER_MAGIC)
		return false;

	/* The header says itself how long it is: what is behind is no part of it. */
	bytes = 0x202U + (ret_setup->jump >> 8) - SETUP_OFFSET;
	if (bytes < sizeof(*ret_setup))
		memset((uint8_t *)ret_setup + bytes, 0, sizeof(*ret_setup) - bytes);
	return true;
}

/* Where it wants to be saves it a move; a relocatable one goes elsewhere if it must. */
static uint64_t place(const struct setup_header *setup, uint64_t span, uint64_t memory_end)
{
	if (setup->pref_address >= OG_HIGH_RAM_GPA && setup->pref_address < OG_ADDRESS_MAX &&
	    (setup->pref_address + span <= memory_end || setup->relocatable_kernel == 0))
		return setup->pref_address;
	return OG_HIGH_RAM_GPA;
}

static int plan_bzimage(const struct og_kernel_file *file, const struct setup_header *setup,
			struct og_kernel_plan *plan, struct og_err *err)
{
	uint64_t sects = setup->setup_sects != 0 ? setup->setup_sects : SETUP_SECTS_LEGACY;
	uint64_t offset = (sects + 1) * SECTOR_BYTES;
	uint64_t gpa, bytes, span;

	if (setup->version < HEADER_VERSION_MIN || (setup->xloadflags & XLF_KERNEL_64_FLAG) == 0)
		return og_kernel_refuse(err,
					"bzImage has no 64-bit entry (Linux 3.8 and later have)");
	if ((setup->loadflags & LOADED_HIGH_FLAG) == 0)
		return og_kernel_refuse(err, "bzImage is a zImage, loaded low");
	if (offset + ENTRY_64_OFFSET >= file->bytes)
		return og_kernel_refuse(err, "bzImage ends inside its setup code");

	bytes = file->bytes - offset;
	/* The size is rounded up; not every file is (memtest86+). */
	if (bytes + PARAGRAPH_BYTES <= (uint64_t)setup->syssize * PARAGRAPH_BYTES)
		return og_kernel_refuse(err, "bzImage is cut short");
	span = bytes > setup->init_size ? bytes : setup->init_size;
	gpa = place(setup, span, file->memory_end);
	if (gpa + span > file->memory_end)
		return too_small(err, gpa + span);

	plan->segments[0] = (struct og_kernel_segment){ offset, bytes, gpa };
	plan->n_segments = 1;
	plan->protocol = OG_KERNEL_LINUX;
	plan->entry = gpa + ENTRY_64_OFFSET;
	plan->end = gpa + span;
	plan->initrd_end_max = (uint64_t)setup->initrd_addr_max + 1;
	plan->cmdline_max = setup->cmdline_size;
	plan->setup = *setup;
	plan->setup.code32_start = (uint32_t)gpa;
	return 0;
}

static int plan_any(const struct og_kernel_file *file, struct og_kernel_plan *plan,
		    struct og_err *err)
{
	bool elf = og_elf_is(file);
	struct setup_header setup;
	size_t offset;
	int r;

	if (!elf && is_bzimage(file, &setup))
		return plan_bzimage(file, &setup, plan, err);

	plan->initrd_end_max = INITRD_END_MAX;
	plan->cmdline_max = CMDLINE_MAX;
	/* Its text stays where it was linked; by the flag Linux still moves its memory about. */
	plan->setup = (struct setup_header){
		.boot_flag = 0xaa55,
		.header = HEADER_MAGIC,
		.loadflags = LOADED_HIGH_FLAG | KASLR_USED_FLAG,
	};
	r = elf ? og_elf_plan(file, plan, err) : 0;
	if (r < 0)
		return r;
	if (og_multiboot_find(file, &offset))
		return og_multiboot_plan(file, offset, elf, plan, err);
	return elf ? 0 : og_kernel_refuse(err, "no bzImage, no ELF and no multiboot kernel");
}

/* What is known when there is nothing more to look at. */
static int settle(const struct og_kernel_plan *plan, struct og_err *err)
{
	if (plan->protocol == OG_KERNEL_UNKNOWN)
		return og_kernel_refuse(err, "ELF file is for 32 bits and has neither a multiboot "
					     "header nor a PVH entry");
	if (!og_kernel_plan_loads(plan, plan->entry))
		return og_kernel_refuse(err, "entry point is in no segment");
	return 0;
}

int og_kernel_plan(const uint8_t *head, size_t head_bytes, uint64_t file_bytes, uint64_t memory_end,
		   struct og_kernel_plan *ret_plan, struct og_err *err)
{
	const struct og_kernel_file file = { head, head_bytes, file_bytes, memory_end };
	struct og_kernel_plan plan = {};
	int r = plan_any(&file, &plan, err);

	if (r == 0 && plan.notes_bytes == 0)
		r = settle(&plan, err);
	if (r < 0)
		return r;

	plan.setup.type_of_loader = LOADER_UNDEFINED;
	*ret_plan = plan;
	return 0;
}

/* ELF notes: a name and a description, each padded to 4 bytes (System V gABI, chapter 5). */
struct note {
	uint32_t name_bytes, bytes, type;
};

#define NOTE_PHYS32_ENTRY 18
#define NOTE_NAME	  "Xen"

static uint64_t padded(uint32_t bytes)
{
	return ((uint64_t)bytes + 3) & ~3ULL;
}

static void take_entry(const uint8_t *at, uint32_t bytes, struct og_kernel_plan *plan)
{
	uint32_t entry;

	if (bytes < sizeof(entry))
		return;
	memcpy(&entry, at, sizeof(entry)); /* one of 8 bytes is little endian, too */
	plan->entry = entry;
	plan->protocol = OG_KERNEL_PVH;
}

int og_kernel_plan_notes(const uint8_t *notes, size_t bytes, struct og_kernel_plan *plan,
			 struct og_err *err)
{
	struct note note;

	for (size_t at = 0; bytes - at >= sizeof(note);) {
		uint64_t name, text;

		memcpy(&note, notes + at, sizeof(note));
		at += sizeof(note);
		name = padded(note.name_bytes);
		text = padded(note.bytes);
		if (name + text > bytes - at)
			break;
		if (note.type == NOTE_PHYS32_ENTRY && note.name_bytes == sizeof(NOTE_NAME) &&
		    memcmp(notes + at, NOTE_NAME, sizeof(NOTE_NAME)) == 0)
			take_entry(notes + at + name, note.bytes, plan);
		at += name + text;
	}
	plan->notes_bytes = 0;
	return settle(plan, err);
}
