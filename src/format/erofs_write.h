/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes an EROFS file in one pass, without I/O of its own: content first, block by block as it
 * comes, then the tree's metadata, the super block last. Memory is the tree and one buffer.
 *
 *	og_erofs_writer_new(); { og_erofs_file_begin(); og_erofs_file_data() ...; og_erofs_file_end(); }
 *	og_erofs_write_tree();
 *
 * Content is block-aligned and never inline, so that another EROFS file can name it as a device's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "format/erofs_tree.h"

/* What a writer writes with. Bytes that are skipped read as zeros. */
struct og_erofs_sink {
	int (*write)(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err);
	void *data;
};

/* One of the files that hold content for this one. */
struct og_erofs_extra {
	char tag[64 + 1]; /* exactly 64 characters */
	uint32_t blocks;
	uint32_t unified_block; /* result of og_erofs_write_tree(): where it sits */
};

struct og_erofs_writer;

int og_erofs_writer_new(const struct og_erofs_sink *sink, struct og_erofs_writer **ret_writer,
			struct og_err *err);
struct og_erofs_writer *og_erofs_writer_free(struct og_erofs_writer *writer);
OG_DEFINE_CLEANUP(struct og_erofs_writer, og_erofs_writer_free)

/*
 * The content of @inode, a file whose size is set, follows; one file at a time. A @sparse one may
 * skip bytes and becomes holes there. Errors: -EFBIG (beyond EROFS's 16 TiB), -ENOMEM, the sink's.
 */
int og_erofs_file_begin(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
			struct og_erofs_inode *inode, bool sparse, struct og_err *err);

/* @offset never goes back; all bytes lie within the size. */
int og_erofs_file_data(struct og_erofs_writer *writer, uint64_t offset, const void *buf, size_t len,
		       struct og_err *err);
int og_erofs_file_end(struct og_erofs_writer *writer, struct og_err *err);

/* Where the next byte goes, if it lies next to the last one. */
uint64_t og_erofs_writer_at(const struct og_erofs_writer *writer);

/*
 * Completes the file: @tree's inodes and directories, a device table of @extras, the super block.
 * *@ret_blocks is the file's size. A file's blocks are this file's, as og_erofs_file_begin() left
 * them, or where its .extra says so those of an extra: they are written in the address space that
 * all files share, this one first, then the extras one behind the other.
 */
int og_erofs_write_tree(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
			struct og_erofs_extra *extras, size_t extra_count, const uint8_t uuid[16],
			uint64_t *ret_blocks, struct og_err *err);
