/* SPDX-License-Identifier: Apache-2.0 */
#include "container/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "container/seccomp_listener.h"
#include "format/seccomp_filter.h"
#include "format/seccomp_names.h"

#define SAVED_NAME "seccomp.bpf"

struct og_seccomp {
	unsigned int flags;
	int listener_fd;      /* the socket of who will be told; -EBADF: nobody */
	const char *metadata; /* for it; of the configuration */
	char *message;	      /* owned */
	unsigned short len;
	struct sock_filter code[OG_SECCOMP_FILTER_MAX];
};

/* Those that any kernel with filters has need no look. */
static bool has_action(uint32_t action)
{
	switch (action) {
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_ALLOW:
		return true;
	default:
		return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
	}
}

/* What it is named is found out when the profile is compiled. */
static int check_action(const char *name, bool *notifies)
{
	const struct og_seccomp_name *found = og_seccomp_find(og_seccomp_actions, name);

	if (found == NULL)
		return 0;
	*notifies = *notifies || found->value == SECCOMP_RET_USER_NOTIF;
	return has_action(found->value) ? 0 : -ENOTSUP;
}

static int check_actions(const struct og_oci_seccomp *config, bool *notifies, struct og_err *err)
{
	int r = check_action(config->default_action, notifies);

	if (r < 0)
		return og_fail(err, r, "defaultAction: this kernel has no %s",
			       config->default_action);
	for (size_t i = 0; i < config->syscalls.count; i++) {
		const char *name = config->syscalls.items[i].action;

		r = check_action(name, notifies);
		if (r < 0)
			return og_fail(err, r, "syscalls[%zu].action: this kernel has no %s", i,
				       name);
	}
	return 0;
}

/* With flags that it knows, the kernel goes on to find that there is no program. */
static bool has_flag(uint32_t flag)
{
	if (flag == SECCOMP_FILTER_FLAG_TSYNC)
		return true;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) == 0 || errno == EFAULT;
}

static int read_flags(const struct og_oci_seccomp *config, bool notifies,
		      struct og_seccomp *seccomp, struct og_err *err)
{
	for (size_t i = 0; i < config->flags.count; i++) {
		const char *name = config->flags.items[i];
		const struct og_seccomp_name *flag = og_seccomp_find(og_seccomp_flags, name);
		uint32_t with = 0;

		if (flag == NULL)
			return og_fail(err, -EINVAL, "flags[%zu] is '%.40s'", i, name);
		if (flag->value == OG_SECCOMP_WAIT_KILLABLE) {
			if (!notifies)
				return og_fail(err, -EINVAL, "flags[%zu]: %s needs SCMP_ACT_NOTIFY",
					       i, name);
			with = SECCOMP_FILTER_FLAG_NEW_LISTENER;
		}
		if (!has_flag(flag->value | with))
			return og_fail(err, -ENOTSUP, "flags[%zu]: this kernel has no %s", i, name);
		if (flag->value != SECCOMP_FILTER_FLAG_TSYNC) /* there is one thread */
			seccomp->flags |= flag->value;
	}
	return 0;
}

static int open_listener(const struct og_oci_seccomp *config, bool notifies,
			 struct og_seccomp *seccomp, struct og_err *err)
{
	if (config->listener_metadata != NULL && config->listener_path == NULL)
		return og_fail(err, -EINVAL, "listenerMetadata is of no use without listenerPath");
	if (!notifies)
		return 0;
	if (config->listener_path == NULL)
		return og_fail(err, -EINVAL, "SCMP_ACT_NOTIFY needs listenerPath");
	seccomp->metadata = config->listener_metadata;
	seccomp->listener_fd = og_listener_connect(config->listener_path, err);
	return seccomp->listener_fd < 0 ? seccomp->listener_fd : 0;
}

static int compile(const struct og_oci_seccomp *config, struct og_seccomp *seccomp,
		   struct og_err *err)
{
	size_t len;
	int r = og_seccomp_compile(config, seccomp->code, &len, err);

	if (r == 0)
		seccomp->len = (unsigned short)len;
	return r;
}

/* Whether the saved program could be had. */
static bool read_saved(int dir_fd, struct og_seccomp *seccomp)
{
	og_auto_fd fd = openat(dir_fd, SAVED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t bytes = fd < 0 ? -1 : og_read_upto(fd, seccomp->code, sizeof(seccomp->code));

	if (bytes <= 0 || (size_t)bytes % sizeof(seccomp->code[0]) != 0)
		return false;
	seccomp->len = (unsigned short)((size_t)bytes / sizeof(seccomp->code[0]));
	return og_seccomp_filter_ok(seccomp->code, seccomp->len);
}

static int build(const struct og_oci_seccomp *config, int dir_fd, struct og_seccomp *seccomp,
		 struct og_err *err)
{
	bool notifies = false;
	int r = check_actions(config, &notifies, err);

	if (r == 0)
		r = read_flags(config, notifies, seccomp, err);
	if (r == 0 && (dir_fd < 0 || !read_saved(dir_fd, seccomp)))
		r = compile(config, seccomp, err);
	return r < 0 ? r : open_listener(config, notifies, seccomp, err);
}

int og_seccomp_load(const struct og_oci_seccomp *config, int dir_fd,
		    struct og_seccomp **ret_seccomp, struct og_err *err)
{
	og_cleanup(og_seccomp_freep) struct og_seccomp *seccomp = calloc(1, sizeof(*seccomp));
	int r;

	if (seccomp == NULL)
		return og_fail(err, -ENOMEM, "linux.seccomp");
	seccomp->listener_fd = -EBADF;
	r = build(config, dir_fd, seccomp, err);
	if (r < 0)
		return og_fail_in(err, r, "linux.seccomp");
	*ret_seccomp = og_take_ptr(seccomp);
	return 0;
}

int og_seccomp_new(const struct og_oci_seccomp *config, struct og_seccomp **ret_seccomp,
		   struct og_err *err)
{
	return og_seccomp_load(config, -EBADF, ret_seccomp, err);
}

int og_seccomp_save(const struct og_seccomp *seccomp, int dir_fd, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, SAVED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno
		       : og_write_all(fd, seccomp->code, seccomp->len * sizeof(seccomp->code[0]));

	return r < 0 ? og_fail(err, r, "keep the compiled filter") : 0;
}

struct og_seccomp *og_seccomp_free(struct og_seccomp *seccomp)
{
	if (seccomp == NULL)
		return NULL;
	og_close(seccomp->listener_fd);
	free(seccomp->message);
	free(seccomp);
	return NULL;
}

int og_seccomp_introduce(struct og_seccomp *seccomp, struct og_workload *workload,
			 enum og_status status, struct og_err *err)
{
	if (seccomp == NULL || seccomp->listener_fd < 0)
		return 0;
	return og_listener_message(workload, status, seccomp->metadata, &seccomp->message, err);
}

int og_seccomp_install(const struct og_seccomp *seccomp, struct og_err *err)
{
	struct sock_fprog program = { .len = seccomp->len,
				      .filter = (struct sock_filter *)(uintptr_t)seccomp->code };

	if (seccomp->listener_fd >= 0)
		return og_listener_install(&program, seccomp->flags, seccomp->listener_fd,
					   seccomp->message, err);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, seccomp->flags, &program) < 0)
		return og_fail(err, -errno, "install the seccomp filter");
	return 0;
}
