/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_mem.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mem.h>
#include <stdlib.h>

#include "vmm/device/mem_blocks.h"
#include "vmm/x86/kvm.h"

#define MIB (1ULL << 20)

/* Linux adds memory in pieces of up to this and may plug blocks of a piece in any order. */
#define SLACK_BYTES (256 * MIB)

struct memory {
	struct og_virtio virtio;
	struct virtio_mem_config space;
	struct og_hotplug_config config;
	const struct og_mem *mem; /* borrowed, as the next two */
	struct og_kvm *kvm;
	struct og_mem_hotplug_metrics *metrics;
	struct og_mem_hotplug_metrics no_metrics;
	struct og_mem_blocks blocks;
	uint32_t blocks_a_slot;
};

/* What a request is about, in blocks. */
struct span {
	uint32_t first, n;
};

static int give_slot(struct memory *memory, uint32_t slot, bool give, struct og_err *err)
{
	const struct og_mem_hotplug *hotplug = &memory->mem->hotplug;
	struct og_mem_region region = {
		.gpa = hotplug->region.gpa + slot * hotplug->slot_bytes,
		.bytes = give ? hotplug->slot_bytes : 0,
		.host = hotplug->region.host + slot * hotplug->slot_bytes,
	};
	int r = 0;

	/* Our devices let go of it first and get it last. */
	if (!give)
		og_mem_set_present(memory->mem, slot, false);
	if (memory->kvm != NULL)
		r = og_kvm_set_memory(memory->kvm, OG_KVM_SLOT_HOTPLUG + slot, &region, false, err);
	if (give && r == 0)
		og_mem_set_present(memory->mem, slot, true);
	return r;
}

static uint32_t slot_of(const struct memory *memory, uint32_t block)
{
	return block / memory->blocks_a_slot;
}

/* Gives the slots of @span that have plugged blocks, takes those that have none. */
static int settle_slots(struct memory *memory, const struct span *span, struct og_err *err)
{
	uint32_t last = slot_of(memory, span->first + span->n - 1);

	for (uint32_t slot = slot_of(memory, span->first); slot <= last; slot++) {
		bool want = og_mem_blocks_state(&memory->blocks, slot * memory->blocks_a_slot,
						memory->blocks_a_slot) != OG_BLOCKS_UNPLUGGED;
		int r = 0;

		if (og_mem_is_present(memory->mem, slot) != want)
			r = give_slot(memory, slot, want, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void update_sizes(struct memory *memory)
{
	memory->space.plugged_size = memory->blocks.plugged * memory->space.block_size;
}

/* 5.15.6.2: all of it in the usable region, in whole blocks. */
static bool find_span(const struct memory *memory, uint64_t gpa, uint16_t n, struct span *ret_span)
{
	const struct virtio_mem_config *space = &memory->space;
	uint64_t offset = gpa - space->addr;

	if (n == 0 || gpa < space->addr || offset % space->block_size != 0 ||
	    offset > space->usable_region_size ||
	    n > (space->usable_region_size - offset) / space->block_size)
		return false;
	*ret_span = (struct span){ (uint32_t)(offset / space->block_size), n };
	return true;
}

static uint16_t plug(struct memory *memory, const struct span *span)
{
	uint64_t bytes = span->n * memory->space.block_size;

	og_counted(&memory->metrics->plug_count, 1);
	if (og_mem_blocks_state(&memory->blocks, span->first, span->n) != OG_BLOCKS_UNPLUGGED)
		return VIRTIO_MEM_RESP_ERROR;
	if (memory->space.plugged_size + bytes > memory->space.requested_size)
		return VIRTIO_MEM_RESP_NACK;
	og_mem_blocks_set(&memory->blocks, span->first, span->n, true);
	if (settle_slots(memory, span, NULL) < 0) {
		og_mem_blocks_set(&memory->blocks, span->first, span->n, false);
		(void)settle_slots(memory, span, NULL);
		return VIRTIO_MEM_RESP_BUSY;
	}
	og_counted(&memory->metrics->plug_bytes, bytes);
	return VIRTIO_MEM_RESP_ACK;
}

static void drop(struct memory *memory, const struct span *span)
{
	uint8_t *at = memory->mem->hotplug.region.host + span->first * memory->space.block_size;

	og_mem_blocks_set(&memory->blocks, span->first, span->n, false);
	(void)settle_slots(memory, span, NULL);
	(void)og_mem_discard_at(memory->mem, at, span->n * memory->space.block_size);
}

static uint16_t unplug(struct memory *memory, const struct span *span)
{
	og_counted(&memory->metrics->unplug_count, 1);
	if (og_mem_blocks_state(&memory->blocks, span->first, span->n) != OG_BLOCKS_PLUGGED)
		return VIRTIO_MEM_RESP_ERROR;
	drop(memory, span);
	og_counted(&memory->metrics->unplug_bytes, span->n * memory->space.block_size);
	return VIRTIO_MEM_RESP_ACK;
}

static uint64_t usable_for(const struct memory *memory, uint64_t requested)
{
	uint64_t total = memory->space.region_size;

	return requested + SLACK_BYTES < total ? requested + SLACK_BYTES : total;
}

static uint16_t unplug_all(struct memory *memory)
{
	struct span all = { 0, memory->blocks.n };

	og_counted(&memory->metrics->unplug_all_count, 1);
	if (memory->blocks.plugged > 0)
		drop(memory, &all);
	memory->space.usable_region_size = usable_for(memory, memory->space.requested_size);
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t run(struct memory *memory, const struct virtio_mem_req *request,
		    uint16_t *ret_state)
{
	struct span span;

	if (request->type == VIRTIO_MEM_REQ_UNPLUG_ALL)
		return unplug_all(memory);
	/* The three others have the same form. */
	if (!find_span(memory, request->u.plug.addr, request->u.plug.nb_blocks, &span))
		return VIRTIO_MEM_RESP_ERROR;
	if (request->type == VIRTIO_MEM_REQ_PLUG)
		return plug(memory, &span);
	if (request->type == VIRTIO_MEM_REQ_UNPLUG)
		return unplug(memory, &span);
	if (request->type != VIRTIO_MEM_REQ_STATE)
		return VIRTIO_MEM_RESP_ERROR;
	og_counted(&memory->metrics->state_count, 1);
	*ret_state = (uint16_t)og_mem_blocks_state(&memory->blocks, span.first, span.n);
	return VIRTIO_MEM_RESP_ACK;
}

static void count_failure(struct memory *memory, uint16_t type, uint16_t answer)
{
	if (answer == VIRTIO_MEM_RESP_ACK)
		return;
	if (type == VIRTIO_MEM_REQ_PLUG)
		og_counted(&memory->metrics->plug_fails, 1);
	else if (type == VIRTIO_MEM_REQ_UNPLUG)
		og_counted(&memory->metrics->unplug_fails, 1);
}

static int serve(struct og_virtio *virtio, struct og_virtq *q, const struct og_chain *chain,
		 struct iovec *iov)
{
	struct memory *memory = virtio->device;
	struct virtio_mem_resp answer = {};
	struct virtio_mem_req request;

	if (og_iov_read(iov, chain->n_out, 0, &request, sizeof(request)) != sizeof(request) ||
	    chain->in_bytes < sizeof(answer))
		return -EPROTO;
	answer.type = run(memory, &request, &answer.u.state.state);
	count_failure(memory, request.type, answer.type);
	update_sizes(memory);
	og_virtq_push(q, chain->head,
		      (uint32_t)og_iov_write(iov + chain->n_out, chain->n_in, 0, &answer,
					     sizeof(answer)));
	return 0;
}

static int work(struct og_virtio *virtio)
{
	return og_virtio_serve(virtio, &virtio->queues[0], serve);
}

static int request_size(struct memory *memory, uint64_t mib, struct og_err *err)
{
	uint64_t usable;

	if (mib > memory->config.total_mib || mib % memory->config.block_mib != 0)
		return og_fail(err, -EINVAL,
			       "hot-plug memory of %llu MiB (up to %llu, in blocks of %llu)",
			       (unsigned long long)mib,
			       (unsigned long long)memory->config.total_mib,
			       (unsigned long long)memory->config.block_mib);
	memory->config.requested_mib = mib;
	memory->space.requested_size = mib * MIB;
	usable = usable_for(memory, mib * MIB);
	if (usable > memory->space.usable_region_size) /* it shrinks by UNPLUG_ALL alone */
		memory->space.usable_region_size = usable;
	return 0;
}

static int command(struct og_virtio *virtio, const void *bytes, int *fds, unsigned n_fds,
		   void *reply, struct og_err *err)
{
	const struct og_hotplug_command *what = bytes;
	struct og_hotplug_status *status = reply;
	struct memory *memory = virtio->device;
	int r = 0;

	(void)fds;
	(void)n_fds;
	if (what->kind > OG_HOTPLUG_REQUEST)
		return og_fail(err, -EINVAL, "hot-plug memory knows no command %u", what->kind);
	(void)pthread_mutex_lock(&virtio->lock);
	if (what->kind == OG_HOTPLUG_REQUEST) {
		r = request_size(memory, what->requested_mib, err);
		if (r == 0)
			og_virtio_config_changed(virtio);
	}
	*status = (struct og_hotplug_status){
		.total_mib = memory->config.total_mib,
		.block_mib = memory->config.block_mib,
		.slot_mib = memory->config.slot_mib,
		.requested_mib = memory->config.requested_mib,
		.plugged_mib = memory->space.plugged_size / MIB,
		.usable_mib = memory->space.usable_region_size / MIB,
	};
	(void)pthread_mutex_unlock(&virtio->lock);
	return r < 0 ? r : (int)sizeof(*status);
}

static int save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	const struct memory *memory = virtio->device;

	(void)err;
	og_pack_u64(pack, memory->space.addr);
	og_pack_u64(pack, memory->space.block_size);
	og_pack_u64(pack, memory->config.slot_mib);
	og_pack_u64(pack, memory->config.requested_mib);
	og_pack_u64(pack, memory->space.usable_region_size);
	og_mem_blocks_save(&memory->blocks, pack);
	return 0;
}

static int load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct memory *memory = virtio->device;
	struct span all = { 0, memory->blocks.n };
	uint64_t usable, requested;
	int r;

	if (og_unpack_u64(unpack) != memory->space.addr ||
	    og_unpack_u64(unpack) != memory->space.block_size ||
	    og_unpack_u64(unpack) != memory->config.slot_mib)
		return og_fail(err, -EBADMSG, "the guest's hot-plug memory is another");
	requested = og_unpack_u64(unpack);
	usable = og_unpack_u64(unpack);
	if (usable > memory->space.region_size || usable % memory->space.block_size != 0)
		return og_fail(err, -EBADMSG, "not so much hot-plug memory can be used");
	memory->space.usable_region_size = usable;
	r = request_size(memory, requested, err);
	if (r == 0)
		r = og_mem_blocks_load(&memory->blocks, unpack);
	if (r < 0)
		return og_fail(err, -EBADMSG, "no such blocks can be plugged");
	update_sizes(memory);
	return settle_slots(memory, &all, err);
}

static void release(struct og_virtio *virtio)
{
	struct memory *memory = virtio->device;

	og_mem_blocks_done(&memory->blocks);
	og_virtio_done(virtio);
	free(memory);
}

static const struct og_virtio_ops ops = {
	.name = "virtio-mem",
	.device_id = VIRTIO_ID_MEM,
	.features = 1ULL << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE,
	.n_queues = 1,
	.work = work,
	.free = release,
	.save = save,
	.load = load,
	.command = command,
};

int og_hotplug_check(const struct og_hotplug_config *config, struct og_err *err)
{
	uint64_t block = config->block_mib, slot = config->slot_mib, total = config->total_mib;

	if (block < OG_HOTPLUG_BLOCK_MIB_MIN || (block & (block - 1)) != 0)
		return og_fail(err, -EINVAL, "blocks of %llu MiB (a power of two, %u and up)",
			       (unsigned long long)block, OG_HOTPLUG_BLOCK_MIB_MIN);
	if (slot < OG_HOTPLUG_SLOT_MIB_MIN || slot % block != 0)
		return og_fail(err, -EINVAL, "slots of %llu MiB (whole blocks, %u and up)",
			       (unsigned long long)slot, OG_HOTPLUG_SLOT_MIB_MIN);
	if (total == 0 || total % slot != 0 || total > OG_VMM_MEMORY_MIB_MAX)
		return og_fail(err, -EINVAL, "hot-plug memory of %llu MiB (whole slots, up to %u)",
			       (unsigned long long)total, OG_VMM_MEMORY_MIB_MAX);
	if (total / block > OG_MEM_BLOCKS_MAX || total / slot > OG_MEM_SLOTS_MAX)
		return og_fail(err, -EINVAL,
			       "hot-plug memory of %llu blocks in %llu slots (up to %u and %u)",
			       (unsigned long long)(total / block),
			       (unsigned long long)(total / slot), OG_MEM_BLOCKS_MAX,
			       OG_MEM_SLOTS_MAX);
	return 0;
}

static int set_up(struct memory *memory, struct og_err *err)
{
	const struct og_hotplug_config *config = &memory->config;
	int r = og_hotplug_check(config, err);

	if (r < 0)
		return r;
	if (memory->mem->hotplug.region.bytes != config->total_mib * MIB)
		return og_fail(err, -EINVAL, "no memory is set aside for hot-plug");
	memory->space = (struct virtio_mem_config){
		.block_size = config->block_mib * MIB,
		.addr = memory->mem->hotplug.region.gpa,
		.region_size = config->total_mib * MIB,
	};
	memory->blocks_a_slot = (uint32_t)(config->slot_mib / config->block_mib);
	r = request_size(memory, config->requested_mib, err);
	if (r < 0)
		return r;
	return og_mem_blocks_init(&memory->blocks,
				  (uint32_t)(config->total_mib / config->block_mib), err);
}

int og_virtio_mem_new(const struct og_hotplug_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	int r;

	if (memory == NULL)
		return og_fail(err, -ENOMEM, "make hot-plug memory");
	r = og_virtio_init(&memory->virtio, &ops, memory, world->mem, err);
	if (r < 0) {
		free(memory);
		return r;
	}
	memory->mem = world->mem;
	memory->kvm = world->kvm;
	memory->config = *config;
	memory->metrics = world->metrics != NULL ? &world->metrics->mem_hotplug
						 : &memory->no_metrics;
	memory->virtio.metrics = &memory->metrics->virtio;
	memory->virtio.config = &memory->space;
	memory->virtio.config_bytes = sizeof(memory->space);
	r = set_up(memory, err);
	if (r < 0) {
		og_virtio_free(&memory->virtio);
		return r;
	}
	*ret_virtio = &memory->virtio;
	return 0;
}
