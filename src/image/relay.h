/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands a stream of bytes to another thread, so that receiving and hashing go on while the other
 * decompresses and writes. Bounded: the giver waits for the taker.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_relay;

/* Runs on the other thread. After a negative errno it is not called again. */
typedef int og_relay_fn(void *data, const void *buf, size_t len, struct og_err *err);

/* On success *@ret_relay is the caller's, to be ended by og_relay_finish() or freed. */
int og_relay_new(og_relay_fn *fn, void *data, struct og_relay **ret_relay, struct og_err *err);

/* Copies @buf. Errors: what the other thread's function returned, with its text. */
int og_relay_push(struct og_relay *relay, const void *buf, size_t len, struct og_err *err);

/* Waits until all is taken, and ends the thread. Errors: as above. */
int og_relay_finish(struct og_relay *relay, struct og_err *err);

/* Ends the thread without waiting for what was not taken. Accepts NULL, returns NULL. */
struct og_relay *og_relay_free(struct og_relay *relay);
OG_DEFINE_CLEANUP(struct og_relay, og_relay_free)
