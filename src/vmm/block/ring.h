/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that the kernel works on while we do something else (io_uring(7)), for one file.
 *
 * io_uring could do what seccomp forbids, so a ring is bound before it is enabled: only reading,
 * writing, syncing and fallocate(), and only of the file that was registered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

/* In flight at once: a power of two. More wait in the guest's queue. */
#define OG_RING_ENTRIES 128

struct og_ring {
	int fd;	      /* owned, as the next */
	int event_fd; /* readable when something completed */
	pid_t pid;    /* of the process that made it: a fork's is not its own */
	void *rings;  /* what the kernel shares: the two rings in one, and the entries */
	size_t rings_bytes;
	struct io_uring_sqe *sqes;
	size_t sqes_bytes;
	uint32_t *sq_tail, *sq_mask, *sq_array;
	uint32_t *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	uint32_t queued; /* entries that the kernel was not told of yet */
};

enum og_ring_op {
	OG_RING_READ,
	OG_RING_WRITE,
	OG_RING_SYNC,
};

/*
 * Before the process confines itself. On success og_ring_done() is the caller's to call.
 * Errors: those of io_uring_setup(2) and io_uring_register(2); -ENOSYS and -EPERM where there is
 * no io_uring, -EINVAL where it is too old.
 */
int og_ring_init(struct og_ring *ring, int file_fd, struct og_err *err);
void og_ring_done(struct og_ring *ring);

/* The file is another from now on. Nothing is in flight. */
int og_ring_set_file(struct og_ring *ring, int file_fd);

/*
 * Queues one operation; there are fewer than OG_RING_ENTRIES in flight. @iov and what it points to
 * stay until the completion, which carries @id.
 */
void og_ring_queue(struct og_ring *ring, enum og_ring_op op, uint64_t id, const struct iovec *iov,
		   size_t n, uint64_t offset);

/* Tells the kernel of what was queued, and waits until @wait operations have completed. */
int og_ring_submit(struct og_ring *ring, unsigned wait);

/* Takes one completion: false, when there is none. */
bool og_ring_take(struct og_ring *ring, uint64_t *ret_id, int32_t *ret_result);
