/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/gate.h"

void og_gate_init(struct og_gate *gate, bool closed)
{
	*gate = (struct og_gate){ .closed = closed };
	(void)pthread_mutex_init(&gate->lock, NULL);
	(void)pthread_cond_init(&gate->opened, NULL);
	(void)pthread_cond_init(&gate->arrived, NULL);
}

void og_gate_close(struct og_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->closed = true;
	(void)pthread_mutex_unlock(&gate->lock);
}

void og_gate_open(struct og_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->closed = false;
	(void)pthread_cond_broadcast(&gate->opened);
	(void)pthread_mutex_unlock(&gate->lock);
}

void og_gate_gather(struct og_gate *gate, unsigned threads)
{
	(void)pthread_mutex_lock(&gate->lock);
	while (gate->waiting < threads)
		(void)pthread_cond_wait(&gate->arrived, &gate->lock);
	(void)pthread_mutex_unlock(&gate->lock);
}

void og_gate_pass(struct og_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->waiting++;
	(void)pthread_cond_signal(&gate->arrived);
	while (gate->closed)
		(void)pthread_cond_wait(&gate->opened, &gate->lock);
	gate->waiting--;
	(void)pthread_mutex_unlock(&gate->lock);
}

void og_gate_leave(struct og_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->waiting++;
	(void)pthread_cond_signal(&gate->arrived);
	(void)pthread_mutex_unlock(&gate->lock);
}
