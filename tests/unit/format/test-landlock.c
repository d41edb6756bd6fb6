/* SPDX-License-Identifier: Apache-2.0 */
#include "format/landlock.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

TEST(rules_arrive_as_the_kernel_numbers_them)
{
	static const char text[] =
		"{\"restrict\":[\"read\",\"write\",\"truncate\"],\"paths\":[{\"path\":\"/a\",\"access\":"
		"[\"read\"]},{\"path\":\"/b\",\"access\":[\"write\",\"truncate\"]}],"
		"\"tcp\":{\"bind\":[80,8080],\"connect\":[]},\"scope\":[\"signal\"]}";
	og_cleanup(og_landlock_freep) struct og_landlock *landlock = NULL;

	CHECK_OK(og_landlock_parse(text, sizeof(text) - 1, &landlock, NULL));
	CHECK_EQ(landlock->restricted, 0x400e);
	CHECK_EQ(landlock->paths.count, 2);
	CHECK(og_streq(landlock->paths.items[1].path, "/b"));
	CHECK_EQ(landlock->paths.items[0].access, 0xc);
	CHECK_EQ(landlock->paths.items[1].access, 0x4002);
	CHECK_EQ(landlock->bind.count, 2);
	CHECK_EQ(landlock->bind.items[1], 8080);
	CHECK(landlock->connect.items != NULL && landlock->connect.count == 0);
	CHECK_EQ(landlock->scope, 2);
}

TEST(without_a_list_of_kinds_all_are_restricted_where_there_are_paths)
{
	og_cleanup(og_landlock_freep) struct og_landlock *all = NULL;
	og_cleanup(og_landlock_freep) struct og_landlock *none = NULL;
	static const char paths[] = "{\"paths\":[]}";
	static const char ports[] = "{\"tcp\":{\"bind\":[]}}";

	CHECK_OK(og_landlock_parse(paths, sizeof(paths) - 1, &all, NULL));
	CHECK_EQ(all->restricted, 0xffff);
	CHECK(all->bind.items == NULL && all->connect.items == NULL);
	CHECK_OK(og_landlock_parse(ports, sizeof(ports) - 1, &none, NULL));
	CHECK_EQ(none->restricted, 0);
	CHECK(none->bind.items != NULL && none->connect.items == NULL);
}

struct bad {
	const char *text, *said; /* what the error begins with */
};

TEST(what_is_no_rule_is_refused_by_its_path)
{
	static const struct bad bad[] = {
		{ "{}", "nothing is restricted" },
		{ "[]", "the document is not an object" },
		{ "{\"restrict\":[]}", "nothing is restricted" },
		{ "{\"path\":[]}", "path is not known" },
		{ "{\"restrict\":[\"read\",\"look\"]}", "restrict[1] is 'look'" },
		{ "{\"restrict\":\"read\"}", "restrict is not an array" },
		{ "{\"paths\":[{\"path\":\"/\",\"access\":[\"read\"],\"x\":1}]}",
		  "paths[0].x is not known" },
		{ "{\"paths\":[{\"path\":\"/\"}]}", "paths[0].access is missing" },
		{ "{\"paths\":[{\"path\":\"a\",\"access\":[\"read\"]}]}",
		  "paths[0].path is not an absolute path" },
		{ "{\"paths\":[{\"path\":\"/\",\"access\":[]}]}", "paths[0].access is empty" },
		{ "{\"restrict\":[\"write\"],\"paths\":[{\"path\":\"/\",\"access\":[\"read\"]}]}",
		  "paths[0].access has 'read', which is not restricted" },
		{ "{\"tcp\":{\"bind\":[65536]}}", "tcp.bind[0] is out of range (0 to 65535)" },
		{ "{\"tcp\":{\"listen\":[]}}", "tcp.listen is not known" },
		{ "{\"scope\":[\"all\"]}", "scope[0] is 'all'" },
		{ "{\"scope\":[\"signal\"],\"scope\":[]}",
		  "JSON: an object has two equal keys: scope" },
		{ "{\"scope\":[\"signal\"]} x", "JSON" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_landlock *landlock = NULL;
		struct og_err err = {};

		CHECK(og_landlock_parse(bad[i].text, strlen(bad[i].text), &landlock, &err) < 0);
		if (!og_starts_with(err.text, bad[i].said))
			fprintf(stderr, "%s: %s\n", bad[i].text, err.text);
		CHECK(og_starts_with(err.text, bad[i].said));
		CHECK(landlock == NULL);
	}
}

TEST(a_document_too_long_is_refused)
{
	og_auto_free char *text = calloc(1, OG_LANDLOCK_MAX_BYTES + 1);
	struct og_landlock *landlock = NULL;

	CHECK_EQ(og_landlock_parse(text, OG_LANDLOCK_MAX_BYTES + 1, &landlock, NULL), -EFBIG);
}

TEST_MAIN(TEST_ENTRY(rules_arrive_as_the_kernel_numbers_them),
	  TEST_ENTRY(without_a_list_of_kinds_all_are_restricted_where_there_are_paths),
	  TEST_ENTRY(what_is_no_rule_is_refused_by_its_path),
	  TEST_ENTRY(a_document_too_long_is_refused))
