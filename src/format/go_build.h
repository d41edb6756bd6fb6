/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go writes into a program about its making (Go's debug/buildinfo): the modules in it, the main one
 * too where it has a version, and the standard library as "stdlib" with the toolchain's version. Both
 * forms are read: inline (Go 1.18 and later) and by pointers. Without I/O.
 */
#pragma once

#include "format/elf.h"
#include "format/package_entry.h"

/* The largest seen has 30 KiB. */
#define OG_GO_MODULES_BYTES_MAX (4U << 20)

/* Errors: -ENOENT (not made by Go), -EBADMSG, -ENOMEM, what @fn and reading return. */
int og_go_read_build(const struct og_elf *elf, og_package_fn *fn, void *data, struct og_err *err);

/* The list of modules alone, as `go version -m` shows it, without the tabs in front. */
int og_go_read_modules(const char *buf, size_t len, og_package_fn *fn, void *data,
		       struct og_err *err);
