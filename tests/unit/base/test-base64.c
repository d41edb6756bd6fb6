/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/test.h"

static const struct {
	const char *plain, *text;
} pairs[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xfe\xfd", "//79" },
};

TEST(what_is_encoded_is_decoded)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		og_auto_free char *text = og_base64_encode(pairs[i].plain, strlen(pairs[i].plain));
		og_auto_free char *plain = NULL;
		size_t len = 99;

		CHECK(strcmp(text, pairs[i].text) == 0);
		CHECK_OK(og_base64_decode(text, &plain, &len));
		CHECK_EQ(len, strlen(pairs[i].plain));
		CHECK(strcmp(plain, pairs[i].plain) == 0);
	}
}

TEST(the_other_alphabet_and_no_padding_are_read)
{
	og_auto_free char *plain = NULL;

	CHECK_OK(og_base64_decode("__79Zg", &plain, NULL));
	CHECK(strcmp(plain, "\xff\xfe\xfd"
			    "f") == 0);
}

TEST(nonsense_is_refused)
{
	static const char *const bad[] = { "A",	   "A===",  "Zg=",  "Zg==Zg==",
					   "Z g=", "Zg\n=", "====", "Zm9vYg=x" };
	char *plain = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_base64_decode(bad[i], &plain, NULL), -EINVAL);
	CHECK(plain == NULL);
}

TEST_MAIN(TEST_ENTRY(what_is_encoded_is_decoded),
	  TEST_ENTRY(the_other_alphabet_and_no_padding_are_read), TEST_ENTRY(nonsense_is_refused))
