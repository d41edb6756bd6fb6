/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/test.h"

static void file_with(const char *name, const void *bytes, size_t len, uint64_t at)
{
	og_auto_fd fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_OK(ftruncate(fd, 4096));
	CHECK_OK(og_pwrite_all(fd, bytes, len, at));
}

static int open_given(const char *kernel, struct og_err *err)
{
	struct og_vm_kernel opened = { .kernel_fd = -1, .initramfs_fd = -1 };
	int r;

	file_with("initramfs", "070701", 6, 0);
	r = og_vm_kernel_open(kernel, "initramfs", &opened, err);
	if (r == 0) {
		CHECK(strcmp(opened.name, "given") == 0 && opened.kernel_fd != opened.initramfs_fd);
		CHECK_OK(close(opened.kernel_fd));
		CHECK_OK(close(opened.initramfs_fd));
	}
	return r;
}

TEST(a_bzimage_is_a_kernel)
{
	file_with("bzimage", "HdrS", 4, 0x202);
	CHECK_EQ(open_given("bzimage", NULL), -EINVAL);
	file_with("bzimage", "\x55\xaa", 2, 0x1fe);
	CHECK_OK(open_given("bzimage", NULL));
}

TEST(an_elf_file_for_this_machine_is_a_kernel)
{
	file_with("elf", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0", 20, 0);
	CHECK_OK(open_given("elf", NULL));
	file_with("arm", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0", 20, 0);
	CHECK_EQ(open_given("arm", NULL), -EINVAL);
}

TEST(what_is_no_kernel_is_named)
{
	struct og_err err = {};

	file_with("junk", "junk", 4, 0);
	CHECK_EQ(open_given("junk", &err), -EINVAL);
	CHECK(strstr(err.text, "'junk' is no kernel") != NULL);
	CHECK_EQ(open_given("nosuch", &err), -ENOENT);
	CHECK(strstr(err.text, "no guest kernel at 'nosuch'") != NULL);
	CHECK_EQ(open_given(".", &err), -EINVAL);
}

TEST(a_kernel_that_nobody_has_is_refused_by_name)
{
	struct og_vm_kernel opened;
	struct og_err err = {};

	CHECK_OK(setenv("ONGGI_GUEST_KERNEL", "huge", 1));
	CHECK_EQ(og_vm_kernel_open(NULL, NULL, &opened, &err), -EINVAL);
	CHECK(strstr(err.text, "ONGGI_GUEST_KERNEL=huge") != NULL);
}

TEST_MAIN(TEST_ENTRY(a_bzimage_is_a_kernel), TEST_ENTRY(an_elf_file_for_this_machine_is_a_kernel),
	  TEST_ENTRY(what_is_no_kernel_is_named),
	  TEST_ENTRY(a_kernel_that_nobody_has_is_refused_by_name))
