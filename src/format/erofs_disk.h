/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS on disk (Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst), as much of
 * it as we write. All numbers are little endian.
 */
#pragma once

#include <endian.h>
#include <stdint.h>

#define EROFS_BLOCK_BITS   12
#define EROFS_BLOCK_BYTES  4096U
#define EROFS_SLOT_BYTES   32U /* a nid counts these from the start of the metadata */
#define EROFS_SUPER_AT	   1024U
#define EROFS_SUPER_MAGIC  0xe0f5e1e2U
#define EROFS_NAME_MAX	   255U
#define EROFS_HOLE	   0xffffffffU /* a chunk's block: there is none */
#define EROFS_BLOCKS_MAX   0xfffffffeULL
#define EROFS_TAG_BYTES	   64U
#define EROFS_DEVICE_BYTES 128U

#define EROFS_COMPAT_CHECKSUM	    0x1U
#define EROFS_COMPAT_MTIME	    0x2U
#define EROFS_INCOMPAT_CHUNKS	    0x4U
#define EROFS_INCOMPAT_DEVICE_TABLE 0x8U

struct erofs_super {
	uint32_t magic;
	uint32_t checksum; /* CRC-32C of the super block to the end of its block, this field 0 */
	uint32_t feature_compat;
	uint8_t block_bits;
	uint8_t ext_slots;
	uint16_t root_nid;
	uint64_t inodes;
	uint64_t build_time;
	uint32_t build_time_nsec;
	uint32_t blocks;
	uint32_t meta_block;
	uint32_t xattr_block;
	uint8_t uuid[16];
	uint8_t volume_name[16];
	uint32_t feature_incompat;
	uint16_t compression;
	uint16_t extra_devices;
	uint16_t device_slot; /* of the table, in EROFS_DEVICE_BYTES */
	uint8_t dir_block_bits;
	uint8_t xattr_prefixes;
	uint32_t xattr_prefix_start;
	uint64_t packed_nid;
	uint8_t xattr_filter;
	uint8_t reserved[23];
};

_Static_assert(sizeof(struct erofs_super) == 128, "on disk");

struct erofs_device {
	char tag[EROFS_TAG_BYTES];
	uint32_t blocks;
	uint32_t unified_block; /* where it sits behind the others */
	uint8_t reserved[56];
};

_Static_assert(sizeof(struct erofs_device) == EROFS_DEVICE_BYTES, "on disk");

#define EROFS_FORMAT_EXTENDED 1U
#define EROFS_LAYOUT_SHIFT    1
#define EROFS_LAYOUT_MASK     7U

enum erofs_layout {
	EROFS_LAYOUT_PLAIN = 0,
	EROFS_LAYOUT_INLINE = 2, /* the last block's bytes follow the inode */
	EROFS_LAYOUT_CHUNKS = 4,
};

#define EROFS_CHUNK_BITS_MASK 0x1fU
#define EROFS_CHUNK_INDEXES   0x20U

struct erofs_inode_disk {
	uint16_t format;
	uint16_t xattr_count; /* see erofs_xattr_bytes() */
	uint16_t mode;
	uint16_t reserved;
	uint64_t size;
	uint32_t start; /* block, device number, or chunk format */
	uint32_t ino;
	uint32_t uid;
	uint32_t gid;
	uint64_t mtime;
	uint32_t mtime_nsec;
	uint32_t nlink;
	uint8_t reserved2[16];
};

_Static_assert(sizeof(struct erofs_inode_disk) == 64, "on disk");
#define EROFS_INODE_BYTES 64U

struct erofs_xattr_header {
	uint32_t name_filter;
	uint8_t shared_count;
	uint8_t reserved[7];
};

_Static_assert(sizeof(struct erofs_xattr_header) == 12, "on disk");

/* Followed by name and value, then padding to 4 bytes. */
struct erofs_xattr_entry {
	uint8_t name_len;
	uint8_t prefix;
	uint16_t value_len;
};

_Static_assert(sizeof(struct erofs_xattr_entry) == 4, "on disk");

/* The bytes of an inode's xattrs, and how an inode says it. */
static inline uint32_t erofs_xattr_bytes(uint16_t count)
{
	return count > 0 ? 12U + 4U * (count - 1U) : 0;
}

#define EROFS_XATTR_BYTES_MAX (12U + 4U * 65534U)

struct erofs_dirent {
	uint64_t nid;
	uint16_t name_at; /* in the block */
	uint8_t type;
	uint8_t reserved;
} __attribute__((packed));

_Static_assert(sizeof(struct erofs_dirent) == 12, "on disk");

enum erofs_file_type {
	EROFS_TYPE_FILE = 1,
	EROFS_TYPE_DIRECTORY,
	EROFS_TYPE_CHAR,
	EROFS_TYPE_BLOCK,
	EROFS_TYPE_FIFO,
	EROFS_TYPE_SOCKET,
	EROFS_TYPE_SYMLINK,
};
