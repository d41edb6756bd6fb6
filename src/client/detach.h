/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that leave a workload running: "ctrl-p,ctrl-q" unless others are asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OG_DETACH_KEYS_MAX     16
#define OG_DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

struct og_detach {
	uint8_t keys[OG_DETACH_KEYS_MAX];
	size_t count;
	size_t matched; /* of them so far, held back */
};

/* "ctrl-a,b" and so on; ctrl- with a-z @ [ \ ] ^ _. Errors: -EINVAL. */
int og_detach_parse(const char *text, struct og_detach *ret_detach, struct og_err *err);

/*
 * Copies @len bytes of input to @out (room: @len + OG_DETACH_KEYS_MAX), less what may be the
 * keys' beginning, and sets *@ret_out_len. Returns whether all the keys have been pressed.
 */
bool og_detach_filter(struct og_detach *detach, const uint8_t *in, size_t len, uint8_t *out,
		      size_t *ret_out_len);
