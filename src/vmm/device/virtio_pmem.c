/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_pmem.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pmem.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/x86/kvm.h"

/* What Linux wants of such memory, and what huge pages take. */
#define ALIGN_BYTES (2ULL << 20)

/* Linux keeps memory of two kinds apart by sections of this size. */
#define PLACE_ALIGN_BYTES (128ULL << 20)

/* The driver's word for "not durable". */
#define FLUSH_FAILED 1

struct pmem {
	struct og_virtio virtio;
	struct virtio_pmem_config space;
	struct og_pmem_metrics *metrics; /* borrowed, or the next */
	struct og_pmem_metrics no_metrics;
	struct og_ratelimit limit;
	int fd; /* borrowed */
	bool readonly;
	uint64_t file_bytes;
	void *reserved; /* owned */
	size_t reserved_bytes;
	struct og_mem_region region;
	uint32_t slot;
};

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static uint32_t flush(struct pmem *pmem)
{
	og_counted(&pmem->metrics->flush_count, 1);
	if (pmem->readonly || fdatasync(pmem->fd) == 0)
		return 0;
	og_counted(&pmem->metrics->flush_fails, 1);
	return FLUSH_FAILED;
}

static int answer(struct og_virtq *q, const struct og_chain *chain, struct iovec *iov,
		  struct pmem *pmem)
{
	struct virtio_pmem_resp response = { .ret = FLUSH_FAILED };
	struct virtio_pmem_req request;

	if (og_iov_read(iov, chain->n_out, 0, &request, sizeof(request)) != sizeof(request) ||
	    chain->in_bytes < sizeof(response))
		return -EPROTO;
	if (request.type == VIRTIO_PMEM_REQ_TYPE_FLUSH)
		response.ret = flush(pmem);
	og_virtq_push(q, chain->head,
		      (uint32_t)og_iov_write(iov + chain->n_out, chain->n_in, 0, &response,
					     sizeof(response)));
	return 0;
}

/* One flush a turn: it may take long, and other devices wait. */
static int work(struct og_virtio *virtio)
{
	struct pmem *pmem = virtio->device;
	struct og_virtq *q = &virtio->queues[0];
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	int r;

	og_virtq_mute(q);
	do {
		r = og_virtq_pop(q, iov, &chain);
	} while (r == 0 && og_virtq_unmute(q));
	if (r <= 0)
		return r;
	if (!og_ratelimit_take(&pmem->limit, pmem->file_bytes)) {
		og_counted(&pmem->metrics->rate_limiter_throttled_events, 1);
		og_virtq_unpop(q, 1);
		return 0;
	}
	r = answer(q, &chain, iov, pmem);
	og_virtio_pushed(virtio, q);
	og_virtio_kick(virtio);
	return r;
}

static int command(struct og_virtio *virtio, const void *bytes, int *fds, unsigned n_fds,
		   void *reply, struct og_err *err)
{
	const struct og_pmem_command *what = bytes;
	struct pmem *pmem = virtio->device;

	(void)fds;
	(void)n_fds;
	(void)reply;
	(void)err;
	(void)pthread_mutex_lock(&virtio->lock);
	og_ratelimit_update(&pmem->limit, &what->limit);
	(void)pthread_mutex_unlock(&virtio->lock);
	og_virtio_kick(virtio);
	return 0;
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct pmem *pmem = virtio->device;

	(void)err;
	og_pack_u64(pack, pmem->space.start);
	og_pack_u64(pack, pmem->file_bytes);
	og_pack_u8(pack, pmem->readonly);
	og_ratelimit_save(&pmem->limit, pack);
	return 0;
}

/* The file is whatever it is now: what counts is that the guest finds it where it was. */
static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct pmem *pmem = virtio->device;
	uint64_t start = og_unpack_u64(unpack);
	uint64_t bytes = og_unpack_u64(unpack);
	bool readonly = og_unpack_bool(unpack);

	if (start != pmem->space.start || bytes != pmem->file_bytes || readonly != pmem->readonly)
		return og_fail(err, -EBADMSG,
			       "the guest's persistent memory is another: %llu bytes at 0x%llx",
			       (unsigned long long)bytes, (unsigned long long)start);
	if (og_ratelimit_load(&pmem->limit, unpack) < 0)
		return og_fail(err, -EBADMSG, "the limits of persistent memory cannot be");
	return 0;
}

static void release(struct og_virtio *virtio)
{
	struct pmem *pmem = virtio->device;

	og_ratelimit_done(&pmem->limit);
	if (pmem->reserved != NULL)
		(void)munmap(pmem->reserved, pmem->reserved_bytes);
	og_virtio_done(virtio);
	free(pmem);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-pmem",
	.device_id = VIRTIO_ID_PMEM,
	.n_queues = 1,
	.work = work,
	.free = release,
	.save = save,
	.load = load,
	.command = command,
};

/* The file, between unmapped pages and with memory up to a whole 2 MiB behind it. */
static int map(struct pmem *pmem, struct og_err *err)
{
	int prot = pmem->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
	uint64_t bytes = round_up(pmem->file_bytes, ALIGN_BYTES);
	uint8_t *host;

	pmem->reserved_bytes = bytes + 3 * ALIGN_BYTES;
	pmem->reserved = mmap(NULL, pmem->reserved_bytes, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pmem->reserved == MAP_FAILED) {
		pmem->reserved = NULL;
		return og_fail(err, -errno, "reserve persistent memory");
	}
	(void)madvise(pmem->reserved, pmem->reserved_bytes, MADV_DONTFORK); /* it maps its own */
	host = (uint8_t *)pmem->reserved + ALIGN_BYTES;
	host += -(uintptr_t)host & (ALIGN_BYTES - 1);
	if (mprotect(host, bytes, prot) < 0 ||
	    mmap(host, pmem->file_bytes, prot,
		 MAP_FIXED | (pmem->readonly ? MAP_PRIVATE : MAP_SHARED), pmem->fd,
		 0) == MAP_FAILED ||
	    madvise(host, bytes, MADV_DONTDUMP) < 0)
		return og_fail(err, -errno, "map persistent memory");
	pmem->region = (struct og_mem_region){ .bytes = bytes, .host = host };
	return 0;
}

/* Behind all that has an address yet. */
static int place(struct pmem *pmem, const struct og_device_world *world, struct og_err *err)
{
	pmem->region.gpa = round_up(*world->free_gpa, PLACE_ALIGN_BYTES);
	*world->free_gpa = pmem->region.gpa + pmem->region.bytes;
	pmem->space = (struct virtio_pmem_config){ pmem->region.gpa, pmem->region.bytes };
	if (world->kvm == NULL)
		return 0;
	return og_kvm_set_memory(world->kvm, OG_KVM_SLOT_PMEM + world->index, &pmem->region,
				 pmem->readonly, err);
}

static int set_up(struct pmem *pmem, const struct og_pmem_config *config,
		  const struct og_device_world *world, struct og_err *err)
{
	struct stat st;
	int r;

	if (fstat(config->fd, &st) < 0)
		return og_fail(err, -errno, "look at file");
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return og_fail(err, -EINVAL, "is no regular file with something in it");
	pmem->fd = config->fd;
	pmem->readonly = config->readonly;
	pmem->file_bytes = (uint64_t)st.st_size;
	if (pmem->file_bytes >> 20 > OG_VMM_MEMORY_MIB_MAX)
		return og_fail(err, -EFBIG, "is larger than any memory");
	r = map(pmem, err);
	return r < 0 ? r : place(pmem, world, err);
}

static int make(struct pmem *pmem, const struct og_pmem_config *config,
		const struct og_device_world *world, struct og_err *err)
{
	int r = og_virtio_init(&pmem->virtio, &ops, pmem, world->mem, err);

	if (r < 0)
		return r;
	r = og_ratelimit_init(&pmem->limit, &config->limit, world->loop, &pmem->virtio, err);
	if (r < 0)
		og_virtio_done(&pmem->virtio);
	return r;
}

int og_virtio_pmem_new(const struct og_pmem_config *config, const struct og_device_world *world,
		       struct og_virtio **ret_virtio, struct og_err *err)
{
	struct pmem *pmem = calloc(1, sizeof(*pmem));
	int r;

	if (pmem == NULL)
		return og_fail(err, -ENOMEM, "make persistent memory");
	r = make(pmem, config, world, err);
	if (r < 0) {
		free(pmem);
		return r;
	}
	pmem->metrics = world->metrics != NULL ? &world->metrics->pmem[world->index]
					       : &pmem->no_metrics;
	pmem->virtio.metrics = &pmem->metrics->virtio;
	pmem->virtio.config = &pmem->space;
	pmem->virtio.config_bytes = sizeof(pmem->space);
	r = set_up(pmem, config, world, err);
	if (r < 0) {
		og_virtio_free(&pmem->virtio);
		return r;
	}
	*ret_virtio = &pmem->virtio;
	return 0;
}
