/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"

TEST(versions_are_taken_off_and_judged)
{
	static const struct {
		const char *path, *rest;
		enum og_version_fit fit;
	} cases[] = {
		{ "/v1.41/info", "/info", OG_VERSION_OK },
		{ "/v1.24/info", "/info", OG_VERSION_OK },
		{ "/v1.23/info", "/info", OG_VERSION_TOO_OLD },
		{ "/v0.99/info", "/info", OG_VERSION_TOO_OLD },
		{ "/v1.42/info", "/info", OG_VERSION_TOO_NEW },
		{ "/v2.0/info", "/info", OG_VERSION_TOO_NEW },
		{ "/info", "/info", OG_VERSION_NONE },
		{ "/version", "/version", OG_VERSION_NONE },
		{ "/volumes/x", "/volumes/x", OG_VERSION_NONE },
		{ "/v1/info", "/v1/info", OG_VERSION_NONE },
		{ "/v1.41", "/v1.41", OG_VERSION_NONE },
		{ "/v1.4100000000/info", "/v1.4100000000/info", OG_VERSION_NONE },
		{ "/v1.-1/info", "/v1.-1/info", OG_VERSION_NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char version[12] = "";
		const char *rest;

		CHECK_EQ(og_route_version(cases[i].path, &rest, version), cases[i].fit);
		CHECK(og_streq(rest, cases[i].rest));
	}
}

TEST(patterns_match_one_segment_or_an_images_name)
{
	static const struct {
		const char *pattern, *path, *param;
	} cases[] = {
		{ "/containers/{}/json", "/containers/abc/json", "abc" },
		{ "/containers/{}/json", "/containers/a/b/json", NULL },
		{ "/containers/{}/json", "/containers//json", NULL },
		{ "/containers/{}/json", "/containers/json", NULL },
		{ "/containers/{}", "/containers/abc", "abc" },
		{ "/containers/{}", "/containers/abc/json", NULL },
		{ "/images/{*}/json", "/images/127.0.0.1:5051/busybox:1/json",
		  "127.0.0.1:5051/busybox:1" },
		{ "/images/{*}/json", "/images/json/json", "json" },
		{ "/images/{*}/json", "/images/json", NULL },
		{ "/images/{*}", "/images/a/b/c", "a/b/c" },
		{ "/images/{*}/get", "/images/a/json", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_auto_free char *param = NULL;

		CHECK_EQ(og_route_match(cases[i].pattern, cases[i].path, &param),
			 cases[i].param != NULL);
		CHECK(cases[i].param == NULL || og_streq(param, cases[i].param));
	}
}

TEST(a_pattern_without_a_placeholder_is_the_path_itself)
{
	og_auto_free char *param = NULL;

	CHECK(og_route_match("/info", "/info", &param));
	CHECK(param == NULL);
	CHECK(!og_route_match("/info", "/info/", &param));
	CHECK(!og_route_match("/info", "/INFO", &param));
}

TEST_MAIN(TEST_ENTRY(versions_are_taken_off_and_judged),
	  TEST_ENTRY(patterns_match_one_segment_or_an_images_name),
	  TEST_ENTRY(a_pattern_without_a_placeholder_is_the_path_itself))
