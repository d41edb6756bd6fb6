/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

/* linux.devices. The folders on the way must be plain: a link could lead into a volume. */
static int make_device(int root_fd, const struct og_oci_device *device, int tree_fd,
		       struct og_err *err)
{
	og_auto_free char *parent = strdup(device->path);
	char *cut = parent != NULL ? strrchr(parent, '/') : NULL;
	og_auto_fd made_fd = -EBADF;
	og_auto_fd dir_fd = -EBADF;
	struct node node = {
		.mode = type_bits(device->type) |
			(device->file_mode.set ? (mode_t)device->file_mode.value & 07777 : 0666),
		.device = device->type == 'p'
				  ? 0
				  : makedev((unsigned)device->major, (unsigned)device->minor),
		.uid = (uid_t)device->uid.value,
		.gid = (gid_t)device->gid.value,
	};
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
	return tree_fd >= 0 ? bind_node(dir_fd, node.name, tree_fd, err)
			    : make_node(dir_fd, &node, err);
}

int og_devices_make(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	og_auto_fd dev_fd = -EBADF;
	int r;

	if (dev_is_bound(plan))
		return 0;
	dev_fd = og_open_plain(root_fd, "dev", O_RDONLY | O_DIRECTORY);
	if (dev_fd == -ENOENT && mkdirat(root_fd, "dev", 0755) == 0)
		dev_fd = og_open_plain(root_fd, "dev", O_RDONLY | O_DIRECTORY);
	if (og_weak("A7"))
		dev_fd = openat(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dev_fd < 0)
		return og_fail(err, dev_fd, "/dev must be an ordinary directory");
	r = make_defaults(plan, dev_fd, err);
	for (size_t i = 0; r == 0 && i < plan->config->linux_.devices.count; i++) {
		const struct og_oci_device *device = &plan->config->linux_.devices.items[i];

		r = make_device(root_fd, device,
				plan->more_device_fds != NULL ? plan->more_device_fds[i] : -EBADF,
				err);
		if (r < 0)
			return og_fail_in(err, r, "linux.devices[%zu] '%s'", i, device->path);
	}
	return r;
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
