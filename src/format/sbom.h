/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bills of materials: CycloneDX 1.2 to 1.6 and SPDX 2.2 and 2.3, both as JSON. A package is what has a
 * package URL; what others write beside it about the source package is believed. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

#define OG_SBOM_BYTES_MAX (256U << 20)

struct og_sbom_ops {
	/* @type: of the package URL; @path: the file it was found in, "". */
	int (*package)(void *data, const char *type, const struct og_package_entry *entry,
		       const char *path, struct og_err *err);
	/* The distribution: "debian", "12". */
	void (*os)(void *data, const char *id, const char *version);
};

/* Errors: -EBADMSG (none of the two), -E2BIG, -ENOMEM, what the ops return. */
int og_sbom_read(const char *buf, size_t len, const struct og_sbom_ops *ops, void *data,
		 struct og_err *err);
