/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/test.h"
#include "base/text.h"
#include "runtime/cgroup_scope.h"

static bool path_is(const char *slice, const char *expected)
{
	og_auto_free char *path = og_slice_path(slice);

	return expected == NULL ? path == NULL : path != NULL && og_streq(path, expected);
}

TEST(dashes_in_a_slices_name_are_the_slices_above_it)
{
	CHECK(path_is("system.slice", "/system.slice"));
	CHECK(path_is("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"));
	CHECK(path_is("-.slice", ""));
}

TEST(what_is_no_name_of_a_slice_is_refused)
{
	CHECK(path_is("", NULL));
	CHECK(path_is("system", NULL));
	CHECK(path_is("-a.slice", NULL));
	CHECK(path_is("a-.slice", NULL));
	CHECK(path_is("a--b.slice", NULL));
	CHECK(path_is("../a.slice", NULL));
	CHECK(path_is("a/b.slice", NULL));
	CHECK(path_is(".slice", NULL));
}

static bool properties_are(const struct og_oci_resources *resources, bool v2, const char *expected)
{
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();
	og_auto_free char *text = NULL;

	og_scope_properties(resources, v2, list);
	text = og_json_write(list);
	return text != NULL && og_streq(text, expected);
}

#define SET(number)                            \
	{                                      \
		.set = true, .value = (number) \
	}

TEST(memory_and_swap_are_counted_as_version_2_counts_them)
{
	const struct og_oci_resources resources = {
		.memory = { .limit = SET(1000), .swap = SET(1500), .reservation = SET(-1) },
	};

	CHECK(properties_are(&resources, false, "[[\"MemoryLimit\",\"t\",1000]]"));
	CHECK(properties_are(&resources, true,
			     "[[\"MemoryMax\",\"t\",1000],"
			     "[\"MemoryLow\",\"t\",18446744073709551615],"
			     "[\"MemorySwapMax\",\"t\",500]]"));
}

TEST(a_quota_is_whole_percents_and_never_less)
{
	const struct og_oci_resources resources = {
		.cpu = { .quota = SET(33333), .period = SET(50000) },
		.pids.limit = SET(-1),
	};

	CHECK(properties_are(&resources, true,
			     "[[\"CPUQuotaPeriodUSec\",\"t\",50000],"
			     "[\"CPUQuotaPerSecUSec\",\"t\",670000],"
			     "[\"TasksMax\",\"t\",18446744073709551615]]"));
}

TEST(processors_are_a_mask_of_bytes)
{
	const struct og_oci_resources resources = { .cpu = { .cpus = "0-1,11", .mems = "0" } };

	CHECK(properties_are(
		&resources, true,
		"[[\"AllowedCPUs\",\"ay\",[3,8]],[\"AllowedMemoryNodes\",\"ay\",[1]]]"));
	CHECK(properties_are(&resources, false, "[]"));
}

TEST(devices_are_a_list_of_what_is_allowed)
{
	struct og_oci_device_rule rules[] = {
		{ .allow = false, .type = 'a', .access = "rwm" },
		{ .allow = true, .type = 'c', .major = SET(10), .minor = SET(200), .access = "rw" },
	};
	struct og_oci_resources resources = { .devices = { .items = rules, .count = 2 } };
	og_cleanup(og_json_freep) struct og_json *list = og_json_new_array();
	og_auto_free char *text = NULL;

	og_scope_properties(&resources, true, list);
	text = og_json_write(list);
	CHECK(strstr(text, "\"strict\"") != NULL);
	CHECK(strstr(text, "[\"/dev/char/10:200\",\"rw\"]") != NULL);
	CHECK(strstr(text, "[\"/dev/char/1:3\",\"rwm\"]") != NULL);
	rules[0].allow = true;
	CHECK(properties_are(&resources, true, "[]"));
}

TEST_MAIN(TEST_ENTRY(dashes_in_a_slices_name_are_the_slices_above_it),
	  TEST_ENTRY(what_is_no_name_of_a_slice_is_refused),
	  TEST_ENTRY(memory_and_swap_are_counted_as_version_2_counts_them),
	  TEST_ENTRY(a_quota_is_whole_percents_and_never_less),
	  TEST_ENTRY(processors_are_a_mask_of_bytes),
	  TEST_ENTRY(devices_are_a_list_of_what_is_allowed))
