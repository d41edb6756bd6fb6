/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vmdk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define SECTOR 512U
#define NAME   "disk.vmdk"
#define ZEROS  "zeros.img"

static uint64_t sectors(uint64_t bytes)
{
	return (bytes + SECTOR - 1) / SECTOR;
}

/* Where the disk goes on after part @index: at the next part, or at its own end. */
static uint64_t slot_end(const struct og_vm_disk *disk, size_t index)
{
	const struct og_vm_part *part = &disk->parts[index];

	return index + 1 < disk->part_count ? disk->parts[index + 1].offset
					    : part->offset + part->size;
}

static int make_zeros(int dir_fd, uint64_t size, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, ZEROS, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return og_fail(err, -errno, "make " ZEROS);
	return 0;
}

int og_vmdk_write(const struct og_vm_disk *disk, int dir_fd, char *path, size_t path_size,
		  struct og_err *err)
{
	og_auto_text text = {};
	uint64_t widest = 0;
	int r;

	og_text_add(&text, "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
			   "createType=\"twoGbMaxExtentFlat\"\n\n# Extent description\n");
	for (size_t i = 0; i < disk->part_count; i++) {
		const struct og_vm_part *part = &disk->parts[i];
		uint64_t size = sectors(part->size);
		uint64_t gap = sectors(slot_end(disk, i)) - part->offset / SECTOR - size;

		og_text_addf(&text, "RW %llu FLAT \"/dev/fd/%d\" 0\n", (unsigned long long)size,
			     part->fd);
		if (gap > 0)
			og_text_addf(&text, "RW %llu FLAT \"/dev/fd/%d/" ZEROS "\" 0\n",
				     (unsigned long long)gap, dir_fd);
		widest = gap > widest ? gap : widest;
	}
	if (text.failed)
		return og_fail(err, -ENOMEM, "describe disk");
	if (widest > 0) {
		r = make_zeros(dir_fd, widest * SECTOR, err);
		if (r < 0)
			return r;
	}
	(void)snprintf(path, path_size, "/dev/fd/%d/" NAME, dir_fd);
	return og_replace_file(dir_fd, NAME, text.buf, text.len, 0600, false, err);
}
