/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine in a process of its own, for a front that opens what it needs, starts it and gives it
 * commands. The machine's process is forked from the front, without exec, and keeps no descriptor
 * but those of its configuration.
 *
 * A jailed machine is the first process of a PID namespace. Where it may be forked, a keeper is, and
 * nothing else: forks of the machine are in the same namespace and must not end with the machine. The
 * keeper ends the machine when the front has ended, and itself when nobody is left.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "vmm/vmm.h"

/* Exit statuses of a machine's process, and of onggi-vmm. */
enum {
	OG_EXIT_OFF = 0,
	OG_EXIT_ERROR = 1,
	OG_EXIT_USAGE = 2,
	OG_EXIT_REBOOT = 10
};

struct og_process {
	pid_t pid; /* of the machine, or of its keeper; 0: it is no child any more */
	bool kept;
	int ended_fd;	/* readable when the machine's process has ended */
	int control_fd; /* control.h */
	int broker_fd;	/* what the machine asks for; the caller serves it */
	void *room;	/* not NULL: it waits for og_process_begin() */
};

#define OG_PROCESS_NONE                                                       \
	{                                                                     \
		.ended_fd = -EBADF, .control_fd = -EBADF, .broker_fd = -EBADF \
	}

/*
 * Builds the machine in this process and runs it to its end. Returns the exit status; where it is
 * OG_EXIT_ERROR, @err says why.
 */
int og_vmm_become(const struct og_vmm_config *config, struct og_err *err);

/*
 * og_vmm_become(), jailed as far as a process can be that is there already: all but the PID
 * namespace, which whoever starts it may make. Before, everything is opened.
 */
int og_vmm_become_jailed(struct og_vmm_config *config, struct og_err *err);

/*
 * Starts @config in a new process and waits until its guest runs, or is ready to (start_paused).
 * control_fd and broker_fd are set by this. The caller has one thread. On success *@ret_process is
 * the caller's: it waits for the process and closes the descriptors.
 * Errors: those of og_vmm_new(), with their texts.
 */
int og_process_start(struct og_vmm_config *config, struct og_process *ret_process,
		     struct og_err *err);

/*
 * Starts a process that is to be a machine, and does all that can be done before it is known which: its
 * jail, as @jail says, and a machine of KVM; @forkable as its configuration will have it. It does not wait for that: what goes wrong is said by
 * og_process_begin(). On success *@ret_process is the caller's, to begin or to end.
 */
int og_process_prepare(const struct og_jail_config *jail, bool forkable,
		       struct og_process *ret_process, struct og_err *err);

/*
 * og_process_start() in a process that waits; config->jail is not looked at again. On failure it has ended, and
 * *@process is none.
 */
int og_process_begin(struct og_process *process, const struct og_vmm_config *config,
		     struct og_err *err);

/* For a forked machine: closes all but standard input, output and error and what @config keeps. */
void og_process_keep_only(const struct og_vmm_config *config);

/* As og_vmm_become(), in a process that gave up all that it gives up; tells whoever asks. */
int og_vmm_go_on(const struct og_vmm_config *config, struct og_err *err);

/* Waits for its end. Returns its exit status, OG_EXIT_ERROR also where it was killed. */
int og_process_wait(struct og_process *process);

/* Ends it by force, waits, and closes. Returns as og_process_wait(). */
int og_process_end(struct og_process *process);
