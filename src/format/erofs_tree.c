/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/erofs_disk.h"

#define BUCKETS_MIN 1024U
#define BUCKETS_MAX (1U << 24)

/* What malloc() adds to a piece, about. */
#define MALLOC_BYTES 16U

struct og_erofs_tree {
	struct og_erofs_inode *root; /* owned */
	struct og_erofs_name **buckets;
	size_t bucket_count; /* a power of two */
	size_t name_count;
	uint64_t seed;
	uint64_t bytes;
	uint64_t max_bytes;
};

/* EROFS_XATTR_INDEX_* of the kernel. */
static const struct {
	const char *text;
	uint8_t number;
	bool whole; /* the text is the whole name */
} prefixes[] = {
	{ "user.", 1, false },
	{ "system.posix_acl_access", 2, true },
	{ "system.posix_acl_default", 3, true },
	{ "trusted.", 4, false },
	{ "security.", 6, false },
};

static int charge(struct og_erofs_tree *tree, size_t bytes, struct og_err *err)
{
	if (bytes > tree->max_bytes - tree->bytes)
		return og_fail(err, -EFBIG,
			       "more metadata than the limit of %llu bytes: names, links, "
			       "attributes, sparse maps",
			       (unsigned long long)tree->max_bytes);
	tree->bytes += bytes;
	return 0;
}

static void *charged_alloc(struct og_erofs_tree *tree, size_t bytes, struct og_err *err)
{
	void *got;

	if (charge(tree, bytes + MALLOC_BYTES, err) < 0)
		return NULL;
	got = calloc(1, bytes);
	if (got == NULL) {
		tree->bytes -= bytes + MALLOC_BYTES;
		(void)og_fail(err, -ENOMEM, "allocate metadata");
	}
	return got;
}

static int charged_code(const struct og_err *err)
{
	return err->code != 0 ? err->code : -ENOMEM;
}

static void charged_free(struct og_erofs_tree *tree, void *got, size_t bytes)
{
	if (got == NULL)
		return;
	tree->bytes -= bytes + MALLOC_BYTES;
	free(got);
}

static void free_xattrs(struct og_erofs_tree *tree, struct og_erofs_inode *inode)
{
	struct og_erofs_xattr *xattr;

	while ((xattr = inode->xattrs) != NULL) {
		inode->xattrs = xattr->next;
		charged_free(tree, xattr, sizeof(*xattr) + xattr->name_len + xattr->value_len);
	}
}

static void free_inode(struct og_erofs_tree *tree, struct og_erofs_inode *inode)
{
	free_xattrs(tree, inode);
	if (inode->target != NULL)
		charged_free(tree, inode->target, strlen(inode->target) + 1);
	charged_free(tree, inode->chunks, sizeof(uint32_t) * inode->chunk_count);
	charged_free(tree, inode, sizeof(*inode));
}

int og_erofs_tree_new(uint64_t seed, uint64_t max_bytes, struct og_erofs_tree **ret_tree,
		      struct og_err *err)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = calloc(1, sizeof(*tree));

	if (tree == NULL)
		return og_fail(err, -ENOMEM, "allocate tree");
	tree->seed = seed;
	tree->max_bytes = max_bytes;
	tree->bucket_count = BUCKETS_MIN;
	tree->buckets = calloc(tree->bucket_count, sizeof(struct og_erofs_name *));
	tree->root = charged_alloc(tree, sizeof(*tree->root), err);
	if (tree->buckets == NULL || tree->root == NULL)
		return og_fail(err, -ENOMEM, "allocate tree");
	tree->root->mode = S_IFDIR | 0755;
	tree->root->implicit = true;
	tree->root->links = 1;
	*ret_tree = og_take_ptr(tree);
	return 0;
}

struct og_erofs_tree *og_erofs_tree_free(struct og_erofs_tree *tree)
{
	if (tree == NULL)
		return NULL;
	if (tree->root != NULL) {
		og_erofs_clear(tree, tree->root);
		free_inode(tree, tree->root);
	}
	free(tree->buckets);
	free(tree);
	return NULL;
}

struct og_erofs_inode *og_erofs_root(struct og_erofs_tree *tree)
{
	return tree->root;
}

static size_t hash(const struct og_erofs_tree *tree, const struct og_erofs_inode *dir,
		   const char *name, size_t len)
{
	uint64_t h = tree->seed ^ (uint64_t)(uintptr_t)dir;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x9e3779b97f4a7c15ULL + (h >> 29) + tree->seed;
	h ^= h >> 32;
	return (size_t)h & (tree->bucket_count - 1);
}

struct og_erofs_name *og_erofs_lookup(struct og_erofs_tree *tree, const struct og_erofs_inode *dir,
				      const char *name, size_t len)
{
	struct og_erofs_name *at = tree->buckets[hash(tree, dir, name, len)];

	while (at != NULL &&
	       (at->parent != dir || at->len != len || memcmp(at->text, name, len) != 0))
		at = at->same_hash;
	return at;
}

static void enter(struct og_erofs_tree *tree, struct og_erofs_name *name)
{
	size_t bucket = hash(tree, name->parent, name->text, name->len);

	name->same_hash = tree->buckets[bucket];
	tree->buckets[bucket] = name;
}

/* Twice as many buckets; when there is no memory for them the old ones do. */
static void grow(struct og_erofs_tree *tree)
{
	size_t old_count = tree->bucket_count;
	struct og_erofs_name **old = tree->buckets;
	struct og_erofs_name **new = calloc(2 * old_count, sizeof(struct og_erofs_name *));

	if (new == NULL)
		return;
	tree->buckets = new;
	tree->bucket_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++) {
		for (struct og_erofs_name *name = old[i], *next; name != NULL; name = next) {
			next = name->same_hash;
			enter(tree, name);
		}
	}
	free(old);
}

static void leave(struct og_erofs_tree *tree, struct og_erofs_name *name)
{
	struct og_erofs_name **at = &tree->buckets[hash(tree, name->parent, name->text, name->len)];

	while (*at != name)
		at = &(*at)->same_hash;
	*at = name->same_hash;
	tree->name_count--;
}

static int check_name(const char *name, size_t len, struct og_err *err)
{
	if (len > EROFS_NAME_MAX)
		return og_fail(err, -ENAMETOOLONG, "name '%.40s...' is longer than %u bytes", name,
			       EROFS_NAME_MAX);
	if (len == 0 || memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL ||
	    (len <= 2 && memcmp(name, "..", len) == 0))
		return og_fail(err, -EINVAL, "'%.*s' is no name of a file", (int)len, name);
	return 0;
}

static void link_name(struct og_erofs_tree *tree, struct og_erofs_name *name,
		      struct og_erofs_inode *dir, struct og_erofs_inode *inode)
{
	name->inode = inode;
	name->parent = dir;
	name->next = dir->first;
	if (dir->first != NULL)
		dir->first->prev = name;
	dir->first = name;
	dir->names++;
	inode->links++;
	if (S_ISDIR(inode->mode)) {
		inode->self = name;
		dir->subdirs++;
	}
	if (++tree->name_count > tree->bucket_count && tree->bucket_count < BUCKETS_MAX)
		grow(tree);
	enter(tree, name);
}

static struct og_erofs_name *new_name(struct og_erofs_tree *tree, const char *text, size_t len,
				      struct og_err *err)
{
	struct og_erofs_name *name = charged_alloc(tree, sizeof(*name) + len + 1, err);

	if (name == NULL)
		return NULL;
	memcpy(name->text, text, len);
	name->len = (uint8_t)len;
	return name;
}

static void free_name(struct og_erofs_tree *tree, struct og_erofs_name *name)
{
	charged_free(tree, name, sizeof(*name) + name->len + 1U);
}

int og_erofs_add(struct og_erofs_tree *tree, struct og_erofs_inode *dir, const char *name,
		 size_t len, uint32_t mode, struct og_erofs_inode *inode,
		 struct og_erofs_inode **ret_inode, struct og_err *err)
{
	unsigned int depth = dir->self != NULL ? dir->self->depth + 1U : 1U;
	struct og_err local = {};
	struct og_erofs_name *added;
	int r = check_name(name, len, err);

	if (r < 0)
		return r;
	if (depth > OG_EROFS_DEPTH_MAX)
		return og_fail(err, -EFBIG, "directories nested deeper than %d",
			       OG_EROFS_DEPTH_MAX);
	err = err != NULL ? err : &local;
	added = new_name(tree, name, len, err);
	if (added == NULL)
		return charged_code(err);
	if (inode == NULL) {
		inode = charged_alloc(tree, sizeof(*inode), err);
		if (inode == NULL) {
			free_name(tree, added);
			return charged_code(err);
		}
		inode->mode = mode;
	}
	added->depth = (uint16_t)depth;
	link_name(tree, added, dir, inode);
	if (ret_inode != NULL)
		*ret_inode = inode;
	return 0;
}

/* Removes a name that holds no others. */
static void remove_leaf(struct og_erofs_tree *tree, struct og_erofs_name *name)
{
	struct og_erofs_inode *dir = name->parent;
	struct og_erofs_inode *inode = name->inode;

	leave(tree, name);
	if (name->prev != NULL)
		name->prev->next = name->next;
	else
		dir->first = name->next;
	if (name->next != NULL)
		name->next->prev = name->prev;
	dir->names--;
	if (S_ISDIR(inode->mode))
		dir->subdirs--;
	if (--inode->links == 0)
		free_inode(tree, inode);
	free_name(tree, name);
}

void og_erofs_clear(struct og_erofs_tree *tree, struct og_erofs_inode *dir)
{
	struct og_erofs_inode *at = dir;

	/* Down to a leaf, remove it, go on where it was: no recursion, whatever the depth. */
	for (;;) {
		struct og_erofs_name *name = at->first;

		if (name != NULL && S_ISDIR(name->inode->mode) && name->inode->first != NULL) {
			at = name->inode;
		} else if (name != NULL) {
			remove_leaf(tree, name);
		} else if (at != dir) {
			at = at->self->parent;
		} else {
			return;
		}
	}
}

void og_erofs_remove(struct og_erofs_tree *tree, struct og_erofs_name *name)
{
	if (S_ISDIR(name->inode->mode))
		og_erofs_clear(tree, name->inode);
	remove_leaf(tree, name);
}

int og_erofs_set_target(struct og_erofs_tree *tree, struct og_erofs_inode *inode,
			const char *target, struct og_err *err)
{
	struct og_err local = {};
	size_t len = strlen(target);

	err = err != NULL ? err : &local;
	inode->target = charged_alloc(tree, len + 1, err);
	if (inode->target == NULL)
		return charged_code(err);
	memcpy(inode->target, target, len);
	inode->size = len;
	return 0;
}

int og_erofs_set_chunks(struct og_erofs_tree *tree, struct og_erofs_inode *inode,
			uint8_t chunk_bits, struct og_err *err)
{
	uint64_t count = inode->size > 0 ? ((inode->size - 1) >> chunk_bits) + 1 : 0;
	struct og_err local = {};

	err = err != NULL ? err : &local;
	if (count > UINT32_MAX / sizeof(uint32_t))
		return og_fail(err, -EFBIG, "sparse file is too large");
	inode->chunks = charged_alloc(tree, sizeof(uint32_t) * count, err);
	if (inode->chunks == NULL)
		return charged_code(err);
	inode->chunk_count = (uint32_t)count;
	inode->chunk_bits = chunk_bits;
	memset(inode->chunks, 0xff, sizeof(uint32_t) * count);
	return 0;
}

uint8_t og_erofs_xattr_prefix(const char *name, size_t *ret_len)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t len = strlen(prefixes[i].text);

		if (strncmp(name, prefixes[i].text, len) != 0)
			continue;
		/* "user." alone is no name to the kernel. */
		if ((name[len] == '\0') != prefixes[i].whole)
			return 0;
		*ret_len = len;
		return prefixes[i].number;
	}
	return 0;
}

const char *og_erofs_xattr_prefix_text(uint8_t prefix)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (prefixes[i].number == prefix)
			return prefixes[i].text;
	}
	return NULL;
}

static bool same_xattr(const struct og_erofs_xattr *xattr, uint8_t prefix, const char *name,
		       size_t name_len)
{
	return xattr->prefix == prefix && xattr->name_len == name_len &&
	       memcmp(xattr->data, name, name_len) == 0;
}

static uint32_t xattr_bytes(const struct og_erofs_inode *inode)
{
	uint32_t bytes = sizeof(struct erofs_xattr_header);

	for (const struct og_erofs_xattr *xattr = inode->xattrs; xattr != NULL; xattr = xattr->next)
		bytes += (uint32_t)(sizeof(struct erofs_xattr_entry) + xattr->name_len +
				    xattr->value_len + 3U) &
			 ~3U;
	return bytes;
}

static void drop_xattr(struct og_erofs_tree *tree, struct og_erofs_inode *inode, uint8_t prefix,
		       const char *name, size_t name_len)
{
	struct og_erofs_xattr **at = &inode->xattrs;
	struct og_erofs_xattr *xattr;

	while (*at != NULL && !same_xattr(*at, prefix, name, name_len))
		at = &(*at)->next;
	xattr = *at;
	if (xattr == NULL)
		return;
	*at = xattr->next;
	charged_free(tree, xattr, sizeof(*xattr) + xattr->name_len + xattr->value_len);
}

int og_erofs_set_xattr(struct og_erofs_tree *tree, struct og_erofs_inode *inode, uint8_t prefix,
		       const char *name, size_t name_len, const void *value, size_t value_len,
		       struct og_err *err)
{
	struct og_err local = {};
	struct og_erofs_xattr *xattr;

	drop_xattr(tree, inode, prefix, name, name_len);
	if (name_len > UINT8_MAX || value_len > UINT16_MAX ||
	    xattr_bytes(inode) + sizeof(struct erofs_xattr_entry) + name_len + value_len + 3 >
		    EROFS_XATTR_BYTES_MAX)
		return og_fail(err, -EFBIG, "extended attributes of more bytes than EROFS holds");
	err = err != NULL ? err : &local;
	xattr = charged_alloc(tree, sizeof(*xattr) + name_len + value_len, err);
	if (xattr == NULL)
		return charged_code(err);
	xattr->prefix = prefix;
	xattr->name_len = (uint8_t)name_len;
	xattr->value_len = (uint16_t)value_len;
	memcpy(xattr->data, name, name_len);
	if (value_len > 0)
		memcpy(xattr->data + name_len, value, value_len);
	xattr->next = inode->xattrs;
	inode->xattrs = xattr;
	return 0;
}

void og_erofs_clear_xattrs(struct og_erofs_tree *tree, struct og_erofs_inode *inode)
{
	free_xattrs(tree, inode);
}

int og_erofs_device(uint32_t major, uint32_t minor, uint32_t *ret_device)
{
	if (major >= 1U << 12 || minor >= 1U << 20)
		return -ERANGE;
	*ret_device = (minor & 0xffU) | major << 8 | (minor & ~0xffU) << 12;
	return 0;
}
