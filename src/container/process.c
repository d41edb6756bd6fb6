/* SPDX-License-Identifier: Apache-2.0 */
#include "container/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/caps.h"
#include "container/landlock.h"
#include "container/schedule.h"
#include "format/oci_names.h"

/* Where programs are looked for when the environment does not say. */
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PASSWD_MAX   (1U << 20) /* of the image; larger ones only cost HOME */

/*
 * A small number of descriptors is for the program, not for what we still have to open: that
 * limit is set @last, when lowering it takes no right. Only raising it has to be done before.
 */
static bool is_now(int number, const struct og_oci_rlimit *limit, bool last)
{
	struct rlimit ours = {};

	if (number != RLIMIT_NOFILE || last)
		return (number == RLIMIT_NOFILE) == last;
	return getrlimit(RLIMIT_NOFILE, &ours) == 0 && limit->hard > ours.rlim_max;
}

static int set_rlimits(const struct og_oci_process *process, bool last, struct og_err *err)
{
	if (og_weak("A25"))
		return 0;
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct og_oci_rlimit *limit = &process->rlimits.items[i];
		struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard };
		int number = og_rlimit_number(limit->type);

		if (!is_now(number, limit, last))
			continue;
		if (number == RLIMIT_NOFILE && !last)
			value.rlim_cur = value.rlim_max;
		if (setrlimit((__rlimit_resource_t)number, &value) < 0)
			return og_fail(
				err, -errno,
				"process.rlimits[%zu] %s to %llu (above our own hard limit it needs CAP_SYS_RESOURCE)",
				i, limit->type, (unsigned long long)limit->hard);
	}
	return 0;
}

/*
 * A working directory that lies outside of the root (/proc/self/fd/N of a leaked descriptor)
 * has no path that begins with a slash.
 */
static int check_cwd(const char *cwd, struct og_err *err)
{
	char path[PATH_MAX];
	long len = syscall(SYS_getcwd, path, sizeof(path));

	if (!og_weak("A2") && (len < 0 || path[0] != '/'))
		return og_fail(err, -EPERM, "process.cwd '%s' is outside of the root", cwd);
	return 0;
}

/* Links are followed, but none of procfs to a descriptor or another's root. */
static int go_to(const char *cwd, bool make)
{
	og_until_exec root_fd = -EBADF;
	og_until_exec cwd_fd = -EBADF;

	if (og_weak("A2") || og_streq(cwd, "/"))
		return chdir(cwd) < 0 ? -errno : 0;
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cwd_fd = og_open_in_root(root_fd, cwd, O_PATH | O_DIRECTORY, 0);
	if (cwd_fd == -ENOENT && make) {
		int r = og_mkdirs_in_root(root_fd, cwd, 0755, &cwd_fd, NULL);

		if (r < 0)
			return r;
	}
	if (cwd_fd < 0)
		return cwd_fd;
	return fchdir(cwd_fd) < 0 ? -errno : 0;
}

/* Returns -EACCES for a second try as the process's own user. */
static int enter_cwd(const struct og_process_setup *setup, struct og_err *err)
{
	const char *cwd = setup->process->cwd;
	int r = go_to(cwd, setup->make_cwd);

	if (r == 0 && og_streq(cwd, "/")) /* which is inside, whatever the root is */
		return 0;
	return r < 0 ? og_fail(err, r, "process.cwd '%s'", cwd) : check_cwd(cwd, err);
}

static int set_groups(const struct og_process_setup *setup, struct og_err *err)
{
	const struct og_oci_ids *ids = &setup->process->user.additional_gids;
	og_auto_free gid_t *groups = calloc(ids->count + 1, sizeof(*groups));

	if (groups == NULL)
		return og_fail(err, -ENOMEM, "process.user.additionalGids");
	for (size_t i = 0; i < ids->count; i++)
		groups[i] = (gid_t)ids->items[i];
	/* Where setgroups is denied (rootless), having no others to set is no failure. */
	if (syscall(SYS_setgroups, ids->count, groups) < 0 &&
	    !(errno == EPERM && ids->count == 0 && setup->user_namespace))
		return og_fail(err, -errno, "process.user.additionalGids");
	return 0;
}

static int set_user(const struct og_process_setup *setup, struct og_err *err)
{
	const struct og_oci_user *user = &setup->process->user;
	gid_t gid = (gid_t)user->gid;
	uid_t uid = (uid_t)user->uid;
	int r = set_groups(setup, err);

	if (r < 0)
		return r;
	/* There is one thread, so the library need not ask others to do the same. */
	if ((uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) ||
	    syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
		return og_fail(err, -errno, "process.user %u:%u", uid, gid);
	/* Changing the user may have made us visible to debuggers again. */
	if ((uid != 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) ||
	    prctl(PR_SET_DUMPABLE, og_weak("A17"), 0, 0, 0) < 0)
		return og_fail(err, -errno, "process.user %u:%u", uid, gid);
	if (user->umask.set)
		(void)umask((mode_t)user->umask.value);
	else
		(void)umask(022);
	return 0;
}

static const char *get_env(const struct og_oci_strings *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = env->count; i > 0; i--) {
		const char *entry = env->items[i - 1];

		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry + len + 1;
	}
	return NULL;
}

/* The image's: it may be anything, also a pipe that nobody ever writes to. */
static int read_passwd(char **ret_text)
{
	int wait = og_weak("A25-pipe") ? 0 : O_NONBLOCK;
	og_auto_fd fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NOCTTY | wait);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	return og_read_all(fd, PASSWD_MAX, ret_text, NULL, NULL);
}

/* "name:x:uid:gid:text:HOME:shell" of @uid. New memory, "/" where there is none. */
static char *home_of(uint64_t uid)
{
	og_auto_free char *passwd = NULL;
	char *rest;

	if (read_passwd(&passwd) < 0)
		return strdup("/");
	rest = passwd;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *fields[6] = {};
		uint64_t number;

		for (size_t i = 0; i < 6 && line != NULL; i++)
			fields[i] = strsep(&line, ":");
		if (fields[5] != NULL && fields[5][0] == '/' &&
		    og_parse_u64(fields[2], 0, UINT32_MAX, &number) == 0 && number == uid)
			return strdup(fields[5]);
	}
	return strdup("/");
}

static int make_env(const struct og_oci_process *process, struct og_program *program,
		    struct og_err *err)
{
	size_t count = process->env.count;

	program->env = calloc(count + 2, sizeof(char *));
	if (program->env == NULL)
		return og_fail(err, -ENOMEM, "process.env");
	if (count > 0)
		memcpy(program->env, process->env.items, count * sizeof(char *));
	if (get_env(&process->env, "HOME") == NULL) {
		og_auto_free char *home = home_of(process->user.uid);

		program->home = home != NULL ? og_strdupf("HOME=%s", home) : NULL;
		if (program->home == NULL)
			return og_fail(err, -ENOMEM, "process.env");
		program->env[count] = program->home;
	}
	return 0;
}

static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* As execvp() does, but by the workload's own PATH, and before it is started. */
static int find_program(const struct og_oci_process *process, char **ret_path, struct og_err *err)
{
	const char *name = process->args.items[0];
	const char *list = get_env(&process->env, "PATH");
	og_auto_free char *copy = strdup(list != NULL ? list : PATH_DEFAULT);
	char *rest = copy;
	bool denied = false;

	if (strchr(name, '/') != NULL || name[0] == '\0') {
		int r = executable(name);

		*ret_path = strdup(name);
		return r < 0 ? og_fail_plain(err, r, "exec: \"%s\": %s", name,
					     r == -EACCES ? "permission denied"
							  : "no such file or directory")
			     : 0;
	}
	for (char *dir; copy != NULL && (dir = strsep(&rest, ":")) != NULL;) {
		og_auto_free char *path = og_strdupf("%s/%s", dir[0] != '\0' ? dir : ".", name);
		int r = path == NULL ? -ENOMEM : executable(path);

		if (r == 0) {
			*ret_path = og_take_ptr(path);
			return 0;
		}
		denied = denied || r == -EACCES;
	}
	return denied ? og_fail_plain(err, -EACCES, "exec: \"%s\": permission denied", name)
		      : og_fail_plain(err, -ENOENT,
				      "exec: \"%s\": executable file not found in $PATH", name);
}

/* Without no_new_privs, a filter or Landlock takes CAP_SYS_ADMIN; execve() takes that away. */
static uint64_t needed_until_exec(const struct og_process_setup *setup, int landlock_fd)
{
	if ((setup->seccomp == NULL && landlock_fd < 0) || setup->process->no_new_privileges)
		return 0;
	return UINT64_C(1) << CAP_SYS_ADMIN;
}

int og_process_become(const struct og_process_setup *setup, struct og_program *ret_program,
		      struct og_err *err)
{
	const struct og_oci_process *process = setup->process;
	struct og_caps caps;
	int cwd;
	int r;

	r = og_caps_read(&process->capabilities, &caps, err);
	if (r == 0)
		r = og_caps_bound(caps.bounding, err);
	if (r == 0)
		r = og_label_open(process, &ret_program->labels, err);
	if (r == 0)
		r = og_landlock_prepare(setup->config, &ret_program->landlock_fd, err);
	if (r == 0)
		r = set_rlimits(process, false, err);
	if (r == 0)
		r = og_schedule_apply(process, &setup->config->linux_, err);
	if (r < 0)
		return r;
	cwd = enter_cwd(setup, err);
	if (cwd < 0 && cwd != -EACCES)
		return cwd;
	r = set_user(setup, err);
	if (r == 0 && cwd == -EACCES)
		r = enter_cwd(setup, err);
	if (r == 0)
		r = make_env(process, ret_program, err);
	if (r == 0)
		r = og_caps_apply(&caps, needed_until_exec(setup, ret_program->landlock_fd), err);
	if (r == 0 && process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = og_fail(err, -errno, "process.noNewPrivileges");
	if (r == 0)
		r = find_program(process, &ret_program->path, err);
	if (r == 0)
		r = set_rlimits(process, true, err);
	if (r == 0 && !og_weak("A2-inherited") &&
	    close_range(3 + setup->preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		r = og_fail(err, -errno, "close descriptors");
	return r;
}

int og_process_exec(const struct og_process_setup *setup, const struct og_program *program,
		    struct og_err *err)
{
	int r = og_label_apply(setup->process, &program->labels, err);

	if (r == 0 && program->landlock_fd >= 0)
		r = og_landlock_enforce(program->landlock_fd, err);
	if (r == 0 && setup->seccomp != NULL && !og_weak("A23"))
		r = og_seccomp_install(setup->seccomp, err);
	if (r < 0)
		return r;
	(void)execve(program->path, (char *const *)(uintptr_t)setup->process->args.items,
		     (char *const *)(uintptr_t)program->env);
	return og_fail(err, -errno, "exec: \"%s\"", program->path);
}
