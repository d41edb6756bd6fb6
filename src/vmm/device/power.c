/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/power.h"

#include <stddef.h>

#include "vmm/device/event.h"

/* The sleep control register: the type to enter, and the bit that enters it. */
#define SLP_TYP(value) (((value) >> 2) & 7)
#define SLP_EN	       0x20

void og_power_end(struct og_power *power, enum og_outcome outcome)
{
	int running = OG_RUNNING;

	if (atomic_compare_exchange_strong(&power->outcome, &running, (int)outcome))
		og_event_signal(power->stop_fd);
}

void og_power_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	(void)len;
	if (!write) {
		*value = 0;
		return;
	}
	if (offset == OG_POWER_SLEEP && (*value & SLP_EN) != 0 &&
	    SLP_TYP(*value) == OG_POWER_SLEEP_OFF)
		og_power_end(device, OG_POWERED_OFF);
	else if (offset == OG_POWER_RESET && (*value & 0xff) == OG_POWER_RESET_VALUE)
		og_power_end(device, OG_REBOOTED);
}
