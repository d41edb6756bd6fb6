/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the server; for nobody else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/fs/message.h"
#include "vmm/fs/node.h"
#include "vmm/fs/server.h"

/* How long the guest may believe what it was told, in seconds. */
#define OG_FS_VALID_S 1

#define OG_FS_LIST_MAX 65536U

struct og_fs_handle {
	int fd; /* owned, or negative: free */
	bool folder;
	uint64_t offset; /* where a folder is being read */
};

struct og_fs_server {
	struct og_fs_nodes nodes;
	struct og_fs_handle handles[OG_FS_HANDLES_MAX];
	uint32_t handles_max;
	bool readonly, becomes_others, kills_suid;
	bool begun; /* by FUSE_INIT */

	/* One request, one answer, and what the kernel lists. */
	_Alignas(8) uint8_t in[sizeof(struct og_fs_envelope) + OG_FUSE_MESSAGE_MAX];
	_Alignas(8) uint8_t out[sizeof(struct fuse_out_header) + OG_FUSE_MESSAGE_MAX];
	_Alignas(8) uint8_t list[OG_FS_LIST_MAX];
};

/* Serves one request: fills @out with up to @room bytes and returns how many, or -errno. */
typedef int og_fs_fn(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		     uint32_t room);

/* names.c */
og_fs_fn og_fs_lookup, og_fs_readlink, og_fs_symlink, og_fs_mknod, og_fs_mkdir, og_fs_unlink,
	og_fs_rmdir, og_fs_rename, og_fs_rename2, og_fs_link, og_fs_create;
/* files.c */
og_fs_fn og_fs_open, og_fs_opendir, og_fs_read, og_fs_write, og_fs_release, og_fs_fsync,
	og_fs_flush, og_fs_fallocate, og_fs_lseek, og_fs_copy, og_fs_readdir, og_fs_syncfs;
/* attrs.c */
og_fs_fn og_fs_getattr, og_fs_setattr, og_fs_statfs, og_fs_setxattr, og_fs_getxattr,
	og_fs_listxattr, og_fs_removexattr;

void og_fs_fill_attr(struct fuse_attr *attr, const struct statx *stat);

/* Looks a name up for the guest, which knows it once more. */
int og_fs_fill_entry(struct og_fs_server *server, uint64_t parent, const char *name,
		     struct fuse_entry_out *ret_entry);

/* The open file or folder, borrowed; -EBADF where there is none. */
int og_fs_handle_fd(const struct og_fs_server *server, uint64_t fh, bool folder);

/* Takes @fd, also where it fails. Returns the number of the handle, or -ENFILE. */
int64_t og_fs_handle_add(struct og_fs_server *server, int fd, bool folder);

/* How a node is named to calls that take a path: the working folder is /proc/self/fd. */
struct og_fs_path {
	char text[16];
};
struct og_fs_path og_fs_path(int fd);

/* From here on files are made as @uid and @gid, until og_fs_be_self(). Errors: -EPERM. */
int og_fs_be(struct og_fs_server *server, uint32_t uid, uint32_t gid);
void og_fs_be_self(struct og_fs_server *server);

/* With @kill, what is written clears the bits that run a file as another user. */
void og_fs_kill_suid(struct og_fs_server *server, bool kill);
