/* SPDX-License-Identifier: Apache-2.0 */
#include "format/passwd.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/bash\n"
				  "short:x:7\n"
				  ":x:8:8::/:/bin/sh\n"
				  "wraps:x:4294967296:0::/:/bin/sh\n"
				  "minus:x:-1:0::/:/bin/sh\n"
				  "relative:x:9:9::home:/bin/sh\n"
				  "1000name:x:1234:1234::/n:/bin/sh\n"
				  "app:x:1000:100:An app,,:/srv/app:/bin/sh";
static const char group_text[] = "root:x:0:\n"
				 "users:x:100:app\n"
				 "broken:x:x:app\n"
				 "video:x:44:other,app\n"
				 "audio:x:29:apple,other\n";

static int resolve(const char *spec, struct og_user *user, struct og_err *err)
{
	return og_user_resolve(spec,
			       (struct og_passwd_file){ passwd_text, sizeof(passwd_text) - 1 },
			       (struct og_passwd_file){ group_text, sizeof(group_text) - 1 }, user,
			       err);
}

TEST(a_name_brings_its_group_home_and_further_groups)
{
	struct og_user user;

	CHECK_OK(resolve("app", &user, NULL));
	CHECK_EQ(user.uid, 1000);
	CHECK_EQ(user.gid, 100);
	CHECK_EQ(user.group_count, 1);
	CHECK_EQ(user.groups[0], 44);
	CHECK(strcmp(user.home, "/srv/app") == 0);
}

TEST(nobody_named_is_root)
{
	struct og_user user;

	CHECK_OK(resolve("", &user, NULL));
	CHECK_EQ(user.uid, 0);
	CHECK_EQ(user.gid, 0);
	CHECK(strcmp(user.home, "/root") == 0);
}

TEST(a_number_need_not_be_listed)
{
	struct og_user user;

	CHECK_OK(resolve("4711", &user, NULL));
	CHECK_EQ(user.uid, 4711);
	CHECK_EQ(user.gid, 0);
	CHECK(strcmp(user.home, "/") == 0);
	CHECK_OK(resolve("1000", &user, NULL));
	CHECK_EQ(user.gid, 100);
	CHECK_EQ(user.group_count, 1);
}

TEST(a_group_that_is_given_replaces_all_others)
{
	struct og_user user;

	CHECK_OK(resolve("app:audio", &user, NULL));
	CHECK_EQ(user.gid, 29);
	CHECK_EQ(user.group_count, 0);
	CHECK_OK(resolve("5:6", &user, NULL));
	CHECK_EQ(user.uid, 5);
	CHECK_EQ(user.gid, 6);
}

/* A15 and A16: never root by mistake. */
TEST(what_is_no_user_is_refused_and_never_root)
{
	static const struct {
		const char *spec;
		int code;
	} cases[] = {
		{ "1000:", -EINVAL },
		{ ":5", -EINVAL },
		{ ":", -EINVAL },
		{ "0:0x", -ENOENT },
		{ "0x10", -ENOENT },
		{ "-1", -ENOENT },
		{ "4294967296", -ERANGE },
		{ "4294967295", -ERANGE },
		{ "2147483648:1", -ERANGE },
		{ "app:9999999999", -ERANGE },
		{ " 0", -ENOENT },
		{ "wraps", -ENOENT },
		{ "minus", -ENOENT },
		{ "short", -ENOENT },
		{ "app:nobody", -ENOENT },
		{ "18446744073709551616", -ERANGE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_user user = { .uid = 77 };
		struct og_err err = {};

		CHECK_EQ(resolve(cases[i].spec, &user, &err), cases[i].code);
		CHECK_EQ(user.uid, 77);
		CHECK(err.text[0] != '\0');
	}
}

TEST(a_name_may_begin_with_digits)
{
	struct og_user user;

	CHECK_OK(resolve("1000name", &user, NULL));
	CHECK_EQ(user.uid, 1234);
}

TEST(missing_files_leave_numbers_only)
{
	struct og_user user;
	struct og_passwd_file none = {};

	CHECK_OK(og_user_resolve("3:4", none, none, &user, NULL));
	CHECK_EQ(user.uid, 3);
	CHECK_EQ(og_user_resolve("root", none, none, &user, NULL), -ENOENT);
}

TEST_MAIN(TEST_ENTRY(a_name_brings_its_group_home_and_further_groups),
	  TEST_ENTRY(nobody_named_is_root), TEST_ENTRY(a_number_need_not_be_listed),
	  TEST_ENTRY(a_group_that_is_given_replaces_all_others),
	  TEST_ENTRY(what_is_no_user_is_refused_and_never_root),
	  TEST_ENTRY(a_name_may_begin_with_digits), TEST_ENTRY(missing_files_leave_numbers_only))
