/* SPDX-License-Identifier: Apache-2.0 */
#include "container/label.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"

#define PROC_ROOT_INODE 1 /* the inode of the top of every procfs */

static bool asked(const char *label)
{
	return label != NULL && label[0] != '\0';
}

static bool has_apparmor(void)
{
	og_auto_free char *word = NULL;

	return og_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &word, NULL,
			    NULL) == 0 &&
	       word[0] == 'Y';
}

/* Without a policy, which is loaded by way of this file system, it decides nothing. */
static bool has_selinux(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

/* Engines say so for what is privileged; where there is no AppArmor, everything is. */
static bool is_unconfined(const char *profile)
{
	return og_streq(profile, "unconfined");
}

int og_label_check(const struct og_oci_process *process, const struct og_oci_linux *lin,
		   struct og_err *err)
{
	const char *profile = process->apparmor_profile;

	if (asked(profile) && !is_unconfined(profile) && !has_apparmor())
		return og_fail(
			err, -ENOTSUP,
			"process.apparmorProfile '%.100s': AppArmor is not enabled on this host",
			profile);
	if (asked(process->selinux_label) && !has_selinux())
		return og_fail(err, -ENOTSUP,
			       "process.selinuxLabel '%.100s': SELinux is not enabled on this host",
			       process->selinux_label);
	if (asked(lin->mount_label) && !has_selinux())
		return og_fail(err, -ENOTSUP,
			       "linux.mountLabel '%.100s': SELinux is not enabled on this host",
			       lin->mount_label);
	return 0;
}

/* Seen by nobody else. In a user namespace that sees none of procfs whole, it may not be made. */
static int new_proc(void)
{
	og_auto_fd fs_fd = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The top of a procfs; what is below it may be covered. */
static int open_proc(struct og_err *err)
{
	og_auto_fd fd = og_weak("A6") ? -EPERM : new_proc();
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return og_fail(err, -errno, "open a procfs");
	if (!og_weak("A6") && (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE))
		return og_fail(err, -EPERM, "/proc is no procfs");
	return og_take_fd(&fd);
}

static int open_attribute(int proc_fd, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/attr/%s", (int)getpid(), name);
	return og_open_same_mount(proc_fd, path, O_WRONLY);
}

/* One write is one command. */
static int tell(int fd, const char *command, const char *label)
{
	og_auto_free char *text = og_strdupf("%s%s", command, label);
	ssize_t n = text == NULL ? -1 : write(fd, text, strlen(text));

	return n < 0 ? -errno : 0;
}

static int fail_profile(const char *profile, int code, struct og_err *err)
{
	return og_fail(err, code, "process.apparmorProfile '%.100s'%s", profile,
		       code == -ENOENT ? " is not loaded: apparmor_parser(8)" : "");
}

static int open_apparmor(int proc_fd, const char *profile, int *ret_fd, struct og_err *err)
{
	og_auto_fd current_fd = open_attribute(proc_fd, "apparmor/current");
	og_auto_fd exec_fd = open_attribute(proc_fd, "apparmor/exec");
	int r = current_fd < 0 ? current_fd : exec_fd < 0 ? exec_fd : 0;

	if (r == 0) /* changes nothing: would it be allowed? */
		r = tell(current_fd, "permprofile ", profile);
	if ((r == -ENOENT || r == -EINVAL) && is_unconfined(profile))
		return 0;
	if (r < 0)
		return fail_profile(profile, r, err);
	*ret_fd = og_take_fd(&exec_fd);
	return 0;
}

int og_label_open(const struct og_oci_process *process, struct og_labels *ret_labels,
		  struct og_err *err)
{
	const char *profile = process->apparmor_profile;
	og_auto_fd proc_fd = -EBADF;

	*ret_labels = (struct og_labels){ -EBADF, -EBADF };
	if (!asked(profile) && !asked(process->selinux_label))
		return 0;
	proc_fd = open_proc(err);
	if (proc_fd < 0)
		return proc_fd;
	if (asked(process->selinux_label)) {
		ret_labels->selinux_fd = open_attribute(proc_fd, "exec");
		if (ret_labels->selinux_fd < 0)
			return og_fail(err, ret_labels->selinux_fd,
				       "process.selinuxLabel: open procfs' attr/exec");
	}
	return asked(profile) ? open_apparmor(proc_fd, profile, &ret_labels->apparmor_fd, err) : 0;
}

int og_label_apply(const struct og_oci_process *process, const struct og_labels *labels,
		   struct og_err *err)
{
	int r = 0;

	if (labels->apparmor_fd >= 0) {
		r = tell(labels->apparmor_fd, "exec ", process->apparmor_profile);
		if (r < 0)
			return fail_profile(process->apparmor_profile, r, err);
	}
	if (labels->selinux_fd >= 0)
		r = tell(labels->selinux_fd, "", process->selinux_label);
	return r < 0 ? og_fail(err, r, "process.selinuxLabel '%.100s'", process->selinux_label) : 0;
}
