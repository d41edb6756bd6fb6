/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "virtio.h"
#include "vmm/device/virtio_rng.h"

static void nothing(void *target, uint8_t argument)
{
	(void)target;
	(void)argument;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_virtio *rng;
	struct driver d;

	driver_init(&d, 16);
	if (og_virtio_rng_new(&(struct og_rng_config){}, &(struct og_device_world){ .mem = &d.mem },
			      &rng, NULL) < 0)
		abort();
	drive(&d, rng, (struct input){ data, size }, nothing, NULL);
	(void)og_virtio_free(rng);
	driver_done(&d);
	return 0;
}
