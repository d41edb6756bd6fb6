/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as mounts: one detached read-only EROFS mount an image, made when first asked for and
 * kept, so that all workloads of an image share its pages. Detached: the mount is in no
 * namespace, is held by a descriptor alone, and is gone with the last process that holds one.
 * Only files that this host wrote itself are ever mounted; mount(8) is never run.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "image/images.h"

/* Kept at a time; the one unused for longest is let go of. */
#define OG_MOUNTS_MAX 64U

struct og_mounts;

/* @data_root_fd stays the caller's, and open. */
int og_mounts_new(int data_root_fd, struct og_mounts **ret_mounts, struct og_err *err);
struct og_mounts *og_mounts_free(struct og_mounts *mounts); /* accepts NULL, returns NULL */
OG_DEFINE_CLEANUP(struct og_mounts, og_mounts_free)

/*
 * A clone of the image's mount, the caller's to close. @rootfs as of og_images_rootfs().
 * Errors: the kernel's, with a text that says what it needs (EROFS, loop devices).
 */
int og_mounts_get(struct og_mounts *mounts, const struct og_rootfs *rootfs, int *ret_fd,
		  struct og_err *err);

/* Lets go of mounts whose files were removed. */
void og_mounts_forget(struct og_mounts *mounts);
