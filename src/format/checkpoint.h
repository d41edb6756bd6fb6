/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we write beside CRIU's images, onggi.json, so that a checkpoint can be restored: which
 * streams and mounts of the workload came from outside of it. The text of a restore is a
 * stranger's: it says *which* things are missing, never where on the host they are to be found
 * (that says the bundle that it is restored with). No I/O.
 *
 *	{"version":1,"streams":["pipe:[81]","","file[1c:5]"],"mounts":["/data","/proc/kcore"]}
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_CHECKPOINT_FILE	 "onggi.json"
#define OG_CHECKPOINT_MAX_BYTES	 (1U << 20) /* 4,096 mounts with paths of 200 bytes */
#define OG_CHECKPOINT_MOUNTS_MAX 4096
#define OG_CHECKPOINT_STREAM_MAX 64 /* bytes of "file[ffffffff:ffffffffffffffff]" and its like */

struct og_checkpoint {
	/* CRIU's name of standard input, output and error; "": nothing from outside. */
	char streams[3][OG_CHECKPOINT_STREAM_MAX];
	char **mounts; /* mount points inside, absolute; NULL-terminated, owned */
	size_t mount_count;
};

/* Zero-initialised before it is filled. */
void og_checkpoint_done(struct og_checkpoint *checkpoint);

/* Whether CRIU takes it as an external mount's name: absolute, without "]", ":" and "..". */
int og_checkpoint_check_mount(const char *path, struct og_err *err);

/* Errors: -ENOMEM, -E2BIG, and those of og_checkpoint_check_mount(). */
int og_checkpoint_add_mount(struct og_checkpoint *checkpoint, const char *path, struct og_err *err);

/* Text, the caller's to free; NULL when memory ran out. */
char *og_checkpoint_write(const struct og_checkpoint *checkpoint);

/* Errors: -EINVAL (names the member), -ENOTSUP (a later version), -E2BIG. */
int og_checkpoint_parse(const char *buf, size_t len, struct og_checkpoint *ret_checkpoint,
			struct og_err *err);
