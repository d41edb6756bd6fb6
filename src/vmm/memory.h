/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory, and the only way from a guest's address to a pointer.
 *
 * What lies in it belongs to the guest, which may change it at any moment: whatever decides
 * something is copied out once and then judged, never read twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Devices live between 3 and 4 GiB; memory beyond 3 GiB goes on at 4 GiB. */
#define OG_GAP_START (3ULL << 30)
#define OG_GAP_END   (4ULL << 30)

/* One below the gap, one above. */
#define OG_MEM_REGIONS 2

struct og_mem_region {
	uint64_t gpa; /* guest physical address */
	uint64_t bytes;
	uint8_t *host;
};

/*
 * Memory that is plugged while the guest runs, behind all other (virtio_mem.h). All of it is mapped
 * here all the time; the guest and its devices have those slots that are present. Who decides on a
 * slot is the I/O thread; any thread may look.
 */
struct og_mem_hotplug {
	struct og_mem_region region; /* of no bytes: there is none */
	uint64_t slot_bytes;
	_Atomic uint8_t *present; /* one a slot */
	void *reserved;
	size_t reserved_bytes;
};

/* Slots of one machine: KVM keeps 32,764 and more, and a byte here is cheap. */
#define OG_MEM_SLOTS_MAX 8192U

struct og_mem {
	struct og_mem_region regions[OG_MEM_REGIONS]; /* those that the guest begins with */
	unsigned n_regions;
	struct og_mem_hotplug hotplug;
	void *reserved; /* the whole reservation, guard pages included; NULL when borrowed */
	size_t reserved_bytes;

	/* A bit a page, in the order of a snapshot's file; NULL: not tracked. */
	_Atomic uint64_t *dirty;
	int file_fd; /* what it was restored from, page by page as it is needed; borrowed; or -1 */
	int shared_fd;		/* what memory to be forked is in (memory_share.h); owned; or -1 */
	uint64_t private_bytes; /* from the start of shared_fd on: no longer shared */
	bool remote; /* somebody else brings each page when it is touched first (userfaultfd) */
};

/* No memory: og_mem_done() does nothing. */
#define OG_MEM_NONE                            \
	{                                      \
		.file_fd = -1, .shared_fd = -1 \
	}

/*
 * Takes @bytes (a multiple of 4096) of zeroed memory from the kernel, kept out of core dumps, with
 * unmapped pages before and behind. On success og_mem_done() gives it back.
 */
int og_mem_init(struct og_mem *mem, uint64_t bytes, struct og_err *err);

/* Asks for huge pages where the host has them at hand: taken 2 MiB at a time. */
void og_mem_prefer_huge(const struct og_mem *mem);

/* Whether what is written is seen by all that map shared_fd: until the first fork. */
bool og_mem_is_shared(const struct og_mem *mem);

/* Makes the caller's @host the guest's memory at address 0; for tests. */
void og_mem_borrow(struct og_mem *mem, void *host, uint64_t bytes);

void og_mem_done(struct og_mem *mem);

/*
 * Sets @bytes (a multiple of @slot_bytes, which is one of 2 MiB) aside for hot-plug, none of them
 * present. Once, before anyone looks. Nothing is taken from the kernel before it is touched.
 * Errors: -E2BIG (more than OG_MEM_SLOTS_MAX slots), -ENOMEM.
 */
int og_mem_add_hotplug(struct og_mem *mem, uint64_t bytes, uint64_t slot_bytes, struct og_err *err);

/* I/O thread: whether the guest has that slot. */
void og_mem_set_present(const struct og_mem *mem, unsigned slot, bool present);
bool og_mem_is_present(const struct og_mem *mem, unsigned slot);

/* The @index-th region, that for hot-plug the last; NULL behind it. For who walks all memory. */
const struct og_mem_region *og_mem_region(const struct og_mem *mem, unsigned index);

/* First address behind all memory, that for hot-plug included. */
uint64_t og_mem_end(const struct og_mem *mem);

/*
 * Gives @bytes at @gpa back to the host, both multiples of 4096. What the guest reads there
 * afterwards are zeros, or what file_fd holds there.
 * Errors: -EFAULT (not all of it is the guest's), what madvise() says.
 */
int og_mem_discard(const struct og_mem *mem, uint64_t gpa, uint64_t bytes);

/*
 * Likewise of @bytes at @host, which og_mem_at() gave: the whole pages inside. Returns the bytes
 * given back.
 */
uint64_t og_mem_discard_at(const struct og_mem *mem, void *host, uint64_t bytes);

/*
 * A snapshot's file holds region after region, that for hot-plug the last. Where a region is in it,
 * and how large it is, in bytes.
 */
uint64_t og_mem_file_offset(const struct og_mem *mem, unsigned index);
uint64_t og_mem_file_bytes(const struct og_mem *mem);

/*
 * Begins to remember what devices write; KVM remembers what the guest writes. Once all memory is
 * there. Errors: -ENOMEM.
 */
int og_mem_track(struct og_mem *mem, struct og_err *err);

/* A device is going to write, or has written, @bytes at @host, which is the guest's. Any thread. */
void og_mem_mark(const struct og_mem *mem, const void *host, uint64_t bytes);

/* Where @bytes bytes at @gpa lie, NULL unless all of them are inside one region and present. */
void *og_mem_at(const struct og_mem *mem, uint64_t gpa, uint64_t bytes);

/* First address behind the memory below the gap. */
uint64_t og_mem_low_end(const struct og_mem *mem);
