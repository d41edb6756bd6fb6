/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks (config.md, POSIX-platform Hooks): programs of the operator's run at points of the life cycle. */
#pragma once

#include "runtime/state.h"

/*
 * Runs @hooks in their order, each with its own environment and nothing else of ours, the state
 * on its standard input, and killed after its timeout. Stops at the first that fails. @state_text
 * is the state as JSON text. Errors: -ETIMEDOUT, -EIO (it failed; the text has its status).
 */
int og_hooks_run(const char *kind, const struct og_oci_hook_list *hooks, const char *state_text,
		 struct og_err *err);

/* As og_hooks_run(), with the state that @workload has, its status given. */
int og_hooks_run_for(struct og_workload *workload, const char *kind,
		     const struct og_oci_hook_list *hooks, enum og_status status,
		     struct og_err *err);

/* As og_hooks_run(), but each that fails becomes one of @notes, and the others are run all the same. */
void og_hooks_run_each(const char *kind, const struct og_oci_hook_list *hooks,
		       const char *state_text, struct og_notes *notes);
