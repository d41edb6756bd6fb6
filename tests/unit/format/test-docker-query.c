/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_query.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

static const char *const accepted[] = { "label", "status", NULL };

TEST(filters_come_as_lists_and_as_maps_of_true)
{
	static const char *const forms[] = {
		"{\"status\":[\"running\",\"paused\"]}",
		"{\"status\":{\"running\":true,\"paused\":true,\"dead\":false}}",
	};

	for (size_t i = 0; i < 2; i++) {
		og_cleanup(og_json_freep) struct og_json *filters = NULL;

		CHECK_OK(og_filters_parse(forms[i], accepted, &filters, NULL));
		CHECK(og_filters_allow(filters, "status", "running"));
		CHECK(og_filters_allow(filters, "status", "paused"));
		CHECK(!og_filters_allow(filters, "status", "dead"));
		CHECK(og_filters_allow(filters, "name", "any"));
	}
}

TEST(no_filters_allow_everything)
{
	og_cleanup(og_json_freep) struct og_json *filters = NULL;

	CHECK_OK(og_filters_parse(NULL, accepted, &filters, NULL));
	CHECK(og_filters_allow(filters, "status", "dead"));
	CHECK(og_filters_allow_labels(filters, NULL));
}

TEST(unknown_filters_are_refused_by_name)
{
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	struct og_err err = {};

	CHECK_EQ(og_filters_parse("{\"colour\":[\"red\"]}", accepted, &filters, &err), -EINVAL);
	CHECK(og_starts_with(err.text, "invalid filter 'colour'"));
	CHECK_EQ(og_filters_parse("[]", accepted, &filters, &err), -EINVAL);
	CHECK_EQ(og_filters_parse("{\"status\":7}", accepted, &filters, &err), -EINVAL);
	CHECK_EQ(og_filters_parse("{\"status\":[7]}", accepted, &filters, &err), -EINVAL);
}

TEST(labels_match_by_key_and_by_value_and_all_must)
{
	static const char text[] = "{\"label\":[\"a\",\"b=2\"]}";

	static const struct {
		const char *labels;
		bool allowed;
	} cases[] = {
		{ "{\"a\":\"\",\"b\":\"2\"}", true },
		{ "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}", true },
		{ "{\"a\":\"1\",\"b\":\"22\"}", false },
		{ "{\"ab\":\"1\",\"b\":\"2\"}", false },
		{ "{\"a\":\"1\"}", false },
		{ "{}", false },
	};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;

	CHECK_OK(og_filters_parse(text, accepted, &filters, NULL));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_cleanup(og_json_freep) struct og_json *labels = NULL;

		CHECK_OK(og_json_parse(cases[i].labels, strlen(cases[i].labels), &labels, NULL));
		CHECK_EQ(og_filters_allow_labels(filters, labels), cases[i].allowed);
	}
}

static void check_auth(const char *text, const char *user, const char *password, const char *token)
{
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};

	CHECK_OK(og_registry_auth_parse(text, &auth, NULL));
	CHECK(og_streq(auth.user, user));
	CHECK(og_streq(auth.password, password));
	CHECK(og_streq(auth.identity_token, token));
}

TEST(credentials_are_read_from_both_alphabets_with_and_without_padding)
{
	check_auth(NULL, "", "", "");
	check_auth("", "", "", "");
	check_auth("e30=", "", "", "");
	check_auth("eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ==", "u", "p", "");
	check_auth("eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ", "u", "p", "");
	check_auth("eyJ1c2VybmFtZSI6IsO-w78iLCJwYXNzd29yZCI6InAifQ", "\xc3\xbe\xc3\xbf", "p", "");
	check_auth("eyJ1c2VybmFtZSI6IsO+w78iLCJwYXNzd29yZCI6InAifQ", "\xc3\xbe\xc3\xbf", "p", "");
	check_auth("eyJpZGVudGl0eXRva2VuIjoidCJ9", "", "", "t");
	check_auth("eyJhdXRoIjoiZFRwdyJ9", "u", "p", "");
}

TEST(broken_credentials_are_refused_and_not_repeated)
{
	static const char *const broken[] = { "a", "!!!!", "W10", "bm9uZQ", "eyJ1c2VybmFtZSI6MX0" };

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
		struct og_err err = {};

		CHECK_EQ(og_registry_auth_parse(broken[i], &auth, &err), -EINVAL);
		CHECK(og_starts_with(err.text, "invalid X-Registry-Auth header: Inv"));
	}
}

TEST_MAIN(TEST_ENTRY(filters_come_as_lists_and_as_maps_of_true),
	  TEST_ENTRY(no_filters_allow_everything), TEST_ENTRY(unknown_filters_are_refused_by_name),
	  TEST_ENTRY(labels_match_by_key_and_by_value_and_all_must),
	  TEST_ENTRY(credentials_are_read_from_both_alphabets_with_and_without_padding),
	  TEST_ENTRY(broken_credentials_are_refused_and_not_repeated))
