/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

#define NAME "a\nonggi: all is well\x1b[2J"
#define SEEN "a onggi: all is well [2J"

TEST(a_strangers_name_stays_on_one_line)
{
	struct og_err err = {};

	CHECK_EQ(og_fail(&err, -ENOENT, "open '%s'", NAME), -ENOENT);
	CHECK(strcmp(err.text, "open '" SEEN "': No such file or directory") == 0);
	CHECK_EQ(og_fail_plain(&err, -ENOENT, "No such image: %s", NAME), -ENOENT);
	CHECK(strcmp(err.text, "No such image: " SEEN) == 0);
	CHECK_EQ(og_fail_as(&err, -EIO, NAME), -EIO);
	CHECK(strcmp(err.text, SEEN) == 0);
	CHECK_EQ(og_fail_in(&err, -EIO, "read '%s'", NAME), -EIO);
	CHECK(strcmp(err.text, "read '" SEEN "': " SEEN) == 0);
}

TEST(whoever_wants_no_text_gets_the_code)
{
	CHECK_EQ(og_fail(NULL, -EIO, "x"), -EIO);
	CHECK_EQ(og_fail_plain(NULL, -EIO, "x"), -EIO);
	CHECK_EQ(og_fail_as(NULL, -EIO, "x"), -EIO);
	CHECK_EQ(og_fail_in(NULL, -EIO, "x"), -EIO);
}

TEST(a_long_text_is_cut)
{
	struct og_err err = {};
	char name[2 * OG_ERR_TEXT_MAX];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)og_fail(&err, -EIO, "open '%s'", name);
	CHECK_EQ(strlen(err.text), OG_ERR_TEXT_MAX - 1);
	(void)og_fail_in(&err, -EIO, "%s", name);
	CHECK_EQ(strlen(err.text), OG_ERR_TEXT_MAX - 1);
}

TEST_MAIN(TEST_ENTRY(a_strangers_name_stays_on_one_line),
	  TEST_ENTRY(whoever_wants_no_text_gets_the_code), TEST_ENTRY(a_long_text_is_cut))
