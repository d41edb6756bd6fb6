/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/cgroup_scope.h"

#define PROC_FILE_MAX (8U << 20) /* mountinfo of a host with many thousand mounts */

static void tree_done(struct og_cgroup_tree *tree)
{
	free(tree->mount_point);
	free(tree->controllers);
	free(tree->own);
	free(tree->dir);
}

void og_cgroup_forget(struct og_cgroup *cgroup, size_t index)
{
	while (cgroup->count > index)
		tree_done(&cgroup->trees[--cgroup->count]);
}

struct og_cgroup *og_cgroup_free(struct og_cgroup *cgroup)
{
	if (cgroup == NULL)
		return NULL;
	og_cgroup_forget(cgroup, 0);
	og_scope_free(cgroup->scope);
	free(cgroup);
	return NULL;
}

/* Whether the comma-separated @list has @word. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	if (len == 0) /* version 2 */
		return list[0] == '\0';
	for (const char *at = list; (at = strstr(at, word)) != NULL; at += len) {
		if ((at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

const struct og_cgroup_tree *og_cgroup_tree(const struct og_cgroup *cgroup, const char *controller)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		if (has_word(cgroup->trees[i].controllers, controller))
			return &cgroup->trees[i];
	}
	return NULL;
}

/*
 * Our own group in the tree of @controllers, from the lines "4:memory:/a" and "0::/b" of
 * /proc/self/cgroup. New memory, NULL where there is none.
 */
static char *own_group(const char *groups, const char *controllers)
{
	const char *line = groups;

	while (line != NULL && *line != '\0') {
		const char *names = strchr(line, ':');
		const char *path = names != NULL ? strchr(names + 1, ':') : NULL;
		const char *end = strchrnul(line, '\n');

		if (path != NULL && path < end &&
		    (size_t)(path - names - 1) == strlen(controllers) &&
		    strncmp(names + 1, controllers, strlen(controllers)) == 0)
			return strndup(path + 1, (size_t)(end - path - 1));
		line = *end == '\0' ? NULL : end + 1;
	}
	return NULL;
}

/* Options of a version 1 mount that are no controllers. */
static bool is_controller(const char *word)
{
	static const char *const others[] = {
		"rw",	    "ro",   "xattr",	      "clone_children",
		"noprefix", "none", "cpuset_v2_mode", "favordynmods"
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (og_streq(others[i], word))
			return false;
	}
	return !og_starts_with(word, "release_agent=");
}

static char *controllers_of(char *superblock_options)
{
	og_auto_text text = {};
	char *rest = superblock_options;

	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		if (is_controller(word))
			og_text_addf(&text, "%s%s", text.len > 0 ? "," : "", word);
	}
	return og_text_take(&text);
}

/* Splits "36 31 0:33 ROOT POINT OPTIONS ... - TYPE SOURCE SUPER" in place. */
struct mount_line {
	char *root, *point, *type, *super;
};

static bool read_line(char *line, struct mount_line *ret_line)
{
	char *rest = line;
	char *fields[5];
	char *tail = strstr(line, " - ");

	if (tail == NULL)
		return false;
	for (size_t i = 0; i < 5; i++)
		fields[i] = strsep(&rest, " ");
	rest = tail + 3;
	ret_line->root = fields[3];
	ret_line->point = fields[4];
	ret_line->type = strsep(&rest, " ");
	(void)strsep(&rest, " ");
	ret_line->super = rest;
	return rest != NULL && fields[4] != NULL;
}

/* @path as it is below a mount that shows the part @root of its tree. */
static char *below_root(const char *path, const char *root)
{
	size_t len = og_streq(root, "/") ? 0 : strlen(root);

	if (strncmp(path, root, len) != 0)
		return strdup("/");
	return strdup(path[len] == '\0' ? "/" : path + len);
}

static int add_tree(struct og_cgroup *cgroup, const struct mount_line *line, const char *groups)
{
	struct og_cgroup_tree *tree = &cgroup->trees[cgroup->count];
	bool v2 = og_streq(line->type, "cgroup2");
	og_auto_free char *controllers = v2 ? strdup("") : controllers_of(line->super);
	og_auto_free char *own = NULL;

	if (controllers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cgroup->count; i++) {
		if (og_streq(cgroup->trees[i].controllers, controllers))
			return 0; /* the same tree is mounted elsewhere, too */
	}
	own = own_group(groups, controllers);
	if (own == NULL)
		return 0;
	if (cgroup->count == OG_CGROUP_TREES_MAX)
		return -E2BIG;
	*tree = (struct og_cgroup_tree){
		.v2 = v2,
		.mount_point = strdup(line->point),
		.own = below_root(own, line->root),
		.controllers = og_take_ptr(controllers),
	};
	cgroup->count++;
	return tree->mount_point == NULL || tree->own == NULL ? -ENOMEM : 0;
}

static int find_trees(struct og_cgroup *cgroup, struct og_err *err)
{
	og_auto_free char *mounts = NULL;
	og_auto_free char *groups = NULL;
	char *rest;
	int r;

	r = og_read_file(AT_FDCWD, "/proc/self/mountinfo", PROC_FILE_MAX, &mounts, NULL, err);
	if (r == 0)
		r = og_read_file(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_MAX, &groups, NULL, err);
	if (r < 0)
		return r;
	rest = mounts;
	for (char *text; (text = strsep(&rest, "\n")) != NULL;) {
		struct mount_line line;

		if (strstr(text, " - cgroup") == NULL || !read_line(text, &line))
			continue;
		r = add_tree(cgroup, &line, groups);
		if (r < 0)
			return og_fail(err, r, "find control groups");
	}
	return 0;
}

static bool leaves(const char *path)
{
	og_auto_free char *copy = strdup(path);
	char *rest = copy;

	for (char *part; copy != NULL && (part = strsep(&rest, "/")) != NULL;) {
		if (og_streq(part, "..") || og_streq(part, "."))
			return true;
	}
	return copy == NULL;
}

static char *folder(const struct og_cgroup_tree *tree, const char *cgroups_path, const char *id)
{
	if (cgroups_path == NULL || cgroups_path[0] == '\0')
		return og_strdupf("%s/onggi-%s", tree->mount_point, id);
	if (cgroups_path[0] == '/')
		return og_strdupf("%s%s", tree->mount_point, cgroups_path);
	return og_strdupf("%s%s/%s", tree->mount_point, og_streq(tree->own, "/") ? "" : tree->own,
			  cgroups_path);
}

int og_cgroup_find_running(const char *cgroups_path, const char *id, struct og_cgroup **ret_cgroup,
			   struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = calloc(1, sizeof(*cgroup));
	int r;

	if (cgroup == NULL)
		return og_fail(err, -ENOMEM, "find control groups");
	if (cgroups_path != NULL && (leaves(cgroups_path) || og_streq(cgroups_path, "/")))
		return og_fail(err, -EINVAL,
			       "linux.cgroupsPath '%s' is no plain path of a group of its own",
			       cgroups_path);
	r = find_trees(cgroup, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cgroup->count; i++) {
		cgroup->trees[i].dir = folder(&cgroup->trees[i], cgroups_path, id);
		if (cgroup->trees[i].dir == NULL)
			return og_fail(err, -ENOMEM, "find control groups");
	}
	*ret_cgroup = og_take_ptr(cgroup);
	return 0;
}

int og_cgroup_find(const char *cgroups_path, const char *id, struct og_cgroup **ret_cgroup,
		   struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = og_cgroup_find_running(cgroups_path, id, &cgroup, err);

	/* Before anything says that it is ours: what is ours is killed in the end. */
	if (r == 0 && cgroup->count > 0)
		r = og_cgroup_refuse_used(&cgroup->trees[0], err);
	if (r == 0)
		*ret_cgroup = og_take_ptr(cgroup);
	return r;
}

struct og_json *og_cgroup_save(const struct og_cgroup *cgroup)
{
	struct og_json *trees = og_json_new_array();
	struct og_json *saved;

	for (size_t i = 0; (cgroup->scope == NULL || cgroup->scope->started) && i < cgroup->count;
	     i++) {
		struct og_json *tree = og_json_new_object();

		og_json_set_string(tree, "controllers", cgroup->trees[i].controllers);
		og_json_set_string(tree, "dir", cgroup->trees[i].dir);
		og_json_push(trees, tree);
	}
	if (cgroup->scope == NULL)
		return trees;
	saved = og_json_new_object();
	og_json_set(saved, "trees", trees);
	og_json_set(saved, "scope", og_scope_save(cgroup->scope));
	return saved;
}

int og_cgroup_load(const struct og_json *saved, struct og_cgroup **ret_cgroup, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = calloc(1, sizeof(*cgroup));
	const struct og_json *scope = og_json_get(saved, "scope");
	const struct og_json *trees = scope != NULL ? og_json_get(saved, "trees") : saved;
	int r = 0;

	if (cgroup == NULL)
		return og_fail(err, -ENOMEM, "load control groups");
	if (scope != NULL)
		r = og_scope_load(scope, &cgroup->scope, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < og_json_count(trees) && i < OG_CGROUP_TREES_MAX; i++) {
		const struct og_json *from = og_json_at(trees, i);
		struct og_cgroup_tree *tree = &cgroup->trees[cgroup->count++];

		tree->controllers = strdup(og_json_string(og_json_get(from, "controllers"), ""));
		tree->dir = strdup(og_json_string(og_json_get(from, "dir"), ""));
		if (tree->controllers == NULL || tree->dir == NULL)
			return og_fail(err, -ENOMEM, "load control groups");
		if (tree->dir[0] != '/')
			return og_fail(err, -EBADMSG, "the state names no control group folder");
		tree->v2 = tree->controllers[0] == '\0';
	}
	*ret_cgroup = og_take_ptr(cgroup);
	return 0;
}

int og_cgroup_v2_fd(const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "");
	int fd = tree == NULL ? -1 : open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : -ENOENT;
}

int og_cgroup_join(const struct og_cgroup *cgroup, pid_t pid, bool skip_v2, struct og_err *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		char path[4096];
		int r;

		if (tree->v2 && skip_v2)
			continue;
		if (snprintf(path, sizeof(path), "%s/cgroup.procs", tree->dir) >= (int)sizeof(path))
			return og_fail(err, -ENAMETOOLONG, "join '%s'", tree->dir);
		r = og_write_file(AT_FDCWD, path, text, err);
		if (r < 0)
			return og_fail_in(err, r, "join control group '%s'", tree->dir);
	}
	return 0;
}

/* Opened one after another, they nearly always follow each other: few calls for all. */
void og_cgroup_entry_done(struct og_cgroup_entry *entry)
{
	og_close_all(entry->fds, entry->count);
	entry->count = 0;
	entry->v2_fd = og_close(entry->v2_fd);
}

int og_cgroup_entry_open(const struct og_cgroup *cgroup, struct og_cgroup_entry *ret_entry,
			 struct og_err *err)
{
	*ret_entry = (struct og_cgroup_entry){ .v2_fd = -EBADF };
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		const char *file = tree->v2 ? "cgroup.procs" : "tasks";
		char path[4096];
		int fd;

		if (snprintf(path, sizeof(path), "%s/%s", tree->dir, file) >= (int)sizeof(path))
			return og_fail(err, -ENAMETOOLONG, "enter '%s'", tree->dir);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return og_fail(err, -errno, "open '%s'", path);
		if (tree->v2)
			ret_entry->v2_fd = fd;
		else
			ret_entry->fds[ret_entry->count++] = fd;
	}
	return 0;
}

int og_cgroup_enter(const struct og_cgroup_entry *entry, bool skip_v2, struct og_err *err)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (write(entry->fds[i], "0", 1) < 0)
			return og_fail(err, -errno, "enter control group %zu of version 1", i);
	}
	if (skip_v2 || entry->v2_fd < 0 || write(entry->v2_fd, "0", 1) > 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return og_fail_plain(err, -EOPNOTSUPP,
				     "the control group of version 2 is below one of threads, "
				     "which takes no workload: choose another linux.cgroupsPath");
	if (errno == EBUSY)
		return og_fail_plain(
			err, -EBUSY,
			"the control group of version 2 has handed its controllers on, "
			"and takes no process: choose one below it");
	return og_fail(err, -errno, "enter the control group of version 2");
}
