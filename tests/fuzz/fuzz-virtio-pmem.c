/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <sys/mman.h>
#include <unistd.h>

#include "virtio.h"
#include "vmm/device/virtio_pmem.h"

/* The operator limits flushes, or no longer. */
static void step(void *target, uint8_t argument)
{
	struct og_virtio *virtio = target;
	const struct og_pmem_command command = {
		.limit = { .config.ops = { .size = argument, .refill_time_ms = 3600000 },
			   .set_ops = true },
	};

	(void)virtio->ops->command(virtio, &command, NULL, 0, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct og_pmem_config config = { .readonly = (take(&in, 1) & 1) != 0 };
	uint64_t free_gpa = OG_GAP_END;
	struct og_virtio *virtio;
	struct driver d;

	driver_init(&d, 16);
	config.fd = memfd_create("pmem", MFD_CLOEXEC);
	if (ftruncate(config.fd, 5000) < 0 ||
	    og_virtio_pmem_new(&config,
			       &(struct og_device_world){ .mem = &d.mem, .free_gpa = &free_gpa },
			       &virtio, NULL) < 0)
		abort();
	drive(&d, virtio, in, step, virtio);
	og_virtio_free(virtio);
	og_close(config.fd);
	driver_done(&d);
	return 0;
}
