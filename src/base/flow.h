/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that pass through an event loop with credit: from a descriptor only as many as someone has
 * asked for, to a descriptor as fast as it takes them, each side told how far it is. Descriptors
 * must not block; those that epoll refuses (files, /dev/null) never do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/loop.h"

#define OG_FLOW_CHUNK (64U * 1024U) /* as much as a pipe holds; the most that is given at once */

struct og_flow_in;
struct og_flow_out;

/* @len 0: the end, nothing comes after it. The flow may be freed here. */
typedef void og_flow_data_fn(const void *bytes, size_t len, void *data);

/*
 * @len bytes were written, or could not be because nobody reads any more; @ended: all there were.
 * The flow may be freed here.
 */
typedef void og_flow_passed_fn(size_t len, bool ended, void *data);

/* Takes @fd over, even on failure, and begins with @credit. On success *@ret_flow is new. */
int og_flow_in_new(struct og_loop *loop, int fd, size_t credit, og_flow_data_fn *fn, void *data,
		   struct og_flow_in **ret_flow, struct og_err *err);

/* Asks for @more bytes. After the end it has no effect. */
void og_flow_in_credit(struct og_flow_in *flow, size_t more);

/* Bytes asked for and not given yet. */
size_t og_flow_in_wanted(const struct og_flow_in *flow);

/* Closes the descriptor. Accepts NULL. Always returns NULL. */
struct og_flow_in *og_flow_in_free(struct og_flow_in *flow);

/* Takes @fd over, even on failure. On success *@ret_flow is new. */
int og_flow_out_new(struct og_loop *loop, int fd, og_flow_passed_fn *fn, void *data,
		    struct og_flow_out **ret_flow, struct og_err *err);

/* Adds bytes. @fn is called from here when some of them are written at once. */
void og_flow_out_add(struct og_flow_out *flow, const void *bytes, size_t len);

/* Closes the descriptor when all there is has been written; @fn is told, perhaps from here. */
void og_flow_out_end(struct og_flow_out *flow);

/* Bytes that wait. */
size_t og_flow_out_waiting(const struct og_flow_out *flow);

/* Whether writing has failed: the other side reads no more, and what is added is dropped. */
bool og_flow_out_broken(const struct og_flow_out *flow);

/* Closes the descriptor. Accepts NULL. Always returns NULL. */
struct og_flow_out *og_flow_out_free(struct og_flow_out *flow);
