/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of an opened qcow2 image: where bytes lie, and which clusters are used. */
#pragma once

#include "format/qcow2_map.h"
#include "vmm/block/disk.h"

struct og_qcow2 {
	int fd; /* borrowed */
	bool readonly;
	struct og_qcow2_map map; /* where the disk's bytes are */
	struct og_disk backing;	 /* where the header says that there is one */

	uint64_t *reftable; /* in the host's order */
	uint64_t n_reftable;
	struct og_qcow2_table counts; /* one block of reference counts */
	uint64_t free_hint;	      /* no cluster before this is free */
	uint8_t *bounce;	      /* a cluster */
};

/* The function of @map's file: @data is the image. What is behind the file's end reads as zeros. */
int og_qcow2_pread(void *data, uint64_t at, void *buf, size_t bytes);

/* Writes all; the file may grow. */
int og_qcow2_pwrite(struct og_qcow2 *q, const void *buf, size_t bytes, uint64_t at);

/* Makes @entry, in the host's order, that of the disk's byte @offset; adds an L2 table. */
int og_qcow2_set_entry(struct og_qcow2 *q, uint64_t offset, uint64_t entry);

/* Reference counts, by the cluster's number in the file. */
int og_qcow2_count(struct og_qcow2 *q, uint64_t cluster, uint16_t *ret_count);

/* Takes a free cluster: *@ret_host is its place. Errors: -ENOSPC (the refcount table is full). */
int og_qcow2_take(struct og_qcow2 *q, uint64_t *ret_host);
int og_qcow2_give_back(struct og_qcow2 *q, uint64_t host);

/* Judges all tables, and for writing all counts (qcow2.h). Errors: as og_disk_open(). */
int og_qcow2_check(struct og_qcow2 *q, struct og_err *err);
