/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyboard controller, the 8042 of a PC, with a keyboard that has three keys: Ctrl, Alt and Delete, which
 * are pressed together and let go. It answers what Linux's i8042 and atkbd ask for, in scan code set 2 or as
 * the controller translates it to set 1; there is no mouse. A machine without a keyboard has of it the reset
 * line alone.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/device/bus.h"
#include "vmm/device/power.h"
#include "vmm/metrics.h"
#include "vmm/snapshot/pack.h"

#define OG_I8042_PORT	0x60 /* data; 4 further: status and commands */
#define OG_I8042_PORTS	5
#define OG_I8042_STATUS 4
#define OG_I8042_GSI	1
#define OG_I8042_QUEUE	16

struct og_i8042 {
	pthread_mutex_t lock;
	struct og_power *power; /* what a reset ends; borrowed */
	og_count *resets;	/* NULL: not counted */
	bool present;		/* there is a keyboard */
	int interrupt_fd;	/* eventfd: raises the guest's interrupt; owned; negative without */

	bool touched;		/* the guest has asked for something: somebody looks at keys */
	bool was_command;	/* the last write was to the command port */
	uint8_t control;	/* the controller's command byte */
	uint8_t output;		/* its output port */
	uint8_t wants;		/* its command whose byte is yet to come; 0: none */
	uint8_t keyboard_wants; /* likewise, of the keyboard */
	uint8_t scan_set;
	bool answered; /* @answer, the controller's own, is to be read before the keyboard's */
	uint8_t answer;
	uint8_t last; /* what was read */

	uint8_t queue[OG_I8042_QUEUE]; /* the keyboard's */
	unsigned start, len;
};

/* Without @present it cannot fail. og_i8042_done() in any case. */
int og_i8042_init(struct og_i8042 *i8042, bool present, struct og_power *power, struct og_err *err);
void og_i8042_done(struct og_i8042 *i8042);

og_bus_fn og_i8042_access; /* device: struct og_i8042 */

/*
 * Ctrl+Alt+Delete. Errors: -ENODEV (no keyboard), -EAGAIN (the guest has not read what was pressed before),
 * -ENOTCONN (it has no driver for one).
 */
int og_i8042_press(struct og_i8042 *i8042, struct og_err *err);

/* Loading is for a fresh one; false: it cannot be. */
void og_i8042_save(struct og_i8042 *i8042, struct og_pack *pack);
bool og_i8042_load(struct og_i8042 *i8042, struct og_unpack *unpack);

/* When all else is loaded: interrupts again, where something waits to be read. */
void og_i8042_resumed(struct og_i8042 *i8042);
