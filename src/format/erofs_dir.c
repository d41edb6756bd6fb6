/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, attributes and checksums as EROFS has them on disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/erofs_parts.h"

static int compare_entries(const void *a, const void *b)
{
	const struct erofs_entry *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int r = memcmp(x->text, y->text, len);

	if (r != 0)
		return r;
	return x->len < y->len ? -1 : x->len > y->len;
}

int erofs_dir_init(struct erofs_dir *dir, struct og_erofs_inode *inode, struct og_err *err)
{
	struct og_erofs_inode *parent = inode->self != NULL ? inode->self->parent : inode;
	size_t count = 2;

	*dir = (struct erofs_dir){ .inode = inode };
	dir->entries = calloc(inode->names + 2U, sizeof(*dir->entries));
	if (dir->entries == NULL)
		return og_fail(err, -ENOMEM, "allocate directory");
	dir->entries[0] = (struct erofs_entry){ .text = ".", .len = 1, .inode = inode };
	dir->entries[1] = (struct erofs_entry){ .text = "..", .len = 2, .inode = parent };
	for (struct og_erofs_name *name = inode->first; name != NULL; name = name->next) {
		dir->entries[count++] = (struct erofs_entry){
			.text = name->text,
			.len = name->len,
			.inode = name->inode,
		};
	}
	dir->count = count;
	qsort(dir->entries, count, sizeof(*dir->entries), compare_entries);
	for (size_t at = 0; at < count;) {
		size_t used = erofs_dir_block(dir, &at, NULL);

		dir->bytes += at < count ? EROFS_BLOCK_BYTES : used;
	}
	return 0;
}

void erofs_dir_done(struct erofs_dir *dir)
{
	free(dir->entries);
	*dir = (struct erofs_dir){};
}

static uint8_t file_type(uint32_t mode)
{
	static const struct {
		uint32_t mode;
		uint8_t type;
	} types[] = {
		{ S_IFREG, EROFS_TYPE_FILE },	 { S_IFDIR, EROFS_TYPE_DIRECTORY },
		{ S_IFLNK, EROFS_TYPE_SYMLINK }, { S_IFCHR, EROFS_TYPE_CHAR },
		{ S_IFBLK, EROFS_TYPE_BLOCK },	 { S_IFIFO, EROFS_TYPE_FIFO },
		{ S_IFSOCK, EROFS_TYPE_SOCKET },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].mode == (mode & S_IFMT))
			return types[i].type;
	}
	return 0;
}

size_t erofs_dir_block(const struct erofs_dir *dir, size_t *at, uint8_t *block)
{
	size_t first = *at, end = first, used = 0, name_at;

	while (end < dir->count &&
	       used + sizeof(struct erofs_dirent) + dir->entries[end].len <= EROFS_BLOCK_BYTES)
		used += sizeof(struct erofs_dirent) + dir->entries[end++].len;
	*at = end;
	if (block == NULL)
		return used;

	name_at = (end - first) * sizeof(struct erofs_dirent);
	for (size_t i = first; i < end; i++) {
		const struct erofs_entry *entry = &dir->entries[i];
		struct erofs_dirent dirent = {
			.nid = htole64(entry->inode->nid),
			.name_at = htole16((uint16_t)name_at),
			.type = file_type(entry->inode->mode),
		};

		memcpy(block + (i - first) * sizeof(dirent), &dirent, sizeof(dirent));
		memcpy(block + name_at, entry->text, entry->len);
		name_at += entry->len;
	}
	memset(block + used, 0, EROFS_BLOCK_BYTES - used);
	return used;
}

static uint32_t entry_bytes(const struct og_erofs_xattr *xattr)
{
	return ((uint32_t)sizeof(struct erofs_xattr_entry) + xattr->name_len + xattr->value_len +
		3U) &
	       ~3U;
}

uint32_t erofs_xattrs_bytes(const struct og_erofs_inode *inode)
{
	uint32_t bytes = sizeof(struct erofs_xattr_header);

	if (inode->xattrs == NULL)
		return 0;
	for (const struct og_erofs_xattr *xattr = inode->xattrs; xattr != NULL; xattr = xattr->next)
		bytes += entry_bytes(xattr);
	return bytes;
}

int erofs_put_xattrs(struct erofs_out *out, const struct og_erofs_inode *inode, struct og_err *err)
{
	struct erofs_xattr_header header = {};
	int r;

	if (inode->xattrs == NULL)
		return 0;
	r = erofs_out_put(out, &header, sizeof(header), err);
	for (const struct og_erofs_xattr *xattr = inode->xattrs; r == 0 && xattr != NULL;
	     xattr = xattr->next) {
		struct erofs_xattr_entry entry = {
			.name_len = xattr->name_len,
			.prefix = xattr->prefix,
			.value_len = htole16(xattr->value_len),
		};
		size_t len = (size_t)xattr->name_len + xattr->value_len;

		r = erofs_out_put(out, &entry, sizeof(entry), err);
		if (r == 0)
			r = erofs_out_put(out, xattr->data, len, err);
		if (r == 0)
			r = erofs_out_zeros(out, entry_bytes(xattr) - sizeof(entry) - len, err);
	}
	return r;
}

uint32_t erofs_crc32c(uint32_t crc, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return crc;
}

void erofs_super_seal(uint8_t block[EROFS_BLOCK_BYTES])
{
	uint8_t *at = block + EROFS_SUPER_AT + offsetof(struct erofs_super, checksum);
	uint32_t crc;

	memset(at, 0, sizeof(crc));
	crc = htole32(
		erofs_crc32c(~0U, block + EROFS_SUPER_AT, EROFS_BLOCK_BYTES - EROFS_SUPER_AT));
	memcpy(at, &crc, sizeof(crc));
}
