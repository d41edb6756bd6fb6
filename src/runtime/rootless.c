/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define FIRST_USER_NAMESPACE 0xEFFFFFFDU /* its inode on every kernel */
#define SETTING_MAX	     64		 /* bytes of a number in /proc/sys */

bool og_rootless_inside(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != FIRST_USER_NAMESPACE;
}

int og_rootless_read(const char *flag, bool *ret_lenient, bool *ret_inside, struct og_err *err)
{
	*ret_inside = og_rootless_inside();
	if (flag == NULL || og_streq(flag, "auto"))
		*ret_lenient = geteuid() != 0 || *ret_inside;
	else if (og_streq(flag, "true") || og_streq(flag, "false"))
		*ret_lenient = og_streq(flag, "true");
	else
		return og_fail(err, -EINVAL, "--rootless is auto, true or false, not '%.20s'",
			       flag);
	return 0;
}

char *og_rootless_root(void)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	bool ordinary = geteuid() != 0;

	if (runtime_dir != NULL && runtime_dir[0] == '/' && (ordinary || og_rootless_inside()))
		return og_strdupf("%s/onggi-runtime", runtime_dir);
	return ordinary ? og_strdupf("/run/user/%u/onggi-runtime", geteuid())
			: strdup("/run/onggi-runtime");
}

struct obstacle {
	const char *file;
	const char *value; /* that is in the way */
	const char *text;
};

static const struct obstacle obstacles[] = {
	{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
	  " (sysctl kernel.unprivileged_userns_clone is 0: only root makes user namespaces)" },
	{ "/proc/sys/user/max_user_namespaces", "0",
	  " (sysctl user.max_user_namespaces is 0: nobody makes user namespaces)" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	  " (sysctl kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor wants a profile with 'userns' for this program)" },
};

const char *og_rootless_obstacle(void)
{
	for (size_t i = 0; i < sizeof(obstacles) / sizeof(obstacles[0]); i++) {
		og_auto_free char *text = NULL;

		if (og_read_file(AT_FDCWD, obstacles[i].file, SETTING_MAX, &text, NULL, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (og_streq(text, obstacles[i].value))
			return obstacles[i].text;
	}
	return "";
}

/* ---- control groups ---- */

static bool may_write(const char *dir, const char *file)
{
	og_auto_free char *path = og_strdupf("%s/%s", dir, file);

	return path != NULL && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/* How much of both paths is the same, up to a slash of both or their ends. */
static size_t common_length(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0;; i++) {
		bool a_ends = a[i] == '\0' || a[i] == '/';
		bool b_ends = b[i] == '\0' || b[i] == '/';

		if (a_ends && b_ends)
			common = i;
		if (a[i] != b[i] || a[i] == '\0')
			return common;
	}
}

/*
 * cgroups(7), Delegation: folders are made where there is the right to write, and in version 2 a
 * process moves only where its mover may write to cgroup.procs above both places.
 */
static bool may_have(const struct og_cgroup_tree *tree, const char *own, const char *dir)
{
	og_auto_free char *above = strdup(dir);
	og_auto_free char *common = strndup(dir, common_length(dir, own));
	char *cut = NULL;

	if (above == NULL || common == NULL)
		return false;
	for (cut = strrchr(above, '/'); cut != NULL && cut != above; cut = strrchr(above, '/')) {
		*cut = '\0';
		if (access(above, F_OK) == 0)
			break;
	}
	return may_write(above, ".") && (!tree->v2 || may_write(common, "cgroup.procs"));
}

static char *own_dir(const struct og_cgroup_tree *tree)
{
	return og_strdupf("%s%s", tree->mount_point, og_streq(tree->own, "/") ? "" : tree->own);
}

/* A group in @above, if it may be had. Returns 1 if so. */
static int choose(struct og_cgroup_tree *tree, const char *own, const char *above, const char *id)
{
	og_auto_free char *dir = og_strdupf("%s/onggi-%s", above, id);

	if (dir == NULL)
		return -ENOMEM;
	if (!og_starts_with(above, tree->mount_point) || !may_have(tree, own, dir))
		return 0;
	free(tree->dir);
	tree->dir = og_take_ptr(dir);
	return 1;
}

/* Beside our own group first: what is above it may hand controllers on, our own one cannot while
 * we are in it. Returns 1 if the tree is to be used. */
static int settle(struct og_cgroup_tree *tree, const char *own, const char *cgroups_path,
		  const char *id)
{
	og_auto_free char *above = strdup(own);
	int r;

	if (above == NULL)
		return -ENOMEM;
	if (cgroups_path != NULL && cgroups_path[0] != '\0')
		return may_have(tree, own, tree->dir);
	*strrchr(above, '/') = '\0';
	r = choose(tree, own, above, id);
	return r == 0 ? choose(tree, own, own, id) : r;
}

int og_rootless_cgroups(struct og_cgroup *cgroup, const char *cgroups_path, const char *id,
			struct og_cgroup **ret_denied, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *denied = calloc(1, sizeof(*denied));
	size_t kept = 0;
	int r = denied == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r >= 0 && i < cgroup->count; i++) {
		struct og_cgroup_tree tree = cgroup->trees[i];
		og_auto_free char *own = own_dir(&tree);

		r = own == NULL ? -ENOMEM : settle(&cgroup->trees[i], own, cgroups_path, id);
		tree = cgroup->trees[i];
		cgroup->trees[i] = (struct og_cgroup_tree){};
		if (r > 0) {
			cgroup->trees[kept++] = tree;
			continue;
		}
		if (r == 0) {
			free(tree.dir);
			tree.dir = og_take_ptr(own);
		}
		denied->trees[denied->count++] = tree;
	}
	if (r < 0)
		return og_fail(err, r, "find control groups");
	cgroup->count = kept;
	cgroup->lenient = true;
	*ret_denied = og_take_ptr(denied);
	return 0;
}

void og_rootless_note(const struct og_cgroup *denied, struct og_notes *notes)
{
	og_auto_text names = {};

	for (size_t i = 0; i < denied->count; i++)
		og_text_addf(&names, "%s%s", i > 0 ? ", " : "",
			     denied->trees[i].v2 ? "version 2" : denied->trees[i].controllers);
	if (names.len > 0 && !names.failed)
		og_note(notes,
			"no control group of %s is this user's to make: no limits there, no pause, "
			"and devices are guarded by their files' permissions alone",
			names.buf);
}
