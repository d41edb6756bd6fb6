/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "virtio.h"
#include "vmm/device/virtio_mem.h"

#define MIB (1ULL << 20)

/* The operator asks for so many times 2 MiB; 255: only looks. */
static void step(void *target, uint8_t argument)
{
	struct og_virtio *virtio = target;
	struct og_hotplug_status status;
	const struct og_hotplug_command command = {
		.kind = argument == 255 ? OG_HOTPLUG_GET : OG_HOTPLUG_REQUEST,
		.requested_mib = argument * 2U,
	};

	(void)virtio->ops->command(virtio, &command, NULL, 0, &status, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct og_hotplug_config config = { .total_mib = 512,
						  .block_mib = 2,
						  .slot_mib = 128 };
	struct og_virtio *virtio;
	struct driver d;

	driver_init_mapped(&d, 16);
	if (og_mem_add_hotplug(&d.mem, 512 * MIB, 128 * MIB, NULL) < 0 ||
	    og_virtio_mem_new(&config, &(struct og_device_world){ .mem = &d.mem }, &virtio, NULL) <
		    0)
		abort();
	drive(&d, virtio, (struct input){ data, size }, step, virtio);
	og_virtio_free(virtio);
	driver_done(&d);
	return 0;
}
