/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest ends: ACPI's sleep control and reset registers for a reduced-hardware machine
 * (ACPI 6.4, 4.8.3.7 and 4.8.3.6).
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "vmm/device/bus.h"

#define OG_POWER_PORT	      0x600
#define OG_POWER_PORTS	      3
#define OG_POWER_SLEEP	      0 /* sleep control register */
#define OG_POWER_SLEEP_STATUS 1
#define OG_POWER_RESET	      2
#define OG_POWER_RESET_VALUE  1
#define OG_POWER_SLEEP_OFF    5 /* SLP_TYP of \_S5 */

enum og_outcome {
	OG_RUNNING,
	OG_POWERED_OFF,
	OG_REBOOTED, /* the guest asked for a reset */
	OG_FAILED,
};

struct og_power {
	atomic_int outcome; /* enum og_outcome; the first that comes stays */
	int stop_fd;	    /* eventfd, signalled when it is no longer OG_RUNNING; borrowed */
};

void og_power_end(struct og_power *power, enum og_outcome outcome);

og_bus_fn og_power_access; /* device: struct og_power */
