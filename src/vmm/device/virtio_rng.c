/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

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

static const struct og_virtio_ops ops = {
	.name = "virtio-rng",
	.device_id = VIRTIO_ID_RNG,
	.n_queues = 1,
	.work = work,
};

int og_virtio_rng_init(struct og_virtio_rng *rng, const struct og_mem *mem, struct og_err *err)
{
	return og_virtio_init(&rng->virtio, &ops, rng, mem, err);
}

void og_virtio_rng_done(struct og_virtio_rng *rng)
{
	og_virtio_done(&rng->virtio);
}
