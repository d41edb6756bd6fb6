/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/text.h"

#define ANY               \
	{                 \
		false, -1 \
	}
#define N(number)            \
	{                    \
		true, number \
	}

/* What every workload may use (config-linux.md, Default Devices), and make nodes of anything. */
static const struct og_oci_device_rule common[] = {
	{ true, 'c', ANY, ANY, "m" },	   { true, 'b', ANY, ANY, "m" },
	{ true, 'c', N(1), N(3), "rwm" },  /* null */
	{ true, 'c', N(1), N(5), "rwm" },  /* zero */
	{ true, 'c', N(1), N(7), "rwm" },  /* full */
	{ true, 'c', N(1), N(8), "rwm" },  /* random */
	{ true, 'c', N(1), N(9), "rwm" },  /* urandom */
	{ true, 'c', N(5), N(0), "rwm" },  /* tty */
	{ true, 'c', N(5), N(2), "rwm" },  /* ptmx */
	{ true, 'c', N(136), ANY, "rwm" }, /* pts */
};

#define COMMON (sizeof(common) / sizeof(common[0]))

static size_t rule_count(const struct og_oci_resources *resources)
{
	return resources->devices.count + COMMON;
}

static const struct og_oci_device_rule *rule_at(const struct og_oci_resources *resources, size_t i)
{
	size_t given = resources->devices.count;

	return i < given ? &resources->devices.items[i] : &common[i - given];
}

static bool is_any(const struct og_oci_int *number)
{
	return !number->set || number->value < 0;
}

static bool is_all(const struct og_oci_device_rule *rule)
{
	return rule->type == 'a' && is_any(&rule->major) && is_any(&rule->minor);
}

/* Once everything is allowed, what follows and allows more says nothing. */
static bool all_allowed(const struct og_oci_resources *resources)
{
	bool allowed = false;

	for (size_t i = 0; i < resources->devices.count; i++) {
		const struct og_oci_device_rule *rule = &resources->devices.items[i];

		if (is_all(rule))
			allowed = rule->allow;
		else if (!rule->allow)
			allowed = false;
	}
	return allowed;
}

static void number_text(const struct og_oci_int *number, char text[24])
{
	if (is_any(number))
		(void)snprintf(text, 24, "*");
	else
		(void)snprintf(text, 24, "%lld", (long long)number->value);
}

/* A v1 list knows no type 'a' but for all devices: it is one line for each of the two types. */
static int write_rule(const int fds[2], const struct og_oci_device_rule *rule)
{
	static const char types[] = { 'c', 'b' };
	char major[24];
	char minor[24];
	char text[80];

	if (is_all(rule) && (rule->access == NULL || strlen(rule->access) == 3))
		return og_write_all(fds[rule->allow], "a", 1);
	number_text(&rule->major, major);
	number_text(&rule->minor, minor);
	for (size_t i = 0; i < sizeof(types); i++) {
		int n;
		int r;

		if (rule->type != 'a' && rule->type != types[i])
			continue;
		n = snprintf(text, sizeof(text), "%c %s:%s %s", types[i], major, minor,
			     rule->access != NULL ? rule->access : "rwm");
		r = og_write_all(fds[rule->allow], text, (size_t)n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_lists(const struct og_cgroup_tree *tree, const struct og_oci_resources *resources,
		       struct og_err *err)
{
	og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd deny_fd = openat(dir_fd, "devices.deny", O_WRONLY | O_CLOEXEC);
	og_auto_fd allow_fd = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	int fds[2] = { deny_fd, allow_fd };
	int r;

	if (deny_fd < 0 || allow_fd < 0)
		return og_fail(err, -errno, "open '%s/devices.allow'", tree->dir);
	if (all_allowed(resources)) /* as it is in a new group */
		return 0;
	r = og_write_all(deny_fd, "a", 1);
	for (size_t i = 0; r == 0 && i < rule_count(resources); i++)
		r = write_rule(fds, rule_at(resources, i));
	return r < 0 ? og_fail(err, r, "linux.resources.devices: write '%s/devices.allow'",
			       tree->dir)
		     : 0;
}

/*
 * The program: r2 type, r3 access, r4 major, r5 minor; then the rules from last to first, since
 * the last one that fits decides; nothing fits: denied.
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

static int access_bits(const char *access)
{
	int bits = 0;

	if (access == NULL)
		return BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
	bits |= strchr(access, 'm') != NULL ? BPF_DEVCG_ACC_MKNOD : 0;
	bits |= strchr(access, 'r') != NULL ? BPF_DEVCG_ACC_READ : 0;
	bits |= strchr(access, 'w') != NULL ? BPF_DEVCG_ACC_WRITE : 0;
	return bits;
}

/*
 * Tests, then the verdict. A rule that allows must cover all that is asked for; one that denies
 * fits as soon as it covers part of it.
 */
static void emit_rule(struct program *program, const struct og_oci_device_rule *rule)
{
	int bits = access_bits(rule->access);
	bool partial = bits != 7;
	short left = 2; /* the verdict */

	left = (short)(left + (partial ? 3 : 0) + (is_any(&rule->minor) ? 0 : 1) +
		       (is_any(&rule->major) ? 0 : 1) + (rule->type == 'a' ? 0 : 1));
	left--;
	if (rule->type != 'a')
		emit(program,
		     UNLESS(2, rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
			    left--));
	if (!is_any(&rule->major))
		emit(program, UNLESS(4, (int)rule->major.value, left--));
	if (!is_any(&rule->minor))
		emit(program, UNLESS(5, (int)rule->minor.value, left--));
	if (partial) {
		emit(program, COPY(1, 3));
		emit(program, AND(1, rule->allow ? ~bits : bits));
		left = 2;
		if (rule->allow)
			emit(program, UNLESS(1, 0, left));
		else
			emit(program, ((struct bpf_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K,
							  R(1),
							  .off = left,
							  .imm = 0 }));
	}
	emit(program, SET(0, rule->allow ? 1 : 0));
	emit(program, EXIT);
}

static bool always_fits(const struct og_oci_device_rule *rule)
{
	return rule->type == 'a' && is_any(&rule->major) && is_any(&rule->minor) &&
	       access_bits(rule->access) == 7;
}

/* Nothing may follow a rule that always fits: the kernel refuses what can never be reached. */
static void emit_all(struct program *program, const struct og_oci_resources *resources)
{
	emit_start(program);
	for (size_t i = rule_count(resources); i > 0; i--) {
		emit_rule(program, rule_at(resources, i - 1));
		if (always_fits(rule_at(resources, i - 1)))
			return;
	}
	emit(program, SET(0, 0));
	emit(program, EXIT);
}

static int load(const struct program *program, struct og_err *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)program->code,
		.insn_cnt = (uint32_t)program->count,
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? og_fail(err, -errno, "linux.resources.devices: load the eBPF program")
		      : (int)fd;
}

static int apply_program(const struct og_cgroup_tree *tree,
			 const struct og_oci_resources *resources, struct og_err *err)
{
	og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free struct program *program = calloc(1, sizeof(*program));
	og_auto_fd program_fd = -EBADF;
	union bpf_attr attr = {};

	if (dir_fd < 0 || program == NULL)
		return og_fail(err, dir_fd < 0 ? -errno : -ENOMEM, "open '%s'", tree->dir);
	if (all_allowed(resources))
		return 0;
	emit_all(program, resources);
	if (program->count > PROGRAM_MAX)
		return og_fail(err, -E2BIG, "linux.resources.devices has too many rules");
	program_fd = load(program, err);
	if (program_fd < 0)
		return program_fd;
	attr.target_fd = (uint32_t)dir_fd;
	attr.attach_bpf_fd = (uint32_t)program_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return og_fail(err, -errno, "linux.resources.devices: attach to '%s'", tree->dir);
	return 0;
}

static int apply(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		 struct og_err *err)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "devices");

	if (tree != NULL)
		return apply_lists(tree, resources, err);
	tree = og_cgroup_tree(cgroup, "");
	if (tree != NULL)
		return apply_program(tree, resources, err);
	return all_allowed(resources)
		       ? 0
		       : og_fail(err, -ENOTSUP,
				 "linux.resources.devices: this host has no devices controller");
}

int og_cgroup_devices(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		      struct og_err *err)
{
	int r = apply(cgroup, resources, err);

	/* In a user namespace nobody makes devices: files of the host's are all there can be. */
	return cgroup->lenient && (r == -EPERM || r == -EACCES || r == -ENOTSUP) ? 0 : r;
}
