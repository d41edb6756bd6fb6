/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory_place.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES (2ULL << 20)
#define HUGE_2MIB  (21 << 26) /* MAP_HUGE_2MB of linux/mman.h */

/* As many nodes as the kernel can be built for. */
#define NODES_MAX 1024U
#define WORD_BITS 64U

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int make_huge(const struct og_mem_region *region, struct og_err *err)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | HUGE_2MIB;

	if (region->bytes % HUGE_BYTES != 0)
		return og_fail(err, -EINVAL, "huge pages: memory is no multiple of 2 MiB");
	if (mmap(region->host, region->bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		return og_fail(err, -errno,
			       "take %llu huge pages (make the pool larger: vm.nr_hugepages)",
			       (unsigned long long)(region->bytes / HUGE_BYTES));
	(void)madvise(region->host, region->bytes, MADV_DONTDUMP);
	return 0;
}

static int bind_to_node(const struct og_mem_region *region, int node, struct og_err *err)
{
	unsigned long mask[NODES_MAX / WORD_BITS] = {};

	if (node < (int)NODES_MAX) {
		mask[(unsigned)node / WORD_BITS] = 1UL << ((unsigned)node % WORD_BITS);
		if (syscall(SYS_mbind, region->host, region->bytes, MPOL_BIND, mask, NODES_MAX + 1,
			    0) == 0)
			return 0;
	} else {
		errno = EINVAL;
	}
	return og_fail(err, -errno, "place memory on NUMA node %d (see numactl --hardware)", node);
}

static int take(const struct og_mem_region *region, bool lock, struct og_err *err)
{
	int r;

	if (lock && mlock(region->host, region->bytes) < 0)
		return og_fail(err, -errno, "lock %llu MiB of memory (raise RLIMIT_MEMLOCK)",
			       (unsigned long long)(region->bytes >> 20));
	do {
		r = madvise(region->host, region->bytes, MADV_POPULATE_WRITE);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? og_fail(err, -errno, "reserve %llu MiB of memory",
			       (unsigned long long)(region->bytes >> 20))
		     : 0;
}

int og_mem_place(const struct og_mem *mem, const struct og_mem_place *place, struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < mem->n_regions; i++) {
		const struct og_mem_region *region = &mem->regions[i];

		if (place->huge)
			r = make_huge(region, err);
		if (r == 0 && place->node >= 0)
			r = bind_to_node(region, place->node, err);
		if (r == 0 && (place->reserve || place->lock))
			r = take(region, place->lock, err);
	}
	return r;
}
