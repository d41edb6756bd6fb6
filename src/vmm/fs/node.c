/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/weak.h"

#define BUCKETS 65536U

/* Folders that are found again one in the other: moves on the host may have made it a ring. */
#define DEPTH_MAX 512U

/* What makes an inode the same one, also where a file system gives its number to another later. */
struct identity {
	uint64_t ino;
	uint32_t major, minor;
	int64_t born_s;
	uint32_t born_ns;
};

struct og_fs_node {
	struct identity identity;
	uint64_t lookups; /* times the guest knows it; 0 with no children: free */
	uint32_t children;
	uint32_t parent;
	char *name; /* in @parent; owned; NULL: the root, or free */
	int fd;	    /* owned, or negative */
	bool held;
	uint32_t next; /* in its bucket, or of the free ones */
	uint32_t newer, older;
};

int og_fs_stat(int fd, struct statx *ret_stat)
{
	return syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		       STATX_BASIC_STATS | STATX_BTIME, ret_stat) < 0
		       ? -errno
		       : 0;
}

static struct identity identity_of(const struct statx *stat)
{
	struct identity identity = {
		.ino = stat->stx_ino,
		.major = stat->stx_dev_major,
		.minor = stat->stx_dev_minor,
	};

	if ((stat->stx_mask & STATX_BTIME) != 0) {
		identity.born_s = stat->stx_btime.tv_sec;
		identity.born_ns = stat->stx_btime.tv_nsec;
	}
	return identity;
}

static bool same(const struct identity *a, const struct identity *b)
{
	return a->ino == b->ino && a->major == b->major && a->minor == b->minor &&
	       a->born_s == b->born_s && a->born_ns == b->born_ns;
}

static uint32_t *bucket_of(struct og_fs_nodes *nodes, const struct identity *identity)
{
	uint64_t mixed = (identity->ino ^ ((uint64_t)identity->minor << 40)) * 0x9e3779b97f4a7c15U;

	return &nodes->buckets[mixed >> 48];
}

static uint32_t find_identity(struct og_fs_nodes *nodes, const struct identity *identity)
{
	uint32_t at = *bucket_of(nodes, identity);

	while (at != 0 && !same(&nodes->nodes[at].identity, identity))
		at = nodes->nodes[at].next;
	return at;
}

/* ---- those with a descriptor, by use; the root and those that are held stay, and are not in it ---- */

static void unlist(struct og_fs_nodes *nodes, uint32_t at)
{
	struct og_fs_node *node = &nodes->nodes[at];

	if (node->newer != 0)
		nodes->nodes[node->newer].older = node->older;
	else
		nodes->newest = node->older;
	if (node->older != 0)
		nodes->nodes[node->older].newer = node->newer;
	else
		nodes->oldest = node->newer;
	node->newer = node->older = 0;
}

static void list(struct og_fs_nodes *nodes, uint32_t at)
{
	struct og_fs_node *node = &nodes->nodes[at];

	node->older = nodes->newest;
	if (nodes->newest != 0)
		nodes->nodes[nodes->newest].newer = at;
	else
		nodes->oldest = at;
	nodes->newest = at;
}

static void drop_fd(struct og_fs_nodes *nodes, uint32_t at)
{
	struct og_fs_node *node = &nodes->nodes[at];

	if (node->fd < 0)
		return;
	node->fd = og_close(node->fd);
	if (!node->held)
		unlist(nodes, at);
	nodes->n_fds--;
}

static void give_fd(struct og_fs_nodes *nodes, uint32_t at, int fd)
{
	nodes->nodes[at].fd = fd;
	nodes->n_fds++;
	list(nodes, at);
}

/* Lets go of descriptors until there is room for one more: 0, or -ENFILE. */
static int make_room(struct og_fs_nodes *nodes)
{
	uint32_t at = nodes->oldest;

	if (og_weak("A75-fds"))
		return 0;
	while (nodes->n_fds >= nodes->fds_max && at != 0) {
		uint32_t next = nodes->nodes[at].newer;

		drop_fd(nodes, at);
		at = next;
	}
	return nodes->n_fds >= nodes->fds_max ? -ENFILE : 0;
}

/* ---- finding ---- */

static int open_entry(const struct og_fs_nodes *nodes, int dir_fd, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   nodes->mount_flags,
	};
	long fd;

	if (og_weak("A75"))
		how = (struct open_how){ .flags = O_PATH | O_CLOEXEC };
	do {
		fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

static int fd_of(struct og_fs_nodes *nodes, uint32_t at, unsigned depth)
{
	struct og_fs_node *node = &nodes->nodes[at];
	struct identity identity;
	og_auto_fd fd = -EBADF;
	struct statx stat;
	int parent, r;

	if (node->fd >= 0) {
		if (at != OG_FS_ROOT && !node->held) {
			unlist(nodes, at);
			list(nodes, at);
		}
		return node->fd;
	}
	if (depth == 0)
		return -ESTALE;
	parent = fd_of(nodes, node->parent, depth - 1);
	r = parent < 0 ? parent : make_room(nodes);
	if (r < 0)
		return r;
	fd = open_entry(nodes, parent, node->name);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	r = og_fs_stat(fd, &stat);
	if (r < 0)
		return r;
	identity = identity_of(&stat);
	if (!same(&identity, &node->identity))
		return -ESTALE;
	give_fd(nodes, at, og_take_fd(&fd));
	return node->fd;
}

static uint32_t known(const struct og_fs_nodes *nodes, uint64_t id)
{
	if (id == OG_FS_ROOT)
		return OG_FS_ROOT;
	return id > OG_FS_ROOT && id <= nodes->used && nodes->nodes[id].lookups > 0 ? (uint32_t)id
										    : 0;
}

int og_fs_node_fd(struct og_fs_nodes *nodes, uint64_t id)
{
	uint32_t at = known(nodes, id);

	return at == 0 ? -ESTALE : fd_of(nodes, at, DEPTH_MAX);
}

static void unhash(struct og_fs_nodes *nodes, uint32_t at)
{
	uint32_t *link = bucket_of(nodes, &nodes->nodes[at].identity);

	while (*link != at)
		link = &nodes->nodes[*link].next;
	*link = nodes->nodes[at].next;
}

/* What nobody knows and nothing is in goes, and perhaps its folder with it. */
static void collect(struct og_fs_nodes *nodes, uint32_t at)
{
	while (at != OG_FS_ROOT && nodes->nodes[at].lookups == 0 &&
	       nodes->nodes[at].children == 0) {
		struct og_fs_node *node = &nodes->nodes[at];
		uint32_t parent = node->parent;

		drop_fd(nodes, at);
		unhash(nodes, at);
		free(node->name);
		node->name = NULL;
		node->next = nodes->free;
		nodes->free = at;
		nodes->nodes[parent].children--;
		at = parent;
	}
}

static void set_place(struct og_fs_nodes *nodes, uint32_t at, uint32_t parent, const char *name)
{
	struct og_fs_node *node = &nodes->nodes[at];
	uint32_t before;
	char *copy;

	if (at == OG_FS_ROOT || at == parent ||
	    (node->parent == parent && strcmp(node->name, name) == 0))
		return;
	copy = strdup(name);
	if (copy == NULL)
		return; /* it is found where it was, or stale */
	free(node->name);
	node->name = copy;
	before = node->parent;
	nodes->nodes[parent].children++;
	nodes->nodes[before].children--;
	node->parent = parent;
	collect(nodes, before);
}

static uint32_t take_number(struct og_fs_nodes *nodes)
{
	uint32_t at = nodes->free;

	if (at != 0)
		nodes->free = nodes->nodes[at].next;
	else if (nodes->used + 1 < OG_FS_NODES_MAX)
		at = ++nodes->used;
	return at;
}

static int add(struct og_fs_nodes *nodes, uint32_t parent, const char *name,
	       const struct identity *identity, uint32_t *ret_at)
{
	uint32_t *bucket = bucket_of(nodes, identity);
	char *copy = strdup(name);
	uint32_t at = copy != NULL ? take_number(nodes) : 0;

	if (at == 0) {
		free(copy);
		return copy != NULL ? -ENFILE : -ENOMEM;
	}
	nodes->nodes[at] = (struct og_fs_node){
		.identity = *identity,
		.parent = parent,
		.name = copy,
		.fd = -EBADF,
		.next = *bucket,
	};
	*bucket = at;
	nodes->nodes[parent].children++;
	*ret_at = at;
	return 0;
}

/* Opens @name in @parent: its descriptor is the caller's, *@ret_at 0 where the guest knows it not. */
static int open_in(struct og_fs_nodes *nodes, uint32_t parent, const char *name, struct statx *stat,
		   uint32_t *ret_at)
{
	struct identity identity;
	og_auto_fd fd = -EBADF;
	int dir_fd = fd_of(nodes, parent, DEPTH_MAX), r;

	if (dir_fd < 0)
		return dir_fd;
	fd = open_entry(nodes, dir_fd, name);
	if (fd < 0)
		return fd;
	r = og_fs_stat(fd, stat);
	if (r < 0)
		return r;
	identity = identity_of(stat);
	*ret_at = find_identity(nodes, &identity);
	return og_take_fd(&fd);
}

int og_fs_node_find(struct og_fs_nodes *nodes, uint64_t parent_id, const char *name,
		    struct statx *ret_stat, uint64_t *ret_id)
{
	uint32_t parent = known(nodes, parent_id), at = 0;
	struct identity identity;
	og_auto_fd fd = -EBADF;
	int r = parent == 0 ? -ESTALE : make_room(nodes);

	if (r < 0)
		return r;
	fd = open_in(nodes, parent, name, ret_stat, &at);
	if (fd < 0)
		return fd;
	identity = identity_of(ret_stat);
	if (at == 0) {
		r = add(nodes, parent, name, &identity, &at);
		if (r < 0)
			return r;
	} else {
		set_place(nodes, at, parent, name);
	}
	if (nodes->nodes[at].fd < 0)
		give_fd(nodes, at, og_take_fd(&fd));
	nodes->nodes[at].lookups++;
	*ret_id = at;
	return 0;
}

/* ---- forgetting ---- */

void og_fs_node_forget(struct og_fs_nodes *nodes, uint64_t id, uint64_t count)
{
	uint32_t at = known(nodes, id);

	if (at == 0 || at == OG_FS_ROOT)
		return;
	nodes->nodes[at].lookups -= count < nodes->nodes[at].lookups ? count
								     : nodes->nodes[at].lookups;
	collect(nodes, at);
}

void og_fs_node_hold(struct og_fs_nodes *nodes, uint64_t parent_id, const char *name)
{
	uint32_t parent = known(nodes, parent_id), at = 0;
	og_auto_fd fd = -EBADF;
	struct statx stat;

	if (parent == 0 || make_room(nodes) < 0)
		return;
	fd = open_in(nodes, parent, name, &stat, &at);
	if (fd < 0 || at == 0 || at == OG_FS_ROOT)
		return;
	if (nodes->nodes[at].held)
		return;
	if (nodes->nodes[at].fd < 0)
		give_fd(nodes, at, og_take_fd(&fd));
	unlist(nodes, at);
	nodes->nodes[at].held = true;
}

void og_fs_node_moved(struct og_fs_nodes *nodes, uint64_t parent_id, const char *name)
{
	uint32_t parent = known(nodes, parent_id), at = 0;
	og_auto_fd fd = -EBADF;
	struct statx stat;

	if (parent == 0)
		return;
	fd = open_in(nodes, parent, name, &stat, &at);
	if (fd < 0 || at == 0 || at == OG_FS_ROOT)
		return;
	set_place(nodes, at, parent, name);
	if (nodes->nodes[at].held) {
		nodes->nodes[at].held = false;
		list(nodes, at);
	}
}

/* ---- all of it ---- */

static void forget_all(struct og_fs_nodes *nodes)
{
	for (uint32_t at = OG_FS_ROOT + 1; at <= nodes->used; at++) {
		if (nodes->nodes[at].name == NULL)
			continue;
		(void)og_close(nodes->nodes[at].fd);
		free(nodes->nodes[at].name);
		nodes->nodes[at].name = NULL;
		nodes->nodes[at].lookups = 0;
	}
	memset(nodes->buckets, 0, BUCKETS * sizeof(*nodes->buckets));
	nodes->free = nodes->newest = nodes->oldest = nodes->n_fds = 0;
}

void og_fs_nodes_reset(struct og_fs_nodes *nodes)
{
	struct og_fs_node *root = &nodes->nodes[OG_FS_ROOT];

	forget_all(nodes);
	nodes->used = OG_FS_ROOT;
	root->children = 0;
	root->next = 0;
	*bucket_of(nodes, &root->identity) = OG_FS_ROOT;
}

int og_fs_nodes_init(struct og_fs_nodes *nodes, int root_fd, uint32_t fds_max)
{
	struct statx stat;
	int r = og_fs_stat(root_fd, &stat);

	*nodes = (struct og_fs_nodes){
		.nodes = calloc(OG_FS_NODES_MAX, sizeof(*nodes->nodes)),
		.buckets = calloc(BUCKETS, sizeof(*nodes->buckets)),
		.fds_max = fds_max,
		.mount_flags = RESOLVE_NO_XDEV,
	};
	if (r == 0 && (nodes->nodes == NULL || nodes->buckets == NULL))
		r = -ENOMEM;
	if (r < 0) {
		free(nodes->nodes);
		free(nodes->buckets);
		og_close(root_fd);
		return r;
	}
	nodes->nodes[OG_FS_ROOT] =
		(struct og_fs_node){ .identity = identity_of(&stat), .lookups = 1, .fd = root_fd };
	og_fs_nodes_reset(nodes);
	return 0;
}
