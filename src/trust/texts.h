/* SPDX-License-Identifier: Apache-2.0 */
/* Where an inventory's texts are: pieces that only grow and go together. Private to trust/. */
#pragma once

#include "format/package_entry.h"

struct og_texts;

/* NULL: no memory. */
struct og_texts *og_texts_new(void);

/* @texts has what @more had, too, and @more nothing. -E2BIG: together it is too much. */
int og_texts_join(struct og_texts *texts, struct og_texts *more);

/* Accepts NULL. Always returns NULL. */
struct og_texts *og_texts_free(struct og_texts *texts);

/*
 * A copy that ends in NUL. It is valid UTF-8 on one line: control characters become blanks, what is
 * no UTF-8 becomes '?', what is longer than OG_INVENTORY_TEXT_MAX is cut. NULL: no memory, or too much.
 */
const char *og_texts_add(struct og_texts *texts, struct og_span span);
