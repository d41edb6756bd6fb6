/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PC's clock and its battery-backed memory (Motorola MC146818): the time of day in UTC, read only
 * and without alarms, and what firmware looks for there of the machine's memory.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define OG_CMOS_PORT  0x70
#define OG_CMOS_PORTS 2
#define OG_CMOS_BYTES 128

struct og_cmos {
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t bytes[OG_CMOS_BYTES];
	int (*now)(struct timespec *ret_now); /* tests bring their own; NULL: the host's clock */
};

/* @low_bytes of memory from address 0, @high_bytes from 4 GiB. */
void og_cmos_init(struct og_cmos *cmos, uint64_t low_bytes, uint64_t high_bytes);

/* For struct og_bus: struct og_cmos, offsets from OG_CMOS_PORT. */
void og_cmos_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);
