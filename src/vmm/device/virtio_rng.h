/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy for the guest (Virtual I/O Device 1.2, section 5.4). */
#pragma once

#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio.h"

/*
 * A request is filled no further than this, whatever room it has: a short answer is allowed. As
 * Firecracker; nothing is allocated for it.
 */
#define OG_RNG_FILL_MAX 65536

struct og_rng_config {
	bool present;
	struct og_limit_config limits;
};

int og_virtio_rng_new(const struct og_rng_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
