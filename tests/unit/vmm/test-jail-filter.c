/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>

#include "base/test.h"

#define CALLS  48
#define VALUES 4

/* What the kernel makes of @p for @data; *@ret_steps: how many instructions that were. */
static uint32_t run(const struct og_jail_program *p, const struct seccomp_data *data,
		    unsigned *ret_steps)
{
	uint32_t word = 0;

	*ret_steps = 0;
	for (unsigned at = 0; at < p->len; at++) {
		const struct sock_filter *i = &p->code[at];

		(*ret_steps)++;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(i->k % 4 == 0 && i->k < sizeof(*data));
			memcpy(&word, (const uint8_t *)data + i->k, sizeof(word));
			break;
		case BPF_JMP | BPF_JA:
			at += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += word == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += word >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			CHECK(false);
		}
	}
	CHECK(false); /* ran off its end */
	return 0;
}

/* The meaning of rules, one after the other. */
static uint32_t wanted(const struct og_jail_rule *rules, unsigned n,
		       const struct seccomp_data *data)
{
	for (unsigned i = 0; i < n; i++) {
		if (rules[i].call != data->nr)
			continue;
		if (rules[i].argument == OG_JAIL_ANY ||
		    (rules[i].argument >= 0 &&
		     (uint32_t)data->args[rules[i].argument] == rules[i].value))
			return SECCOMP_RET_ALLOW;
		if (rules[i].argument == OG_JAIL_NOT_THERE)
			return SECCOMP_RET_ERRNO | ENOSYS;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* Each call has rules of one kind, but may have several of them. */
static unsigned make_rules(struct og_jail_rule *rules, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int call = rand() % CALLS;

		rules[i] = (struct og_jail_rule){ .call = call, .argument = OG_JAIL_ANY };
		if (call % 3 == 1)
			rules[i].argument = rand() % 2;
		if (call % 8 == 7)
			rules[i].argument = call % 3 == 1 ? 0 : OG_JAIL_NOT_THERE;
		if (rules[i].argument >= 0)
			rules[i].value = (uint32_t)rand() % VALUES;
	}
	return n;
}

static void check_all(const struct og_jail_program *p, const struct og_jail_rule *rules, unsigned n)
{
	for (unsigned i = 0; i < (CALLS + 2) * VALUES * VALUES; i++) {
		const struct seccomp_data data = {
			.nr = (int)(i / VALUES / VALUES) - 1,
			.arch = AUDIT_ARCH_X86_64,
			.args = { i % VALUES, i / VALUES % VALUES },
		};
		unsigned steps;

		CHECK_EQ(run(p, &data, &steps), wanted(rules, n, &data));
	}
}

TEST(a_program_says_what_its_rules_say)
{
	struct og_jail_rule rules[OG_JAIL_RULES_MAX], sorted[OG_JAIL_RULES_MAX];
	struct og_jail_program p;

	srand(1);
	for (unsigned round = 0; round < 500; round++) {
		unsigned n = make_rules(rules, 1 + (unsigned)rand() % OG_JAIL_RULES_MAX);

		memcpy(sorted, rules, sizeof(rules));
		og_jail_compile(sorted, n, &p);
		check_all(&p, rules, n);
	}
}

TEST(another_table_of_numbers_is_never_allowed)
{
	struct og_jail_rule rule = { .call = 1, .argument = OG_JAIL_ANY };
	const struct seccomp_data data = { .nr = 1, .arch = AUDIT_ARCH_I386 };
	struct og_jail_program p;
	unsigned steps;

	og_jail_compile(&rule, 1, &p);
	CHECK_EQ(run(&p, &data, &steps), SECCOMP_RET_KILL_PROCESS);
}

/* A call of many values, as ioctl() is, and many others around it. */
TEST(a_number_is_found_in_few_steps)
{
	struct og_jail_rule rules[OG_JAIL_RULES_MAX];
	struct og_jail_program p;

	for (unsigned i = 0; i < OG_JAIL_RULES_MAX; i++)
		rules[i] = i < 64 ? (struct og_jail_rule){ 100, 1, i }
				  : (struct og_jail_rule){ (int)i + 10, OG_JAIL_ANY, 0 };
	og_jail_compile(rules, OG_JAIL_RULES_MAX, &p);
	CHECK(p.len < 2 * OG_JAIL_RULES_MAX);
	for (int nr = 0; nr < 512; nr++) {
		const struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };
		unsigned steps;

		(void)run(&p, &data, &steps);
		CHECK(steps < 30);
	}
}

TEST_MAIN(TEST_ENTRY(a_program_says_what_its_rules_say),
	  TEST_ENTRY(another_table_of_numbers_is_never_allowed),
	  TEST_ENTRY(a_number_is_found_in_few_steps))
