/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parts of an ELF file are (System V ABI, gABI 4: ELF header, section headers, program
 * headers), of either class and byte order. For files that are looked into, not run. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/bytes.h"

/* A program has tens of sections; only object files have thousands. */
#define OG_ELF_SECTIONS_MAX 1024
#define OG_ELF_SEGMENTS_MAX 256
#define OG_ELF_NAMES_MAX    (64U << 10) /* bytes; of more the first are looked at */

struct og_elf {
	const struct og_bytes *bytes;
	bool is_64, big_endian;
	uint64_t sections_at, segments_at; /* bytes into the file */
	uint16_t section_count, section_bytes, segment_count, segment_bytes;
	uint8_t *sections; /* owned; their headers */
	char *names;	   /* owned; their names */
	size_t names_bytes;
};

struct og_elf_part {
	uint64_t offset, size; /* bytes of the file, all inside it */
};

/* Do the first four bytes say ELF? */
bool og_elf_is(const uint8_t head[4]);

/* @bytes must outlive it. Reads thrice at most. Errors: -EBADMSG, -ENOMEM, what reading says. */
int og_elf_open(const struct og_bytes *bytes, struct og_elf *ret_elf, struct og_err *err);
void og_elf_done(struct og_elf *elf);

/* Errors: -ENOENT (no such section, or one without content), -EBADMSG. */
int og_elf_section(const struct og_elf *elf, const char *name, struct og_elf_part *ret_part,
		   struct og_err *err);

/* The file's bytes at an address of the program, to the end of the segment. -ENOENT. */
int og_elf_address(const struct og_elf *elf, uint64_t address, struct og_elf_part *ret_part,
		   struct og_err *err);

/* The first segment that is written to, where a linker puts data. -ENOENT. */
int og_elf_data_segment(const struct og_elf *elf, struct og_elf_part *ret_part, struct og_err *err);

/* A number of 4 or 8 bytes as this program writes it. */
uint64_t og_elf_number(const struct og_elf *elf, const uint8_t *at, size_t bytes);
