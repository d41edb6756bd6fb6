/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of an opened qcow2 image: where bytes lie, and which clusters are used. */
#pragma once

#include "vmm/block/disk.h"
#include "format/qcow2.h"

/* L2 tables held in memory, each at its index modulo this: half a GiB each with usual clusters. */
#define OG_QCOW2_TABLES 8

struct og_qcow2_table {
	uint64_t at; /* where in the file; 0: nowhere */
	void *bytes; /* a cluster, as in the file */
};

struct og_qcow2 {
	int fd; /* borrowed */
	bool readonly;
	struct og_qcow2_header header;
	struct og_disk backing; /* where the header says that there is one */

	uint64_t *l1; /* in the host's order, as @reftable */
	uint64_t *reftable;
	uint64_t n_reftable;
	struct og_qcow2_table l2[OG_QCOW2_TABLES];
	struct og_qcow2_table counts; /* one block of reference counts */
	uint64_t free_hint;	      /* no cluster before this is free */
	uint8_t *bounce;	      /* a cluster */
};

enum og_qcow2_kind {
	OG_QCOW2_ABSENT, /* the backing file's, or zeros */
	OG_QCOW2_ZEROS,
	OG_QCOW2_DATA,
};

struct og_qcow2_place {
	enum og_qcow2_kind kind;
	uint64_t host;	/* the cluster in the file; 0: none */
	uint64_t bytes; /* as far as this is so */
};

/* Reads or writes all; what is behind the file's end reads as zeros. */
int og_qcow2_pread(const struct og_qcow2 *q, void *buf, size_t bytes, uint64_t at);
int og_qcow2_pwrite(const struct og_qcow2 *q, const void *buf, size_t bytes, uint64_t at);

/* Where the disk's byte @offset lies. Errors: -EIO (an entry that was not there when judged). */
int og_qcow2_look_up(struct og_qcow2 *q, uint64_t offset, struct og_qcow2_place *ret_place);

/* Loads the L2 table at @at, which is that of @index in L1. */
int og_qcow2_load(struct og_qcow2 *q, uint64_t index, uint64_t at, uint64_t **ret_entries);

/* Makes @entry, in the host's order, that of the disk's byte @offset; adds an L2 table. */
int og_qcow2_set_entry(struct og_qcow2 *q, uint64_t offset, uint64_t entry);

/* Reference counts, by the cluster's number in the file. */
int og_qcow2_count(struct og_qcow2 *q, uint64_t cluster, uint16_t *ret_count);

/* Takes a free cluster: *@ret_host is its place. Errors: -ENOSPC (the refcount table is full). */
int og_qcow2_take(struct og_qcow2 *q, uint64_t *ret_host);
int og_qcow2_give_back(struct og_qcow2 *q, uint64_t host);

/* Judges all tables (qcow2.h). Reads every one of them. Errors: as og_disk_open(). */
int og_qcow2_check(struct og_qcow2 *q, struct og_err *err);
