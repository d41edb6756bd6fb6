/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "format/guest.h"

/* A device of the hypervisor is there at once; under software emulation "at once" may be seconds. */
#define DEVICE_TIMEOUT_MS 20000
#define ORDER_FILE_MAX	  4096U
#define PORTS		  "/sys/class/virtio-ports"
#define UEVENT_GROUP	  1 /* what the kernel itself says */

struct boot_mount {
	const char *type, *target, *options;
	unsigned long flags;
};

/* Where a mount is missing, what needs it says so later. */
static const struct boot_mount mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "mode=755", MS_NOSUID | MS_NOEXEC },
	{ "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "tmpfs", OG_BOOT_FILES, "mode=755", MS_NOSUID | MS_NODEV },
};

/* The initramfs is the one root that cannot be pivoted from, so a mount of itself covers it. */
static int cover_root(struct og_err *err)
{
	(void)mkdir("/cover", 0755);
	if (mount("/", "/cover", NULL, MS_BIND, NULL) < 0 || chdir("/cover") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return og_fail(err, -errno, "cover the initramfs");
	return 0;
}

int og_boot_mounts(struct og_err *err)
{
	int r = cover_root(err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		(void)mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0)
			return og_fail(err, -errno, "mount %s at %s", mounts[i].type,
				       mounts[i].target);
	}
	return 0;
}

static int load_module(int dir_fd, const char *name, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return og_fail(err, -errno, "open module %s", name);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "load module %s", name);
	(void)unlinkat(dir_fd, name, 0);
	return 0;
}

int og_boot_modules(struct og_err *err)
{
	og_auto_fd dir_fd = open("/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free char *order = NULL;
	int r;

	if (dir_fd < 0) /* a kernel that has everything built in */
		return errno == ENOENT ? 0 : og_fail(err, -errno, "open /modules");
	r = og_read_file(dir_fd, "order", ORDER_FILE_MAX, &order, NULL, err);
	if (r < 0)
		return r;
	for (char *rest = order, *name; (name = strsep(&rest, "\n")) != NULL;) {
		r = *name != '\0' ? load_module(dir_fd, name, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Looks with @find, and again whenever the kernel announces a device, until it returns no -ENOENT. */
static int wait_for(int (*find)(char *name, size_t size), char *name, size_t size)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
	og_auto_fd fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	for (;;) {
		char drop[4096];
		int r = find(name, size);

		if (r != -ENOENT)
			return r;
		if (poll(&poll_fd, 1, DEVICE_TIMEOUT_MS) == 0)
			return -ENOENT;
		while (recv(fd, drop, sizeof(drop), 0) > 0)
			;
	}
}

static bool file_is(int dir_fd, const char *path, const char *content)
{
	og_auto_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	ssize_t n = fd < 0 ? -1 : og_read_upto(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	if (text[n - 1] == '\n')
		text[n - 1] = '\0';
	return og_streq(text, content);
}

/* The first entry below @folder whose file @file holds @content. */
static int find_entry(const char *folder, const char *prefix, const char *file, const char *content,
		      char *name, size_t size)
{
	DIR *dir = opendir(folder);
	int r = -ENOENT;

	if (dir == NULL)
		return -ENOENT;
	for (struct dirent *entry; r != 0 && (entry = readdir(dir)) != NULL;) {
		char path[300];

		if (!og_starts_with(entry->d_name, prefix) || strlen(entry->d_name) >= size)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", entry->d_name, file);
		if (!file_is(dirfd(dir), path, content))
			continue;
		(void)strcpy(name, entry->d_name);
		r = 0;
	}
	(void)closedir(dir);
	return r;
}

static int find_port(char *name, size_t size)
{
	return find_entry(PORTS, "vport", "name", OG_GUEST_PORT, name, size);
}

/* Which disk is which is told by what can be written, whatever order the kernel saw them in. */
static int find_image(char *name, size_t size)
{
	return find_entry("/sys/block", "vd", "ro", "1", name, size);
}

static int find_scratch(char *name, size_t size)
{
	return find_entry("/sys/block", "vd", "ro", "0", name, size);
}

int og_boot_port(struct og_err *err)
{
	char name[32], path[48];
	int r = wait_for(find_port, name, sizeof(name));
	int fd;

	if (r < 0)
		return og_fail(err, r, "the hypervisor gives no port named " OG_GUEST_PORT);
	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 ? fd : og_fail(err, -errno, "open %s", path);
}

static int mount_scratch(struct og_err *err)
{
	char name[32], path[48];

	(void)mkdir("/scratch", 0755);
	if (find_scratch(name, sizeof(name)) < 0) {
		if (mount("tmpfs", "/scratch", "tmpfs", 0, "mode=755") < 0)
			return og_fail(err, -errno, "mount the writable layer in memory");
	} else {
		(void)snprintf(path, sizeof(path), "/dev/%s", name);
		if (mount(path, "/scratch", "ext4", MS_NOATIME, NULL) < 0)
			return og_fail(err, -errno, "mount the writable layer %s (ext4)", path);
	}
	if ((mkdir("/scratch/upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdir("/scratch/work", 0755) < 0 && errno != EEXIST))
		return og_fail(err, -errno, "prepare the writable layer");
	return 0;
}

int og_boot_root(struct og_err *err)
{
	char name[32], path[48];
	int r = wait_for(find_image, name, sizeof(name));

	if (r < 0)
		return og_fail(err, r, "the hypervisor gives no read-only disk");
	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	(void)mkdir("/image", 0755);
	(void)mkdir(OG_BOOT_ROOT, 0755);
	if (mount(path, "/image", "erofs", MS_RDONLY, NULL) < 0)
		return og_fail(err, -errno, "mount the image %s (EROFS)", path);
	r = mount_scratch(err);
	if (r < 0)
		return r;
	if (mount("overlay", OG_BOOT_ROOT, "overlay", 0,
		  "lowerdir=/image,upperdir=/scratch/upper,workdir=/scratch/work") < 0)
		return og_fail(err, -errno, "join the image and its writable layer");
	return 0;
}

int og_boot_loopback(struct og_err *err)
{
	og_auto_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return og_fail(err, -errno, "bring lo up");
	return 0;
}

void og_boot_off(void)
{
	(void)umount2(OG_BOOT_ROOT, MNT_DETACH);
	(void)umount2("/scratch", MNT_DETACH);
	sync();
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}
