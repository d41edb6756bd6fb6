/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels in ELF, of 64 or 32 bits: what they load and where their notes are. */
#include <elf.h>
#include <string.h>

#include "vmm/boot/formats.h"

/* What decides, of either width. */
struct header {
	uint64_t entry, phoff;
	unsigned phnum, phentsize;
	uint16_t machine, type;
	bool wide;
};

struct segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

bool og_elf_is(const struct og_kernel_file *file)
{
	return file->head_bytes >= sizeof(Elf64_Ehdr) && memcmp(file->head, ELFMAG, SELFMAG) == 0;
}

static struct header read_header(const uint8_t *head)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	if (head[EI_CLASS] == ELFCLASS64) {
		memcpy(&wide, head, sizeof(wide));
		return (struct header){
			wide.e_entry,	wide.e_phoff, wide.e_phnum, wide.e_phentsize,
			wide.e_machine, wide.e_type,  true
		};
	}
	memcpy(&narrow, head, sizeof(narrow));
	return (struct header){
		narrow.e_entry,	  narrow.e_phoff, narrow.e_phnum, narrow.e_phentsize,
		narrow.e_machine, narrow.e_type,  false
	};
}

static struct segment read_segment(const uint8_t *at, bool wide)
{
	Elf64_Phdr p;
	Elf32_Phdr n;

	if (wide) {
		memcpy(&p, at, sizeof(p));
		return (struct segment){ p.p_type,  p.p_offset, p.p_vaddr,
					 p.p_paddr, p.p_filesz, p.p_memsz };
	}
	memcpy(&n, at, sizeof(n));
	return (struct segment){ n.p_type, n.p_offset, n.p_vaddr, n.p_paddr, n.p_filesz, n.p_memsz };
}

static int check(const struct og_kernel_file *file, const struct header *h, struct og_err *err)
{
	size_t bytes = h->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (file->head[EI_DATA] != ELFDATA2LSB || h->machine != (h->wide ? EM_X86_64 : EM_386))
		return og_kernel_refuse(err, "ELF file is not for x86");
	if (h->type != ET_EXEC)
		return og_kernel_refuse(err, "ELF file is no kernel (not of type EXEC)");
	if (h->phentsize != bytes || h->phoff > file->head_bytes ||
	    h->phnum * bytes > file->head_bytes - h->phoff)
		return og_kernel_refuse(err,
					"ELF program headers are not at the start of the file");
	return 0;
}

/* Notes outside the file are none. */
static void take_notes(const struct og_kernel_file *file, const struct segment *s,
		       struct og_kernel_plan *plan)
{
	if (plan->notes_bytes > 0 || s->offset > file->bytes || s->filesz > file->bytes - s->offset)
		return;
	plan->notes_offset = s->offset;
	plan->notes_bytes = s->filesz < OG_KERNEL_NOTES_BYTES ? s->filesz : OG_KERNEL_NOTES_BYTES;
}

/* An entry that was given as a virtual address is found by where its segment goes. */
static void translate_entry(const struct segment *s, const struct header *h,
			    struct og_kernel_plan *plan)
{
	if (h->entry >= s->vaddr && h->entry - s->vaddr < s->filesz)
		plan->entry = s->paddr + (h->entry - s->vaddr);
}

int og_elf_plan(const struct og_kernel_file *file, struct og_kernel_plan *plan, struct og_err *err)
{
	struct header h = read_header(file->head);
	size_t bytes = h.wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	int r = check(file, &h, err);

	plan->entry = h.entry;
	plan->protocol = h.wide ? OG_KERNEL_LINUX : OG_KERNEL_UNKNOWN;
	for (unsigned i = 0; r == 0 && i < h.phnum; i++) {
		struct segment s = read_segment(file->head + h.phoff + i * bytes, h.wide);

		if (s.type == PT_NOTE)
			take_notes(file, &s, plan);
		if (s.type != PT_LOAD || s.memsz == 0)
			continue;
		r = og_kernel_add_segment(file, plan, s.offset, s.filesz, s.paddr, s.memsz, err);
		if (r == 0)
			translate_entry(&s, &h, plan);
	}
	if (r == 0 && og_kernel_plan_loads(plan, h.entry))
		plan->entry = h.entry;
	return r;
}
