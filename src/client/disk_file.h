/* SPDX-License-Identifier: Apache-2.0 */
/* A disk as it is named on a command line, and the files behind it. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct og_disk_file {
	int fd, backing_fd; /* owned; backing_fd negative: none */
	bool qcow2, backing_qcow2;
	bool readonly;
};

/*
 * "FILE,format=raw|qcow2[,readonly][,backing=FILE,backing_format=raw|qcow2]". The format is never
 * guessed, as a guest may write what it likes to the front of a raw disk. A qcow2 image that names a
 * file behind itself is refused unless backing= says which: the name inside is the image's, not the
 * user's. The disk is locked (flock) as long as it is open: shared where it is only read.
 *
 * Errors: -EINVAL (the words), -EBUSY (another machine has it), what opening says.
 */
int og_disk_file_open(const char *text, struct og_disk_file *ret_disk, struct og_err *err);

/* Likewise, as if readonly were among the words; without format= it is a raw disk. */
int og_disk_file_open_to_read(const char *text, struct og_disk_file *ret_disk, struct og_err *err);

void og_disk_file_close(struct og_disk_file *disk);
