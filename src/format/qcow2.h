/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a qcow2 image, versions 2 and 3 (QEMU's docs/interop/qcow2.txt). No I/O: the bytes
 * come from whoever made the image and are judged here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What is read of the file for the header: its fixed part. */
#define OG_QCOW2_HEADER_BYTES 112

/* As QEMU's own limits: tables are held in memory. */
#define OG_QCOW2_L1_BYTES_MAX	    (32U << 20)
#define OG_QCOW2_REFTABLE_BYTES_MAX (8U << 20)

/* Clusters of the file: which of them are used is held as a bit each while the image is judged. */
#define OG_QCOW2_FILE_CLUSTERS_MAX (1ULL << 28)

/* Entries of the tables. */
#define OG_QCOW2_OFFSET	    0x00fffffffffffe00ULL
#define OG_QCOW2_COPIED	    (1ULL << 63)
#define OG_QCOW2_COMPRESSED (1ULL << 62)
#define OG_QCOW2_ZERO	    1ULL

/* What the image is opened for. */
enum {
	OG_QCOW2_WRITES = 1 << 0,
	OG_QCOW2_UNPACKS = 1 << 1, /* compressed clusters are understood */
};

struct og_qcow2_header {
	uint32_t version;
	uint32_t cluster_bits;
	uint64_t bytes; /* of the disk */
	uint64_t l1_offset;
	uint32_t l1_entries;
	uint64_t reftable_offset;
	uint32_t reftable_clusters;
	uint32_t refcount_order; /* a count has 1 << this bits */
	uint32_t n_snapshots;
	bool has_backing;
	bool zstd; /* what compressed clusters are in; else deflate */
	uint64_t incompatible, autoclear;
	uint64_t file_clusters; /* a last one that is cut short counts */
};

static inline uint64_t og_qcow2_cluster_bytes(const struct og_qcow2_header *h)
{
	return 1ULL << h->cluster_bits;
}

/* Counts of 16 bits alone can be changed, so only they are looked at. */
static inline uint64_t og_qcow2_counts_per_block(const struct og_qcow2_header *h)
{
	return og_qcow2_cluster_bytes(h) / 2;
}

/*
 * The least that the first @len bytes tell, before anything is judged: that this is an image, and
 * whether it lies over another file. Errors: -EBADMSG (it is none).
 */
int og_qcow2_peek(const uint8_t *bytes, size_t len, bool *ret_has_backing);

/*
 * Judges the first @len bytes of a file of @file_bytes. @uses are of those above: for
 * writing also what may be read but not changed is refused. Errors: -EBADMSG (it is none, or cannot be), -EOPNOTSUPP (it can, but not
 * here: the text names what).
 */
int og_qcow2_parse(const uint8_t *bytes, size_t len, uint64_t file_bytes, unsigned uses,
		   struct og_qcow2_header *ret_header, struct og_err *err);
