/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_blk.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A chain holds a header and a status beside the data. */
#define SEGMENTS_MAX (OG_CHAIN_MAX - 2)

struct request {
	struct virtio_blk_outhdr header;
	struct iovec *iov; /* the data alone */
	size_t n;
	size_t bytes;
};

static bool inside(const struct og_disk *disk, const struct request *request)
{
	uint64_t sectors = disk->bytes / OG_SECTOR_BYTES;

	return request->bytes % OG_SECTOR_BYTES == 0 && request->header.sector <= sectors &&
	       request->bytes / OG_SECTOR_BYTES <= sectors - request->header.sector;
}

static int read_sectors(struct og_virtio_blk *blk, struct request *request)
{
	if (!inside(&blk->disk, request))
		return -EINVAL;
	return og_disk_read(&blk->disk, request->header.sector * OG_SECTOR_BYTES, request->iov,
			    request->n);
}

static int write_sectors(struct og_virtio_blk *blk, struct request *request)
{
	if (blk->disk.readonly || !inside(&blk->disk, request))
		return -EINVAL;
	return og_disk_write(&blk->disk, request->header.sector * OG_SECTOR_BYTES, request->iov,
			     request->n);
}

static int flush(struct og_virtio_blk *blk, struct request *request)
{
	(void)request;
	return blk->disk.readonly ? 0 : og_disk_flush(&blk->disk);
}

static int get_id(struct og_virtio_blk *blk, struct request *request)
{
	(void)og_iov_write(request->iov, request->n, 0, blk->id, sizeof(blk->id));
	return 0;
}

static const struct kind {
	uint32_t type;
	bool fills; /* its data goes to the driver */
	int (*run)(struct og_virtio_blk *blk, struct request *request);
} kinds[] = {
	{ VIRTIO_BLK_T_IN, true, read_sectors },
	{ VIRTIO_BLK_T_OUT, false, write_sectors },
	{ VIRTIO_BLK_T_FLUSH, false, flush },
	{ VIRTIO_BLK_T_GET_ID, true, get_id },
};

/* Runs a request on the data's part of its chain and returns the status for the driver. */
static uint8_t run(struct og_virtio_blk *blk, const struct og_chain *chain, struct iovec *iov,
		   struct virtio_blk_outhdr header, size_t *ret_filled)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct request request = { .header = header };

		if (kinds[i].type != header.type)
			continue;
		if (kinds[i].fills) {
			request.iov = iov + chain->n_out;
			request.bytes = chain->in_bytes - 1;
			request.n = og_iov_slice(request.iov, chain->n_in, 0, request.bytes);
		} else {
			request.iov = iov;
			request.bytes = chain->out_bytes - sizeof(header);
			request.n = og_iov_slice(iov, chain->n_out, sizeof(header), request.bytes);
		}
		if (kinds[i].run(blk, &request) < 0)
			return VIRTIO_BLK_S_IOERR;
		*ret_filled = kinds[i].fills ? request.bytes : 0;
		return VIRTIO_BLK_S_OK;
	}
	return VIRTIO_BLK_S_UNSUPP;
}

static int serve(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		 struct iovec *iov)
{
	struct og_virtio_blk *blk = virtio->device;
	struct virtio_blk_outhdr header;
	struct iovec *last;
	size_t filled = 0;
	uint8_t *status;

	/* Without room for a status there is no way to answer. */
	if (chain->out_bytes < sizeof(header) || chain->in_bytes == 0)
		return -EPROTO;
	last = &iov[chain->n_out + chain->n_in - 1];
	status = (uint8_t *)last->iov_base + last->iov_len - 1;

	(void)og_iov_read(iov, chain->n_out, 0, &header, sizeof(header));
	*status = run(blk, chain, iov, header, &filled);
	og_virtq_push(q, chain->head, (uint32_t)(filled + 1));
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
	.name = "virtio-blk",
	.device_id = VIRTIO_ID_BLOCK,
	.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
		    1ULL << VIRTIO_BLK_F_FLUSH,
	.n_queues = 1,
	.work = work,
	.free = release,
};

int og_virtio_blk_new(const struct og_blk_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	og_auto_free struct og_virtio_blk *blk = calloc(1, sizeof(*blk));
	int r;

	if (blk == NULL)
		return og_fail(err, -ENOMEM, "make disk");
	r = og_disk_init(&blk->disk, config->parts, config->n_parts, config->readonly, err);
	if (r == 0)
		r = og_virtio_init(&blk->virtio, &ops, blk, world->mem, err);
	if (r < 0)
		return r;

	memcpy(blk->id, config->id, strnlen(config->id, sizeof(blk->id)));
	blk->config = (struct virtio_blk_config){
		.capacity = blk->disk.bytes / OG_SECTOR_BYTES,
		.seg_max = SEGMENTS_MAX,
		.blk_size = OG_SECTOR_BYTES,
	};
	blk->virtio.config = &blk->config;
	blk->virtio.config_bytes = sizeof(blk->config);
	if (world->metrics != NULL)
		blk->virtio.metrics = &world->metrics->blk[world->index].virtio;
	if (config->readonly)
		blk->virtio.extra_features = 1ULL << VIRTIO_BLK_F_RO;
	*ret_virtio = &og_take_ptr(blk)->virtio;
	return 0;
}
