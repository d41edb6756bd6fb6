/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"

/* So that the host may back the guest with huge pages; also what guards each end. */
#define ALIGN_BYTES (2ULL << 20)

/* Linux adds memory in blocks of up to this, which must not begin in the middle of one. */
#define HOTPLUG_ALIGN_BYTES (2ULL << 30)

#define PAGE_BYTES 4096ULL

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

/* Memory between unmapped pages. The caller unmaps *@ret_reserved. */
static int reserve(uint64_t bytes, void **ret_reserved, size_t *ret_reserved_bytes,
		   uint8_t **ret_host, struct og_err *err)
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
	*ret_reserved = reserved;
	*ret_reserved_bytes = reserved_bytes;
	*ret_host = host;
	return 0;
}

int og_mem_init(struct og_mem *mem, uint64_t bytes, struct og_err *err)
{
	void *reserved;
	size_t reserved_bytes;
	uint8_t *host;
	int r = reserve(bytes, &reserved, &reserved_bytes, &host, err);

	if (r < 0)
		return r;
	*mem = (struct og_mem)OG_MEM_NONE;
	mem->reserved = reserved;
	mem->reserved_bytes = reserved_bytes;
	lay_out(mem, host, bytes);
	return 0;
}

void og_mem_prefer_huge(const struct og_mem *mem)
{
	for (unsigned i = 0; i < mem->n_regions; i++)
		(void)madvise(mem->regions[i].host, mem->regions[i].bytes, MADV_HUGEPAGE);
}

void og_mem_borrow(struct og_mem *mem, void *host, uint64_t bytes)
{
	*mem = (struct og_mem)OG_MEM_NONE;
	lay_out(mem, host, bytes);
}

void og_mem_done(struct og_mem *mem)
{
	if (mem->reserved != NULL)
		(void)munmap(mem->reserved, mem->reserved_bytes);
	if (mem->hotplug.reserved != NULL)
		(void)munmap(mem->hotplug.reserved, mem->hotplug.reserved_bytes);
	free((void *)mem->hotplug.present);
	free((void *)mem->dirty);
	og_close(mem->shared_fd);
	*mem = (struct og_mem)OG_MEM_NONE;
}

int og_mem_add_hotplug(struct og_mem *mem, uint64_t bytes, uint64_t slot_bytes, struct og_err *err)
{
	struct og_mem_hotplug *hotplug = &mem->hotplug;
	uint64_t slots = bytes / slot_bytes;
	uint64_t gpa = og_mem_end(mem);
	uint8_t *host;
	int r;

	if (slots > OG_MEM_SLOTS_MAX)
		return og_fail(err, -E2BIG, "hot-plug memory of %llu slots (up to %u)",
			       (unsigned long long)slots, OG_MEM_SLOTS_MAX);
	hotplug->present = calloc(slots, sizeof(*hotplug->present));
	if (hotplug->present == NULL)
		return og_fail(err, -ENOMEM, "make slots of memory");
	r = reserve(bytes, &hotplug->reserved, &hotplug->reserved_bytes, &host, err);
	if (r < 0)
		return r;

	if (gpa < OG_GAP_END)
		gpa = OG_GAP_END;
	hotplug->region = (struct og_mem_region){
		.gpa = (gpa + HOTPLUG_ALIGN_BYTES - 1) & ~(HOTPLUG_ALIGN_BYTES - 1),
		.bytes = bytes,
		.host = host,
	};
	hotplug->slot_bytes = slot_bytes;
	return 0;
}

void og_mem_set_present(const struct og_mem *mem, unsigned slot, bool present)
{
	atomic_store(&mem->hotplug.present[slot], present);
}

bool og_mem_is_present(const struct og_mem *mem, unsigned slot)
{
	return atomic_load(&mem->hotplug.present[slot]) != 0;
}

const struct og_mem_region *og_mem_region(const struct og_mem *mem, unsigned index)
{
	if (index < mem->n_regions)
		return &mem->regions[index];
	if (index == mem->n_regions && mem->hotplug.region.bytes > 0)
		return &mem->hotplug.region;
	return NULL;
}

uint64_t og_mem_end(const struct og_mem *mem)
{
	const struct og_mem_region *last = &mem->regions[mem->n_regions - 1];

	if (mem->hotplug.region.bytes > 0)
		last = &mem->hotplug.region;
	return last->gpa + last->bytes;
}

static void *in_region(const struct og_mem_region *region, uint64_t gpa, uint64_t bytes)
{
	if (gpa < region->gpa || gpa - region->gpa > region->bytes ||
	    bytes > region->bytes - (gpa - region->gpa))
		return NULL;
	return region->host + (gpa - region->gpa);
}

static void *in_hotplug(const struct og_mem_hotplug *hotplug, uint64_t gpa, uint64_t bytes)
{
	void *at = in_region(&hotplug->region, gpa, bytes);
	uint64_t first, last;

	if (at == NULL || bytes == 0)
		return NULL;
	first = (gpa - hotplug->region.gpa) / hotplug->slot_bytes;
	last = (gpa - hotplug->region.gpa + bytes - 1) / hotplug->slot_bytes;
	for (uint64_t slot = first; slot <= last; slot++)
		if (atomic_load(&hotplug->present[slot]) == 0)
			return NULL;
	return at;
}

void *og_mem_at(const struct og_mem *mem, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		void *at = in_region(&mem->regions[i], gpa, bytes);

		if (at != NULL)
			return at;
	}
	return mem->hotplug.region.bytes > 0 ? in_hotplug(&mem->hotplug, gpa, bytes) : NULL;
}

bool og_mem_is_shared(const struct og_mem *mem)
{
	return mem->shared_fd >= 0 && mem->file_fd < 0;
}

/* Shared memory is the file's: to unmap it would give nothing back. */
static int give_back(const struct og_mem *mem, void *at, uint64_t bytes)
{
	int advice = og_mem_is_shared(mem) ? MADV_REMOVE : MADV_DONTNEED;

	return madvise(at, bytes, advice) < 0 ? -errno : 0;
}

int og_mem_discard(const struct og_mem *mem, uint64_t gpa, uint64_t bytes)
{
	void *at = og_mem_at(mem, gpa, bytes);

	if (at == NULL || (gpa | bytes) % PAGE_BYTES != 0)
		return -EFAULT;
	og_mem_mark(mem, at, bytes);
	return give_back(mem, at, bytes);
}

uint64_t og_mem_file_offset(const struct og_mem *mem, unsigned index)
{
	uint64_t offset = 0;

	for (unsigned i = 0; i < index; i++)
		offset += og_mem_region(mem, i)->bytes;
	return offset;
}

uint64_t og_mem_file_bytes(const struct og_mem *mem)
{
	unsigned n = 0;

	while (og_mem_region(mem, n) != NULL)
		n++;
	return og_mem_file_offset(mem, n);
}

int og_mem_track(struct og_mem *mem, struct og_err *err)
{
	size_t words = og_mem_file_bytes(mem) / PAGE_BYTES / 64 + 1;

	mem->dirty = calloc(words, sizeof(*mem->dirty));
	return mem->dirty != NULL ? 0 : og_fail(err, -ENOMEM, "make map of written pages");
}

static void mark_pages(const struct og_mem *mem, uint64_t first, uint64_t last)
{
	for (uint64_t page = first; page <= last; page++) {
		_Atomic uint64_t *word = &mem->dirty[page / 64];
		uint64_t bit = 1ULL << page % 64;

		if (page % 64 == 0 && last - page >= 63) {
			atomic_store_explicit(word, UINT64_MAX, memory_order_relaxed);
			page += 63;
			continue;
		}
		if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0)
			(void)atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	}
}

void og_mem_mark(const struct og_mem *mem, const void *host, uint64_t bytes)
{
	const struct og_mem_region *region;
	uint64_t offset = 0;

	if (mem->dirty == NULL || bytes == 0)
		return;
	for (unsigned i = 0; (region = og_mem_region(mem, i)) != NULL; i++) {
		uint64_t at = (uint64_t)((uintptr_t)host - (uintptr_t)region->host);

		if (at < region->bytes && bytes <= region->bytes - at) {
			mark_pages(mem, (offset + at) / PAGE_BYTES,
				   (offset + at + bytes - 1) / PAGE_BYTES);
			return;
		}
		offset += region->bytes;
	}
}

uint64_t og_mem_discard_at(const struct og_mem *mem, void *host, uint64_t bytes)
{
	uint64_t before = -(uintptr_t)host & (PAGE_BYTES - 1);

	if (bytes < before)
		return 0;
	bytes = (bytes - before) & ~(PAGE_BYTES - 1);
	if (bytes == 0 || give_back(mem, (uint8_t *)host + before, bytes) < 0)
		return 0;
	og_mem_mark(mem, (uint8_t *)host + before, bytes);
	return bytes;
}

uint64_t og_mem_low_end(const struct og_mem *mem)
{
	return mem->regions[0].bytes;
}
