/* SPDX-License-Identifier: Apache-2.0 */
/* An archive of a few files (POSIX ustar) in a file without a name, written as its content arrives. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct scan_tar {
	int fd; /* owned */
	uint64_t end, member_at;
	char name[100]; /* of the member that is being written */
};

/* Zero it first. Errors: -ENOSPC, what open() says. */
int scan_tar_begin(struct scan_tar *tar, struct og_err *err);
int scan_tar_member(struct scan_tar *tar, const char *name, struct og_err *err);
int scan_tar_write(struct scan_tar *tar, const void *buf, size_t len, struct og_err *err);
/* The member is whole. */
int scan_tar_close(struct scan_tar *tar, struct og_err *err);
/* A member whose content is there. */
int scan_tar_add(struct scan_tar *tar, const char *name, const void *buf, size_t len,
		 struct og_err *err);
/* Ends the archive and hands its descriptor on, at its beginning. */
int scan_tar_finish(struct scan_tar *tar, struct og_err *err);
void scan_tar_done(struct scan_tar *tar);
