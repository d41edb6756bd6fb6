/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail_filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* So many rules are asked one after the other before it is worth to halve them. */
#define LEAF_RULES 8

/* So many are never longer than what a comparison can jump over. */
#define NEAR_RULES (UINT8_MAX * OG_JAIL_RULES_MAX / OG_JAIL_PROGRAM_MAX)

/* Above every system call's number. */
#define CALLS_MAX 512

/* Where jumps to the end of a leaf are that are not set yet. */
struct ends {
	unsigned at[OG_JAIL_RULES_MAX];
	unsigned n;
};

static unsigned emit(struct og_jail_program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	assert(p->len < OG_JAIL_PROGRAM_MAX);
	p->code[p->len] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
	return p->len++;
}

static void emit_load(struct og_jail_program *p, size_t offset)
{
	(void)emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(struct og_jail_program *p, uint32_t verdict)
{
	(void)emit(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* To what is emitted next. */
static uint8_t distance_from(const struct og_jail_program *p, unsigned jump)
{
	unsigned distance = p->len - jump - 1;

	assert(distance <= UINT8_MAX);
	return (uint8_t)distance;
}

/* Where the loaded word is @value, what is asked for is allowed. */
static void emit_allow_if(struct og_jail_program *p, uint32_t value, struct ends *ends)
{
	ends->at[ends->n++] = emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
}

/* By call, and those of one call by argument: a list for each call, instead of comparing all with all. */
static void sort_rules(struct og_jail_rule *rules, unsigned n)
{
	struct og_jail_rule sorted[OG_JAIL_RULES_MAX];
	uint8_t first[CALLS_MAX] = {}, next[OG_JAIL_RULES_MAX + 1]; /* counted from 1; 0: none */
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *at;

		assert(rules[i].call >= 0 && rules[i].call < CALLS_MAX);
		at = &first[rules[i].call];
		while (*at != 0 && rules[*at - 1].argument <= rules[i].argument)
			at = &next[*at];
		next[i + 1] = *at;
		*at = (uint8_t)(i + 1);
	}
	for (unsigned call = 0; call < CALLS_MAX; call++)
		for (unsigned at = first[call]; at != 0; at = next[at])
			sorted[done++] = rules[at - 1];
	memcpy(rules, sorted, n * sizeof(*rules));
}

/* All of one call. Whatever its arguments are, the word that is loaded is not its number any more. */
static void emit_arguments(struct og_jail_program *p, const struct og_jail_rule *rules, unsigned n,
			   struct ends *ends)
{
	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || rules[i].argument != rules[i - 1].argument)
			emit_load(p, offsetof(struct seccomp_data, args) +
					     8 * (size_t)rules[i].argument);
		emit_allow_if(p, rules[i].value, ends);
	}
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
}

/* All of one call. By their order those that say most come first. */
static void emit_call(struct og_jail_program *p, const struct og_jail_rule *rules, unsigned n,
		      struct ends *ends)
{
	uint32_t call = (uint32_t)rules[0].call;
	unsigned other;

	if (rules[0].argument == OG_JAIL_ANY) {
		emit_allow_if(p, call, ends);
		return;
	}
	other = emit(p, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 0);
	if (rules[0].argument == OG_JAIL_NOT_THERE)
		emit_return(p, SECCOMP_RET_ERRNO | ENOSYS);
	else
		emit_arguments(p, rules, n, ends);
	p->code[other].jf = distance_from(p, other);
}

static unsigned count_call(const struct og_jail_rule *rules, unsigned n)
{
	unsigned same = 1;

	while (same < n && rules[same].call == rules[0].call)
		same++;
	return same;
}

static void emit_leaf(struct og_jail_program *p, const struct og_jail_rule *rules, unsigned n)
{
	struct ends ends = { .n = 0 };

	for (unsigned i = 0, same; i < n; i += same) {
		same = count_call(rules + i, n - i);
		emit_call(p, rules + i, same, &ends);
	}
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
	for (unsigned i = 0; i < ends.n; i++)
		p->code[ends.at[i]].jt = distance_from(p, ends.at[i]);
	emit_return(p, SECCOMP_RET_ALLOW);
}

/* Where a call begins, as near to the middle as it can be told; 0: all are of one call. */
static unsigned find_middle(const struct og_jail_rule *rules, unsigned n)
{
	unsigned at = n / 2;

	while (at < n && rules[at].call == rules[at - 1].call)
		at++;
	if (at < n)
		return at;
	at = n / 2;
	while (at > 0 && rules[at].call == rules[at - 1].call)
		at--;
	return at;
}

/* As deep as there are rules to be halved. */
static void emit_tree(struct og_jail_program *p, const struct og_jail_rule *rules, unsigned n)
{
	unsigned middle = n > LEAF_RULES ? find_middle(rules, n) : 0, at, upper = 0;
	bool far = middle > NEAR_RULES;

	if (middle == 0) {
		emit_leaf(p, rules, n);
		return;
	}
	at = emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)rules[middle].call, 0, far);
	if (far)
		upper = emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(p, rules, middle);
	if (far)
		p->code[upper].k = p->len - upper - 1;
	else
		p->code[at].jt = distance_from(p, at);
	emit_tree(p, rules + middle, n - middle);
}

void og_jail_compile(struct og_jail_rule *rules, unsigned n, struct og_jail_program *ret_program)
{
	assert(n > 0 && n <= OG_JAIL_RULES_MAX);
	sort_rules(rules, n);
	ret_program->len = 0;
	emit_load(ret_program, offsetof(struct seccomp_data, arch));
	(void)emit(ret_program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	emit_return(ret_program, SECCOMP_RET_KILL_PROCESS);
	emit_load(ret_program, offsetof(struct seccomp_data, nr));
	emit_tree(ret_program, rules, n);
}
