/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor's files share, and nobody else. */
#pragma once

#include "vm/control.h"
#include "vm/lastwords.h"
#include "vm/relay.h"
#include "vm/supervisor.h"

/* A connection to vm.sock. */
struct og_vm_client {
	struct og_supervisor *supervisor;
	struct og_vm_client *next;
	int fd;
	struct og_source *source;
	uint32_t number;	/* the process of an exec, else 0 */
	struct og_relay *relay; /* while it lives */
	bool wants_stats;
};

enum og_phase {
	OG_PHASE_BOOTING,
	OG_PHASE_CREATED,  /* waits for start */
	OG_PHASE_STARTING, /* the start frame is under way */
	OG_PHASE_RUNNING,
	OG_PHASE_ENDING, /* the status is known; the guest is switching off */
};

struct og_supervisor {
	struct og_supervisor_setup *setup;
	struct og_loop *loop;
	enum og_phase phase;
	unsigned int status;

	pid_t hypervisor_pid; /* 0 once it was reaped */
	int hypervisor_fd;    /* its pidfd */
	int port_fd;
	struct og_source *port_source;
	struct og_guest_inbox *inbox;
	struct og_text out;
	size_t out_at;
	int log_fd;
	struct og_last_words words;

	struct og_source *gate_source;
	int start_fd; /* the connection of `start` */
	struct og_relay *workload;
	int terminal_fd; /* for its size */

	struct og_vm_client *clients;
	uint32_t last_number;
};

/* ---- supervisor_clients.c ---- */
int og_supervisor_listen(struct og_supervisor *supervisor, struct og_err *err);

/* A frame about a process that an exec has started. */
int og_supervisor_exec_frame(struct og_supervisor *supervisor, const struct og_guest_frame *frame,
			     struct og_err *err);
void og_supervisor_stats_frame(struct og_supervisor *supervisor,
			       const struct og_guest_stats *stats);

/* ---- supervisor.c ---- */
void og_supervisor_signal(struct og_supervisor *supervisor, int signal, bool all);
