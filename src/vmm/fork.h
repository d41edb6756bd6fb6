/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running machine becomes two. The machine's process forks: the kernel shares all memory until
 * either writes. The child makes a new machine of KVM and new devices, loads the state that was
 * taken in the pause, and goes on with what came with the command in place of what it must not share.
 * The pause is as long as taking the state and copying the page tables of what the guest has written
 * since its last fork. Before the first, all that it wrote until then goes into a file that both
 * map (memory_share.h). Memory that has a place of its own (memory_place.h) or was restored is in
 * no such file: page tables of all that was written are copied. What is not restored is collapsed
 * into huge pages before, where it is dense, so that there are few.
 *
 * A forked machine is a child of the first one's process and does not end with it. It ends when its
 * own control socket is closed, and is as confined as the first.
 */
#pragma once

#include <stdint.h>

#include "vmm/control.h"

/* What is no device of the configuration. */
#define OG_FORK_CONTROL	   "@control"	 /* the machine's end of a pair (control.h); needed */
#define OG_FORK_KVM	   "@kvm"	 /* /dev/kvm, opened anew; needed */
#define OG_FORK_BROKER	   "@broker"	 /* the machine's end; else it has none to ask */
#define OG_FORK_METRICS	   "@metrics"	 /* memory for struct og_metrics, else it counts nothing */
#define OG_FORK_SERIAL_IN  "@serial-in"	 /* else there is no input */
#define OG_FORK_SERIAL_OUT "@serial-out" /* else output is dropped */

/*
 * OG_COMMAND_FORK, with as many descriptors as @n: each is the child's and replaces the one that the
 * device of that name has. A device without descriptor needs none: one that has none, or a disk
 * that is not written. A disk that is written must be given: the clone's own copy of it as it is
 * now, or what the child may spoil.
 *
 * The child says on its control socket how its start went (og_control_wait()).
 * Errors: -ENOTSUP (not configured as forkable; a device that cannot be forked), -EINVAL (something
 * is needed or not known), -EAGAIN (no more processes for this user).
 */
struct og_fork_command {
	uint32_t start_paused; /* the child waits for OG_COMMAND_RESUME */
	uint32_t n;

	struct og_fork_given {
		char id[OG_VMM_ID_MAX];
		uint8_t has_mac; /* of a network interface: what the child's says it is */
		uint8_t mac[6];
	} given[OG_COMMAND_FDS_MAX];
};

_Static_assert(sizeof(struct og_fork_command) <= OG_COMMAND_BODY_MAX, "goes in a command");

struct og_fork_answer {
	int32_t pid; /* as the first machine's process sees it */
	uint32_t reserved;
	uint64_t pause_us;  /* from telling the vCPUs to stop until they may go on; of that: */
	uint64_t stop_us;   /* until the last of them stood still */
	uint64_t save_us;   /* taking the state */
	uint64_t fork_us;   /* copying page tables */
	uint64_t before_us; /* what was spent on memory before, while the guest ran */
};
