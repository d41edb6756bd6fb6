/* SPDX-License-Identifier: Apache-2.0 */
/* A paused machine's state as the sections of a snapshot (format.h), and back into a fresh one. */
#pragma once

#include "vmm/snapshot/format.h"
#include "vmm/snapshot/snapshot.h"

struct og_vmm;

/* @config: the front's own text, kept for it; may be empty. After it @pack holds the file. */
int og_vmm_save(struct og_vmm *vmm, struct og_pack *pack, const void *config, size_t config_bytes,
		struct og_err *err);

/* Whether the snapshot is of such a machine. Errors: -EBADMSG, -EINVAL. */
int og_vmm_check(struct og_vmm *vmm, const struct og_snapshot *snapshot, struct og_err *err);

/*
 * After that. Into a machine that was built from the same configuration and did not run. Its memory must hold
 * what the snapshot's does. Errors: -EBADMSG (what the file says cannot be), -ENOTSUP (it says
 * something that is not known here), -EINVAL (it is of another machine, or KVM refuses it).
 */
/* The part of it that needs no KVM. */
int og_vmm_load_devices(struct og_vmm *vmm, const struct og_snapshot *snapshot, struct og_err *err);
int og_vmm_load(struct og_vmm *vmm, const struct og_snapshot *snapshot, bool realtime,
		struct og_err *err);
