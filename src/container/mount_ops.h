/* SPDX-License-Identifier: Apache-2.0 */
/* Single steps with detached mounts (fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "container/mount_options.h"

/* A clone of what @fd shows, private. Returns its descriptor or a negative errno. */
int og_mount_clone(int fd, bool recursive);

/* A new file system, not mounted anywhere. The words that are not ours go to it. */
int og_mount_new(const char *type, const char *source, const struct og_mount_options *options,
		 struct og_err *err);

/*
 * Likewise, but put onto @target_fd at once, by mount(2): the one way to ask for what fsconfig(2)
 * has no word for (iversion) or no room (256 bytes a word; overlayfs' folders are longer).
 */
bool og_mount_needs_old_call(const struct og_mount_options *options);
int og_mount_old_call(const char *type, const char *source, const struct og_mount_options *options,
		      int target_fd, struct og_err *err);

/* remount: gives the words that are not ours to the file system that is mounted at @target_fd. */
int og_mount_reconfigure(int target_fd, const struct og_mount_options *options, struct og_err *err);

/* Attributes and propagation of a mount and of what is below it. */
int og_mount_attributes(int mount_fd, const struct og_mount_options *options, struct og_err *err);

/* Puts @mount_fd onto @target_fd. */
int og_mount_attach(int mount_fd, int target_fd, struct og_err *err);

/* mount_setattr() of one thing. */
int og_mount_set(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);

/*
 * Opens @destination in @root_fd for mounting, making what is missing: an empty file for
 * @is_file, else a folder.
 */
int og_mount_target(int root_fd, const char *destination, bool is_file, int *ret_fd,
		    struct og_err *err);

/* Opens @path in @root_fd with no symbolic link anywhere on the way. */
int og_open_plain(int root_fd, const char *path, int flags);
