/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/block/ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"

/* Words that the kernel changes, or looks at, meanwhile. */
static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int control(const struct og_ring *ring, unsigned what, const void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, ring->fd, what, arg, n) < 0 ? -errno : 0;
}

static void *map(const struct og_ring *ring, size_t bytes, uint64_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			(off_t)what);

	/* A fork must not complete our requests. */
	if (at != MAP_FAILED)
		(void)madvise(at, bytes, MADV_DONTFORK);
	return at != MAP_FAILED ? at : NULL;
}

static int map_all(struct og_ring *ring, const struct io_uring_params *p)
{
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *base;

	ring->rings_bytes = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	if (cq > ring->rings_bytes)
		ring->rings_bytes = cq;
	ring->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	ring->rings = map(ring, ring->rings_bytes, IORING_OFF_SQ_RING);
	ring->sqes = map(ring, ring->sqes_bytes, IORING_OFF_SQES);
	if (ring->rings == NULL || ring->sqes == NULL)
		return -errno;
	base = ring->rings;
	ring->sq_tail = (uint32_t *)(void *)(base + p->sq_off.tail);
	ring->sq_mask = (uint32_t *)(void *)(base + p->sq_off.ring_mask);
	ring->sq_array = (uint32_t *)(void *)(base + p->sq_off.array);
	ring->cq_head = (uint32_t *)(void *)(base + p->cq_off.head);
	ring->cq_tail = (uint32_t *)(void *)(base + p->cq_off.tail);
	ring->cq_mask = (uint32_t *)(void *)(base + p->cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(void *)(base + p->cq_off.cqes);
	return 0;
}

static int bind_and_enable(const struct og_ring *ring)
{
	const struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_REGISTER_FILES_UPDATE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_REGISTER_ENABLE_RINGS },
	};
	int r = control(ring, IORING_REGISTER_RESTRICTIONS, allowed,
			sizeof(allowed) / sizeof(allowed[0]));

	return r < 0 ? r : control(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int set_up(struct og_ring *ring, int file_fd)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED };
	int r;

	ring->event_fd = og_event_new();
	if (ring->event_fd < 0)
		return -errno;
	ring->fd = (int)syscall(SYS_io_uring_setup, OG_RING_ENTRIES, &p);
	if (ring->fd < 0)
		return -errno;
	if ((p.features & IORING_FEAT_SINGLE_MMAP) == 0)
		return -EINVAL;
	r = map_all(ring, &p);
	if (r == 0)
		r = control(ring, IORING_REGISTER_FILES, &file_fd, 1);
	if (r == 0)
		r = control(ring, IORING_REGISTER_EVENTFD, &ring->event_fd, 1);
	return r < 0 ? r : bind_and_enable(ring);
}

int og_ring_init(struct og_ring *ring, int file_fd, struct og_err *err)
{
	int r;

	*ring = (struct og_ring){ .fd = -EBADF, .event_fd = -EBADF, .pid = getpid() };
	r = set_up(ring, file_fd);
	if (r < 0) {
		og_ring_done(ring);
		return og_fail(err, r, "set up io_uring");
	}
	return 0;
}

/* In a fork the mappings are not there, and their addresses may be others'. */
void og_ring_done(struct og_ring *ring)
{
	if (ring->pid == getpid()) {
		if (ring->rings != NULL)
			(void)munmap(ring->rings, ring->rings_bytes);
		if (ring->sqes != NULL)
			(void)munmap(ring->sqes, ring->sqes_bytes);
	}
	ring->fd = og_close(ring->fd);
	ring->event_fd = og_close(ring->event_fd);
}

int og_ring_set_file(struct og_ring *ring, int file_fd)
{
	struct io_uring_files_update update = { .fds = (uintptr_t)&file_fd };
	long r = syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES_UPDATE, &update, 1);

	return r < 0 ? -errno : 0;
}

void og_ring_queue(struct og_ring *ring, enum og_ring_op op, uint64_t id, const struct iovec *iov,
		   size_t n, uint64_t offset)
{
	static const uint8_t codes[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC };
	uint32_t tail = *ring->sq_tail, slot = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[slot];

	*sqe = (struct io_uring_sqe){
		.opcode = codes[op],
		.flags = IOSQE_FIXED_FILE, /* the one at index 0 */
		.off = offset,
		.user_data = id,
	};
	if (op == OG_RING_SYNC) {
		sqe->fsync_flags = IORING_FSYNC_DATASYNC;
	} else {
		sqe->addr = (uintptr_t)iov;
		sqe->len = (uint32_t)n;
	}
	ring->sq_array[slot] = slot;
	store(ring->sq_tail, tail + 1);
	ring->queued++;
}

int og_ring_submit(struct og_ring *ring, unsigned wait)
{
	while (ring->queued > 0 || wait > 0) {
		long r = syscall(SYS_io_uring_enter, ring->fd, ring->queued, wait,
				 wait > 0 ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		ring->queued -= (uint32_t)r;
		if (ring->queued == 0)
			break;
	}
	return 0;
}

bool og_ring_take(struct og_ring *ring, uint64_t *ret_id, int32_t *ret_result)
{
	uint32_t head = *ring->cq_head;
	const struct io_uring_cqe *cqe = &ring->cqes[head & *ring->cq_mask];

	if (head == load(ring->cq_tail))
		return false;
	*ret_id = cqe->user_data;
	*ret_result = cqe->res;
	store(ring->cq_head, head + 1);
	return true;
}
