/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest ends: ACPI's sleep control and reset registers for a reduced-hardware machine
 * (ACPI 6.4, 4.8.3.7 and 4.8.3.6), and the keyboard controller's reset line, the classic way.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "vmm/device/bus.h"
#include "vmm/metrics.h"

#define OG_POWER_PORT	      0x600
#define OG_POWER_PORTS	      3
#define OG_POWER_SLEEP	      0 /* sleep control register */
#define OG_POWER_SLEEP_STATUS 1
#define OG_POWER_RESET	      2
#define OG_POWER_RESET_VALUE  1
#define OG_POWER_SLEEP_OFF    5 /* SLP_TYP of \_S5 */

#define OG_I8042_PORT  0x60
#define OG_I8042_PORTS 5

enum og_outcome {
	OG_RUNNING,
	OG_POWERED_OFF,
	OG_REBOOTED, /* the guest asked for a reset */
	OG_FAILED,
};

struct og_power {
	atomic_int outcome; /* enum og_outcome; the first that comes stays */
	int stop_fd;	    /* eventfd, signalled when it is no longer OG_RUNNING; borrowed */
	og_count *resets;   /* by the keyboard controller; NULL: not counted */
};

void og_power_end(struct og_power *power, enum og_outcome outcome);

og_bus_fn og_power_access; /* device: struct og_power */
og_bus_fn og_i8042_access; /* device: struct og_power */
