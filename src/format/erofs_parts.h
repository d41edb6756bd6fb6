/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the EROFS writer share; no one else includes it. */
#pragma once

#include "format/erofs_disk.h"
#include "format/erofs_out.h"

/* A directory's entry, "." and ".." too. */
struct erofs_entry {
	const char *text;
	size_t len;
	struct og_erofs_inode *inode;
};

/* A directory in the order in which they are written. */
struct erofs_dir {
	struct og_erofs_inode *inode;
	struct erofs_entry *entries; /* owned; sorted as the kernel's search wants */
	size_t count;
	uint64_t bytes;
};

/* Lists and sorts @inode's names. -ENOMEM. */
int erofs_dir_init(struct erofs_dir *dir, struct og_erofs_inode *inode, struct og_err *err);
void erofs_dir_done(struct erofs_dir *dir);

/*
 * Writes the block that begins with entry *@at to @block (may be NULL: only counts), and moves *@at
 * behind its last one. Returns the bytes used.
 */
size_t erofs_dir_block(const struct erofs_dir *dir, size_t *at, uint8_t *block);

/* The bytes an inode's attributes take behind it. */
uint32_t erofs_xattrs_bytes(const struct og_erofs_inode *inode);
int erofs_put_xattrs(struct erofs_out *out, const struct og_erofs_inode *inode, struct og_err *err);

/* Fills in the checksum of @block, the first one of a file. */
void erofs_super_seal(uint8_t block[EROFS_BLOCK_BYTES]);
/* CRC-32C as the kernel counts it, without the last inversion. */
uint32_t erofs_crc32c(uint32_t crc, const uint8_t *buf, size_t len);
