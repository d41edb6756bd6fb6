/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of folders: finding, making, moving, removing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/fs/parts.h"

struct og_fs_path og_fs_path(int fd)
{
	struct og_fs_path path;

	(void)snprintf(path.text, sizeof(path.text), "%d", fd);
	return path;
}

int og_fs_fill_entry(struct og_fs_server *server, uint64_t parent, const char *name,
		     struct fuse_entry_out *ret_entry)
{
	struct statx stat;
	uint64_t id;
	int r = og_fs_node_find(&server->nodes, parent, name, &stat, &id);

	if (r < 0)
		return r;
	*ret_entry = (struct fuse_entry_out){
		.nodeid = id,
		.entry_valid = OG_FS_VALID_S,
		.attr_valid = OG_FS_VALID_S,
	};
	og_fs_fill_attr(&ret_entry->attr, &stat);
	return 0;
}

/* The answer of all that find or make an entry. */
static int entry(struct og_fs_server *server, const struct og_fuse_request *request,
		 const char *name, void *out)
{
	struct fuse_entry_out entry;
	int r = og_fs_fill_entry(server, request->header.nodeid, name, &entry);

	if (r < 0)
		return r;
	memcpy(out, &entry, sizeof(entry));
	return sizeof(entry);
}

int og_fs_lookup(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	(void)room;
	return entry(server, request, request->names[0], out);
}

int og_fs_readlink(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		   uint32_t room)
{
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", out, room < OG_FUSE_LINK_MAX ? room : OG_FUSE_LINK_MAX);
	return n < 0 ? -errno : (int)n;
}

/* ---- making ---- */

/* Begins making something in the request's folder: its descriptor. */
static int begin(struct og_fs_server *server, const struct og_fuse_request *request)
{
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	int r = fd < 0 ? fd : og_fs_be(server, request->header.uid, request->header.gid);

	return r < 0 ? r : fd;
}

static int end(struct og_fs_server *server, const struct og_fuse_request *request, int result,
	       void *out)
{
	int r = result < 0 ? -errno : 0;

	og_fs_be_self(server);
	return r < 0 ? r : entry(server, request, request->names[0], out);
}

int og_fs_symlink(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	int fd = begin(server, request);

	(void)room;
	if (fd < 0)
		return fd;
	return end(server, request, symlinkat(request->names[1], fd, request->names[0]), out);
}

/* No devices: they would be the host's. */
int og_fs_mknod(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_mknod_in *in = request->arg;
	uint32_t type = in->mode & S_IFMT;
	int fd;

	(void)room;
	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK)
		return -EPERM;
	fd = begin(server, request);
	if (fd < 0)
		return fd;
	return end(server, request, mknodat(fd, request->names[0], type | (in->mode & 07777), 0),
		   out);
}

int og_fs_mkdir(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_mkdir_in *in = request->arg;
	int fd = begin(server, request);

	(void)room;
	if (fd < 0)
		return fd;
	return end(server, request, mkdirat(fd, request->names[0], in->mode & 07777), out);
}

int og_fs_link(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
	       uint32_t room)
{
	const struct fuse_link_in *in = request->arg;
	int to = og_fs_node_fd(&server->nodes, request->header.nodeid);
	int from = to < 0 ? to : og_fs_node_fd(&server->nodes, in->oldnodeid);

	(void)room;
	if (from < 0)
		return from;
	if (linkat(AT_FDCWD, og_fs_path(from).text, to, request->names[0], AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return entry(server, request, request->names[0], out);
}

/* Another program may have put something else there: it is opened only where it is a file. */
static int open_new(int dir_fd, const char *name, uint32_t flags, uint32_t mode)
{
	struct open_how how = {
		.flags = (flags & (O_ACCMODE | O_EXCL | O_TRUNC | O_DSYNC | O_SYNC)) | O_CREAT |
			 O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.mode = mode & 07777,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : (int)fd;
}

/* Whether the entry that the guest is told of is the file that was opened. */
static bool is_entry(int fd, const struct fuse_entry_out *entry)
{
	struct statx stat;

	return og_fs_stat(fd, &stat) == 0 && S_ISREG(stat.stx_mode) &&
	       stat.stx_ino == entry->attr.ino;
}

int og_fs_create(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	const struct fuse_create_in *in = request->arg;
	struct fuse_entry_out *entry_out = out;
	struct fuse_open_out *open_out = (void *)(entry_out + 1);
	int dir_fd = begin(server, request), r;
	og_auto_fd fd = -EBADF;
	int64_t fh;

	(void)room;
	if (dir_fd < 0)
		return dir_fd;
	og_fs_kill_suid(server, (in->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0);
	fd = open_new(dir_fd, request->names[0], in->flags, in->mode);
	og_fs_be_self(server);
	if (fd < 0)
		return fd;
	r = entry(server, request, request->names[0], out);
	if (r < 0)
		return r;
	fh = is_entry(fd, entry_out) ? og_fs_handle_add(server, og_take_fd(&fd), false) : -ESTALE;
	if (fh < 0) {
		og_fs_node_forget(&server->nodes, entry_out->nodeid, 1);
		return (int)fh;
	}
	*open_out = (struct fuse_open_out){ .fh = (uint64_t)fh };
	return sizeof(*entry_out) + sizeof(*open_out);
}

/* ---- removing and moving ---- */

static int remove_entry(struct og_fs_server *server, const struct og_fuse_request *request,
			int flags)
{
	uint64_t parent = request->header.nodeid;
	int fd, r;

	og_fs_node_hold(&server->nodes, parent, request->names[0]);
	fd = og_fs_node_fd(&server->nodes, parent);
	if (fd < 0)
		return fd;
	r = unlinkat(fd, request->names[0], flags) < 0 ? -errno : 0;
	if (r < 0)
		og_fs_node_moved(&server->nodes, parent, request->names[0]);
	return r;
}

int og_fs_unlink(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	(void)out;
	(void)room;
	return remove_entry(server, request, 0);
}

int og_fs_rmdir(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	(void)out;
	(void)room;
	return remove_entry(server, request, AT_REMOVEDIR);
}

static int move(struct og_fs_server *server, const struct og_fuse_request *request, uint64_t to,
		uint32_t flags)
{
	uint64_t from = request->header.nodeid;
	int from_fd, to_fd, r;

	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
		return -EINVAL;
	og_fs_node_hold(&server->nodes, to, request->names[1]);
	from_fd = og_fs_node_fd(&server->nodes, from);
	to_fd = from_fd < 0 ? from_fd : og_fs_node_fd(&server->nodes, to);
	if (to_fd < 0)
		return to_fd;
	r = syscall(SYS_renameat2, from_fd, request->names[0], to_fd, request->names[1], flags) < 0
		    ? -errno
		    : 0;
	og_fs_node_moved(&server->nodes, to, request->names[1]);
	if (r == 0 && (flags & RENAME_EXCHANGE) != 0)
		og_fs_node_moved(&server->nodes, from, request->names[0]);
	return r;
}

int og_fs_rename(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	const struct fuse_rename_in *in = request->arg;

	(void)out;
	(void)room;
	return move(server, request, in->newdir, 0);
}

int og_fs_rename2(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_rename2_in *in = request->arg;

	(void)out;
	(void)room;
	return move(server, request, in->newdir, in->flags);
}
