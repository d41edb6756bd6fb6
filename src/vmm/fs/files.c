/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and folders. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/fs/parts.h"

/* What one copy moves, so that other requests have their turn. */
#define COPY_MAX (16U << 20)

/* As the kernel lists a folder (getdents64(2)). */
struct entry {
	uint64_t ino;
	uint64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

int og_fs_handle_fd(const struct og_fs_server *server, uint64_t fh, bool folder)
{
	if (fh >= OG_FS_HANDLES_MAX || server->handles[fh].folder != folder)
		return -EBADF;
	return server->handles[fh].fd;
}

int64_t og_fs_handle_add(struct og_fs_server *server, int fd, bool folder)
{
	for (uint32_t i = 0; i < server->handles_max; i++) {
		if (server->handles[i].fd >= 0)
			continue;
		server->handles[i] = (struct og_fs_handle){ .fd = fd, .folder = folder };
		return i;
	}
	og_close(fd);
	return -ENFILE;
}

/* Opens a node again, for its data. Only files and folders are: nothing that could wait. */
static int open_node(struct og_fs_server *server, uint64_t id, mode_t type, int flags)
{
	int node_fd = og_fs_node_fd(&server->nodes, id), fd;
	struct statx stat;
	int r = node_fd < 0 ? node_fd : og_fs_stat(node_fd, &stat);

	if (r < 0)
		return r;
	if ((stat.stx_mode & S_IFMT) != type)
		return type == S_IFDIR ? -ENOTDIR : -EINVAL;
	fd = openat(AT_FDCWD, og_fs_path(node_fd).text, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int answer_open(struct og_fs_server *server, int fd, bool folder, uint32_t how, void *out)
{
	struct fuse_open_out answer = { .open_flags = how };
	int64_t fh = fd < 0 ? fd : og_fs_handle_add(server, fd, folder);

	if (fh < 0)
		return (int)fh;
	answer.fh = (uint64_t)fh;
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

/* Where data goes is the guest's to say, so nothing is appended by the host's count. */
int og_fs_open(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
	       uint32_t room)
{
	const struct fuse_open_in *in = request->arg;
	int flags = (int)in->flags & (O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC);
	int fd;

	(void)room;
	if (server->readonly && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0))
		return -EROFS;
	og_fs_kill_suid(server, (in->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0);
	fd = open_node(server, request->header.nodeid, S_IFREG, flags);
	og_fs_kill_suid(server, false);
	/* Nothing was written that a close could say something of: it is not asked for. */
	return answer_open(server, fd, false, (flags & O_ACCMODE) == O_RDONLY ? FOPEN_NOFLUSH : 0,
			   out);
}

int og_fs_opendir(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	int fd = open_node(server, request->header.nodeid, S_IFDIR, O_RDONLY | O_DIRECTORY);

	(void)room;
	return answer_open(server, fd, true, 0, out);
}

int og_fs_release(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_release_in *in = request->arg;
	bool folder = request->header.opcode == FUSE_RELEASEDIR;

	(void)out;
	(void)room;
	if (og_fs_handle_fd(server, in->fh, folder) < 0)
		return -EBADF;
	server->handles[in->fh].fd = og_close(server->handles[in->fh].fd);
	return 0;
}

int og_fs_read(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
	       uint32_t room)
{
	const struct fuse_read_in *in = request->arg;
	int fd = og_fs_handle_fd(server, in->fh, false);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (in->size > room)
		return -EINVAL;
	n = pread(fd, out, in->size, (off_t)in->offset);
	return n < 0 ? -errno : (int)n;
}

int og_fs_write(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_write_in *in = request->arg;
	struct fuse_write_out answer = {};
	int fd = og_fs_handle_fd(server, in->fh, false);
	ssize_t n;

	(void)room;
	if (fd < 0)
		return fd;
	og_fs_kill_suid(server, (in->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0);
	n = pwrite(fd, request->data, request->data_bytes, (off_t)in->offset);
	answer.size = (uint32_t)n;
	if (n < 0)
		n = -errno;
	og_fs_kill_suid(server, false);
	if (n < 0)
		return (int)n;
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

int og_fs_flush(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_flush_in *in = request->arg;
	int fd = og_fs_handle_fd(server, in->fh, false), copy;

	(void)out;
	(void)room;
	if (fd < 0)
		return fd;
	/* A network's file system says on close what became of the data. */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 || close(copy) < 0 ? -errno : 0;
}

int og_fs_fsync(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_fsync_in *in = request->arg;
	int fd = og_fs_handle_fd(server, in->fh, request->header.opcode == FUSE_FSYNCDIR);

	(void)out;
	(void)room;
	if (fd < 0)
		return fd;
	return ((in->fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ? fdatasync(fd) : fsync(fd)) < 0
		       ? -errno
		       : 0;
}

int og_fs_syncfs(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		 uint32_t room)
{
	og_auto_fd fd = open_node(server, OG_FS_ROOT, S_IFDIR, O_RDONLY | O_DIRECTORY);

	(void)request;
	(void)out;
	(void)room;
	if (fd < 0)
		return fd;
	return syscall(SYS_syncfs, fd) < 0 ? -errno : 0;
}

int og_fs_fallocate(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		    uint32_t room)
{
	const struct fuse_fallocate_in *in = request->arg;
	const uint32_t served = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	int fd = og_fs_handle_fd(server, in->fh, false);

	(void)out;
	(void)room;
	if (fd < 0)
		return fd;
	if ((in->mode & ~served) != 0)
		return -EOPNOTSUPP;
	return syscall(SYS_fallocate, fd, in->mode, in->offset, in->length) < 0 ? -errno : 0;
}

int og_fs_lseek(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		uint32_t room)
{
	const struct fuse_lseek_in *in = request->arg;
	int fd = og_fs_handle_fd(server, in->fh, false);
	struct fuse_lseek_out answer;
	off_t at;

	(void)room;
	if (fd < 0)
		return fd;
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
		return -EINVAL;
	at = lseek(fd, (off_t)in->offset, (int)in->whence);
	if (at < 0)
		return -errno;
	answer.offset = (uint64_t)at;
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

int og_fs_copy(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
	       uint32_t room)
{
	const struct fuse_copy_file_range_in *in = request->arg;
	int from = og_fs_handle_fd(server, in->fh_in, false);
	int to = og_fs_handle_fd(server, in->fh_out, false);
	int64_t off_in = (int64_t)in->off_in, off_out = (int64_t)in->off_out;
	struct fuse_write_out answer = {};
	long n;

	(void)room;
	if (from < 0 || to < 0)
		return -EBADF;
	if (in->flags != 0)
		return -EINVAL;
	n = syscall(SYS_copy_file_range, from, &off_in, to, &off_out,
		    in->len < COPY_MAX ? in->len : COPY_MAX, 0);
	if (n < 0)
		return -errno;
	answer.size = (uint32_t)n;
	memcpy(out, &answer, sizeof(answer));
	return sizeof(answer);
}

/* ---- reading folders ---- */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* With @plus the guest is told of the file, too; what cannot be looked up is listed all the same. */
static size_t put(struct og_fs_server *server, uint64_t folder, const struct entry *entry,
		  bool plus, void *out, size_t used, size_t room)
{
	const struct fuse_dirent dirent = {
		.ino = entry->ino,
		.off = entry->next,
		.type = entry->type,
	};
	struct fuse_entry_out found = {};
	size_t now;

	if (!plus)
		return og_fuse_put_entry(out, used, room, NULL, &dirent, entry->name);
	if (!is_dots(entry->name) && og_fs_fill_entry(server, folder, entry->name, &found) < 0)
		found = (struct fuse_entry_out){};
	now = og_fuse_put_entry(out, used, room, &found, &dirent, entry->name);
	if (now == 0 && found.nodeid != 0)
		og_fs_node_forget(&server->nodes, found.nodeid, 1);
	return now;
}

static int put_all(struct og_fs_server *server, const struct og_fuse_request *request, long bytes,
		   void *out, uint32_t room)
{
	bool plus = request->header.opcode == FUSE_READDIRPLUS;
	size_t used = 0;

	for (long at = 0; at < bytes;) {
		const struct entry *entry = (const void *)(server->list + at);
		size_t now = put(server, request->header.nodeid, entry, plus, out, used, room);

		if (now == 0)
			return used > 0 ? (int)used : -EINVAL;
		used = now;
		at += entry->bytes;
	}
	return (int)used;
}

int og_fs_readdir(struct og_fs_server *server, const struct og_fuse_request *request, void *out,
		  uint32_t room)
{
	const struct fuse_read_in *in = request->arg;
	int fd = og_fs_handle_fd(server, in->fh, true);
	struct og_fs_handle *handle;
	uint32_t size = in->size < room ? in->size : room;
	long n;

	if (fd < 0)
		return fd;
	handle = &server->handles[in->fh];
	if (handle->offset != in->offset && lseek(fd, (off_t)in->offset, SEEK_SET) < 0)
		return -errno;
	n = syscall(SYS_getdents64, fd, server->list,
		    size < sizeof(server->list) ? size : sizeof(server->list));
	if (n < 0)
		return -errno;
	handle->offset = UINT64_MAX; /* behind what was listed, which need not all fit */
	return put_all(server, request, n, out, size);
}
