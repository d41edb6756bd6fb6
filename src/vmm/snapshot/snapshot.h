/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots, as they are asked for: the command to a paused machine, and what a machine that is to
 * begin from one is given. The files are described in docs/snapshot-format.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/snapshot/format.h"

struct og_mem;

/*
 * OG_COMMAND_SNAPSHOT, with two or three descriptors: the state file and the memory file, both
 * empty and open for writing; then, to be kept in the state file, the front's own text, read from
 * its start: what it needs to know to build the same machine again.
 * Errors: -EBUSY (the machine is not paused), -EINVAL (changes alone, but the machine does not
 * track pages), -E2BIG (a text of more than OG_SNAPSHOT_CONFIG_MAX bytes), what writing says.
 */
#define OG_SNAPSHOT_CONFIG_MAX (1U << 20)

struct og_snapshot_command {
	uint32_t diff; /* only what changed since the last snapshot, or since the machine began */
};

struct og_snapshot_answer {
	uint64_t state_bytes;
	uint64_t memory_bytes; /* that were written; the file's size is the memory's */
	uint64_t microseconds;
};

/* In struct og_vmm_config: what the machine begins with instead of a kernel. */
struct og_snapshot_source {
	const void *state; /* the state file's bytes; NULL: the machine boots; borrowed */
	size_t state_bytes;
	bool was_read; /* its checksum is known to be right, and not looked at again */

	/* One of three: where its memory comes from. All borrowed. */
	int memory_fd;		     /* a file, mapped; negative: none */
	const struct og_mem *memory; /* as it is; the machine's from then on */
	int uffd_socket_fd; /* a connected stream socket: who is there brings pages (uffd.h) */
	int uffd_device_fd; /* /dev/userfaultfd for that; negative: the system call is tried */

	bool realtime; /* the guest's clock goes on by the time that passed meanwhile */
};

/* The front's text in the state file of @len bytes: a part of @state. -EBADMSG and -ENOTSUP as
 * og_snapshot_read(); -ENOENT (none was kept). */
int og_snapshot_config(const void *state, size_t len, const void **ret_config, size_t *ret_bytes,
		       struct og_err *err);
