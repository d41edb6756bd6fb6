/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <errno.h>

#include "base/test.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TEST(a_digest_reads_and_writes_as_the_same_text)
{
	struct og_digest digest;

	CHECK_OK(og_digest_parse("sha256:" HEX, &digest));
	CHECK_EQ(digest.sha256[0], 0xe3);
	CHECK_EQ(digest.sha256[31], 0x55);
	CHECK(strcmp(og_digest_format(&digest).text, "sha256:" HEX) == 0);
	CHECK(strcmp(og_digest_hex(&digest).text, HEX) == 0);
}

TEST(what_is_no_digest_is_refused)
{
	static const char *const bad[] = {
		"",
		"sha256:",
		HEX,
		"sha512:" HEX,
		"SHA256:" HEX,
		"sha256:" HEX "0",
		"sha256:../../../../../../../../../../../../../../../../../../etc/shadow",
		"sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	};
	struct og_digest digest;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_digest_parse(bad[i], &digest), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(a_digest_reads_and_writes_as_the_same_text),
	  TEST_ENTRY(what_is_no_digest_is_refused))
