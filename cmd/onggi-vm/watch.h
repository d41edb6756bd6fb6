/* SPDX-License-Identifier: Apache-2.0 */
/* A hypervisor's process while it runs in the foreground. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "machine.h"

/* What ends a machine from its terminal: Ctrl and ']'. */
#define VM_ESCAPE 0x1d

/*
 * Runs @command to its end. On a terminal it gets every key but VM_ESCAPE, which ends it, as
 * SIGINT, SIGTERM and SIGHUP do. It is killed when this process ends, whatever ends it.
 * Returns its exit status; 128 + the signal's number where a signal ended it or us.
 */
int vm_watch(const struct vm_machine *machine, const struct og_words *command, struct og_err *err);
