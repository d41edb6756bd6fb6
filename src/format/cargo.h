/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rust's crates as cargo-auditable puts them into a program's section .dep-v0, once inflated: JSON
 * (cargo-auditable's PARSING.md). For Cargo.lock see lock_toml.h. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* Crates that only built it are left out. Errors: -E2BIG, -EBADMSG, -ENOMEM, what @fn returns. */
int og_cargo_read_audit(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err);
