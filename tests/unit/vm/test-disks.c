/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "base/test.h"
#include "base/text.h"
#include "vm/vmdk.h"

static char *file_of(const char *name, off_t size)
{
	og_auto_fd fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char *path = realpath(name, NULL);

	CHECK(fd >= 0 && path != NULL);
	CHECK_OK(ftruncate(fd, size));
	return path;
}

TEST(parts_are_opened_at_their_offsets)
{
	og_cleanup(og_vm_disks_freep) struct og_vm_disks *disks = NULL;
	og_auto_free char *a = file_of("a", 4096);
	og_auto_free char *b = file_of("b", 8192);
	og_auto_free char *text =
		og_strdupf("[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":0},"
			   "{\"path\":\"%s\",\"offset\":8192}]},"
			   "{\"readonly\":false,\"parts\":[{\"path\":\"%s\",\"offset\":0}]}]",
			   a, b, b);

	CHECK_OK(og_vm_disks_open(text, &disks, NULL));
	CHECK_EQ(disks->count, 2);
	CHECK_EQ(disks->items[0].part_count, 2);
	CHECK_EQ(disks->items[0].parts[1].offset, 8192);
	CHECK_EQ(disks->items[0].parts[1].size, 8192);
	CHECK(!disks->items[1].readonly);
}

TEST(a_disk_of_parts_is_described_with_zeros_in_its_gaps)
{
	og_cleanup(og_vm_disks_freep) struct og_vm_disks *disks = NULL;
	og_auto_free char *a = file_of("a", 4096);
	og_auto_free char *text =
		og_strdupf("[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":0},"
			   "{\"path\":\"%s\",\"offset\":12288}]}]",
			   a, a);
	og_auto_fd dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free char *description = NULL;
	char path[64];

	CHECK_OK(og_vm_disks_open(text, &disks, NULL));
	CHECK_OK(og_vmdk_write(&disks->items[0], dir_fd, path, sizeof(path), NULL));
	CHECK_OK(og_read_file(AT_FDCWD, path, 4096, &description, NULL, NULL));
	CHECK(strstr(description, "RW 8 FLAT \"/dev/fd/") != NULL);
	CHECK(strstr(description, "RW 16 FLAT \"/dev/fd/") != NULL);
	CHECK(strstr(description, "zeros.img\" 0\n") != NULL);
}

TEST(what_is_no_list_of_disks_is_refused)
{
	og_auto_free char *a = file_of("a", 4096);
	static const char *const fixed[] = {
		"",
		"{}",
		"[]",
		"[1]",
		"[{}]",
		"[{\"readonly\":true,\"parts\":[]}]",
		"[{\"readonly\":1,\"parts\":[]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"a\"}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"/nosuch\"}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"/dev/null\"}]}]",
	};
	static const char *const with_file[] = {
		"[{\"readonly\":false,\"parts\":[{\"path\":\"%s\"}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":512}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":-1}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":0},{\"path\":\"%s\",\"offset\":512}]}]",
		"[{\"readonly\":true,\"parts\":[{\"path\":\"%s\",\"offset\":0},{\"path\":\"%s\",\"offset\":4097}]}]",
	};
	struct og_vm_disks *disks = NULL;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		struct og_err err = {};

		CHECK(og_vm_disks_open(fixed[i], &disks, &err) < 0);
		CHECK(strstr(err.text, "org.onggi.vm.disks") != NULL);
	}
	for (size_t i = 0; i < sizeof(with_file) / sizeof(with_file[0]); i++) {
		og_auto_text text = {};

		for (const char *at = with_file[i]; *at != '\0'; at++) {
			if (at[0] == '%' && at[1] == 's') {
				og_text_add(&text, a);
				at++;
			} else {
				og_text_add_bytes(&text, at, 1);
			}
		}
		CHECK(og_vm_disks_open(text.buf, &disks, NULL) < 0);
	}
	CHECK(disks == NULL);
}

TEST_MAIN(TEST_ENTRY(parts_are_opened_at_their_offsets),
	  TEST_ENTRY(a_disk_of_parts_is_described_with_zeros_in_its_gaps),
	  TEST_ENTRY(what_is_no_list_of_disks_is_refused))
