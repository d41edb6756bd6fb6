/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "format/erofs_parts.h"
#include "format/tar.h"

/* The compatible features do not matter; of the others we know these. */
#define KNOWN_INCOMPAT (EROFS_INCOMPAT_CHUNKS | EROFS_INCOMPAT_DEVICE_TABLE)

static int damaged(struct og_err *err, const char *what, uint64_t nid)
{
	return og_fail(err, -EBADMSG, "EROFS file is damaged: %s (inode %llu)", what,
		       (unsigned long long)nid);
}

/* @bytes of the file at @at, or NULL if they are not all in the view. */
static const uint8_t *span(const struct og_erofs_view *view, uint64_t at, uint64_t bytes)
{
	if (at < view->base || at - view->base > view->len || bytes > view->len - (at - view->base))
		return NULL;
	return view->buf + (at - view->base);
}

int og_erofs_read_super(const uint8_t block[OG_EROFS_SUPER_BYTES], struct og_erofs_view *ret_view,
			struct og_err *err)
{
	uint8_t sealed[EROFS_BLOCK_BYTES];
	struct erofs_super super;

	memcpy(&super, block + EROFS_SUPER_AT, sizeof(super));
	if (le32toh(super.magic) != EROFS_SUPER_MAGIC)
		return og_fail(err, -EBADMSG, "no EROFS file");
	memcpy(sealed, block, sizeof(sealed));
	erofs_super_seal(sealed);
	if (memcmp(sealed, block, sizeof(sealed)) != 0)
		return og_fail(err, -EBADMSG, "EROFS file is damaged: wrong checksum");
	if (super.block_bits != EROFS_BLOCK_BITS || super.dir_block_bits != 0 ||
	    (le32toh(super.feature_incompat) & ~KNOWN_INCOMPAT) != 0)
		return og_fail(err, -EBADMSG, "EROFS file is not of our own kind");
	*ret_view = (struct og_erofs_view){
		.blocks = le32toh(super.blocks),
		.meta_at = (uint64_t)le32toh(super.meta_block) * EROFS_BLOCK_BYTES,
		.root_nid = le16toh(super.root_nid),
		.inodes = le64toh(super.inodes),
		.extra_count = le16toh(super.extra_devices),
		.table_at = (uint64_t)le16toh(super.device_slot) * EROFS_DEVICE_BYTES,
	};
	return 0;
}

static int check_layout(const struct erofs_inode_disk *disk, struct og_erofs_stat *stat,
			struct og_err *err)
{
	uint32_t format = le16toh(disk->format);
	uint32_t layout = format >> EROFS_LAYOUT_SHIFT & EROFS_LAYOUT_MASK;

	if ((format & EROFS_FORMAT_EXTENDED) == 0 ||
	    format >> EROFS_LAYOUT_SHIFT > EROFS_LAYOUT_MASK)
		return damaged(err, "inode of an unknown format", stat->nid);
	stat->is_inline = layout == EROFS_LAYOUT_INLINE;
	if (layout == EROFS_LAYOUT_PLAIN || layout == EROFS_LAYOUT_INLINE)
		return 0;
	if (layout != EROFS_LAYOUT_CHUNKS || !S_ISREG(stat->mode) ||
	    (stat->start & ~EROFS_CHUNK_BITS_MASK) != 0)
		return damaged(err, "inode of an unknown layout", stat->nid);
	stat->chunk_bits = (uint8_t)(EROFS_BLOCK_BITS + stat->start);
	return 0;
}

int og_erofs_read_inode(const struct og_erofs_view *view, uint64_t nid,
			struct og_erofs_stat *ret_stat, struct og_err *err)
{
	struct erofs_inode_disk disk;
	const uint8_t *at;
	struct og_erofs_stat stat;
	int r;

	if (nid > UINT64_MAX / EROFS_SLOT_BYTES / 2)
		return damaged(err, "inode out of bounds", nid);
	at = span(view, view->meta_at + nid * EROFS_SLOT_BYTES, sizeof(disk));
	if (at == NULL)
		return damaged(err, "inode out of bounds", nid);
	memcpy(&disk, at, sizeof(disk));
	stat = (struct og_erofs_stat){
		.nid = nid,
		.mode = le16toh(disk.mode),
		.uid = le32toh(disk.uid),
		.gid = le32toh(disk.gid),
		.nlink = le32toh(disk.nlink),
		.size = le64toh(disk.size),
		.mtime_sec = (int64_t)le64toh(disk.mtime),
		.mtime_nsec = le32toh(disk.mtime_nsec),
		.start = le32toh(disk.start),
		.xattrs_at = view->meta_at + nid * EROFS_SLOT_BYTES + EROFS_INODE_BYTES,
		.xattrs_bytes = erofs_xattr_bytes(le16toh(disk.xattr_count)),
	};
	r = check_layout(&disk, &stat, err);
	if (r < 0)
		return r;
	if (stat.size > INT64_MAX || stat.mtime_nsec >= 1000000000U)
		return damaged(err, "size or time out of bounds", nid);
	*ret_stat = stat;
	return 0;
}

/* The whole content of a directory or link: behind the inode or in blocks of its own. */
static const uint8_t *content(const struct og_erofs_view *view, const struct og_erofs_stat *stat)
{
	if (stat->is_inline)
		return span(view, stat->xattrs_at + stat->xattrs_bytes, stat->size);
	return span(view, (uint64_t)stat->start * EROFS_BLOCK_BYTES, stat->size);
}

static struct erofs_dirent dirent_at(const uint8_t *block, size_t index)
{
	struct erofs_dirent dirent;

	memcpy(&dirent, block + index * sizeof(dirent), sizeof(dirent));
	return dirent;
}

/* Where entry @index's name ends: where the next begins, or at a NUL or the block's end. */
static size_t name_end(const uint8_t *block, size_t len, size_t index, size_t count, size_t name_at)
{
	if (index + 1 < count)
		return le16toh(dirent_at(block, index + 1).name_at);
	return name_at <= len ? name_at + strnlen((const char *)block + name_at, len - name_at) : 0;
}

static bool valid_name(const char *name, size_t len)
{
	return len > 0 && len <= EROFS_NAME_MAX && memchr(name, '/', len) == NULL &&
	       memchr(name, '\0', len) == NULL;
}

static bool is_dot(const char *name, size_t len)
{
	return len <= 2 && memcmp(name, "..", len) == 0;
}

/* The name before, so that no name comes twice and the kernel's search finds each. */
struct last_name {
	const char *text;
	size_t len;
};

static bool in_order(const struct last_name *last, const char *name, size_t len)
{
	int r = memcmp(last->text, name, last->len < len ? last->len : len);

	return r < 0 || (r == 0 && last->len < len);
}

static int read_dir_block(const struct og_erofs_stat *stat, const uint8_t *block, size_t len,
			  struct last_name *last, og_erofs_name_fn *fn, void *data,
			  struct og_err *err)
{
	size_t first, count;

	if (len < sizeof(struct erofs_dirent))
		return damaged(err, "directory block is too short", stat->nid);
	first = le16toh(dirent_at(block, 0).name_at);
	count = first / sizeof(struct erofs_dirent);
	if (count == 0 || first % sizeof(struct erofs_dirent) != 0 || first > len)
		return damaged(err, "directory block is malformed", stat->nid);
	for (size_t i = 0; i < count; i++) {
		struct erofs_dirent dirent = dirent_at(block, i);
		size_t name_at = le16toh(dirent.name_at);
		size_t end = name_end(block, len, i, count, name_at);
		const char *name = (const char *)block + name_at;
		int r;

		if (name_at < first || end <= name_at || end > len ||
		    !valid_name(name, end - name_at))
			return damaged(err, "directory holds an invalid name", stat->nid);
		if (!in_order(last, name, end - name_at))
			return damaged(err, "directory is out of order", stat->nid);
		*last = (struct last_name){ .text = name, .len = end - name_at };
		if (is_dot(name, end - name_at))
			continue;
		r = fn(data, name, end - name_at, le64toh(dirent.nid), err);
		if (r < 0)
			return r;
	}
	return 0;
}

int og_erofs_read_dir(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
		      og_erofs_name_fn *fn, void *data, struct og_err *err)
{
	const uint8_t *at = content(view, stat);
	struct last_name last = { .text = "" };

	if (!S_ISDIR(stat->mode) || at == NULL)
		return damaged(err, "directory out of bounds", stat->nid);
	for (uint64_t done = 0; done < stat->size; done += EROFS_BLOCK_BYTES) {
		uint64_t rest = stat->size - done;
		size_t len = rest < EROFS_BLOCK_BYTES ? (size_t)rest : EROFS_BLOCK_BYTES;
		int r = read_dir_block(stat, at + done, len, &last, fn, data, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int og_erofs_read_xattrs(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			 og_erofs_xattr_fn *fn, void *data, struct og_err *err)
{
	const uint8_t *at = span(view, stat->xattrs_at, stat->xattrs_bytes);
	size_t done = sizeof(struct erofs_xattr_header);
	struct erofs_xattr_header header;

	if (stat->xattrs_bytes == 0)
		return 0;
	if (at == NULL)
		return damaged(err, "attributes out of bounds", stat->nid);
	memcpy(&header, at, sizeof(header));
	if (header.shared_count != 0)
		return damaged(err, "shared attributes are not of our kind", stat->nid);
	while (done + sizeof(struct erofs_xattr_entry) <= stat->xattrs_bytes) {
		struct erofs_xattr_entry entry;
		const char *name = (const char *)at + done + sizeof(entry);
		size_t value_len, len;
		int r;

		memcpy(&entry, at + done, sizeof(entry));
		value_len = le16toh(entry.value_len);
		len = sizeof(entry) + entry.name_len + value_len;
		if (len > stat->xattrs_bytes - done)
			return damaged(err, "attribute out of bounds", stat->nid);
		r = fn(data, entry.prefix, name, entry.name_len, name + entry.name_len, value_len,
		       err);
		if (r < 0)
			return r;
		done += (len + 3) & ~(size_t)3;
	}
	return 0;
}

int og_erofs_read_target(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			 const char **ret_target, struct og_err *err)
{
	const uint8_t *at = content(view, stat);

	if (!S_ISLNK(stat->mode) || at == NULL || stat->size == 0 || stat->size > OG_TAR_NAME_MAX ||
	    memchr(at, '\0', (size_t)stat->size) != NULL)
		return damaged(err, "link target is malformed", stat->nid);
	*ret_target = (const char *)at;
	return 0;
}

uint64_t og_erofs_chunk_count(const struct og_erofs_stat *stat)
{
	if (stat->chunk_bits == 0 || stat->size == 0)
		return 0;
	return ((stat->size - 1) >> stat->chunk_bits) + 1;
}

int og_erofs_read_chunk(const struct og_erofs_view *view, const struct og_erofs_stat *stat,
			uint64_t chunk, uint32_t *ret_block, struct og_err *err)
{
	uint64_t from = stat->xattrs_at + stat->xattrs_bytes;
	const uint8_t *at = NULL;
	uint32_t block;

	if (chunk < og_erofs_chunk_count(stat))
		at = span(view, from + chunk * sizeof(block), sizeof(block));
	if (at == NULL)
		return damaged(err, "chunk map out of bounds", stat->nid);
	memcpy(&block, at, sizeof(block));
	*ret_block = le32toh(block);
	return 0;
}

int og_erofs_read_device(const struct og_erofs_view *view, uint32_t index, const char **ret_tag,
			 uint32_t *ret_blocks, uint32_t *ret_unified_block, struct og_err *err)
{
	const uint8_t *at = span(view, view->table_at + (uint64_t)index * EROFS_DEVICE_BYTES,
				 EROFS_DEVICE_BYTES);
	struct erofs_device device;

	if (index >= view->extra_count || at == NULL)
		return og_fail(err, -EBADMSG, "EROFS file is damaged: device table out of bounds");
	memcpy(&device, at, sizeof(device));
	*ret_tag = (const char *)at;
	*ret_blocks = le32toh(device.blocks);
	*ret_unified_block = le32toh(device.unified_block);
	return 0;
}
