/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's configuration on its way into a process that was there before it (process.h).
 *
 * Both have the same program at the same place, and a room: memory at one address, which the front writes, and
 * of which the other has a private view. So all that the configuration points to is copied into the room and
 * pointed to there; what is the program's own or shared anyway stays as it is. Descriptors go over a
 * socket, and the configuration has their places in that order.
 */
#pragma once

#include "vmm/vmm.h"

/* The largest state and metadata, and all else; nothing of it is taken from the host before it is written. */
#define OG_HANDOVER_BYTES (32U << 20)

/* Descriptors of a configuration, without those that every process has (standard input and so on). */
struct og_handover_fds {
	int fds[OG_VMM_FDS_MAX];
	unsigned n;
};

/*
 * Makes a copy of @config at the start of @room. *@ret_fds are those to be sent, which stay the caller's.
 * Errors: -E2BIG (it does not go into the room), -EINVAL (a descriptor that is kept is none of a device's).
 */
int og_handover_pack(const struct og_vmm_config *config, void *room,
		     struct og_handover_fds *ret_fds, struct og_err *err);

/* In the other process: @fds, which came, are the configuration's from now on. */
int og_handover_unpack(struct og_vmm_config *config, const struct og_handover_fds *fds,
		       struct og_err *err);
