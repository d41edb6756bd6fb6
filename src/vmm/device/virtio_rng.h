/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy for the guest (Virtual I/O Device 1.2, section 5.4). */
#pragma once

#include "vmm/device/virtio.h"

/* A request is filled no further than this, whatever room it has: a short answer is allowed. */
#define OG_RNG_FILL_MAX 4096

struct og_virtio_rng {
	struct og_virtio virtio;
};

int og_virtio_rng_init(struct og_virtio_rng *rng, const struct og_mem *mem, struct og_err *err);
void og_virtio_rng_done(struct og_virtio_rng *rng);
