/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"

/* Returns the bytes filled, at most OG_RNG_FILL_MAX. */
static uint32_t fill(const struct iovec *iov, size_t n)
{
	uint32_t filled = 0;

	for (size_t i = 0; i < n && filled < OG_RNG_FILL_MAX; i++) {
		size_t len = iov[i].iov_len;
		ssize_t got;

		if (len > OG_RNG_FILL_MAX - filled)
			len = OG_RNG_FILL_MAX - filled;
		got = getrandom(iov[i].iov_base, len, GRND_NONBLOCK);
		if (got <= 0)
			break;
		filled += (uint32_t)got;
	}
	return filled;
}

static int serve(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		 struct iovec *iov)
{
	(void)virtio;
	if (chain->n_out != 0 || chain->n_in == 0)
		return -EPROTO;
	og_virtq_push(q, chain->head, fill(iov, chain->n_in));
	return 0;
}

static int work(struct og_virtio *virtio)
{
	return og_virtio_serve(virtio, &virtio->queues[0], serve);
}

static void release(struct og_virtio *virtio)
{
	og_virtio_done(virtio);
	free(virtio->device);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-rng",
	.device_id = VIRTIO_ID_RNG,
	.n_queues = 1,
	.work = work,
	.free = release,
};

struct rng {
	struct og_virtio virtio;
};

int og_virtio_rng_new(const struct og_rng_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	og_auto_free struct rng *rng = calloc(1, sizeof(*rng));
	int r;

	(void)config;
	if (rng == NULL)
		return og_fail(err, -ENOMEM, "make entropy device");
	r = og_virtio_init(&rng->virtio, &ops, rng, world->mem, err);
	if (r < 0)
		return r;
	if (world->metrics != NULL)
		rng->virtio.metrics = &world->metrics->rng.virtio;
	*ret_virtio = &og_take_ptr(rng)->virtio;
	return 0;
}
