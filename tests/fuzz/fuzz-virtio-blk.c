/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of two parts that is read-only, or one that is not, or one with requests in flight. */
#include "replay.h"

#include <sys/mman.h>
#include <unistd.h>

#include "virtio.h"
#include "vmm/device/virtio_blk.h"

#define PART_BYTES 5000

static void shrink(void *target, uint8_t argument)
{
	struct og_disk_part *parts = target;

	(void)!ftruncate(parts[0].fd, argument * 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned which = (unsigned)take(&in, 1);
	bool readonly = (which & 1) != 0;
	struct og_disk_part parts[] = { { .fd = memfd_create("a", MFD_CLOEXEC) },
					{ .fd = memfd_create("b", MFD_CLOEXEC), .offset = 8192 } };
	struct og_blk_config config = { .id = "fuzz", .parts = parts, .readonly = readonly };
	struct og_virtio *blk;
	struct driver d;

	driver_init(&d, 16);
	for (unsigned i = 0; i < 2; i++)
		if (ftruncate(parts[i].fd, PART_BYTES) < 0)
			abort();
	config.n_parts = readonly ? 2 : 1;
	config.async = !readonly && (which & 2) != 0;
	if (og_virtio_blk_new(&config, &(struct og_device_world){ .mem = &d.mem }, &blk, NULL) < 0)
		abort();
	drive(&d, blk, in, shrink, parts);
	(void)og_virtio_free(blk);
	og_close(parts[0].fd);
	og_close(parts[1].fd);
	driver_done(&d);
	return 0;
}
