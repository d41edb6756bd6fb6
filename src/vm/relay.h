/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of the guest as it appears on the host: its streams are relayed between descriptors
 * and frames with credit, until it has ended and all it wrote has been passed on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/text.h"
#include "format/guest.h"

struct og_relay;

/* It has ended, and so have its streams. @status as a shell has it. The relay may be freed here. */
typedef void og_relay_done_fn(struct og_relay *relay, unsigned int status, void *data);

/*
 * Takes the three descriptors over, even on failure; a terminal is the same one three times. They
 * are opened anew where that is possible, so that nobody else's view of them changes. @out is
 * where frames go.
 */
int og_relay_new(struct og_loop *loop, struct og_text *out, uint32_t number, int fds[3],
		 bool terminal, og_relay_done_fn *fn, void *data, struct og_relay **ret_relay,
		 struct og_err *err);
struct og_relay *og_relay_free(struct og_relay *relay);

/* The process runs: its input begins to flow. */
void og_relay_started(struct og_relay *relay);

/* Data, close, credit or exited. Errors: -EPROTO. */
int og_relay_frame(struct og_relay *relay, const struct og_guest_frame *frame, struct og_err *err);

/* Tells the guest the size of the terminal, if it is one. */
void og_relay_resize(struct og_relay *relay, uint32_t rows, uint32_t columns);
