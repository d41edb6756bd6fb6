/* SPDX-License-Identifier: Apache-2.0 */
#include "format/form.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST(fields_are_decoded)
{
	static const char text[] = "a=1&b%20c=%41%2b+%26%3d&&scope=x&empty=&scope=y&d=e=f";
	struct og_form form;

	CHECK_OK(og_form_parse(text, strlen(text), "scope", &form, NULL));
	CHECK_EQ(form.count, 6);
	CHECK(og_streq(og_form_get(&form, "a"), "1"));
	CHECK(og_streq(og_form_get(&form, "b c"), "A+ &="));
	CHECK(og_streq(og_form_get(&form, "scope"), "x"));
	CHECK(og_streq(form.fields[4].value, "y"));
	CHECK(og_streq(og_form_get(&form, "empty"), ""));
	CHECK(og_streq(og_form_get(&form, "d"), "e=f"));
	CHECK(og_streq(og_form_get(&form, "none"), ""));
	og_form_done(&form);
}

TEST(what_has_two_readings_is_refused)
{
	static const char *const rows[] = { "a",     "a=1&b", "a=%",	 "a=%4",     "a=%4g",
					    "a=%00", "%00=a", "a=1&a=2", "a=1&%61=2" };
	struct og_form form;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_EQ(og_form_parse(rows[i], strlen(rows[i]), "scope", &form, NULL), -EBADMSG);
	CHECK_EQ(og_form_parse("a=\0b", 4, NULL, &form, NULL), -EBADMSG);
	CHECK_EQ(og_form_parse("scope=1&scope=2", 15, NULL, &form, NULL), -EBADMSG);
}

TEST(the_number_of_fields_is_bounded)
{
	og_auto_text text = {};
	struct og_form form;

	for (unsigned i = 0; i <= OG_FORM_FIELDS_MAX; i++)
		og_text_addf(&text, "f%u=&", i);
	CHECK_EQ(og_form_parse(text.buf, text.len, NULL, &form, NULL), -E2BIG);
}

TEST_MAIN(TEST_ENTRY(fields_are_decoded), TEST_ENTRY(what_has_two_readings_is_refused),
	  TEST_ENTRY(the_number_of_fields_is_bounded))
