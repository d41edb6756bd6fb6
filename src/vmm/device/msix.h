/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X (PCI 3.0, 6.8.2): a function's interrupts as messages, in a table that the guest writes. A
 * vector that is masked becomes pending and is sent when it is unmasked. No I/O but signalling.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/snapshot/pack.h"

/* One a queue and one for changes of the configuration, for the device with most queues. */
#define OG_MSIX_VECTORS_MAX 9
#define OG_MSIX_TABLE_BYTES (16 * OG_MSIX_VECTORS_MAX)

#define OG_MSIX_MASK_ALL (1U << 14) /* of the capability's message control */
#define OG_MSIX_ENABLE	 (1U << 15)

struct og_msix {
	pthread_mutex_t lock;
	unsigned n;
	uint16_t control;

	struct og_msix_vector {
		uint32_t address_low, address_high, data, control;
		int fd; /* eventfd: sends the message; borrowed */
		bool pending;
	} vectors[OG_MSIX_VECTORS_MAX];

	/* Tells who sends messages where vector @index leads now. @lock held. */
	void (*route)(void *data, unsigned index, uint64_t address, uint32_t message);
	void *route_data; /* borrowed */
};

/* @fds: one a vector. All vectors begin masked, as the specification wants it. */
void og_msix_init(struct og_msix *msix, unsigned n, const int *fds,
		  void (*route)(void *data, unsigned index, uint64_t address, uint32_t message),
		  void *route_data);

bool og_msix_enabled(struct og_msix *msix);

/* Message control, as the guest wrote it. */
void og_msix_set_control(struct og_msix *msix, uint16_t control);

/* Sends, or remembers. A vector that there is none of is ignored: it was the guest's word. */
void og_msix_send(struct og_msix *msix, unsigned vector);

/* The table and the pending bits as the guest sees them; any width, offset and time. */
uint64_t og_msix_read_table(struct og_msix *msix, uint64_t offset, unsigned len);
void og_msix_write_table(struct og_msix *msix, uint64_t offset, uint64_t value, unsigned len);
uint64_t og_msix_read_pending(struct og_msix *msix, uint64_t offset, unsigned len);

void og_msix_save(struct og_msix *msix, struct og_pack *pack);
void og_msix_load(struct og_msix *msix, struct og_unpack *unpack);
