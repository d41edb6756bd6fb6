/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isolation by the host's kernel: namespaces, mounts, cgroups, capabilities, seccomp. It knows
 * nothing of images, of hypervisors, or of how commands are read.
 */
#pragma once

#include "runtime/isolation.h"

extern const struct og_isolation og_isolation_container;
