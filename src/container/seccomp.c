/* SPDX-License-Identifier: Apache-2.0 */
#include "container/seccomp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define SAVED_NAME	 "seccomp.bpf"
#define FILTER_MAX_BYTES ((size_t)UINT16_MAX * sizeof(struct sock_filter)) /* sock_fprog's count */

struct og_seccomp {
	struct sock_fprog program; /* its filter is owned */
	unsigned int flags;
};

struct name {
	const char *name;
	unsigned int value;
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* SCMP_ACT_ERRNO and SCMP_ACT_TRACE carry a number of their own. */
static const struct name actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct name comparisons[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct name flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* there is one thread */
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
};

static const struct name *find(const struct name *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (og_streq(table[i].name, name))
			return &table[i];
	}
	return NULL;
}

static int read_action(const char *name, const struct og_oci_uint *number, uint32_t *ret_action)
{
	const struct name *found = find(actions, COUNT(actions), name);
	uint32_t data = number->set ? (uint32_t)number->value : EPERM;

	if (found == NULL)
		return -EINVAL;
	*ret_action = found->value;
	if (og_streq(name, "SCMP_ACT_ERRNO"))
		*ret_action = SCMP_ACT_ERRNO(data);
	if (og_streq(name, "SCMP_ACT_TRACE"))
		*ret_action = SCMP_ACT_TRACE(data);
	return 0;
}

/* "SCMP_ARCH_X86_64" is the library's "x86_64". */
static int add_architectures(scmp_filter_ctx ctx, const struct og_oci_strings *names,
			     struct og_err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		char lower[32] = "";
		uint32_t arch;
		int r;

		if (og_starts_with(names->items[i], "SCMP_ARCH_") && strlen(names->items[i]) < 40) {
			for (size_t j = 10; names->items[i][j] != '\0'; j++)
				lower[j - 10] = (char)tolower((unsigned char)names->items[i][j]);
		}
		arch = lower[0] != '\0' ? seccomp_arch_resolve_name(lower) : 0;
		if (arch == 0)
			return og_fail(err, -EINVAL, "architectures[%zu] is '%.40s'", i,
				       names->items[i]);
		r = seccomp_arch_add(ctx, arch);
		if (r < 0 && r != -EEXIST)
			return og_fail(err, r, "architectures[%zu]", i);
	}
	return 0;
}

static int read_args(const struct og_oci_seccomp_rule *rule, struct scmp_arg_cmp args[6])
{
	if (rule->args.count > 6)
		return -E2BIG;
	for (size_t i = 0; i < rule->args.count; i++) {
		const struct og_oci_seccomp_arg *arg = &rule->args.items[i];
		const struct name *op = find(comparisons, COUNT(comparisons), arg->op);

		if (op == NULL)
			return -EINVAL;
		args[i] = (struct scmp_arg_cmp){
			.arg = (unsigned int)arg->index,
			.op = (enum scmp_compare)op->value,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
	}
	return 0;
}

/* Several conditions on one argument cannot be one rule of the library: each is one, any may fit. */
static bool repeats_an_argument(const struct og_oci_seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->args.count; i++) {
		unsigned int bit = 1U << rule->args.items[i].index;

		if ((seen & bit) != 0)
			return true;
		seen |= bit;
	}
	return false;
}

static int add_name(scmp_filter_ctx ctx, const struct og_oci_seccomp_rule *rule, int number,
		    uint32_t action)
{
	struct scmp_arg_cmp args[6];
	unsigned int count = (unsigned int)rule->args.count;
	int r = repeats_an_argument(rule) && count > 6 ? -E2BIG : read_args(rule, args);

	if (r < 0)
		return r;
	if (!repeats_an_argument(rule))
		return seccomp_rule_add_array(ctx, action, number, count, args);
	for (unsigned int i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add_array(ctx, action, number, 1, &args[i]);
	return r;
}

static int add_rule(scmp_filter_ctx ctx, const struct og_oci_seccomp_rule *rule,
		    uint32_t default_action, struct og_err *err)
{
	uint32_t action;
	int r = read_action(rule->action, &rule->errno_ret, &action);

	if (r < 0)
		return og_fail(err, r, "action is '%.40s'", rule->action);
	if (action == default_action)
		return 0;
	for (size_t i = 0; i < rule->names.count; i++) {
		int number = seccomp_syscall_resolve_name(rule->names.items[i]);

		if (number == __NR_SCMP_ERROR)
			continue;
		r = add_name(ctx, rule, number, action);
		if (r < 0 && r != -EEXIST)
			return og_fail(err, r, "%.40s", rule->names.items[i]);
	}
	return 0;
}

static int add_all(scmp_filter_ctx ctx, const struct og_oci_seccomp *config,
		   uint32_t default_action, struct og_err *err)
{
	int r = add_architectures(ctx, &config->architectures, err);

	/* The process that it is for sets no_new_privs or has the capability: not the library. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; r == 0 && i < config->syscalls.count; i++) {
		r = add_rule(ctx, &config->syscalls.items[i], default_action, err);
		if (r < 0)
			return og_fail_in(err, r, "syscalls[%zu]", i);
	}
	return r;
}

static int export(scmp_filter_ctx ctx, struct og_seccomp *seccomp, struct og_err *err)
{
	og_auto_fd fd = memfd_create("seccomp", MFD_CLOEXEC);
	char *code = NULL;
	size_t len;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = og_read_all(fd, FILTER_MAX_BYTES, &code, &len, NULL);
	if (r < 0)
		return og_fail(err, r, "compile the filter");
	seccomp->program.filter = (struct sock_filter *)(void *)code;
	seccomp->program.len = (unsigned short)(len / sizeof(struct sock_filter));
	return 0;
}

static int read_flags(const struct og_oci_seccomp *config, struct og_seccomp *seccomp,
		      struct og_err *err)
{
	for (size_t i = 0; i < config->flags.count; i++) {
		const struct name *flag = find(flags, COUNT(flags), config->flags.items[i]);

		if (flag == NULL)
			return og_fail(err, -EINVAL,
				       "flags[%zu] is '%.40s', which is not supported", i,
				       config->flags.items[i]);
		seccomp->flags |= flag->value;
	}
	if (config->listener_path != NULL)
		return og_fail(err, -ENOTSUP, "listenerPath is not supported yet");
	return 0;
}

static int build(const struct og_oci_seccomp *config, struct og_seccomp *seccomp,
		 struct og_err *err)
{
	scmp_filter_ctx ctx;
	uint32_t action;
	int r = read_action(config->default_action, &config->default_errno_ret, &action);

	if (r < 0)
		return og_fail(err, r, "defaultAction is '%.40s'", config->default_action);
	r = read_flags(config, seccomp, err);
	if (r < 0)
		return r;
	ctx = seccomp_init(action);
	if (ctx == NULL)
		return og_fail(err, -ENOMEM, "compile the filter");
	r = add_all(ctx, config, action, err);
	if (r == 0)
		r = export(ctx, seccomp, err);
	seccomp_release(ctx);
	return r;
}

int og_seccomp_new(const struct og_oci_seccomp *config, struct og_seccomp **ret_seccomp,
		   struct og_err *err)
{
	og_cleanup(og_seccomp_freep) struct og_seccomp *seccomp = calloc(1, sizeof(*seccomp));
	int r;

	if (seccomp == NULL)
		return og_fail(err, -ENOMEM, "linux.seccomp");
	r = build(config, seccomp, err);
	if (r < 0)
		return og_fail_in(err, r, "linux.seccomp");
	*ret_seccomp = og_take_ptr(seccomp);
	return 0;
}

int og_seccomp_save(const struct og_seccomp *seccomp, int dir_fd, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, SAVED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : og_write_all(fd, &seccomp->flags, sizeof(seccomp->flags));

	if (r == 0)
		r = og_write_all(fd, seccomp->program.filter,
				 seccomp->program.len * sizeof(struct sock_filter));
	return r < 0 ? og_fail(err, r, "keep the compiled filter") : 0;
}

int og_seccomp_load(int dir_fd, struct og_seccomp **ret_seccomp, struct og_err *err)
{
	og_cleanup(og_seccomp_freep) struct og_seccomp *seccomp = calloc(1, sizeof(*seccomp));
	og_auto_fd fd = openat(dir_fd, SAVED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *code = NULL;
	size_t len;
	int r = 0;

	if (seccomp == NULL || fd < 0)
		return og_fail(err, seccomp == NULL ? -ENOMEM : -errno, "open " SAVED_NAME);
	if (og_read_upto(fd, &seccomp->flags, sizeof(seccomp->flags)) != sizeof(seccomp->flags))
		return og_fail(err, -EBADMSG, SAVED_NAME " is cut short");
	r = og_read_all(fd, FILTER_MAX_BYTES, &code, &len, err);
	if (r < 0)
		return r;
	seccomp->program.filter = (struct sock_filter *)(void *)code;
	seccomp->program.len = (unsigned short)(len / sizeof(struct sock_filter));
	if (len == 0 || len % sizeof(struct sock_filter) != 0)
		return og_fail(err, -EBADMSG, SAVED_NAME " is cut short");
	*ret_seccomp = og_take_ptr(seccomp);
	return 0;
}

struct og_seccomp *og_seccomp_free(struct og_seccomp *seccomp)
{
	if (seccomp == NULL)
		return NULL;
	free(seccomp->program.filter);
	free(seccomp);
	return NULL;
}

int og_seccomp_install(const struct og_seccomp *seccomp, struct og_err *err)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, seccomp->flags, &seccomp->program) < 0)
		return og_fail(err, -errno, "install the seccomp filter");
	return 0;
}
