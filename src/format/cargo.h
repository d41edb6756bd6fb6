/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rust's crates: Cargo.lock (the Cargo book, cargo-build: TOML of a narrow form, of which no more is
 * read than Cargo writes), and what cargo-auditable puts into a program's section .dep-v0, once
 * inflated: JSON (cargo-auditable's PARSING.md). Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* Errors: -E2BIG, what @fn returns. */
int og_cargo_read_lock(const char *buf, size_t len, og_package_fn *fn, void *data,
		       struct og_err *err);

/* Crates that only built it are left out. Errors: also -EBADMSG, -ENOMEM. */
int og_cargo_read_audit(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err);
