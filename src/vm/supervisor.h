/* SPDX-License-Identifier: Apache-2.0 */
/* The process that stands for a VM's workload on the host; see vm/isolation.h. */
#pragma once

#include <stdbool.h>

#include "base/text.h"
#include "vm/hypervisor.h"

/* All descriptors are the supervisor's from the fork on. */
struct og_supervisor_setup {
	const struct og_vm_choice *choice;
	struct og_vm_machine machine; /* console_fd and log_fd are made by the supervisor */
	const char *start_payload;    /* of the workload's start frame */
	size_t start_len;
	bool terminal;
	int streams[3]; /* a terminal is the same one three times */
	int go_fd;	/* a byte comes when this process is known to the state */
	int ready_fd;	/* gets one struct og_supervisor_ready */
	int gate_fd;	/* start.sock, listening */
	int state_fd;	/* whoever makes the workload holds a lock by it: not ours */
	int control_fd; /* vm.sock, listening */
};

struct og_supervisor_ready {
	int code; /* 0: the guest is up */
	char text[OG_ERR_TEXT_MAX];
};

/* Runs to the workload's end and exits with its status: 128 + N after signal N. */
void og_supervisor_run(struct og_supervisor_setup *setup) __attribute__((noreturn));
