/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a guest knows, by number. Each is an inode of the host, held by a descriptor of the
 * kind that opens nothing (O_PATH). A guest may know many more than a process may hold: the one
 * that was longest not used is let go of, and found again by its folder and name when it is needed.
 * What is there then has to be the same inode, or the file is stale.
 *
 * Every way into the folder is here: one entry of a known folder at a time, by openat2(), which
 * follows no link and crosses no mount.
 */
#pragma once

#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>

/* A few hundred bytes each; a guest that knows more has gigabytes of memory for them itself. */
#define OG_FS_NODES_MAX (256U << 10)

/* Descriptors for them, where the process may have that many. */
#define OG_FS_NODE_FDS_MAX 65536U
#define OG_FS_NODE_FDS_MIN 64U

#define OG_FS_ROOT 1U /* FUSE_ROOT_ID */

struct og_fs_node;

struct og_fs_nodes {
	struct og_fs_node *nodes; /* OG_FS_NODES_MAX of them */
	uint32_t *buckets;
	uint32_t used;		 /* numbers given out so far */
	uint32_t free;		 /* first of those that came back; 0: none */
	uint32_t newest, oldest; /* of those with a descriptor, by use */
	uint32_t n_fds, fds_max;
	uint64_t mount_flags; /* RESOLVE_* beside those that always hold */
};

/* @root_fd is taken, also where this fails. Errors: -ENOMEM, those of statx(). */
int og_fs_nodes_init(struct og_fs_nodes *nodes, int root_fd, uint32_t fds_max);

/* All but the root are forgotten. */
void og_fs_nodes_reset(struct og_fs_nodes *nodes);

/*
 * The descriptor of node @id, borrowed until the next call but one. Errors: -ESTALE (no such node, or
 * another file is in its place), -ENFILE, those of openat2().
 */
int og_fs_node_fd(struct og_fs_nodes *nodes, uint64_t id);

/*
 * Looks @name, which was checked, up in folder @parent. On success the guest knows it once more.
 * Errors: -ENOENT, -EXDEV (something is mounted there), -ENFILE (OG_FS_NODES_MAX), as og_fs_node_fd().
 */
int og_fs_node_find(struct og_fs_nodes *nodes, uint64_t parent, const char *name,
		    struct statx *ret_stat, uint64_t *ret_id);

/* The guest knows it @count times less. */
void og_fs_node_forget(struct og_fs_nodes *nodes, uint64_t id, uint64_t count);

/* @name is going to vanish from folder @parent: a file that the guest knows is held from now on. */
void og_fs_node_hold(struct og_fs_nodes *nodes, uint64_t parent, const char *name);

/* What is @name in folder @parent now came there from elsewhere. */
void og_fs_node_moved(struct og_fs_nodes *nodes, uint64_t parent, const char *name);

/* statx() of a descriptor itself, with all that a guest may ask for. */
int og_fs_stat(int fd, struct statx *ret_stat);
