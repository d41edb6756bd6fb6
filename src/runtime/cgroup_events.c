/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define COUNTS_MAX 512 /* memory.events: ten short lines */

void og_oom_watch_done(struct og_oom_watch *watch)
{
	watch->fd = og_close(watch->fd);
	watch->count_fd = og_close(watch->count_fd);
}

static int watch_v1(int dir_fd, struct og_oom_watch *watch)
{
	char text[32];

	watch->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch->count_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (watch->fd < 0 || watch->count_fd < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%d %d", watch->fd, watch->count_fd);
	return og_write_file(dir_fd, "cgroup.event_control", text, NULL);
}

static int watch_v2(int dir_fd, struct og_oom_watch *watch)
{
	char path[64];

	watch->v2 = true;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch->count_fd = openat(dir_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (watch->fd < 0 || watch->count_fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", watch->count_fd);
	return inotify_add_watch(watch->fd, path, IN_MODIFY) < 0 ? -errno : 0;
}

/* Of the line "oom_kill N"; what is gone counts no more. */
static uint64_t count(const struct og_oom_watch *watch)
{
	char text[COUNTS_MAX] = "";
	const char *line;

	if (pread(watch->count_fd, text, sizeof(text) - 1, 0) <= 0)
		return watch->seen;
	line = strstr(text, "oom_kill ");
	return line == NULL ? watch->seen : strtoull(line + strlen("oom_kill "), NULL, 10);
}

int og_oom_watch_open(const struct og_cgroup *cgroup, struct og_oom_watch *ret_watch,
		      struct og_err *err)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "memory");
	bool v2 = tree == NULL;
	og_cleanup(og_oom_watch_done) struct og_oom_watch watch = { .fd = -EBADF,
								    .count_fd = -EBADF };
	og_auto_fd dir_fd = -EBADF;
	int r;

	if (v2)
		tree = og_cgroup_tree(cgroup, "");
	if (tree == NULL)
		return og_fail(err, -ENOTSUP, "this host has no memory control group");
	dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir_fd < 0 ? -errno : v2 ? watch_v2(dir_fd, &watch) : watch_v1(dir_fd, &watch);
	if (r < 0)
		return og_fail(err, r, "listen for the end of memory in '%s'", tree->dir);
	watch.seen = v2 ? count(&watch) : 0;
	*ret_watch = watch;
	watch = (struct og_oom_watch){ .fd = -EBADF, .count_fd = -EBADF };
	return 0;
}

/*
 * Version 1 also tells that the group is gone, by the same eventfd: only what can still be asked
 * was no end. Version 2 tells of any of the file's counts.
 */
uint64_t og_oom_watch_take(struct og_oom_watch *watch)
{
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1];
	uint64_t news = 0;
	uint64_t now;

	if (!watch->v2) {
		if (read(watch->fd, &news, sizeof(news)) != sizeof(news))
			return 0;
		return pread(watch->count_fd, buf, 1, 0) == 1 ? news : 0;
	}
	while (read(watch->fd, buf, sizeof(buf)) > 0)
		;
	now = count(watch);
	news = now - watch->seen;
	watch->seen = now;
	return news;
}
