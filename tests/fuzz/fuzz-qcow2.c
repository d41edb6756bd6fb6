/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte: whether the disk is written, and whether the input is the whole image or changes
 * of a good one (steps of a place, u16, and a byte). What opens is read, written and discarded, and
 * must still be an image afterwards.
 */
#include "replay.h"

#include "../unit/vmm/qcow2.h"
#include "base/cleanup.h"
#include "vmm/block/qcow2.h"

#define DISK_BYTES (1U << 15)

static int image(const uint8_t *data, size_t size, bool whole)
{
	int fd = make_image(3, 9, DISK_BYTES);

	if (whole && (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size))
		abort();
	for (size_t i = 0; !whole && i + 3 <= size; i += 3) {
		off_t at = (data[i] | data[i + 1] << 8) % (IMAGE_CLUSTERS << 9);

		if (pwrite(fd, data + i + 2, 1, at) != 1)
			abort();
	}
	return fd;
}

static int open_image(int fd, bool readonly, struct og_disk *disk, struct og_disk_part *part)
{
	struct og_disk_source source = {
		.parts = part,
		.n_parts = 1,
		.readonly = readonly,
		.format = OG_DISK_QCOW2,
	};

	*part = (struct og_disk_part){ .fd = fd };
	return og_disk_open(disk, &source, NULL);
}

static void use(const struct og_disk *disk, bool readonly)
{
	static uint8_t buf[DISK_BYTES];
	uint64_t bytes = disk->bytes < sizeof(buf) ? disk->bytes : sizeof(buf);
	struct iovec iov = { buf, bytes };

	if (bytes == 0)
		return;
	(void)og_disk_read(disk, 0, &iov, 1);
	iov = (struct iovec){ buf, bytes };
	(void)og_disk_read(disk, disk->bytes - bytes, &iov, 1);
	if (readonly)
		return;
	iov = (struct iovec){ buf, bytes };
	(void)og_disk_write(disk, disk->bytes - bytes, &iov, 1);
	(void)og_disk_zero(disk, 0, bytes, true);
	iov = (struct iovec){ buf, bytes };
	(void)og_disk_write(disk, 0, &iov, 1);
	(void)og_disk_zero(disk, 0, bytes / 1024 * 512, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool readonly = size > 0 && (data[0] & 1) != 0;
	bool whole = size > 0 && (data[0] & 2) != 0;
	struct og_disk_part part;
	struct og_disk disk;
	int fd;

	if (size == 0)
		return 0;
	fd = image(data + 1, size - 1, whole);
	if (open_image(fd, readonly, &disk, &part) == 0) {
		use(&disk, readonly);
		og_disk_done(&disk);
		if (open_image(fd, readonly, &disk, &part) < 0)
			abort(); /* it was one before */
		og_disk_done(&disk);
	}
	og_close(fd);
	return 0;
}
