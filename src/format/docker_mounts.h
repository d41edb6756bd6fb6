/* SPDX-License-Identifier: Apache-2.0 */
/* Private to docker_create.c: Binds, Mounts, Tmpfs and Volumes become one list. */
#pragma once

#include "format/docker_create.h"

int og_create_read_mounts(struct og_create *create, const struct og_json *body,
			  const struct og_json *host, struct og_err *err);
void og_create_mount_done(struct og_create_mount *mount);
