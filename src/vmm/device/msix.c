/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/msix.h"

#include <stddef.h>

#include "vmm/device/event.h"

#define ROW_BYTES     16
#define VECTOR_MASKED 1U

void og_msix_init(struct og_msix *msix, unsigned n, const int *fds,
		  void (*route)(void *data, unsigned index, uint64_t address, uint32_t message),
		  void *route_data)
{
	*msix = (struct og_msix){ .n = n, .route = route, .route_data = route_data };
	(void)pthread_mutex_init(&msix->lock, NULL);
	for (unsigned i = 0; i < n; i++) {
		msix->vectors[i].control = VECTOR_MASKED;
		msix->vectors[i].fd = fds[i];
	}
}

bool og_msix_enabled(struct og_msix *msix)
{
	return (__atomic_load_n(&msix->control, __ATOMIC_RELAXED) & OG_MSIX_ENABLE) != 0;
}

static bool may_send(const struct og_msix *msix, const struct og_msix_vector *v)
{
	return (msix->control & (OG_MSIX_ENABLE | OG_MSIX_MASK_ALL)) == OG_MSIX_ENABLE &&
	       (v->control & VECTOR_MASKED) == 0;
}

static void send_pending(struct og_msix *msix)
{
	for (unsigned i = 0; i < msix->n; i++) {
		struct og_msix_vector *v = &msix->vectors[i];

		if (!v->pending || !may_send(msix, v))
			continue;
		v->pending = false;
		og_event_signal(v->fd);
	}
}

void og_msix_set_control(struct og_msix *msix, uint16_t control)
{
	(void)pthread_mutex_lock(&msix->lock);
	__atomic_store_n(&msix->control, control, __ATOMIC_RELAXED);
	send_pending(msix);
	(void)pthread_mutex_unlock(&msix->lock);
}

void og_msix_send(struct og_msix *msix, unsigned vector)
{
	if (vector >= msix->n)
		return;
	(void)pthread_mutex_lock(&msix->lock);
	msix->vectors[vector].pending = true;
	send_pending(msix);
	(void)pthread_mutex_unlock(&msix->lock);
}

static uint32_t *word(struct og_msix *msix, uint64_t offset)
{
	struct og_msix_vector *v = &msix->vectors[offset / ROW_BYTES];
	uint32_t *words[] = { &v->address_low, &v->address_high, &v->data, &v->control };

	return words[offset % ROW_BYTES / 4];
}

/* Words and pairs of words, aligned (6.8.2). */
static bool is_table(const struct og_msix *msix, uint64_t offset, unsigned len)
{
	return (len == 4 || len == 8) && offset % len == 0 && offset / ROW_BYTES < msix->n;
}

uint64_t og_msix_read_table(struct og_msix *msix, uint64_t offset, unsigned len)
{
	uint64_t value;

	if (!is_table(msix, offset, len))
		return 0;
	(void)pthread_mutex_lock(&msix->lock);
	value = *word(msix, offset);
	if (len == 8)
		value |= (uint64_t)*word(msix, offset + 4) << 32;
	(void)pthread_mutex_unlock(&msix->lock);
	return value;
}

static void route(struct og_msix *msix, unsigned index)
{
	const struct og_msix_vector *v = &msix->vectors[index];

	/* A masked vector is about to be changed: one route for all its words, when it is done. */
	if (msix->route != NULL && (v->control & VECTOR_MASKED) == 0)
		msix->route(msix->route_data, index,
			    (uint64_t)v->address_high << 32 | v->address_low, v->data);
}

void og_msix_write_table(struct og_msix *msix, uint64_t offset, uint64_t value, unsigned len)
{
	if (!is_table(msix, offset, len))
		return;
	(void)pthread_mutex_lock(&msix->lock);
	*word(msix, offset) = (uint32_t)value;
	if (len == 8)
		*word(msix, offset + 4) = (uint32_t)(value >> 32);
	msix->vectors[offset / ROW_BYTES].control &= VECTOR_MASKED;
	route(msix, (unsigned)(offset / ROW_BYTES));
	send_pending(msix);
	(void)pthread_mutex_unlock(&msix->lock);
}

uint64_t og_msix_read_pending(struct og_msix *msix, uint64_t offset, unsigned len)
{
	uint64_t value = 0;

	if (offset != 0 || (len != 4 && len != 8))
		return 0;
	(void)pthread_mutex_lock(&msix->lock);
	for (unsigned i = 0; i < msix->n; i++)
		value |= (uint64_t)msix->vectors[i].pending << i;
	(void)pthread_mutex_unlock(&msix->lock);
	return value;
}

void og_msix_save(struct og_msix *msix, struct og_pack *pack)
{
	og_pack_u8(pack, (uint8_t)msix->n);
	for (unsigned i = 0; i < msix->n; i++) {
		const struct og_msix_vector *v = &msix->vectors[i];

		og_pack_u32(pack, v->address_low);
		og_pack_u32(pack, v->address_high);
		og_pack_u32(pack, v->data);
		og_pack_u8(pack, (uint8_t)(v->control & VECTOR_MASKED));
		og_pack_u8(pack, v->pending);
	}
}

void og_msix_load(struct og_msix *msix, struct og_unpack *unpack)
{
	unpack->failed |= og_unpack_u8(unpack) != msix->n;
	for (unsigned i = 0; i < msix->n && !unpack->failed; i++) {
		struct og_msix_vector *v = &msix->vectors[i];

		v->address_low = og_unpack_u32(unpack);
		v->address_high = og_unpack_u32(unpack);
		v->data = og_unpack_u32(unpack);
		v->control = og_unpack_bool(unpack);
		v->pending = og_unpack_bool(unpack);
		if (!unpack->failed)
			route(msix, i);
	}
}
