/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images, without I/O: from the first bytes of a file to a plan of what to load where.
 * Headers are a stranger's; a plan's segments lie inside the file and inside the memory given.
 *
 * bzImage: Documentation/arch/x86/boot.rst, version 2.12 and later (64-bit entry).
 * ELF: a statically linked x86-64 kernel (vmlinux) that is entered like a bzImage.
 */
#pragma once

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Everything we look at lies here: bzImage's header in the first KiB, ELF's tables behind its. */
#define OG_KERNEL_HEAD_BYTES 4096

/* A vmlinux has five; a bzImage is one. */
#define OG_KERNEL_SEGMENTS_MAX 16

struct og_kernel_plan {
	struct og_kernel_segment {
		uint64_t file_offset;
		uint64_t file_bytes;
		uint64_t gpa; /* 1 MiB or more */
	} segments[OG_KERNEL_SEGMENTS_MAX];

	unsigned n_segments;
	uint64_t entry;		   /* in 64-bit mode, RSI = boot_params */
	uint64_t end;		   /* of all memory it needs before it knows its memory */
	uint64_t initrd_end_max;   /* an initrd must end at or below this */
	uint64_t cmdline_max;	   /* bytes, without the NUL */
	struct setup_header setup; /* for boot_params */
};

/*
 * Plans the loading of a kernel whose first @head_bytes (OG_KERNEL_HEAD_BYTES, or all if shorter)
 * are @head, into memory that goes from 0 to @memory_end.
 *
 * Errors: -ENOEXEC (neither format, or a header that contradicts itself or the file's size),
 * -ENOMEM (@memory_end is too low for it).
 */
int og_kernel_plan(const uint8_t *head, size_t head_bytes, uint64_t file_bytes, uint64_t memory_end,
		   struct og_kernel_plan *ret_plan, struct og_err *err);
