/* SPDX-License-Identifier: Apache-2.0 */
#include "format/seccomp_filter.h"

#include <endian.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "format/seccomp_emit.h"
#include "format/seccomp_rules.h"

_Static_assert(BYTE_ORDER == LITTLE_ENDIAN, "the low half of an argument comes first");

#define CHAINS 16 /* remembered at a time */

/* A range of numbers for which the same is done, up to where the next one starts. */
struct range {
	uint32_t start;
	uint32_t head; /* of a list of entries; 0: @verdict at once */
	uint32_t verdict;
};

struct compiler {
	const struct og_seccomp_rules *rules;
	struct og_emit emit;

	/* of one ABI */
	bool narrow;
	struct range ranges[OG_SECCOMP_NUMBER_MAX + 2];
	size_t range_count;

	struct {
		uint32_t head;
		size_t place;
	} chains[CHAINS];

	size_t next_chain;
};

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static uint32_t offset_of(const struct og_seccomp_condition *one)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + 8 * one->arg);
}

/* (argument & mask) == value; of a narrow one the high half is masked out. */
static size_t emit_equal(struct compiler *c, const struct og_seccomp_condition *one, size_t yes,
			 size_t no)
{
	if (low(one->mask) != 0)
		yes = og_emit_test(&c->emit, offset_of(one), low(one->mask), BPF_JEQ,
				   low(one->value), yes, no);
	if (high(one->mask) != 0)
		yes = og_emit_test(&c->emit, offset_of(one) + 4, high(one->mask), BPF_JEQ,
				   high(one->value), yes, no);
	return yes;
}

/* argument > value, or >= by @jump: the low halves count where the high ones are equal. */
static size_t emit_above(struct compiler *c, const struct og_seccomp_condition *one, uint16_t jump,
			 size_t yes, size_t no)
{
	size_t place =
		og_emit_test(&c->emit, offset_of(one), UINT32_MAX, jump, low(one->value), yes, no);

	if (c->narrow || yes == no)
		return place;
	place = og_emit_branch(&c->emit, BPF_JEQ, high(one->value), place, no);
	return og_emit_test(&c->emit, offset_of(one) + 4, UINT32_MAX, BPF_JGT, high(one->value),
			    yes, place);
}

static size_t emit_condition(struct compiler *c, const struct og_seccomp_condition *one, size_t yes,
			     size_t no)
{
	switch (one->op) {
	case OG_SECCOMP_NE:
		return emit_equal(c, one, no, yes);
	case OG_SECCOMP_GT:
		return emit_above(c, one, BPF_JGT, yes, no);
	case OG_SECCOMP_GE:
		return emit_above(c, one, BPF_JGE, yes, no);
	case OG_SECCOMP_LT:
		return emit_above(c, one, BPF_JGE, no, yes);
	case OG_SECCOMP_LE:
		return emit_above(c, one, BPF_JGT, no, yes);
	case OG_SECCOMP_EQ:
	case OG_SECCOMP_MASKED_EQ:
	default:
		return emit_equal(c, one, yes, no);
	}
}

static size_t emit_chain(struct compiler *c, uint32_t index)
{
	const struct og_seccomp_rules *rules = c->rules;
	size_t place = og_emit_return(&c->emit, rules->default_action);

	while (index != 0 && !c->emit.full) {
		const struct og_seccomp_entry *entry = &rules->entries[index];
		struct og_seccomp_condition conditions[OG_SECCOMP_CONDITION_MAX];
		size_t count = og_seccomp_conditions(rules, entry, c->narrow, conditions);
		size_t yes = og_emit_return(&c->emit, rules->rules[entry->rule].action);

		while (count > 0)
			yes = emit_condition(c, &conditions[--count], yes, place);
		place = yes;
		index = entry->next;
	}
	return place;
}

static bool same_chain(const struct og_seccomp_rules *rules, uint32_t a, uint32_t b)
{
	while (a != 0 && b != 0) {
		const struct og_seccomp_entry *one = &rules->entries[a];
		const struct og_seccomp_entry *other = &rules->entries[b];

		if (one->rule != other->rule || one->only != other->only ||
		    one->multiplexed != other->multiplexed || one->which != other->which)
			return false;
		a = one->next;
		b = other->next;
	}
	return a == b;
}

static size_t emit_range(struct compiler *c, const struct range *range)
{
	size_t place;

	if (range->head == 0)
		return og_emit_return(&c->emit, range->verdict);
	for (size_t i = 0; i < CHAINS; i++) {
		if (c->chains[i].place != 0 && same_chain(c->rules, c->chains[i].head, range->head))
			return c->chains[i].place;
	}
	place = emit_chain(c, range->head);
	c->chains[c->next_chain].head = range->head;
	c->chains[c->next_chain].place = place;
	c->next_chain = (c->next_chain + 1) % CHAINS;
	return place;
}

static bool same_range(const struct range *a, const struct range *b)
{
	return a->head == 0 && b->head == 0 && a->verdict == b->verdict;
}

/* With the number loaded, finds its range among those from @first to @last. */
static size_t emit_search(struct compiler *c, size_t first, size_t last)
{
	const struct range *ranges = c->ranges;
	size_t middle = first + (last - first + 1) / 2;
	size_t yes;
	size_t no;

	if (first == last)
		return emit_range(c, &ranges[first]);
	if (last - first == 2 && same_range(&ranges[first], &ranges[last]) &&
	    ranges[last].start - ranges[middle].start == 1) { /* one number is otherwise */
		no = emit_range(c, &ranges[first]);
		yes = emit_range(c, &ranges[middle]);
		return og_emit_branch(&c->emit, BPF_JEQ, ranges[middle].start, yes, no);
	}
	yes = emit_search(c, middle, last);
	no = emit_search(c, first, middle - 1);
	return og_emit_branch(&c->emit, BPF_JGE, ranges[middle].start, yes, no);
}

static void find_ranges(struct compiler *c, size_t abi)
{
	const struct og_seccomp_rules *rules = c->rules;

	c->range_count = 0;
	for (uint32_t number = 0; number <= OG_SECCOMP_NUMBER_MAX + 1; number++) {
		uint32_t head = number <= OG_SECCOMP_NUMBER_MAX ? rules->heads[abi][number] : 0;
		struct range range = { .start = og_seccomp_abis[abi].bit + number,
				       .verdict = rules->default_action };

		if (head != 0 && rules->entries[head].always)
			range.verdict = rules->rules[rules->entries[head].rule].action;
		else
			range.head = head;
		if (c->range_count == 0 || !same_range(&c->ranges[c->range_count - 1], &range))
			c->ranges[c->range_count++] = range;
	}
}

/* Everything for the numbers of one ABI, the number being loaded. */
static size_t emit_abi(struct compiler *c, size_t abi)
{
	c->narrow = og_seccomp_abis[abi].narrow;
	memset(c->chains, 0, sizeof(c->chains));
	find_ranges(c, abi);
	return emit_search(c, 0, c->range_count - 1);
}

static size_t emit_load_number(struct compiler *c, size_t place)
{
	og_emit_lead_to(&c->emit, place);
	return og_emit(&c->emit, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
}

/*
 * The machine's own ABI, and one that is told from it by a bit of the number. Where that is not
 * wanted, -1 still is no call of it: a debugger skips calls by that number.
 */
static size_t emit_native(struct compiler *c)
{
	size_t place = 0;
	size_t with_bit = 0;
	uint32_t bit = 0;

	for (size_t i = 1; i < OG_SECCOMP_ABIS; i++) {
		if (og_seccomp_abis[i].bit == 0)
			continue;
		bit = og_seccomp_abis[i].bit;
		if (c->rules->wanted[i]) {
			with_bit = emit_abi(c, i);
			continue;
		}
		place = og_emit_return(&c->emit, SECCOMP_RET_KILL_THREAD);
		with_bit = og_emit_branch(&c->emit, BPF_JEQ, UINT32_MAX,
					  og_emit_return(&c->emit, c->rules->default_action),
					  place);
	}
	place = emit_abi(c, 0);
	if (bit != 0)
		place = og_emit_branch(&c->emit, BPF_JGE, bit, with_bit, place);
	return emit_load_number(c, place);
}

static void emit_all(struct compiler *c)
{
	size_t places[OG_SECCOMP_ABIS] = {};
	size_t next;

	for (size_t i = 1; i < OG_SECCOMP_ABIS; i++) {
		if (c->rules->wanted[i] && og_seccomp_abis[i].bit == 0)
			places[i] = emit_load_number(c, emit_abi(c, i));
	}
	places[0] = emit_native(c);
	next = og_emit_return(&c->emit, SECCOMP_RET_KILL_THREAD);
	for (size_t i = OG_SECCOMP_ABIS; i > 0; i--) {
		if (places[i - 1] != 0)
			next = og_emit_branch(&c->emit, BPF_JEQ, og_seccomp_abis[i - 1].audit_arch,
					      places[i - 1], next);
	}
	og_emit_lead_to(&c->emit, next);
	(void)og_emit(&c->emit, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
}

int og_seccomp_compile(const struct og_oci_seccomp *config,
		       struct sock_filter code[OG_SECCOMP_FILTER_MAX], size_t *ret_len,
		       struct og_err *err)
{
	og_cleanup(og_seccomp_rules_freep) struct og_seccomp_rules *rules = NULL;
	struct compiler c = { .emit = { .code = code } };
	int r = og_seccomp_rules_new(config, &rules, err);

	if (r < 0)
		return r;
	c.rules = rules;
	emit_all(&c);
	if (c.emit.full)
		return og_fail(err, -E2BIG,
			       "the filter has more than %d instructions: use fewer conditions",
			       OG_SECCOMP_FILTER_MAX);
	memmove(code, &code[OG_SECCOMP_FILTER_MAX - c.emit.used], c.emit.used * sizeof(code[0]));
	*ret_len = c.emit.used;
	return 0;
}

bool og_seccomp_filter_ok(const struct sock_filter *code, size_t len)
{
	if (len == 0 || len > OG_SECCOMP_FILTER_MAX || code[len - 1].code != (BPF_RET | BPF_K))
		return false;
	for (size_t i = 0; i < len; i++) {
		size_t left = len - i - 1; /* instructions behind it */

		switch (code[i].code) {
		case BPF_RET | BPF_K:
		case BPF_ALU | BPF_AND | BPF_K:
			break;
		case BPF_LD | BPF_W | BPF_ABS:
			if (code[i].k >= sizeof(struct seccomp_data) || code[i].k % 4 != 0)
				return false;
			break;
		case BPF_JMP | BPF_JA:
			if (code[i].k >= left)
				return false;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
			if (code[i].jt >= left || code[i].jf >= left)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}
