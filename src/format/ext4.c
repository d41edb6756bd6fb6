/* SPDX-License-Identifier: Apache-2.0 */
#include "format/ext4.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define SUPER_AT       1024
#define SUPER_BYTES    1024
#define MAGIC	       0xef53
#define INCOMPAT_64BIT 0x80
#define INCOMPAT_OTHER (0x1 | 0x8 | 0x10) /* compressed, a journal's own disk, meta block groups */
#define FLAG_ENCRYPTED 0x800
#define FLAG_EXTENTS   0x80000
#define FLAG_INLINE    0x10000000
#define EXTENT_MAGIC   0xf30a
#define EXTENT_DEPTH   5     /* Linux's bound */
#define EXTENT_LEN_MAX 32768 /* more: not written yet, so zero */
#define DIR_BYTES_MAX  (256U << 20)

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t read32(const uint8_t *at)
{
	return read16(at) | (uint32_t)read16(at + 2) << 16;
}

static int damaged(struct og_err *err, int r, const char *what)
{
	return og_fail_plain(err, r == -ERANGE ? -EBADMSG : r, "damaged ext4: %s", what);
}

int og_ext4_open(const struct og_bytes *bytes, struct og_ext4 *ret_ext4, struct og_err *err)
{
	struct og_ext4 ext4 = { .bytes = bytes };
	uint8_t super[SUPER_BYTES];
	uint32_t incompat, shift;
	int r = og_bytes_read(bytes, SUPER_AT, super, sizeof(super));

	if (r < 0 || read16(super + 56) != MAGIC)
		return damaged(err, r < 0 ? r : -EBADMSG, "no super block");
	incompat = read32(super + 96);
	shift = read32(super + 24);
	if (shift > 6)
		return damaged(err, -EBADMSG, "size of its blocks");
	if ((incompat & INCOMPAT_OTHER) != 0)
		return og_fail_plain(err, -ENOTSUP, "ext4 with features 0x%x", incompat);
	ext4.block_bytes = 1024U << shift;
	ext4.inodes = read32(super);
	ext4.inodes_per_group = read32(super + 40);
	ext4.inode_bytes = read32(super + 76) == 0 ? 128 : read16(super + 88);
	ext4.blocks = read32(super + 4);
	ext4.descriptor_bytes = 32;
	if ((incompat & INCOMPAT_64BIT) != 0) {
		ext4.blocks |= (uint64_t)read32(super + 336) << 32;
		ext4.descriptor_bytes = read16(super + 254);
	}
	ext4.descriptors_at = ((uint64_t)read32(super + 20) + 1) * ext4.block_bytes;
	if (ext4.inodes_per_group == 0 || ext4.inode_bytes < 128 ||
	    ext4.inode_bytes > ext4.block_bytes || ext4.descriptor_bytes < 32 ||
	    ext4.descriptor_bytes > 1024)
		return damaged(err, -EBADMSG, "its super block");
	*ret_ext4 = ext4;
	return 0;
}

int og_ext4_inode(const struct og_ext4 *ext4, uint32_t number, struct og_ext4_inode *ret_inode,
		  struct og_err *err)
{
	uint8_t descriptor[64] = {}, buf[128];
	uint32_t group, index;
	uint64_t table;
	int r;

	if (number == 0 || number > ext4->inodes)
		return damaged(err, -EBADMSG, "an inode's number");
	group = (number - 1) / ext4->inodes_per_group;
	index = (number - 1) % ext4->inodes_per_group;
	r = og_bytes_read(ext4->bytes,
			  ext4->descriptors_at + (uint64_t)group * ext4->descriptor_bytes,
			  descriptor, ext4->descriptor_bytes < 64 ? 32 : 64);
	if (r < 0)
		return damaged(err, r, "a group");
	table = read32(descriptor + 8) | (uint64_t)read32(descriptor + 40) << 32;
	if (table >= ext4->blocks)
		return damaged(err, -EBADMSG, "a group's inodes");
	r = og_bytes_read(ext4->bytes,
			  table * ext4->block_bytes + (uint64_t)index * ext4->inode_bytes, buf,
			  sizeof(buf));
	if (r < 0)
		return damaged(err, r, "an inode");
	ret_inode->mode = read16(buf);
	ret_inode->flags = read32(buf + 32);
	ret_inode->size = read32(buf + 4) | (uint64_t)read32(buf + 108) << 32;
	memcpy(ret_inode->map, buf + 40, sizeof(ret_inode->map));
	return 0;
}

/* ---- where a block of content is ---- */

struct run {
	uint64_t block; /* on the disk; 0: a hole */
	uint64_t count; /* blocks from the one asked for on, at least 1 */
};

/* The entry of a node that covers @logical: entries rise. Returns its index, or -1. */
static int find_entry(const uint8_t *node, uint32_t entries, uint32_t logical)
{
	int found = -1;

	for (uint32_t i = 0; i < entries && read32(node + 12 + 12 * (size_t)i) <= logical; i++)
		found = (int)i;
	return found;
}

static void read_leaf(const uint8_t *node, uint32_t entries, uint32_t logical, struct run *run)
{
	int found = find_entry(node, entries, logical);
	const uint8_t *entry = node + 12 + 12 * (size_t)(found < 0 ? 0 : found);
	uint32_t len, skip;

	*run = (struct run){ 0, 1 };
	if (found < 0)
		return;
	len = read16(entry + 4);
	skip = logical - read32(entry);
	if (len > EXTENT_LEN_MAX) {
		run->count = len - EXTENT_LEN_MAX > skip ? len - EXTENT_LEN_MAX - skip : 1;
		return;
	}
	if (skip >= len)
		return;
	run->block = (read32(entry + 8) | (uint64_t)read16(entry + 6) << 32) + skip;
	run->count = len - skip;
}

static int map_extent(const struct og_ext4 *ext4, const struct og_ext4_inode *inode,
		      uint32_t logical, uint8_t *block, struct run *run)
{
	const uint8_t *node = inode->map;
	size_t room = sizeof(inode->map);
	uint32_t last_depth = EXTENT_DEPTH + 1;

	for (;;) {
		uint32_t entries = read16(node + 2), depth = read16(node + 6);
		uint64_t next;
		int found, r;

		/* Each level is one less deep than the one above: a ring ends. */
		if (read16(node) != EXTENT_MAGIC || entries > (room - 12) / 12 ||
		    depth >= last_depth)
			return -EBADMSG;
		if (depth == 0) {
			read_leaf(node, entries, logical, run);
			return 0;
		}
		found = find_entry(node, entries, logical);
		if (found < 0) {
			*run = (struct run){ 0, 1 };
			return 0;
		}
		node += 12 + 12 * (size_t)found;
		next = read32(node + 4) | (uint64_t)read16(node + 8) << 32;
		last_depth = depth;
		r = og_bytes_read(ext4->bytes, next * ext4->block_bytes, block, ext4->block_bytes);
		if (r < 0)
			return r;
		node = block;
		room = ext4->block_bytes;
	}
}

/* ext2's way: twelve blocks, then a block of blocks, of blocks of blocks, and once more. */
static int map_indirect(const struct og_ext4 *ext4, const struct og_ext4_inode *inode,
			uint64_t logical, struct run *run)
{
	uint64_t per_block = ext4->block_bytes / 4, span = 1, block;
	uint8_t word[4];
	int level = 0;

	*run = (struct run){ 0, 1 };
	if (logical < 12) {
		run->block = read32(inode->map + 4 * logical);
		return 0;
	}
	logical -= 12;
	for (span = per_block, level = 1; level <= 3 && logical >= span; level++) {
		logical -= span;
		span *= per_block;
	}
	if (level > 3)
		return -EBADMSG;
	block = read32(inode->map + 4 * (size_t)(11 + level));
	for (; level > 0 && block != 0; level--) {
		int r;

		span /= per_block;
		r = og_bytes_read(ext4->bytes, block * ext4->block_bytes + logical / span * 4, word,
				  sizeof(word));
		if (r < 0)
			return r;
		logical %= span;
		block = read32(word);
	}
	run->block = block;
	return 0;
}

static int map(const struct og_ext4 *ext4, const struct og_ext4_inode *inode, uint64_t logical,
	       uint8_t *scratch, struct run *run)
{
	if ((inode->flags & (FLAG_ENCRYPTED | FLAG_INLINE)) != 0)
		return -ENOTSUP;
	if ((inode->flags & FLAG_EXTENTS) == 0)
		return map_indirect(ext4, inode, logical, run);
	return logical > UINT32_MAX ? -EBADMSG
				    : map_extent(ext4, inode, (uint32_t)logical, scratch, run);
}

int og_ext4_read(const struct og_ext4 *ext4, const struct og_ext4_inode *inode, uint64_t offset,
		 void *buf, size_t len)
{
	og_auto_free uint8_t *scratch = malloc(ext4->block_bytes);
	uint8_t *out = buf;

	if (scratch == NULL)
		return -ENOMEM;
	if (offset > inode->size || len > inode->size - offset)
		return -ERANGE;
	while (len > 0) {
		uint64_t skip = offset % ext4->block_bytes, room;
		struct run run = {};
		size_t part;
		int r = map(ext4, inode, offset / ext4->block_bytes, scratch, &run);

		if (r < 0)
			return r == -ERANGE ? -EBADMSG : r;
		room = run.count * ext4->block_bytes - skip;
		part = room < len ? (size_t)room : len;
		if (run.block == 0)
			memset(out, 0, part);
		else
			r = og_bytes_read(ext4->bytes, run.block * ext4->block_bytes + skip, out,
					  part);
		if (r < 0)
			return r == -ERANGE ? -EBADMSG : r;
		out += part;
		offset += part;
		len -= part;
	}
	return 0;
}

/* ---- folders ---- */

static bool is_name(const char *name, size_t len)
{
	return len > 0 && memchr(name, '/', len) == NULL && memchr(name, '\0', len) == NULL &&
	       !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

/* Blocks of an index look like one entry that is unused, and are passed over so. */
static int read_entries(const uint8_t *buf, size_t len, og_ext4_name_fn *fn, void *data,
			struct og_err *err)
{
	int r = 0;

	for (size_t at = 0; at + 8 <= len && r == 0;) {
		uint32_t number = read32(buf + at), bytes = read16(buf + at + 4);
		size_t name_len = buf[at + 6];

		/* 64 KiB does not fit its field. */
		if ((bytes == 0 || bytes == UINT16_MAX) && len == 65536)
			bytes = 65536;
		if (bytes < 8 || bytes > len - at || name_len > bytes - 8)
			return damaged(err, -EBADMSG, "a folder's entry");
		if (number != 0 && is_name((const char *)buf + at + 8, name_len))
			r = fn(data, (const char *)buf + at + 8, name_len, number, err);
		at += bytes;
	}
	return r;
}

int og_ext4_read_dir(const struct og_ext4 *ext4, const struct og_ext4_inode *inode,
		     og_ext4_name_fn *fn, void *data, struct og_err *err)
{
	og_auto_free uint8_t *buf = malloc(ext4->block_bytes);
	int r = 0;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (inode->size > DIR_BYTES_MAX)
		return damaged(err, -EBADMSG, "a folder's size");
	for (uint64_t at = 0; at + ext4->block_bytes <= inode->size && r == 0;
	     at += ext4->block_bytes) {
		r = og_ext4_read(ext4, inode, at, buf, ext4->block_bytes);
		if (r < 0)
			return damaged(err, r, "a folder");
		r = read_entries(buf, ext4->block_bytes, fn, data, err);
	}
	return r;
}
