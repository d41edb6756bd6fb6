/* SPDX-License-Identifier: Apache-2.0 */
/* Private to artifact pushes: what files consist of. */
#pragma once

#include "format/vm_index.h"

/* Content that was found, the first time it was. */
struct og_vm_found {
	struct og_digest digest;
	uint32_t bytes;
	uint32_t file, position; /* where it can be read again */
};

struct og_vm_scan {
	struct og_vm_index index;  /* files, places and ranges; a place's chunk is one of @found */
	int *fds;		   /* of the files; owned */
	struct og_vm_found *found; /* owned */
	uint32_t found_count, found_room;
	uint32_t *slots; /* by digest: number in @found + 1, 0: free; owned */
	uint32_t slot_count;
	uint64_t data_bytes;
	bool is_disk;
};

/* Opens and reads what is at @path. og_vm_scan_done() takes one that was zeroed. */
int og_vm_scan(const char *path, struct og_vm_scan *ret_scan, struct og_err *err);
void og_vm_scan_done(struct og_vm_scan *scan);

/* Reads a piece of content again. Errors: -EBUSY (it is another now). */
int og_vm_scan_read(const struct og_vm_scan *scan, const struct og_vm_found *found, void *buf,
		    struct og_err *err);

/* The number in @found of content that was found, or -1. */
int64_t og_vm_scan_find(const struct og_vm_scan *scan, const struct og_digest *digest);
