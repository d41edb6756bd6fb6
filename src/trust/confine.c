/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static int drop_capabilities(bool read_any, struct og_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2] = {}, data[2] = {};
	uint32_t keep = read_any ? 1U << CAP_DAC_READ_SEARCH : 0;

	if (syscall(SYS_capget, &header, now) < 0)
		return og_fail(err, -errno, "capabilities");
	/* Not of a bit that this process has not: then the bounding set cannot be changed either. */
	for (int capability = 0; capability <= 63; capability++)
		if (!(read_any && capability == CAP_DAC_READ_SEARCH))
			(void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].permitted = now[0].permitted & keep;
	data[0].effective = data[0].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return og_fail(err, -errno, "drop capabilities");
	return 0;
}

/* All rights of the kernel's version of Landlock. 0: it has none. */
static uint64_t all_rights(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return 0;
	/* 1: execute to make_sym, 2: refer, 3: truncate, 5: ioctl. */
	return version >= 5   ? (1U << 16) - 1
	       : version >= 3 ? (1U << 15) - 1
	       : version == 2 ? (1U << 14) - 1
			      : (1U << 13) - 1;
}

static int allow(int ruleset_fd, int folder_fd, uint64_t rights, struct og_err *err)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights,
						   .parent_fd = folder_fd };

	if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return og_fail(err, -errno, "Landlock");
	return 0;
}

static int allow_temporary(int ruleset_fd, struct og_err *err)
{
	const char *name = getenv("TMPDIR");
	const char *const places[] = { name != NULL ? name : "/var/tmp", "/var/tmp", "/tmp" };
	uint64_t rights = READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 3; i++) {
		og_auto_fd fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			r = allow(ruleset_fd, fd, rights, err);
	}
	return r;
}

static int close_file_system(const struct og_confine *confine, struct og_err *err)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = all_rights() };
	og_auto_fd fd = -EBADF;
	int r = 0;

	if (attr.handled_access_fs == 0)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (fd < 0)
		return og_fail(err, -errno, "Landlock");
	if (confine->folder_fd >= 0)
		r = allow(fd, confine->folder_fd, READING, err);
	if (r == 0 && confine->temporary)
		r = allow_temporary(fd, err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		r = og_fail(err, -errno, "Landlock");
	return r;
}

int og_confine(const struct og_confine *confine, struct og_err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "no new privileges");
	r = close_file_system(confine, err);
	return r < 0 ? r : drop_capabilities(confine->read_any, err);
}
