/* SPDX-License-Identifier: Apache-2.0 */
#include "container/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

#define DEPTH_MAX   64 /* folders within folders; each costs a descriptor */
#define CHUNK_BYTES (1U << 20)

static int copy_folder(int source_fd, int target_fd, int depth);

static int copy_bytes(int from, int to)
{
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, CHUNK_BYTES);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int copy_file(int source_fd, int target_fd, const char *name)
{
	og_auto_fd from = openat(source_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	og_auto_fd to = -EBADF;

	if (from < 0)
		return -errno;
	to = openat(target_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return to < 0 ? -errno : copy_bytes(from, to);
}

static int copy_link(int source_fd, int target_fd, const char *name)
{
	char to[PATH_MAX];
	ssize_t n = readlinkat(source_fd, name, to, sizeof(to) - 1);

	if (n < 0)
		return -errno;
	to[n] = '\0';
	return symlinkat(to, target_fd, name) < 0 ? -errno : 0;
}

static int copy_subfolder(int source_fd, int target_fd, const char *name, int depth)
{
	og_auto_fd from = openat(source_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	og_auto_fd to = -EBADF;

	if (from < 0 || mkdirat(target_fd, name, 0700) < 0)
		return -errno;
	to = openat(target_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -errno : copy_folder(from, to, depth + 1);
}

/* Owner before mode, which a change of the owner would cut; times last of all. */
static int copy_looks(int target_fd, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(target_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(target_fd, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(target_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_entry(int source_fd, int target_fd, const char *name, int depth)
{
	struct stat st;
	int r;

	if (fstatat(source_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		r = copy_file(source_fd, target_fd, name);
	else if (S_ISDIR(st.st_mode))
		r = copy_subfolder(source_fd, target_fd, name, depth);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(source_fd, target_fd, name);
	else if (S_ISFIFO(st.st_mode))
		r = mkfifoat(target_fd, name, 0600) < 0 ? -errno : 0;
	else
		return 0;
	return r < 0 ? r : copy_looks(target_fd, name, &st);
}

static int copy_folder(int source_fd, int target_fd, int depth)
{
	int fd = depth > DEPTH_MAX ? -1 : fcntl(source_fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (dir == NULL) {
		r = depth > DEPTH_MAX ? -ELOOP : -errno;
		og_close(fd);
		return r;
	}
	while (r == 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			r = -errno;
			break;
		}
		if (!og_streq(entry->d_name, ".") && !og_streq(entry->d_name, ".."))
			r = copy_entry(source_fd, target_fd, entry->d_name, depth);
	}
	(void)closedir(dir);
	return r;
}

int og_copy_up(int source_fd, int target_fd, struct og_err *err)
{
	og_auto_fd from = openat(source_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd to = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = from < 0 || to < 0 ? -errno : copy_folder(from, to, 0);

	return r < 0 ? og_fail(err, r, "tmpcopyup") : 0;
}
