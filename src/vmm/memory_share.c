/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory_share.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * fork() looks through the whole of each mapping of which any page was written, and takes it all
 * from KVM, so there are some mappings; and it copies each, so they are not many.
 */
#define PIECE_BYTES (64ULL << 20)
#define PIECES_MAX  64U

/* Mapped at once: a guest that touches memory waits as long. */
#define STEP_BYTES (2ULL << 20)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3 */
#endif

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16 /* Linux 5.1 */
#endif

static int make_file(uint64_t bytes)
{
	og_auto_fd fd = memfd_create("guest", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return og_take_fd(&fd);
}

static bool may_be_as_large(uint64_t bytes)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes <= limit.rlim_cur;
}

static int map(const struct og_mem *mem, uint8_t *host, uint64_t bytes, uint64_t offset,
	       int sharing)
{
	return mmap(host, bytes, PROT_READ | PROT_WRITE, sharing | MAP_FIXED | MAP_NORESERVE,
		    mem->shared_fd, (off_t)offset) == MAP_FAILED
		       ? -errno
		       : 0;
}

static int keep_out_of_dumps(const struct og_mem_region *region)
{
	return madvise(region->host, region->bytes, MADV_DONTDUMP) < 0 ? -errno : 0;
}

int og_mem_share(struct og_mem *mem, struct og_err *err)
{
	const struct og_mem_region *region;
	uint64_t bytes = og_mem_file_bytes(mem);
	int r = 0;

	if (!may_be_as_large(bytes))
		return 0;
	mem->shared_fd = make_file(bytes);
	if (mem->shared_fd < 0)
		return og_fail(err, mem->shared_fd, "make a file for memory to be forked");
	for (unsigned i = 0; r == 0 && (region = og_mem_region(mem, i)) != NULL; i++) {
		r = map(mem, region->host, region->bytes, og_mem_file_offset(mem, i), MAP_SHARED);
		if (r == 0)
			r = keep_out_of_dumps(region);
	}
	return r < 0 ? og_fail(err, r, "map memory to be forked") : 0;
}

/*
 * Equal neighbours become one mapping, so every second piece is advised something, which has no
 * effect here. What is private already has what the guest wrote since: it is never mapped again.
 */
static int make_private(struct og_mem *mem, const struct og_mem_region *region, uint64_t offset,
			uint64_t piece_bytes)
{
	uint64_t done = mem->private_bytes > offset ? mem->private_bytes - offset : 0;

	for (uint64_t at = done; at < region->bytes; at += STEP_BYTES) {
		uint64_t bytes = region->bytes - at < STEP_BYTES ? region->bytes - at : STEP_BYTES;
		int r = map(mem, region->host + at, bytes, offset + at, MAP_PRIVATE);

		if (r < 0)
			return r;
		mem->private_bytes = offset + at + bytes;
		if (((offset + at) / piece_bytes & 1) != 0)
			(void)madvise(region->host + at, bytes, MADV_RANDOM);
	}
	return keep_out_of_dumps(region);
}

int og_mem_unshare(struct og_mem *mem, struct og_err *err)
{
	const struct og_mem_region *region;
	uint64_t piece_bytes = PIECE_BYTES;
	int r = 0;

	if (!og_mem_is_shared(mem))
		return 0;
	while (og_mem_file_bytes(mem) / piece_bytes >= PIECES_MAX)
		piece_bytes *= 2;
	for (unsigned i = 0; r == 0 && (region = og_mem_region(mem, i)) != NULL; i++)
		r = make_private(mem, region, og_mem_file_offset(mem, i), piece_bytes);
	if (r == 0 && fcntl(mem->shared_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0)
		return og_fail(err, r, "map memory to be forked");
	mem->file_fd = mem->shared_fd;
	return 0;
}
