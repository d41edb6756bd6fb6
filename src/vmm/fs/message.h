/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE requests (protocol 7.31 to 7.38, <linux/fuse.h>) as a guest sends them: from bytes to parts
 * that were judged. No I/O. What is given back points into the message, which nobody else writes.
 *
 * A request is a header, a fixed struct by its opcode, names that end with NUL, and data. Each part
 * has to be there in full, and nothing may follow. A name is one entry of a folder and can lead
 * nowhere else: no '/', not "." or "..", at most NAME_MAX bytes.
 */
#pragma once

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one read or write moves at most: a message fits in a socket of any host as it is set up. */
#define OG_FUSE_DATA_MAX  (128U << 10)
#define OG_FUSE_PAGES_MAX (OG_FUSE_DATA_MAX / 4096U)

/* Header, fixed struct and two names beside the data, rounded up. */
#define OG_FUSE_MESSAGE_MAX (OG_FUSE_DATA_MAX + 8192U)

/* As Linux: NAME_MAX, XATTR_NAME_MAX, PATH_MAX and XATTR_SIZE_MAX. */
#define OG_FUSE_NAME_MAX       255U
#define OG_FUSE_LINK_MAX       4095U
#define OG_FUSE_XATTR_DATA_MAX 65536U

struct og_fuse_request {
	struct fuse_in_header header;
	bool answered;	 /* false: the protocol has no answer to it */
	const void *arg; /* the opcode's struct, aligned to 8 bytes */
	const char *names[2];
	const void *data;
	uint32_t data_bytes;
};

/*
 * Judges the @len bytes at @message, which is aligned to 8. On success *@ret_request points into it.
 * The header is filled in wherever there is one, so that an error can be answered.
 * Errors: -EPROTO (not even a header), -ENOSYS (an opcode that is not served), -EINVAL (lengths that
 * do not match, names that are none), -ENAMETOOLONG, -E2BIG (a value).
 */
int og_fuse_parse(const void *message, size_t len, struct og_fuse_request *ret_request);

/* Whether @name, which ends with NUL, is the name of an entry: 0, -EINVAL or -ENAMETOOLONG. */
int og_fuse_check_name(const char *name);

/* The answer to a FUSE_INIT: 0, or -EPROTO for a guest that speaks no version of ours. */
int og_fuse_answer_init(const struct fuse_init_in *in, struct fuse_init_out *ret_out);

/*
 * Appends an entry of a folder to the @used bytes of @buf, which has @room and is aligned to 8; with
 * @plus, that is a struct fuse_entry_out before it. Returns the new number of bytes, or 0 where it
 * does not fit.
 */
size_t og_fuse_put_entry(void *buf, size_t used, size_t room, const struct fuse_entry_out *plus,
			 const struct fuse_dirent *entry, const char *name);
