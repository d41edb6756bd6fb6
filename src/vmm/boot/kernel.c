/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

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

/* What a vmlinux is told in place of a bzImage's header. */
#define ELF_CMDLINE_MAX	   2047
#define ELF_INITRD_END_MAX 0x7fffffffULL
#define LOADER_UNDEFINED   0xff

/* Sums of two numbers below this do not wrap. */
#define ADDRESS_MAX (1ULL << 46)

static int refuse(struct og_err *err, const char *why)
{
	return og_fail(err, -ENOEXEC, "%s", why);
}

static int too_small(struct og_err *err, uint64_t end)
{
	return og_fail(err, -ENOMEM, "kernel needs %llu MiB of memory below 3 GiB",
		       (unsigned long long)((end + 0xfffff) >> 20));
}

static bool is_elf(const uint8_t *head, size_t head_bytes)
{
	return head_bytes >= sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static bool is_bzimage(const uint8_t *head, size_t head_bytes, struct setup_header *ret_setup)
{
	size_t bytes;

	if (head_bytes < SETUP_OFFSET + sizeof(*ret_setup))
		return false;
	memcpy(ret_setup, head + SETUP_OFFSET, sizeof(*ret_setup));
	if (ret_setup->boot_flag != 0xaa55 || ret_setup->header != HEADER_MAGIC)
		return false;

	/* The header says itself how long it is: what is behind is no part of it. */
	bytes = 0x202U + (ret_setup->jump >> 8) - SETUP_OFFSET;
	if (bytes < sizeof(*ret_setup))
		memset((uint8_t *)ret_setup + bytes, 0, sizeof(*ret_setup) - bytes);
	return true;
}

static int plan_bzimage(const struct setup_header *setup, uint64_t file_bytes, uint64_t memory_end,
			struct og_kernel_plan *plan, struct og_err *err)
{
	uint64_t sects = setup->setup_sects != 0 ? setup->setup_sects : SETUP_SECTS_LEGACY;
	uint64_t offset = (sects + 1) * SECTOR_BYTES;
	uint64_t gpa = OG_HIGH_RAM_GPA, bytes, span;

	if (setup->version < HEADER_VERSION_MIN || (setup->xloadflags & XLF_KERNEL_64_FLAG) == 0)
		return refuse(err, "bzImage has no 64-bit entry (Linux 3.8 and later have)");
	if ((setup->loadflags & LOADED_HIGH_FLAG) == 0)
		return refuse(err, "bzImage is a zImage, loaded low");
	if (offset + ENTRY_64_OFFSET >= file_bytes)
		return refuse(err, "bzImage ends inside its setup code");

	bytes = file_bytes - offset;
	if (bytes < (uint64_t)setup->syssize * PARAGRAPH_BYTES)
		return refuse(err, "bzImage is cut short");
	span = bytes > setup->init_size ? bytes : setup->init_size;
	/* Where it wants to be saves it a move; a relocatable one goes elsewhere if it must. */
	if (setup->pref_address >= OG_HIGH_RAM_GPA && setup->pref_address < ADDRESS_MAX &&
	    (setup->pref_address + span <= memory_end || setup->relocatable_kernel == 0))
		gpa = setup->pref_address;
	if (gpa + span > memory_end)
		return too_small(err, gpa + span);

	plan->segments[0] = (struct og_kernel_segment){ offset, bytes, gpa };
	plan->n_segments = 1;
	plan->entry = gpa + ENTRY_64_OFFSET;
	plan->end = gpa + span;
	plan->initrd_end_max = (uint64_t)setup->initrd_addr_max + 1;
	plan->cmdline_max = setup->cmdline_size;
	plan->setup = *setup;
	plan->setup.code32_start = (uint32_t)gpa;
	return 0;
}

static int plan_segment(const Elf64_Phdr *phdr, uint64_t file_bytes, uint64_t memory_end,
			struct og_kernel_plan *plan, struct og_err *err)
{
	if (phdr->p_offset > file_bytes || phdr->p_filesz > file_bytes - phdr->p_offset)
		return refuse(err, "ELF segment ends behind the file");
	if (phdr->p_filesz > phdr->p_memsz)
		return refuse(err, "ELF segment is larger in the file than in memory");
	if (phdr->p_paddr < OG_HIGH_RAM_GPA)
		return refuse(err, "ELF segment below 1 MiB");
	if (phdr->p_paddr > ADDRESS_MAX || phdr->p_memsz > ADDRESS_MAX)
		return refuse(err, "ELF segment beyond any memory");
	if (phdr->p_paddr + phdr->p_memsz > memory_end)
		return too_small(err, phdr->p_paddr + phdr->p_memsz);
	if (plan->n_segments == OG_KERNEL_SEGMENTS_MAX)
		return refuse(err, "ELF file with too many segments");

	plan->segments[plan->n_segments++] = (struct og_kernel_segment){
		phdr->p_offset,
		phdr->p_filesz,
		phdr->p_paddr,
	};
	if (phdr->p_paddr + phdr->p_memsz > plan->end)
		plan->end = phdr->p_paddr + phdr->p_memsz;
	return 0;
}

static bool is_loaded(const struct og_kernel_plan *plan, uint64_t gpa)
{
	for (unsigned i = 0; i < plan->n_segments; i++)
		if (gpa >= plan->segments[i].gpa &&
		    gpa - plan->segments[i].gpa < plan->segments[i].file_bytes)
			return true;
	return false;
}

static int plan_elf(const uint8_t *head, size_t head_bytes, uint64_t file_bytes,
		    uint64_t memory_end, struct og_kernel_plan *plan, struct og_err *err)
{
	Elf64_Ehdr ehdr;

	memcpy(&ehdr, head, sizeof(ehdr));
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_machine != EM_X86_64)
		return refuse(err, "ELF file is not for x86-64");
	if (ehdr.e_type != ET_EXEC)
		return refuse(err, "ELF file is no kernel (not of type EXEC)");
	if (ehdr.e_phentsize != sizeof(Elf64_Phdr) || ehdr.e_phoff > head_bytes ||
	    ehdr.e_phnum * sizeof(Elf64_Phdr) > head_bytes - ehdr.e_phoff)
		return refuse(err, "ELF program headers are not at the start of the file");

	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		Elf64_Phdr phdr;
		int r;

		memcpy(&phdr, head + ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type != PT_LOAD || phdr.p_memsz == 0)
			continue;
		r = plan_segment(&phdr, file_bytes, memory_end, plan, err);
		if (r < 0)
			return r;
	}
	if (!is_loaded(plan, ehdr.e_entry))
		return refuse(err, "ELF entry point is in no segment");

	plan->entry = ehdr.e_entry;
	plan->initrd_end_max = ELF_INITRD_END_MAX;
	plan->cmdline_max = ELF_CMDLINE_MAX;
	/* Its text stays where it was linked; by the flag it still moves its memory about. */
	plan->setup = (struct setup_header){
		.boot_flag = 0xaa55,
		.header = HEADER_MAGIC,
		.loadflags = LOADED_HIGH_FLAG | KASLR_USED_FLAG,
	};
	return 0;
}

int og_kernel_plan(const uint8_t *head, size_t head_bytes, uint64_t file_bytes, uint64_t memory_end,
		   struct og_kernel_plan *ret_plan, struct og_err *err)
{
	struct og_kernel_plan plan = {};
	struct setup_header setup;
	int r;

	if (is_elf(head, head_bytes))
		r = plan_elf(head, head_bytes, file_bytes, memory_end, &plan, err);
	else if (is_bzimage(head, head_bytes, &setup))
		r = plan_bzimage(&setup, file_bytes, memory_end, &plan, err);
	else
		r = refuse(err, "no bzImage and no ELF64");
	if (r < 0)
		return r;

	plan.setup.type_of_loader = LOADER_UNDEFINED;
	*ret_plan = plan;
	return 0;
}
