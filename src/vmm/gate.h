/* SPDX-License-Identifier: Apache-2.0 */
/* Where vCPU threads wait while the machine is paused. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct og_gate {
	pthread_mutex_t lock;
	pthread_cond_t opened, arrived;
	bool closed;
	unsigned waiting;
};

void og_gate_init(struct og_gate *gate, bool closed);

/* From now on whoever comes to it waits. */
void og_gate_close(struct og_gate *gate);
void og_gate_open(struct og_gate *gate);

/* Returns when @threads wait at the closed gate. */
void og_gate_gather(struct og_gate *gate, unsigned threads);

/* A thread that ends: counts as waiting from now on. */
void og_gate_leave(struct og_gate *gate);

/* A vCPU thread, outside of the guest: goes on, or waits until the gate is open. */
void og_gate_pass(struct og_gate *gate);
