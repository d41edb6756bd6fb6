/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "runtime/cgroup_rules.h"

#define ANY (-1)

static struct og_oci_device_rule rule(bool allow, int type, long long major, long long minor,
				      const char *access)
{
	return (struct og_oci_device_rule){
		.allow = allow,
		.type = type,
		.major = { .set = true, .value = major },
		.minor = { .set = true, .value = minor },
		.access = access,
	};
}

static int put_together(struct og_oci_device_rule *items, size_t count,
			struct og_device_rules *ret_rules)
{
	struct og_oci_resources resources = { .devices = { items, count } };

	return og_device_rules_new(&resources, ret_rules, NULL);
}

/* What may be done with one device: -1 where no exception names just it. */
static int access_to(const struct og_device_rules *rules, char type, long long major,
		     long long minor)
{
	struct og_device_rule wanted = { .type = type, .major = major, .minor = minor };
	const struct og_device_rule *found = og_device_rules_find(rules, &wanted);

	return found == NULL ? -1 : found->access;
}

TEST(without_rules_there_are_the_devices_that_every_workload_has)
{
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};

	CHECK_OK(put_together(NULL, 0, &rules));
	CHECK(!rules.allow);
	CHECK_EQ(rules.count, 10);
	CHECK_EQ(access_to(&rules, 'c', 1, 3), OG_DEVICE_ALL);
	CHECK_EQ(access_to(&rules, 'c', 136, ANY), OG_DEVICE_ALL);
	CHECK_EQ(access_to(&rules, 'b', ANY, ANY), OG_DEVICE_MKNOD);
}

TEST(access_to_one_device_adds_up_and_is_taken_back)
{
	struct og_oci_device_rule items[] = {
		rule(true, 'c', 10, 200, "r"),	  rule(true, 'c', 10, 200, "wr"),
		rule(true, 'a', 7, 1, NULL),	  rule(false, 'c', 7, ANY, "m"),
		rule(false, 'b', ANY, ANY, NULL),
	};
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};

	CHECK_OK(put_together(items, 5, &rules));
	CHECK_EQ(access_to(&rules, 'c', 10, 200), OG_DEVICE_READ | OG_DEVICE_WRITE);
	CHECK_EQ(access_to(&rules, 'c', 7, 1), OG_DEVICE_READ | OG_DEVICE_WRITE);
	CHECK_EQ(access_to(&rules, 'b', 7, 1), -1);
}

TEST(a_rule_for_everything_begins_anew)
{
	struct og_oci_device_rule items[] = {
		rule(true, 'c', 10, 200, NULL),
		rule(true, 'a', ANY, ANY, "rwm"),
		rule(false, 'b', 8, 0, "w"),
	};
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};

	CHECK_OK(put_together(items, 3, &rules));
	CHECK(rules.allow);
	CHECK_EQ(rules.count, 1);
	CHECK_EQ(access_to(&rules, 'b', 8, 0), OG_DEVICE_WRITE);
}

TEST(what_no_list_can_say_is_refused)
{
	struct og_oci_device_rule part[] = { rule(true, 'c', 10, ANY, "rw"),
					     rule(false, 'c', 10, 200, "w") };
	struct og_oci_device_rule apart[] = { rule(true, 'c', 10, ANY, "r"),
					      rule(false, 'c', 10, 200, "w") };
	struct og_oci_device_rule crossed[] = { rule(true, 'c', 10, ANY, "rw"),
						rule(false, 'c', ANY, 200, "w") };
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};

	CHECK_EQ(put_together(part, 2, &rules), -EINVAL);
	CHECK_EQ(put_together(crossed, 2, &rules), -EINVAL);
	CHECK_OK(put_together(apart, 2, &rules));
	CHECK_EQ(access_to(&rules, 'c', 10, ANY), OG_DEVICE_READ);
}

TEST_MAIN(TEST_ENTRY(without_rules_there_are_the_devices_that_every_workload_has),
	  TEST_ENTRY(access_to_one_device_adds_up_and_is_taken_back),
	  TEST_ENTRY(a_rule_for_everything_begins_anew),
	  TEST_ENTRY(what_no_list_can_say_is_refused))
