/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues (Virtual I/O Device 1.2, section 2.7) as a device sees them, without I/O.
 *
 * Everything in a queue was written by the guest and may change while it is read. Each word that
 * decides something is loaded once; descriptors are copied before they are judged; what a chain
 * points to is checked against the guest's memory. A driver that breaks the rules gets -EPROTO,
 * and the device asks for its reset: nothing spins, nothing is touched outside guest memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/memory.h"

/* Enough to keep a disk and a stream busy; a power of two. */
#define OG_VIRTQ_SIZE_MAX 256

/* Descriptors a chain may have, indirect ones included: the longest the specification allows. */
#define OG_CHAIN_MAX OG_VIRTQ_SIZE_MAX

struct og_virtq {
	const struct og_mem *mem; /* borrowed */
	uint16_t size;		  /* entries, a power of two */
	bool ready;
	bool event_idx; /* VIRTIO_F_EVENT_IDX was agreed on */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC was agreed on */
	uint64_t desc_gpa, avail_gpa, used_gpa;

	/* While ready: the three parts in the host, and how far we are. */
	const uint8_t *desc;
	const uint8_t *avail;
	uint8_t *used;
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t told_used; /* next_used when the driver was last interrupted or spared */
};

/* One request: the first @n_out entries of its iovec are the driver's words, then @n_in to fill. */
struct og_chain {
	uint16_t head;
	uint16_t n_out, n_in;
	size_t out_bytes, in_bytes;
};

/*
 * Starts a queue whose size and addresses were set. Errors: -EINVAL (size no power of two from 1
 * to OG_VIRTQ_SIZE_MAX, a part misaligned or not in guest memory).
 */
int og_virtq_start(struct og_virtq *q);

/* Forgets all of it, except whose memory it works on. */
void og_virtq_reset(struct og_virtq *q);

/*
 * Takes the next request. @iov has room for OG_CHAIN_MAX entries and is filled with pointers into
 * guest memory, empty descriptors left out. Returns 1, 0 (none waits) or -EPROTO.
 */
int og_virtq_pop(struct og_virtq *q, struct iovec *iov, struct og_chain *ret_chain);

/* Puts the last @count requests that were popped back: they will be popped again. */
void og_virtq_unpop(struct og_virtq *q, uint16_t count);

/* Hands a request back to the driver; @in_bytes were written into it. */
void og_virtq_push(struct og_virtq *q, uint16_t head, uint32_t in_bytes);

/* Several at once: the driver sees none of them before it sees all. */
struct og_virtq_used {
	uint16_t head;
	uint32_t in_bytes;
};

void og_virtq_push_all(struct og_virtq *q, const struct og_virtq_used *used, uint16_t count);

/* Whether the driver wants an interrupt for what was pushed since the last call. */
bool og_virtq_wants_interrupt(struct og_virtq *q);

/* While requests are being popped anyway, the driver need not notify. */
void og_virtq_mute(struct og_virtq *q);

/* Asks to be notified again. Returns true when a request came in meanwhile: go on popping. */
bool og_virtq_unmute(struct og_virtq *q);

/* Copies up to @len bytes that start @skip bytes into @iov. Returns the bytes copied. */
size_t og_iov_read(const struct iovec *iov, size_t n, size_t skip, void *buf, size_t len);
size_t og_iov_write(const struct iovec *iov, size_t n, size_t skip, const void *buf, size_t len);

/* Cuts @iov down, in place, to @len bytes from @skip. Returns how many entries are left. */
size_t og_iov_slice(struct iovec *iov, size_t n, size_t skip, size_t len);
