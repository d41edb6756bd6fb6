/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads ext2, ext3 and ext4 (Linux, Documentation/filesystems/ext4) as they are on the disk: what is only in the
 * journal is not seen, and no checksum is looked at. Not read: encrypted files, data inside inodes,
 * meta block groups. It believes nothing and ends whatever the bytes say. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/bytes.h"

#define OG_EXT4_ROOT 2 /* the number of the first folder */

struct og_ext4 {
	const struct og_bytes *bytes;
	uint32_t block_bytes;
	uint32_t inodes, inodes_per_group;
	uint32_t inode_bytes, descriptor_bytes;
	uint64_t blocks;
	uint64_t descriptors_at; /* bytes */
};

struct og_ext4_inode {
	uint32_t mode; /* with the type, as stat(2) */
	uint32_t flags;
	uint64_t size;
	uint8_t map[60]; /* private: where its content is */
};

/* @bytes: the file system's, not the disk's; it must outlive it. -EBADMSG, -ENOTSUP. */
int og_ext4_open(const struct og_bytes *bytes, struct og_ext4 *ret_ext4, struct og_err *err);

/* Errors: -EBADMSG, what reading says. */
int og_ext4_inode(const struct og_ext4 *ext4, uint32_t number, struct og_ext4_inode *ret_inode,
		  struct og_err *err);

/* Content at @offset, all of it inside the inode's size; holes are zero. -EBADMSG, -ENOTSUP. */
int og_ext4_read(const struct og_ext4 *ext4, const struct og_ext4_inode *inode, uint64_t offset,
		 void *buf, size_t len);

/* @name need not end in NUL, and holds neither "/" nor NUL; "." and ".." are left out. */
typedef int og_ext4_name_fn(void *data, const char *name, size_t len, uint32_t number,
			    struct og_err *err);

/* Errors: -EBADMSG, -ENOTSUP, what @fn returns. */
int og_ext4_read_dir(const struct og_ext4 *ext4, const struct og_ext4_inode *inode,
		     og_ext4_name_fn *fn, void *data, struct og_err *err);
