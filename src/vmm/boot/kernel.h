/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images, without I/O: from the first bytes of a file to a plan of what to load where.
 * Headers are a stranger's; a plan's segments lie inside the file and inside the memory given.
 *
 * bzImage: Documentation/arch/x86/boot.rst, version 2.12 and later (64-bit entry).
 * ELF: a statically linked kernel, of the first of these that it declares:
 *	multiboot 1 (GNU's specification 0.6.96), by a header in its first 8 KiB;
 *	PVH, by the note XEN_ELFNOTE_PHYS32_ENTRY (Xen's docs/misc/pvh.pandoc);
 *	Linux for x86-64 (vmlinux), entered like a bzImage.
 * Anything else: multiboot 1 with addresses in its header (the "a.out kludge").
 */
#pragma once

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A multiboot header may lie anywhere in here; all other headers do, in practice. */
#define OG_KERNEL_HEAD_BYTES 8192

/* A vmlinux has five; a bzImage is one. */
#define OG_KERNEL_SEGMENTS_MAX 16

/* Linux has less than 1 KiB of notes; what is behind this is not looked at. */
#define OG_KERNEL_NOTES_BYTES 16384

enum og_kernel_protocol {
	OG_KERNEL_UNKNOWN,
	OG_KERNEL_LINUX,
	OG_KERNEL_PVH,
	OG_KERNEL_MULTIBOOT,
};

struct og_kernel_plan {
	struct og_kernel_segment {
		uint64_t file_offset;
		uint64_t file_bytes;
		uint64_t gpa; /* 1 MiB or more */
	} segments[OG_KERNEL_SEGMENTS_MAX];

	unsigned n_segments;
	enum og_kernel_protocol protocol;
	uint64_t entry;		   /* Linux: in 64-bit mode; else in 32-bit protected mode */
	uint64_t end;		   /* of all memory it needs before it knows its memory */
	uint64_t initrd_end_max;   /* an initrd must end at or below this */
	uint64_t cmdline_max;	   /* bytes, without the NUL */
	struct setup_header setup; /* for boot_params */

	/* ELF notes that may change the plan: read them, then call og_kernel_plan_notes(). */
	uint64_t notes_offset, notes_bytes; /* inside the file; 0 bytes: there are none */
};

/*
 * Plans the loading of a kernel whose first @head_bytes (OG_KERNEL_HEAD_BYTES, or all if shorter)
 * are @head, into memory that goes from 0 to @memory_end.
 *
 * Errors: -ENOEXEC (no format of ours, or a header that contradicts itself or the file's size),
 * -ENOMEM (@memory_end is too low for it).
 */
int og_kernel_plan(const uint8_t *head, size_t head_bytes, uint64_t file_bytes, uint64_t memory_end,
		   struct og_kernel_plan *ret_plan, struct og_err *err);

/* The second look, at the first @bytes of @plan's notes. Errors: -ENOEXEC. */
int og_kernel_plan_notes(const uint8_t *notes, size_t bytes, struct og_kernel_plan *plan,
			 struct og_err *err);

/* Whether @gpa is filled from the file. */
bool og_kernel_plan_loads(const struct og_kernel_plan *plan, uint64_t gpa);
