/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a VM's snapshot or disk in a registry, byte by byte in docs/snapshot-artifacts.md: which
 * files there are, of which chunks, and in which packs those are. No I/O. The reader takes a
 * stranger's bytes; what it accepts lies within its files, its packs and the limits here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

#define OG_VM_MEDIA_SNAPSHOT	    "application/vnd.onggi.vm.snapshot.v1"
#define OG_VM_MEDIA_DISK	    "application/vnd.onggi.vm.disk.v1"
#define OG_VM_MEDIA_SNAPSHOT_CONFIG "application/vnd.onggi.vm.snapshot.config.v1+json"
#define OG_VM_MEDIA_DISK_CONFIG	    "application/vnd.onggi.vm.disk.config.v1+json"
#define OG_VM_MEDIA_INDEX	    "application/vnd.onggi.vm.index.v1"
#define OG_VM_MEDIA_PACK	    "application/vnd.onggi.vm.pack.v1"

#define OG_VM_CHUNK_BYTES     65536U /* of a file, at multiples of it; the last may be shorter */
#define OG_VM_PAGE_BYTES      4096U
#define OG_VM_PACK_CHUNKS     64U	 /* new chunks that are packed together */
#define OG_VM_PACK_BYTES_MAX  (8U << 20) /* of a pack as it travels, twice what we make */
#define OG_VM_INDEX_BYTES_MAX (256U << 20)
#define OG_VM_FILES_MAX	      256U
#define OG_VM_PACKS_MAX	      20000U	 /* what a manifest of 4 MiB can name */
#define OG_VM_CHUNKS_MAX      (1U << 21) /* 128 GiB of content */
#define OG_VM_PLACES_MAX      (1U << 23) /* 512 GiB of data */
#define OG_VM_RANGES_MAX      (1U << 22)
#define OG_VM_NAME_MAX	      127 /* bytes */
#define OG_VM_FILE_BYTES_MAX  ((uint64_t)16 << 40)

/* Its holes say something (the changes of a snapshot): what is data must become data again. */
#define OG_VM_FILE_EXACT 1U

struct og_vm_file {
	char name[OG_VM_NAME_MAX + 1]; /* one component, of [A-Za-z0-9._-], not beginning with '.' */
	uint64_t size;		       /* bytes */
	uint32_t flags;
	uint32_t first_place, place_count; /* of the index's places */
	uint32_t first_range, range_count; /* of the index's ranges; only of an exact file */
};

struct og_vm_chunk {
	struct og_digest digest; /* of its content */
	uint32_t pack;
	uint32_t offset; /* in the pack */
	uint32_t stored; /* bytes there: a zstd frame */
	uint32_t bytes;	 /* of content */
};

/* A chunk's content is at @position * OG_VM_CHUNK_BYTES of the file. */
struct og_vm_place {
	uint32_t position;
	uint32_t chunk;
};

/* Pages of the file that are data, not a hole. */
struct og_vm_range {
	uint32_t page, pages;
};

struct og_vm_index {
	struct og_vm_file *files;   /* owned, like all here */
	struct og_vm_chunk *chunks; /* by pack, then offset */
	struct og_vm_place *places; /* file after file; of one, by position */
	struct og_vm_range *ranges; /* file after file; of one, by page */
	uint32_t file_count, pack_count, chunk_count, place_count, range_count;
};

void og_vm_index_done(struct og_vm_index *index);

bool og_vm_name_is_good(const char *name);

/* *@ret_buf is the caller's to free. Errors: -E2BIG (over a limit), -ENOMEM. */
int og_vm_index_write(const struct og_vm_index *index, uint8_t **ret_buf, size_t *ret_len,
		      struct og_err *err);

/*
 * On success the caller ends @ret_index. Errors: -EBADMSG (no index, cut, or it contradicts
 * itself), -ENOTSUP (of a version that is not known here), -E2BIG (over a limit), -ENOMEM.
 */
int og_vm_index_read(const uint8_t *buf, size_t len, struct og_vm_index *ret_index,
		     struct og_err *err);

/* Bytes that are written where all of it is laid down. */
uint64_t og_vm_index_data_bytes(const struct og_vm_index *index);

/* What machine a snapshot's state file (docs/snapshot-format.md) is of; false: it is no such file. */
bool og_vm_state_machine(const uint8_t *buf, size_t len, uint64_t *ret_memory_mib,
			 uint32_t *ret_cpus);
