/* SPDX-License-Identifier: Apache-2.0 */
/* In a user namespace: what cannot be made or mounted there, but can be had from the host. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/text.h"
#include "container/mount_ops.h"
#include "container/mount_plan.h"
#include "runtime/notes.h"

int og_device_of_host(const struct og_oci_device *device, int *ret_fd, struct og_err *err)
{
	mode_t type = device->type == 'b' ? S_IFBLK : S_IFCHR;
	dev_t number = makedev((unsigned)device->major, (unsigned)device->minor);
	og_auto_fd fd = -EBADF;
	struct stat st;
	int tree_fd;

	if (device->type == 'p')
		return 0;
	fd = open(device->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type || st.st_rdev != number)
		return og_fail(err, -ENODEV,
			       "'%s': a user namespace can have only what the host has there, and "
			       "that is not device %u:%u",
			       device->path, (unsigned)device->major, (unsigned)device->minor);
	tree_fd = og_mount_clone(fd, false);
	if (tree_fd < 0)
		return og_fail(err, tree_fd, "clone '%s'", device->path);
	*ret_fd = tree_fd;
	return 0;
}

struct view {
	const char *type, *path;
	enum og_oci_namespace_type namespace;
};

/* File systems that show a namespace, and where the host has its own. */
static const struct view views[] = {
	{ "sysfs", "/sys", OG_OCI_NS_NETWORK },
	{ "proc", "/proc", OG_OCI_NS_PID },
	{ "mqueue", "/dev/mqueue", OG_OCI_NS_IPC },
};

static const struct view *view_of(const struct og_mount_plan *plan,
				  const struct og_mount_step *step)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		const struct og_oci_namespace *namespace;

		if (!og_streq(views[i].type, step->mount->type))
			continue;
		namespace = og_oci_namespace(plan->config, views[i].namespace);
		return namespace == NULL || namespace->path != NULL ? &views[i] : NULL;
	}
	return NULL;
}

int og_mount_of_host(const struct og_mount_plan *plan, const struct og_mount_step *step,
		     struct og_err *err)
{
	const struct view *view = view_of(plan, step);
	og_auto_fd fd = -EBADF;
	int r;

	if (view == NULL)
		return -ENOENT;
	/* With all below: one part of what was mounted by others may not be uncovered. */
	fd = open_tree(AT_FDCWD, view->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return -ENOENT;
	r = og_mount_set(fd, step->options.attr_set | step->options.tree_attr_set, 0, MS_PRIVATE,
			 true);
	if (r < 0)
		return og_fail(err, r, "set the attributes of the host's %s", view->path);
	og_note(plan->notes,
		"mounts[%zu] '%s': the host's %s, since it shares the host's namespace",
		step->index, step->mount->destination, view->path);
	return og_take_fd(&fd);
}

static bool is_mapped(const struct og_oci_id_maps *maps, uint64_t id)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct og_oci_id_map *map = &maps->items[i];

		if (id >= map->container_id && id - map->container_id < map->size)
			return true;
	}
	return maps->count == 0; /* a namespace that others made */
}

void og_mount_leave_out_gid(const struct og_mount_plan *plan, struct og_mount_step *step)
{
	const struct og_oci_strings *words = &step->mount->options;
	uint64_t gid;

	if (!plan->user_namespace || !og_streq(step->mount->type, "devpts"))
		return;
	for (size_t i = 0; i < words->count; i++) {
		if (!og_starts_with(words->items[i], "gid=") ||
		    og_parse_u64(words->items[i] + 4, 0, UINT32_MAX, &gid) < 0 ||
		    is_mapped(&plan->config->linux_.gid_mappings, gid))
			continue;
		step->options.own_words |= UINT64_C(1) << i;
		og_note(plan->notes,
			"mounts[%zu] '%s': option %s left out: that group is not mapped",
			step->index, step->mount->destination, words->items[i]);
	}
}
