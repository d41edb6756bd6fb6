/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "client/options.h"

/* Adds "filters={...}" of words "KEY=VALUE" to a query, percent-encoded; nothing for none. */
int og_filters_add(struct og_text *query, const struct og_words *words, struct og_err *err);
