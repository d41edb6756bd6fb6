/* SPDX-License-Identifier: Apache-2.0 */
/* What of a filter can be said by name; the rest is in test-seccomp-random.c. */
#include "format/seccomp_filter.h"

#include <errno.h>
#include <seccomp.h>

#include "base/test.h"
#include "format/seccomp_names.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct sock_filter ours[OG_SECCOMP_FILTER_MAX];

TEST(names_have_the_numbers_that_libseccomp_has)
{
	static const uint32_t arches[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
	size_t compared = 0;

	for (size_t i = 0; i < og_seccomp_call_count; i++) {
		const struct og_seccomp_call *call = &og_seccomp_calls[i];

		CHECK(og_seccomp_call(call->name) == call);
		for (size_t j = 0; j < COUNT(arches); j++) {
			int theirs_is = seccomp_syscall_resolve_name_arch(arches[j], call->name);

			if (theirs_is < 0 || call->numbers[j] < 0)
				continue;
			if (j == 2)
				theirs_is &= ~0x40000000;
			CHECK_EQ(call->numbers[j], theirs_is);
			compared++;
		}
	}
	CHECK(compared > 1000);
}

/* ---- what cannot be random ---- */

static int compile(struct og_oci_seccomp_rule *rules, size_t count, size_t *ret_len,
		   struct og_err *err)
{
	struct og_oci_seccomp config = { .set = true, .default_action = "SCMP_ACT_ERRNO" };

	config.syscalls.items = rules;
	config.syscalls.count = count;
	return og_seccomp_compile(&config, ours, ret_len, err);
}

TEST(a_filter_that_is_too_long_is_refused)
{
	static const char *names[] = { "read" };
	static struct og_oci_seccomp_rule rules[3000];
	static struct og_oci_seccomp_arg args[3000];
	struct og_err err = {};
	size_t len;

	for (size_t i = 0; i < COUNT(rules); i++) {
		args[i] = (struct og_oci_seccomp_arg){ .op = "SCMP_CMP_EQ", .value = i };
		rules[i].names.items = names;
		rules[i].names.count = 1;
		rules[i].action = "SCMP_ACT_ALLOW";
		rules[i].args.items = &args[i];
		rules[i].args.count = 1;
	}
	CHECK_OK(compile(rules, 900, &len, &err));
	CHECK(og_seccomp_filter_ok(ours, len) && len > 255);
	CHECK_EQ(compile(rules, COUNT(rules), &len, &err), -E2BIG);
	CHECK(strstr(err.text, "4096 instructions") != NULL);
}

static void refused(struct og_oci_seccomp_rule rule, const char *text)
{
	static const char *names[] = { "read" };
	struct og_err err = {};
	size_t len;

	rule.names.items = names;
	rule.names.count = 1;
	CHECK_EQ(compile(&rule, 1, &len, &err), -EINVAL);
	if (strstr(err.text, text) == NULL) {
		fprintf(stderr, "%s\n", err.text);
		CHECK(false);
	}
}

TEST(what_is_not_known_is_refused_by_its_path)
{
	struct og_oci_seccomp_arg args[] = { { .op = "SCMP_CMP_EQ" }, { .op = "=" } };
	struct og_oci_seccomp_rule rule = { .action = "SCMP_ACT_ALLOW",
					    .args = { .items = args, .count = 2 } };
	struct og_oci_uint one = { .set = true, .value = 1 };

	refused(rule, "syscalls[0]: args[1].op is '='");
	args[1] = (struct og_oci_seccomp_arg){ .op = "SCMP_CMP_EQ", .index = 6 };
	refused(rule, "syscalls[0]: args[1].index is 6");
	refused((struct og_oci_seccomp_rule){ .action = "allow" },
		"syscalls[0]: action is 'allow'");
	refused((struct og_oci_seccomp_rule){ .action = "SCMP_ACT_KILL", .errno_ret = one },
		"syscalls[0]: errnoRet: SCMP_ACT_KILL takes none");
}

TEST(damaged_programs_are_found_out)
{
	static const struct sock_filter bad[][2] = {
		{ { BPF_JMP | BPF_JA, 0, 0, 1 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JA, 0, 0, UINT32_MAX }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JGT | BPF_K, 0, 1, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JGE | BPF_K, 0, 255, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 64 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 6 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 4 }, { BPF_LD | BPF_W | BPF_ABS, 0, 0, 4 } },
		{ { BPF_RET | BPF_A, 0, 0, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { 0xffff, 0, 0, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
	};
	static const struct sock_filter good[] = { { BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0 },
						   { BPF_RET | BPF_K, 0, 0, 0 } };

	CHECK(og_seccomp_filter_ok(good, 2) && !og_seccomp_filter_ok(good, 0));
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!og_seccomp_filter_ok(bad[i], 2));
}

TEST_MAIN(TEST_ENTRY(names_have_the_numbers_that_libseccomp_has),
	  TEST_ENTRY(a_filter_that_is_too_long_is_refused),
	  TEST_ENTRY(what_is_not_known_is_refused_by_its_path),
	  TEST_ENTRY(damaged_programs_are_found_out))
