/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy for the guest (Virtual I/O Device 1.2, section 5.4). */
#pragma once

#include "vmm/device/virtio.h"

/* A request is filled no further than this, whatever room it has: a short answer is allowed. */
#define OG_RNG_FILL_MAX 4096

struct og_rng_config {
	bool present;
};

int og_virtio_rng_new(const struct og_rng_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
