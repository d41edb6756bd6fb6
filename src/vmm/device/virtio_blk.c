/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_blk.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/device/event.h"

/* A chain holds a header and a status beside the data. */
#define SEGMENTS_MAX (OG_CHAIN_MAX - 2)

/* What a discard may name at once, in sectors: as large as the field. */
#define DISCARD_SECTORS_MAX UINT32_MAX

/* The request is in flight: its answer comes later. */
#define LATER 1

struct request {
	struct virtio_blk_outhdr header;
	uint16_t head;
	uint8_t *status;
	struct iovec *iov; /* the data alone */
	size_t n;
	size_t bytes;
};

static bool inside(const struct og_disk *disk, uint64_t sector, uint64_t n_sectors)
{
	uint64_t sectors = disk->bytes / OG_SECTOR_BYTES;

	return sector <= sectors && n_sectors <= sectors - sector;
}

static bool is_inside(const struct og_disk *disk, const struct request *request)
{
	return request->bytes % OG_SECTOR_BYTES == 0 &&
	       inside(disk, request->header.sector, request->bytes / OG_SECTOR_BYTES);
}

static bool is_async(const struct og_virtio_blk *blk)
{
	return blk->async != NULL;
}

static int start(struct og_virtio_blk *blk, const struct request *request, enum og_ring_op op)
{
	struct og_flight flight = {
		.op = op,
		.head = request->head,
		.status = request->status,
		.offset = request->header.sector * OG_SECTOR_BYTES,
		.bytes = request->bytes,
	};

	if (op == OG_RING_SYNC)
		flight.offset = flight.bytes = 0;
	og_async_start(blk->async, &flight, request->iov, op == OG_RING_SYNC ? 0 : request->n);
	return LATER;
}

static int read_sectors(struct og_virtio_blk *blk, struct request *request)
{
	if (!is_inside(&blk->disk, request))
		return -EINVAL;
	og_counted(&blk->metrics->read_count, 1);
	og_counted(&blk->metrics->read_bytes, request->bytes);
	if (is_async(blk) && request->bytes > 0)
		return start(blk, request, OG_RING_READ);
	return og_disk_read(&blk->disk, request->header.sector * OG_SECTOR_BYTES, request->iov,
			    request->n);
}

static int write_sectors(struct og_virtio_blk *blk, struct request *request)
{
	if (blk->disk.readonly || !is_inside(&blk->disk, request))
		return -EINVAL;
	og_counted(&blk->metrics->write_count, 1);
	og_counted(&blk->metrics->write_bytes, request->bytes);
	if (is_async(blk) && request->bytes > 0)
		return start(blk, request, OG_RING_WRITE);
	return og_disk_write(&blk->disk, request->header.sector * OG_SECTOR_BYTES, request->iov,
			     request->n);
}

static int flush(struct og_virtio_blk *blk, struct request *request)
{
	og_counted(&blk->metrics->flush_count, 1);
	if (blk->disk.readonly)
		return 0;
	return is_async(blk) ? start(blk, request, OG_RING_SYNC) : og_disk_flush(&blk->disk);
}

static int get_id(struct og_virtio_blk *blk, struct request *request)
{
	(void)og_iov_write(request->iov, request->n, 0, blk->id, sizeof(blk->id));
	return 0;
}

/* Ranges are copied out before they are judged; all are judged before one is served. */
static int each_range(struct og_virtio_blk *blk, struct request *request, bool discard)
{
	struct virtio_blk_discard_write_zeroes ranges[OG_BLK_RANGES_MAX];
	uint32_t allowed = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	size_t n = request->bytes / sizeof(ranges[0]);
	int r = 0;

	if (blk->disk.readonly || request->bytes % sizeof(ranges[0]) != 0 || n == 0 ||
	    n > OG_BLK_RANGES_MAX)
		return -EINVAL;
	(void)og_iov_read(request->iov, request->n, 0, ranges, request->bytes);
	for (size_t i = 0; i < n; i++) {
		if (!inside(&blk->disk, ranges[i].sector, ranges[i].num_sectors) ||
		    ranges[i].num_sectors > blk->config.max_discard_sectors)
			return -EINVAL;
		if ((ranges[i].flags & ~allowed) != 0)
			return -EOPNOTSUPP;
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = og_disk_zero(&blk->disk, ranges[i].sector * OG_SECTOR_BYTES,
				 ranges[i].num_sectors * OG_SECTOR_BYTES,
				 discard || ranges[i].flags != 0);
	return r;
}

static int discard_ranges(struct og_virtio_blk *blk, struct request *request)
{
	og_counted(&blk->metrics->discard_count, 1);
	return each_range(blk, request, true);
}

static int zero_ranges(struct og_virtio_blk *blk, struct request *request)
{
	og_counted(&blk->metrics->write_count, 1);
	return each_range(blk, request, false);
}

static const struct kind {
	uint32_t type;
	bool fills; /* its data goes to the driver */
	bool moves; /* its bytes count for the limit */
	int (*run)(struct og_virtio_blk *blk, struct request *request);
} kinds[] = {
	{ VIRTIO_BLK_T_IN, true, true, read_sectors },
	{ VIRTIO_BLK_T_OUT, false, true, write_sectors },
	{ VIRTIO_BLK_T_FLUSH, false, false, flush },
	{ VIRTIO_BLK_T_GET_ID, true, false, get_id },
	{ VIRTIO_BLK_T_DISCARD, false, false, discard_ranges },
	{ VIRTIO_BLK_T_WRITE_ZEROES, false, false, zero_ranges },
};

static const struct kind *find_kind(uint32_t type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

static size_t data_bytes(const struct kind *kind, const struct og_chain *chain)
{
	return kind->fills ? chain->in_bytes - 1
			   : chain->out_bytes - sizeof(struct virtio_blk_outhdr);
}

static uint8_t status_of(struct og_virtio_blk *blk, int r)
{
	if (r == -EOPNOTSUPP)
		return VIRTIO_BLK_S_UNSUPP;
	if (r < 0) {
		og_counted(&blk->metrics->execute_fails, 1);
		return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

/* Runs a request on the data's part of its chain: LATER, 0, or why not. */
static int run(struct og_virtio_blk *blk, const struct kind *kind, const struct og_chain *chain,
	       struct iovec *iov, const struct virtio_blk_outhdr *header, uint8_t *status)
{
	struct request request = {
		.header = *header,
		.head = chain->head,
		.status = status,
		.bytes = data_bytes(kind, chain),
	};

	if (kind->fills) {
		request.iov = iov + chain->n_out;
		request.n = og_iov_slice(request.iov, chain->n_in, 0, request.bytes);
	} else {
		request.iov = iov;
		request.n = og_iov_slice(iov, chain->n_out, sizeof(*header), request.bytes);
	}
	return kind->run(blk, &request);
}

/* Moved in part: a signal came, or the file ends earlier than it did. */
static int finish_rest(struct og_virtio_blk *blk, struct og_flight *flight, size_t done)
{
	struct iovec *iov = flight->iov;
	size_t n = og_iov_slice(iov, flight->n, done, flight->bytes - done);

	if (flight->op == OG_RING_READ)
		return og_disk_read(&blk->disk, flight->offset + done, iov, n);
	return og_disk_write(&blk->disk, flight->offset + done, iov, n);
}

static void answer(struct og_virtio_blk *blk, struct og_flight *flight, int32_t result)
{
	struct og_virtq *q = &blk->virtio.queues[0];
	int r = result;
	bool filled;

	if (r >= 0 && (size_t)r < flight->bytes)
		r = finish_rest(blk, flight, (size_t)r);
	*flight->status = status_of(blk, r < 0 ? r : 0);
	filled = r >= 0 && flight->op == OG_RING_READ;
	og_virtq_push(q, flight->head, (uint32_t)(filled ? flight->bytes + 1 : 1));
	og_virtio_pushed(&blk->virtio, q);
}

/* Those that are done. Of a queue that was reset nobody waits for an answer. */
static void reap(struct og_virtio_blk *blk, bool forget)
{
	struct og_flight *flight;
	int32_t result;

	while (is_async(blk) && og_async_take(blk->async, &flight, &result))
		if (!forget)
			answer(blk, flight, result);
}

/*
 * Until nothing is in flight. The kernel writes into guest memory until then, so a reset must not
 * return earlier.
 */
static void wait_for_all(struct og_virtio_blk *blk, bool forget)
{
	while (is_async(blk) && blk->async->in_flight > 0) {
		if (og_ring_submit(&blk->async->ring, 1) < 0)
			return;
		reap(blk, forget);
	}
}

static int serve(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		 struct iovec *iov)
{
	struct og_virtio_blk *blk = virtio->device;
	struct virtio_blk_outhdr header;
	const struct kind *kind;
	struct iovec *last;
	uint8_t *status;
	int r;

	/* Without room for a status there is no way to answer. */
	if (chain->out_bytes < sizeof(header) || chain->in_bytes == 0)
		return -EPROTO;
	(void)og_iov_read(iov, chain->n_out, 0, &header, sizeof(header));
	kind = find_kind(header.type);
	if (is_async(blk) && og_async_is_full(blk->async)) {
		og_counted(&blk->metrics->io_engine_throttled_events, 1);
		return OG_VIRTIO_WAIT; /* a completion calls us again */
	}
	if (kind != NULL &&
	    !og_ratelimit_take(&blk->limit, kind->moves ? data_bytes(kind, chain) : 0)) {
		og_counted(&blk->metrics->rate_limiter_throttled_events, 1);
		return OG_VIRTIO_WAIT;
	}
	last = &iov[chain->n_out + chain->n_in - 1];
	status = (uint8_t *)last->iov_base + last->iov_len - 1;
	r = kind != NULL ? run(blk, kind, chain, iov, &header, status) : -EOPNOTSUPP;
	if (r == LATER)
		return 0;
	*status = status_of(blk, r);
	og_virtq_push(q, chain->head,
		      (uint32_t)(r == 0 && kind->fills ? data_bytes(kind, chain) + 1 : 1));
	return 0;
}

static int work(struct og_virtio *virtio)
{
	struct og_virtio_blk *blk = virtio->device;
	int r, submitted = 0;

	reap(blk, false);
	r = og_virtio_serve(virtio, &virtio->queues[0], serve);
	if (is_async(blk))
		submitted = og_ring_submit(&blk->async->ring, 0);
	return r < 0 ? r : submitted;
}

static void on_completed(struct og_source *source, uint32_t events, void *data)
{
	struct og_virtio_blk *blk = data;

	(void)source;
	(void)events;
	og_event_clear(blk->async->ring.event_fd);
	og_virtio_work(&blk->virtio);
}

static void reset(struct og_virtio *virtio)
{
	wait_for_all(virtio->device, true);
}

static void quiesce(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	wait_for_all(virtio->device, false);
	(void)pthread_mutex_unlock(&virtio->lock);
}

static void release(struct og_virtio *virtio)
{
	struct og_virtio_blk *blk = virtio->device;

	wait_for_all(blk, true);
	blk->completed = og_source_remove(blk->completed);
	blk->async = og_async_free(blk->async);
	og_ratelimit_done(&blk->limit);
	og_virtio_done(virtio);
	og_disk_done(&blk->disk);
	if (blk->owns_file)
		blk->disk.parts[0].fd = og_close(blk->disk.parts[0].fd);
	free(blk);
}

/* The disk is another now, of another size perhaps. */
static int swap(struct og_virtio_blk *blk, int *fds, unsigned n_fds, struct og_err *err)
{
	struct og_disk_part part = { .fd = n_fds > 0 ? fds[0] : -EBADF };
	struct og_disk disk;
	int r;

	if (!og_disk_is_plain(&blk->disk))
		return og_fail_plain(err, -EOPNOTSUPP,
				     "only a raw disk of one file can be another's place");
	r = og_disk_init(&disk, &part, 1, blk->disk.readonly, err);
	if (r < 0)
		return r;
	wait_for_all(blk, false);
	if (is_async(blk)) {
		r = og_ring_set_file(&blk->async->ring, part.fd);
		if (r < 0)
			return og_fail(err, r, "give the disk to io_uring");
	}
	fds[0] = -EBADF;
	if (blk->owns_file)
		og_close(blk->disk.parts[0].fd);
	blk->owns_file = true;
	/* In the configuration as well: it says what a snapshot flushes and a fork inherits. */
	blk->disk.parts[0] = part;
	disk.parts = blk->disk.parts;
	blk->disk = disk;
	blk->config.capacity = disk.bytes / OG_SECTOR_BYTES;
	og_virtio_config_changed(&blk->virtio);
	return 0;
}

static int obey(struct og_virtio *virtio, const void *command, int *fds, unsigned n_fds,
		void *reply, struct og_err *err)
{
	struct og_virtio_blk *blk = virtio->device;
	const struct og_blk_command *update = command;
	int r = 0;

	(void)reply;
	(void)pthread_mutex_lock(&virtio->lock);
	if (update->swap)
		r = swap(blk, fds, n_fds, err);
	if (r == 0)
		og_ratelimit_update(&blk->limit, &update->limits);
	(void)pthread_mutex_unlock(&virtio->lock);
	og_counted(r == 0 ? &blk->metrics->update_count : &blk->metrics->update_fails, 1);
	og_virtio_kick(virtio); /* what waited for a limit may pass now */
	return r;
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct og_virtio_blk *blk = virtio->device;

	(void)err;
	og_pack_u64(pack, blk->config.capacity);
	og_ratelimit_save(&blk->limit, pack);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct og_virtio_blk *blk = virtio->device;
	uint64_t capacity = og_unpack_u64(unpack);

	if (capacity != blk->config.capacity)
		return og_fail(err, -EBADMSG,
			       "the disk has %llu sectors, and had %llu when it was saved",
			       (unsigned long long)blk->config.capacity,
			       (unsigned long long)capacity);
	return og_ratelimit_load(&blk->limit, unpack);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-blk",
	.device_id = VIRTIO_ID_BLOCK,
	.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE,
	.n_queues = 1,
	.work = work,
	.reset = reset,
	.quiesce = quiesce,
	.free = release,
	.save = save,
	.load = load,
	.command = obey,
};

static uint64_t features_of(const struct og_blk_config *config)
{
	uint64_t features = 0;

	if (config->readonly)
		features |= 1ULL << VIRTIO_BLK_F_RO;
	else
		features |= 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	if (!config->unsafe)
		features |= 1ULL << VIRTIO_BLK_F_FLUSH;
	return features;
}

static void describe(struct og_virtio_blk *blk, const struct og_blk_config *config)
{
	uint32_t range_max = config->format == OG_DISK_QCOW2 ? OG_BLK_QCOW2_RANGE_MAX
							     : DISCARD_SECTORS_MAX;

	memcpy(blk->id, config->id, strnlen(config->id, sizeof(blk->id)));
	blk->config = (struct virtio_blk_config){
		.capacity = blk->disk.bytes / OG_SECTOR_BYTES,
		.seg_max = SEGMENTS_MAX,
		.blk_size = OG_SECTOR_BYTES,
		.max_discard_sectors = range_max,
		.max_discard_seg = OG_BLK_RANGES_MAX,
		.discard_sector_alignment = 1,
		.max_write_zeroes_sectors = range_max,
		.max_write_zeroes_seg = OG_BLK_RANGES_MAX,
		.write_zeroes_may_unmap = 1,
	};
	blk->virtio.config = &blk->config;
	blk->virtio.config_bytes = sizeof(blk->config);
	blk->virtio.extra_features = features_of(config);
	blk->virtio.metrics = &blk->metrics->virtio;
}

static int open_disk(struct og_virtio_blk *blk, const struct og_blk_config *config,
		     struct og_err *err)
{
	const struct og_disk_source source = {
		.parts = config->parts,
		.n_parts = config->n_parts,
		.readonly = config->readonly,
		.format = config->format,
		.has_backing = config->has_backing,
		.backing = &blk->backing,
		.backing_format = config->backing_format,
	};

	blk->backing = config->backing;
	return og_disk_open(&blk->disk, &source, err);
}

/* Without io_uring the disk works as well, a little slower. */
static int add_async(struct og_virtio_blk *blk, const struct og_blk_config *config,
		     const struct og_device_world *world, struct og_err *err)
{
	int r;

	if (!config->async)
		return 0;
	if (!og_disk_is_plain(&blk->disk))
		return og_fail_plain(err, -EINVAL,
				     "only a raw disk of one file can be served asynchronously");
	r = og_async_new(blk->disk.parts[0].fd, &blk->async, config->ret_sync);
	if (r < 0 || world->loop == NULL)
		return 0;
	return og_loop_add_fd(world->loop, blk->async->ring.event_fd, EPOLLIN, on_completed, blk,
			      &blk->completed, err);
}

static int make(struct og_virtio_blk *blk, const struct og_blk_config *config,
		const struct og_device_world *world, struct og_err *err)
{
	int r = og_virtio_init(&blk->virtio, &ops, blk, world->mem, err);

	if (r < 0)
		return r;
	r = og_ratelimit_init(&blk->limit, &config->limits, world->loop, &blk->virtio, err);
	if (r == 0) {
		r = add_async(blk, config, world, err);
		if (r < 0)
			og_ratelimit_done(&blk->limit);
	}
	if (r < 0) {
		blk->async = og_async_free(blk->async);
		og_virtio_done(&blk->virtio);
	}
	return r;
}

int og_virtio_blk_new(const struct og_blk_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	og_auto_free struct og_virtio_blk *blk = calloc(1, sizeof(*blk));
	int r;

	if (blk == NULL)
		return og_fail(err, -ENOMEM, "make disk");
	blk->metrics = world->metrics != NULL ? &world->metrics->blk[world->index]
					      : &blk->no_metrics;
	r = open_disk(blk, config, err);
	if (r < 0)
		return r;
	r = make(blk, config, world, err);
	if (r < 0) {
		og_disk_done(&blk->disk);
		return r;
	}
	describe(blk, config);
	*ret_virtio = &og_take_ptr(blk)->virtio;
	return 0;
}
