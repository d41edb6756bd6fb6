/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a workload gets unless someone says otherwise: the lists that Docker's users are used to,
 * and are safe with. For who writes a config.json (the engine, `onggi-runtime spec`). Each
 * function gives a new JSON value, the caller's, in the shape of the runtime specification.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* The 14 capabilities of Docker's default, as an array of names. */
struct og_json *og_defaults_capabilities(void);

/* process.capabilities with @names (an array, borrowed) in each set but the inheritable and
 * ambient ones, which stay empty. */
struct og_json *og_defaults_capability_sets(const struct og_json *names);

/* mounts: /proc, /dev, /dev/pts, /sys, /sys/fs/cgroup, /dev/mqueue, /dev/shm. */
struct og_json *og_defaults_mounts(void);

/* linux.maskedPaths and linux.readonlyPaths */
struct og_json *og_defaults_masked_paths(void);
struct og_json *og_defaults_readonly_paths(void);

/* linux.namespaces: all new ones but the user and time namespaces. */
struct og_json *og_defaults_namespaces(void);

/* linux.resources.devices: everything denied; the runtime itself allows the common devices. */
struct og_json *og_defaults_devices(void);

/*
 * linux.seccomp for a workload that has the capabilities @names (an array of "CAP_..."): what is
 * not known to be harmless, or not made harmless by a missing capability, fails with EPERM.
 */
struct og_json *og_defaults_seccomp(const struct og_json *names);

/* A whole config.json that runs `sh` from ./rootfs. */
struct og_json *og_defaults_config(void);

/* Likewise, for that user, who is the only one inside, as root. */
struct og_json *og_defaults_rootless_config(uint64_t uid, uint64_t gid);
