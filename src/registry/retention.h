/* SPDX-License-Identifier: Apache-2.0 */
/* Which tags go: a decision without I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/config.h"

struct og_retention_tag {
	const char *repository, *tag;
	int64_t pushed_at, pulled_at; /* seconds since 1970; pulled_at 0: never */
	bool goes;		      /* the result */
};

/*
 * Sorts @tags by repository and, within one, the youngest push first, and sets @goes by the rules of
 * @config. A tag goes when it is beyond the last ones to keep, or older or longer unused than allowed;
 * never one that a pattern keeps or that is immutable. Those kept by a pattern do not count among the
 * last. Returns how many go.
 */
size_t og_retention_select(const struct og_registry_config *config, struct og_retention_tag *tags,
			   size_t count, int64_t now);
