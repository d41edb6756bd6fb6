/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANY (-1)

/* What every workload may use (config-linux.md, Default Devices), and make nodes of anything. */
static const struct og_device_rule common[] = {
	{ 'c', ANY, ANY, OG_DEVICE_MKNOD }, { 'b', ANY, ANY, OG_DEVICE_MKNOD },
	{ 'c', 1, 3, OG_DEVICE_ALL },	  /* null */
	{ 'c', 1, 5, OG_DEVICE_ALL },	  /* zero */
	{ 'c', 1, 7, OG_DEVICE_ALL },	  /* full */
	{ 'c', 1, 8, OG_DEVICE_ALL },	  /* random */
	{ 'c', 1, 9, OG_DEVICE_ALL },	  /* urandom */
	{ 'c', 5, 0, OG_DEVICE_ALL },	  /* tty */
	{ 'c', 5, 2, OG_DEVICE_ALL },	  /* ptmx */
	{ 'c', 136, ANY, OG_DEVICE_ALL }, /* pts */
};

#define COMMON (sizeof(common) / sizeof(common[0]))

void og_device_rules_done(struct og_device_rules *rules)
{
	free(rules->items);
	*rules = (struct og_device_rules){};
}

struct og_device_rule *og_device_rules_find(const struct og_device_rules *rules,
					    const struct og_device_rule *rule)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct og_device_rule *item = &rules->items[i];

		if (item->type == rule->type && item->major == rule->major &&
		    item->minor == rule->minor)
			return item;
	}
	return NULL;
}

void og_device_rules_add(struct og_device_rules *rules, const struct og_device_rule *rule)
{
	struct og_device_rule *same = og_device_rules_find(rules, rule);

	if (same != NULL)
		same->access |= rule->access;
	else
		rules->items[rules->count++] = *rule;
}

static bool covers(long long wide, long long narrow)
{
	return wide == ANY || wide == narrow;
}

static bool meet(long long a, long long b)
{
	return covers(a, b) || covers(b, a);
}

/* Takes from the exceptions what @rule covers of them. Returns false where that is a part of one. */
static bool take(struct og_device_rules *rules, const struct og_device_rule *rule)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct og_device_rule *item = &rules->items[i];

		if (item->type != rule->type || (item->access & rule->access) == 0 ||
		    !meet(item->major, rule->major) || !meet(item->minor, rule->minor))
			continue;
		if (!covers(rule->major, item->major) || !covers(rule->minor, item->minor))
			return false;
		item->access &= ~rule->access;
	}
	return true;
}

static void drop_empty(struct og_device_rules *rules)
{
	size_t kept = 0;

	for (size_t i = 0; i < rules->count; i++) {
		if (rules->items[i].access != 0)
			rules->items[kept++] = rules->items[i];
	}
	rules->count = kept;
}

static bool apply(struct og_device_rules *rules, bool allow, const struct og_device_rule *rule)
{
	if (rules->allow != allow) {
		og_device_rules_add(rules, rule);
		return true;
	}
	return take(rules, rule);
}

static long long number_of(const struct og_oci_int *number)
{
	return number->set && number->value >= 0 ? number->value : ANY;
}

static int access_of(const char *text)
{
	if (text == NULL)
		return OG_DEVICE_ALL;
	return (strchr(text, 'r') != NULL ? OG_DEVICE_READ : 0) |
	       (strchr(text, 'w') != NULL ? OG_DEVICE_WRITE : 0) |
	       (strchr(text, 'm') != NULL ? OG_DEVICE_MKNOD : 0);
}

static bool apply_given(struct og_device_rules *rules, const struct og_oci_device_rule *given)
{
	struct og_device_rule rule = {
		.type = 'c',
		.major = number_of(&given->major),
		.minor = number_of(&given->minor),
		.access = access_of(given->access),
	};
	bool all = given->type != 'c' && given->type != 'b';

	if (all && rule.major == ANY && rule.minor == ANY && rule.access == OG_DEVICE_ALL) {
		rules->allow = given->allow;
		rules->count = 0;
		return true;
	}
	if (given->type != 'b' && !apply(rules, given->allow, &rule))
		return false;
	rule.type = 'b';
	return given->type == 'c' || apply(rules, given->allow, &rule);
}

int og_device_rules_new(const struct og_oci_resources *resources, struct og_device_rules *ret_rules,
			struct og_err *err)
{
	size_t given = resources->devices.count;
	struct og_device_rules rules = {};

	if (given > OG_DEVICE_RULES_MAX)
		return og_fail(err, -E2BIG, "linux.resources.devices has more than %d rules",
			       OG_DEVICE_RULES_MAX);
	rules.items = calloc(2 * given + COMMON, sizeof(*rules.items));
	if (rules.items == NULL)
		return og_fail(err, -ENOMEM, "linux.resources.devices");
	for (size_t i = 0; i < given; i++) {
		if (apply_given(&rules, &resources->devices.items[i]))
			continue;
		og_device_rules_done(&rules);
		return og_fail_plain(
			err, -EINVAL,
			"linux.resources.devices[%zu] takes back a part of what a rule "
			"before it says: name the devices one by one",
			i);
	}
	for (size_t i = 0; i < COMMON; i++) {
		if (apply(&rules, true, &common[i]))
			continue;
		og_device_rules_done(&rules);
		return og_fail_plain(err, -EINVAL,
				     "linux.resources.devices denies a range with devices in it "
				     "that every workload has: name the devices one by one");
	}
	drop_empty(&rules);
	*ret_rules = rules;
	return 0;
}
