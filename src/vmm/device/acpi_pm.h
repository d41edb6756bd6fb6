/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI's power management registers as far as a PC with firmware needs them: the timer of 24 bits at
 * 3.579545 MHz by which firmware measures time (ACPI 6.4, 4.8.2.1), events of which none ever comes,
 * and the control register that powers off (4.8.3.2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/device/power.h"

#define OG_PM_TIMER_PORTS 4

/* Where SeaBIOS and OVMF put the block of registers that it is in. */
#define OG_PM_TIMER_PORT_SEABIOS 0x608
#define OG_PM_TIMER_PORT_OVMF	 0xb008

#define OG_PM_EVENT_PORT    0x610 /* status and enable, 2 bytes each */
#define OG_PM_EVENT_PORTS   4
#define OG_PM_CONTROL_PORT  0x614
#define OG_PM_CONTROL_PORTS 2
#define OG_PM_GSI	    9 /* of the events */

/* For struct og_bus. */
og_bus_fn og_pm_timer_access;	/* no device */
og_bus_fn og_pm_event_access;	/* device: uint16_t, what is enabled */
og_bus_fn og_pm_control_access; /* device: struct og_power */
