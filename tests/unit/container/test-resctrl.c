/* SPDX-License-Identifier: Apache-2.0 */
/* On an ordinary folder: what resctrl would make by itself, a group's files, is made by writing them. */
#include "container/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/test.h"
#include "base/text.h"

static int here(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static bool holds(const char *path, const char *expected)
{
	og_auto_free char *text = NULL;
	size_t len;

	return og_read_file(AT_FDCWD, path, 4096, &text, &len, NULL) == 0 &&
	       og_streq(text, expected);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_OK(og_write_all(fd, text, strlen(text)));
	og_close(fd);
}

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

TEST(a_group_of_its_own_has_its_schemata_in_order_and_goes_with_it)
{
	const char *lines[] = { "L2:0=f", NULL };
	struct og_oci_intel_rdt config = {
		.set = true,
		.l3_cache_schema = "L3:0=7f0;1=1f",
		.mem_bw_schema = "MB:0=20;1=70",
		.schemata = { .items = lines, .count = 1 },
	};
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_cleanup(og_json_freep) struct og_json *saved = og_resctrl_save(&resctrl);
	og_auto_fd fd = here();

	CHECK_OK(og_resctrl_check(fd, &resctrl, NULL));
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	CHECK(holds("box/schemata", "L3:0=7f0;1=1f\nMB:0=20;1=70\nL2:0=f\n"));
	CHECK_OK(og_resctrl_enter(fd, &resctrl, 123, NULL));
	CHECK(holds("box/tasks", "123\n"));

	CHECK_EQ(og_resctrl_check(fd, &resctrl, NULL), -EEXIST);
	CHECK_OK(unlink("box/tasks"));
	CHECK_OK(unlink("box/schemata"));
	CHECK_OK(og_resctrl_remove(fd, saved, NULL));
	CHECK(!there("box"));
	CHECK_OK(og_resctrl_remove(fd, saved, NULL));
}

TEST(a_group_by_name_is_made_where_there_is_a_schema_for_it_and_stays)
{
	struct og_oci_intel_rdt config = { .set = true, .clos_id = "gold" };
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_cleanup(og_json_freep) struct og_json *saved = og_resctrl_save(&resctrl);
	og_auto_fd fd = here();

	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -ENOENT);
	CHECK(!there("gold"));
	config.mem_bw_schema = "MB:0=20";
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	CHECK(holds("gold/schemata", "MB:0=20\n"));
	CHECK_OK(unlink("gold/schemata"));
	CHECK_OK(og_resctrl_remove(fd, saved, NULL));
	CHECK(there("gold"));
}

TEST(a_group_that_is_there_must_have_the_same_schema)
{
	struct og_oci_intel_rdt config = { .set = true, .clos_id = "gold" };
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_auto_fd fd = here();

	CHECK_OK(mkdir("gold", 0700));
	put("gold/schemata", "    MB:0= 20;1=100\n    L3:0=00ff;1=0000\n");
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	config.l3_cache_schema = "L3:0=ff";
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	config.l3_cache_schema = "L3:1=0;0=0ff";
	config.mem_bw_schema = "MB:1=100";
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	CHECK(holds("gold/schemata", "    MB:0= 20;1=100\n    L3:0=00ff;1=0000\n"));
	config.mem_bw_schema = "MB:1=10";
	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -EINVAL);
	config.mem_bw_schema = "MB:2=100";
	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -EINVAL);
	config.mem_bw_schema = NULL;
	config.l3_cache_schema = "L3:0=f";
	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -EINVAL);
	config.l3_cache_schema = "L3CODE:0=ff";
	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -EINVAL);
}

TEST(the_default_group_is_named_by_a_slash)
{
	struct og_oci_intel_rdt config = { .set = true, .clos_id = "/" };
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_cleanup(og_json_freep) struct og_json *saved = og_resctrl_save(&resctrl);
	og_auto_fd fd = here();

	CHECK_OK(og_resctrl_check(fd, &resctrl, NULL));
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	CHECK_OK(og_resctrl_enter(fd, &resctrl, 5, NULL));
	CHECK(holds("tasks", "5\n"));
	CHECK_OK(og_resctrl_remove(fd, saved, NULL));
	CHECK(there("tasks"));
}

TEST(monitoring_has_a_group_below_that_goes_with_it)
{
	struct og_oci_intel_rdt config = {
		.set = true,
		.clos_id = "gold",
		.enable_monitoring = true,
	};
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_cleanup(og_json_freep) struct og_json *saved = og_resctrl_save(&resctrl);
	og_auto_fd fd = here();

	CHECK_OK(mkdir("gold", 0700));
	CHECK_EQ(og_resctrl_prepare(fd, &resctrl, NULL), -ENOENT); /* no monitoring here */
	CHECK_OK(mkdir("gold/mon_groups", 0700));
	CHECK_OK(og_resctrl_prepare(fd, &resctrl, NULL));
	CHECK_OK(og_resctrl_enter(fd, &resctrl, 7, NULL));
	CHECK(holds("gold/tasks", "7\n") && holds("gold/mon_groups/box/tasks", "7\n"));
	CHECK_OK(unlink("gold/mon_groups/box/tasks"));
	CHECK_OK(og_resctrl_remove(fd, saved, NULL));
	CHECK(there("gold/mon_groups") && !there("gold/mon_groups/box"));
}

TEST(names_and_lines_that_would_be_something_else_are_refused)
{
	static const char *const names[] = { "..", "a/b", "info", "mon_groups", "mon_data", "a\nb" };
	static const char *const schemas[] = { "MB:0=1\nL3:0=f", "L3:0=f", "" };
	const char *lines[] = { "L3:0=f\nMB:0=1", NULL };
	struct og_oci_intel_rdt config = { .set = true };
	struct og_resctrl resctrl = { .config = &config, .id = "box" };
	og_auto_fd fd = here();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		config.clos_id = names[i];
		CHECK_EQ(og_resctrl_check(fd, &resctrl, NULL), -EINVAL);
	}
	config.clos_id = NULL;
	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
		config.mem_bw_schema = schemas[i];
		CHECK_EQ(og_resctrl_check(fd, &resctrl, NULL), -EINVAL);
	}
	config.mem_bw_schema = NULL;
	config.l3_cache_schema = "nonsense";
	CHECK_EQ(og_resctrl_check(fd, &resctrl, NULL), -EINVAL);
	config.l3_cache_schema = NULL;
	config.schemata = (struct og_oci_strings){ .items = lines, .count = 1 };
	CHECK_EQ(og_resctrl_check(fd, &resctrl, NULL), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(a_group_of_its_own_has_its_schemata_in_order_and_goes_with_it),
	  TEST_ENTRY(a_group_by_name_is_made_where_there_is_a_schema_for_it_and_stays),
	  TEST_ENTRY(a_group_that_is_there_must_have_the_same_schema),
	  TEST_ENTRY(the_default_group_is_named_by_a_slash),
	  TEST_ENTRY(monitoring_has_a_group_below_that_goes_with_it),
	  TEST_ENTRY(names_and_lines_that_would_be_something_else_are_refused))
