/* SPDX-License-Identifier: Apache-2.0 */
/* config.json's view of a process becomes the guest protocol's. */
#pragma once

#include "base/text.h"
#include "format/guest.h"
#include "format/oci_config.h"
#include "vm/shares.h"

/* What of a configuration a VM cannot give is refused, so that nothing is silently left out. */
int og_vm_config_check(const struct og_oci_config *config, struct og_err *err);

/*
 * Adds the start frame of @process to @out; for OG_GUEST_MAIN with @config's world around it.
 * @user is "user[:group]" for the guest to look up, NULL to take process.user. @rows and
 * @columns are the terminal's, @has_stdin is false where it would read /dev/null.
 */
struct og_vm_start {
	uint32_t number;
	const struct og_oci_process *process;
	const struct og_oci_config *config; /* of the workload; NULL for an exec */
	const struct og_vm_shares *shares;  /* of @config; may be NULL */
	const char *user;
	uint32_t rows, columns;
	bool has_stdin;
};

int og_vm_start_put(const struct og_vm_start *start, struct og_text *out, struct og_err *err);
