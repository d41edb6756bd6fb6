/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A qcow2 image as the bytes of its disk, for who only looks into it: compressed clusters are
 * unpacked, snapshots inside are passed over, reference counts not looked at. No I/O.
 */
#pragma once

#include "base/cleanup.h"
#include "format/qcow2_map.h"

struct og_qcow2_reader;

/*
 * @backing: the disk of what the image lies over, NULL for none. What @file and @backing read from must
 * outlive the reader; it is judged as a whole first (og_qcow2_judge()). On success *@ret_reader is
 * the caller's to free. Errors: as og_qcow2_parse(), og_qcow2_judge_backing(), -ENOMEM, what reading says.
 */
int og_qcow2_reader_new(const struct og_bytes *file, const struct og_bytes *backing,
			struct og_qcow2_reader **ret_reader, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_qcow2_reader *og_qcow2_reader_free(struct og_qcow2_reader *reader);
OG_DEFINE_CLEANUP(struct og_qcow2_reader, og_qcow2_reader_free)

/* The disk. Its read fails also with -EIO: a compressed cluster that is damaged. */
struct og_bytes og_qcow2_reader_bytes(struct og_qcow2_reader *reader);
