/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system of a container: an overlay of its image (a detached mount, read-only) and
 * its writable layer, in a mount namespace that no one else is in, so that it cannot outlive us.
 */
#pragma once

#include "base/err.h"

/* Enters a mount namespace that still hears of the host's mounts, and tells it of none of ours. */
int og_rootfs_isolate(struct og_err *err);

/*
 * Mounts at @bundle_fd/rootfs (made when missing). @lower_fd stays the caller's and may be closed
 * after; @upper and @work are absolute paths of ours. Errors: what mount calls say.
 */
int og_rootfs_mount(int bundle_fd, int lower_fd, const char *upper, const char *work,
		    struct og_err *err);

/* Lets go of it; what still uses it keeps it until it ends. */
void og_rootfs_unmount(int bundle_fd);
