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
	static struct og_virtio_rng rng;
	struct driver d;

	driver_init(&d, 16);
	if (og_virtio_rng_init(&rng, &d.mem, NULL) < 0)
		abort();
	drive(&d, &rng.virtio, (struct input){ data, size }, nothing, NULL);
	og_virtio_rng_done(&rng);
	driver_done(&d);
	return 0;
}
