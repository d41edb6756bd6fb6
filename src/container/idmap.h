/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of user and group IDs: of a user namespace (user_namespaces(7)), and of a mount. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/oci_config.h"

#define OG_ID_MAPS_MAX 340 /* lines: the kernel's UID_GID_MAP_MAX_EXTENTS */

/*
 * Writes @maps as /proc/PID/@file, "uid_map" or "gid_map". Errors: -E2BIG (more lines or bytes
 * than the kernel takes), -EINVAL (it does not take these).
 */
int og_id_map_write(pid_t pid, const char *file, const struct og_oci_id_maps *maps,
		    struct og_err *err);

/* A user namespace with these mappings that nothing is in. Returns its descriptor. */
int og_id_map_namespace(const struct og_oci_id_maps *uids, const struct og_oci_id_maps *gids,
			struct og_err *err);

/*
 * Lets the mount @mount_fd, which was never put in place, show its files' IDs as @user_fd maps
 * them (mount_setattr(2), MOUNT_ATTR_IDMAP). With @recursive also all mounts below it.
 */
int og_id_map_mount(int mount_fd, int user_fd, bool recursive, struct og_err *err);
