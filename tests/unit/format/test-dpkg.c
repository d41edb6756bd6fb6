/* SPDX-License-Identifier: Apache-2.0 */
#include "format/dpkg.h"

#include "base/test.h"
#include "format/os_release.h"
#include "package_list.h"

static void check_status(const char *status, const char *wanted)
{
	og_auto_text list = {};

	CHECK_OK(og_dpkg_read_status(status, strlen(status), list_package, &list, NULL));
	CHECK_LIST(list, wanted);
}

TEST(source_package_and_version_are_told_apart)
{
	check_status("Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n"
		     "Source: glibc\nVersion: 2.36-9\nDescription: a\n Version: 9\n b\n\n"
		     "Package: gcc-12-base\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+b1\n",
		     "libc6 2.36-9 amd64 glibc -\n"
		     "gcc-12-base 12.2.0-14+b1 - gcc-12 12.2.0-14\n");
}

TEST(what_is_removed_is_not_there_and_what_is_half_there_is)
{
	check_status("Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
		     "Package: never\nStatus: unknown ok not-installed\nVersion: 1\n\n"
		     "Package: held\nStatus: hold ok installed\nVersion: 2\n\n"
		     "Package: half\nStatus: install ok half-configured\nVersion: 3\n",
		     "held 2 - - -\nhalf 3 - - -\n");
}

TEST(a_paragraph_without_name_or_version_is_none)
{
	check_status("Version: 1\n\nPackage: x\n\n\n\n: y\nno colon\n\nPackage: \nVersion: 1\n",
		     "");
	check_status("", "");
	check_status("\r\nPACKAGE:x\r\nversion:1\r\n \r\n", "x 1 - - -\n");
	check_status("Package: s\nVersion: 1\nSource: a (2\n", "s 1 - a -\n");
}

static int refuse(void *data, const struct og_package_entry *entry, struct og_err *err)
{
	(void)data;
	(void)entry;
	(void)err;
	return -EXFULL;
}

TEST(who_is_told_may_end_the_reading)
{
	static const char status[] = "Package: x\nVersion: 1\n\nPackage: y\nVersion: 1\n";

	CHECK_EQ(og_dpkg_read_status(status, sizeof(status) - 1, refuse, NULL, NULL), -EXFULL);
}

TEST(lists_and_sums_name_files)
{
	static const char paths[] = "/.\n/usr\n/usr/bin/x y\n\n/last";
	static const char sums[] = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/x y\nbad\n";
	og_auto_text list = {};

	CHECK_OK(og_dpkg_read_list(paths, strlen(paths), false, list_file, &list, NULL));
	CHECK_LIST(list, "-|/.\n-|/usr\n-|/usr/bin/x y\n-|/last\n");
	og_text_clear(&list);
	CHECK_OK(og_dpkg_read_list(sums, strlen(sums), true, list_file, &list, NULL));
	CHECK_LIST(list, "-|usr/bin/x y\n");
}

TEST(a_release_is_read_as_a_shell_would)
{
	static const char text[] = "# ID=no\nPRETTY_NAME=\"A \\\"B\\\" c\"\nID='x'\n"
				   " VERSION_ID=3.18.4\r\nVERSION_CODENAME=\"bo\"ok\nNAME";
	struct og_os_release release;

	og_os_release_read(text, strlen(text), &release);
	CHECK(strcmp(release.pretty_name, "A \"B\" c") == 0);
	CHECK(strcmp(release.id, "x") == 0);
	CHECK(strcmp(release.version_id, "3.18.4") == 0);
	CHECK(strcmp(release.codename, "bo") == 0);
}

TEST(a_release_longer_than_its_room_is_cut)
{
	char text[400] = "ID=";
	struct og_os_release release;

	memset(text + 3, 'a', 300);
	og_os_release_read(text, strlen(text), &release);
	CHECK_EQ(strlen(release.id), OG_OS_RELEASE_VALUE_MAX - 1);
}

TEST_MAIN(TEST_ENTRY(source_package_and_version_are_told_apart),
	  TEST_ENTRY(what_is_removed_is_not_there_and_what_is_half_there_is),
	  TEST_ENTRY(a_paragraph_without_name_or_version_is_none),
	  TEST_ENTRY(who_is_told_may_end_the_reading), TEST_ENTRY(lists_and_sums_name_files),
	  TEST_ENTRY(a_release_is_read_as_a_shell_would),
	  TEST_ENTRY(a_release_longer_than_its_room_is_cut))
