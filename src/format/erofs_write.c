/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, in the order in which it is written:
 *
 *	block 0		left out, then at the very end: the super block
 *	content		each file's from a block's start on, in the order it came
 *	device table	if other files hold content
 *	metadata	inodes with their attributes and what fits behind them in the same block:
 *			directories, link targets, chunk maps. The root first, as its number has 16
 *			bits; then directory by directory, so that what is read together lies together
 *	large ones	blocks of directories and link targets that did not fit
 *
 * Inodes are placed first and written then, in the same order: a directory holds the places of
 * those it names.
 */
#include "format/erofs_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"
#include "format/erofs_parts.h"

/* Chunks grow with the file, so that a map takes at most 128 KiB. */
#define CHUNKS_MAX	32768U
#define SPARSE_SIZE_MAX (1ULL << 44)

struct og_erofs_writer {
	struct erofs_out out;

	struct og_erofs_inode *file; /* being written; NULL between files */
	uint64_t done;		     /* bytes of it that are out */
	uint32_t chunk;		     /* the one open, EROFS_HOLE for none */

	uint32_t table_at;  /* of the devices, bytes; 0: none */
	uint64_t meta_at;   /* where the metadata begins, bytes */
	uint64_t meta_end;  /* bytes of metadata placed */
	uint64_t large_end; /* blocks of large directories and targets placed */
	uint64_t inodes;
	struct erofs_dir *dirs; /* owned; in the order of their inodes */
	size_t dir_count;
	size_t dir_seen; /* how many of them the walk came by */
	struct og_erofs_extra *extras;
	size_t extra_count;
};

int og_erofs_writer_new(const struct og_erofs_sink *sink, struct og_erofs_writer **ret_writer,
			struct og_err *err)
{
	og_cleanup(og_erofs_writer_freep) struct og_erofs_writer *writer =
		calloc(1, sizeof(*writer));

	if (writer != NULL)
		writer->out.buf = malloc(OUT_BUF_BYTES);
	if (writer == NULL || writer->out.buf == NULL)
		return og_fail(err, -ENOMEM, "allocate EROFS writer");
	writer->out.sink = *sink;
	writer->out.at = EROFS_BLOCK_BYTES;
	*ret_writer = og_take_ptr(writer);
	return 0;
}

struct og_erofs_writer *og_erofs_writer_free(struct og_erofs_writer *writer)
{
	if (writer == NULL)
		return NULL;
	for (size_t i = 0; i < writer->dir_count; i++)
		erofs_dir_done(&writer->dirs[i]);
	free(writer->dirs);
	free(writer->out.buf);
	free(writer);
	return NULL;
}

uint64_t og_erofs_writer_at(const struct og_erofs_writer *writer)
{
	return erofs_out_at(&writer->out);
}

static uint32_t block_now(const struct og_erofs_writer *writer)
{
	return (uint32_t)(erofs_out_at(&writer->out) / EROFS_BLOCK_BYTES);
}

static uint8_t chunk_bits_for(uint64_t size)
{
	uint8_t bits = EROFS_BLOCK_BITS;

	while ((size - 1) >> bits >= CHUNKS_MAX)
		bits++;
	return bits;
}

int og_erofs_file_begin(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
			struct og_erofs_inode *inode, bool sparse, struct og_err *err)
{
	writer->file = inode;
	writer->done = 0;
	writer->chunk = EROFS_HOLE;
	if (!sparse || inode->size == 0) {
		inode->start_block = inode->size > 0 ? block_now(writer) : 0;
		return 0;
	}
	if (inode->size > SPARSE_SIZE_MAX)
		return og_fail(err, -EFBIG, "sparse file of more than the 16 TiB that EROFS holds");
	return og_erofs_set_chunks(tree, inode, chunk_bits_for(inode->size), err);
}

/* Where chunk @chunk ends in the file, its last block completed. */
static uint64_t chunk_end(const struct og_erofs_inode *file, uint32_t chunk)
{
	uint64_t end = ((uint64_t)chunk + 1) << file->chunk_bits;
	uint64_t file_end = (file->size + EROFS_BLOCK_BYTES - 1) & ~(EROFS_BLOCK_BYTES - 1ULL);

	return end < file_end ? end : file_end;
}

static int close_chunk(struct og_erofs_writer *writer, struct og_err *err)
{
	uint64_t rest;

	if (writer->chunk == EROFS_HOLE)
		return 0;
	rest = chunk_end(writer->file, writer->chunk) - writer->done;
	writer->chunk = EROFS_HOLE;
	return erofs_out_zeros(&writer->out, rest, err);
}

/* Makes the chunk of @offset the open one, and fills it up to there. */
static int open_chunk(struct og_erofs_writer *writer, uint64_t offset, struct og_err *err)
{
	struct og_erofs_inode *file = writer->file;
	uint32_t chunk = (uint32_t)(offset >> file->chunk_bits);
	uint64_t gap;

	if (chunk != writer->chunk) {
		int r = close_chunk(writer, err);

		if (r < 0)
			return r;
		file->chunks[chunk] = block_now(writer);
		writer->chunk = chunk;
		writer->done = (uint64_t)chunk << file->chunk_bits;
	}
	gap = offset - writer->done;
	writer->done = offset;
	return erofs_out_zeros(&writer->out, gap, err);
}

static int sparse_data(struct og_erofs_writer *writer, uint64_t offset, const uint8_t *buf,
		       size_t len, struct og_err *err)
{
	while (len > 0) {
		int r = open_chunk(writer, offset, err);
		uint64_t room = chunk_end(writer->file, writer->chunk) - offset;
		size_t part = len < room ? len : (size_t)room;

		if (r == 0)
			r = erofs_out_put(&writer->out, buf, part, err);
		if (r < 0)
			return r;
		writer->done += part;
		offset += part;
		buf += part;
		len -= part;
	}
	return 0;
}

int og_erofs_file_data(struct og_erofs_writer *writer, uint64_t offset, const void *buf, size_t len,
		       struct og_err *err)
{
	if (offset > writer->file->size || len > writer->file->size - offset)
		return og_fail(err, -EINVAL, "content behind the end of its file");
	if (writer->file->chunk_bits != 0)
		return sparse_data(writer, offset, buf, len, err);
	if (offset != writer->done)
		return og_fail(err, -EINVAL, "content out of order");
	writer->done += len;
	return erofs_out_put(&writer->out, buf, len, err);
}

int og_erofs_file_end(struct og_erofs_writer *writer, struct og_err *err)
{
	int r = 0;

	if (writer->file->chunk_bits != 0)
		r = close_chunk(writer, err);
	else if (writer->done != writer->file->size)
		r = og_fail(err, -EINVAL, "content is shorter than its file");
	writer->file = NULL;
	return r < 0 ? r : erofs_out_align(&writer->out, EROFS_BLOCK_BYTES, err);
}

static int add_dir(struct og_erofs_writer *writer, struct og_erofs_inode *inode, struct og_err *err)
{
	if (og_grow(writer->dirs, writer->dir_count) < 0)
		return og_fail(err, -ENOMEM, "allocate directories");
	writer->dir_seen++;
	return erofs_dir_init(&writer->dirs[writer->dir_count++], inode, err);
}

static uint64_t blocks_of(uint64_t bytes)
{
	return (bytes + EROFS_BLOCK_BYTES - 1) / EROFS_BLOCK_BYTES;
}

/* Gives @inode its place; @tail bytes would like to be in the same block. */
static void place_at(struct og_erofs_writer *writer, struct og_erofs_inode *inode, uint64_t tail)
{
	uint64_t fixed = EROFS_INODE_BYTES + erofs_xattrs_bytes(inode);
	uint64_t at = (writer->meta_end + EROFS_SLOT_BYTES - 1) & ~(EROFS_SLOT_BYTES - 1ULL);
	uint64_t room = EROFS_BLOCK_BYTES - at % EROFS_BLOCK_BYTES;
	uint64_t want;

	inode->is_inline = tail > 0 && fixed + tail <= EROFS_BLOCK_BYTES;
	want = inode->is_inline ? fixed + tail : EROFS_INODE_BYTES;
	if (want > room)
		at += room;
	inode->nid = at / EROFS_SLOT_BYTES;
	writer->meta_end = at + fixed + (inode->is_inline ? tail : 0);
	writer->meta_end += (uint64_t)inode->chunk_count * sizeof(uint32_t);
	if (tail > 0 && !inode->is_inline) {
		inode->start_block = (uint32_t)writer->large_end;
		writer->large_end += blocks_of(tail);
	}
}

static int place_inode(struct og_erofs_writer *writer, struct og_erofs_inode *inode,
		       struct og_err *err)
{
	uint64_t tail = 0;

	if (inode->placed)
		return 0;
	inode->placed = true;
	writer->inodes++;
	if (S_ISDIR(inode->mode)) {
		int r = add_dir(writer, inode, err);

		if (r < 0)
			return r;
		inode->size = writer->dirs[writer->dir_count - 1].bytes;
		tail = inode->size;
	}
	if (S_ISLNK(inode->mode))
		tail = inode->size;
	place_at(writer, inode, tail);
	return 0;
}

/* "." and ".." were there before. */
static bool is_child(const struct erofs_entry *entry)
{
	return entry->text[0] != '.' ||
	       (entry->len != 1 && (entry->len != 2 || entry->text[1] != '.'));
}

/* Calls @fn for each inode in the order of their places; it counts the directories it is given. */
static int each_inode(struct og_erofs_writer *writer, struct og_erofs_inode *root,
		      int (*fn)(struct og_erofs_writer *writer, struct og_erofs_inode *inode,
				struct og_err *err),
		      struct og_err *err)
{
	int r;

	writer->dir_seen = 0;
	r = fn(writer, root, err);
	for (size_t i = 0; r == 0 && i < writer->dir_seen; i++) {
		for (size_t j = 0; r == 0 && j < writer->dirs[i].count; j++) {
			const struct erofs_entry *entry = &writer->dirs[i].entries[j];

			if (is_child(entry))
				r = fn(writer, entry->inode, err);
		}
	}
	return r;
}

static int place_tree(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
		      struct og_err *err)
{
	uint64_t own = writer->meta_at / EROFS_BLOCK_BYTES, unified;
	int r = each_inode(writer, og_erofs_root(tree), place_inode, err);

	if (r < 0)
		return r;
	/* fsck.erofs 1.5 reads behind an inode what of extended attributes might follow it. */
	if (writer->meta_end % EROFS_BLOCK_BYTES == 0)
		writer->meta_end += EROFS_SLOT_BYTES;
	own += blocks_of(writer->meta_end);
	unified = own + writer->large_end;
	for (size_t i = 0; i < writer->extra_count; i++) {
		if (unified > EROFS_BLOCKS_MAX)
			break;
		writer->extras[i].unified_block = (uint32_t)unified;
		unified += writer->extras[i].blocks;
	}
	if (unified > EROFS_BLOCKS_MAX)
		return og_fail(err, -EFBIG, "more content than the 16 TiB that EROFS holds");
	return 0;
}

static uint32_t base_block(const struct og_erofs_writer *writer, const struct og_erofs_inode *inode)
{
	return inode->extra > 0 ? writer->extras[inode->extra - 1].unified_block : 0;
}

/* The first block behind the metadata. */
static uint32_t large_block(const struct og_erofs_writer *writer)
{
	return (uint32_t)(writer->meta_at / EROFS_BLOCK_BYTES + blocks_of(writer->meta_end));
}

static uint32_t inode_start(const struct og_erofs_writer *writer,
			    const struct og_erofs_inode *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		return inode->device;
	case S_IFREG:
		if (inode->chunk_bits != 0)
			return inode->chunk_bits - (uint32_t)EROFS_BLOCK_BITS;
		return inode->size > 0 ? inode->start_block + base_block(writer, inode) : 0;
	case S_IFDIR:
	case S_IFLNK:
		return inode->is_inline ? 0 : inode->start_block + large_block(writer);
	default:
		return 0;
	}
}

static struct erofs_inode_disk disk_inode(const struct og_erofs_writer *writer,
					  const struct og_erofs_inode *inode)
{
	uint32_t xattrs = erofs_xattrs_bytes(inode);
	uint32_t layout = EROFS_LAYOUT_PLAIN;

	if (inode->is_inline)
		layout = EROFS_LAYOUT_INLINE;
	if (inode->chunk_bits != 0)
		layout = EROFS_LAYOUT_CHUNKS;
	return (struct erofs_inode_disk){
		.format = htole16((uint16_t)(EROFS_FORMAT_EXTENDED | layout << EROFS_LAYOUT_SHIFT)),
		.xattr_count = htole16(xattrs > 0 ? (uint16_t)((xattrs - 12) / 4 + 1) : 0),
		.mode = htole16((uint16_t)inode->mode),
		.size = htole64(inode->size),
		.start = htole32(inode_start(writer, inode)),
		.ino = htole32((uint32_t)writer->inodes),
		.uid = htole32(inode->uid),
		.gid = htole32(inode->gid),
		.mtime = htole64((uint64_t)inode->mtime_sec),
		.mtime_nsec = htole32(inode->mtime_nsec),
		.nlink = htole32(S_ISDIR(inode->mode) ? inode->subdirs + 2 : inode->links),
	};
}

static int put_chunks(struct og_erofs_writer *writer, const struct og_erofs_inode *inode,
		      struct og_err *err)
{
	uint32_t base = base_block(writer, inode);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < inode->chunk_count; i++) {
		uint32_t block = inode->chunks[i];

		block = htole32(block == EROFS_HOLE ? block : block + base);
		r = erofs_out_put(&writer->out, &block, sizeof(block), err);
	}
	return r;
}

static int put_dir(struct og_erofs_writer *writer, const struct erofs_dir *dir, bool pad,
		   struct og_err *err)
{
	uint8_t block[EROFS_BLOCK_BYTES];
	int r = 0;

	for (size_t at = 0; r == 0 && at < dir->count;) {
		size_t used = erofs_dir_block(dir, &at, block);

		r = erofs_out_put(&writer->out, block, pad ? sizeof(block) : used, err);
	}
	return r;
}

static int put_inode(struct og_erofs_writer *writer, struct og_erofs_inode *inode,
		     struct og_err *err)
{
	struct erofs_inode_disk disk;
	uint64_t at = writer->meta_at + inode->nid * EROFS_SLOT_BYTES;
	int r;

	if (!inode->placed)
		return 0;
	inode->placed = false;
	writer->inodes++;
	disk = disk_inode(writer, inode);
	r = erofs_out_zeros(&writer->out, at - erofs_out_at(&writer->out), err);
	if (r == 0)
		r = erofs_out_put(&writer->out, &disk, sizeof(disk), err);
	if (r == 0)
		r = erofs_put_xattrs(&writer->out, inode, err);
	if (r == 0)
		r = put_chunks(writer, inode, err);
	if (S_ISDIR(inode->mode)) {
		const struct erofs_dir *dir = &writer->dirs[writer->dir_seen++];

		return r == 0 && inode->is_inline ? put_dir(writer, dir, false, err) : r;
	}
	if (r == 0 && S_ISLNK(inode->mode) && inode->is_inline)
		r = erofs_out_put(&writer->out, inode->target, (size_t)inode->size, err);
	return r;
}

/* A directory or link target that did not fit behind its inode. */
static int put_large(struct og_erofs_writer *writer, struct og_erofs_inode *inode,
		     struct og_err *err)
{
	int r;

	if (inode->placed)
		return 0;
	inode->placed = true;
	if (S_ISDIR(inode->mode)) {
		const struct erofs_dir *dir = &writer->dirs[writer->dir_seen++];

		return inode->is_inline ? 0 : put_dir(writer, dir, true, err);
	}
	if (!S_ISLNK(inode->mode) || inode->is_inline)
		return 0;
	r = erofs_out_put(&writer->out, inode->target, (size_t)inode->size, err);
	return r < 0 ? r : erofs_out_align(&writer->out, EROFS_BLOCK_BYTES, err);
}

static int put_table(struct og_erofs_writer *writer, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < writer->extra_count; i++) {
		const struct og_erofs_extra *extra = &writer->extras[i];
		struct erofs_device device = {
			.blocks = htole32(extra->blocks),
			.unified_block = htole32(extra->unified_block),
		};

		memcpy(device.tag, extra->tag, sizeof(device.tag));
		r = erofs_out_put(&writer->out, &device, sizeof(device), err);
	}
	return r < 0 ? r : erofs_out_align(&writer->out, EROFS_BLOCK_BYTES, err);
}

static int put_super(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
		     const uint8_t uuid[16], uint64_t blocks, struct og_err *err)
{
	struct erofs_super super = {
		.magic = htole32(EROFS_SUPER_MAGIC),
		.feature_compat = htole32(EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.root_nid = htole16((uint16_t)og_erofs_root(tree)->nid),
		.inodes = htole64(writer->inodes),
		.blocks = htole32((uint32_t)blocks),
		.meta_block = htole32((uint32_t)(writer->meta_at / EROFS_BLOCK_BYTES)),
		.feature_incompat =
			htole32(EROFS_INCOMPAT_CHUNKS |
				(writer->extra_count ? EROFS_INCOMPAT_DEVICE_TABLE : 0)),
		.extra_devices = htole16((uint16_t)writer->extra_count),
		.device_slot = htole16((uint16_t)(writer->table_at / EROFS_DEVICE_BYTES)),
	};
	uint8_t block[EROFS_BLOCK_BYTES] = { 0 };

	memcpy(super.uuid, uuid, sizeof(super.uuid));
	memcpy(block + EROFS_SUPER_AT, &super, sizeof(super));
	erofs_super_seal(block);
	return writer->out.sink.write(writer->out.sink.data, 0, block, sizeof(block), err);
}

/* Where everything goes is known: writes it, in that order. */
static int put_tree(struct og_erofs_writer *writer, struct og_erofs_tree *tree, struct og_err *err)
{
	struct og_erofs_inode *root = og_erofs_root(tree);
	int r = put_table(writer, err);

	writer->inodes = 0;
	if (r == 0)
		r = each_inode(writer, root, put_inode, err);
	if (r == 0)
		r = erofs_out_zeros(&writer->out,
				    writer->meta_at + writer->meta_end - erofs_out_at(&writer->out),
				    err);
	if (r == 0)
		r = erofs_out_align(&writer->out, EROFS_BLOCK_BYTES, err);
	if (r == 0)
		r = each_inode(writer, root, put_large, err);
	return r < 0 ? r : erofs_out_flush(&writer->out, err);
}

int og_erofs_write_tree(struct og_erofs_writer *writer, struct og_erofs_tree *tree,
			struct og_erofs_extra *extras, size_t extra_count, const uint8_t uuid[16],
			uint64_t *ret_blocks, struct og_err *err)
{
	uint64_t at = erofs_out_at(&writer->out);
	int r;

	writer->extras = extras;
	writer->extra_count = extra_count;
	if (extra_count > UINT16_MAX || (extra_count > 0 && at / EROFS_DEVICE_BYTES > UINT16_MAX))
		return og_fail(err, -E2BIG, "more devices than EROFS holds");
	writer->table_at = extra_count > 0 ? (uint32_t)at : 0;
	writer->meta_at = at + blocks_of(extra_count * EROFS_DEVICE_BYTES) * EROFS_BLOCK_BYTES;
	writer->meta_end = 2 * EROFS_SLOT_BYTES; /* so that no inode has number 0 */
	r = place_tree(writer, tree, err);
	if (r == 0)
		r = put_tree(writer, tree, err);
	if (r < 0)
		return r;
	*ret_blocks = erofs_out_at(&writer->out) / EROFS_BLOCK_BYTES;
	return put_super(writer, tree, uuid, *ret_blocks, err);
}
