/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/block/async.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int og_async_new(int file_fd, struct og_async **ret_async, struct og_err *err)
{
	og_auto_free struct og_async *async = calloc(1, sizeof(*async));
	int r;

	if (async == NULL)
		return og_fail(err, -ENOMEM, "make room for requests");
	r = og_ring_init(&async->ring, file_fd, err);
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < OG_RING_ENTRIES; i++)
		async->idle[i] = i;
	*ret_async = og_take_ptr(async);
	return 0;
}

struct og_async *og_async_free(struct og_async *async)
{
	if (async != NULL)
		og_ring_done(&async->ring);
	free(async);
	return NULL;
}

bool og_async_is_full(const struct og_async *async)
{
	return async->in_flight == OG_RING_ENTRIES;
}

void og_async_start(struct og_async *async, const struct og_flight *flight, const struct iovec *iov,
		    size_t n)
{
	uint16_t id = async->idle[OG_RING_ENTRIES - 1 - async->in_flight];
	struct og_flight *own = &async->flights[id];

	async->in_flight++;
	own->op = flight->op;
	own->head = flight->head;
	own->status = flight->status;
	own->offset = flight->offset;
	own->bytes = flight->bytes;
	own->n = n;
	memcpy(own->iov, iov, n * sizeof(*iov));
	og_ring_queue(&async->ring, own->op, id, own->iov, n, own->offset);
}

bool og_async_take(struct og_async *async, struct og_flight **ret_flight, int32_t *ret_result)
{
	uint64_t id;

	if (async->in_flight == 0 || !og_ring_take(&async->ring, &id, ret_result))
		return false;
	async->in_flight--;
	async->idle[OG_RING_ENTRIES - 1 - async->in_flight] = (uint16_t)id;
	*ret_flight = &async->flights[id];
	return true;
}
