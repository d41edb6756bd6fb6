/* SPDX-License-Identifier: Apache-2.0 */
/* Groups below a workload's own: those that are named, and the one that it went to by itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/cgroup.h"

#define PROC_CGROUP_MAX (64U << 10) /* one line a tree */

static int copy_tree(const struct og_cgroup_tree *tree, struct og_cgroup *copy)
{
	struct og_cgroup_tree *to = &copy->trees[copy->count++];

	*to = (struct og_cgroup_tree){
		.controllers = strdup(tree->controllers),
		.dir = strdup(tree->dir),
		.v2 = tree->v2,
	};
	return to->controllers == NULL || to->dir == NULL ? -ENOMEM : 0;
}

/* Groups have no links: what is there and has no ".." in it is below. */
static int go_below(struct og_cgroup_tree *tree, const char *path, struct og_err *err)
{
	og_auto_fd dir_fd = open(tree->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd fd = -EBADF;
	char *below;

	path += strspn(path, "/");
	if (*path == '\0')
		return 0;
	fd = dir_fd < 0 ? -errno : og_open_beneath(dir_fd, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return og_fail(err, fd, "--cgroup '%.200s': open it in '%s'", path, tree->dir);
	below = og_strdupf("%s/%s", tree->dir, path);
	if (below == NULL)
		return og_fail(err, -ENOMEM, "--cgroup");
	free(tree->dir);
	tree->dir = below;
	return 0;
}

/* The trees with one of the controllers before the colon, or all of them. */
static int apply_word(struct og_cgroup *cgroup, const char *word, struct og_err *err)
{
	og_auto_free char *copy = strdup(word);
	char *path = copy == NULL ? NULL : strchr(copy, ':');
	char *rest = copy;
	int r = 0;

	if (copy == NULL)
		return og_fail(err, -ENOMEM, "--cgroup");
	if (path == NULL) {
		for (size_t i = 0; r == 0 && i < cgroup->count; i++)
			r = go_below(&cgroup->trees[i], copy, err);
		return r;
	}
	*path++ = '\0';
	for (char *name; r == 0 && (name = strsep(&rest, ",")) != NULL;) {
		bool found = false;

		for (size_t i = 0; r == 0 && *name != '\0' && i < cgroup->count; i++) {
			if (&cgroup->trees[i] != og_cgroup_tree(cgroup, name))
				continue;
			found = true;
			r = go_below(&cgroup->trees[i], path, err);
		}
		if (r == 0 && !found)
			r = og_fail_plain(
				err, -EINVAL,
				"--cgroup '%.200s': '%.40s' is no controller of version 1 "
				"here",
				word, name);
	}
	return r;
}

int og_cgroup_below(const struct og_cgroup *cgroup, const char *const *words, size_t count,
		    struct og_cgroup **ret_cgroup, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *copy = calloc(1, sizeof(*copy));
	int r = copy == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < cgroup->count; i++)
		r = copy_tree(&cgroup->trees[i], copy);
	if (r < 0)
		return og_fail(err, r, "--cgroup");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = apply_word(copy, words[i], err);
	if (r == 0)
		*ret_cgroup = og_take_ptr(copy);
	return r;
}

/* The line "0::/path" of /proc/PID/cgroup. */
static char *v2_path_of(pid_t pid)
{
	og_auto_free char *text = NULL;
	char file[32];
	char *line;

	(void)snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	if (og_read_file(AT_FDCWD, file, PROC_CGROUP_MAX, &text, NULL, NULL) < 0)
		return NULL;
	line = og_starts_with(text, "0::") ? text : strstr(text, "\n0::");
	if (line == NULL)
		return NULL;
	line = strchr(line, '/');
	return line == NULL ? NULL : strndup(line, strcspn(line, "\n"));
}

/*
 * A group's path below its mount is an end of its folder's path, and the beginning of the path of
 * what is below it.
 */
int og_cgroup_v2_fd_of(const struct og_cgroup *cgroup, pid_t pid)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "");
	og_auto_free char *path = v2_path_of(pid);

	if (tree == NULL || path == NULL)
		return -ENOENT;
	for (const char *end = tree->dir; (end = strchr(end, '/')) != NULL; end++) {
		size_t len = strlen(end);
		og_auto_free char *dir = NULL;
		int fd;

		if (strncmp(path, end, len) != 0 || (path[len] != '/' && path[len] != '\0'))
			continue;
		dir = og_strdupf("%s%s", tree->dir, path + len);
		fd = dir == NULL ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -ENOENT : fd;
	}
	return -ENOENT;
}
