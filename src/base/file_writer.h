/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a large new file in a thread of its own, beside the one that makes its bytes. After the
 * first part, whole pieces go past the page cache (O_DIRECT) where the file system can: the file is
 * flushed to the disk anyway, and filling the cache with it costs more than all the rest (measured:
 * three to twelve times the time where the memory is not warm). The first part stays cached,
 * because a small file is used at once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_file_writer;

/* @fd is the caller's, open for writing until the writer is freed. -ENOMEM, -EAGAIN (no thread). */
int og_file_writer_new(int fd, struct og_file_writer **ret_writer, struct og_err *err);

/* Ends the thread; what was not waited for may not be in the file. Accepts NULL, returns NULL. */
struct og_file_writer *og_file_writer_free(struct og_file_writer *writer);
OG_DEFINE_CLEANUP(struct og_file_writer, og_file_writer_free)

/*
 * Takes a copy of @buf for @offset; pieces that follow each other are joined. A place that is never
 * written reads as zeros. Errors: those of an earlier piece, what pwrite() says.
 */
int og_file_writer_add(struct og_file_writer *writer, const void *buf, size_t len, uint64_t offset,
		       struct og_err *err);

/* Waits until all that was taken is in the file (fsync() is the caller's). Errors: as above. */
int og_file_writer_wait(struct og_file_writer *writer, struct og_err *err);
