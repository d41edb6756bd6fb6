/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stranger's SQLite database, in memory: never a file, never written, no schema trusted, no more
 * steps than a sound one needs. For what others keep in SQLite, such as rpm.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A negative result ends the reading and is handed on. */
typedef int og_db_blob_fn(void *data, const uint8_t *buf, size_t len, struct og_err *err);

/*
 * Hands out column @column of each row of table @table, both ours to name. @buf is changed (its journal
 * mode is taken away) and must stay.
 *
 * Errors: -EBADMSG (no database, damaged, no such table), -E2BIG (too many steps), -ENOMEM, what
 * @fn returns.
 */
int og_db_foreign_blobs(uint8_t *buf, size_t len, const char *table, const char *column,
			og_db_blob_fn *fn, void *data, struct og_err *err);
