/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "virtio.h"
#include "vmm/device/virtio_balloon.h"

/* The operator: the low 3 bits say what, the others how much. */
static void step(void *target, uint8_t argument)
{
	struct og_virtio *virtio = target;
	struct og_balloon_status status;
	const struct og_balloon_command command = {
		.kind = argument % 8,
		.amount_mib = argument / 128U,
		.stats_interval_s = argument / 8,
		.acknowledge_on_stop = (argument & 8) != 0,
	};

	(void)virtio->ops->command(virtio, &command, NULL, 0, &status, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t flags = take(&in, 1);
	const struct og_balloon_config config = {
		.present = true,
		.deflate_on_oom = (flags & 1) != 0,
		.stats_interval_s = (flags & 2) != 0 ? 60 : 0,
		.hinting = (flags & 4) != 0,
		.reporting = (flags & 8) != 0,
	};
	struct og_virtio *virtio;
	struct driver d;

	driver_init_mapped(&d, 16);
	if (og_virtio_balloon_new(&config, &(struct og_device_world){ .mem = &d.mem }, &virtio,
				  NULL) < 0)
		abort();
	drive(&d, virtio, in, step, virtio);
	og_virtio_free(virtio);
	driver_done(&d);
	return 0;
}
