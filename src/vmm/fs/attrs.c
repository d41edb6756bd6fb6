/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of files: attributes, extended attributes, the file system. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/fs/parts.h"

#define XATTR_PREFIX "user."

void og_fs_fill_attr(struct fuse_attr *attr, const struct statx *stat)
{
	*attr = (struct fuse_attr){
		.ino = stat->stx_ino,
		.size = stat->stx_size,
		.blocks = stat->stx_blocks,
		.atime = (uint64_t)stat->stx_atime.tv_sec,
		.mtime = (uint64_t)stat->stx_mtime.tv_sec,
		.ctime = (uint64_t)stat->stx_ctime.tv_sec,
		.atimensec = stat->stx_atime.tv_nsec,
		.mtimensec = stat->stx_mtime.tv_nsec,
		.ctimensec = stat->stx_ctime.tv_nsec,
		.mode = stat->stx_mode,
		.nlink = stat->stx_nlink,
		.uid = stat->stx_uid,
		.gid = stat->stx_gid,
		.rdev = stat->stx_rdev_major << 8 | (stat->stx_rdev_minor & 0xff) |
			(stat->stx_rdev_minor & ~0xffU) << 12,
		.blksize = stat->stx_blksize,
	};
}

static int answer_attr(int fd, void *out)
{
	struct fuse_attr_out attr = { .attr_valid = OG_FS_VALID_S };
	struct statx stat;
	int r = og_fs_stat(fd, &stat);

	if (r < 0)
		return r;
	og_fs_fill_attr(&attr.attr, &stat);
	memcpy(out, &attr, sizeof(attr));
	return sizeof(attr);
}

/* A file that is open is there, even where its name has gone. */
static int fd_of(struct og_fs_server *server, uint64_t id, bool has_fh, uint64_t fh)
{
	int fd = has_fh ? og_fs_handle_fd(server, fh, false) : -EBADF;

	return fd >= 0 ? fd : og_fs_node_fd(&server->nodes, id);
}

int og_fs_getattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_getattr_in *in = request->arg;
	int fd = fd_of(server, request->header.nodeid, (in->getattr_flags & FUSE_GETATTR_FH) != 0,
		       in->fh);

	(void)room;
	return fd < 0 ? fd : answer_attr(fd, out);
}

static int set_mode(int fd, const struct fuse_setattr_in *in)
{
	if ((in->valid & FATTR_MODE) == 0)
		return 0;
	return fchmodat(AT_FDCWD, og_fs_path(fd).text, in->mode & 07777, 0) < 0 ? -errno : 0;
}

static int set_owner(int fd, const struct fuse_setattr_in *in)
{
	uid_t uid = (in->valid & FATTR_UID) != 0 ? in->uid : (uid_t)-1;
	gid_t gid = (in->valid & FATTR_GID) != 0 ? in->gid : (gid_t)-1;

	if ((in->valid & (FATTR_UID | FATTR_GID)) == 0)
		return 0;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int truncate_node(int fd, uint64_t size)
{
	og_auto_fd open_fd = -EBADF;
	struct statx stat;
	int r = og_fs_stat(fd, &stat);

	if (r < 0)
		return r;
	if (!S_ISREG(stat.stx_mode))
		return S_ISDIR(stat.stx_mode) ? -EISDIR : -EINVAL;
	open_fd = openat(AT_FDCWD, og_fs_path(fd).text, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return open_fd < 0 || ftruncate(open_fd, (off_t)size) < 0 ? -errno : 0;
}

static int set_size(struct og_fs_server *server, int fd, const struct fuse_setattr_in *in)
{
	int handle_fd, r;

	if ((in->valid & FATTR_SIZE) == 0)
		return 0;
	if (in->size > INT64_MAX)
		return -EFBIG;
	handle_fd = (in->valid & FATTR_FH) != 0 ? og_fs_handle_fd(server, in->fh, false) : -EBADF;
	og_fs_kill_suid(server, (in->valid & FATTR_KILL_SUIDGID) != 0);
	if (handle_fd >= 0)
		r = ftruncate(handle_fd, (off_t)in->size) < 0 ? -errno : 0;
	else
		r = truncate_node(fd, in->size);
	og_fs_kill_suid(server, false);
	return r;
}

static struct timespec time_of(uint32_t valid, uint32_t bit, uint32_t now_bit, uint64_t s,
			       uint32_t ns)
{
	struct timespec t = { (time_t)s, (long)ns };

	if ((valid & now_bit) != 0)
		t.tv_nsec = UTIME_NOW;
	else if ((valid & bit) == 0)
		t.tv_nsec = UTIME_OMIT;
	return t;
}

static int set_times(int fd, const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};

	if ((in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)) == 0)
		return 0;
	return utimensat(AT_FDCWD, og_fs_path(fd).text, times, 0) < 0 ? -errno : 0;
}

int og_fs_setattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_setattr_in *in = request->arg;
	int fd = fd_of(server, request->header.nodeid, (in->valid & FATTR_FH) != 0, in->fh);
	int r;

	(void)room;
	if (fd < 0)
		return fd;
	r = set_mode(fd, in);
	if (r == 0)
		r = set_owner(fd, in);
	if (r == 0)
		r = set_size(server, fd, in);
	if (r == 0)
		r = set_times(fd, in);
	return r < 0 ? r : answer_attr(fd, out);
}

int og_fs_statfs(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	struct fuse_statfs_out answer = {};
	struct statfs st;

	(void)room;
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	answer.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = OG_FUSE_NAME_MAX,
		.frsize = (uint32_t)st.f_frsize,
	};
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

/* ---- extended attributes ---- */

/* Others are the host's own: labels, capabilities, what overlay file systems keep. */
static bool is_served(const char *name)
{
	return strncmp(name, XATTR_PREFIX, sizeof(XATTR_PREFIX) - 1) == 0;
}

int og_fs_setxattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		   uint32_t room)
{
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	uint32_t in[2]; /* size, flags: the struct as it was before FUSE_SETXATTR_EXT */

	(void)out;
	(void)room;
	memcpy(in, request->arg, sizeof(in));
	if (fd < 0)
		return fd;
	if (!is_served(request->names[0]))
		return -EOPNOTSUPP;
	return setxattr(og_fs_path(fd).text, request->names[0], request->data, request->data_bytes,
			(int)(in[1] & (XATTR_CREATE | XATTR_REPLACE))) < 0
		       ? -errno
		       : 0;
}

/* A guest that gives no room asks how much is needed. */
static int answer_bytes(ssize_t n, const void *bytes, uint32_t size, void *out, uint32_t room)
{
	struct fuse_getxattr_out needed = { .size = (uint32_t)n };

	if (n < 0)
		return (int)n;
	if (size == 0) {
		if (room < sizeof(needed))
			return -EINVAL;
		memcpy(out, &needed, sizeof(needed));
		return sizeof(needed);
	}
	if ((size_t)n > size || (size_t)n > room)
		return -ERANGE;
	memcpy(out, bytes, (size_t)n);
	return (int)n;
}

int og_fs_getxattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		   uint32_t room)
{
	const struct fuse_getxattr_in *in = request->arg;
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (!is_served(request->names[0]))
		return -EOPNOTSUPP;
	n = getxattr(og_fs_path(fd).text, request->names[0], server->list, sizeof(server->list));
	return answer_bytes(n < 0 ? -errno : n, server->list, in->size, out, room);
}

/* Keeps those that are served, in place. */
static size_t filter(char *list, size_t bytes)
{
	size_t kept = 0;

	for (size_t at = 0, len; at < bytes; at += len) {
		len = strnlen(list + at, bytes - at) + 1;
		if (len > bytes - at)
			break;
		if (!is_served(list + at))
			continue;
		memmove(list + kept, list + at, len);
		kept += len;
	}
	return kept;
}

int og_fs_listxattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		    uint32_t room)
{
	const struct fuse_getxattr_in *in = request->arg;
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = listxattr(og_fs_path(fd).text, (char *)server->list, sizeof(server->list));
	n = n < 0 ? -errno : (ssize_t)filter((char *)server->list, (size_t)n);
	return answer_bytes(n, server->list, in->size, out, room);
}

int og_fs_removexattr(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		      uint32_t room)
{
	int fd = og_fs_node_fd(&server->nodes, request->header.nodeid);

	(void)out;
	(void)room;
	if (fd < 0)
		return fd;
	if (!is_served(request->names[0]))
		return -EOPNOTSUPP;
	return removexattr(og_fs_path(fd).text, request->names[0]) < 0 ? -errno : 0;
}
