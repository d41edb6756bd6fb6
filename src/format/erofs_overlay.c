/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"
#include "base/text.h"
#include "format/erofs_disk.h"
#include "format/erofs_tar.h"
#include "format/tar.h"

/* What an inode of the layer became. */
struct met {
	uint64_t nid; /* 0: an empty slot */
	struct og_erofs_inode *inode;
};

struct dir {
	struct og_erofs_inode *inode;
	struct og_erofs_stat stat;
};

struct overlay {
	struct og_erofs_tree *tree;
	const struct og_erofs_view *view;
	uint32_t extra;
	struct met *met; /* owned; a hash table of inodes with several names, and directories */
	size_t met_count;
	size_t met_room;  /* a power of two */
	struct dir *dirs; /* owned; those still to be read, then those read */
	size_t dir_count;
	size_t dir_now;
};

/* What a directory's attributes say to us. */
struct flags {
	bool opaque;
	bool implicit;
};

struct target {
	struct overlay *overlay;
	struct og_erofs_inode *inode;
};

static int damaged(struct og_err *err, const char *what, uint64_t nid)
{
	return og_fail(err, -EBADMSG, "EROFS file is damaged: %s (inode %llu)", what,
		       (unsigned long long)nid);
}

static struct met *met_slot(struct met *table, size_t room, uint64_t nid)
{
	size_t at = (size_t)(nid * 0x9e3779b97f4a7c15ULL >> 20) & (room - 1);

	while (table[at].nid != 0 && table[at].nid != nid)
		at = (at + 1) & (room - 1);
	return &table[at];
}

static struct og_erofs_inode *met_find(const struct overlay *overlay, uint64_t nid)
{
	return overlay->met_room > 0 ? met_slot(overlay->met, overlay->met_room, nid)->inode : NULL;
}

static int met_grow(struct overlay *overlay, struct og_err *err)
{
	size_t room = overlay->met_room ? 2 * overlay->met_room : 1024;
	struct met *more = calloc(room, sizeof(*more));

	if (more == NULL)
		return og_fail(err, -ENOMEM, "allocate inode table");
	for (size_t i = 0; i < overlay->met_room; i++) {
		if (overlay->met[i].nid != 0)
			*met_slot(more, room, overlay->met[i].nid) = overlay->met[i];
	}
	free(overlay->met);
	overlay->met = more;
	overlay->met_room = room;
	return 0;
}

static int met_add(struct overlay *overlay, uint64_t nid, struct og_erofs_inode *inode,
		   struct og_err *err)
{
	if (2 * overlay->met_count >= overlay->met_room) {
		int r = met_grow(overlay, err);

		if (r < 0)
			return r;
	}
	*met_slot(overlay->met, overlay->met_room, nid) = (struct met){ nid, inode };
	overlay->met_count++;
	return 0;
}

static bool has_name(uint8_t prefix, const char *name, size_t len, const char *whole)
{
	const char *prefix_text = og_erofs_xattr_prefix_text(prefix);
	size_t prefix_len = prefix_text != NULL ? strlen(prefix_text) : 0;

	return prefix_text != NULL && og_starts_with(whole, prefix_text) &&
	       strlen(whole) == prefix_len + len && memcmp(whole + prefix_len, name, len) == 0;
}

static int read_flag(void *data, uint8_t prefix, const char *name, size_t name_len,
		     const void *value, size_t value_len, struct og_err *err)
{
	struct flags *flags = data;

	(void)value;
	(void)value_len;
	(void)err;
	if (has_name(prefix, name, name_len, OG_EROFS_OPAQUE))
		flags->opaque = true;
	if (has_name(prefix, name, name_len, OG_EROFS_IMPLICIT))
		flags->implicit = true;
	return 0;
}

/* "trusted.overlay.x" and "trusted.onggi.x" stay behind. */
static bool is_private(uint8_t prefix, const char *name, size_t len)
{
	const char *text = og_erofs_xattr_prefix_text(prefix);

	return text != NULL && og_streq(text, "trusted.") &&
	       ((len >= 8 && memcmp(name, "overlay.", 8) == 0) ||
		(len >= 6 && memcmp(name, "onggi.", 6) == 0));
}

static int copy_xattr(void *data, uint8_t prefix, const char *name, size_t name_len,
		      const void *value, size_t value_len, struct og_err *err)
{
	struct target *target = data;

	if (is_private(prefix, name, name_len))
		return 0;
	return og_erofs_set_xattr(target->overlay->tree, target->inode, prefix, name, name_len,
				  value, value_len, err);
}

static int describe(struct overlay *overlay, struct og_erofs_inode *inode,
		    const struct og_erofs_stat *stat, struct og_err *err)
{
	struct target target = { .overlay = overlay, .inode = inode };

	inode->mode = (inode->mode & S_IFMT) | (stat->mode & 07777);
	inode->uid = stat->uid;
	inode->gid = stat->gid;
	inode->mtime_sec = stat->mtime_sec;
	inode->mtime_nsec = stat->mtime_nsec;
	og_erofs_clear_xattrs(overlay->tree, inode);
	return og_erofs_read_xattrs(overlay->view, stat, copy_xattr, &target, err);
}

/* Whether @blocks from @start on are content of the layer. */
static bool has_blocks(const struct overlay *overlay, uint64_t start, uint64_t blocks)
{
	return start > 0 && start <= overlay->view->blocks &&
	       blocks <= overlay->view->blocks - start;
}

static int fill_chunks(struct overlay *overlay, struct og_erofs_inode *inode,
		       const struct og_erofs_stat *stat, struct og_err *err)
{
	uint64_t count = og_erofs_chunk_count(stat);
	uint64_t rest = stat->size;
	uint32_t block;
	int r;

	if (count == 0)
		return 0;
	/* The map is really there before memory is taken for it. */
	r = og_erofs_read_chunk(overlay->view, stat, count - 1, &block, err);
	if (r == 0)
		r = og_erofs_set_chunks(overlay->tree, inode, stat->chunk_bits, err);
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		uint64_t bytes = rest < 1ULL << stat->chunk_bits ? rest : 1ULL << stat->chunk_bits;
		uint64_t blocks = (bytes + EROFS_BLOCK_BYTES - 1) / EROFS_BLOCK_BYTES;

		r = og_erofs_read_chunk(overlay->view, stat, i, &block, err);
		if (r == 0 && block != EROFS_HOLE && !has_blocks(overlay, block, blocks))
			return damaged(err, "content out of bounds", stat->nid);
		inode->chunks[i] = block;
		rest -= bytes;
	}
	return r;
}

static int fill_file(struct overlay *overlay, struct og_erofs_inode *inode,
		     const struct og_erofs_stat *stat, struct og_err *err)
{
	uint64_t blocks = stat->size / EROFS_BLOCK_BYTES + (stat->size % EROFS_BLOCK_BYTES != 0);

	inode->size = stat->size;
	inode->extra = overlay->extra;
	if (stat->is_inline)
		return damaged(err, "content inside the metadata", stat->nid);
	if (stat->chunk_bits != 0)
		return fill_chunks(overlay, inode, stat, err);
	if (blocks > 0 && !has_blocks(overlay, stat->start, blocks))
		return damaged(err, "content out of bounds", stat->nid);
	inode->start_block = stat->start;
	return 0;
}

static int fill_link(struct overlay *overlay, struct og_erofs_inode *inode,
		     const struct og_erofs_stat *stat, struct og_err *err)
{
	char target[OG_TAR_NAME_MAX + 1];
	const char *at;
	int r = og_erofs_read_target(overlay->view, stat, &at, err);

	if (r < 0)
		return r;
	memcpy(target, at, (size_t)stat->size);
	target[stat->size] = '\0';
	return og_erofs_set_target(overlay->tree, inode, target, err);
}

/* What only one type of inode has. */
static int fill(struct overlay *overlay, struct og_erofs_inode *inode,
		const struct og_erofs_stat *stat, struct og_err *err)
{
	switch (stat->mode & S_IFMT) {
	case S_IFREG:
		return fill_file(overlay, inode, stat, err);
	case S_IFLNK:
		return fill_link(overlay, inode, stat, err);
	case S_IFCHR:
	case S_IFBLK:
		inode->device = stat->start;
		return 0;
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return damaged(err, "file of an unknown type", stat->nid);
	}
}

static int add_dir(struct overlay *overlay, struct og_erofs_inode *inode,
		   const struct og_erofs_stat *stat, struct og_err *err)
{
	if (og_grow(overlay->dirs, overlay->dir_count) < 0)
		return og_fail(err, -ENOMEM, "allocate directories");
	overlay->dirs[overlay->dir_count++] = (struct dir){ .inode = inode, .stat = *stat };
	return met_add(overlay, stat->nid, inode, err);
}

static int add_new(struct overlay *overlay, struct og_erofs_inode *dir, const char *name,
		   size_t len, const struct og_erofs_stat *stat, struct og_erofs_inode **ret_inode,
		   struct og_err *err)
{
	int r = og_erofs_add(overlay->tree, dir, name, len, stat->mode, NULL, ret_inode, err);

	if (r == 0)
		r = describe(overlay, *ret_inode, stat, err);
	return r < 0 ? r : fill(overlay, *ret_inode, stat, err);
}

static int lay_dir(struct overlay *overlay, struct og_erofs_inode *dir, const char *name,
		   size_t len, const struct og_erofs_stat *stat, struct og_err *err)
{
	struct og_erofs_name *there = og_erofs_lookup(overlay->tree, dir, name, len);
	struct og_erofs_inode *inode;
	struct flags flags = {};
	int r = og_erofs_read_xattrs(overlay->view, stat, read_flag, &flags, err);

	if (r < 0)
		return r;
	if (met_find(overlay, stat->nid) != NULL)
		return damaged(err, "directory with two names", stat->nid);
	if (there != NULL && S_ISDIR(there->inode->mode) && !flags.opaque) {
		inode = there->inode;
		if (!flags.implicit)
			r = describe(overlay, inode, stat, err);
	} else {
		if (there != NULL)
			og_erofs_remove(overlay->tree, there);
		r = add_new(overlay, dir, name, len, stat, &inode, err);
	}
	return r < 0 ? r : add_dir(overlay, inode, stat, err);
}

static int lay_file(struct overlay *overlay, struct og_erofs_inode *dir, const char *name,
		    size_t len, const struct og_erofs_stat *stat, struct og_err *err)
{
	struct og_erofs_name *there = og_erofs_lookup(overlay->tree, dir, name, len);
	struct og_erofs_inode *inode = stat->nlink > 1 ? met_find(overlay, stat->nid) : NULL;
	int r;

	if (there != NULL)
		og_erofs_remove(overlay->tree, there);
	if (S_ISCHR(stat->mode) && stat->start == 0)
		return 0;
	if (inode != NULL && S_ISDIR(inode->mode))
		return damaged(err, "file that is a directory", stat->nid);
	if (inode != NULL)
		return og_erofs_add(overlay->tree, dir, name, len, 0, inode, NULL, err);
	r = add_new(overlay, dir, name, len, stat, &inode, err);
	return r == 0 && stat->nlink > 1 ? met_add(overlay, stat->nid, inode, err) : r;
}

static int lay_name(void *data, const char *name, size_t len, uint64_t nid, struct og_err *err)
{
	struct overlay *overlay = data;
	struct og_erofs_inode *dir = overlay->dirs[overlay->dir_now].inode;
	struct og_erofs_stat stat;
	int r;

	if (nid == 0)
		return damaged(err, "name without an inode", nid);
	r = og_erofs_read_inode(overlay->view, nid, &stat, err);
	if (r < 0)
		return r;
	if (S_ISDIR(stat.mode))
		return lay_dir(overlay, dir, name, len, &stat, err);
	return lay_file(overlay, dir, name, len, &stat, err);
}

static int lay_root(struct overlay *overlay, struct og_err *err)
{
	struct og_erofs_inode *root = og_erofs_root(overlay->tree);
	struct flags flags = {};
	struct og_erofs_stat stat;
	int r = og_erofs_read_inode(overlay->view, overlay->view->root_nid, &stat, err);

	if (r == 0 && (!S_ISDIR(stat.mode) || stat.nid == 0))
		r = damaged(err, "root is no directory", stat.nid);
	if (r == 0)
		r = og_erofs_read_xattrs(overlay->view, &stat, read_flag, &flags, err);
	if (r < 0)
		return r;
	if (flags.opaque)
		og_erofs_clear(overlay->tree, root);
	if (!flags.implicit)
		r = describe(overlay, root, &stat, err);
	return r < 0 ? r : add_dir(overlay, root, &stat, err);
}

int og_erofs_overlay(struct og_erofs_tree *tree, const struct og_erofs_view *view, uint32_t extra,
		     struct og_err *err)
{
	struct overlay overlay = { .tree = tree, .view = view, .extra = extra };
	int r = lay_root(&overlay, err);

	for (; r == 0 && overlay.dir_now < overlay.dir_count; overlay.dir_now++) {
		/* A copy: the list moves as it grows. */
		struct og_erofs_stat stat = overlay.dirs[overlay.dir_now].stat;

		r = og_erofs_read_dir(view, &stat, lay_name, &overlay, err);
	}
	free(overlay.met);
	free(overlay.dirs);
	return r;
}
