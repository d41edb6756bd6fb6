/* SPDX-License-Identifier: Apache-2.0 */
/* What kernel.c, elf.c and multiboot.c share; nobody else's. */
#pragma once

#include "vmm/boot/kernel.h"

/* A kernel's file as far as it is looked at, and where it is to go. */
struct og_kernel_file {
	const uint8_t *head;
	size_t head_bytes;
	uint64_t bytes;
	uint64_t memory_end;
};

/* Sums of two numbers below this do not wrap. */
#define OG_ADDRESS_MAX (1ULL << 46)

int og_kernel_refuse(struct og_err *err, const char *why);

/* Adds what lies in the file at @offset, in memory at @gpa. Errors: as og_kernel_plan(). */
int og_kernel_add_segment(const struct og_kernel_file *file, struct og_kernel_plan *plan,
			  uint64_t offset, uint64_t file_bytes, uint64_t gpa, uint64_t memory_bytes,
			  struct og_err *err);

bool og_elf_is(const struct og_kernel_file *file);

/* Plans an ELF file whose protocol is yet to be found out. */
int og_elf_plan(const struct og_kernel_file *file, struct og_kernel_plan *plan, struct og_err *err);

/* Whether there is a multiboot header, and where. */
bool og_multiboot_find(const struct og_kernel_file *file, size_t *ret_offset);

/* Plans a kernel with the header at @offset, whose segments are loaded when it is an ELF file. */
int og_multiboot_plan(const struct og_kernel_file *file, size_t offset, bool elf,
		      struct og_kernel_plan *plan, struct og_err *err);
