/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip archives (PKWARE APPNOTE 6.3) by their central directory, as far as jars need it: stored and
 * deflated members, bytes of another program in front, zip64 (members beyond 4 GiB, and ends of archives with
 * more than 65,534). Not read: several disks, encryption. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/bytes.h"
#include "format/package_entry.h"

#define OG_ZIP_DIRECTORY_MAX (32U << 20) /* bytes; 65,535 members with long names are 10 MiB */

struct og_zip {
	const struct og_bytes *bytes;
	uint8_t *directory; /* owned */
	size_t directory_bytes;
	uint64_t shift; /* what is in front of the archive */
};

struct og_zip_member {
	struct og_span name; /* borrowed of the directory */
	uint16_t method;     /* 0 stored, 8 deflated */
	uint16_t flags;
	uint64_t packed, size, header_at;
	size_t next; /* private */
};

/* @bytes must outlive it. Errors: -EBADMSG (no zip), -E2BIG, -ENOMEM, what reading says. */
int og_zip_open(const struct og_bytes *bytes, struct og_zip *ret_zip, struct og_err *err);
void og_zip_done(struct og_zip *zip);

/* Starts with a zeroed @member. False at the end, or where the directory is damaged. */
bool og_zip_next(const struct og_zip *zip, struct og_zip_member *member);

/* Where the packed bytes begin. Errors: -EBADMSG, what reading says. */
int og_zip_place(const struct og_zip *zip, const struct og_zip_member *member, uint64_t *ret_offset,
		 struct og_err *err);

/*
 * A member's content. *@ret_buf is the caller's to free, has a NUL behind it. Errors: -EBADMSG, -EFBIG (over
 * @max_bytes), -ENOTSUP (another method, encrypted), -ENOMEM, what reading says.
 */
int og_zip_read(const struct og_zip *zip, const struct og_zip_member *member, size_t max_bytes,
		char **ret_buf, size_t *ret_len, struct og_err *err);
