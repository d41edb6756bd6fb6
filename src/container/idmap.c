/* SPDX-License-Identifier: Apache-2.0 */
#include "container/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/launch.h"

#define MAP_MAX_BYTES 4096 /* of one write; the kernel takes less than a page, and no second */

int og_id_map_write(pid_t pid, const char *file, const struct og_oci_id_maps *maps,
		    struct og_err *err)
{
	og_auto_text text = {};
	size_t count = maps->count;
	char path[48];

	if (og_weak("A18") && count > OG_ID_MAPS_MAX)
		count = OG_ID_MAPS_MAX;
	if (count > OG_ID_MAPS_MAX)
		return og_fail(err, -E2BIG, "%zu lines, and the kernel takes %d at most",
			       maps->count, OG_ID_MAPS_MAX);
	for (size_t i = 0; i < count; i++)
		og_text_addf(&text, "%llu %llu %llu\n",
			     (unsigned long long)maps->items[i].container_id,
			     (unsigned long long)maps->items[i].host_id,
			     (unsigned long long)maps->items[i].size);
	if (text.failed || text.len == 0)
		return og_fail(err, -ENOMEM, "write %s", file);
	if (text.len >= MAP_MAX_BYTES)
		return og_fail(err, -E2BIG, "%zu bytes, and the kernel takes less than %d",
			       text.len, MAP_MAX_BYTES);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	if (og_write_file(AT_FDCWD, path, text.buf, NULL) < 0)
		return og_fail(err, -EINVAL, "the kernel does not take these %zu lines as %s",
			       maps->count, file);
	return 0;
}

/* The namespace lives by its descriptor alone from when this has seen to it. */
static int map_and_open(pid_t pid, const struct og_oci_id_maps *uids,
			const struct og_oci_id_maps *gids, struct og_err *err)
{
	char path[48];
	int fd;
	int r = og_id_map_write(pid, "uid_map", uids, err);

	if (r < 0)
		return og_fail_in(err, r, "uidMappings");
	r = og_id_map_write(pid, "gid_map", gids, err);
	if (r < 0)
		return og_fail_in(err, r, "gidMappings");
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? og_fail(err, -errno, "open the user namespace of a mapping") : fd;
}

int og_id_map_namespace(const struct og_oci_id_maps *uids, const struct og_oci_id_maps *gids,
			struct og_err *err)
{
	og_auto_fd wait_fd = -EBADF;
	og_auto_fd end_fd = -EBADF;
	int ends[2];
	pid_t pid;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make a pipe");
	wait_fd = ends[0];
	end_fd = ends[1];
	pid = og_clone(CLONE_NEWUSER, -1);
	if (pid == 0) { /* until the pipe ends, be it that our parent was killed */
		char byte;

		og_close(end_fd);
		while (read(wait_fd, &byte, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	if (pid < 0)
		return og_fail(err, pid, "make a user namespace for a mapping");
	r = map_and_open(pid, uids, gids, err);
	end_fd = og_close(end_fd);
	(void)og_wait_status(pid);
	return r;
}

int og_id_map_mount(int mount_fd, int user_fd, bool recursive, struct og_err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (unsigned int)user_fd,
	};

	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
			  sizeof(attr)) == 0)
		return 0;
	if (errno == ENOSYS)
		return og_fail(err, -ENOTSUP, "this kernel has no id-mapped mounts (Linux 5.12)");
	if (errno == EINVAL)
		return og_fail(err, -ENOTSUP,
			       "the file system%s cannot be id-mapped by this kernel (without "
			       "'%s' it is mounted as it is)",
			       recursive ? " or one below it" : "", recursive ? "ridmap" : "idmap");
	return og_fail(err, -errno, "map the IDs of a mount");
}
