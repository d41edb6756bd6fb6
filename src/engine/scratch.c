/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/spawn.h"

#define TEMPLATE_NAME "scratch-template.img"

/* Gives the unnamed file @fd its name, once it is complete. */
static int publish(int dir_fd, int fd, const char *name, struct og_err *err)
{
	if (linkat(AT_FDCWD, og_fd_path(fd).text, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return og_fail(err, -errno, "make '%s'", name);
	return 0;
}

static int new_file(int dir_fd, struct og_err *err)
{
	int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return og_fail(err, -errno, "make a VM's disk");
	if (ftruncate(fd, (off_t)OG_SCRATCH_BYTES) < 0) {
		int code = -errno;

		og_close(fd);
		return og_fail(err, code, "make a VM's disk of %llu bytes",
			       (unsigned long long)OG_SCRATCH_BYTES);
	}
	return fd;
}

/* Tables are left to the guest to fill in, so the template has two megabytes and no more. */
static int format(int fd, struct og_err *err)
{
	struct og_spawn_fd fds[] = { { .child_fd = 3, .parent_fd = fd } };
	const char *argv[] = { "mke2fs",
			       "-q",
			       "-F",
			       "-t",
			       "ext4",
			       "-m",
			       "0",
			       "-J",
			       "size=16",
			       "-E",
			       "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
			       "/proc/self/fd/3",
			       NULL };
	const char *envp[] = { "PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL };
	struct og_spawn spawn = { .path = "/sbin/mke2fs",
				  .argv = (char *const *)argv,
				  .envp = (char *const *)envp,
				  .fds = fds,
				  .fd_count = 1 };
	og_auto_free char *output = NULL;
	int r = og_spawn_wait(&spawn, 4096, &output, err);

	if (r < 0)
		return og_fail_in(err, r, "format a VM's disk (package e2fsprogs)");
	if (r != 0)
		return og_fail(err, -EIO, "format a VM's disk: mke2fs: %.200s",
			       output == NULL ? "" : output);
	return 0;
}

static int open_template(int data_root_fd, struct og_err *err)
{
	og_auto_fd fd = og_open_beneath(data_root_fd, TEMPLATE_NAME, O_RDONLY, 0);
	int r;

	if (fd >= 0)
		return og_take_fd(&fd);
	fd = new_file(data_root_fd, err);
	if (fd < 0)
		return fd;
	r = format(fd, err);
	if (r == 0)
		r = publish(data_root_fd, fd, TEMPLATE_NAME, err);
	return r < 0 ? r : og_take_fd(&fd);
}

static int copy_range(int from_fd, int to_fd, off_t at, off_t end)
{
	while (at < end) {
		off_t to = at;
		ssize_t n = copy_file_range(from_fd, &at, to_fd, &to, (size_t)(end - at), 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
	}
	return 0;
}

/* Shares the blocks where the file system can, else copies what is no hole. */
static int copy_sparse(int from_fd, int to_fd)
{
	off_t at = 0;

	if (ioctl(to_fd, FICLONE, from_fd) == 0)
		return 0;
	for (;;) {
		off_t data = lseek(from_fd, at, SEEK_DATA);
		int r;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		at = lseek(from_fd, data, SEEK_HOLE);
		if (at < 0)
			return -errno;
		r = copy_range(from_fd, to_fd, data, at);
		if (r < 0)
			return r;
	}
}

int og_scratch_make(int data_root_fd, int dir_fd, struct og_err *err)
{
	og_auto_fd template_fd = -EBADF, fd = -EBADF;
	int r;

	if (faccessat(dir_fd, OG_SCRATCH_NAME, F_OK, 0) == 0)
		return 0;
	template_fd = open_template(data_root_fd, err);
	if (template_fd < 0)
		return template_fd;
	fd = new_file(dir_fd, err);
	if (fd < 0)
		return fd;
	r = copy_sparse(template_fd, fd);
	if (r < 0)
		return og_fail(err, r, "copy a VM's disk");
	return publish(dir_fd, fd, OG_SCRATCH_NAME, err);
}
