/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of the workload as the guest protocol sees them: a number, three streams with credit,
 * an end. Everything that they have to say goes into the server's frames.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/text.h"
#include "format/guest.h"

/* Where processes live and what they write to. */
struct og_processes {
	struct og_loop *loop; /* borrowed */
	struct og_text *out;  /* borrowed: frames for the host */
	struct og_process *first;
	size_t count;
	int main_pid_fd; /* owned; negative before and after the first process */
	bool main_was_started;
};

/* Starts what the frame asks for; failing is told to the host. */
void og_process_start(struct og_processes *processes, const struct og_guest_frame *frame);

/* Bytes, their end, or credit for one of a process's streams. Of one that is gone: nothing. */
int og_process_stream(struct og_processes *processes, const struct og_guest_frame *frame,
		      struct og_err *err);

void og_process_signal(struct og_processes *processes, const struct og_guest_frame *frame);
void og_process_resize(struct og_processes *processes, const struct og_guest_frame *frame);

/* Collects children that have ended, ours or orphans. */
void og_process_reap(struct og_processes *processes);
