/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

TEST(a_bzimage_is_a_kernel)
{
	og_auto_fd fd = -EBADF;

	file_with("bzimage", "HdrS", 4, 0x202);
	CHECK_EQ(og_vm_kernel_open("bzimage", false, NULL), -EINVAL);
	file_with("bzimage", "\x55\xaa", 2, 0x1fe);
	fd = og_vm_kernel_open("bzimage", false, NULL);
	CHECK(fd >= 0);
}

TEST(an_elf_file_for_this_machine_is_a_kernel)
{
	og_auto_fd fd = -EBADF;

	file_with("elf", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0", 20, 0);
	fd = og_vm_kernel_open("elf", false, NULL);
	CHECK(fd >= 0);
	file_with("arm", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0", 20, 0);
	CHECK_EQ(og_vm_kernel_open("arm", false, NULL), -EINVAL);
}

TEST(what_is_no_kernel_is_named)
{
	struct og_err err = {};

	file_with("junk", "junk", 4, 0);
	CHECK_EQ(og_vm_kernel_open("junk", false, &err), -EINVAL);
	CHECK(strstr(err.text, "'junk' is no kernel") != NULL);
	CHECK_EQ(og_vm_kernel_open("nosuch", false, &err), -ENOENT);
	CHECK(strstr(err.text, "no guest kernel at 'nosuch'") != NULL);
	CHECK_EQ(og_vm_kernel_open(".", false, &err), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(a_bzimage_is_a_kernel), TEST_ENTRY(an_elf_file_for_this_machine_is_a_kernel),
	  TEST_ENTRY(what_is_no_kernel_is_named))
