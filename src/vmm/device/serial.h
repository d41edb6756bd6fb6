/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A serial port. Output goes to a descriptor byte by byte as the guest writes it: it waits
 * where the descriptor does, and nothing is buffered. Where there is a limit, what is beyond it is lost.
 * Input fills a FIFO of 16 bytes.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/device/ratelimit.h"
#include "vmm/metrics.h"
#include "vmm/snapshot/pack.h"

#define OG_SERIAL_PORT	0x3f8
#define OG_SERIAL_PORTS 8
#define OG_SERIAL_GSI	4
#define OG_SERIAL_FIFO	16

struct og_serial {
	pthread_mutex_t lock;
	int out_fd;	  /* borrowed; negative: output is dropped */
	int room_fd;	  /* eventfd: the FIFO has room for input again; owned */
	int interrupt_fd; /* eventfd: raises the guest's interrupt; owned */

	uint8_t ier, fcr, lcr, mcr, scratch;
	uint8_t divisor[2];
	bool sent; /* an empty transmitter is yet to be reported */

	struct og_ratelimit limit;	 /* of output */
	struct og_uart_metrics *metrics; /* borrowed, or the next */
	struct og_uart_metrics no_metrics;

	uint8_t fifo[OG_SERIAL_FIFO];
	unsigned fifo_start, fifo_len;
};

/* @limit: of its output in bytes; may be NULL, as @metrics. */
int og_serial_init(struct og_serial *serial, int out_fd, const struct og_bucket_config *limit,
		   struct og_uart_metrics *metrics, struct og_err *err);
void og_serial_done(struct og_serial *serial);

uint8_t og_serial_read(struct og_serial *serial, unsigned reg);
void og_serial_write(struct og_serial *serial, unsigned reg, uint8_t value);

/* How many bytes of input fit, and the input. */
unsigned og_serial_room(struct og_serial *serial);
void og_serial_input(struct og_serial *serial, const uint8_t *bytes, unsigned len);

/* Its registers and what waits in its FIFO. Loading is for a fresh port; false: it cannot be. */
void og_serial_save(struct og_serial *serial, struct og_pack *pack);
bool og_serial_load(struct og_serial *serial, struct og_unpack *unpack);

/* After a restore, once the interrupt controllers are as they were. */
void og_serial_resumed(struct og_serial *serial);
