/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system's tree in memory, without file content: what the EROFS writer lays out. Names hang
 * in directories; an inode may have several (hard links). Nothing is looked up on this host.
 *
 * Plain data is open to read. Only the fields marked "set freely" are written by others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Linux resolves no path with more directories than fit in PATH_MAX. */
#define OG_EROFS_DEPTH_MAX 2048

struct og_erofs_xattr {
	struct og_erofs_xattr *next;
	uint8_t prefix; /* EROFS's number of "user.", "trusted." ... */
	uint8_t name_len;
	uint16_t value_len;
	char data[]; /* name without the prefix, then value */
};

struct og_erofs_name;

struct og_erofs_inode {
	/* set freely */
	uint32_t mode; /* with its type; the type never changes */
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime_nsec;
	int64_t mtime_sec;
	uint64_t size;	      /* of a file */
	uint32_t device;      /* og_erofs_device() */
	uint32_t start_block; /* of a plain file's content */
	uint32_t extra;	      /* which other file holds the content, from 1 on; 0: this one */
	bool implicit;	      /* a directory that no one described yet */
	bool opaque;	      /* a directory that hides those below it */

	/* kept by the tree */
	uint8_t chunk_bits; /* log2 of a chunk's bytes; 0: a plain file */
	uint32_t links;	    /* names that lead here */
	uint32_t *chunks;   /* owned; each chunk's block, EROFS_HOLE for none */
	uint32_t chunk_count;
	uint32_t names; /* in a directory */
	uint32_t subdirs;
	char *target; /* owned; of a symbolic link */
	struct og_erofs_xattr *xattrs;
	struct og_erofs_name *first; /* in a directory */
	struct og_erofs_name *self;  /* a directory's only name */

	/* the writer's */
	uint64_t nid; /* where it ends up */
	bool is_inline;
	bool placed;
};

struct og_erofs_name {
	struct og_erofs_inode *inode;
	struct og_erofs_inode *parent;	   /* NULL: the root, or unlinked */
	struct og_erofs_name *next, *prev; /* in the directory */
	struct og_erofs_name *same_hash;
	uint16_t depth;
	uint8_t len;
	char text[]; /* ends in NUL */
};

struct og_erofs_tree;

/*
 * An empty root directory, implicit, 0755. @seed makes it unknowable which names meet in the hash
 * table. @max_bytes bounds the memory of all that is added. Errors: -ENOMEM.
 */
int og_erofs_tree_new(uint64_t seed, uint64_t max_bytes, struct og_erofs_tree **ret_tree,
		      struct og_err *err);
struct og_erofs_tree *og_erofs_tree_free(struct og_erofs_tree *tree);
OG_DEFINE_CLEANUP(struct og_erofs_tree, og_erofs_tree_free)

struct og_erofs_inode *og_erofs_root(struct og_erofs_tree *tree);

/* NULL if @dir has no such name. */
struct og_erofs_name *og_erofs_lookup(struct og_erofs_tree *tree, const struct og_erofs_inode *dir,
				      const char *name, size_t len);

/*
 * Adds a name that is not there yet, for a new inode of @mode, or, @inode not NULL, for that one
 * (no directory). On success *@ret_inode (may be NULL) is the inode, the tree's.
 * Errors: -EFBIG (memory, depth), -ENAMETOOLONG, -EINVAL ("", ".", "..", "a/b"), -ENOMEM.
 */
int og_erofs_add(struct og_erofs_tree *tree, struct og_erofs_inode *dir, const char *name,
		 size_t len, uint32_t mode, struct og_erofs_inode *inode,
		 struct og_erofs_inode **ret_inode, struct og_err *err);

/* Removes a name and all below it; the inode goes with its last name. */
void og_erofs_remove(struct og_erofs_tree *tree, struct og_erofs_name *name);

/* Removes all names in @dir. */
void og_erofs_clear(struct og_erofs_tree *tree, struct og_erofs_inode *dir);

/* Copies @target, which ends in NUL. */
int og_erofs_set_target(struct og_erofs_tree *tree, struct og_erofs_inode *inode,
			const char *target, struct og_err *err);

/* Makes a file one of chunks, all holes; its size is set. Errors: -EFBIG, -ENOMEM. */
int og_erofs_set_chunks(struct og_erofs_tree *tree, struct og_erofs_inode *inode,
			uint8_t chunk_bits, struct og_err *err);

/* EROFS's number for the prefix of @name, its length in *@ret_len; 0 if it has none. */
uint8_t og_erofs_xattr_prefix(const char *name, size_t *ret_len);
const char *og_erofs_xattr_prefix_text(uint8_t prefix);

/*
 * Sets an attribute, replaces the one of that name. @name is without its prefix, need not end in
 * NUL. Errors: -EFBIG (larger than EROFS can hold), -ENOMEM.
 */
int og_erofs_set_xattr(struct og_erofs_tree *tree, struct og_erofs_inode *inode, uint8_t prefix,
		       const char *name, size_t name_len, const void *value, size_t value_len,
		       struct og_err *err);
void og_erofs_clear_xattrs(struct og_erofs_tree *tree, struct og_erofs_inode *inode);

/* The kernel's form of a device number on disk. Errors: -ERANGE. */
int og_erofs_device(uint32_t major, uint32_t minor, uint32_t *ret_device);
