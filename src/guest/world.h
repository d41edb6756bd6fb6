/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world that a workload sees: its root, mounts, devices, and what is hidden from it. Made in
 * the first process of the workload's own PID, mount and cgroup namespaces. They exist so that a
 * workload is the same whether a container or a VM holds it: it is PID 1 with all that follows for
 * signals and orphans, `ps` shows its processes alone, its end ends them all, and it can neither
 * see nor kill onggi-init.
 */
#pragma once

#include "base/err.h"
#include "format/guest.h"

/* Enters the root and never returns to what was before. */
int og_world_enter(const struct og_guest_start *start, struct og_err *err);
