/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tar_members.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/test.h"

#define NONE SIZE_MAX

static void add(struct og_tar_members *members, enum og_tar_type type, const char *name,
		const char *link)
{
	const struct og_tar_entry entry = { .type = type, .name = name, .link = link };

	CHECK_OK(og_tar_members_add(members, &entry, NULL));
}

static size_t find(const struct og_tar_members *members, const char *name)
{
	size_t at = og_tar_members_find(members, name);

	return at < members->count ? at : NONE;
}

TEST(the_last_of_equal_names_counts)
{
	og_cleanup(og_tar_members_done) struct og_tar_members members = {};

	CHECK_EQ(find(&members, "a"), NONE);
	add(&members, OG_TAR_FILE, "a", "");
	add(&members, OG_TAR_FILE, "././b/c", "");
	add(&members, OG_TAR_FIFO, "./a", "");
	CHECK_EQ(find(&members, "a"), 2);
	CHECK_EQ(find(&members, "./a"), 2);
	CHECK_EQ(find(&members, "b/c"), 1);
	CHECK_EQ(find(&members, "/a"), NONE);
}

TEST(links_lead_to_what_they_mean_and_never_out)
{
	og_cleanup(og_tar_members_done) struct og_tar_members members = {};

	add(&members, OG_TAR_FILE, "aa/layer.tar", "");
	add(&members, OG_TAR_SYMLINK, "bb/layer.tar", "../aa/./layer.tar");
	add(&members, OG_TAR_HARD_LINK, "cc/layer.tar", "bb/layer.tar");
	add(&members, OG_TAR_HARD_LINK, "bb/hard", "layer.tar");
	add(&members, OG_TAR_SYMLINK, "out", "../aa/layer.tar");
	add(&members, OG_TAR_SYMLINK, "dd/out", "../../dd/x");
	CHECK_EQ(find(&members, "bb/layer.tar"), 0);
	CHECK_EQ(find(&members, "cc/layer.tar"), 0);
	CHECK_EQ(find(&members, "bb/hard"), NONE);
	CHECK_EQ(find(&members, "out"), 4);
	CHECK_EQ(find(&members, "dd/out"), 5);
}

TEST(links_in_a_circle_lead_nowhere)
{
	og_cleanup(og_tar_members_done) struct og_tar_members members = {};

	add(&members, OG_TAR_SYMLINK, "a", "b");
	add(&members, OG_TAR_SYMLINK, "b", "a");
	add(&members, OG_TAR_SYMLINK, "self", "self");
	CHECK_EQ(find(&members, "a"), NONE);
	CHECK_EQ(find(&members, "self"), NONE);
}

TEST(there_are_members_up_to_a_limit)
{
	og_cleanup(og_tar_members_done) struct og_tar_members members = {};
	const struct og_tar_entry entry = { .name = "x", .link = "" };
	struct og_err err = {};

	for (size_t i = 0; i < OG_TAR_MEMBERS_MAX; i++)
		add(&members, OG_TAR_FILE, "x", "");
	CHECK_EQ(og_tar_members_add(&members, &entry, &err), -E2BIG);
	CHECK_EQ(members.count, OG_TAR_MEMBERS_MAX);
	CHECK_EQ(find(&members, "x"), OG_TAR_MEMBERS_MAX - 1);
}

TEST_MAIN(TEST_ENTRY(the_last_of_equal_names_counts),
	  TEST_ENTRY(links_lead_to_what_they_mean_and_never_out),
	  TEST_ENTRY(links_in_a_circle_lead_nowhere), TEST_ENTRY(there_are_members_up_to_a_limit))
