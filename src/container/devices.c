/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/mount_ops.h"
#include "container/mount_plan.h"

const struct og_default_device og_default_devices[6] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

struct link {
	const char *name, *target;
};

static const struct link links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

/* Whether the host's or another's /dev is mounted there: then it is theirs to fill. */
static bool dev_is_bound(const struct og_mount_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const char *destination = plan->steps[i].mount->destination;

		if (plan->steps[i].options.bind &&
		    (og_streq(destination, "/dev") || og_streq(destination, "/dev/")))
			return true;
	}
	return false;
}

struct node {
	const char *name;
	mode_t mode; /* with the type */
	dev_t device;
	uid_t uid;
	gid_t gid;
};

/* What is there already is taken only if it is that very device. */
static int check_node(int dir_fd, const struct node *node, struct og_err *err)
{
	struct stat st;

	if (fstatat(dir_fd, node->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return og_fail(err, -errno, "look at device '%s'", node->name);
	if (og_weak("A4"))
		return 0;
	if ((st.st_mode & S_IFMT) != (node->mode & S_IFMT) || st.st_rdev != node->device)
		return og_fail(err, -EEXIST, "'%s' is there and is not that device", node->name);
	return 0;
}

static int make_node(int dir_fd, const struct node *node, struct og_err *err)
{
	if (mknodat(dir_fd, node->name, node->mode, node->device) < 0)
		return errno == EEXIST ? check_node(dir_fd, node, err)
				       : og_fail(err, -errno, "make device '%s'", node->name);
	if ((node->uid != 0 || node->gid != 0) &&
	    fchownat(dir_fd, node->name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return og_fail(err, -errno, "own device '%s'", node->name);
	return 0;
}

/* Without mknod: the host's node over an empty file. */
static int bind_node(int dir_fd, const char *name, int tree_fd, struct og_err *err)
{
	int plain = og_weak("A5") ? 0 : O_NOFOLLOW;
	og_auto_fd file_fd =
		openat(dir_fd, name, O_RDONLY | O_CREAT | plain | O_NONBLOCK | O_CLOEXEC, 0666);
	og_auto_fd target_fd = openat(dir_fd, name, O_PATH | plain | O_CLOEXEC);
	struct stat st;

	(void)file_fd;
	if (target_fd < 0 || fstat(target_fd, &st) < 0)
		return og_fail(err, -errno, "make device '%s'", name);
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
		return og_fail(err, -EEXIST, "'/dev/%s' is there and is no file", name);
	return og_mount_attach(tree_fd, target_fd, err);
}

static int make_defaults(const struct og_mount_plan *plan, int dev_fd, struct og_err *err)
{
	for (size_t i = 0; i < 6; i++) {
		const struct og_default_device *device = &og_default_devices[i];
		struct node node = {
			.name = device->name,
			.mode = S_IFCHR | 0666,
			.device = makedev(device->major, device->minor),
		};
		int r = plan->device_fds[i] >= 0
				? bind_node(dev_fd, device->name, plan->device_fds[i], err)
				: make_node(dev_fd, &node, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0 && errno != EEXIST)
			return og_fail(err, -errno, "make link '/dev/%s'", links[i].name);
	}
	return 0;
}

static mode_t type_bits(int type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static struct node node_of(const struct og_oci_device *device)
{
	return (struct node){
		.mode = type_bits(device->type) |
			(device->file_mode.set ? (mode_t)device->file_mode.value & 07777 : 0666),
		.device = device->type == 'p'
				  ? 0
				  : makedev((unsigned)device->major, (unsigned)device->minor),
		.uid = (uid_t)device->uid.value,
		.gid = (gid_t)device->gid.value,
	};
}

/* The host's ID of one of the workload's; where the mapping is not known, the same. */
static uint64_t host_id(const struct og_oci_id_maps *maps, uint64_t id)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct og_oci_id_map *map = &maps->items[i];

		if (id >= map->container_id && id - map->container_id < map->size)
			return map->host_id + (id - map->container_id);
	}
	return id;
}

int og_devices_plan(struct og_mount_plan *plan, struct og_err *err)
{
	static const struct og_oci_strings no_words = {};
	struct og_mount_options options = { .words = &no_words };
	const struct og_oci_linux *lin = &plan->config->linux_;
	int r = 0;

	if (!plan->user_namespace || lin->devices.count == 0)
		return 0;
	plan->nodes_fd = og_mount_new("tmpfs", "devices", &options, err);
	if (plan->nodes_fd < 0)
		return plan->nodes_fd;
	for (size_t i = 0; r == 0 && i < lin->devices.count; i++) {
		struct node node = node_of(&lin->devices.items[i]);
		char name[24];

		(void)snprintf(name, sizeof(name), "%zu", i);
		node.name = name;
		node.uid = (uid_t)host_id(&lin->uid_mappings, node.uid);
		node.gid = (gid_t)host_id(&lin->gid_mappings, node.gid);
		r = make_node(plan->nodes_fd, &node, err);
		if (r == 0 && fchmodat(plan->nodes_fd, name, node.mode & 07777, 0) < 0)
			r = og_fail(err, -errno, "set its mode");
		if (r < 0)
			return og_fail_in(err, r, "linux.devices[%zu] '%s'", i,
					  lin->devices.items[i].path);
	}
	return r;
}

/* From where it was made. What is there already may be the same device, or a place for one. */
static int bind_device(int nodes_fd, size_t index, int dir_fd, const struct node *node,
		       struct og_err *err)
{
	og_auto_fd tree_fd = -EBADF;
	struct stat st;
	char name[24];

	if (fstatat(dir_fd, node->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !(S_ISREG(st.st_mode) && st.st_size == 0)) {
		int r = check_node(dir_fd, node, err);

		if (r < 0)
			return r;
	}
	(void)snprintf(name, sizeof(name), "%zu", index);
	tree_fd = open_tree(nodes_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree_fd < 0)
		return og_fail(err, -errno, "clone it");
	return bind_node(dir_fd, node->name, tree_fd, err);
}

/* One of linux.devices. The folders on the way must be plain: a link could lead into a volume. */
static int make_device(const struct og_mount_plan *plan, int root_fd, size_t index,
		       struct og_err *err)
{
	const struct og_oci_device *device = &plan->config->linux_.devices.items[index];
	og_auto_free char *parent = strdup(device->path);
	char *cut = parent != NULL ? strrchr(parent, '/') : NULL;
	og_auto_fd made_fd = -EBADF;
	og_auto_fd dir_fd = -EBADF;
	struct node node = node_of(device);
	int r;

	if (cut == NULL || cut[1] == '\0')
		return og_fail(err, -EINVAL, "is no path of a device");
	node.name = device->path + (cut - parent) + 1;
	*cut = '\0';
	r = og_mkdirs_in_root(root_fd, parent[0] != '\0' ? parent : "/", 0755, &made_fd, err);
	if (r < 0)
		return r;
	dir_fd = og_open_plain(root_fd, parent[0] != '\0' ? parent : "/", O_RDONLY | O_DIRECTORY);
	if (dir_fd < 0)
		return og_fail(err, dir_fd, "its folder must be an ordinary directory");
	if (dev_is_bound(plan) && og_starts_with(device->path, "/dev/"))
		return check_node(dir_fd, &node, err);
	if (plan->more_device_fds != NULL && plan->more_device_fds[index] >= 0)
		return bind_node(dir_fd, node.name, plan->more_device_fds[index], err);
	return plan->nodes_fd >= 0 && device->type != 'p'
		       ? bind_device(plan->nodes_fd, index, dir_fd, &node, err)
		       : make_node(dir_fd, &node, err);
}

static int make_devices(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->config->linux_.devices.count; i++) {
		const char *path = plan->config->linux_.devices.items[i].path;

		/* Docker and Podman list all of the host's devices for --privileged; this is the
		 * link to the workload's own terminals, whoever asks. */
		if (og_streq(path, "/dev/ptmx"))
			continue;
		r = make_device(plan, root_fd, i, err);
		if (r < 0)
			return og_fail_in(err, r, "linux.devices[%zu] '%s'", i, path);
	}
	return r;
}

int og_devices_make(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	og_until_exec dev_fd = -EBADF;
	int r;

	if (dev_is_bound(plan))
		return make_devices(plan, root_fd, err);
	dev_fd = og_open_plain(root_fd, "dev", O_RDONLY | O_DIRECTORY);
	if (dev_fd == -ENOENT && mkdirat(root_fd, "dev", 0755) == 0)
		dev_fd = og_open_plain(root_fd, "dev", O_RDONLY | O_DIRECTORY);
	if (og_weak("A7"))
		dev_fd = openat(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dev_fd < 0)
		return og_fail(err, dev_fd, "/dev must be an ordinary directory");
	r = make_defaults(plan, dev_fd, err);
	return r < 0 ? r : make_devices(plan, root_fd, err);
}

int og_mount_console(int root_fd, int slave_fd, struct og_err *err)
{
	og_auto_fd dev_fd = og_open_plain(root_fd, "dev", O_RDONLY | O_DIRECTORY);
	og_auto_fd tree_fd = og_mount_clone(slave_fd, false);

	if (dev_fd < 0)
		return og_fail(err, dev_fd, "/dev must be an ordinary directory");
	if (tree_fd < 0)
		return og_fail(err, tree_fd, "clone the terminal");
	return bind_node(dev_fd, "console", tree_fd, err);
}
