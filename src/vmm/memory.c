/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory.h"

#include <errno.h>
#include <sys/mman.h>

/* So that the host may back the guest with huge pages; also what guards each end. */
#define ALIGN_BYTES (2ULL << 20)

static void lay_out(struct og_mem *mem, uint8_t *host, uint64_t bytes)
{
	uint64_t low = bytes < OG_GAP_START ? bytes : OG_GAP_START;

	mem->regions[0] = (struct og_mem_region){ .gpa = 0, .bytes = low, .host = host };
	mem->n_regions = 1;
	if (bytes > low)
		mem->regions[mem->n_regions++] = (struct og_mem_region){
			.gpa = OG_GAP_END,
			.bytes = bytes - low,
			.host = host + low,
		};
}

int og_mem_init(struct og_mem *mem, uint64_t bytes, struct og_err *err)
{
	size_t reserved_bytes = bytes + 3 * ALIGN_BYTES;
	uint8_t *reserved, *host;

	reserved = mmap(NULL, reserved_bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return og_fail(err, -errno, "reserve %llu MiB of guest memory",
			       (unsigned long long)(bytes >> 20));

	host = reserved + ALIGN_BYTES;
	host += -(uintptr_t)host & (ALIGN_BYTES - 1);
	if (mprotect(host, bytes, PROT_READ | PROT_WRITE) < 0 ||
	    madvise(host, bytes, MADV_DONTDUMP) < 0) {
		int r = -errno;

		(void)munmap(reserved, reserved_bytes);
		return og_fail(err, r, "set up %llu MiB of guest memory",
			       (unsigned long long)(bytes >> 20));
	}

	*mem = (struct og_mem){ .reserved = reserved, .reserved_bytes = reserved_bytes };
	lay_out(mem, host, bytes);
	return 0;
}

void og_mem_borrow(struct og_mem *mem, void *host, uint64_t bytes)
{
	*mem = (struct og_mem){};
	lay_out(mem, host, bytes);
}

void og_mem_done(struct og_mem *mem)
{
	if (mem->reserved != NULL)
		(void)munmap(mem->reserved, mem->reserved_bytes);
	*mem = (struct og_mem){};
}

void *og_mem_at(const struct og_mem *mem, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct og_mem_region *region = &mem->regions[i];

		if (gpa >= region->gpa && gpa - region->gpa <= region->bytes &&
		    bytes <= region->bytes - (gpa - region->gpa))
			return region->host + (gpa - region->gpa);
	}
	return NULL;
}

uint64_t og_mem_low_end(const struct og_mem *mem)
{
	return mem->regions[0].bytes;
}
