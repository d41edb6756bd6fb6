/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_tar.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "format/tar.h"

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE	      ".wh..wh..opq"

struct og_erofs_tar {
	struct og_tar *reader;		/* owned */
	struct og_erofs_tree *tree;	/* owned */
	struct og_erofs_writer *writer; /* owned */
	uint64_t max_entries;
	uint64_t entries;
	struct og_erofs_inode *file; /* whose content is coming; NULL: it is left out */
	uint64_t content_bytes;

	og_erofs_placed_fn *placed; /* may be NULL */
	void *placed_data;
};

/* A path without ".", "" and inner "..": any number of leading ".." and then names. */
struct clean_path {
	char text[OG_TAR_NAME_MAX + 2];
	size_t len;
};

static bool is_dotdot(const char *part, size_t len)
{
	return len == 2 && part[0] == '.' && part[1] == '.';
}

static size_t last_part_at(const struct clean_path *path)
{
	size_t at = path->len;

	while (at > 0 && path->text[at - 1] != '/')
		at--;
	return at;
}

static void push_part(struct clean_path *path, const char *part, size_t len, bool absolute)
{
	size_t last = last_part_at(path);

	if (len == 0 || (len == 1 && part[0] == '.'))
		return;
	if (is_dotdot(part, len)) {
		if (path->len > 0 && !is_dotdot(path->text + last, path->len - last)) {
			path->len = last > 0 ? last - 1 : 0;
			path->text[path->len] = '\0';
			return;
		}
		if (absolute)
			return;
	}
	if (path->len > 0)
		path->text[path->len++] = '/';
	memcpy(path->text + path->len, part, len);
	path->len += len;
	path->text[path->len] = '\0';
}

/* As Go's filepath.Clean(), without the leading slash. @text: at most OG_TAR_NAME_MAX bytes. */
static void clean(struct clean_path *path, const char *text)
{
	bool absolute = text[0] == '/';

	path->len = 0;
	path->text[0] = '\0';
	while (*text != '\0') {
		size_t len = strcspn(text, "/");

		push_part(path, text, len, absolute);
		text += len;
		text += *text == '/';
	}
}

/* What error texts show of a name from outside. */
struct shown {
	char text[96];
};

static struct shown show(const char *name)
{
	struct shown shown = {};

	for (size_t i = 0; i < sizeof(shown.text) - 1 && name[i] != '\0'; i++)
		shown.text[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
	return shown;
}

static int set_text_xattr(struct og_erofs_tar *tar, struct og_erofs_inode *inode, const char *name,
			  struct og_err *err)
{
	size_t prefix_len = 0;
	uint8_t prefix = og_erofs_xattr_prefix(name, &prefix_len);

	return og_erofs_set_xattr(tar->tree, inode, prefix, name + prefix_len,
				  strlen(name) - prefix_len, "y", 1, err);
}

static int make_implicit(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *name,
			 size_t len, struct og_erofs_inode **ret_dir, struct og_err *err)
{
	int r = og_erofs_add(tar->tree, dir, name, len, S_IFDIR | 0755, NULL, ret_dir, err);

	if (r < 0)
		return r;
	(*ret_dir)->implicit = true;
	return set_text_xattr(tar, *ret_dir, OG_EROFS_IMPLICIT, err);
}

/* Where a walk is; links put paths on top of each other. */
struct walk {
	struct og_erofs_tar *tar;
	struct og_erofs_inode *dir;
	bool create; /* missing directories */
	unsigned int links;
	size_t depth;
	char *paths[OG_EROFS_LINKS_MAX + 1]; /* owned */
	char *at[OG_EROFS_LINKS_MAX + 1];    /* what is left of each */
};

static int push_path(struct walk *walk, const char *text, struct og_err *err)
{
	struct clean_path path;

	if (walk->depth > OG_EROFS_LINKS_MAX || walk->links > OG_EROFS_LINKS_MAX)
		return og_fail(err, -ELOOP, "more than %d symbolic links on the way",
			       OG_EROFS_LINKS_MAX);
	if (text[0] == '/')
		walk->dir = og_erofs_root(walk->tar->tree);
	clean(&path, text);
	walk->paths[walk->depth] = strdup(path.text);
	if (walk->paths[walk->depth] == NULL)
		return og_fail(err, -ENOMEM, "allocate path");
	walk->at[walk->depth] = walk->paths[walk->depth];
	walk->depth++;
	return 0;
}

static bool is_whiteout(const struct og_erofs_inode *inode)
{
	return S_ISCHR(inode->mode) && inode->device == 0;
}

static int make_opaque(struct og_erofs_tar *tar, struct og_erofs_inode *dir, struct og_err *err)
{
	dir->opaque = true;
	return set_text_xattr(tar, dir, OG_EROFS_OPAQUE, err);
}

/* A directory after all, of which nothing from below is seen. */
static int replace_whiteout(struct walk *walk, struct og_erofs_name *name, struct og_err *err)
{
	struct clean_path kept;
	int r;

	clean(&kept, name->text);
	og_erofs_remove(walk->tar->tree, name);
	r = make_implicit(walk->tar, walk->dir, kept.text, kept.len, &walk->dir, err);
	return r < 0 ? r : make_opaque(walk->tar, walk->dir, err);
}

static int step(struct walk *walk, const char *part, size_t len, struct og_err *err)
{
	struct og_erofs_name *name;

	if (is_dotdot(part, len)) {
		if (walk->dir->self != NULL)
			walk->dir = walk->dir->self->parent;
		return 0;
	}
	name = og_erofs_lookup(walk->tar->tree, walk->dir, part, len);
	if (name != NULL && is_whiteout(name->inode) && walk->create)
		return replace_whiteout(walk, name, err);
	if (name == NULL && walk->create)
		return make_implicit(walk->tar, walk->dir, part, len, &walk->dir, err);
	if (name == NULL)
		return og_fail(err, -ENOENT, "'%.*s' is not there", (int)len, part);
	if (S_ISDIR(name->inode->mode)) {
		walk->dir = name->inode;
		return 0;
	}
	if (!S_ISLNK(name->inode->mode))
		return og_fail(err, -ENOTDIR, "'%s' is no directory", show(name->text).text);
	walk->links++;
	return push_path(walk, name->inode->target, err);
}

static int walk_steps(struct walk *walk, struct og_err *err)
{
	int r = 0;

	while (r == 0 && walk->depth > 0) {
		char **at = &walk->at[walk->depth - 1];
		size_t len = strcspn(*at, "/");
		char *part = *at;

		if (len == 0) {
			free(walk->paths[--walk->depth]);
			continue;
		}
		*at += len;
		*at += **at == '/';
		r = step(walk, part, len, err);
	}
	while (walk->depth > 0)
		free(walk->paths[--walk->depth]);
	return r;
}

/* The directory @path leads to, from the root, links followed inside the tree. */
static int find_dir(struct og_erofs_tar *tar, const char *path, bool create,
		    struct og_erofs_inode **ret_dir, struct og_err *err)
{
	struct walk walk = { .tar = tar, .dir = og_erofs_root(tar->tree), .create = create };
	int r = push_path(&walk, path, err);

	if (r == 0)
		r = walk_steps(&walk, err);
	if (r == 0)
		*ret_dir = walk.dir;
	return r;
}

/* Cuts the last name off @path. Returns it, or NULL if @path is the root. */
static char *cut_base(struct clean_path *path)
{
	size_t last = last_part_at(path);
	char *base = path->text + last;

	if (path->len == 0 || is_dotdot(base, path->len - last))
		return NULL;
	if (last > 0)
		path->text[last - 1] = '\0';
	return base;
}

/* Attributes that speak to overlayfs or to us are ours alone to set. */
static bool xattr_allowed(const char *name)
{
	return !og_starts_with(name, "trusted.overlay.") &&
	       !og_starts_with(name, "user.overlay.") && !og_starts_with(name, "trusted.onggi.");
}

static int set_xattrs(struct og_erofs_tar *tar, struct og_erofs_inode *inode,
		      const struct og_tar_entry *entry, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < entry->xattr_count; i++) {
		const struct og_tar_xattr *xattr = &entry->xattrs[i];
		size_t prefix_len = 0;
		uint8_t prefix = og_erofs_xattr_prefix(xattr->name, &prefix_len);

		/* Other namespaces (of other systems) mean nothing here. */
		if (prefix == 0 || !xattr_allowed(xattr->name))
			continue;
		r = og_erofs_set_xattr(tar->tree, inode, prefix, xattr->name + prefix_len,
				       strlen(xattr->name) - prefix_len, xattr->value, xattr->len,
				       err);
	}
	return r;
}

/* Owner, mode, time and attributes as the entry says. */
static int describe(struct og_erofs_tar *tar, struct og_erofs_inode *inode,
		    const struct og_tar_entry *entry, struct og_err *err)
{
	uint32_t permissions = entry->type == OG_TAR_SYMLINK ? 0777 : entry->mode;
	int r = 0;

	inode->mode = (inode->mode & S_IFMT) | permissions;
	inode->uid = entry->uid;
	inode->gid = entry->gid;
	inode->mtime_sec = entry->mtime_sec;
	inode->mtime_nsec = entry->mtime_nsec;
	inode->implicit = false;
	og_erofs_clear_xattrs(tar->tree, inode);
	if (inode->opaque)
		r = set_text_xattr(tar, inode, OG_EROFS_OPAQUE, err);
	return r < 0 ? r : set_xattrs(tar, inode, entry, err);
}

static int add_whiteout(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *name,
			struct og_err *err)
{
	struct og_erofs_name *there;

	if (og_streq(name, "") || og_streq(name, ".") || og_streq(name, ".."))
		return og_fail(err, -EBADMSG, "whiteout of no file");
	there = og_erofs_lookup(tar->tree, dir, name, strlen(name));
	/* It takes away what is below this layer, not what the layer brings. */
	if (there != NULL)
		return S_ISDIR(there->inode->mode) ? make_opaque(tar, there->inode, err) : 0;
	return og_erofs_add(tar->tree, dir, name, strlen(name), S_IFCHR, NULL, NULL, err);
}

static int add_marker(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *base,
		      struct og_err *err)
{
	if (og_streq(base, OPAQUE))
		return make_opaque(tar, dir, err);
	if (og_starts_with(base, WHITEOUT_META))
		return 0;
	return add_whiteout(tar, dir, base + strlen(WHITEOUT), err);
}

static int add_hard_link(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *base,
			 const char *target, struct og_err *err)
{
	struct og_erofs_inode *target_dir;
	struct og_erofs_name *name = NULL;
	struct clean_path path;
	char *target_base;
	int r;

	clean(&path, target);
	target_base = cut_base(&path);
	if (target_base == NULL)
		return og_fail(err, -EBADMSG, "hard link to a directory");
	if (target_base != path.text) {
		r = find_dir(tar, path.text, false, &target_dir, err);
		if (r < 0)
			return og_fail_in(err, -EBADMSG, "hard link to '%s'", show(target).text);
	} else {
		target_dir = og_erofs_root(tar->tree);
	}
	name = og_erofs_lookup(tar->tree, target_dir, target_base, strlen(target_base));
	if (name == NULL || is_whiteout(name->inode))
		return og_fail(err, -EBADMSG,
			       "hard link to '%s', which is not in the archive "
			       "before it",
			       show(target).text);
	if (S_ISDIR(name->inode->mode))
		return og_fail(err, -EBADMSG, "hard link to a directory");
	return og_erofs_add(tar->tree, dir, base, strlen(base), 0, name->inode, NULL, err);
}

static uint32_t type_mode(enum og_tar_type type)
{
	static const uint32_t modes[] = {
		[OG_TAR_FILE] = S_IFREG,	 [OG_TAR_HARD_LINK] = S_IFREG,
		[OG_TAR_SYMLINK] = S_IFLNK,	 [OG_TAR_CHAR_DEVICE] = S_IFCHR,
		[OG_TAR_BLOCK_DEVICE] = S_IFBLK, [OG_TAR_DIRECTORY] = S_IFDIR,
		[OG_TAR_FIFO] = S_IFIFO,
	};

	return modes[type];
}

/* What only one type of file has. */
static int fill_inode(struct og_erofs_tar *tar, struct og_erofs_inode *inode,
		      const struct og_tar_entry *entry, struct og_err *err)
{
	switch (entry->type) {
	case OG_TAR_FILE:
		inode->size = entry->size;
		tar->file = inode;
		return og_erofs_file_begin(tar->writer, tar->tree, inode, entry->sparse, err);
	case OG_TAR_SYMLINK:
		if (entry->link[0] == '\0')
			return og_fail(err, -EBADMSG, "symbolic link to nothing");
		return og_erofs_set_target(tar->tree, inode, entry->link, err);
	case OG_TAR_CHAR_DEVICE:
	case OG_TAR_BLOCK_DEVICE:
		if (og_erofs_device(entry->dev_major, entry->dev_minor, &inode->device) < 0)
			return og_fail(err, -EBADMSG, "device %u:%u is none that Linux has",
				       entry->dev_major, entry->dev_minor);
		return 0;
	case OG_TAR_HARD_LINK:
	case OG_TAR_DIRECTORY:
	case OG_TAR_FIFO:
		break;
	}
	return 0;
}

static int add_new(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *base,
		   const struct og_tar_entry *entry, bool opaque, struct og_err *err)
{
	struct og_erofs_inode *inode;
	int r;

	if (entry->type == OG_TAR_HARD_LINK)
		return add_hard_link(tar, dir, base, entry->link, err);
	r = og_erofs_add(tar->tree, dir, base, strlen(base), type_mode(entry->type), NULL, &inode,
			 err);
	if (r < 0)
		return r;
	inode->opaque = opaque && S_ISDIR(inode->mode);
	r = describe(tar, inode, entry, err);
	return r < 0 ? r : fill_inode(tar, inode, entry, err);
}

static int apply(struct og_erofs_tar *tar, struct og_erofs_inode *dir, const char *base,
		 const struct og_tar_entry *entry, struct og_err *err)
{
	struct og_erofs_name *there;
	bool opaque = false;

	if (og_starts_with(base, WHITEOUT))
		return add_marker(tar, dir, base, err);
	there = og_erofs_lookup(tar->tree, dir, base, strlen(base));
	if (there != NULL && S_ISDIR(there->inode->mode) && entry->type == OG_TAR_DIRECTORY)
		return describe(tar, there->inode, entry, err);
	if (there != NULL) {
		opaque = is_whiteout(there->inode);
		og_erofs_remove(tar->tree, there);
	}
	return add_new(tar, dir, base, entry, opaque, err);
}

static int apply_named(struct og_erofs_tar *tar, const struct og_tar_entry *entry,
		       struct og_err *err)
{
	struct og_erofs_inode *dir = og_erofs_root(tar->tree);
	struct clean_path path;
	char *base;
	int r;

	clean(&path, entry->name);
	base = cut_base(&path);
	/* The root, or above it, which is the root: only a directory can be that. */
	if (base == NULL)
		return entry->type == OG_TAR_DIRECTORY ? describe(tar, dir, entry, err) : 0;
	if (base != path.text) {
		r = find_dir(tar, path.text, true, &dir, err);
		if (r < 0)
			return r;
	}
	return apply(tar, dir, base, entry, err);
}

static int on_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	struct og_erofs_tar *tar = data;
	int r;

	tar->file = NULL;
	if (tar->entries++ >= tar->max_entries)
		return og_fail(err, -EFBIG, "more than %llu entries in the archive",
			       (unsigned long long)tar->max_entries);
	r = apply_named(tar, entry, err);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ENAMETOOLONG || r == -EINVAL)
		r = -EBADMSG;
	return r < 0 ? og_fail_in(err, r, "entry '%s'", show(entry->name).text) : 0;
}

static int on_content(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct og_erofs_tar *tar = data;

	int r = 0;

	if (tar->file == NULL)
		return 0;
	/* Content over several chunks of a sparse file does not lie in one piece. */
	if (tar->placed != NULL && len > 0 && tar->file->chunk_bits == 0)
		r = tar->placed(tar->placed_data, og_tar_offset(tar->reader),
				og_erofs_writer_at(tar->writer), len, err);
	tar->content_bytes += len;
	return r < 0 ? r : og_erofs_file_data(tar->writer, offset, buf, len, err);
}

static int on_file_end(void *data, struct og_err *err)
{
	struct og_erofs_tar *tar = data;

	return tar->file == NULL ? 0 : og_erofs_file_end(tar->writer, err);
}

static const struct og_tar_ops ops = {
	.entry = on_entry,
	.content = on_content,
	.file_end = on_file_end,
};

int og_erofs_tar_new(const struct og_erofs_sink *sink, uint64_t seed,
		     const struct og_erofs_tar_limits *limits, struct og_erofs_tar **ret_tar,
		     struct og_err *err)
{
	og_cleanup(og_erofs_tar_freep) struct og_erofs_tar *tar = calloc(1, sizeof(*tar));
	int r;

	if (tar == NULL)
		return og_fail(err, -ENOMEM, "allocate layer");
	tar->max_entries = limits->max_entries;
	r = og_tar_new(&ops, tar, &tar->reader, err);
	if (r == 0)
		r = og_erofs_tree_new(seed, limits->max_metadata_bytes, &tar->tree, err);
	if (r == 0)
		r = og_erofs_writer_new(sink, &tar->writer, err);
	if (r == 0)
		r = set_text_xattr(tar, og_erofs_root(tar->tree), OG_EROFS_IMPLICIT, err);
	if (r < 0)
		return r;
	*ret_tar = og_take_ptr(tar);
	return 0;
}

struct og_erofs_tar *og_erofs_tar_free(struct og_erofs_tar *tar)
{
	if (tar == NULL)
		return NULL;
	tar->reader = og_tar_free(tar->reader);
	tar->writer = og_erofs_writer_free(tar->writer);
	tar->tree = og_erofs_tree_free(tar->tree);
	free(tar);
	return NULL;
}

int og_erofs_tar_feed(struct og_erofs_tar *tar, const void *buf, size_t len, struct og_err *err)
{
	return og_tar_feed(tar->reader, buf, len, err);
}

int og_erofs_tar_finish(struct og_erofs_tar *tar, const uint8_t uuid[16], uint64_t *ret_blocks,
			struct og_err *err)
{
	int r = og_tar_finish(tar->reader, err);

	if (r < 0)
		return r;
	return og_erofs_write_tree(tar->writer, tar->tree, NULL, 0, uuid, ret_blocks, err);
}

uint64_t og_erofs_tar_entries(const struct og_erofs_tar *tar)
{
	return tar->entries;
}

uint64_t og_erofs_tar_content_bytes(const struct og_erofs_tar *tar)
{
	return tar->content_bytes;
}

void og_erofs_tar_watch(struct og_erofs_tar *tar, og_erofs_placed_fn *fn, void *data)
{
	tar->placed = fn;
	tar->placed_data = data;
}
