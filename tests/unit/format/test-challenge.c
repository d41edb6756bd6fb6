/* SPDX-License-Identifier: Apache-2.0 */
#include "format/challenge.h"

#include <errno.h>

#include "base/test.h"

TEST(a_token_server_is_understood)
{
	struct og_challenge c = {};

	CHECK_OK(og_challenge_parse(
		"Bearer realm=\"https://auth.docker.io/token\","
		"service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"",
		&c, NULL));
	CHECK(c.bearer && !c.basic);
	CHECK(strcmp(c.realm, "https://auth.docker.io/token") == 0);
	CHECK(strcmp(c.service, "registry.docker.io") == 0);
	CHECK(strcmp(c.scope, "repository:a/b:pull,push") == 0);
}

TEST(basic_and_others_may_stand_beside_it)
{
	struct og_challenge c = {};

	CHECK_OK(og_challenge_parse("Digest realm=x, nonce=\"y\", bAsIc realm=\"a \\\"b\\\"\" , "
				    "Bearer  realm = \"https://t/\"",
				    &c, NULL));
	CHECK(c.bearer && c.basic);
	CHECK(strcmp(c.realm, "https://t/") == 0);
	CHECK(c.scope[0] == '\0');
}

TEST(several_headers_add_up)
{
	struct og_challenge c = {};

	CHECK_OK(og_challenge_parse("Bearer realm=\"https://one/\"", &c, NULL));
	CHECK_OK(og_challenge_parse("Basic", &c, NULL));
	CHECK_OK(og_challenge_parse("Bearer realm=\"https://two/\"", &c, NULL));
	CHECK(c.bearer && c.basic);
	CHECK(strcmp(c.realm, "https://one/") == 0);
}

TEST(a_bearer_without_realm_is_none)
{
	struct og_challenge c = {};

	CHECK_OK(og_challenge_parse("Bearer service=x", &c, NULL));
	CHECK(!c.bearer);
	CHECK_OK(og_challenge_parse("", &c, NULL));
	CHECK(!c.bearer && !c.basic);
}

TEST(nonsense_is_refused_and_changes_nothing)
{
	static const char *const bad[] = { "Bearer realm=\"open",
					   "Bearer realm=",
					   "Bearer realm=\"a\" b",
					   "Bearer realm=\"a\\",
					   "\x01",
					   "Bearer realm=\"a\nb\"",
					   "=" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_challenge c = { .basic = true };

		fprintf(stderr, "%s\n", bad[i]);
		CHECK_EQ(og_challenge_parse(bad[i], &c, NULL), -EBADMSG);
		CHECK(c.basic && !c.bearer && c.realm[0] == '\0');
	}
}

TEST(an_endless_field_is_refused)
{
	char text[4096] = "Bearer realm=\"";
	struct og_challenge c = {};

	memset(text + strlen(text), 'a', 2000);
	strcat(text, "\"");
	CHECK_EQ(og_challenge_parse(text, &c, NULL), -E2BIG);
}

TEST_MAIN(TEST_ENTRY(a_token_server_is_understood),
	  TEST_ENTRY(basic_and_others_may_stand_beside_it), TEST_ENTRY(several_headers_add_up),
	  TEST_ENTRY(a_bearer_without_realm_is_none),
	  TEST_ENTRY(nonsense_is_refused_and_changes_nothing),
	  TEST_ENTRY(an_endless_field_is_refused))
