/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory file of a snapshot: as large as the guest's memory, region after region (memory.h). A
 * hole is zeros in a full one, and what the file before holds in one of changes.
 */
#pragma once

#include "vmm/memory.h"

/*
 * Makes @fd, a file of the caller's, hold the memory: all that was touched and is not zero. It may be
 * the file that the memory was restored from. The guest does not run meanwhile.
 */
int og_memory_file_write(const struct og_mem *mem, int fd, uint64_t *ret_bytes, struct og_err *err);

/*
 * Writes the pages that og_mem_track() knows to be dirty, zeros too, and forgets them. What else is in
 * a file as long as the memory stays.
 */
int og_memory_file_write_dirty(struct og_mem *mem, int fd, uint64_t *ret_bytes, struct og_err *err);

/* Whether both descriptors are of one file. */
bool og_memory_file_is_same(int a, int b);

/* Forgets which pages are dirty: a full one was written. */
void og_memory_file_clean(struct og_mem *mem);

/*
 * Makes @fd's content the memory's: a page is read when it is touched first, and what the guest
 * writes is its own. Afterwards the file must not change, least of all become shorter.
 * Errors: -EBADMSG (the file is smaller than the memory), what mmap() says.
 */
int og_memory_file_map(struct og_mem *mem, int fd, struct og_err *err);

/*
 * Copies what @diff_fd holds over the same places of @base_fd: after that the base is the later
 * snapshot's whole. Both are of one size, else -EBADMSG. Needs a file system that tells data from
 * holes, else -ENOTSUP.
 */
int og_memory_file_merge(int base_fd, int diff_fd, struct og_err *err);
