/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup_rules.h"

#define RULE_TEXT_MAX 80	 /* "c 18446744073709551615:* rwm" */
#define LIST_MAX      (1U << 20) /* devices.list: some ten thousand lines */
#define PROGRAM_NAME  "onggi_devices"
#define PROGRAMS_MAX  64 /* BPF_CGROUP_MAX_PROGS */

static void rule_text(const struct og_device_rule *rule, char text[RULE_TEXT_MAX])
{
	char major[24] = "*";
	char minor[24] = "*";

	if (rule->major >= 0)
		(void)snprintf(major, sizeof(major), "%lld", rule->major);
	if (rule->minor >= 0)
		(void)snprintf(minor, sizeof(minor), "%lld", rule->minor);
	(void)snprintf(text, RULE_TEXT_MAX, "%c %s:%s %s%s%s", rule->type, major, minor,
		       (rule->access & OG_DEVICE_READ) != 0 ? "r" : "",
		       (rule->access & OG_DEVICE_WRITE) != 0 ? "w" : "",
		       (rule->access & OG_DEVICE_MKNOD) != 0 ? "m" : "");
}

static int write_rules(int fd, const struct og_device_rules *rules)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rules->count; i++) {
		char text[RULE_TEXT_MAX];

		rule_text(&rules->items[i], text);
		r = og_write_all(fd, text, strlen(text));
	}
	return r;
}

/* A list anew: what everything is, then the exceptions. A new group's allows everything. */
static int write_list(const int fds[2], const struct og_device_rules *rules, bool is_new)
{
	int r = 0;

	if (!is_new || !rules->allow)
		r = og_write_all(fds[rules->allow], "a", 1);
	return r < 0 ? r : write_rules(fds[!rules->allow], rules);
}

/* devices.list: lines "c 1:3 rwm", or "a *:* rwm" where everything is allowed. */
static int read_list(int dir_fd, struct og_device_rules *ret_rules)
{
	og_auto_free char *text = NULL;
	size_t lines = 0;
	char *rest;
	int r = og_read_file(dir_fd, "devices.list", LIST_MAX, &text, NULL, NULL);

	if (r < 0)
		return r;
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	*ret_rules =
		(struct og_device_rules){ .items = calloc(lines + 1, sizeof(*ret_rules->items)) };
	if (ret_rules->items == NULL)
		return -ENOMEM;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		struct og_device_rule rule = { .major = -1, .minor = -1 };
		char major[24], minor[24], access[8];

		if (sscanf(line, "%c %23[^:]:%23s %7s", &rule.type, major, minor, access) != 4)
			continue;
		ret_rules->allow = ret_rules->allow || rule.type == 'a';
		rule.access = (strchr(access, 'r') != NULL ? OG_DEVICE_READ : 0) |
			      (strchr(access, 'w') != NULL ? OG_DEVICE_WRITE : 0) |
			      (strchr(access, 'm') != NULL ? OG_DEVICE_MKNOD : 0);
		if (major[0] != '*')
			rule.major = strtoll(major, NULL, 10);
		if (minor[0] != '*')
			rule.minor = strtoll(minor, NULL, 10);
		og_device_rules_add(ret_rules, &rule);
	}
	return 0;
}

/* What @all has and @but has not. */
static int without(const struct og_device_rules *all, const struct og_device_rules *but,
		   struct og_device_rules *ret_rules)
{
	*ret_rules =
		(struct og_device_rules){ .items = calloc(all->count + 1, sizeof(*all->items)) };
	if (ret_rules->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < all->count; i++) {
		struct og_device_rule rule = all->items[i];
		const struct og_device_rule *same = og_device_rules_find(but, &rule);

		rule.access &= same == NULL ? OG_DEVICE_ALL : ~same->access;
		if (rule.access != 0)
			og_device_rules_add(ret_rules, &rule);
	}
	return 0;
}

/* In no moment is less allowed than what both the old list and the new one allow. */
static int change_list(int dir_fd, const int fds[2], const struct og_device_rules *rules)
{
	og_cleanup(og_device_rules_done) struct og_device_rules old = {};
	og_cleanup(og_device_rules_done) struct og_device_rules more = {};
	og_cleanup(og_device_rules_done) struct og_device_rules less = {};
	int r = read_list(dir_fd, &old);

	if (r < 0 || old.allow || rules->allow)
		return r < 0 ? r : write_list(fds, rules, false);
	r = without(rules, &old, &more);
	if (r == 0)
		r = without(&old, rules, &less);
	if (r == 0)
		r = write_rules(fds[1], &more);
	return r < 0 ? r : write_rules(fds[0], &less);
}

static int apply_lists(const struct og_cgroup_tree *tree, const struct og_device_rules *rules,
		       bool update, struct og_err *err)
{
	og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd deny_fd = openat(dir_fd, "devices.deny", O_WRONLY | O_CLOEXEC);
	og_auto_fd allow_fd = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	int fds[2] = { deny_fd, allow_fd };
	int r;

	if (deny_fd < 0 || allow_fd < 0)
		return og_fail(err, -errno, "open '%s/devices.allow'", tree->dir);
	r = update ? change_list(dir_fd, fds, rules) : write_list(fds, rules, true);
	return r < 0 ? og_fail(err, r, "linux.resources.devices: write '%s/devices.allow'",
			       tree->dir)
		     : 0;
}

/*
 * The program: r2 type, r3 access, r4 major, r5 minor; then the exceptions; then what all else is.
 */
#define PROGRAM_MAX 4096 /* instructions that every kernel takes; about 500 rules */

struct program {
	struct bpf_insn code[PROGRAM_MAX];
	size_t count;
};

static void emit(struct program *program, struct bpf_insn insn)
{
	if (program->count < PROGRAM_MAX)
		program->code[program->count] = insn;
	program->count++;
}

#define R(n) .dst_reg = (n)
#define LOAD(reg, member)                                      \
	((struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, \
			    R(reg),                            \
			    .src_reg = 1,                      \
			    .off = offsetof(struct bpf_cgroup_dev_ctx, member) })
#define AND(reg, value) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_AND | BPF_K, R(reg), .imm = (value) })
#define SHIFT(reg, bits) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_RSH | BPF_K, R(reg), .imm = (bits) })
#define COPY(to, from) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_MOV | BPF_X, R(to), .src_reg = (from) })
#define SET(reg, value) \
	((struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, R(reg), .imm = (value) })
#define UNLESS(reg, value, skip) \
	((struct bpf_insn){      \
		.code = BPF_JMP | BPF_JNE | BPF_K, R(reg), .off = (skip), .imm = (value) })
#define EXIT ((struct bpf_insn){ .code = BPF_JMP | BPF_EXIT })

static void emit_start(struct program *program)
{
	emit(program, LOAD(2, access_type));
	emit(program, COPY(3, 2));
	emit(program, AND(2, 0xffff));
	emit(program, SHIFT(3, 16));
	emit(program, LOAD(4, major));
	emit(program, LOAD(5, minor));
}

static int access_bits(int access)
{
	return ((access & OG_DEVICE_MKNOD) != 0 ? BPF_DEVCG_ACC_MKNOD : 0) |
	       ((access & OG_DEVICE_READ) != 0 ? BPF_DEVCG_ACC_READ : 0) |
	       ((access & OG_DEVICE_WRITE) != 0 ? BPF_DEVCG_ACC_WRITE : 0);
}

/*
 * Tests, then the verdict. A rule that allows must cover all that is asked for; one that denies
 * fits as soon as it covers part of it.
 */
static void emit_rule(struct program *program, const struct og_device_rule *rule, bool allow)
{
	int bits = access_bits(rule->access);
	bool partial = rule->access != OG_DEVICE_ALL;
	short left = 2; /* the verdict */

	left = (short)(left + (partial ? 3 : 0) + (rule->minor < 0 ? 0 : 1) +
		       (rule->major < 0 ? 0 : 1));
	emit(program,
	     UNLESS(2, rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK, left--));
	if (rule->major >= 0)
		emit(program, UNLESS(4, (int)rule->major, left--));
	if (rule->minor >= 0)
		emit(program, UNLESS(5, (int)rule->minor, left--));
	if (partial) {
		emit(program, COPY(1, 3));
		emit(program, AND(1, allow ? ~bits : bits));
		left = 2;
		if (allow)
			emit(program, UNLESS(1, 0, left));
		else
			emit(program, ((struct bpf_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K,
							  R(1),
							  .off = left,
							  .imm = 0 }));
	}
	emit(program, SET(0, allow ? 1 : 0));
	emit(program, EXIT);
}

static void emit_all(struct program *program, const struct og_device_rules *rules)
{
	emit_start(program);
	for (size_t i = 0; i < rules->count; i++)
		emit_rule(program, &rules->items[i], !rules->allow);
	emit(program, SET(0, rules->allow ? 1 : 0));
	emit(program, EXIT);
}

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(const struct program *program, struct og_err *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)program->code,
		.insn_cnt = (uint32_t)program->count,
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
		.prog_name = PROGRAM_NAME,
	};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	return fd < 0 ? og_fail(err, -errno, "linux.resources.devices: load the eBPF program")
		      : (int)fd;
}

static bool is_ours(int fd)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t)fd,
			  .info_len = sizeof(info),
			  .info = (uint64_t)(uintptr_t)&info },
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && og_streq(info.name, PROGRAM_NAME);
}

/* The program that an earlier command put there; others may have their own. */
static int find_ours(int dir_fd)
{
	uint32_t ids[PROGRAMS_MAX];
	union bpf_attr query = {
		.query = { .target_fd = (uint32_t)dir_fd,
			   .attach_type = BPF_CGROUP_DEVICE,
			   .prog_ids = (uint64_t)(uintptr_t)ids,
			   .prog_cnt = PROGRAMS_MAX },
	};

	if (bpf(BPF_PROG_QUERY, &query) < 0)
		return -errno;
	for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
		union bpf_attr attr = { .prog_id = ids[i] };
		og_auto_fd fd = (int)bpf(BPF_PROG_GET_FD_BY_ID, &attr);

		if (fd >= 0 && is_ours(fd))
			return og_take_fd(&fd);
	}
	return -ENOENT;
}

/* In one step where there is one already: there is never none, and never two. */
static int attach(int dir_fd, int program_fd, int old_fd)
{
	union bpf_attr attr = {
		.target_fd = (uint32_t)dir_fd,
		.attach_bpf_fd = (uint32_t)program_fd,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (old_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old_fd;
	}
	return bpf(BPF_PROG_ATTACH, &attr) < 0 ? -errno : 0;
}

static int apply_program(const struct og_cgroup_tree *tree, const struct og_device_rules *rules,
			 bool update, struct og_err *err)
{
	og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free struct program *program = calloc(1, sizeof(*program));
	og_auto_fd program_fd = -EBADF;
	og_auto_fd old_fd = -EBADF;
	int r;

	if (dir_fd < 0 || program == NULL)
		return og_fail(err, dir_fd < 0 ? -errno : -ENOMEM, "open '%s'", tree->dir);
	emit_all(program, rules);
	if (program->count > PROGRAM_MAX)
		return og_fail(err, -E2BIG, "linux.resources.devices has too many rules");
	program_fd = load(program, err);
	if (program_fd < 0)
		return program_fd;
	if (update)
		old_fd = find_ours(dir_fd);
	r = attach(dir_fd, program_fd, old_fd);
	return r < 0 ? og_fail(err, r, "linux.resources.devices: attach to '%s'", tree->dir) : 0;
}

static int apply(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		 bool update, struct og_err *err)
{
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};
	const struct og_cgroup_tree *lists = og_cgroup_tree(cgroup, "devices");
	const struct og_cgroup_tree *v2 = og_cgroup_tree(cgroup, "");
	int r = og_device_rules_new(resources, &rules, err);
	bool nothing = rules.allow && rules.count == 0 && !update;

	if (r < 0 || nothing) /* it is so in a new group */
		return r;
	if (lists != NULL)
		return apply_lists(lists, &rules, update, err);
	if (v2 != NULL)
		return apply_program(v2, &rules, update, err);
	return og_fail(err, -ENOTSUP,
		       "linux.resources.devices: this host has no devices controller");
}

int og_cgroup_devices(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		      bool update, struct og_err *err)
{
	int r = apply(cgroup, resources, update, err);

	/* In a user namespace nobody makes devices: files of the host's are all there can be. */
	return cgroup->lenient && (r == -EPERM || r == -EACCES || r == -ENOTSUP) ? 0 : r;
}
