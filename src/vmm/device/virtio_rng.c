/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"

struct rng {
	struct og_virtio virtio;
	struct og_ratelimit limit;
	struct og_rng_metrics *metrics;
	struct og_rng_metrics no_metrics;
};

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
	struct rng *rng = virtio->device;
	size_t wanted = chain->in_bytes < OG_RNG_FILL_MAX ? chain->in_bytes : OG_RNG_FILL_MAX;
	uint32_t filled;

	if (chain->n_out != 0 || chain->n_in == 0)
		return -EPROTO;
	if (!og_ratelimit_take(&rng->limit, wanted)) {
		og_counted(&rng->metrics->entropy_rate_limiter_throttled, 1);
		return OG_VIRTIO_WAIT;
	}
	filled = fill(iov, chain->n_in);
	og_counted(&rng->metrics->entropy_bytes, filled);
	if (filled == 0)
		og_counted(&rng->metrics->host_rng_fails, 1);
	og_virtq_push(q, chain->head, filled);
	return 0;
}

static int work(struct og_virtio *virtio)
{
	return og_virtio_serve(virtio, &virtio->queues[0], serve);
}

static void release(struct og_virtio *virtio)
{
	struct rng *rng = virtio->device;

	og_ratelimit_done(&rng->limit);
	og_virtio_done(virtio);
	free(rng);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct rng *rng = virtio->device;

	(void)err;
	og_ratelimit_save(&rng->limit, pack);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct rng *rng = virtio->device;

	(void)err;
	if (og_unpack_done(unpack))
		return 0; /* saved before there were limits */
	return og_ratelimit_load(&rng->limit, unpack);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-rng",
	.device_id = VIRTIO_ID_RNG,
	.n_queues = 1,
	.work = work,
	.free = release,
	.save = save,
	.load = load,
};

int og_virtio_rng_new(const struct og_rng_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	og_auto_free struct rng *rng = calloc(1, sizeof(*rng));
	int r;

	if (rng == NULL)
		return og_fail(err, -ENOMEM, "make entropy device");
	rng->metrics = world->metrics != NULL ? &world->metrics->rng : &rng->no_metrics;
	r = og_virtio_init(&rng->virtio, &ops, rng, world->mem, err);
	if (r < 0)
		return r;
	r = og_ratelimit_init(&rng->limit, &config->limits, world->loop, &rng->virtio, err);
	if (r < 0) {
		og_virtio_done(&rng->virtio);
		return r;
	}
	rng->virtio.metrics = &rng->metrics->virtio;
	*ret_virtio = &og_take_ptr(rng)->virtio;
	return 0;
}
