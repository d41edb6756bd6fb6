/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RPM's databases of installed packages: headers (rpm 4, format.md: tags and a store of data) and two of
 * the three kinds of file that they are kept in: ndb (Packages.db) and Berkeley DB's hash (Packages).
 * The third, rpmdb.sqlite, is SQLite's (base/db.h). Without I/O.
 */
#pragma once

#include <stdint.h>

#include "format/package_entry.h"

/* A kernel's or a font collection's header is 4 MiB; rpm itself takes up to 256 MiB. */
#define OG_RPM_HEADER_MAX (32U << 20)

/*
 * One header, as a database has it: without the 8 bytes that lead it in a file. A key of a signer
 * (gpg-pubkey) is no package and is passed over. The version is "[EPOCH:]VERSION-RELEASE".
 *
 * Errors: -EBADMSG, -E2BIG, what is returned by @package and @file (which may be NULL).
 */
int og_rpm_read_header(const uint8_t *buf, size_t len, og_package_fn *package,
		       og_package_file_fn *file, void *data, struct og_err *err);

/* Hands out a header's bytes. A negative result ends the reading. */
typedef int og_rpm_blob_fn(void *data, const uint8_t *buf, size_t len, struct og_err *err);

/* Errors: -EBADMSG, -E2BIG, -ENOMEM, what @fn returns. */
int og_rpm_read_ndb(const uint8_t *buf, size_t len, og_rpm_blob_fn *fn, void *data,
		    struct og_err *err);
int og_rpm_read_bdb(const uint8_t *buf, size_t len, og_rpm_blob_fn *fn, void *data,
		    struct og_err *err);
