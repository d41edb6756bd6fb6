/* SPDX-License-Identifier: Apache-2.0 */
#include "format/seccomp_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ALL UINT32_MAX

size_t og_seccomp_conditions(const struct og_seccomp_rules *rules,
			     const struct og_seccomp_entry *entry, bool narrow,
			     struct og_seccomp_condition conditions[OG_SECCOMP_CONDITION_MAX])
{
	const struct og_seccomp_rule *rule = &rules->rules[entry->rule];
	size_t first = entry->only == ALL ? 0 : entry->only;
	size_t end = entry->only == ALL ? rule->count : first + 1;
	size_t count = 0;

	if (entry->multiplexed)
		conditions[count++] = (struct og_seccomp_condition){ .op = OG_SECCOMP_EQ,
								     .value = entry->which,
								     .mask = UINT64_MAX };
	for (size_t i = first; i < end; i++) {
		struct og_seccomp_condition one = rules->conditions[rule->first + i];

		if (entry->multiplexed && one.arg == 0)
			continue;
		if (narrow)
			one.mask &= UINT32_MAX;
		one.value &= one.mask;
		if (one.mask != 0) /* else it always holds */
			conditions[count++] = one;
	}
	return count;
}

/* Of what is told apart first, see seccomp_filter.h. */
static int rank(enum og_seccomp_op op)
{
	static const int ranks[] = {
		[OG_SECCOMP_EQ] = 3, [OG_SECCOMP_NE] = 3, [OG_SECCOMP_MASKED_EQ] = 3,
		[OG_SECCOMP_LT] = 2, [OG_SECCOMP_LE] = 2, [OG_SECCOMP_GE] = 1,
		[OG_SECCOMP_GT] = 1,
	};

	return ranks[op];
}

/* Positive: @a is the more specific one. */
static int compare(const struct og_seccomp_condition *a, const struct og_seccomp_condition *b)
{
	int larger = (a->value > b->value) - (a->value < b->value);

	if (a->arg != b->arg)
		return a->arg > b->arg ? 1 : -1;
	if (rank(a->op) != rank(b->op))
		return rank(a->op) - rank(b->op);
	return rank(a->op) == 2 ? -larger : larger;
}

static bool goes_before(const struct og_seccomp_rules *rules, const struct og_seccomp_entry *a,
			const struct og_seccomp_entry *b, bool narrow)
{
	struct og_seccomp_condition of_a[OG_SECCOMP_CONDITION_MAX];
	struct og_seccomp_condition of_b[OG_SECCOMP_CONDITION_MAX];
	size_t count_a = og_seccomp_conditions(rules, a, narrow, of_a);
	size_t count_b = og_seccomp_conditions(rules, b, narrow, of_b);

	for (size_t i = 0; i < count_a && i < count_b; i++) {
		int r = compare(&of_a[i], &of_b[i]);

		if (r != 0)
			return r > 0;
	}
	return count_a > count_b;
}

static bool is_always(const struct og_seccomp_rules *rules, const struct og_seccomp_entry *entry,
		      bool narrow)
{
	struct og_seccomp_condition conditions[OG_SECCOMP_CONDITION_MAX];

	return og_seccomp_conditions(rules, entry, narrow, conditions) == 0;
}

static int add(struct og_seccomp_rules *rules, size_t abi, int number,
	       struct og_seccomp_entry entry)
{
	bool narrow = og_seccomp_abis[abi].narrow;
	uint16_t *at = &rules->heads[abi][number];

	if (*at != 0 && rules->entries[*at].always)
		return 0;
	if (rules->entry_count == rules->entry_room)
		return -E2BIG;
	entry.always = (rules->rules[entry.rule].count == 0 && !entry.multiplexed) ||
		       is_always(rules, &entry, narrow);
	if (!entry.always) {
		while (*at != 0 && goes_before(rules, &entry, &rules->entries[*at], narrow))
			at = &rules->entries[*at].next;
		entry.next = *at;
	}
	*at = ++rules->entry_count;
	rules->entries[*at] = entry;
	return 0;
}

static int add_whole(struct og_seccomp_rules *rules, size_t abi, int number,
		     struct og_seccomp_entry entry)
{
	const struct og_seccomp_rule *rule = &rules->rules[entry.rule];
	int r = 0;

	if (!rule->repeats)
		return add(rules, abi, number, entry);
	for (uint32_t i = 0; r == 0 && i < rule->count; i++) {
		entry.only = i;
		r = add(rules, abi, number, entry);
	}
	return r;
}

static int add_name(struct og_seccomp_rules *rules, uint32_t rule, const char *name)
{
	const struct og_seccomp_call *call = og_seccomp_call(name);
	struct og_seccomp_entry entry = { .rule = rule, .only = ALL };
	int r = 0;

	for (size_t i = 0; r == 0 && call != NULL && i < OG_SECCOMP_ABIS; i++) {
		uint32_t which;
		int number;

		if (!rules->wanted[i])
			continue;
		if (call->numbers[i] >= 0)
			r = add_whole(rules, i, call->numbers[i], entry);
		if (r < 0 || !og_seccomp_abis[i].multiplexed)
			continue;
		number = og_seccomp_multiplexed(call, &which);
		if (number >= 0) {
			struct og_seccomp_entry one = entry;

			one.multiplexed = true;
			one.which = (uint8_t)which;
			r = add_whole(rules, i, number, one);
		}
	}
	return r;
}

static int read_conditions(struct og_seccomp_rules *rules, struct og_seccomp_rule *rule,
			   const struct og_oci_seccomp_rule *config, struct og_err *err)
{
	struct og_seccomp_condition *conditions = &rules->conditions[rule->first];
	unsigned int seen = 0;

	rule->count = config->args.count;
	for (size_t i = 0; i < rule->count; i++) {
		const struct og_oci_seccomp_arg *arg = &config->args.items[i];
		const struct og_seccomp_name *op = og_seccomp_find(og_seccomp_comparisons, arg->op);
		struct og_seccomp_condition one = { .arg = (unsigned int)arg->index,
						    .value = arg->value,
						    .mask = UINT64_MAX };
		size_t at = i;

		if (op == NULL)
			return og_fail(err, -EINVAL, "args[%zu].op is '%.40s'", i, arg->op);
		if (arg->index > 5)
			return og_fail(err, -EINVAL, "args[%zu].index is %llu", i,
				       (unsigned long long)arg->index);
		one.op = (enum og_seccomp_op)op->value;
		if (one.op == OG_SECCOMP_MASKED_EQ) {
			one.mask = arg->value;
			one.value = arg->value_two;
		}
		rule->repeats = rule->repeats || (seen & 1U << one.arg) != 0;
		seen |= 1U << one.arg;
		for (; !rule->repeats && at > 0 && conditions[at - 1].arg > one.arg; at--)
			conditions[at] = conditions[at - 1];
		conditions[at] = one;
	}
	return 0;
}

static int read_rule(struct og_seccomp_rules *rules, uint32_t index,
		     const struct og_oci_seccomp_rule *config, struct og_err *err)
{
	struct og_seccomp_rule *rule = &rules->rules[index];
	int r = og_seccomp_action(config->action, &config->errno_ret, &rule->action);

	if (r < 0 && og_seccomp_find(og_seccomp_actions, config->action) != NULL)
		return og_fail(err, r, "errnoRet: %s takes none", config->action);
	if (r < 0)
		return og_fail(err, r, "action is '%.40s'", config->action);
	r = read_conditions(rules, rule, config, err);
	if (r < 0 || rule->action == rules->default_action)
		return r;
	for (size_t i = 0; i < config->names.count; i++) {
		r = add_name(rules, index, config->names.items[i]);
		if (r < 0)
			return og_fail(err, r, "more rules than the %d that fit a filter",
				       OG_SECCOMP_ENTRY_MAX);
	}
	return 0;
}

static int read_architectures(struct og_seccomp_rules *rules, const struct og_oci_strings *names,
			      struct og_err *err)
{
	rules->wanted[0] = true;
	for (size_t i = 0; i < names->count; i++) {
		if (!og_seccomp_is_architecture(names->items[i]))
			return og_fail(err, -EINVAL, "architectures[%zu] is '%.40s'", i,
				       names->items[i]);
		for (size_t j = 0; j < OG_SECCOMP_ABIS; j++) {
			if (og_streq(names->items[i], og_seccomp_abis[j].name))
				rules->wanted[j] = true;
		}
	}
	return 0;
}

static int read_all(struct og_seccomp_rules *rules, const struct og_oci_seccomp *config,
		    struct og_err *err)
{
	size_t first = 0;
	int r = og_seccomp_action(config->default_action, &config->default_errno_ret,
				  &rules->default_action);

	if (r < 0 && og_seccomp_find(og_seccomp_actions, config->default_action) != NULL)
		return og_fail(err, r, "defaultErrnoRet: %s takes none", config->default_action);
	if (r < 0)
		return og_fail(err, r, "defaultAction is '%.40s'", config->default_action);
	r = read_architectures(rules, &config->architectures, err);
	for (uint32_t i = 0; r == 0 && i < config->syscalls.count; i++) {
		rules->rules[i].first = first;
		r = read_rule(rules, i, &config->syscalls.items[i], err);
		if (r < 0)
			return og_fail_in(err, r, "syscalls[%u]", i);
		first += config->syscalls.items[i].args.count;
	}
	return r;
}

/* What the lists of @config can need, so that a small profile touches little memory. */
static uint16_t count_entries(const struct og_oci_seccomp *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->syscalls.count && count < OG_SECCOMP_ENTRY_MAX; i++) {
		const struct og_oci_seccomp_rule *rule = &config->syscalls.items[i];
		size_t each = rule->args.count > 1 ? rule->args.count : 1;

		if (rule->names.count > OG_SECCOMP_ENTRY_MAX || each > OG_SECCOMP_ENTRY_MAX)
			return OG_SECCOMP_ENTRY_MAX;
		count += rule->names.count * each * (OG_SECCOMP_ABIS + 1); /* and multiplexed */
	}
	return (uint16_t)(count < OG_SECCOMP_ENTRY_MAX ? count : OG_SECCOMP_ENTRY_MAX);
}

int og_seccomp_rules_new(const struct og_oci_seccomp *config, struct og_seccomp_rules **ret_rules,
			 struct og_err *err)
{
	og_cleanup(og_seccomp_rules_freep) struct og_seccomp_rules *rules =
		calloc(1, sizeof(*rules));
	size_t args = 0;
	int r;

	for (size_t i = 0; i < config->syscalls.count; i++)
		args += config->syscalls.items[i].args.count;
	if (rules == NULL)
		return og_fail(err, -ENOMEM, "compile the filter");
	rules->entry_room = count_entries(config);
	rules->rules = calloc(config->syscalls.count + 1, sizeof(*rules->rules));
	rules->conditions = calloc(args + 1, sizeof(*rules->conditions));
	rules->entries = calloc(rules->entry_room + 1U, sizeof(*rules->entries));
	if (rules->rules == NULL || rules->conditions == NULL || rules->entries == NULL)
		return og_fail(err, -ENOMEM, "compile the filter");
	r = read_all(rules, config, err);
	if (r == 0)
		*ret_rules = og_take_ptr(rules);
	return r;
}

struct og_seccomp_rules *og_seccomp_rules_free(struct og_seccomp_rules *rules)
{
	if (rules == NULL)
		return NULL;
	free(rules->rules);
	free(rules->conditions);
	free(rules->entries);
	free(rules);
	return NULL;
}
