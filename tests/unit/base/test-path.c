/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>

#include "base/test.h"

static int here(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int make_root(void)
{
	CHECK_OK(mkdir("root", 0755));
	return open("root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

TEST(links_and_dots_stay_inside_the_root)
{
	og_auto_fd root_fd = make_root();
	og_auto_fd fd = -EBADF;
	struct stat a;
	struct stat b;

	CHECK_OK(symlinkat("/../../..", root_fd, "out"));
	fd = og_open_in_root(root_fd, "out/../..", O_PATH, 0);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &a));
	CHECK_OK(fstat(root_fd, &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(og_open_beneath(root_fd, "out", O_RDONLY, 0), -ELOOP);
	CHECK_EQ(og_open_beneath(root_fd, "..", O_RDONLY, 0), -EXDEV);
}

TEST(folders_are_made_where_a_link_inside_leads)
{
	og_auto_fd root_fd = make_root();
	struct stat st;

	CHECK_OK(mkdirat(root_fd, "real", 0755));
	CHECK_OK(symlinkat("/real", root_fd, "link"));
	CHECK_OK(og_mkdirs_in_root(root_fd, "/link/a//b/", 0700, NULL, NULL));
	CHECK_OK(fstatat(root_fd, "real/a/b", &st, 0));
	CHECK_EQ(st.st_mode & 0777, 0700);
	CHECK_OK(og_mkdirs_in_root(root_fd, "plain/x/y", 0755, NULL, NULL));
	CHECK_OK(fstatat(root_fd, "plain/x/y", &st, 0));
	CHECK_EQ(og_mkdirs_in_root(root_fd, "real/a/b/../b/c", 0755, NULL, NULL), 0);
}

TEST(a_tree_is_removed_but_not_what_its_links_name)
{
	og_auto_fd dir_fd = here();
	struct stat st;

	CHECK_OK(mkdir("keep", 0755));
	CHECK_OK(mkdir("gone", 0755));
	CHECK_OK(mkdir("gone/deep", 0755));
	CHECK_OK(symlink("../../keep", "gone/deep/link"));
	CHECK_OK(og_remove_tree(dir_fd, "gone", NULL));
	CHECK_OK(stat("keep", &st));
	CHECK_EQ(stat("gone", &st), -1);
	CHECK_OK(og_remove_tree(dir_fd, "gone", NULL));
}

TEST_MAIN(TEST_ENTRY(links_and_dots_stay_inside_the_root),
	  TEST_ENTRY(folders_are_made_where_a_link_inside_leads),
	  TEST_ENTRY(a_tree_is_removed_but_not_what_its_links_name))
