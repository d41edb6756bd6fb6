/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads EROFS files of the kind that our writer makes: extended inodes, plain, inline or of chunks,
 * attributes inline. It works on memory (no I/O) and believes nothing: whatever the bytes say, it
 * stays inside them and ends. Content of files is not read, only where it is.
 *
 * The memory holds the file's bytes from @base on; inodes, directories, link targets, attributes
 * and chunk maps must lie there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OG_EROFS_SUPER_BYTES 4096 /* what og_erofs_read_super() wants to see */

struct og_erofs_view {
	const uint8_t *buf;
	size_t len;
	uint64_t base;
	/* of the super block */
	uint64_t blocks;
	uint64_t meta_at; /* bytes */
	uint64_t root_nid;
	uint64_t inodes;
	uint32_t extra_count;
	uint64_t table_at; /* of the devices, bytes */
};

/* Checks the file's first block and fills in all of @ret_view but buf, len, base. -EBADMSG. */
int og_erofs_read_super(const uint8_t block[OG_EROFS_SUPER_BYTES], struct og_erofs_view *ret_view,
			struct og_err *err);

/* What an inode says; .start is a block, a device number, or unused for chunks. */
struct og_erofs_stat {
	uint64_t nid;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint64_t size;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t start;
	uint8_t chunk_bits; /* 0: not of chunks */
	bool is_inline;
	uint64_t xattrs_at; /* bytes into the file */
	uint32_t xattrs_bytes;
};

int og_erofs_read_inode(const struct og_erofs_view *view, uint64_t nid,
			struct og_erofs_stat *ret_stat, struct og_err *err);

/* @name need not end in NUL, and is a valid name ("." and ".." are left out). */
typedef int og_erofs_name_fn(void *data, const char *name, size_t len, uint64_t nid,
			     struct og_err *err);
int og_erofs_read_dir(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
		      og_erofs_name_fn *fn, void *data, struct og_err *err);

/* @name without its prefix. */
typedef int og_erofs_xattr_fn(void *data, uint8_t prefix, const char *name, size_t name_len,
			      const void *value, size_t value_len, struct og_err *err);
int og_erofs_read_xattrs(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			 og_erofs_xattr_fn *fn, void *data, struct og_err *err);

/* The target of a symbolic link, which has no NUL: @ret_target points into the view. */
int og_erofs_read_target(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			 const char **ret_target, struct og_err *err);

/* How many chunks a file has, and the block of one of them (0xffffffff: a hole). */
uint64_t og_erofs_chunk_count(const struct og_erofs_stat *stat);
int og_erofs_read_chunk(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			uint64_t chunk, uint32_t *ret_block, struct og_err *err);

/* Entry @index of the device table: *@ret_tag points to 64 characters in the view. */
int og_erofs_read_device(const struct og_erofs_view *view, uint32_t index, const char **ret_tag,
			 uint32_t *ret_blocks, uint32_t *ret_unified_block, struct og_err *err);
