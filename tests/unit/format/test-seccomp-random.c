/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters that we compile against two others, on profiles and calls made at random: what
 * seccomp_filter.h says of a profile, worked out rule by rule, and libseccomp. The latter cannot
 * judge everything: 2.5.4 merges the rules of a call into a tree, and gets wrong, or never ends with,
 * some that mix comparisons on one argument or that have a mask of 0.
 */
#include "format/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#include "../bpf.h"
#include "base/test.h"
#include "base/text.h"
#include "format/seccomp_names.h"

#define PROFILES     1500
#define CALLS	     150
#define RULES_MAX    10
#define NAMES_MAX    6
#define ARGS_MAX     3
#define CODE_MAX     OG_SECCOMP_FILTER_MAX
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct sock_filter ours[CODE_MAX];
static struct sock_filter theirs[CODE_MAX];

/* ---- a profile at random ---- */

struct profile {
	struct og_oci_seccomp config;
	struct og_oci_seccomp_rule rules[RULES_MAX];
	struct og_oci_seccomp_arg args[RULES_MAX][ARGS_MAX];
	const char *names[RULES_MAX][NAMES_MAX];
	const char *architectures[4];
};

static uint64_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

static const char *const actions[] = {
	"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",	    "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_TRAP",  "SCMP_ACT_TRACE", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
};

static const char *const ops[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
};

/* Few calls, so that rules meet; some are multiplexed, some are of one ABI alone. */
static const char *const few[] = {
	"read",	       "write",	     "socket",	   "accept", "accept4",	     "connect",
	"semop",       "shmget",     "clone",	   "mkdir",  "send",	     "msgctl",
	"execve",      "umount",     "mmap2",	   "ioctl",  "no_such_call", "rt_sigaction",
	"personality", "arch_prctl", "socketcall", "ipc",
};

static const uint64_t values[] = {
	0,
	1,
	2,
	5,
	0xff,
	0x7e020000,
	UINT32_MAX - 1,
	UINT32_MAX,
	UINT64_C(1) << 32,
	(UINT64_C(5) << 32) + 5,
	(UINT64_C(5) << 32) + 7,
	UINT64_MAX - 1,
	UINT64_MAX,
};

static uint64_t any_value(void)
{
	uint64_t value = values[any(COUNT(values))];

	return any(4) == 0 ? value + any(3) - 1 : value;
}

static const char *any_action(struct og_oci_uint *number, const char *only)
{
	const char *name = only != NULL ? only : actions[any(COUNT(actions))];

	*number = (struct og_oci_uint){};
	if ((og_streq(name, "SCMP_ACT_ERRNO") || og_streq(name, "SCMP_ACT_TRACE")) && any(2) == 0)
		*number = (struct og_oci_uint){ .set = true, .value = any(40) };
	return name;
}

/* What libseccomp can judge: at most one rule with conditions a call, or plain comparisons. */
enum kind {
	ANYTHING,
	ONE_RULE,
	PLAIN,
};

static void plain_args(struct og_oci_seccomp_rule *rule, struct og_oci_seccomp_arg *args)
{
	rule->args.items = args;
	rule->args.count = any(3) == 0 ? 0 : 1;
	args[0] = (struct og_oci_seccomp_arg){ .index = 1,
					       .value = any_value(),
					       .op = "SCMP_CMP_EQ" };
}

static void any_args(struct og_oci_seccomp_rule *rule, struct og_oci_seccomp_arg *args,
		     enum kind kind)
{
	bool twice = kind == ANYTHING && any(10) == 0;
	uint64_t first = any(3);

	rule->args.items = args;
	rule->args.count = any(3) == 0 ? 0 : 1 + any(ARGS_MAX);
	for (size_t i = 0; i < rule->args.count; i++)
		args[i] = (struct og_oci_seccomp_arg){
			.index = twice ? any(2) : (first + 2 * i) % 6,
			.value = any_value(),
			.value_two = any_value(),
			.op = ops[any(COUNT(ops))],
		};
	for (size_t i = 0; kind != ANYTHING && i < rule->args.count; i++)
		args[i].value |= 1; /* no mask that is 0, and none in its low half */
}

/* A name for rule @i; of ONE_RULE each is in one rule alone, and none is a multiplexed call. */
static const char *any_name(size_t i, enum kind kind)
{
	size_t part = COUNT(few) / RULES_MAX;

	if (kind == ONE_RULE)
		return few[i * part + any((uint32_t)part)];
	return any(4) > 0 ? few[any(COUNT(few))]
			  : og_seccomp_calls[any((uint32_t)og_seccomp_call_count)].name;
}

static void any_profile(struct profile *p, enum kind kind)
{
	static const char *const kinds[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
	/* Two actions in most: with more, rules contradict each other more than they meet. */
	const char *only = any(3) > 0 ? actions[any(COUNT(actions))] : NULL;
	struct og_oci_uint number = {};

	*p = (struct profile){};
	p->config.set = true;
	p->config.default_action = any_action(&p->config.default_errno_ret, NULL);
	p->config.architectures.items = p->architectures;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (any(2) == 0)
			p->architectures[p->config.architectures.count++] = kinds[i];
	}
	p->config.syscalls.items = p->rules;
	p->config.syscalls.count = any(RULES_MAX + 1);
	for (size_t i = 0; i < p->config.syscalls.count; i++) {
		struct og_oci_seccomp_rule *rule = &p->rules[i];

		rule->action = any_action(&rule->errno_ret, only);
		if (only != NULL && i > 0)
			rule->errno_ret = number;
		number = rule->errno_ret;
		rule->names.items = p->names[i];
		rule->names.count = 1 + any(kind == ANYTHING ? NAMES_MAX : 2);
		for (size_t j = 0; j < rule->names.count; j++)
			p->names[i][j] = any_name(i, kind);
		if (kind == PLAIN)
			plain_args(rule, p->args[i]);
		else
			any_args(rule, p->args[i], kind);
	}
}

/* ---- what seccomp_filter.h says ---- */

struct fit {
	const struct og_oci_seccomp_rule *rule;
	uint32_t action;
	bool always;
	size_t count;
	struct og_oci_seccomp_arg args[ARGS_MAX + 1];
};

static bool holds(const struct og_oci_seccomp_arg *arg, uint64_t actual, bool narrow)
{
	uint64_t mask = narrow ? UINT32_MAX : UINT64_MAX;
	uint64_t value = arg->value & mask;

	actual &= mask;
	if (og_streq(arg->op, "SCMP_CMP_NE"))
		return actual != value;
	if (og_streq(arg->op, "SCMP_CMP_LT"))
		return actual < value;
	if (og_streq(arg->op, "SCMP_CMP_LE"))
		return actual <= value;
	if (og_streq(arg->op, "SCMP_CMP_EQ"))
		return actual == value;
	if (og_streq(arg->op, "SCMP_CMP_GE"))
		return actual >= value;
	if (og_streq(arg->op, "SCMP_CMP_GT"))
		return actual > value;
	return (actual & value) == (arg->value_two & value);
}

/* The value by which rules are put in order; false: the condition always holds. */
static bool weight(const struct og_oci_seccomp_arg *arg, bool narrow, int *ret_class,
		   uint64_t *ret_value)
{
	bool masked = og_streq(arg->op, "SCMP_CMP_MASKED_EQ");
	bool below = og_starts_with(arg->op, "SCMP_CMP_L");

	*ret_class = below ? 2 : og_starts_with(arg->op, "SCMP_CMP_G") ? 1 : 3;
	*ret_value = masked ? arg->value_two & arg->value : arg->value;
	*ret_value &= narrow ? UINT32_MAX : UINT64_MAX;
	if (below)
		*ret_value = ~*ret_value;
	return !masked || (narrow ? (uint32_t)arg->value != 0 : arg->value != 0);
}

/* Its conditions, by argument, without those that always hold; whether @data fits them. */
static bool fits(const struct og_oci_seccomp_arg *args, size_t count, int which,
		 const struct seccomp_data *data, bool narrow, struct fit *ret_fit)
{
	bool all = true;

	ret_fit->count = 0;
	if (which >= 0) {
		ret_fit->args[ret_fit->count++] =
			(struct og_oci_seccomp_arg){ .op = "SCMP_CMP_EQ",
						     .value = (uint64_t)which };
		all = (uint32_t)data->args[0] == (uint32_t)which;
	}
	for (uint64_t index = which >= 0 ? 1 : 0; index < 6; index++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t value;
			int class;

			if (args[i].index != index || !weight(&args[i], narrow, &class, &value))
				continue;
			ret_fit->args[ret_fit->count++] = args[i];
			all = all && holds(&args[i], data->args[index], narrow);
		}
	}
	ret_fit->always = ret_fit->count == 0;
	return all;
}

static bool better(const struct fit *a, const struct fit *b, bool narrow)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		uint64_t value_a;
		uint64_t value_b;
		int class_a;
		int class_b;

		(void)weight(&a->args[i], narrow, &class_a, &value_a);
		(void)weight(&b->args[i], narrow, &class_b, &value_b);
		if (a->args[i].index != b->args[i].index)
			return a->args[i].index > b->args[i].index;
		if (class_a != class_b)
			return class_a > class_b;
		if (value_a != value_b)
			return value_a > value_b;
	}
	return a->count > b->count;
}

struct verdict {
	uint32_t action;
	bool contested; /* rules of several actions fit */
};

static void consider(struct verdict *verdict, struct fit *best, bool *decided,
		     const struct fit *fit, bool holds_now, bool narrow)
{
	if (*decided)
		return;
	if (fit->always) {
		*decided = true;
		*verdict = (struct verdict){ .action = fit->action };
		return;
	}
	if (!holds_now)
		return;
	if (best->rule != NULL && best->action != fit->action)
		verdict->contested = true;
	if (best->rule == NULL || better(fit, best, narrow)) {
		*best = *fit;
		verdict->action = fit->action;
	}
}

static bool names_call(const char *name, size_t abi, int number, int *ret_which)
{
	const struct og_seccomp_call *call = og_seccomp_call(name);
	uint32_t which;

	*ret_which = -1;
	if (call == NULL || number < 0)
		return false;
	if (call->numbers[abi] == number)
		return true;
	if (!og_seccomp_abis[abi].multiplexed || og_seccomp_multiplexed(call, &which) != number)
		return false;
	*ret_which = (int)which;
	return true;
}

static struct verdict expect(const struct og_oci_seccomp *config, size_t abi,
			     const struct seccomp_data *data)
{
	bool narrow = og_seccomp_abis[abi].narrow;
	int number = (int)((uint32_t)data->nr & ~og_seccomp_abis[abi].bit);
	struct verdict verdict = {};
	struct fit best = {};
	bool decided = false;
	uint32_t default_action;

	CHECK_OK(og_seccomp_action(config->default_action, &config->default_errno_ret,
				   &default_action));
	verdict.action = default_action;
	for (size_t i = 0; i < config->syscalls.count; i++) {
		const struct og_oci_seccomp_rule *rule = &config->syscalls.items[i];
		struct fit fit = { .rule = rule };
		bool twice = false;

		CHECK_OK(og_seccomp_action(rule->action, &rule->errno_ret, &fit.action));
		for (size_t j = 0; j < rule->args.count; j++) {
			for (size_t k = 0; k < j; k++)
				twice = twice ||
					rule->args.items[j].index == rule->args.items[k].index;
		}
		for (size_t j = 0; fit.action != default_action && j < rule->names.count; j++) {
			int which;
			bool now;

			if (!names_call(rule->names.items[j], abi, number, &which))
				continue;
			for (size_t k = 0; k < (twice ? rule->args.count : 1); k++) {
				now = fits(&rule->args.items[k], twice ? 1 : rule->args.count,
					   which, data, narrow, &fit);
				consider(&verdict, &best, &decided, &fit, now, narrow);
			}
		}
	}
	return verdict;
}

/* ---- libseccomp ---- */

static int add_args(scmp_filter_ctx ctx, uint32_t action, int number,
		    const struct og_oci_seccomp_rule *rule)
{
	static const enum scmp_compare compares[] = {
		SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,	      SCMP_CMP_EQ,
		SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp args[ARGS_MAX] = {};
	bool twice = false;
	int r = 0;

	for (size_t i = 0; i < rule->args.count; i++) {
		const struct og_oci_seccomp_arg *arg = &rule->args.items[i];

		args[i].arg = (unsigned int)arg->index;
		args[i].datum_a = arg->value;
		args[i].datum_b = arg->value_two;
		for (size_t j = 0; j < COUNT(ops); j++) {
			if (og_streq(ops[j], arg->op))
				args[i].op = compares[j];
		}
		for (size_t j = 0; j < i; j++)
			twice = twice || args[j].arg == args[i].arg;
	}
	if (!twice)
		return seccomp_rule_add_array(ctx, action, number, (unsigned int)rule->args.count,
					      args);
	for (size_t i = 0; i < rule->args.count; i++) {
		int one = seccomp_rule_add_array(ctx, action, number, 1, &args[i]);

		r = one < 0 ? one : r;
	}
	return r;
}

/* False: it took not every rule as it was given (it has no order for what contradicts itself). */
static bool their_filter(const struct og_oci_seccomp *config, struct sock_filter *code,
			 size_t *ret_len)
{
	uint32_t default_action;
	scmp_filter_ctx ctx;
	bool whole = true;
	ssize_t bytes;
	int fd = memfd_create("filter", MFD_CLOEXEC);

	CHECK_OK(og_seccomp_action(config->default_action, &config->default_errno_ret,
				   &default_action));
	ctx = seccomp_init(default_action);
	CHECK(ctx != NULL && fd >= 0);
	for (size_t i = 0; i < config->architectures.count; i++) {
		const char *name = config->architectures.items[i];
		uint32_t arch = og_streq(name, "SCMP_ARCH_X86")	  ? SCMP_ARCH_X86
				: og_streq(name, "SCMP_ARCH_X32") ? SCMP_ARCH_X32
								  : SCMP_ARCH_X86_64;
		int r = seccomp_arch_add(ctx, arch);

		CHECK(r == 0 || r == -EEXIST);
	}
	for (size_t i = 0; i < config->syscalls.count; i++) {
		const struct og_oci_seccomp_rule *rule = &config->syscalls.items[i];
		uint32_t action;

		CHECK_OK(og_seccomp_action(rule->action, &rule->errno_ret, &action));
		for (size_t j = 0; action != default_action && j < rule->names.count; j++) {
			int number = seccomp_syscall_resolve_name(rule->names.items[j]);

			if (number != __NR_SCMP_ERROR)
				whole = add_args(ctx, action, number, rule) == 0 && whole;
		}
	}
	CHECK_OK(seccomp_export_bpf(ctx, fd));
	seccomp_release(ctx);
	bytes = pread(fd, code, CODE_MAX * sizeof(*code), 0);
	CHECK(bytes > 0);
	(void)close(fd);
	*ret_len = (size_t)bytes / sizeof(*code);
	return whole;
}

/*
 * Newer calls than libseccomp knows are skipped by it. A name given twice makes it lose other
 * rules; one that is no call of some ABI makes that ABI's part compare the architecture instead of
 * the number, where it comes first there.
 */
static bool can_judge(const struct profile *p)
{
	static const uint32_t arches[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };

	for (size_t i = 0; i < p->config.syscalls.count; i++) {
		for (size_t j = 0; j < p->rules[i].names.count; j++) {
			for (size_t k = 0; k < COUNT(arches); k++) {
				if (seccomp_syscall_resolve_name_arch(arches[k], p->names[i][j]) <
				    0)
					return false;
			}
			for (size_t k = 0; k < j; k++) {
				if (og_streq(p->names[i][j], p->names[i][k]))
					return false;
			}
		}
	}
	return true;
}

/* ---- calls at random ---- */

static bool has(const struct profile *p, const char *architecture)
{
	for (size_t i = 0; i < p->config.architectures.count; i++) {
		if (og_streq(p->architectures[i], architecture))
			return true;
	}
	return false;
}

/* The ABI by which @data is judged, or the verdict that needs none. */
static int abi_of(const struct profile *p, const struct seccomp_data *data, uint32_t *ret_verdict)
{
	*ret_verdict = SECCOMP_RET_KILL_THREAD;
	if (data->arch == AUDIT_ARCH_I386)
		return has(p, "SCMP_ARCH_X86") ? 1 : -1;
	if (data->arch != AUDIT_ARCH_X86_64)
		return -1;
	if ((uint32_t)data->nr < 0x40000000)
		return 0;
	if (has(p, "SCMP_ARCH_X32"))
		return 2;
	if (data->nr == -1)
		CHECK_OK(og_seccomp_action(p->config.default_action, &p->config.default_errno_ret,
					   ret_verdict));
	return -1;
}

static void any_call(const struct profile *p, struct seccomp_data *data)
{
	static const uint32_t arches[] = {
		AUDIT_ARCH_X86_64, AUDIT_ARCH_X86_64, AUDIT_ARCH_X86_64,
		AUDIT_ARCH_I386,   AUDIT_ARCH_I386,   AUDIT_ARCH_AARCH64
	};
	const struct og_oci_seccomp_rule *rule =
		p->config.syscalls.count > 0 ? &p->rules[any((uint32_t)p->config.syscalls.count)]
					     : NULL;
	const struct og_seccomp_call *call = NULL;
	size_t abi;

	*data = (struct seccomp_data){ .arch = arches[any(COUNT(arches))] };
	abi = data->arch == AUDIT_ARCH_I386 ? 1 : any(3) == 0 ? 2 : 0;
	if (rule != NULL)
		call = og_seccomp_call(rule->names.items[any((uint32_t)rule->names.count)]);
	data->nr = call != NULL ? call->numbers[abi] : (int)any(600);
	if (call != NULL && abi == 1 && any(2) == 0) {
		uint32_t which;
		int number = og_seccomp_multiplexed(call, &which);

		if (number > 0)
			data->nr = number;
		data->args[0] = which;
	}
	if (data->nr < 0 || any(20) == 0)
		data->nr = (int)any(600);
	if (abi == 2)
		data->nr |= 0x40000000;
	if (any(50) == 0)
		data->nr = -1;
	for (size_t i = data->args[0] != 0 && any(4) > 0 ? 1 : 0; i < 6; i++) {
		data->args[i] = any_value();
		for (size_t j = 0; rule != NULL && j < rule->args.count; j++) {
			if (rule->args.items[j].index == i && any(3) > 0)
				data->args[i] = (any(2) == 0 ? rule->args.items[j].value
							     : rule->args.items[j].value_two) +
						any(3) - 1;
		}
		if (data->arch == AUDIT_ARCH_I386) /* as the kernel gives them */
			data->args[i] = (uint32_t)data->args[i];
	}
}

static void show(const struct profile *p, const struct seccomp_data *data)
{
	fprintf(stderr, "default %s\n", p->config.default_action);
	for (size_t i = 0; i < p->config.architectures.count; i++)
		fprintf(stderr, "  %s\n", p->architectures[i]);
	for (size_t i = 0; i < p->config.syscalls.count; i++) {
		fprintf(stderr, "  %s %d:", p->rules[i].action, (int)p->rules[i].errno_ret.value);
		for (size_t j = 0; j < p->rules[i].names.count; j++)
			fprintf(stderr, " %s", p->names[i][j]);
		for (size_t j = 0; j < p->rules[i].args.count; j++)
			fprintf(stderr, " [%d %s %#llx %#llx]", (int)p->args[i][j].index,
				p->args[i][j].op, (unsigned long long)p->args[i][j].value,
				(unsigned long long)p->args[i][j].value_two);
		fprintf(stderr, "\n");
	}
	fprintf(stderr, "call %d (%#x) arch %#x:", data->nr, (unsigned int)data->nr, data->arch);
	for (size_t i = 0; i < 6; i++)
		fprintf(stderr, " %#llx", (unsigned long long)data->args[i]);
	fprintf(stderr, "\n");
}

/* @their_len is 0 where libseccomp is not asked. */
static void compare_one(const struct profile *p, size_t our_len, size_t their_len)
{
	struct seccomp_data data;
	struct verdict expected = {};
	uint32_t our_verdict;
	uint32_t their_verdict;
	int abi;

	any_call(p, &data);
	abi = abi_of(p, &data, &expected.action);
	if (abi >= 0)
		expected = expect(&p->config, (size_t)abi, &data);
	our_verdict = bpf_run(ours, our_len, &data, NULL);
	their_verdict = their_len == 0 || expected.contested
				? our_verdict
				: bpf_run(theirs, their_len, &data, NULL);
	if (our_verdict == expected.action && our_verdict == their_verdict)
		return;
	show(p, &data);
	fprintf(stderr, "ours %#x, expected %#x, libseccomp %#x\n", our_verdict, expected.action,
		their_verdict);
	exit(EXIT_FAILURE);
}

static void compare(enum kind kind)
{
	struct profile p;

	for (uint64_t i = 0; i < PROFILES; i++) {
		struct og_err err = {};
		size_t our_len = 0;
		size_t their_len = 0;

		seed = i;
		do {
			any_profile(&p, kind);
		} while (kind != ANYTHING && !can_judge(&p));
		if (og_seccomp_compile(&p.config, ours, &our_len, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			CHECK(false);
		}
		CHECK(og_seccomp_filter_ok(ours, our_len));
		if (kind != ANYTHING && !their_filter(&p.config, theirs, &their_len))
			their_len = 0;
		for (size_t j = 0; j < CALLS; j++)
			compare_one(&p, our_len, their_len);
	}
}

TEST(random_profiles_mean_what_is_said)
{
	compare(ANYTHING);
}

TEST(libseccomp_understands_one_rule_a_call_as_we_do)
{
	compare(ONE_RULE);
}

TEST(libseccomp_understands_several_rules_a_call_as_we_do)
{
	compare(PLAIN);
}

TEST_MAIN(TEST_ENTRY(random_profiles_mean_what_is_said),
	  TEST_ENTRY(libseccomp_understands_one_rule_a_call_as_we_do),
	  TEST_ENTRY(libseccomp_understands_several_rules_a_call_as_we_do))
