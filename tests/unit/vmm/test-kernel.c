/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel.h"

#include <elf.h>
#include <errno.h>

#include "base/test.h"

#define MEMORY_END (256ULL << 20)
#define FILE_BYTES (1ULL << 20)

static uint8_t head[OG_KERNEL_HEAD_BYTES];

static struct setup_header *bzimage(void)
{
	struct setup_header *h = (struct setup_header *)(void *)(head + 0x1f1);

	memset(head, 0, sizeof(head));
	h->setup_sects = 3;
	h->boot_flag = 0xaa55;
	h->jump = 0x6aeb;
	h->header = 0x53726448;
	h->version = 0x020f;
	h->loadflags = 1;
	h->xloadflags = 1;
	h->relocatable_kernel = 1;
	h->pref_address = 0x1000000;
	h->init_size = 3 << 20;
	h->initrd_addr_max = 0x7fffffff;
	h->cmdline_size = 2047;
	return h;
}

static Elf64_Phdr *elf(void)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)(void *)head;
	Elf64_Phdr *p = (Elf64_Phdr *)(void *)(head + sizeof(*e));

	memset(head, 0, sizeof(head));
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_machine = EM_X86_64;
	e->e_type = ET_EXEC;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 1;
	e->e_entry = 0x1000100;
	*p = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = 0x1000,
		.p_filesz = 0x2000,
		.p_memsz = 0x5000,
		.p_paddr = 0x1000000,
	};
	return p;
}

static int plan_all(struct og_kernel_plan *plan)
{
	return og_kernel_plan(head, sizeof(head), FILE_BYTES, MEMORY_END, plan, NULL);
}

TEST(a_bzimage_goes_where_it_wants_to_be)
{
	struct og_kernel_plan plan;

	bzimage();
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.n_segments, 1);
	CHECK_EQ(plan.segments[0].file_offset, 4 * 512);
	CHECK_EQ(plan.segments[0].file_bytes, FILE_BYTES - 4 * 512);
	CHECK_EQ(plan.segments[0].gpa, 0x1000000);
	CHECK_EQ(plan.entry, 0x1000200);
	CHECK_EQ(plan.end, 0x1000000 + (3 << 20));
	CHECK_EQ(plan.initrd_end_max, 0x80000000);
	CHECK_EQ(plan.cmdline_max, 2047);
}

TEST(a_relocatable_one_goes_lower_in_little_memory)
{
	struct og_kernel_plan plan;

	bzimage();
	CHECK_OK(og_kernel_plan(head, sizeof(head), FILE_BYTES, 18U << 20, &plan, NULL));
	CHECK_EQ(plan.segments[0].gpa, 0x100000);
	bzimage()->relocatable_kernel = 0;
	CHECK_EQ(og_kernel_plan(head, sizeof(head), FILE_BYTES, 18U << 20, &plan, NULL), -ENOMEM);
}

/* A77 */
TEST(bzimages_with_bad_headers_are_refused)
{
	struct og_kernel_plan plan;

	bzimage()->boot_flag = 0;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->header = 0;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->version = 0x0205;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->xloadflags = 0;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->loadflags = 0;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->init_size = UINT32_MAX;
	CHECK_EQ(plan_all(&plan), -ENOMEM);
	bzimage()->pref_address = UINT64_MAX - 4096; /* absurd, but it need not be there */
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.segments[0].gpa, 0x100000);
	bzimage()->pref_address = 0x1000;
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.segments[0].gpa, 0x100000);
	bzimage();
	CHECK_EQ(og_kernel_plan(head, sizeof(head), 4 * 512 + 0x200, MEMORY_END, &plan, NULL),
		 -ENOEXEC);
	CHECK_EQ(og_kernel_plan(head, 0x200, 0x200, MEMORY_END, &plan, NULL), -ENOEXEC);
	bzimage()->syssize = FILE_BYTES / 16; /* more than is behind the setup code */
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	bzimage()->setup_sects = 255;
	CHECK_EQ(og_kernel_plan(head, sizeof(head), sizeof(head), MEMORY_END, &plan, NULL),
		 -ENOEXEC);
}

TEST(a_short_header_hides_what_is_behind_it)
{
	struct og_kernel_plan plan;

	bzimage()->jump = 0x00eb; /* ends before everything that makes it 64-bit */
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
}

TEST(an_elf_kernel_is_loaded_by_segments)
{
	struct og_kernel_plan plan;

	elf();
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.n_segments, 1);
	CHECK_EQ(plan.segments[0].file_bytes, 0x2000);
	CHECK_EQ(plan.entry, 0x1000100);
	CHECK_EQ(plan.end, 0x1005000);
}

/* A77 */
TEST(elf_files_with_bad_headers_are_refused)
{
	static const Elf64_Phdr bad[] = {
		{ .p_offset = FILE_BYTES, .p_filesz = 1, .p_memsz = 1, .p_paddr = 0x1000000 },
		{ .p_offset = UINT64_MAX, .p_filesz = 2, .p_memsz = 2, .p_paddr = 0x1000000 },
		{ .p_offset = 1,
		  .p_filesz = UINT64_MAX,
		  .p_memsz = UINT64_MAX,
		  .p_paddr = 0x1000000 },
		{ .p_filesz = 0x2000, .p_memsz = 0x1000, .p_paddr = 0x1000000 },
		{ .p_filesz = 0x2000, .p_memsz = 0x2000, .p_paddr = 0xfff00 }, /* over our tables */
		{ .p_filesz = 0x2000, .p_memsz = 0x2000, .p_paddr = UINT64_MAX - 0xfff },
		{ .p_filesz = 0x2000, .p_memsz = UINT64_MAX, .p_paddr = 0x1000000 },
	};
	struct og_kernel_plan plan;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Elf64_Phdr *good = elf(); /* which alone would do */

		((Elf64_Ehdr *)(void *)head)->e_phnum = 2;
		good[1] = bad[i];
		good[1].p_type = PT_LOAD;
		CHECK_EQ(plan_all(&plan), -ENOEXEC);
	}
	elf()->p_memsz = MEMORY_END;
	CHECK_EQ(plan_all(&plan), -ENOMEM);
	elf()->p_type = PT_NULL; /* nothing is loaded */
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	elf();
	((Elf64_Ehdr *)(void *)head)->e_entry = 0x1002000; /* behind what the file holds */
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	elf();
	((Elf64_Ehdr *)(void *)head)->e_phnum = UINT16_MAX;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	elf();
	((Elf64_Ehdr *)(void *)head)->e_phoff = UINT64_MAX;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	elf();
	((Elf64_Ehdr *)(void *)head)->e_phentsize = 1;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	elf();
	head[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
}

TEST(more_segments_than_a_kernel_has_are_refused)
{
	Elf64_Phdr *p = elf();
	struct og_kernel_plan plan;

	for (unsigned i = 1; i <= OG_KERNEL_SEGMENTS_MAX; i++)
		p[i] = p[0];
	((Elf64_Ehdr *)(void *)head)->e_phnum = OG_KERNEL_SEGMENTS_MAX;
	CHECK_OK(plan_all(&plan));
	((Elf64_Ehdr *)(void *)head)->e_phnum = OG_KERNEL_SEGMENTS_MAX + 1;
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
}

/* In 32 bits, with notes: nothing says yet how it is started. */
static Elf32_Phdr *elf32(void)
{
	Elf32_Ehdr *e = (Elf32_Ehdr *)(void *)head;
	Elf32_Phdr *p = (Elf32_Phdr *)(void *)(head + sizeof(*e));

	memset(head, 0, sizeof(head));
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS32;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_machine = EM_386;
	e->e_type = ET_EXEC;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 2;
	e->e_entry = 0xc0000100;
	p[0] = (Elf32_Phdr){
		.p_type = PT_LOAD,
		.p_offset = 0x1000,
		.p_filesz = 0x2000,
		.p_memsz = 0x5000,
		.p_paddr = 0x1000000,
		.p_vaddr = 0xc0000000,
	};
	p[1] = (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = 0x2f00, .p_filesz = 40 };
	return p;
}

static const uint32_t xen_note[] = { 4, 4, 6, 0x006e6558, 1, 4, 4, 18, 0x006e6558, 0x1000200 };

static int plan_notes(const void *notes, size_t bytes, struct og_kernel_plan *plan)
{
	return og_kernel_plan_notes(notes, bytes, plan, NULL);
}

TEST(a_pvh_note_says_where_to_enter)
{
	struct og_kernel_plan plan;

	elf32();
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.notes_offset, 0x2f00);
	CHECK_EQ(plan.notes_bytes, 40);
	CHECK_OK(plan_notes(xen_note, sizeof(xen_note), &plan));
	CHECK_EQ(plan.protocol, OG_KERNEL_PVH);
	CHECK_EQ(plan.entry, 0x1000200);
	CHECK_EQ(plan.segments[0].gpa, 0x1000000);
	CHECK_EQ(plan.end, 0x1005000);
}

TEST(a_linux_without_the_note_is_entered_in_64_bits)
{
	Elf64_Phdr *p = elf();
	struct og_kernel_plan plan;

	p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = FILE_BYTES - 64, .p_filesz = 64 };
	((Elf64_Ehdr *)(void *)head)->e_phnum = 2;
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.notes_bytes, 64);
	CHECK_OK(plan_notes(xen_note, 20, &plan));
	CHECK_EQ(plan.protocol, OG_KERNEL_LINUX);
	CHECK_EQ(plan.entry, 0x1000100);
	p[1].p_filesz = UINT64_MAX; /* not in the file: there are none */
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.notes_bytes, 0);
	p[1].p_filesz = 1 << 19;
	p[1].p_offset = 0;
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.notes_bytes, OG_KERNEL_NOTES_BYTES);
}

/* A77 */
TEST(notes_that_lie_lead_nowhere)
{
	uint32_t bad[10];
	struct og_kernel_plan plan;

	for (size_t i = 0; i < 4; i++) {
		memcpy(bad, xen_note, sizeof(bad));
		bad[i < 2 ? i : i + 3] = UINT32_MAX - (uint32_t)i; /* lengths of both notes */
		elf32();
		CHECK_OK(plan_all(&plan));
		CHECK_EQ(plan_notes(bad, sizeof(bad), &plan), -ENOEXEC);
	}
	memcpy(bad, xen_note, sizeof(bad));
	bad[9] = 0x1002000; /* behind what the file holds */
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan_notes(bad, sizeof(bad), &plan), -ENOEXEC);
	bad[6] = 2; /* too short for an address */
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan_notes(bad, sizeof(bad), &plan), -ENOEXEC);
	for (size_t bytes = 0; bytes < sizeof(xen_note); bytes++) {
		CHECK_OK(plan_all(&plan));
		CHECK_EQ(plan_notes(xen_note, bytes, &plan), -ENOEXEC);
	}
}

static uint32_t *multiboot(size_t offset, uint32_t flags)
{
	uint32_t *h = (uint32_t *)(void *)(head + offset);

	h[0] = 0x1badb002;
	h[1] = flags;
	h[2] = -(h[0] + h[1]);
	return h;
}

TEST(a_multiboot_kernel_is_an_elf_file)
{
	struct og_kernel_plan plan;

	elf32();
	multiboot(OG_KERNEL_HEAD_BYTES - 12, 3);
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.protocol, OG_KERNEL_MULTIBOOT);
	CHECK_EQ(plan.entry, 0x1000100); /* as it was linked elsewhere */
	CHECK_EQ(plan.notes_bytes, 0);
	elf();
	multiboot(0x1004, 3);
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.protocol, OG_KERNEL_MULTIBOOT);
	CHECK_EQ(plan.entry, 0x1000100);
}

/* Says by itself where it goes: the header is 0x20 behind the start. */
static uint32_t *addresses(void)
{
	uint32_t *h;

	memset(head, 0, sizeof(head));
	h = multiboot(0x40, 0x10000);
	h[3] = 0x200020;
	h[4] = 0x200000;
	h[5] = 0x201000;
	h[6] = 0x203000;
	h[7] = 0x200800;
	return h;
}

TEST(or_says_its_addresses_itself)
{
	struct og_kernel_plan plan;
	uint32_t *h = addresses();

	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.protocol, OG_KERNEL_MULTIBOOT);
	CHECK_EQ(plan.segments[0].file_offset, 0x20);
	CHECK_EQ(plan.segments[0].file_bytes, 0x1000);
	CHECK_EQ(plan.segments[0].gpa, 0x200000);
	CHECK_EQ(plan.end, 0x203000);
	CHECK_EQ(plan.entry, 0x200800);
	h[5] = h[6] = 0; /* all of the file, and no more */
	CHECK_OK(plan_all(&plan));
	CHECK_EQ(plan.segments[0].file_bytes, FILE_BYTES - 0x20);
	CHECK_EQ(plan.end, 0x200000 + FILE_BYTES - 0x20);
}

/* A77 */
TEST(multiboot_kernels_with_bad_headers_are_refused)
{
	static const struct {
		unsigned word;
		uint32_t value;
	} bad[] = {
		{ 0, 0x1badb003 }, { 2, 0 },	      { 3, 0x1fffff },	 { 3, 0x200041 },
		{ 4, 0x200021 },   { 4, 0 },	      { 5, 0x1fffff },	 { 5, 0x80000000 },
		{ 6, 0x200fff },   { 6, 0x1fffff },   { 7, 0x1fffff },	 { 7, 0x201000 },
		{ 3, UINT32_MAX }, { 4, UINT32_MAX }, { 7, UINT32_MAX },
	};
	struct og_kernel_plan plan;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		addresses()[bad[i].word] = bad[i].value;
		CHECK_EQ(plan_all(&plan), -ENOEXEC);
	}
	addresses()[6] = UINT32_MAX;
	CHECK_EQ(plan_all(&plan), -ENOMEM);
	for (uint32_t flag = 2; flag < 16; flag++) { /* what must not be ignored */
		addresses();
		multiboot(0x40, 0x10000 | 1U << flag);
		CHECK_EQ(plan_all(&plan), -ENOEXEC);
	}
	addresses();
	multiboot(0x40, 3); /* neither ELF nor addresses */
	CHECK_EQ(plan_all(&plan), -ENOEXEC);
	addresses();
	CHECK_EQ(og_kernel_plan(head, 0x40 + 12, 0x40 + 12, MEMORY_END, &plan, NULL), -ENOEXEC);
}

TEST(what_is_no_kernel_says_so)
{
	struct og_kernel_plan plan;
	struct og_err err = {};

	memset(head, 'x', sizeof(head));
	CHECK_EQ(og_kernel_plan(head, sizeof(head), FILE_BYTES, MEMORY_END, &plan, &err), -ENOEXEC);
	CHECK(strstr(err.text, "no bzImage, no ELF and no multiboot kernel") != NULL);
	CHECK_EQ(og_kernel_plan(head, 0, 0, MEMORY_END, &plan, NULL), -ENOEXEC);
}

TEST_MAIN(TEST_ENTRY(a_bzimage_goes_where_it_wants_to_be),
	  TEST_ENTRY(a_relocatable_one_goes_lower_in_little_memory),
	  TEST_ENTRY(bzimages_with_bad_headers_are_refused),
	  TEST_ENTRY(a_short_header_hides_what_is_behind_it),
	  TEST_ENTRY(an_elf_kernel_is_loaded_by_segments),
	  TEST_ENTRY(elf_files_with_bad_headers_are_refused),
	  TEST_ENTRY(more_segments_than_a_kernel_has_are_refused),
	  TEST_ENTRY(a_pvh_note_says_where_to_enter),
	  TEST_ENTRY(a_linux_without_the_note_is_entered_in_64_bits),
	  TEST_ENTRY(notes_that_lie_lead_nowhere), TEST_ENTRY(a_multiboot_kernel_is_an_elf_file),
	  TEST_ENTRY(or_says_its_addresses_itself),
	  TEST_ENTRY(multiboot_kernels_with_bad_headers_are_refused),
	  TEST_ENTRY(what_is_no_kernel_says_so))
