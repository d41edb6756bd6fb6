/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define DESC_BYTES ((uint64_t)sizeof(struct vring_desc))

/* Offsets and sizes of the two rings (2.7.6, 2.7.8); the event word is behind the entries. */
#define RING_FLAGS     0
#define RING_IDX       2
#define RING_ENTRIES   4
#define AVAIL_ENTRY    2
#define USED_ENTRY     8
#define AVAIL_BYTES(n) (RING_ENTRIES + AVAIL_ENTRY * (uint64_t)(n) + 2)
#define USED_BYTES(n)  (RING_ENTRIES + USED_ENTRY * (uint64_t)(n) + 2)

static uint16_t load16(const uint8_t *at)
{
	return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

static void store16(const struct og_virtq *q, size_t offset, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)(q->used + offset), value, __ATOMIC_RELEASE);
	og_mem_mark(q->mem, q->used + offset, sizeof(value));
}

/* Copies a descriptor out, once: the barrier keeps the compiler from reading it again later. */
static struct vring_desc load_desc(const uint8_t *table, uint16_t index)
{
	struct vring_desc desc;

	memcpy(&desc, table + DESC_BYTES * index, sizeof(desc));
	__asm__ volatile("" : "+m"(desc) : : "memory");
	return desc;
}

static const uint8_t *place(const struct og_mem *mem, uint64_t gpa, uint64_t bytes, uint64_t align)
{
	return gpa % align == 0 ? og_mem_at(mem, gpa, bytes) : NULL;
}

int og_virtq_start(struct og_virtq *q)
{
	if (q->size == 0 || q->size > OG_VIRTQ_SIZE_MAX || (q->size & (q->size - 1)) != 0)
		return -EINVAL;

	q->desc = place(q->mem, q->desc_gpa, DESC_BYTES * q->size, 16);
	q->avail = place(q->mem, q->avail_gpa, AVAIL_BYTES(q->size), 2);
	q->used = (uint8_t *)(uintptr_t)place(q->mem, q->used_gpa, USED_BYTES(q->size), 4);
	if (q->desc == NULL || q->avail == NULL || q->used == NULL)
		return -EINVAL;

	q->next_avail = q->next_used = q->told_used = 0;
	q->ready = true;
	return 0;
}

void og_virtq_reset(struct og_virtq *q)
{
	*q = (struct og_virtq){ .mem = q->mem };
}

/* A table that descriptors are read from: the queue's own or an indirect one. */
struct table {
	const uint8_t *at;
	uint16_t entries;
};

static int open_indirect(const struct og_virtq *q, const struct vring_desc *desc,
			 struct table *ret_table)
{
	if (!q->indirect || (desc->flags & VRING_DESC_F_NEXT) != 0)
		return -EPROTO;
	if (desc->len == 0 || desc->len % DESC_BYTES != 0 || desc->len / DESC_BYTES > OG_CHAIN_MAX)
		return -EPROTO;

	ret_table->at = og_mem_at(q->mem, desc->addr, desc->len);
	ret_table->entries = (uint16_t)(desc->len / DESC_BYTES);
	return ret_table->at != NULL ? 0 : -EPROTO;
}

static int add_buffer(const struct og_virtq *q, const struct vring_desc *desc, struct iovec *iov,
		      struct og_chain *chain)
{
	bool in = (desc->flags & VRING_DESC_F_WRITE) != 0;
	void *at;

	/* 2.7.4.2: what the device writes comes behind what it reads. */
	if (!in && chain->n_in > 0)
		return -EPROTO;
	if (desc->len == 0)
		return 0;
	if (chain->n_out + chain->n_in == OG_CHAIN_MAX)
		return -EPROTO;

	at = og_mem_at(q->mem, desc->addr, desc->len);
	if (at == NULL)
		return -EPROTO;
	iov[chain->n_out + chain->n_in] = (struct iovec){ .iov_base = at, .iov_len = desc->len };
	if (in) {
		og_mem_mark(q->mem, at, desc->len);
		chain->n_in++;
		chain->in_bytes += desc->len;
	} else {
		chain->n_out++;
		chain->out_bytes += desc->len;
	}
	return 0;
}

/* Follows a chain from @index; a loop shows as more descriptors than the table has. */
static int walk(const struct og_virtq *q, uint16_t index, struct iovec *iov, struct og_chain *chain)
{
	struct table table = { .at = q->desc, .entries = q->size };
	bool inside = false;

	for (unsigned seen = 0; seen < table.entries; seen++) {
		struct vring_desc desc;
		int r;

		if (index >= table.entries)
			return -EPROTO;
		desc = load_desc(table.at, index);

		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
			r = inside ? -EPROTO : open_indirect(q, &desc, &table);
			if (r < 0)
				return r;
			inside = true;
			index = 0;
			seen = (unsigned)-1; /* the indirect table is counted from its own start */
			continue;
		}

		r = add_buffer(q, &desc, iov, chain);
		if (r < 0)
			return r;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		index = desc.next;
	}
	return -EPROTO;
}

int og_virtq_pop(struct og_virtq *q, struct iovec *iov, struct og_chain *ret_chain)
{
	struct og_chain chain = {};
	uint16_t waiting;
	int r;

	if (!q->ready)
		return 0;

	waiting = (uint16_t)(load16(q->avail + RING_IDX) - q->next_avail);
	if (waiting == 0)
		return 0;
	if (waiting > q->size)
		return -EPROTO;

	chain.head =
		load16(q->avail + RING_ENTRIES + AVAIL_ENTRY * (q->next_avail & (q->size - 1)));
	r = walk(q, chain.head, iov, &chain);
	if (r < 0)
		return r;

	q->next_avail++;
	*ret_chain = chain;
	return 1;
}

void og_virtq_unpop(struct og_virtq *q, uint16_t count)
{
	q->next_avail = (uint16_t)(q->next_avail - count);
}

static void write_used(struct og_virtq *q, uint16_t index, const struct og_virtq_used *used)
{
	struct vring_used_elem elem = { .id = used->head, .len = used->in_bytes };
	uint8_t *at = q->used + RING_ENTRIES + USED_ENTRY * (index & (q->size - 1));

	memcpy(at, &elem, sizeof(elem));
	og_mem_mark(q->mem, at, sizeof(elem));
}

void og_virtq_push(struct og_virtq *q, uint16_t head, uint32_t in_bytes)
{
	og_virtq_push_all(q, &(struct og_virtq_used){ head, in_bytes }, 1);
}

void og_virtq_push_all(struct og_virtq *q, const struct og_virtq_used *used, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++)
		write_used(q, (uint16_t)(q->next_used + i), &used[i]);
	q->next_used = (uint16_t)(q->next_used + count);
	store16(q, RING_IDX, q->next_used);
}

bool og_virtq_wants_interrupt(struct og_virtq *q)
{
	uint16_t old = q->told_used;

	if (!q->ready || q->next_used == old)
		return false;
	q->told_used = q->next_used;

	/* What was pushed must be visible before we look whether anyone waits for it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return (load16(q->avail + RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
	return vring_need_event(load16(q->avail + RING_ENTRIES + AVAIL_ENTRY * q->size),
				q->next_used, old) != 0;
}

void og_virtq_mute(struct og_virtq *q)
{
	/* With event indexes an old avail_event does it. */
	if (q->ready && !q->event_idx)
		store16(q, RING_FLAGS, VRING_USED_F_NO_NOTIFY);
}

bool og_virtq_unmute(struct og_virtq *q)
{
	if (!q->ready)
		return false;
	if (q->event_idx)
		store16(q, RING_ENTRIES + USED_ENTRY * (size_t)q->size, q->next_avail);
	else
		store16(q, RING_FLAGS, 0);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(q->avail + RING_IDX) != q->next_avail;
}

/* Copies between a flat buffer and part of an iovec; the caller says which way. */
static size_t iov_copy(const struct iovec *iov, size_t n, size_t skip, uint8_t *buf, size_t len,
		       bool to_iov)
{
	size_t done = 0;

	for (size_t i = 0; i < n && done < len; i++) {
		uint8_t *at = iov[i].iov_base;
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		at += skip;
		part -= skip;
		skip = 0;
		if (part > len - done)
			part = len - done;
		memcpy(to_iov ? at : buf + done, to_iov ? buf + done : at, part);
		done += part;
	}
	return done;
}

size_t og_iov_read(const struct iovec *iov, size_t n, size_t skip, void *buf, size_t len)
{
	return iov_copy(iov, n, skip, buf, len, false);
}

size_t og_iov_write(const struct iovec *iov, size_t n, size_t skip, const void *buf, size_t len)
{
	return iov_copy(iov, n, skip, (uint8_t *)(uintptr_t)buf, len, true);
}

size_t og_iov_slice(struct iovec *iov, size_t n, size_t skip, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && len > 0; i++) {
		uint8_t *at = iov[i].iov_base;
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		at += skip;
		part -= skip;
		skip = 0;
		if (part > len)
			part = len;
		iov[kept++] = (struct iovec){ .iov_base = at, .iov_len = part };
		len -= part;
	}
	return kept;
}
