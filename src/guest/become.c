/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"

#define CAP_BITS     64
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	BOUNDING,
	EFFECTIVE,
	INHERITABLE,
	PERMITTED,
	AMBIENT
};

/* A file of the image that need not be there. */
static int read_table(int root_fd, const char *path, char **ret_text,
		      struct og_passwd_file *ret_file, struct og_err *err)
{
	og_auto_fd fd = og_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	size_t len;
	int r;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return og_fail(err, -EINVAL, "the image's %s is no file", path);
	r = og_read_all(fd, OG_PASSWD_FILE_MAX, ret_text, &len, err);
	if (r < 0)
		return og_fail_in(err, r, "read %s", path);
	*ret_file = (struct og_passwd_file){ *ret_text, len };
	return 0;
}

int og_become_user(const struct og_guest_start *start, struct og_user *ret_user, struct og_err *err)
{
	og_auto_fd root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	og_auto_free char *passwd_text = NULL;
	og_auto_free char *group_text = NULL;
	struct og_passwd_file passwd = {}, group = {};
	struct og_user user;
	char spec[32];
	int r;

	if (root_fd < 0)
		return og_fail(err, -errno, "open the root");
	r = read_table(root_fd, "/etc/passwd", &passwd_text, &passwd, err);
	if (r == 0)
		r = read_table(root_fd, "/etc/group", &group_text, &group, err);
	if (r < 0)
		return r;
	if (start->user != NULL)
		return og_user_resolve(start->user, passwd, group, ret_user, err);

	/* Numbers were decided by the caller; only the home folder is looked up. */
	(void)snprintf(spec, sizeof(spec), "%u", start->uid);
	if (og_user_resolve(spec, passwd, group, &user, NULL) < 0)
		(void)strcpy(user.home, "/");
	user.uid = start->uid;
	user.gid = start->gid;
	user.group_count = 0;
	*ret_user = user;
	return 0;
}

static int set_limits(const struct og_guest_start *start, struct og_err *err)
{
	for (size_t i = 0; i < start->rlimit_count; i++) {
		const struct og_guest_rlimit *limit = &start->rlimits[i];
		struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard };

		if (setrlimit((int)limit->resource, &value) < 0)
			return og_fail(err, -errno, "set limit %u", limit->resource);
	}
	return 0;
}

static int set_groups(const struct og_guest_start *start, const struct og_user *user,
		      struct og_err *err)
{
	gid_t groups[OG_PASSWD_GROUPS + NGROUPS_MAX / 256];
	size_t count = 0;

	if (user->group_count + start->group_count > sizeof(groups) / sizeof(groups[0]))
		return og_fail(err, -E2BIG, "too many groups");
	for (size_t i = 0; i < user->group_count; i++)
		groups[count++] = user->groups[i];
	for (size_t i = 0; i < start->group_count; i++)
		groups[count++] = start->groups[i];
	if (setgroups(count, groups) < 0)
		return og_fail(err, -errno, "set groups");
	return 0;
}

static int drop_bounding(uint64_t keep, struct og_err *err)
{
	for (unsigned long cap = 0; cap < CAP_BITS; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			return 0; /* the kernel's last */
		if (has == 1 && (keep >> cap & 1) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return og_fail(err, -errno, "drop capability %lu", cap);
	}
	return 0;
}

static int set_caps(const uint64_t caps[5], struct og_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned int i = 0; i < 2; i++) {
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(caps[EFFECTIVE] >> (32 * i)),
			.permitted = (uint32_t)(caps[PERMITTED] >> (32 * i)),
			.inheritable = (uint32_t)(caps[INHERITABLE] >> (32 * i)),
		};
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return og_fail(err, -errno, "set capabilities");
	for (unsigned long cap = 0; cap < CAP_BITS; cap++) {
		if ((caps[AMBIENT] >> cap & 1) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return og_fail(err, -errno, "raise capability %lu", cap);
	}
	return 0;
}

/* Bits the guest's kernel does not know are left out: asking for them would fail the whole. */
static void known_caps(const uint64_t wanted[5], uint64_t ret_caps[5])
{
	uint64_t known = 0;

	for (unsigned long cap = 0; cap < CAP_BITS; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0)
			known |= 1ULL << cap;
	}
	for (size_t i = 0; i < 5; i++)
		ret_caps[i] = wanted[i] & known;
}

static int change_user(const struct og_guest_start *start, const struct og_user *user,
		       struct og_err *err)
{
	uint64_t caps[5];
	int r;

	known_caps(start->caps, caps);
	r = drop_bounding(caps[BOUNDING], err);
	if (r == 0)
		r = set_groups(start, user, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return og_fail(err, -errno, "become user %u", user->uid);
	r = set_caps(caps, err);
	if (r == 0 && (start->flags & OG_GUEST_F_NO_NEW_PRIVS) != 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = og_fail(err, -errno, "refuse new privileges");
	return r;
}

/* Made while still root, and entered as the user, who may not be allowed to. */
static int make_cwd(const struct og_guest_start *start, struct og_err *err)
{
	og_auto_fd root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd cwd_fd = -EBADF;
	int r;

	if (start->cwd == NULL)
		return 0;
	if (start->cwd[0] != '/')
		return og_fail(err, -EINVAL, "working directory '%s' is not absolute", start->cwd);
	r = og_mkdirs_in_root(root_fd, start->cwd, 0755, &cwd_fd, err);
	if (r < 0)
		return og_fail_in(err, r, "working directory");
	if (fchdir(cwd_fd) < 0)
		return og_fail(err, -errno, "enter the working directory '%s'", start->cwd);
	return 0;
}

static const char *find_env(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env != NULL && *env != NULL; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

/* What the caller gave, and HOME where they did not. */
static char **make_env(const struct og_guest_start *start, const char *home)
{
	size_t count = 0;
	char **env;

	while (start->env != NULL && start->env[count] != NULL)
		count++;
	env = calloc(count + 2, sizeof(*env));
	for (size_t i = 0; env != NULL && i < count; i++)
		env[i] = strdup(start->env[i]);
	if (env != NULL && find_env(start->env, "HOME") == NULL)
		env[count] = og_strdupf("HOME=%s", home);
	return env;
}

/* As execvp(), but by the PATH of the new environment. */
static int execute(const struct og_guest_start *start, char *const *env, struct og_err *err)
{
	char *const *argv = (char *const *)(const void *)start->argv;
	const char *path = find_env(start->env, "PATH");
	int worst = -ENOENT;

	if (strchr(argv[0], '/') != NULL) {
		(void)execve(argv[0], argv, env);
		return og_fail(err, -errno, "exec '%s'", argv[0]);
	}
	for (const char *at = path != NULL ? path : DEFAULT_PATH; *argv[0] != '\0';) {
		size_t len = strcspn(at, ":");
		og_auto_free char *file =
			og_strdupf("%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? at : ".", argv[0]);

		if (file == NULL)
			return og_fail(err, -ENOMEM, "exec '%s'", argv[0]);
		(void)execve(file, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			worst = -errno;
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			break;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	if (worst == -ENOENT)
		return og_fail(err, worst, "exec '%s': executable file not found in $PATH",
			       argv[0]);
	return og_fail(err, worst, "exec '%s': %s", argv[0], strerror(-worst));
}

int og_become(const struct og_guest_start *start, const struct og_user *user, struct og_err *err)
{
	char **env = make_env(start, user->home);
	int r;

	if (env == NULL)
		return og_fail(err, -ENOMEM, "make the environment");
	r = set_limits(start, err);
	if (r == 0)
		r = make_cwd(start, err);
	if (r == 0)
		r = change_user(start, user, err);
	if (r < 0)
		return r;
	(void)umask(start->umask);
	return execute(start, env, err);
}
