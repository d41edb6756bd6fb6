/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI's power management timer (ACPI 6.4, 4.8.2.1): 24 bits at 3.579545 MHz, by which firmware
 * measures time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OG_PM_TIMER_PORTS 4

/* Where SeaBIOS and OVMF put the block of registers that it is in. */
#define OG_PM_TIMER_PORT_SEABIOS 0x608
#define OG_PM_TIMER_PORT_OVMF	 0xb008

/* For struct og_bus; no device. */
void og_pm_timer_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);
