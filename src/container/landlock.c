/* SPDX-License-Identifier: Apache-2.0 */
#include "container/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "format/landlock.h"

#define RULE_PATH 1 /* enum landlock_rule_type */
#define RULE_PORT 2

/* struct landlock_ruleset_attr as of ABI 6; what an older kernel does not know must be zero. */
struct ruleset {
	uint64_t files, ports, scope;
};

struct port_rule {
	uint64_t access, port;
};

#define FIRST_FILES ((1U << 13) - 1) /* of ABI 1: all but what is below */

/* From which version of Landlock on the kernel can restrict what. */
struct since {
	int abi;
	uint64_t files;
};

static const struct since sinces[] = {
	{ 1, FIRST_FILES },
	{ 2, OG_LANDLOCK_REFER },
	{ 3, OG_LANDLOCK_TRUNCATE },
	{ 5, OG_LANDLOCK_IOCTL_DEV },
};

#define ABI_OF_PORTS  4
#define ABI_OF_SCOPES 6

int og_landlock_version(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

static int check_abi(const struct og_landlock *landlock, struct og_err *err)
{
	int abi = og_landlock_version();

	if (abi < 0)
		return og_fail(
			err, -ENOTSUP,
			abi == -EOPNOTSUPP
				? "this kernel's Landlock was not enabled (lsm=) when it booted"
				: "this kernel has no Landlock");
	for (size_t i = 0; i < sizeof(sinces) / sizeof(sinces[0]); i++) {
		uint64_t lacking = landlock->restricted & sinces[i].files;

		if (lacking != 0 && abi < sinces[i].abi)
			return og_fail(
				err, -ENOTSUP,
				"this kernel's Landlock (version %d) cannot restrict '%s': list in \"restrict\" what it is to restrict",
				abi, og_landlock_word(lacking));
	}
	if (abi < ABI_OF_PORTS && (landlock->bind.items != NULL || landlock->connect.items != NULL))
		return og_fail(err, -ENOTSUP,
			       "this kernel's Landlock (version %d) knows no \"tcp\"", abi);
	if (abi < ABI_OF_SCOPES && landlock->scope != 0)
		return og_fail(err, -ENOTSUP,
			       "this kernel's Landlock (version %d) knows no \"scope\"", abi);
	return 0;
}

/* What a rule on a file may grant: the rest is about folders. */
#define OF_FILES                                                                \
	(OG_LANDLOCK_EXECUTE | OG_LANDLOCK_WRITE_FILE | OG_LANDLOCK_READ_FILE | \
	 OG_LANDLOCK_TRUNCATE | OG_LANDLOCK_IOCTL_DEV)

static int add_path(int ruleset_fd, int root_fd, const struct og_landlock_path *path,
		    struct og_err *err)
{
	og_auto_fd fd = og_open_in_root(root_fd, path->path, O_PATH, 0);
	struct landlock_path_beneath_attr rule = { .allowed_access = path->access };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return og_fail(err, fd < 0 ? fd : -errno, "'%s'", path->path);
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	if (rule.allowed_access == 0)
		return og_fail(err, -ENOTDIR, "'%s' is no folder, as this access needs",
			       path->path);
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH, &rule, 0) < 0)
		return og_fail(err, -errno, "'%s'", path->path);
	return 0;
}

static int add_paths(int ruleset_fd, const struct og_landlock *landlock, struct og_err *err)
{
	og_auto_fd root_fd = -EBADF;

	if (landlock->paths.count == 0)
		return 0;
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return og_fail(err, -errno, "open the root");
	for (size_t i = 0; i < landlock->paths.count; i++) {
		int r = add_path(ruleset_fd, root_fd, &landlock->paths.items[i], err);

		if (r < 0)
			return og_fail_in(err, r, "paths[%zu].path", i);
	}
	return 0;
}

static int add_ports(int ruleset_fd, const struct og_landlock_ports *ports, uint64_t access,
		     const char *name, struct og_err *err)
{
	for (size_t i = 0; i < ports->count; i++) {
		struct port_rule rule = { .access = access, .port = ports->items[i] };

		if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PORT, &rule, 0) < 0)
			return og_fail(err, -errno, "tcp.%s[%zu]", name, i);
	}
	return 0;
}

static int make_ruleset(const struct og_landlock *landlock, int *ret_fd, struct og_err *err)
{
	struct ruleset ruleset = { .files = landlock->restricted, .scope = landlock->scope };
	og_auto_fd fd = -EBADF;
	int r = check_abi(landlock, err);

	if (r < 0)
		return r;
	if (landlock->bind.items != NULL)
		ruleset.ports |= OG_LANDLOCK_BIND_TCP;
	if (landlock->connect.items != NULL)
		ruleset.ports |= OG_LANDLOCK_CONNECT_TCP;
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return og_fail(err, -errno, "make the rules");
	r = add_paths(fd, landlock, err);
	if (r == 0)
		r = add_ports(fd, &landlock->bind, OG_LANDLOCK_BIND_TCP, "bind", err);
	if (r == 0)
		r = add_ports(fd, &landlock->connect, OG_LANDLOCK_CONNECT_TCP, "connect", err);
	if (r == 0)
		*ret_fd = og_take_fd(&fd);
	return r;
}

int og_landlock_prepare(const struct og_oci_config *config, int *ret_fd, struct og_err *err)
{
	const char *text = og_oci_annotation(config, OG_LANDLOCK_ANNOTATION);
	og_cleanup(og_landlock_freep) struct og_landlock *landlock = NULL;
	int r;

	*ret_fd = -EBADF;
	if (text == NULL)
		return 0;
	r = og_landlock_parse(text, strlen(text), &landlock, err);
	if (r == 0)
		r = make_ruleset(landlock, ret_fd, err);
	return r < 0 ? og_fail_in(err, r, "annotations." OG_LANDLOCK_ANNOTATION) : 0;
}

int og_landlock_enforce(int fd, struct og_err *err)
{
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return og_fail(err, -errno, "annotations." OG_LANDLOCK_ANNOTATION);
	return 0;
}
