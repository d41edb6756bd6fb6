/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a qcow2 image: where the bytes of its disk lie in its file. No I/O: the file is read
 * by a function of the caller's.
 */
#pragma once

#include "format/bytes.h"
#include "format/qcow2.h"

/* L2 tables held in memory, each at its index modulo this: half a GiB each with usual clusters. */
#define OG_QCOW2_TABLES 8

struct og_qcow2_table {
	uint64_t at; /* where in the file; 0: nowhere */
	void *bytes; /* a cluster, as in the file */
};

struct og_qcow2_map {
	struct og_bytes file; /* who lets the file grow changes its size here, too */
	unsigned uses;
	struct og_qcow2_header header;
	uint64_t *l1; /* in the host's order */
	struct og_qcow2_table l2[OG_QCOW2_TABLES];
};

enum og_qcow2_kind {
	OG_QCOW2_ABSENT, /* the backing file's, or zeros */
	OG_QCOW2_ZEROS,
	OG_QCOW2_DATA,
	OG_QCOW2_PACKED, /* compressed; only who unpacks meets it */
};

struct og_qcow2_place {
	enum og_qcow2_kind kind;
	uint64_t host;	 /* the cluster in the file; 0: none */
	uint64_t bytes;	 /* as far as this is so */
	uint64_t packed; /* of a compressed cluster, which begins anywhere: its bytes at most */
};

/*
 * Reads the header and L1, and takes all memory that a map ever will. Zero @map first;
 * og_qcow2_map_done() is the caller's to call also after an error. Errors: as og_qcow2_parse(),
 * -ENOMEM, what @file's read says.
 */
int og_qcow2_map_init(struct og_qcow2_map *map, const struct og_bytes *file, unsigned uses,
		      struct og_err *err);
void og_qcow2_map_done(struct og_qcow2_map *map);

/*
 * What the image lies over is never opened by its own word: @given, whether the caller has another
 * file for that. Errors: -EOPNOTSUPP (it has not, and should), -EINVAL (the other way).
 */
int og_qcow2_judge_backing(const struct og_qcow2_map *map, bool given, struct og_err *err);

/*
 * Judges all tables: each of them, and each cluster, lies inside the file and is used once, so that
 * nothing leads to a table, in a circle, or outside. (Compressed clusters may share one of the file's.) @blocks are those of the reference counts, where
 * the caller will look at them. *@ret_used, a bit a cluster of the file, is the caller's to free.
 * Errors: -EBADMSG, -EOPNOTSUPP (compressed clusters), -ENOMEM, what the file's read says.
 */
int og_qcow2_judge(struct og_qcow2_map *map, const uint64_t *blocks, uint64_t n_blocks,
		   uint8_t **ret_used, struct og_err *err);

/* Whether a cluster is in such a set. */
static inline bool og_qcow2_is_used(const uint8_t *used, uint64_t cluster)
{
	return (used[cluster / 8] >> cluster % 8 & 1) != 0;
}

/* Where the disk's byte @offset lies. Errors: -EIO (an entry that was not there when judged). */
int og_qcow2_look_up(struct og_qcow2_map *map, uint64_t offset, struct og_qcow2_place *ret_place);

/* What an L2 entry of a compressed cluster says. */
void og_qcow2_packed(const struct og_qcow2_map *map, uint64_t entry,
		     struct og_qcow2_place *ret_place);

/* Which entry of L1, and of the L2 table there, is that of the disk's byte @offset. */
static inline uint64_t og_qcow2_entries(const struct og_qcow2_map *map)
{
	return og_qcow2_cluster_bytes(&map->header) / sizeof(uint64_t);
}

static inline uint64_t og_qcow2_l1_index(const struct og_qcow2_map *map, uint64_t offset)
{
	return (offset >> map->header.cluster_bits) / og_qcow2_entries(map);
}

static inline uint64_t og_qcow2_l2_index(const struct og_qcow2_map *map, uint64_t offset)
{
	return (offset >> map->header.cluster_bits) % og_qcow2_entries(map);
}

/* Loads the L2 table at @at, which is that of @index in L1. */
int og_qcow2_load(struct og_qcow2_map *map, uint64_t index, uint64_t at, uint64_t **ret_entries);

/* Bytes of the file. A last cluster may be cut short: what is behind its end reads as zeros. */
int og_qcow2_read_file(const struct og_qcow2_map *map, void *buf, size_t len, uint64_t at);

/* Has @table hold the cluster at @at. After an error it holds none. */
int og_qcow2_hold(const struct og_qcow2_map *map, struct og_qcow2_table *table, uint64_t at);

/* Reads @n entries at @at into the host's order. */
int og_qcow2_read_entries(const struct og_qcow2_map *map, uint64_t *entries, uint64_t n,
			  uint64_t at);
